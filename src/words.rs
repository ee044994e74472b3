//! Small helps for messages: near words, counts, sizes.

use std::fmt::Display;

/// The words of `known` that look like `wrong`, the likest first, three at most.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = wrong.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&lower, &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    // Of words that differ in their case only, the one in the case that was meant.
    let exactly = |word: &str| strsim::jaro_winkler(wrong, word);
    scored.sort_by(|a, b| {
        let by_case = || exactly(b.1).total_cmp(&exactly(a.1));
        let likest = b.0.total_cmp(&a.0).then_with(by_case);
        likest.then(a.1.cmp(b.1))
    });
    scored.dedup_by_key(|(_, word)| *word);
    scored.into_iter().take(3).map(|(_, word)| word).collect()
}

/// "1 VM", "2 VMs".
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// "a, b or c".
#[must_use]
pub fn either<T: Display>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("{} or {last}", first.join(", "))
        }
    }
}

/// Numbers with their neighbours drawn together: "0-3,7".
#[must_use]
pub fn ranges(numbers: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    runs.join(",")
}

/// A word as it can be typed in a shell.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:@+,".contains(character);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A number of bytes with three digits or so: "285.3 MiB".
#[must_use]
pub fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

/// A length of time, given in seconds, to the second, and to the tenth if it is shorter than a minute: "2h 3m 4s".
#[must_use]
pub fn time(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1}s");
    }
    let whole = jiff::SignedDuration::try_from_secs_f64(seconds.round()).unwrap_or_default();
    format!("{whole:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_come_likest_first_and_strange_ones_not_at_all() {
        assert_eq!(
            nearest("web-11", ["db", "web-2", "web-1", "mail"]),
            ["web-1", "web-2"]
        );
        assert!(nearest("zzz", ["web", "db"]).is_empty());
    }

    #[test]
    fn counts_and_lists_are_grammatical() {
        assert_eq!(count(1, "VM"), "1 VM");
        assert_eq!(count(0, "VM"), "0 VMs");
        assert_eq!(either(&["a", "b", "c"]), "a, b or c");
        assert_eq!(either(&["a"]), "a");
        assert_eq!(quoted("web-1"), "web-1");
        assert_eq!(quoted("web 1's"), "'web 1'\\''s'");
    }

    #[test]
    fn neighbours_are_drawn_together() {
        for (numbers, text) in [
            (&[][..], ""),
            (&[4], "4"),
            (&[0, 1, 2, 3, 7], "0-3,7"),
            (&[u32::MAX, 0], "4294967295,0"),
        ] {
            assert_eq!(ranges(numbers), text);
        }
    }
}
