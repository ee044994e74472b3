//! What stands on the line already.

use crate::cli::Cli;
use crate::config::Settled;
use crate::hosts::{Host, hosts};
use crate::plan::{Verb, Wishes};
use crate::run::{settings_of, whole_path};
use crate::select::Selection;
use clap::{ArgMatches, CommandFactory};
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

/// What stands on a line before the cursor, as far as it can be understood.
pub(super) struct Line {
    /// What it asks for; none as long as there is no verb.
    pub(super) verb: Option<Verb>,
    /// The word that is being typed.
    pub(super) current: String,
    /// Whether no more options can come.
    pub(super) is_escaped: bool,
    /// What is set beside the line.
    pub(super) settled: Option<Arc<Settled>>,
    matches: ArgMatches,
}

impl Line {
    /// Reads the words, of which the last one is being typed. What is wrong in them ends what is understood.
    pub(super) fn read(words: &[String]) -> Self {
        let (current, before) = match words.split_last() {
            Some((current, before)) => (current.clone(), before),
            None => (String::new(), words),
        };
        let command = Cli::command().ignore_errors(true);
        let mut matches = command.try_get_matches_from(before).unwrap_or_default();
        let mut verb = None;
        if let Some((name, of_verb)) = matches.remove_subcommand() {
            verb = Verb::ALL.into_iter().find(|verb| verb.word() == name);
            matches = of_verb;
        }
        Self {
            settled: settings_of(verb.unwrap_or(Verb::Show)).map(Arc::new),
            verb,
            current,
            is_escaped: before.iter().any(|word| word == "--"),
            matches,
        }
    }

    /// Whether this flag stands there.
    pub(super) fn has(&self, flag: &str) -> bool {
        self.all(flag).contains(&true)
    }

    /// The values of an argument.
    pub(super) fn all<T: Any + Clone + Send + Sync>(&self, argument: &str) -> Vec<T> {
        let found = self.matches.try_get_many(argument).ok().flatten();
        found
            .map(|values| values.cloned().collect())
            .unwrap_or_default()
    }

    /// The hosts that are meant; none if it cannot be told.
    pub(super) fn hosts(&self) -> Vec<Host> {
        let file = self.all::<PathBuf>("hosts").pop();
        let mut words: Vec<String> = self.all("connect");
        let Some(settled) = &self.settled else {
            return Vec::new();
        };
        if words.is_empty() && file.is_none() {
            words.clone_from(&settled.cli.common.connect);
        }
        hosts(&words, file.as_deref(), &settled.known_hosts).unwrap_or_default()
    }

    /// The image that a restore is to take.
    pub(super) fn from(&self) -> Option<PathBuf> {
        let from = self.all::<PathBuf>("from").pop()?;
        whole_path(&from).ok()
    }

    /// All VMs that the options leave.
    pub(super) fn selection(&self) -> Selection {
        Selection {
            all: true,
            exclude: self.all("exclude"),
            labels: self.all("labels"),
            groups: self.all("groups"),
            ..Selection::default()
        }
    }

    /// The options that change what can be done to a VM.
    pub(super) fn wishes(&self) -> Wishes {
        Wishes {
            force: self.has("force"),
            or_start: self.has("or_start"),
            discard: self.has("discard"),
        }
    }

    /// Whether the guest is to run afterwards, if that is said.
    pub(super) fn running(&self) -> Option<bool> {
        match (self.has("running"), self.has("paused")) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> Line {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Line::read(&words)
    }

    #[test]
    fn what_stands_before_the_cursor_is_heeded_wherever_it_stands() {
        let line = line(&[
            "vmlife",
            "-c",
            "test:///a",
            "save",
            "a",
            "--exclude",
            "x*",
            "b",
            "-l",
            "k=v",
            "--force",
            "c",
        ]);
        assert_eq!(line.verb, Some(Verb::Hibernate));
        assert_eq!(line.current, "c");
        assert_eq!(line.all::<String>("targets"), ["a", "b"]);
        assert_eq!(line.hosts()[0].uri.as_deref(), Some("test:///a"));
        assert!(line.wishes().force && !line.wishes().discard);
        let selection = line.selection();
        assert_eq!(selection.exclude, ["x*"]);
        assert_eq!(selection.labels, [("k".to_owned(), "v".to_owned())]);
    }

    #[test]
    fn a_line_that_is_wrong_or_not_whole_is_understood_as_far_as_it_goes() {
        let line = line(&["vmlife", "restore", "a", "--or-start", "--from", ""]);
        assert_eq!(line.verb, Some(Verb::Restore));
        assert_eq!(line.all::<String>("targets"), ["a"]);
        assert!(line.wishes().or_start);
        for words in [
            &[][..],
            &[""],
            &["vmlife"],
            &["vmlife", "--help", ""],
            &["vmlife", "nonsense", ""],
        ] {
            assert_eq!(super::tests::line(words).verb, None, "{words:?}");
        }
        assert_eq!(
            super::tests::line(&["vmlife", "pause", "--timeout", "soon", ""]).verb,
            Some(Verb::Pause)
        );
    }
}
