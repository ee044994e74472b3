//! One mapping for both directions: a binding ties a field of the model to a place in the XML, and either
//! reads the field from there, or writes there what the field says otherwise.

use super::tree::{Element, Result};
use crate::entity::{MemorySize, Seconds};
use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::path::PathBuf;
use uuid::Uuid;

/// Which way the data goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the XML to the model.
    Read,
    /// From the model to the XML: what is as the model says stays as it is written.
    Write,
}

/// A value that stands in XML as one piece of text.
pub(super) trait Scalar: Sized {
    /// Reads it, or says what is wrong.
    fn read(text: &str) -> Result<Self, String>;
    /// Writes it.
    fn write(&self) -> String;
}

/// A field: a value that may be absent.
pub(super) trait Field: PartialEq + Sized {
    /// Reads it from what stands there, if something does.
    fn from_text(text: Option<&str>) -> Result<Self, String>;
    /// What is to stand there.
    fn to_text(&self) -> Option<String>;
}

impl<T: Scalar + PartialEq> Field for Option<T> {
    fn from_text(text: Option<&str>) -> Result<Self, String> {
        text.map(T::read).transpose()
    }

    fn to_text(&self) -> Option<String> {
        self.as_ref().map(T::write)
    }
}

/// Fields whose empty value is absence.
macro_rules! field {
    ($($type:ty),+) => {
        $(
            impl Field for $type {
                fn from_text(text: Option<&str>) -> Result<Self, String> {
                    text.map_or(Ok(Self::default()), Scalar::read)
                }

                fn to_text(&self) -> Option<String> {
                    (*self != Self::default()).then(|| self.write())
                }
            }
        )+
    };
}

field!(String, u32, u64);

macro_rules! number {
    ($($type:ty),+) => {
        $(
            impl Scalar for $type {
                fn read(text: &str) -> Result<Self, String> {
                    text.trim().parse().map_err(|_| format!("'{text}' is not a number that fits here"))
                }

                fn write(&self) -> String {
                    self.to_string()
                }
            }
        )+
    };
}

number!(u8, u16, u32, u64, i32, i64);

impl Scalar for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn write(&self) -> String {
        self.clone()
    }
}

impl Scalar for PathBuf {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn write(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Scalar for Uuid {
    fn read(text: &str) -> Result<Self, String> {
        text.trim()
            .parse()
            .map_err(|_| format!("'{text}' is not a UUID"))
    }

    fn write(&self) -> String {
        self.to_string()
    }
}

impl Scalar for Timestamp {
    /// Seconds since 1970, with or without a fraction.
    fn read(text: &str) -> Result<Self, String> {
        let seconds = Seconds(
            text.trim()
                .parse()
                .map_err(|_| format!("'{text}' is not a time in seconds"))?,
        );
        #[expect(clippy::cast_possible_truncation, reason = "out of range is refused")]
        Self::from_millisecond((seconds.0 * 1000.0) as i64)
            .map_err(|_| format!("'{text}' is beyond all calendars"))
    }

    fn write(&self) -> String {
        self.as_second().to_string()
    }
}

/// oVirt's open enumerations, by libvirt's words.
macro_rules! words {
    ($($type:ty),+ $(,)?) => {
        $(
            impl Scalar for $type {
                fn read(text: &str) -> Result<Self, String> {
                    Ok(Self::from_libvirt(text))
                }

                fn write(&self) -> String {
                    self.libvirt().into_owned()
                }
            }
        )+
    };
}

words!(
    crate::entity::ArchitectureType,
    crate::entity::DiskInterface,
    crate::entity::DisplayType,
    crate::entity::NumaTuneMode,
    crate::entity::ScsiGenericIO,
    crate::entity::VolumeFormat,
);

/// An element whose fields are being bound.
pub(super) struct Binding<'a> {
    pub(super) element: &'a mut Element,
    pub(super) direction: Direction,
}

impl Binding<'_> {
    /// Ties a field to the text of an element (`os/kernel`) or to an attribute (`os/type/@arch`).
    ///
    /// # Errors
    /// Text there that the field cannot hold.
    pub(super) fn field<T: Field>(&mut self, path: &str, field: &mut T) -> Result {
        let (path, attribute) = split(path);
        let found = self.element.find(path);
        let text = found.and_then(|element| match attribute {
            Some(attribute) => element.attribute(attribute).map(str::to_owned),
            None => Some(element.text()),
        });
        let read = T::from_text(text.as_deref());
        match (self.direction, read) {
            (Direction::Read, Ok(value)) => *field = value,
            (Direction::Read, Err(words)) => {
                let element = found.unwrap_or(self.element);
                let place = attribute.map_or_else(
                    || format!("<{}>", element.name()),
                    |attribute| format!("<{} {attribute}='...'>", element.name()),
                );
                return Err(element.problem(format!("{place}: {words}")));
            }
            (Direction::Write, Ok(value)) if value == *field => {}
            (Direction::Write, _) => put(self.element, path, attribute, field.to_text().as_deref()),
        }
        Ok(())
    }

    /// Ties a field to whatever two functions read and write.
    ///
    /// # Errors
    /// What the reading finds wrong.
    pub(super) fn by<T: PartialEq>(
        &mut self,
        field: &mut T,
        get: impl Fn(&Element) -> Result<T>,
        put: impl FnOnce(&mut Element, &T),
    ) -> Result {
        match self.direction {
            Direction::Read => *field = get(self.element)?,
            Direction::Write => {
                if !get(self.element).is_ok_and(|value| value == *field) {
                    put(self.element, field);
                }
            }
        }
        Ok(())
    }

    /// A field that follows from the XML, and that nothing is written for: what a definition says
    /// otherwise is kept in the metadata.
    pub(super) fn told<T>(&mut self, field: &mut T, get: impl FnOnce(&Element) -> T) {
        if self.direction == Direction::Read {
            *field = get(self.element);
        }
    }

    /// Ties a flag to whether an element is there; `make` gives one to put there.
    pub(super) fn presence(
        &mut self,
        name: &str,
        field: &mut bool,
        make: impl FnOnce() -> Element,
    ) -> Result {
        self.by(
            field,
            |element| Ok(element.child(name).is_some()),
            |element, wanted| match wanted {
                true => element.append(make()),
                false => element.remove(|child| child.is(name)),
            },
        )
    }

    /// Ties a flag to one word of an attribute: `set` means true; for false the attribute holds
    /// `unset`, or is not there.
    pub(super) fn flag(
        &mut self,
        path: &str,
        set: &str,
        unset: Option<&str>,
        field: &mut bool,
    ) -> Result {
        let (path, attribute) = split(path);
        let attribute = attribute.unwrap_or_default();
        self.by(
            field,
            |element| {
                let found = element.find(path);
                Ok(found.and_then(|found| found.attribute(attribute)) == Some(set))
            },
            |element, wanted| {
                put(
                    element,
                    path,
                    Some(attribute),
                    if *wanted { Some(set) } else { unset },
                );
            },
        )
    }

    /// Ties a list to the elements of one kind. An entry belongs to the element that has its key; what
    /// has no element gets a new one, an element without an entry goes.
    ///
    /// # Errors
    /// What binding an entry finds wrong.
    pub(super) fn list<T: Default, K: Hash + Eq>(
        &mut self,
        entries: &mut Vec<T>,
        is_one: impl Fn(&Element) -> bool,
        key: impl Fn(&T) -> K,
        new: impl Fn(&mut T) -> Element,
        bind: impl Fn(&mut Binding<'_>, &mut T) -> Result,
    ) -> Result {
        let direction = self.direction;
        if direction == Direction::Read {
            entries.clear();
            for element in self
                .element
                .elements_mut()
                .filter(|element| is_one(element))
            {
                let mut entry = T::default();
                bind(&mut Binding { element, direction }, &mut entry)?;
                entries.push(entry);
            }
            return Ok(());
        }
        let mut written = vec![false; entries.len()];
        let mut places: HashMap<K, VecDeque<usize>> = HashMap::new();
        for (at, entry) in entries.iter().enumerate() {
            places.entry(key(entry)).or_default().push_back(at);
        }
        let mut kept = Vec::new();
        for element in self
            .element
            .elements_mut()
            .filter(|element| is_one(element))
        {
            let mut old = T::default();
            let read = Direction::Read;
            // What cannot be read has no key, and so no entry.
            let found = bind(
                &mut Binding {
                    element,
                    direction: read,
                },
                &mut old,
            )
            .ok()
            .and_then(|()| places.get_mut(&key(&old))?.pop_front());
            if let Some(at) = found {
                bind(&mut Binding { element, direction }, &mut entries[at])?;
                written[at] = true;
            }
            kept.push(found.is_some());
        }
        let number = std::cell::Cell::new(0);
        self.element.remove(|element| {
            is_one(element) && {
                let at = number.replace(number.get() + 1);
                !kept[at]
            }
        });
        for (entry, _) in entries
            .iter_mut()
            .zip(written)
            .filter(|(_, written)| !written)
        {
            let mut element = new(entry);
            bind(
                &mut Binding {
                    element: &mut element,
                    direction,
                },
                entry,
            )?;
            self.element.append(element);
        }
        Ok(())
    }
}

/// The size that an element with a unit holds.
pub(super) fn memory_of(element: &Element) -> Result<MemorySize> {
    MemorySize::parse(&element.text(), element.attribute("unit"))
        .map_err(|problem| element.problem(format!("<{}>: {problem}", element.name())))
}

/// A path to an element, and the attribute that it ends with.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.rsplit_once('@') {
        Some((path, attribute)) => (path.trim_end_matches('/'), Some(attribute)),
        None => (path, None),
    }
}

/// Puts text at a place, or takes away what is there.
pub(super) fn put(element: &mut Element, path: &str, attribute: Option<&str>, text: Option<&str>) {
    match (attribute, text) {
        (Some(attribute), Some(text)) => element.ensure(path).set_attribute(attribute, Some(text)),
        (None, Some(text)) => element.ensure(path).set_text(text),
        (Some(attribute), None) => {
            if element.find(path).is_some() {
                element.ensure(path).set_attribute(attribute, None);
            }
        }
        (None, None) => {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            if element.find(parent).is_some() {
                element.ensure(parent).remove(|child| child.is(name));
            }
        }
    }
}
