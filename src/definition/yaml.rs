//! YAML: the only place that knows its parser.

use super::difference::Said;
use super::measure::{
    BEYOND_MEASURE, IS_BINARY, has_aliases, longest_number, measure, with_visible_tags,
};
use super::{Definition, DefinitionError, Origin, yaml_writer};
use crate::entity::Vm;
use crate::words::nearest;
use serde::Deserialize;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};
use std::fmt;
use std::marker::PhantomData;

/// More open brackets than this stand in no definition, and the parser's time grows with their
/// square.
const DEPTH_LIMIT: usize = 1000;

/// More directives than this have no use, and the parser's time grows with their square.
const DIRECTIVE_LIMIT: usize = 100;

/// More VMs than this are in no file, nor empty documents between them.
const DOCUMENT_LIMIT: usize = 20_000;

/// Older and misspelt names that are read, and the right ones, which are recommended. The schema's tests
/// hold that these are all there are, but for those that are the right name somewhere else.
pub(crate) const OLDER_NAMES: &[(&str, &str)] = &[
    ("InitializationType", "initializationType"),
    ("UsbPolicy", "usbPolicy"),
    ("VmDynamic", "vmDynamic"),
    ("VmInit", "vmInit"),
    ("VmPayload", "vmPayload"),
    ("VmStatic", "vmStatic"),
    ("VmStatistics", "vmStatistics"),
    ("cliientIp", "clientIp"),
    ("consoleCurrentName", "consoleCurrentUserName"),
    ("dateTime", "bootTime"),
    ("lastModifiedDate", "lastModified"),
    ("osTime", "downtime"),
    ("rootPasswork", "rootPassword"),
    ("runAdnPause", "runAndPause"),
    ("sessionTime", "session"),
    ("templateId", "vmtGuid"),
    ("timezone", "timeZone"),
    ("vmFQDN", "fqdn"),
    ("vmFqdn", "fqdn"),
    ("vmIp", "ip"),
    ("winkey", "winKey"),
];

/// Reads all documents of a file.
pub(super) fn read(file: &str, text: &str) -> Result<Vec<Definition>, DefinitionError> {
    if let Some(line) = line_beyond_depth(text) {
        let problem = format!("more than {DEPTH_LIMIT} brackets are open here");
        return Err(Origin {
            file: file.to_owned(),
            line,
        }
        .error(problem));
    }
    if text.lines().filter(|line| line.starts_with("%TAG")).count() > DIRECTIVE_LIMIT {
        let problem = format!("it has more than {DIRECTIVE_LIMIT} %TAG directives");
        return Err(Origin {
            file: file.to_owned(),
            line: 1,
        }
        .error(problem));
    }
    let lines = document_lines(text);
    let number_length = longest_number(text);
    let visible = with_visible_tags(text);
    let is_measured = visible.is_some() || has_aliases(text);
    let to_measure = visible.as_deref().unwrap_or(text);
    let mut measured = is_measured.then(|| serde_yaml::Deserializer::from_str(to_measure));
    let mut definitions = Vec::new();
    // The same once more: what stands there tells what was meant to be said.
    let mut said = serde_yaml::Deserializer::from_str(text).map(Said::of);
    for (number, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let line = lines.get(number).copied().unwrap_or(1);
        let origin = Origin {
            file: file.to_owned(),
            line,
        };
        if number >= DOCUMENT_LIMIT {
            let problem = format!("it has more than {DOCUMENT_LIMIT} documents");
            return Err(origin.error(problem));
        }
        if let Some(document) = measured.as_mut().and_then(Iterator::next) {
            measure(document, number_length).map_err(|error| explain(&error, &origin, text))?;
        }
        // An empty document (a file that ends with "---", say) is nothing, not a mistake.
        match Option::<Vm>::deserialize(document) {
            Ok(Some(vm)) => definitions.push(Definition {
                origin,
                vm,
                xml: None,
                said: said.next().flatten(),
                secrets_are_open: false,
            }),
            Ok(None) => drop(said.next()),
            Err(error) => return Err(explain(&error, &origin, text)),
        }
    }
    if definitions.is_empty() {
        let problem = "it holds no definition; the least is: vmStatic: { name: NAME }".to_owned();
        return Err(Origin {
            file: file.to_owned(),
            line: 1,
        }
        .error(problem));
    }
    Ok(definitions)
}

/// The line where too many brackets are open, were all of them YAML's own.
fn line_beyond_depth(text: &str) -> Option<u32> {
    let mut depth = 0_usize;
    (1..).zip(text.lines()).find_map(|(number, line)| {
        for byte in line.bytes() {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        (depth > DEPTH_LIMIT).then_some(number)
    })
}

/// Writes a VM as a YAML document that loads again.
#[must_use]
pub fn to_yaml(vm: &impl serde::Serialize) -> String {
    serde_json::to_value(vm).map_or_else(
        |error| format!("# cannot be written as YAML: {error}\n"),
        |value| yaml_writer::document(&value),
    )
}

/// Reads something else than a VM that is written as YAML: one document.
///
/// # Errors
/// What is wrong with it, and where.
pub fn from_yaml<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, DefinitionError> {
    from_yaml_with(file, text, PhantomData::<T>)
}

/// The same, by a seed that knows what may stand there.
///
/// # Errors
/// What is wrong with it, and where.
pub(crate) fn from_yaml_with<'de, S: DeserializeSeed<'de>>(
    file: &str,
    text: &'de str,
    seed: S,
) -> Result<S::Value, DefinitionError> {
    let origin = Origin {
        file: file.to_owned(),
        line: 1,
    };
    if let Some(line) = line_beyond_depth(text) {
        let origin = Origin { line, ..origin };
        return Err(origin.error("it is nested too deeply here".to_owned()));
    }
    let document = || serde_yaml::Deserializer::from_str(text);
    let measured = if has_aliases(text) {
        measure(document(), longest_number(text))
    } else {
        Ok(())
    };
    let read = measured.and_then(|()| seed.deserialize(document()));
    read.map_err(|error| explain(&error, &origin, text))
}

/// Where a value stands in a text that was read, by the keys, or numbers in a list, that lead to it: line and column, counted from 1.
pub(crate) fn place_of(text: &str, path: &[&str]) -> Option<(usize, usize)> {
    let found = Place(path).deserialize(serde_yaml::Deserializer::from_str(text));
    let place = found.err()?.location()?;
    Some((place.line(), place.column()))
}

/// Goes to a value, and complains of it: the parser then tells its place.
struct Place<'a>(&'a [&'a str]);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("another place")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == *first {
                map.next_value_seed(Place(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.0.split_first() else {
            return Err(A::Error::custom("here"));
        };
        for _ in 0..first.parse().unwrap_or(0_usize) {
            list.next_element::<IgnoredAny>()?;
        }
        list.next_element_seed(Place(rest)).map(drop)
    }
}

/// The line, counted from 1, at which a text turns out to be no single mapping in YAML. What the parser
/// says of it is left out: it may quote a secret.
pub(crate) fn yaml_flaw(text: &str) -> Option<usize> {
    if let Some(line) = line_beyond_depth(text) {
        return usize::try_from(line).ok();
    }
    let measured = if has_aliases(text) {
        measure(
            serde_yaml::Deserializer::from_str(text),
            longest_number(text),
        )
    } else {
        Ok(())
    };
    let mapping =
        measured.and_then(|()| serde_yaml::from_str::<serde_yaml::Mapping>(text).map(drop));
    let error = mapping.err()?;
    Some(error.location().map_or(1, |at| at.line()))
}

/// The line at which each document's content begins.
///
/// The parser gives no place for what is wrong with a document as a whole. A line that begins with
/// `---` begins a document wherever it stands: YAML allows it in no block of text.
fn document_lines(text: &str) -> Vec<u32> {
    let mut documents = Vec::new();
    let mut pending = true;
    for (number, line) in (1_u32..).zip(text.lines()) {
        if line.starts_with("---") && line[3..].chars().next().is_none_or(char::is_whitespace) {
            if pending && !documents.is_empty() {
                documents.push(number);
            }
            pending = true;
        } else if pending && !line.trim().is_empty() && !line.starts_with(['#', '%']) {
            documents.push(number);
            pending = false;
        }
    }
    documents
}

/// Turns the parser's words into ours: a place always, and the nearest right word.
fn explain(error: &serde_yaml::Error, origin: &Origin, text: &str) -> DefinitionError {
    let words = error.to_string();
    let mut problem = words
        .rsplit_once(" at line ")
        .map_or(words.as_str(), |(problem, _)| problem)
        .to_owned();
    let place = error
        .location()
        .map_or((origin.line as usize, 1), |at| (at.line(), at.column()));
    let (line, column) = place_of_second(&problem, text, place).unwrap_or(place);
    if problem.contains("cannot start any token") && is_tab(text, line, column) {
        "YAML is indented with spaces; here stands a tab".clone_into(&mut problem);
    } else if problem.contains("repetition limit exceeded") || problem.ends_with(BEYOND_MEASURE) {
        "its aliases multiply without measure".clone_into(&mut problem);
    } else if let Some(field) = problem.strip_suffix(IS_BINARY) {
        problem = format!("{field}binary data (!!binary) cannot stand here: write the text itself");
    } else if let Some(better) = wrong_word(&problem) {
        problem = better;
    }
    let problem = discreet(&problem);
    DefinitionError {
        file: origin.file.clone(),
        line: u32::try_from(line).ok(),
        column: u32::try_from(column).ok(),
        problem,
    }
}

/// The same complaint without the value that it quotes, if that may be a secret: below vmInit, vmPayload and
/// a console.
pub(super) fn discreet(problem: &str) -> String {
    let lower = problem.to_ascii_lowercase();
    let field = lower.split(": ").next().unwrap_or_default();
    let may_be_secret = ["vminit", "vmpayload", "graphicsinfos"]
        .iter()
        .any(|part| field.split(['.', '[']).any(|name| name == *part))
        // A console's ticket is one, its ports are none.
        && !field.ends_with("port");
    let signs = ["invalid type: ", "invalid value: ", "unknown variant "];
    let quote = signs.iter().find_map(|sign| problem.find(sign));
    let (true, Some(at)) = (may_be_secret, quote) else {
        return problem.to_owned();
    };
    // The value may hold any words: what is expected comes last.
    match problem.rsplit_once(", expected ") {
        Some((_, expected)) if expected.starts_with("struct ") => {
            format!("{}this is not a map of its fields", &problem[..at])
        }
        Some((_, expected)) => format!("{}this is not {expected}", &problem[..at]),
        None => format!("{}this cannot stand here", &problem[..at]),
    }
}

/// A better wording of "unknown field `x`, expected one of `a`, `b`".
pub(crate) fn wrong_word(problem: &str) -> Option<String> {
    let rest = problem
        .split_once("unknown field `")
        .or_else(|| problem.split_once("unknown variant `"))?
        .1;
    let (wrong, rest) = rest.split_once("`, expected ")?;
    // What follows may be a secret.
    if let Some((key, _)) = wrong.split_once(':') {
        return Some(format!("a blank is missing after '{key}:'"));
    }
    let all: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let right_of = |word: &str| OLDER_NAMES.iter().find(|(older, _)| *older == word);
    let help = if let Some(near) = nearest(wrong, all.iter().copied()).first() {
        let near = right_of(near).map_or(*near, |(_, right)| right);
        format!("did you mean '{near}'?")
    } else {
        let right = all.into_iter().filter(|word| right_of(word).is_none());
        format!("there are: {}", right.collect::<Vec<_>>().join(", "))
    };
    Some(format!("'{wrong}' is not known here; {help}"))
}

/// The place of the second `key:`, for "duplicate field `key`": there the parser gives the place
/// where the keys begin.
fn place_of_second(problem: &str, text: &str, begin: (usize, usize)) -> Option<(usize, usize)> {
    let key = problem
        .split_once("duplicate field `")?
        .1
        .split_once('`')?
        .0;
    let (line, column) = begin;
    (1..)
        .zip(text.lines())
        .skip(line - 1)
        .filter(|(_, line)| {
            line.get(column - 1..)
                .and_then(|line| line.strip_prefix(key))
                .is_some_and(|rest| rest.trim_start().starts_with(':'))
        })
        .nth(1)
        .map(|(line, _)| (line, column))
}

fn is_tab(text: &str, line: usize, column: usize) -> bool {
    text.lines()
        .nth(line.saturating_sub(1))
        .and_then(|line| line.chars().nth(column.saturating_sub(1)))
        == Some('\t')
}

/// The documents of a file as plain values.
#[cfg(test)]
pub(crate) fn values(text: &str) -> impl Iterator<Item = serde_json::Value> + '_ {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| serde_json::Value::deserialize(document).expect("YAML"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn complaint(text: &str) -> String {
        crate::definition::parse("vm.yaml", text)
            .expect_err("it should be refused")
            .to_string()
    }

    #[test]
    fn several_documents_are_several_vms_and_know_their_lines() {
        let text = "# fleet\n---\nvmStatic: {name: a}\n---\n\nvmStatic:\n  name: b\n---\n";
        let all = read("f.yaml", text).unwrap();
        let found: Vec<_> = all.iter().map(|d| (d.vm.name(), d.origin.line)).collect();
        assert_eq!(found, [("a", 3), ("b", 6)]);
    }

    #[test]
    fn an_unknown_key_is_told_with_its_place_and_the_nearest_right_one() {
        assert_eq!(
            complaint("vmStatic:\n  name: web\n  memSizeMB: 5\n"),
            "vm.yaml:3:3: 'memSizeMB' is not known here; did you mean 'memSizeMb'?"
        );
        assert!(complaint("vmStatix: {name: a}\n").ends_with("did you mean 'vmStatic'?"));
    }

    #[test]
    fn a_wrong_type_is_told_with_its_place() {
        assert_eq!(
            complaint("vmStatic:\n  name: web\n  memSizeMb: much\n"),
            "vm.yaml:3:14: vmStatic.memSizeMb: invalid type: string \"much\", expected a whole number of MiB"
        );
        assert!(
            complaint("vmStatic:\n  name: web\n  id: 17\n").starts_with("vm.yaml:3:7: vmStatic.id")
        );
    }

    #[test]
    fn a_value_that_may_be_secret_is_not_quoted() {
        for (text, complaint_of_it) in [
            (
                "vmStatic: {name: a, vmInit: s3cret}",
                "vmStatic.vmInit: this is not",
            ),
            (
                "vmStatic: {name: a, vmInit: 's3cret, expected s3cret, x'}",
                "vmInit: this is not",
            ),
            ("vmStatic: {name: a, VmInit: [s3cret]}", ""),
            (
                "vmStatic: {name: a, vmInit: {regenerateKeys: s3cret}}",
                "not a boolean",
            ),
            (
                "vmStatic: {name: a, vmInit: {networks: [s3cret]}}",
                "vmInit.networks[0]: ",
            ),
            (
                "{vmStatic: {name: a}, vmPayload: s3cret}",
                "vmPayload: this is not",
            ),
            (
                "{vmStatic: {name: a}, vmPayload: {files: s3cret}}",
                "files: this is not a map",
            ),
            (
                "{vmStatic: {name: a}, vmDynamic: {graphicsInfos: {VNC: s3cret}}}",
                "this is not",
            ),
            (
                "vmStatic: {name: a, vmInit: {rootPassword:s3cret}}",
                "a blank is missing after 'rootPassword:'",
            ),
            ("vmStatic: {name: a, vmInit: 53}", "vmInit: this is not"),
            (
                "<domain><name>a</name><metadata><v:vm xmlns:v='urn:vmlife:vm:1'>\
                 <v:vmInit>s3cret</v:vmInit></v:vm></metadata></domain>",
                "<vmInit>: this is not",
            ),
        ] {
            let complaint = complaint(text);
            assert!(
                !complaint.contains("s3cret") && !complaint.contains("53"),
                "{text}: {complaint}"
            );
            assert!(complaint.contains(complaint_of_it), "{text}: {complaint}");
        }
    }

    #[test]
    fn a_wrong_word_is_told_with_the_nearest_right_one() {
        assert!(
            complaint("vmStatic:\n  name: w\n  images:\n  - volumeFormat: COWS\n")
                .ends_with("'COWS' is not known here; did you mean 'COW'?")
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error_at_its_second_place() {
        assert_eq!(
            complaint("vmStatic: {name: a}\nvmStatic: {name: b}\n"),
            "vm.yaml:2:1: duplicate field `vmStatic`"
        );
        assert_eq!(
            complaint("vmStatic:\n  name: a\n  name: b\n"),
            "vm.yaml:3:3: vmStatic: duplicate field `name`"
        );
    }

    #[test]
    fn a_tab_is_called_a_tab() {
        assert_eq!(
            complaint("vmStatic:\n\tname: a\n"),
            "vm.yaml:2:1: YAML is indented with spaces; here stands a tab"
        );
    }

    #[test]
    fn nothing_at_all_and_nobody_named_are_errors() {
        assert!(complaint("").starts_with("vm.yaml:1:1: it holds no definition"));
        assert!(
            complaint("---\n# only words\n").starts_with("vm.yaml:1:1: it holds no definition")
        );
        assert!(complaint("# a\nvmStatic: {}\n").starts_with("vm.yaml:2:1: it names no VM"));
        assert!(complaint("vmDynamic: {status: Up}\n").starts_with("vm.yaml:1:1: it names no VM"));
    }

    #[test]
    fn names_that_libvirt_refuses_are_refused_first() {
        for name in ["a/b", "..", ".", "a\\nb", "a\\0b", "../../etc/passwd"] {
            assert!(
                complaint(&format!("vmStatic: {{name: \"{name}\"}}\n"))
                    .contains("libvirt does not allow"),
                "{name}"
            );
        }
        for name in ["-rf", "it's", "a \\\"b\\\"", "\\e[31mred", "ünï"] {
            crate::definition::parse("f", &format!("vmStatic: {{name: \"{name}\"}}\n"))
                .expect(name);
        }
    }

    #[test]
    fn older_names_are_recommended_to_nobody() {
        for (wrong, right) in [
            ("vmInit: {rootPasswrk: x}", "rootPassword"),
            ("vmInit: {winke: x}", "winKey"),
            ("vmInit: {timezon: x}", "timeZone"),
            ("templatId: x", "vmtGuid"),
        ] {
            let words = complaint(&format!("vmStatic: {{name: a, {wrong}}}\n"));
            assert!(
                words.ends_with(&format!("did you mean '{right}'?")),
                "{words}"
            );
        }
        let all = complaint("vmStatic: {name: a, vmInit: {qqqq: x}}\n");
        assert!(
            all.contains("there are: ") && !all.contains("winkey"),
            "{all}"
        );
    }

    #[test]
    fn aliases_of_long_texts_are_measured_before_they_are_followed() {
        let many = |text: &str, uses: usize| {
            let disks = "{imagePath: /a, diskDescription: *q}, ".repeat(uses);
            format!("vmStatic:\n  name: a\n  description: &q {text}\n  images: [{disks}]\n")
        };
        let flaw = "vm.yaml:3:16: its aliases multiply without measure";
        let long = "x".repeat(1 << 20);
        let digits = "1.".to_owned() + &"0".repeat(1 << 20);
        for text in [
            &long,
            &format!("'*q {long}'"),
            &format!("!t {long}"),
            &digits,
        ] {
            let words = complaint(&many(text, 10_000));
            assert!(
                words.contains("aliases multiply"),
                "{}",
                &words[..200.min(words.len())]
            );
        }
        assert_eq!(complaint(&many(&long, 10_000)), flaw);
        let loaded = read("f", &many(&long, 50)).unwrap();
        assert_eq!(loaded[0].vm.vm_static.images.len(), 50);
        // What only looks like aliases is none.
        let script = "  vmInit: {customScript: 'cp *q a && ls *.log &q'}\n";
        read("f", &(many("short", 0) + script)).unwrap();
        let data = format!("a: &q {long}\nb: [{}]\n", "*q, ".repeat(10_000));
        assert!(yaml_flaw(&data).is_some());
        assert_eq!(yaml_flaw("a: &q x\nb: [*q, *q]\n"), None);
    }

    #[test]
    fn binary_data_is_not_taken_for_text() {
        let flaw = "vm.yaml:3:16: vmStatic.description: binary data (!!binary) cannot stand here: \
                    write the text itself";
        let with = |value: &str| format!("vmStatic:\n  name: a\n  description: {value}\n");
        assert_eq!(complaint(&with("!!binary aGFsbG8=")), flaw);
        for value in [
            "!!binary ''",
            "!!binary |\n    aGFs\n    bG8=",
            "!<tag:yaml.org,2002:binary> aGFsbG8=",
            "&a !!binary aGFsbG8=",
        ] {
            assert!(
                complaint(&with(value)).ends_with("write the text itself"),
                "{value}"
            );
        }
        let file = "{vmStatic: {name: a}, vmPayload: {files: {a: !!binary aGFsbG8=}}}";
        assert!(complaint(file).contains("binary data"));
        let handle = format!(
            "%TAG !y! tag:yaml.org,2002:\n---\n{}",
            with("!y!binary aGk=")
        );
        assert!(complaint(&handle).contains("binary data"));
        for text in [
            "'!!binary aGk='",
            "a !!binary aGk=",
            "a # !!binary",
            "|\n    !!binary aGk=",
            "!!str tag:yaml.org,2002:binary",
        ] {
            read("f", &with(text)).expect(text);
        }
        let read = read("f", &with("'!!binary'")).unwrap();
        assert_eq!(read[0].vm.vm_static.description, "!!binary");
    }

    #[test]
    fn an_alias_bomb_is_defused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..30 {
            let inner = vec![format!("*a{}", n - 1); 9].join(", ");
            text += &format!("a{n}: &a{n} [{inner}]\n");
        }
        complaint(&text);
        let bomb = text.replace("a29:", "vmStatic:");
        complaint(&bomb);
    }

    #[test]
    fn directives_beyond_measure_are_an_error_at_once() {
        let text: String = (0..100_000).map(|n| format!("%TAG !a{n}! t\n")).collect();
        assert!(complaint(&text).contains("%TAG"));
    }

    #[test]
    fn a_hundred_thousand_brackets_are_an_error_and_no_crash() {
        complaint(&format!("vmStatic: {}", "[".repeat(100_000)));
    }

    #[test]
    fn what_is_written_loads_again() {
        let text = "vmStatic:\n  name: 'no'\n  description: |\n    two\n    lines\n  id: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11\n  memSizeMb: 2048\n  priority: 50\nvmDynamic:\n  status: Up\n  graphicsInfos: {VNC: {port: 5900}}\n";
        let vm = read("f", text).unwrap().remove(0).vm;
        assert_eq!(read("g", &to_yaml(&vm)).unwrap().remove(0).vm, vm);
    }

    /// Strings that a reader may trip over, more often than chance would make them.
    fn nasty_string() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::char::any().prop_map(String::from),
            prop::sample::select(vec![
                " ",
                "\n",
                "\t",
                "\r",
                ":",
                "#",
                "-",
                "?",
                "'",
                "\"",
                "\\",
                "\0",
                "\u{85}",
                "\u{2028}",
                "\u{feff}",
                "\u{fffe}",
                "a",
                "B",
                "0",
                "7",
                ".",
                "_",
                "e",
                "+",
                "~",
                "<<",
                "---",
                "...",
                "no",
                "on",
                "null",
                "0x",
                "1:30",
                "2024-01-01",
            ])
            .prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            prop::num::f64::ANY.prop_map(Value::from),
            nasty_string().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((nasty_string(), inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_written_is_read_as_the_same(value in any_value()) {
            let text = to_yaml(&value);
            let again: Value = serde_yaml::from_str(&text).unwrap();
            // As text: so the order counts too, and the sign of zero.
            prop_assert_eq!(again.to_string(), value.to_string(), "{}", text);
        }
    }
}
