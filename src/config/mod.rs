//! Settings: what options are when a command line does not say. Environment, the user's file and the system's tell,
//! in this order, and what a command line says is stronger than all of them.
//!
//! What cannot go together with something stronger gives way: `-q` on a command line takes no notice of
//! `verbose: true` in a file. So nobody's file can make a command fail that is right by itself; only what is wrong in
//! the file or in a variable does.

mod file;
mod options;

pub use options::{CommandLine, UNSETTABLE, Unread};

use crate::cli::Cli;
use crate::entity::Secret;
use crate::hosts::{Host, hosts};
use crate::plan::Verb;
use crate::report::{Failure, Kind, Setting, SettingSource as Origin};
use crate::words::nearest;
use file::{IMAGES, Sheet};
use options::{CONFIG_VARIABLE, IMAGES_VARIABLE, OptionOf, Value};
use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The file of the whole system.
const SYSTEM: &str = "/etc/vmlife/config.yaml";

/// Where settings are looked for.
pub struct Sources<'a> {
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The files, the strongest first.
    pub files: Vec<PathBuf>,
    /// Whether the files have to be there.
    pub required: bool,
}

impl<'a> Sources<'a> {
    /// Those of a process with this environment. `VMLIFE_CONFIG` names the only file there is, or none.
    #[must_use]
    pub fn of(variable: &'a dyn Fn(&str) -> Option<OsString>, no_config: bool) -> Self {
        let chosen = variable(CONFIG_VARIABLE);
        let required = chosen.is_some();
        let files = match chosen {
            _ if no_config => Vec::new(),
            Some(file) if file.is_empty() => Vec::new(),
            Some(file) => vec![file.into()],
            None => {
                let whole =
                    |name| Some(PathBuf::from(variable(name)?)).filter(|path| path.is_absolute());
                let home = || Some(whole("HOME")?.join(".config"));
                let of_user = whole("XDG_CONFIG_HOME").or_else(home);
                let of_user = of_user.map(|folder| folder.join("vmlife/config.yaml"));
                of_user.into_iter().chain([SYSTEM.into()]).collect()
            }
        };
        Self {
            variable,
            files,
            required,
        }
    }

    fn set(&self, name: &str) -> Option<OsString> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// Reads the files.
    fn sheets(&self, line: &CommandLine) -> Result<Vec<Sheet>, Failure> {
        let mut sheets = Vec::new();
        for file in &self.files {
            match Sheet::load(file, line)? {
                Some(sheet) => sheets.push(sheet),
                None if self.required => {
                    let message = format!("{CONFIG_VARIABLE}: there is no {}", file.display());
                    let hint = format!("{CONFIG_VARIABLE} names a file, or, if empty, none");
                    return Err(Failure::new(Kind::Usage, message).hint(hint));
                }
                None => {}
            }
        }
        Ok(sheets)
    }
}

/// A value that is set somewhere for the options of a verb.
#[derive(Clone, Debug)]
struct Choice {
    name: String,
    value: Value,
    words: Vec<OsString>,
    origin: Origin,
}

/// A command line and all that is set beside it.
pub struct Settled {
    /// The command line, as if it had said all of it.
    pub cli: Cli,
    /// The hosts that may be chosen by their names.
    pub(crate) known_hosts: Vec<Host>,
    /// What could not go with something stronger, as sentences.
    pub gave_way: Vec<String>,
    chosen: Vec<Choice>,
    images: Option<(PathBuf, Origin)>,
}

impl Settled {
    /// Where an option is set, unless the command line says it, or nobody does.
    pub(crate) fn origin(&self, option: &str) -> Option<&Origin> {
        let found = self.chosen.iter().find(|choice| choice.name == option);
        found.map(|choice| &choice.origin)
    }

    /// The hosts that are meant.
    ///
    /// # Errors
    /// A list of hosts that is wrong; also several hosts for a verb that acts, if the command line does not name them:
    /// nothing that is only inherited makes `--all` mean more.
    pub(crate) fn hosts(&self, verb: Verb) -> Result<Vec<Host>, Failure> {
        let common = &self.cli.common;
        let meant = hosts(&common.connect, common.hosts.as_deref(), &self.known_hosts)?;
        match self.origin("connect") {
            Some(origin) if meant.len() > 1 && verb != Verb::Show => {
                let flaw = "several hosts are set, and only show is about them unasked";
                Err(mistake(origin, flaw).hint("name them with -c, or set them for show alone"))
            }
            _ => Ok(meant),
        }
    }

    /// What names a place: a variable of the environment, or what a file has in its stead.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<PathBuf> {
        match (name, &self.images) {
            (IMAGES_VARIABLE, Some((folder, _))) => Some(folder.clone()),
            // Where the variable is missing, the user's entry in the system's list tells.
            ("HOME", _) => env::home_dir(),
            (name, _) => env::var_os(name).map(PathBuf::from),
        }
    }
}

fn variable(name: &str) -> Origin {
    Origin::Environment {
        variable: name.to_owned(),
    }
}

/// A mistake in what is set somewhere.
fn mistake(origin: &Origin, flaw: &str) -> Failure {
    Failure::new(Kind::Usage, format!("{}: {flaw}", place(origin)))
}

/// A place, as mistakes are told.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::Environment { variable } => variable.clone(),
        Origin::File { file, line, column } => format!("{file}:{line}:{column}"),
        Origin::CommandLine | Origin::BuiltIn => origin.to_string(),
    }
}

/// Puts together what a command line says and what is set beside it. `goes` tells what is wrong with a command line
/// beyond what its declaration says.
///
/// # Errors
/// What is wrong in a variable or a file.
pub fn settle(
    line: &CommandLine,
    sources: &Sources<'_>,
    goes: impl Fn(&Cli) -> Result<(), Failure>,
) -> Result<Settled, Failure> {
    let sheets = sources.sheets(line)?;
    let mut levels = vec![of_environment(line, sources)?];
    levels.extend(sheets.iter().map(|sheet| of_sheet(line, sheet)));
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for level in &mut levels {
        level.retain(|choice| {
            let option = line.option_of(line.verb(), &choice.name);
            let is_open = option.is_some_and(|option| !line.says(option));
            is_open && !taken.contains(&choice.name)
        });
        taken.extend(level.iter().map(|choice| choice.name.clone()));
    }
    let attempt = |choices: &[&Choice]| {
        let words: Vec<OsString> = choices
            .iter()
            .flat_map(|choice| choice.words.clone())
            .collect();
        let cli = line.with(&words)?;
        goes(&cli).map_err(|failure| failure.message)?;
        Ok::<Cli, String>(cli)
    };
    let (cli, chosen, gave_way) = if levels.iter().all(Vec::is_empty) {
        let alone = line.alone();
        let cli = alone.map_err(|flaw| Failure::new(Kind::Usage, flaw))?;
        (cli, Vec::new(), Vec::new())
    } else if let Some(together) = together(&levels, attempt)? {
        together
    } else {
        // It is wrong by itself. That will be told, in the form that is set.
        let all: Vec<Choice> = levels.iter().flatten().cloned().collect();
        let words: Vec<OsString> = all.iter().flat_map(|choice| choice.words.clone()).collect();
        let cli = line.with(&words).or_else(|_| line.with(&[]));
        let cli = cli.map_err(|flaw| Failure::new(Kind::Usage, flaw))?;
        (cli, all, Vec::new())
    };
    let of_variable = sources
        .set(IMAGES_VARIABLE)
        .map(|folder| (PathBuf::from(folder), variable(IMAGES_VARIABLE)));
    let images = of_variable.or_else(|| sheets.iter().find_map(images_of));
    let mut known_hosts: Vec<Host> = Vec::new();
    for host in sheets.into_iter().flat_map(|sheet| sheet.hosts) {
        if known_hosts.iter().all(|known| known.name != host.name) {
            known_hosts.push(host);
        }
    }
    Ok(Settled {
        cli,
        known_hosts,
        gave_way,
        chosen,
        images,
    })
}

type Together = (Cli, Vec<Choice>, Vec<String>);

/// Adds level by level, the strongest first, what goes with all that is stronger. `None` if the command line does not
/// even go alone.
fn together(
    levels: &[Vec<Choice>],
    attempt: impl Fn(&[&Choice]) -> Result<Cli, String>,
) -> Result<Option<Together>, Failure> {
    let cloned = |choices: &[&Choice]| choices.iter().copied().cloned().collect();
    let all: Vec<&Choice> = levels.iter().flatten().collect();
    if let Ok(cli) = attempt(&all) {
        return Ok(Some((cli, cloned(&all), Vec::new())));
    }
    let Ok(mut cli) = attempt(&[]) else {
        return Ok(None);
    };
    let mut kept: Vec<&Choice> = Vec::new();
    let mut gave_way = Vec::new();
    for level in levels {
        let stronger = kept.clone();
        let mut left: Vec<&Choice> = level.iter().collect();
        let with = |kept: &[&Choice], one| attempt(&[kept, &[one]].concat());
        // One may need another one.
        while let Some((at, found)) =
            (left.iter().enumerate()).find_map(|(at, choice)| Some((at, with(&kept, choice).ok()?)))
        {
            kept.push(left.remove(at));
            cli = found;
        }
        for choice in left {
            match (with(&stronger, choice), with(&kept, choice)) {
                (Ok(_), Err(flaw)) => return Err(mistake(&choice.origin, &flaw)),
                (_, Err(flaw)) => gave_way.push(format!(
                    "{} of {} gives way: {flaw}",
                    choice.name,
                    place(&choice.origin)
                )),
                (_, Ok(_)) => {}
            }
        }
    }
    Ok(Some((cli, cloned(&kept), gave_way)))
}

/// What the environment says of the options of the command line's verb.
fn of_environment(line: &CommandLine, sources: &Sources<'_>) -> Result<Vec<Choice>, Failure> {
    let mut choices = Vec::new();
    for option in line.options(line.verb()).filter(|it| it.has_variable()) {
        let variable = option.variable();
        let Some(value) = sources.set(&variable) else {
            continue;
        };
        if let Some(why) = option.objection() {
            let message = format!("{variable} is set, and only a command line may say that: {why}");
            let hint = format!(
                "unset {variable}; where it is meant, say --{}",
                option.name()
            );
            return Err(Failure::new(Kind::Usage, message).hint(hint));
        }
        let value = Value::one(value);
        let origin = Origin::Environment { variable };
        if let Some(flaw) = line.flaw(line.verb(), option, &value) {
            return Err(mistake(&origin, &flaw));
        }
        choices.push(Choice::of(option, value, origin));
    }
    Ok(choices)
}

/// What a file says of the options of the command line's verb: what it says of the verb is stronger than what it says
/// of all.
fn of_sheet(line: &CommandLine, sheet: &Sheet) -> Vec<Choice> {
    let entry_of = |option: OptionOf<'_>, verb: Option<&str>| {
        let mut entries = sheet.entries.iter();
        entries.find(|entry| entry.verb.as_deref() == verb && entry.name == option.name())
    };
    let options = line
        .options(line.verb())
        .filter(|it| it.objection().is_none());
    let choice = |option: OptionOf<'_>| {
        let entry = entry_of(option, Some(line.verb())).or_else(|| entry_of(option, None))?;
        Some(Choice::of(option, entry.value.clone(), sheet.origin(entry)))
    };
    options.filter_map(choice).collect()
}

fn images_of(sheet: &Sheet) -> Option<(PathBuf, Origin)> {
    let entry = sheet.entries.iter().find(|entry| entry.name == IMAGES)?;
    Some((
        PathBuf::from(entry.value.words.first()?),
        sheet.origin(entry),
    ))
}

impl Choice {
    /// A value that was found to have no flaw.
    fn of(option: OptionOf<'_>, value: Value, origin: Origin) -> Self {
        Self {
            name: option.name().to_owned(),
            words: option.words(&value).unwrap_or_default(),
            value,
            origin,
        }
    }
}

/// Lists all that can be set, with what it is for each verb, and where that comes from. What the command line says, it
/// says of its own verb.
///
/// # Errors
/// What is wrong in a variable or a file.
pub fn list(
    line: &CommandLine,
    sources: &Sources<'_>,
    goes: impl Fn(&Cli) -> Result<(), Failure>,
) -> Result<Vec<Setting>, Failure> {
    let mut names: Vec<&str> = Vec::new();
    let mut found: Vec<Setting> = Vec::new();
    for verb in Verb::ALL {
        let bare = CommandLine::bare(verb).map_err(|error| {
            Failure::new(Kind::Failed, "the settings cannot be listed").because(&error)
        })?;
        let settled = settle(&bare, sources, &goes)?;
        for option in line.options(verb.word()) {
            if option.objection().is_some() {
                continue;
            }
            let is_said = line.verb() == verb.word() && line.says(option);
            let found_here = if is_said {
                setting(option.name(), line.value(option), Origin::CommandLine)
            } else {
                settled.setting(option)
            };
            found.push(Setting {
                verb: Some(verb),
                ..found_here
            });
            if !names.contains(&option.name()) {
                names.push(option.name());
            }
        }
    }
    let of_name = |name: &str| {
        let all = found.iter().filter(|setting| setting.name == name);
        all.cloned().collect::<Vec<Setting>>()
    };
    let mut settings: Vec<Vec<Setting>> = names.into_iter().map(of_name).collect();
    // What goes for more verbs comes first.
    settings.sort_by_key(|all| std::cmp::Reverse(all.len()));
    for all in &mut settings {
        let same = |one: &Setting| (one.values.clone(), one.source.clone());
        if all.iter().all(|other| same(other) == same(&all[0])) {
            all.truncate(1);
            all[0].verb = None;
        }
    }
    let mut settings = settings.concat();
    settings.extend(places(line, sources, &goes)?);
    Ok(settings)
}

/// What is set and is no option: the files, the image place, the hosts.
fn places(
    line: &CommandLine,
    sources: &Sources<'_>,
    goes: impl Fn(&Cli) -> Result<(), Failure>,
) -> Result<Vec<Setting>, Failure> {
    let files = sources.files.iter().map(|file| {
        let remark = if file.exists() { "" } else { " (absent)" };
        format!("{}{remark}", file.display())
    });
    let origin = match (sources.variable)(CONFIG_VARIABLE) {
        _ if line.cli().common.no_config => Origin::CommandLine,
        Some(_) => variable(CONFIG_VARIABLE),
        None => Origin::BuiltIn,
    };
    let settled = settle(line, sources, goes)?;
    let images = match &settled.images {
        Some((folder, origin)) => setting(IMAGES, [folder.display().to_string()], origin.clone()),
        None => setting(IMAGES, [], Origin::BuiltIn),
    };
    let mut all = vec![images, setting("config", files, origin)];
    let mut names = BTreeSet::new();
    for sheet in sources.sheets(line)? {
        for (number, host) in sheet.hosts.iter().enumerate() {
            let name = host.name.as_deref().unwrap_or_default();
            if names.insert(name.to_owned()) {
                let origin = sheet.place_of_host(number);
                all.push(setting(&format!("hosts.{name}"), host.uri.clone(), origin));
            }
        }
    }
    Ok(all)
}

impl Settled {
    /// What an option is, and why.
    fn setting(&self, option: OptionOf<'_>) -> Setting {
        let mut chosen = self.chosen.iter();
        if let Some(choice) = chosen.find(|choice| choice.name == option.name()) {
            let words = choice.value.words.iter();
            let words = words.map(|word| word.to_string_lossy().into_owned());
            return setting(option.name(), words, choice.origin.clone());
        }
        let libvirts = "LIBVIRT_DEFAULT_URI";
        match self
            .variable(libvirts)
            .and_then(|uri| uri.to_str().map(str::to_owned))
        {
            Some(uri) if option.name() == "connect" && !uri.is_empty() => {
                setting(option.name(), [uri], variable(libvirts))
            }
            _ => setting(option.name(), option.default(), Origin::BuiltIn),
        }
    }
}

fn setting(name: &str, values: impl IntoIterator<Item = String>, source: Origin) -> Setting {
    let values = values.into_iter().map(|value| Secret::hide_in_uri(&value));
    Setting {
        name: name.to_owned(),
        verb: None,
        values: values.collect(),
        source,
    }
}

/// What is wrong with variables that nobody heeds: those whose name is almost one of ours.
#[must_use]
pub fn slips(line: &CommandLine, names: impl Iterator<Item = OsString>) -> Vec<String> {
    let options = Verb::ALL
        .into_iter()
        .flat_map(|verb| line.options(verb.word()));
    let mut known: Vec<String> = options.map(OptionOf::variable).collect();
    known.push("VMLIFE_JOURNAL".to_owned());
    let is_unknown = |name: &OsStr| {
        let name = name.to_str()?.strip_prefix("VMLIFE_")?.to_owned();
        let is_of_scripts = ["HOST_", "TEST_"].iter().any(|it| name.starts_with(it));
        let is_known = known.iter().any(|known| known[7..] == name);
        (!is_known && !is_of_scripts).then_some(name)
    };
    let slip = |name: OsString| {
        let unknown = is_unknown(&name)?;
        let near = nearest(&unknown, known.iter().map(|known| &known[7..]));
        let near = near.first()?;
        Some(format!(
            "VMLIFE_{unknown} is no variable of vmlife's; did you mean VMLIFE_{near}?"
        ))
    };
    names.filter_map(slip).collect()
}

#[cfg(test)]
mod tests;
