//! The options of the command line as settings: their names, variables and values. All is read off their
//! declaration, so that a new option can be set, too, unless [`UNSETTABLE`] names it.

use crate::cli::{Cli, Common};
use crate::plan::Verb;
use crate::report::{Failure, Kind};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, CommandFactory, FromArgMatches};
use std::ffi::{OsStr, OsString};
use std::io;

/// What only a command line says, and why: whoever inherits a variable or shares a file does not see it.
pub const UNSETTABLE: &[(&str, &str)] = &[
    ("all", WHICH),
    ("config", ANOTHER),
    ("diff", ANOTHER),
    ("discard", "it gives images up"),
    (
        "dry-run",
        "what a command only pretends would be taken for done",
    ),
    ("exclude", WHICH),
    ("exit-state", ANOTHER),
    ("field", ANOTHER),
    ("file", WHICH),
    ("filter", WHICH),
    ("force", "it overrides guards, which is decided VM by VM"),
    ("from", WHICH),
    ("group", WHICH),
    (
        "hosts",
        "a command would be about all hosts of the list; those in a file of settings are chosen by -c NAME",
    ),
    ("id", WHICH),
    ("images", ANOTHER),
    ("inactive", ANOTHER),
    ("migratable", ANOTHER),
    ("no-config", "VMLIFE_CONFIG, if it is empty, says the same"),
    (
        "or-start",
        "a VM whose image is not found would be booted without its memory",
    ),
    ("paused", STATE),
    ("reverse", "it belongs to a --sort-by that stands beside it"),
    ("running", STATE),
    ("security-info", "secrets would be shown unasked"),
    ("selector", WHICH),
    (
        "to",
        "restore would not find the images there; the setting images is their place for all verbs",
    ),
    (
        "together",
        "one VM that cannot be saved would keep all others from it",
    ),
    ("verify", ANOTHER),
    ("watch", ANOTHER),
    ("yes", "it answers a question that nobody has asked yet"),
];

const ANOTHER: &str = "it makes another command of show";
const STATE: &str = "a VM comes back as it was, unless it is said of this VM";
const WHICH: &str = "it says which VMs are meant";

/// Variables that are called like an option and mean something else.
const NAMESAKES: [&str; 2] = [CONFIG_VARIABLE, IMAGES_VARIABLE];
/// Names the file of settings; empty, it means none.
pub(super) const CONFIG_VARIABLE: &str = "VMLIFE_CONFIG";
/// Names the image place.
pub(super) const IMAGES_VARIABLE: &str = "VMLIFE_IMAGES";

/// A value of a setting, or several, as they are written on a command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) words: Vec<OsString>,
    pub(super) is_list: bool,
}

impl Value {
    pub(super) fn one(word: impl Into<OsString>) -> Self {
        Self {
            words: vec![word.into()],
            is_list: false,
        }
    }

    /// Yes or no, if that is what it says.
    fn truth(&self) -> Option<bool> {
        let [word] = self.words.as_slice() else {
            return None;
        };
        match word.to_str()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }
}

/// An option of a verb.
#[derive(Clone, Copy)]
pub(super) struct OptionOf<'a>(&'a Arg);

impl<'a> OptionOf<'a> {
    /// Its name, without the dashes. It is also its key in a file.
    pub(super) fn name(self) -> &'a str {
        self.0.get_long().unwrap_or_default()
    }

    /// Its variable.
    pub(super) fn variable(self) -> String {
        format!(
            "VMLIFE_{}",
            self.name().replace('-', "_").to_ascii_uppercase()
        )
    }

    /// Whether its variable is its own.
    pub(super) fn has_variable(self) -> bool {
        !NAMESAKES.contains(&self.variable().as_str())
    }

    /// Why only a command line says it, if that is so.
    pub(super) fn objection(self) -> Option<&'static str> {
        let found = UNSETTABLE.iter().find(|(name, _)| *name == self.name());
        found.map(|(_, why)| *why)
    }

    fn is_flag(self) -> bool {
        !self.0.get_action().takes_values()
    }

    /// What says this value on a command line. Nothing says what is so anyway.
    ///
    /// # Errors
    /// Why it has no such value.
    pub(super) fn words(self, value: &Value) -> Result<Vec<OsString>, String> {
        let dashed = format!("--{}", self.name());
        let is_optional = self
            .0
            .get_num_args()
            .is_some_and(|number| number.min_values() == 0);
        match value.truth() {
            Some(true) if self.is_flag() || is_optional => return Ok(vec![dashed.into()]),
            Some(false) if self.is_flag() || is_optional => return Ok(Vec::new()),
            _ if self.is_flag() => return Err(format!("{} is true or false", self.name())),
            _ => {}
        }
        let takes_several = matches!(self.0.get_action(), ArgAction::Append);
        if value.is_list && !takes_several {
            return Err(format!("{} has one value, no list", self.name()));
        }
        let with = |word: &OsString| {
            let mut words = OsString::from(format!("{dashed}="));
            words.push(word);
            words
        };
        Ok(value.words.iter().map(with).collect())
    }

    /// What it is when nobody says anything.
    pub(super) fn default(self) -> Vec<String> {
        if self.is_flag() {
            return vec!["false".to_owned()];
        }
        let defaults = self.0.get_default_values().iter();
        defaults
            .map(|value| value.to_string_lossy().into_owned())
            .collect()
    }

    /// What else is called so, to undo it: `--no-checksum`, and `--headers` for `--no-headers`.
    fn opposite(self) -> String {
        let name = self.name();
        name.strip_prefix("no-")
            .map_or_else(|| format!("no-{name}"), str::to_owned)
    }

    fn undoing(self) -> Arg {
        let name = self.opposite();
        Arg::new(name.clone())
            .long(name)
            .action(ArgAction::SetTrue)
            .hide(true)
            .global(self.0.is_global_set())
            .overrides_with(self.0.get_id())
    }
}

/// Why there is no command: a mistake, or the help or the version was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Unread {
    error: clap::Error,
    words: Vec<OsString>,
}

impl Unread {
    /// What it says of the forms of answer and progress, as far as it can be understood.
    pub(crate) fn manner(&self) -> Option<Common> {
        let command = Common::augment_args(Command::new("vmlife").ignore_errors(true));
        let read = |words: &[OsString]| {
            let program = OsString::from("vmlife");
            let words = std::iter::once(&program).chain(words);
            command.clone().try_get_matches_from(words).ok()
        };
        let mut common = Common::from_arg_matches(&read(&[])?).ok()?;
        let options = self.words.split(|word| word == "--").next();
        let options = options.unwrap_or_default();
        // What is wrong may stand anywhere: each word is read by itself, with what may be its value.
        for place in 1..options.len() {
            let Some(matches) = read(&options[place..options.len().min(place + 2)]) else {
                continue;
            };
            let says = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
            if let Some(form) = matches.get_one("output").filter(|_| says("output")) {
                common.output = *form;
            }
            if let Some(form) = matches.get_one("progress").filter(|_| says("progress")) {
                common.progress = *form;
            }
        }
        Some(common)
    }

    /// Its verb; show, which does nothing, if it has none.
    pub(crate) fn verb(&self) -> Verb {
        let command = Cli::command().ignore_errors(true);
        let matches = command.try_get_matches_from(&self.words).ok();
        let word = matches.as_ref().and_then(ArgMatches::subcommand_name);
        let verb = Verb::ALL.into_iter().find(|verb| Some(verb.word()) == word);
        verb.unwrap_or(Verb::Show)
    }

    /// Whether it is a mistake.
    pub(crate) fn is_mistake(&self) -> bool {
        self.error.exit_code() != 0
    }

    /// The word that is no verb, if that is what is wrong.
    pub(crate) fn no_verb(&self) -> Option<&str> {
        match self.error.get(ContextKind::InvalidSubcommand)? {
            ContextValue::String(word) => Some(word),
            _ => None,
        }
    }

    /// The mistake, and what may help.
    pub(crate) fn failure(&self) -> Failure {
        let told = plain(&self.error);
        let (tips, told): (Vec<&str>, Vec<&str>) =
            told.split("; ").partition(|line| line.starts_with("tip: "));
        let failure = Failure::new(Kind::Usage, told.join("; "));
        match tips.first() {
            Some(tip) => failure.hint(tip.trim_start_matches("tip: ")),
            None => failure,
        }
    }

    /// Prints it as the parser does, help to standard output and mistakes to standard error.
    pub(crate) fn print(&self) -> io::Result<()> {
        self.error.print()
    }

    /// Whether the version was asked for.
    #[must_use]
    pub(crate) fn asks_version(&self) -> bool {
        self.error.kind() == ErrorKind::DisplayVersion
    }
}

/// A command line as it was typed, and the declaration that it follows.
pub struct CommandLine {
    command: Command,
    words: Vec<OsString>,
    matches: ArgMatches,
    cli: Cli,
}

impl CommandLine {
    /// Reads it. Each option that can be set elsewhere has an opposite here.
    ///
    /// # Errors
    /// What is wrong with it; also what was asked for instead: the help, or the version.
    pub fn read<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Result<Self, Unread> {
        let with_opposites = |command: Command| {
            let settable = options_of(&command).filter(|option| option.objection().is_none());
            let opposites: Vec<Arg> = settable.map(OptionOf::undoing).collect();
            command.args(opposites)
        };
        let mut command = with_opposites(Cli::command()).mut_subcommands(with_opposites);
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let unread = |error| Unread {
            error,
            words: words.clone(),
        };
        let matches = command.try_get_matches_from_mut(&words).map_err(unread)?;
        let cli = Cli::from_arg_matches(&matches).map_err(unread)?;
        // What goes for every verb is now an option of each.
        command.build();
        Ok(Self {
            command,
            words,
            matches,
            cli,
        })
    }

    /// The command of that verb, were nothing more said.
    pub(super) fn bare(verb: Verb) -> Result<Self, Unread> {
        Self::read(["vmlife", verb.word(), "-"])
    }

    /// What it says, without any setting.
    #[must_use]
    pub fn cli(&self) -> &Cli {
        &self.cli
    }

    /// The same, for whoever is to keep it.
    ///
    /// # Errors
    /// Those of [`CommandLine::read`].
    pub(super) fn alone(&self) -> Result<Cli, String> {
        Cli::from_arg_matches(&self.matches).map_err(|error| plain(&error))
    }

    /// Its verb.
    pub(super) fn verb(&self) -> &str {
        self.matches.subcommand_name().unwrap_or_default()
    }

    /// All options of a verb.
    pub(super) fn options<'a>(
        &'a self,
        verb: &str,
    ) -> impl Iterator<Item = OptionOf<'a>> + use<'a> {
        self.command
            .find_subcommand(verb)
            .into_iter()
            .flat_map(options_of)
    }

    /// An option of that name, of the first verb that has it.
    pub(super) fn option(&self, name: &str) -> Option<(Verb, OptionOf<'_>)> {
        Verb::ALL
            .into_iter()
            .find_map(|verb| Some((verb, self.option_of(verb.word(), name)?)))
    }

    pub(super) fn option_of(&self, verb: &str, name: &str) -> Option<OptionOf<'_>> {
        self.options(verb).find(|option| option.name() == name)
    }

    /// Whether it says itself what an option is to be.
    pub(super) fn says(&self, option: OptionOf<'_>) -> bool {
        let Some((_, matches)) = self.matches.subcommand() else {
            return false;
        };
        let says = |id: &str| {
            let id_is_known = matches.try_contains_id(id).is_ok();
            id_is_known && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        let is_host_chosen = option.name() == "connect" && says("hosts");
        says(option.0.get_id().as_str()) || says(&option.opposite()) || is_host_chosen
    }

    /// What it says of an option, as text.
    pub(super) fn value(&self, option: OptionOf<'_>) -> Vec<String> {
        let found = self.matches.subcommand();
        let id = option.0.get_id().as_str();
        let raw = found.and_then(|(_, matches)| matches.try_get_raw(id).ok().flatten());
        let words: Vec<String> = raw
            .into_iter()
            .flatten()
            .map(|word: &OsStr| word.to_string_lossy().into_owned())
            .collect();
        if words.is_empty() && self.says(option) {
            let is_given = found.is_some_and(|(_, matches)| matches.contains_id(id));
            return vec![is_given.to_string()];
        }
        words
    }

    /// The same with more words, and all options behind the verb: only there clap finds whatever contradicts another.
    ///
    /// # Errors
    /// What is wrong with it then.
    pub(super) fn with(&self, more: &[OsString]) -> Result<Cli, String> {
        let tolerant = self.command.clone().ignore_errors(true);
        // clap tells what the verb is, and not where it stands: it ends the shortest beginning that has one.
        let ends_with_verb = |end: &usize| {
            let beginning = &self.words[..*end];
            let matches = tolerant.clone().try_get_matches_from(beginning).ok();
            matches.is_some_and(|matches| matches.subcommand_name().is_some())
        };
        let end = (2..=self.words.len()).find(ends_with_verb);
        let (beginning, after) = self.words.split_at(end.unwrap_or(self.words.len()));
        let words = match beginning {
            [program, before @ .., verb] => {
                let verb = [program.clone(), verb.clone()];
                [verb.as_slice(), before, more, after].concat()
            }
            _ => self.words.clone(),
        };
        let matches = self.command.clone().try_get_matches_from(words);
        let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
        cli.map_err(|error| plain(&error))
    }

    /// What is wrong with the value of an option, whatever else there is.
    pub(super) fn flaw(&self, verb: &str, option: OptionOf<'_>, value: &Value) -> Option<String> {
        let words = match option.words(value) {
            Ok(words) => words,
            Err(flaw) => return Some(flaw),
        };
        let words: Vec<OsString> = ["vmlife", verb]
            .map(OsString::from)
            .into_iter()
            .chain(words)
            .collect();
        let error = self.command.clone().try_get_matches_from(words).err()?;
        let is_about_others = matches!(
            error.kind(),
            ErrorKind::ArgumentConflict | ErrorKind::MissingRequiredArgument
        );
        (!is_about_others).then(|| plain(&error))
    }
}

fn options_of(command: &Command) -> impl Iterator<Item = OptionOf<'_>> {
    let is_option = |arg: &&Arg| {
        let is_claps_own = ["help", "version"].contains(&arg.get_id().as_str());
        arg.get_long().is_some() && !arg.is_hide_set() && !is_claps_own
    };
    command.get_arguments().filter(is_option).map(OptionOf)
}

/// What clap says, as a sentence.
fn plain(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim);
    let told = lines.take_while(|line| !line.starts_with("Usage:"));
    let told = told.filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let told: Vec<&str> = told.collect();
    let told = told.join("; ");
    told.strip_prefix("error: ").unwrap_or(&told).to_owned()
}
