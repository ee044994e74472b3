//! Writes YAML that readers of YAML 1.1 and of YAML 1.2 take for the same.
//!
//! YAML 1.1 (`PyYAML`, Ansible, Ruby) knows more plain words that are no strings: `no`, `1:30`,
//! `2024-01-01`. So a string stands plainly only where no reader could see anything else in it.

use serde_json::{Number, Value};

/// What some reader takes for null or a boolean, in any case.
const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// A longer key has to be announced by a `?`.
const KEY_LIMIT: usize = 1024;

/// Writes a document in block style.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text + "\n"
}

/// Writes a value without the end of its last line; further lines are indented so far.
fn write(text: &mut String, value: &Value, indent: usize) {
    let line = format!("\n{:indent$}", "");
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (number, (key, value)) in map.iter().enumerate() {
                if number > 0 {
                    text.push_str(&line);
                }
                let key = scalar(key);
                if key.len() > KEY_LIMIT {
                    text.push_str(&format!("? {key}{line}:"));
                } else {
                    text.push_str(&format!("{key}:"));
                }
                if is_collection(value) {
                    text.push_str(&format!("{line}  "));
                } else {
                    text.push(' ');
                }
                write(text, value, indent + 2);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    text.push_str(&line);
                }
                text.push_str("- ");
                write(text, item, indent + 2);
            }
        }
        Value::String(words) if is_block(words) => text.push_str(&block(words, indent.max(2))),
        Value::String(words) => text.push_str(&scalar(words)),
        Value::Number(value) => text.push_str(&number(value)),
        // What is left looks as in JSON: null, true, false, {} and [].
        _ => text.push_str(&value.to_string()),
    }
}

/// Whether a value needs lines of its own.
fn is_collection(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// A number; YAML 1.1 knows a float by its point, and an exponent by its sign.
fn number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let digits = format!("{float:?}");
    let Some((mantissa, exponent)) = digits.split_once('e') else {
        return digits;
    };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

/// A string on one line: plain, or in double quotes.
fn scalar(words: &str) -> String {
    if is_plain(words) {
        return words.to_owned();
    }
    let escaped: String = words.chars().map(escape).collect();
    format!("\"{escaped}\"")
}

/// A character between double quotes.
fn escape(character: char) -> String {
    match character {
        '"' | '\\' => format!("\\{character}"),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        _ if is_printable(character) => character.to_string(),
        // Of all planes but the first nothing comes here.
        _ => format!("\\u{:04x}", u32::from(character)),
    }
}

/// Whether every reader takes these words, as they are, for just this string.
fn is_plain(words: &str) -> bool {
    words.starts_with(|first: char| first.is_alphanumeric() || "_/".contains(first))
        && !words.ends_with(|last: char| last == ':' || last.is_whitespace())
        && !words.contains(": ")
        && !words.contains(" #")
        && words.chars().all(is_printable)
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(words))
        && !is_like_number(words)
}

/// Whether this may be a number or a time to some reader, were it only `e7` to a lax one. Signs and
/// points, which also begin numbers, begin no plain string anyway.
fn is_like_number(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let of_times = |character: char| character.is_ascii_digit() || "_,.:+- etz".contains(character);
    words.starts_with(|first: char| first.is_ascii_digit() || first == 'e')
        && (words.chars().all(of_times)
            || ["0x", "0o", "0b"]
                .iter()
                .any(|base| words.starts_with(base)))
}

/// Whether a text of several lines can stand as it is, and nothing in it is easily overlooked.
fn is_block(words: &str) -> bool {
    words.contains('\n')
        && !words.starts_with(char::is_whitespace)
        && words
            .split('\n')
            .all(|line| line.chars().all(is_printable) && !line.ends_with(char::is_whitespace))
}

/// A text of several lines. The sign after `|` tells how many line ends there are at its end.
fn block(words: &str, indent: usize) -> String {
    let (sign, lines) = match words.strip_suffix('\n') {
        None => ("-", words),
        Some(lines) if lines.ends_with('\n') => ("+", lines),
        Some(lines) => ("", lines),
    };
    let mut text = format!("|{sign}");
    for line in lines.split('\n') {
        let indent = if line.is_empty() { 0 } else { indent };
        text.push_str(&format!("\n{:indent$}{line}", ""));
    }
    text
}

/// Whether a character can be written as itself: it is one to YAML, breaks no line, and does not
/// turn the text around it.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(
            character,
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn quoted(words: &str) -> bool {
        scalar(words) == format!("\"{words}\"")
    }

    #[test]
    fn maps_and_lists_stand_in_blocks_in_their_order() {
        let value = json!({
            "name": "web",
            "boot": {"menu": true, "order": null},
            "disks": [{"size": 5, "tags": ["a", "b"]}, [1, [2]], {}, []],
            "args": [],
            "env": {},
        });
        let text = "\
name: web
boot:
  menu: true
  order: null
disks:
  - size: 5
    tags:
      - a
      - b
  - - 1
    - - 2
  - {}
  - []
args: []
env: {}
";
        assert_eq!(document(&value), text);
    }

    #[test]
    fn a_document_may_be_a_scalar() {
        assert_eq!(document(&json!(null)), "null\n");
        assert_eq!(document(&json!({})), "{}\n");
        assert_eq!(document(&json!("a\nb\n")), "|\n  a\n  b\n");
    }

    #[test]
    fn common_strings_are_plain() {
        for words in [
            "web-1",
            "/var/lib/images/web 1.qcow2",
            "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11",
            "52:54:00:aa:bb:cc",
            "http://host/#top",
            "it's \"so\", [really] {not} & *so* bad!",
            "C:\\temp",
            "5 GiB",
            "q35",
            "_",
            "ünï 日本",
            "none",
            "nothing",
            "Infinity",
        ] {
            assert_eq!(scalar(words), words);
        }
    }

    #[test]
    fn words_that_are_null_or_boolean_to_someone_are_quoted_in_any_case() {
        for words in [
            "null", "NULL", "~", "true", "False", "yes", "No", "nO", "on", "OFF", "y", "N", "",
        ] {
            assert!(quoted(words), "{words}");
        }
    }

    #[test]
    fn what_is_a_number_or_a_time_to_someone_is_quoted() {
        for words in [
            "7",
            "-7",
            "+7",
            "007",
            "0o17",
            "0O17",
            "0xff",
            "0XFF",
            "-0x1",
            "0b11",
            "1_000",
            "1,000",
            "1:30",
            "52:54:00:12:34:56",
            "192.168.0.1",
            "1.5",
            ".5",
            "5.",
            "1e3",
            "1E+3",
            "e7",
            ".inf",
            "-.INF",
            ".NaN",
            "2024-01-01",
            "2024-1-1 1:02:03.5 +1:00",
            "2024-01-01T00:00:00Z",
            "2024-01-01t00:00:00-05:00",
        ] {
            assert!(quoted(words), "{words}");
        }
    }

    #[test]
    fn what_means_something_to_yaml_is_quoted() {
        for words in [
            "=", "<<", "---", "...", "--- a", "- a", "-rf", "? a", ": a", ":symbol", "# a", "&a",
            "*a", "!a", "|", ">", "%a", "@a", "`a`", "'a'", "[a]", "{a}", ",", "a: b", "a #b",
            "a:", " a", "a ", "a\u{a0}",
        ] {
            assert!(quoted(words), "{words}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        assert_eq!(scalar("a\tb\r\\ \""), r#""a\tb\r\\ \"""#);
        assert_eq!(
            scalar("\0\u{7}\u{1b}\u{7f}"),
            r#""\u0000\u0007\u001b\u007f""#
        );
        assert_eq!(scalar("\u{85}\u{9f}"), r#""\u0085\u009f""#);
        assert_eq!(
            scalar("a\u{2028}\u{2029}\u{202e}"),
            r#""a\u2028\u2029\u202e""#
        );
        assert_eq!(scalar("a\u{feff}\u{ffff}"), r#""a\ufeff\uffff""#);
        assert_eq!(scalar(" 😀"), "\" 😀\"");
    }

    #[test]
    fn a_text_of_several_lines_stands_as_a_block_with_its_end() {
        let text = |words| document(&json!({ "a": words, "b": 1 }));
        assert_eq!(text("x\n y"), "a: |-\n  x\n   y\nb: 1\n");
        assert_eq!(text("x: 1\n\n# y\n"), "a: |\n  x: 1\n\n  # y\nb: 1\n");
        assert_eq!(text("x\n\n\n"), "a: |+\n  x\n\n\nb: 1\n");
        assert_eq!(document(&json!([["---\n"]])), "- - |\n    ---\n");
    }

    #[test]
    fn a_text_whose_blanks_would_be_lost_or_overlooked_is_quoted() {
        for words in [
            "\n", "\nx", " x\ny", "x \ny", "x\n \ny", "x\ny ", "x\r\ny", "x\n\ty\t",
        ] {
            assert!(!is_block(words), "{words:?}");
        }
    }

    #[test]
    fn keys_are_quoted_as_strings_are_and_take_one_line() {
        assert_eq!(
            document(&json!({"no": 1, "1": 2, "a b": 3, "a\nb": 4, "": 5})),
            "\"no\": 1\n\"1\": 2\na b: 3\n\"a\\nb\": 4\n\"\": 5\n"
        );
        let long = "k".repeat(KEY_LIMIT + 1);
        assert_eq!(
            document(&json!([{ &long: 1, "b": { &long: [2] } }])),
            format!("- ? {long}\n  : 1\n  b:\n    ? {long}\n    :\n      - 2\n")
        );
    }

    #[test]
    fn numbers_stay_integers_or_floats() {
        for (number, text) in [
            (json!(0), "0\n"),
            (json!(i64::MIN), "-9223372036854775808\n"),
            (json!(u64::MAX), "18446744073709551615\n"),
            (json!(1.0), "1.0\n"),
            (json!(-0.0), "-0.0\n"),
            (json!(0.1), "0.1\n"),
            (json!(1e300), "1.0e+300\n"),
            (json!(-1.5e-7), "-1.5e-7\n"),
            (json!(5e-324), "5.0e-324\n"),
        ] {
            assert_eq!(document(&number), text);
        }
    }
}
