//! A file of settings.

use super::options::{CONFIG_VARIABLE, CommandLine, OptionOf, Value};
use super::{Origin, place};
use crate::definition::{from_yaml_with, place_of};
use crate::hosts::{self, Host};
use crate::image::own_uid;
use crate::plan::Verb;
use crate::report::{Failure, Kind};
use crate::words::quoted;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// No file of settings is longer.
const SIZE_LIMIT: u64 = 1024 * 1024;
/// The key of the list of hosts.
const HOSTS: &str = "hosts";
/// The key of the image place.
pub(super) const IMAGES: &str = "images";

/// What a file says.
pub(super) struct Sheet {
    file: String,
    text: String,
    pub(super) hosts: Vec<Host>,
    pub(super) entries: Vec<Entry>,
}

/// A setting in a file: of one verb, or of all that have such an option.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) verb: Option<String>,
    pub(super) name: String,
    pub(super) value: Value,
}

impl Sheet {
    /// Reads a file. `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, may be another's work, or is wrong.
    pub(super) fn load(path: &Path, line: &CommandLine) -> Result<Option<Self>, Failure> {
        let name = path.display().to_string();
        let failure = |message: String| Failure::new(Kind::Usage, message);
        let unreadable = |error: &io::Error| {
            failure(format!("the settings in {name} cannot be read"))
                .because(error)
                .hint("--no-config heeds no file of settings")
        };
        match fs::metadata(path) {
            Ok(_) => {}
            // Nor is there one in a home that was inherited from somebody else.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::NotADirectory
                        | io::ErrorKind::PermissionDenied
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(unreadable(&error)),
        }
        let opened = OpenOptions::new()
            .read(true)
            // Not to wait for whoever writes into a FIFO.
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .and_then(|file: File| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| unreadable(&error))?;
        if let Some((why, is_open)) = objection(&metadata) {
            let message = format!("the settings in {name} are not heeded: {why}");
            let hint = if is_open {
                format!("chmod go-w {}, and see whose it is", quoted(&name))
            } else {
                format!("--no-config, or {CONFIG_VARIABLE}= (empty), means no file")
            };
            return Err(failure(message).hint(hint));
        }
        let mut text = String::new();
        let length = file.take(SIZE_LIMIT + 1).read_to_string(&mut text);
        let length = length.map_err(|error| unreadable(&error))?;
        if length as u64 > SIZE_LIMIT {
            return Err(failure(format!(
                "{name} is too long for a file of settings"
            )));
        }
        let sheet = Self::parse(&name, text, line).map_err(failure)?;
        Ok(Some(sheet))
    }

    /// Reads a text, and holds that each value can be what it says.
    fn parse(file: &str, text: String, line: &CommandLine) -> Result<Self, String> {
        let said = from_yaml_with(file, &text, Content(line)).map_err(|error| error.to_string())?;
        let Said { hosts, entries } = said;
        let sheet = Self {
            file: file.to_owned(),
            text,
            hosts,
            entries,
        };
        if let Err(flaw) = hosts::check(&sheet.hosts) {
            return Err(format!("{}: {flaw}", place(&sheet.place(&[HOSTS]))));
        }
        let mut names = HashSet::new();
        for (number, host) in sheet.hosts.iter().enumerate() {
            let name = host.name.as_deref().unwrap_or_default();
            if !names.insert(name) {
                let place = place(&sheet.place_of_host(number));
                return Err(format!("{place}: two hosts are called {}", quoted(name)));
            }
        }
        for entry in &sheet.entries {
            let flaw = if entry.name == IMAGES {
                let folder = entry.value.words.first().map(Path::new);
                let is_folder = !entry.value.is_list && folder.is_some_and(Path::is_absolute);
                (!is_folder).then(|| "images is a folder, by its whole path".to_owned())
            } else {
                let verb = entry.verb.as_deref();
                let found = match verb {
                    Some(verb) => line
                        .option_of(verb, &entry.name)
                        .map(|option| (verb, option)),
                    None => line
                        .option(&entry.name)
                        .map(|(verb, option)| (verb.word(), option)),
                };
                found.and_then(|(verb, option)| line.flaw(verb, option, &entry.value))
            };
            if let Some(flaw) = flaw {
                return Err(format!("{}: {flaw}", place(&sheet.origin(entry))));
            }
        }
        Ok(sheet)
    }

    /// Where an entry stands.
    pub(super) fn origin(&self, entry: &Entry) -> Origin {
        let path: Vec<&str> = entry
            .verb
            .as_deref()
            .into_iter()
            .chain([entry.name.as_str()])
            .collect();
        self.place(&path)
    }

    /// Where a host stands, by its number in the list.
    pub(super) fn place_of_host(&self, number: usize) -> Origin {
        self.place(&[HOSTS, &number.to_string()])
    }

    fn place(&self, path: &[&str]) -> Origin {
        let (line, column) = place_of(&self.text, path).unwrap_or((1, 1));
        Origin::File {
            file: self.file.clone(),
            line,
            column,
        }
    }
}

/// Who else could have written a file that names what is run and where images lie, and whether he still may.
fn objection(file: &Metadata) -> Option<(&'static str, bool)> {
    if !file.is_file() {
        Some(("it is no regular file", false))
    } else if file.mode() & 0o022 != 0 {
        Some(("others than its owner may write to it", true))
    } else if file.uid() != 0 && own_uid() != Some(file.uid()) {
        Some(("it is neither yours nor root's", false))
    } else {
        None
    }
}

#[derive(Default)]
struct Said {
    hosts: Vec<Host>,
    entries: Vec<Entry>,
}

/// A whole file.
struct Content<'a>(&'a CommandLine);

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = Said;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Said, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = Said;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of settings")
    }

    /// Comments alone.
    fn visit_none<E: Error>(self) -> Result<Said, E> {
        Ok(Said::default())
    }

    fn visit_unit<E: Error>(self) -> Result<Said, E> {
        Ok(Said::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
        let mut said = Said::default();
        let mut keys = Keys::of(self.0, None);
        while let Some(key) = map.next_key_seed(&mut keys)? {
            if key == HOSTS {
                said.hosts = map.next_value()?;
            } else if let Some(verb) = Verb::ALL.into_iter().find(|verb| verb.word() == key) {
                let entries = map.next_value_seed(Section(self.0, verb))?;
                said.entries.extend(entries);
            } else {
                said.entries.push(Entry {
                    verb: None,
                    name: key,
                    value: map.next_value_seed(Values { in_list: false })?,
                });
            }
        }
        Ok(said)
    }
}

/// What a file says of one verb.
struct Section<'a>(&'a CommandLine, Verb);

impl<'de> DeserializeSeed<'de> for Section<'_> {
    type Value = Vec<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Entry>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Section<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a map of settings of {}", self.1.word())
    }

    /// Comments alone.
    fn visit_unit<E: Error>(self) -> Result<Vec<Entry>, E> {
        Ok(Vec::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = Vec::new();
        let mut keys = Keys::of(self.0, Some(self.1));
        while let Some(name) = map.next_key_seed(&mut keys)? {
            entries.push(Entry {
                verb: Some(self.1.word().to_owned()),
                name,
                value: map.next_value_seed(Values { in_list: false })?,
            });
        }
        Ok(entries)
    }
}

/// The keys that may stand at a place, each once.
struct Keys<'a> {
    line: &'a CommandLine,
    verb: Option<Verb>,
    seen: HashSet<String>,
}

impl<'a> Keys<'a> {
    fn of(line: &'a CommandLine, verb: Option<Verb>) -> Self {
        let seen = HashSet::new();
        Self { line, verb, seen }
    }

    /// What is wrong with a key.
    fn flaw(&self, key: &str) -> Option<String> {
        if self.seen.contains(key) {
            return Some(format!("duplicate field `{key}`"));
        }
        let is_of_file = self.verb.is_none()
            && ([HOSTS, IMAGES].contains(&key) || Verb::ALL.iter().any(|verb| verb.word() == key));
        if is_of_file {
            return None;
        }
        let anywhere = self.line.option(key);
        let here = match self.verb {
            Some(verb) => self.line.option_of(verb.word(), key),
            None => anywhere.map(|(_, option)| option),
        };
        match (here, anywhere, self.verb) {
            (Some(option), ..) => option
                .objection()
                .map(|why| format!("'{key}' is for the command line alone: {why}")),
            (None, Some((owner, _)), Some(verb)) => {
                let (verb, owner) = (verb.word(), owner.word());
                Some(format!(
                    "'{key}' is no option of {verb}, but one of {owner}"
                ))
            }
            _ => {
                let known = self.known().join("`, `");
                Some(format!("unknown field `{key}`, expected one of `{known}`"))
            }
        }
    }

    /// All that may stand here.
    fn known(&self) -> Vec<&'a str> {
        let line: &'a CommandLine = self.line;
        let mut known = Vec::new();
        for verb in Verb::ALL {
            if self.verb.is_none_or(|only| only == verb) {
                let options = line.options(verb.word());
                let settable = options.filter(|option| option.objection().is_none());
                known.extend(settable.map(OptionOf::name));
            }
        }
        if self.verb.is_none() {
            known.extend(Verb::ALL.map(Verb::word));
            known.extend([HOSTS, IMAGES]);
        }
        known.sort_unstable();
        known.dedup();
        known
    }
}

impl<'de> DeserializeSeed<'de> for &mut Keys<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for &mut Keys<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a setting")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        if let Some(flaw) = self.flaw(key) {
            return Err(E::custom(flaw));
        }
        self.seen.insert(key.to_owned());
        Ok(key.to_owned())
    }
}

/// A value, or a list of them.
#[derive(Clone, Copy)]
struct Values {
    in_list: bool,
}

impl<'de> DeserializeSeed<'de> for Values {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.in_list {
            "a value"
        } else {
            "a value, or a list of values"
        })
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::one(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::one(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::one(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::one(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::one(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        if self.in_list {
            return Err(A::Error::custom("a list stands in a list"));
        }
        let mut words = Vec::new();
        while let Some(value) = list.next_element_seed(Self { in_list: true })? {
            words.extend(value.words);
        }
        Ok(Value {
            words,
            is_list: true,
        })
    }
}
