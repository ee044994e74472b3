//! The shells: the script of each, and how words come from it and go to it.

use clap::Command;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::EnvCompleter;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

/// A shell.
pub(super) struct Shell {
    name: &'static str,
    script: &'static str,
    /// Whether words come as they were typed, with their quotes.
    types_quotes: bool,
    /// Whether words are put on the line as they are, so that they must be quoted here.
    takes_quotes: bool,
}

const fn shell(name: &'static str, script: &'static str) -> Shell {
    Shell {
        name,
        script,
        types_quotes: false,
        takes_quotes: false,
    }
}

/// All of them.
pub(super) const ALL: [&dyn EnvCompleter; 5] = [
    &Shell {
        types_quotes: true,
        takes_quotes: true,
        ..shell("bash", include_str!("../../completions/vmlife.bash"))
    },
    &shell("zsh", include_str!("../../completions/_vmlife")),
    &Shell {
        types_quotes: true,
        ..shell("fish", include_str!("../../completions/vmlife.fish"))
    },
    &shell("elvish", include_str!("../../completions/vmlife.elv")),
    &shell("powershell", include_str!("../../completions/_vmlife.ps1")),
];

impl EnvCompleter for Shell {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is(&self, name: &str) -> bool {
        name == self.name || name == "pwsh" && self.name == "powershell"
    }

    fn write_registration(
        &self,
        _variable: &str,
        _name: &str,
        _bin: &str,
        _completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        out.write_all(self.script.as_bytes())
    }

    /// Writes a line for each: the word, quoted for bash; for the others with a tab and its description behind it.
    fn write_complete(
        &self,
        _command: &mut Command,
        words: Vec<OsString>,
        _folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let typed: Option<Vec<String>> = words
            .into_iter()
            .map(|word| word.into_string().ok())
            .collect();
        // What is no text names nothing of ours.
        let typed = typed.unwrap_or_default();
        let words = if self.types_quotes {
            typed
                .iter()
                .map(|word| Typed::read(word, "").text)
                .collect()
        } else {
            typed.clone()
        };
        let current = typed.last().map_or("", String::as_str);
        let breaks = env::var("VMLIFE_COMPLETE_BREAKS").unwrap_or_default();
        let current = Typed::read(current, &breaks);
        for candidate in super::candidates(words) {
            let Some(word) = harmless(&candidate) else {
                continue;
            };
            if self.takes_quotes {
                writeln!(out, "{}", current.goes_on_as(word))?;
            } else {
                let help = candidate
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                writeln!(out, "{word}\t{}", help.lines().next().unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

/// The word, unless it has characters that could break a line or steer a terminal.
fn harmless(candidate: &CompletionCandidate) -> Option<&str> {
    let word = candidate.get_value().to_str()?;
    (crate::render::harmless(word) == word).then_some(word)
}

/// A word that is being typed in a shell.
struct Typed {
    /// What it says, without quotes.
    text: String,
    /// The quote that is open at its end.
    quote: Option<char>,
    /// How much of the text stands before what bash takes for the word: it begins one anew after some characters, and
    /// after an open quote.
    before: usize,
    /// Whether it begins with the sign of the home folder.
    is_at_home: bool,
}

impl Typed {
    fn read(word: &str, breaks: &str) -> Self {
        let mut typed = Self {
            text: String::new(),
            quote: None,
            before: 0,
            is_at_home: word.starts_with("~/"),
        };
        let mut before_quote = 0;
        let mut characters = word.chars().peekable();
        while let Some(character) = characters.next() {
            match (typed.quote, character) {
                (None, '\\') => typed.text.extend(characters.next()),
                (None, '\'' | '"') => {
                    typed.quote = Some(character);
                    before_quote = typed.text.len();
                }
                (Some(quote), _) if character == quote => typed.quote = None,
                (Some('"'), '\\') => {
                    let escaped = characters.next_if(|next| "\"\\$`".contains(*next));
                    typed.text.push(escaped.unwrap_or('\\'));
                }
                (None, _) if breaks.contains(character) => {
                    typed.text.push(character);
                    typed.before = typed.text.len();
                }
                _ => typed.text.push(character),
            }
        }
        if typed.quote.is_some() {
            typed.before = before_quote;
        }
        typed
    }

    /// What bash is to put in the place of its word, so that the whole line says this.
    fn goes_on_as(&self, word: &str) -> String {
        let rest = word.strip_prefix(&self.text[..self.before]).unwrap_or(word);
        match self.quote {
            Some('\'') => rest.replace('\'', "'\\''"),
            Some(_) => {
                let mut quoted = String::new();
                for character in rest.chars() {
                    match character {
                        '"' | '\\' | '$' | '`' => quoted.extend(['\\', character]),
                        // There is no other way to write it there.
                        '!' => quoted.push_str("\"'!'\""),
                        _ => quoted.push(character),
                    }
                }
                quoted
            }
            None => {
                let (home, rest) = match rest.strip_prefix("~/") {
                    Some(below) if self.is_at_home => ("~/", below),
                    _ => ("", rest),
                };
                let mut quoted = home.to_owned();
                for character in rest.chars() {
                    if character.is_ascii()
                        && !character.is_ascii_alphanumeric()
                        && !"-_./:@+,=%".contains(character)
                    {
                        quoted.push('\\');
                    }
                    quoted.push(character);
                }
                quoted
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BREAKS: &str = " \t\n\"'@><=;|&(:";

    #[test]
    fn words_are_read_without_their_quotes() {
        for (word, text, quote) in [
            ("web", "web", None),
            (r"a\ b", "a b", None),
            ("'a b", "a b", Some('\'')),
            ("'a b'c", "a bc", None),
            (r#""a\"b\c"#, r#"a"b\c"#, Some('"')),
            (r"a\", "a", None),
            ("", "", None),
        ] {
            let typed = Typed::read(word, BREAKS);
            assert_eq!((typed.text.as_str(), typed.quote), (text, quote), "{word}");
        }
    }

    #[test]
    fn bash_gets_what_its_own_word_is_to_become() {
        for (typed, word, becomes) in [
            ("", "a b", r"a\ b"),
            ("", "$(x)", r"\$\(x\)"),
            ("'a", "a'b c", r"a'\''b c"),
            ("\"a", "a$b!", "a\\$b\"'!'\""),
            ("qemu:///s", "qemu:///system", "///system"),
            ("qemu:", "qemu:///system", "///system"),
            (r"a\:b", "a:bc", "a:bc"),
            ("--columns=NA", "--columns=NAME", "NAME"),
            ("--exclude='a", "--exclude=a b", "a b"),
            ("~/a", "~/a b.yaml", r"~/a\ b.yaml"),
            (r"\~/a", "~/a", r"\~/a"),
        ] {
            assert_eq!(
                Typed::read(typed, BREAKS).goes_on_as(word),
                becomes,
                "{typed}"
            );
        }
    }

    proptest! {
        /// Whatever it is, read again it is the same word: nothing in it is a command, or another word.
        #[test]
        fn what_is_quoted_is_read_as_it_was(word in "[ -~äß]*") {
            for open in ["", "'", "\""] {
                let quoted = format!("{open}{}", Typed::read(open, BREAKS).goes_on_as(&word));
                let again = Typed::read(&quoted, BREAKS);
                prop_assert_eq!(&again.text, &word);
                prop_assert_eq!(again.quote, open.chars().next());
            }
        }
    }
}
