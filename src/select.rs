//! From words to VMs. Every word is resolved before the first VM is touched.

use crate::definition::{self, Definition, read_domain};
use crate::entity::{Verdict, Vm, VmStatus};
use crate::hypervisor::HypervisorError;
use crate::image::ImageFile;
use crate::inventory::{Depth, Entry, Inventory, absent};
use crate::plan::{Decision, Verb, Wishes, decide};
use crate::report::{Failure, Kind};
use crate::words::{either, nearest};
use glob::Pattern;
use std::collections::HashSet;
use std::path::Path;
use uuid::Uuid;

/// What the user typed to say which VMs he means.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Names, UUIDs, globs and definition files.
    pub targets: Vec<String>,
    /// Definition files that were named as such.
    pub files: Vec<String>,
    /// libvirt's numbers of running domains.
    pub numbers: Vec<u32>,
    /// All that the verb applies to.
    pub all: bool,
    /// Globs of names to leave out.
    pub exclude: Vec<String>,
}

impl Selection {
    /// Whether it names nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.all && self.targets.is_empty() && self.files.is_empty() && self.numbers.is_empty()
    }
}

/// A word, understood as far as that goes without looking.
enum Word {
    Definition(Box<Definition>),
    Id(Uuid),
    Number(u32),
    Name(String),
}

/// Finds the VMs that are meant, each once, in the order asked; all of them may be looked at as closely
/// as a list needs.
///
/// # Errors
/// A word that stands for nothing (with the nearest names), a file that is wrong, or a definition
/// that contradicts libvirt.
pub fn select(
    inventory: &Inventory,
    selection: &Selection,
    verb: Verb,
    wishes: Wishes,
    depth: Depth,
) -> Result<Vec<Entry>, Failure> {
    let exclude = patterns(&selection.exclude)?;
    let mut entries: Vec<Entry> = Vec::new();
    if let Some(path) = &inventory.from {
        let owner = owner_of_image(inventory, path)?;
        if selection.is_empty() {
            entries.push(owner);
        }
    }
    let mut unknown = Vec::new();
    for word in read_words(selection)? {
        match resolve(inventory, &word, verb, wishes, depth)? {
            found if found.is_empty() => unknown.push(word),
            found => entries.extend(found),
        }
    }
    if !unknown.is_empty() {
        return Err(not_found(inventory, &unknown)?);
    }
    if selection.all {
        let all = inventory
            .list(depth, |_| true)
            .map_err(|error| listing_failed(&error))?;
        entries.extend(
            all.into_iter()
                .filter(|entry| is_among_all(verb, &entry.vm, wishes)),
        );
    }
    let mut seen = HashSet::new();
    entries.retain(|entry| {
        let excluded = exclude
            .iter()
            .any(|pattern| pattern.matches(entry.vm.name()));
        let is_new = seen.insert((entry.vm.id(), entry.vm.name().to_owned()));
        is_new && !excluded
    });
    Ok(entries)
}

/// Whether `--all` means this VM, too: what the verb can be done to, and what it should be done to and
/// cannot. Who hibernates all VMs before the host goes down must hear of one that stays up.
fn is_among_all(verb: Verb, vm: &Vm, wishes: Wishes) -> bool {
    match decide(verb, vm, wishes) {
        Decision::Do(_) => true,
        Decision::Already(_) => false,
        Decision::Refuse(failure) => match failure.kind {
            // One that is missing is missed.
            Kind::NotFound => !vm.saved_images.is_empty(),
            Kind::State => match verb {
                Verb::Hibernate => vm.status().is_active(),
                // One that was loaded and waits.
                Verb::Restore => vm.status() == VmStatus::Paused,
                _ => false,
            },
            Kind::Guard => vm
                .saved_images
                .iter()
                .all(|image| image.verdict != Verdict::Used),
            _ => true,
        },
    }
}

/// The VM whose memory an image holds: the image tells.
fn owner_of_image(inventory: &Inventory, path: &Path) -> Result<Entry, Failure> {
    let nothing =
        |kind, why: String| Failure::new(kind, format!("the image {}: {why}", path.display()));
    let id = if inventory.looks_at(path) {
        let missing = || nothing(Kind::NotFound, "there is no such file".to_owned());
        let image = ImageFile::inspect(path).ok_or_else(missing)?;
        let flaw = image.summary.flaw.unwrap_or_default();
        image
            .vm
            .and_then(|vm| vm.id())
            .ok_or_else(|| nothing(Kind::Guard, flaw))?
    } else {
        let path = path.to_str().unwrap_or_default();
        let xml = inventory.hypervisor.image_xml(path).map_err(|error| {
            let kind = if error.is_no_such_file() {
                Kind::NotFound
            } else {
                error.kind()
            };
            nothing(kind, "the daemon cannot read it".to_owned()).because(&error)
        })?;
        let vm = read_domain(&xml).map_err(|error| nothing(Kind::Guard, error.to_string()))?;
        vm.id()
            .ok_or_else(|| nothing(Kind::Guard, "its description is no VM's".to_owned()))?
    };
    let found = machine_entry(inventory, inventory.hypervisor.machine_by_id(id))?;
    found
        .or_else(|| inventory.orphan(id))
        .ok_or_else(|| nothing(Kind::Guard, "its VM cannot be told".to_owned()))
}

pub(crate) fn patterns(globs: &[String]) -> Result<Vec<Pattern>, Failure> {
    globs
        .iter()
        .map(|glob| {
            Pattern::new(glob).map_err(|error| {
                Failure::new(Kind::Usage, format!("'{glob}' is not a pattern")).because(&error.msg)
            })
        })
        .collect()
}

fn read_words(selection: &Selection) -> Result<Vec<Word>, Failure> {
    let mut words: Vec<Word> = selection
        .numbers
        .iter()
        .copied()
        .map(Word::Number)
        .collect();
    let read = |file: &str| -> Result<Vec<Word>, Failure> {
        let definitions = definition::load(file).map_err(|error| {
            let failure = Failure::new(Kind::Usage, error.to_string());
            // A VM may have such a name, though no slash can be in it.
            if error.line.is_none() && !file.contains('/') && file != "-" {
                failure.hint("this word means a file; a VM of this name can be named by its UUID")
            } else {
                failure
            }
        })?;
        Ok(definitions
            .into_iter()
            .map(|definition| Word::Definition(Box::new(definition)))
            .collect())
    };
    for target in &selection.targets {
        if is_file_name(target) {
            words.extend(read(target)?);
        } else if let Some(id) = written_uuid(target) {
            words.push(Word::Id(id));
        } else {
            words.push(Word::Name(target.clone()));
        }
    }
    for file in &selection.files {
        words.extend(read(file)?);
    }
    Ok(words)
}

/// A UUID in the form that libvirt writes; the other forms may as well be names.
fn written_uuid(word: &str) -> Option<Uuid> {
    Uuid::try_parse(word)
        .ok()
        .filter(|id| id.hyphenated().to_string().eq_ignore_ascii_case(word))
}

/// No VM's name contains a slash, so that a slash makes a file; so does the usual ending.
#[must_use]
pub fn is_file_name(target: &str) -> bool {
    let ending = Path::new(target)
        .extension()
        .and_then(|ending| ending.to_str());
    target == "-" || target.contains('/') || matches!(ending, Some("yaml" | "yml" | "xml"))
}

/// The VMs that a word stands for; none if it stands for nothing.
fn resolve(
    inventory: &Inventory,
    word: &Word,
    verb: Verb,
    wishes: Wishes,
    depth: Depth,
) -> Result<Vec<Entry>, Failure> {
    let entry = match word {
        Word::Number(number) => {
            machine_entry(inventory, inventory.hypervisor.machine_by_number(*number))?
        }
        Word::Id(id) => match machine_entry(inventory, inventory.hypervisor.machine_by_id(*id))? {
            None => match inventory.orphan(*id) {
                None => return by_name_or_glob(inventory, &id.to_string(), depth),
                found => found,
            },
            found => found,
        },
        Word::Definition(definition) => {
            Some(resolve_definition(inventory, definition, verb, wishes)?)
        }
        Word::Name(name) => {
            match machine_entry(inventory, inventory.hypervisor.machine_by_name(name))? {
                None => return by_name_or_glob(inventory, name, depth),
                found => found,
            }
        }
    };
    Ok(entry.into_iter().collect())
}

fn machine_entry(
    inventory: &Inventory,
    machine: Result<Option<crate::hypervisor::Machine>, HypervisorError>,
) -> Result<Option<Entry>, Failure> {
    let found = machine.and_then(|machine| match machine {
        None => Ok(None),
        Some(machine) => match inventory.observe(&machine) {
            Ok(vm) => Ok(Some(Entry {
                vm,
                machine: Some(machine),
                definition: None,
            })),
            Err(error) if error.is_no_domain() => Ok(None),
            Err(error) => Err(error),
        },
    });
    found.map_err(|error| listing_failed(&error))
}

pub(crate) fn listing_failed(error: &HypervisorError) -> Failure {
    error.failure("libvirt could not be asked for its VMs")
}

/// No domain has this very name: it may be a pattern, or the name of a VM that only an image knows.
fn by_name_or_glob(inventory: &Inventory, name: &str, depth: Depth) -> Result<Vec<Entry>, Failure> {
    let pattern = Pattern::new(name).ok().filter(|_| is_glob(name));
    let matches = |found: &str| {
        found == name
            || pattern
                .as_ref()
                .is_some_and(|pattern| pattern.matches(found))
    };
    let mut found = inventory
        .list(depth, matches)
        .map_err(|error| listing_failed(&error))?;
    let exact = |entry: &Entry| entry.vm.name() == name;
    if found.iter().any(exact) {
        found.retain(exact);
    }
    Ok(found)
}

/// Whether a word is a pattern; what is none is meant as a name.
fn is_glob(word: &str) -> bool {
    word.contains(['*', '?', '[']) && Pattern::new(word).is_ok()
}

fn not_found(inventory: &Inventory, unknown: &[Word]) -> Result<Failure, Failure> {
    let words: Vec<String> = unknown
        .iter()
        .map(|word| match word {
            Word::Definition(definition) => format!("'{}'", definition.vm.name()),
            Word::Id(id) => id.to_string(),
            Word::Number(number) => format!("number {number}"),
            Word::Name(name) => format!("'{name}'"),
        })
        .collect();
    let globs = unknown
        .iter()
        .all(|word| matches!(word, Word::Name(name) if is_glob(name)));
    let message = if globs {
        format!("no VM's name matches {}", either(&words))
    } else {
        format!("there is no VM {}", either(&words))
    };
    let all = inventory
        .list(Depth::Line, |_| true)
        .map_err(|error| listing_failed(&error))?;
    let names: Vec<&str> = all.iter().map(|entry| entry.vm.name()).collect();
    let near: Vec<String> = unknown
        .iter()
        .filter_map(|word| match word {
            Word::Name(name) => Some(nearest(name, names.iter().copied())),
            _ => None,
        })
        .flatten()
        .map(|name| format!("'{name}'"))
        .collect();
    let failure = Failure::new(Kind::NotFound, message);
    Ok(if near.is_empty() {
        failure.hint(format!(
            "vmlife show lists all VMs of {}",
            inventory.hypervisor.uri()
        ))
    } else {
        failure.hint(format!("did you mean {}?", either(&near)))
    })
}

/// The VM that a definition names. Where it gives name and UUID, both must be those of one domain.
fn resolve_definition(
    inventory: &Inventory,
    definition: &Definition,
    verb: Verb,
    wishes: Wishes,
) -> Result<Entry, Failure> {
    let (name, id) = (definition.vm.name(), definition.vm.id());
    let by_id = match id {
        Some(id) => machine_entry(inventory, inventory.hypervisor.machine_by_id(id))?,
        None => None,
    };
    let by_name = match name {
        "" => None,
        name => machine_entry(inventory, inventory.hypervisor.machine_by_name(name))?,
    };
    let contradiction = |problem: String| {
        Failure::new(Kind::Usage, definition.origin.error(problem).to_string())
            .hint("leave out the name or the id, whichever is wrong")
    };
    let found = match (by_id, by_name) {
        (Some(entry), _) if !name.is_empty() && entry.vm.name() != name => {
            return Err(contradiction(format!(
                "it says '{name}', but libvirt calls the VM with its id '{}'",
                entry.vm.name()
            )));
        }
        (None, Some(entry)) if id.is_some() => {
            let other = entry.vm.id().unwrap_or_default();
            return Err(contradiction(format!(
                "libvirt's VM '{name}' has another id, {other}"
            )));
        }
        (Some(entry), _) | (None, Some(entry)) => Some(entry),
        // Its image may be all that is left of it: then booting it anew would be a loss.
        (None, None) => match id {
            Some(id) => inventory.orphan(id),
            None => inventory.orphans(&[]).find(|entry| entry.vm.name() == name),
        },
    };
    if let Some(entry) = found {
        return Ok(Entry {
            definition: Some(Box::new(definition.clone())),
            ..entry
        });
    }
    if verb == Verb::Restore && wishes.or_start {
        let vm = Vm {
            vm_dynamic: Some(absent(&definition.vm, VmStatus::Down)),
            saved_images: Vec::new(),
            ..definition.vm.clone()
        };
        return Ok(Entry {
            vm,
            machine: None,
            definition: Some(Box::new(definition.clone())),
        });
    }
    let which = match (name, id) {
        ("", Some(id)) => id.to_string(),
        (name, _) => format!("'{name}'"),
    };
    let problem = format!("libvirt knows no VM {which}");
    Err(
        Failure::new(Kind::NotFound, definition.origin.error(problem).to_string())
            .hint("restore --or-start defines it and boots it"),
    )
}
