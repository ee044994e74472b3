//! Where two descriptions of a VM differ.

use super::binding::memory_of;
use super::domain::pins;
use super::metadata::{METADATA_NAMESPACE, configured, object, place_of, subtract};
use super::tree::{Document, Element, XmlError};
use super::yaml::OLDER_NAMES;
use crate::entity::{Secret, Vm};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// A field that is otherwise than it was defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The field, such as `vmStatic.images[vda].cache`.
    pub field: String,
    /// What the definition says; `None` where it says nothing.
    pub defined: Option<String>,
    /// What was found; `None` where there is nothing.
    pub found: Option<String>,
}

/// Which fields a definition gives, by their names in the file. It may hold secrets, and is shown to nobody.
#[derive(Clone, PartialEq)]
pub struct Said(Map<String, Value>);

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said")
    }
}

impl Said {
    /// What a document says, if it is a mapping.
    pub(super) fn of<'de>(document: impl Deserializer<'de>) -> Option<Self> {
        Map::deserialize(document).map(Self).ok()
    }

    /// What it says under a name, however old.
    fn of_part(&self, name: &str) -> Map<String, Value> {
        let found = self.0.iter().find(|(written, _)| modern(written) == name);
        let part = found.and_then(|(_, value)| value.as_object());
        part.cloned().unwrap_or_default()
    }
}

/// A field's name as it is spelt now.
fn modern(name: &str) -> &str {
    let older = OLDER_NAMES.iter().find(|(older, _)| *older == name);
    older.map_or(name, |(_, modern)| modern)
}

/// Where a VM is otherwise than a definition says that gives all that it holds; a list that it gives is
/// meant to be whole.
#[must_use]
pub fn deviations(defined: &Vm, found: &Vm) -> Vec<Deviation> {
    of_model(defined, None, found)
}

/// Where a VM is otherwise than the fields of a definition say. Of what is said to be empty, nothing may be
/// there.
pub(super) fn of_model(defined: &Vm, said: Option<&Said>, found: &Vm) -> Vec<Deviation> {
    let mut all = Vec::new();
    let (mut wanted, there) = (configured(&defined.vm_static), configured(&found.vm_static));
    let mut empty = Map::new();
    if let Some(said) = said {
        (wanted, empty) = only(wanted, &said.of_part("vmStatic"));
    }
    compare("vmStatic", &wanted, &there, &mut all);
    compare_empty("vmStatic", &empty, &there, &mut all);
    let of_vm = |vm: &Vm| {
        let mut fields = object(vm);
        fields.retain(|name, _| COMPARED.contains(&name.as_str()));
        if let Some(Value::Object(payload)) = fields.get_mut("vmPayload") {
            // The UUID is made, and the files are on the CD only.
            payload.retain(|name, _| name != "id" && name != "files");
        }
        fields
    };
    compare("", &of_vm(defined), &of_vm(found), &mut all);
    all
}

/// What is compared of a VM beside its configuration.
const COMPARED: [&str; 3] = ["clusterArch", "initializationType", "vmPayload"];

/// Of these fields those that were said; and what was said to be empty, or as it is without a word.
fn only(
    mut fields: Map<String, Value>,
    said: &Map<String, Value>,
) -> (Map<String, Value>, Map<String, Value>) {
    let (mut wanted, mut empty) = (Map::new(), Map::new());
    for (name, value) in said {
        let name = modern(name);
        match (fields.remove(name), value) {
            (Some(Value::Object(inner)), Value::Object(said)) => {
                let (some, none) = only(inner, said);
                wanted.insert(name.to_owned(), some.into());
                empty.insert(name.to_owned(), none.into());
            }
            (Some(Value::Object(entries)), Value::Array(said)) if is_keyed(name) => {
                let (mut some, mut none) = (Map::new(), Map::new());
                for ((key, entry), said) in entries.into_iter().zip(said) {
                    if let (Value::Object(entry), Value::Object(said)) = (entry, said) {
                        let (one, other) = only(entry, said);
                        some.insert(key.clone(), one.into());
                        none.insert(key, other.into());
                    }
                }
                wanted.insert(name.to_owned(), some.into());
                empty.insert(name.to_owned(), none.into());
            }
            (Some(value), _) => {
                wanted.insert(name.to_owned(), value);
            }
            (None, value) => {
                empty.insert(name.to_owned(), value.clone());
            }
        }
    }
    (wanted, empty)
}

/// What was said to be empty, and is not.
fn compare_empty(
    path: &str,
    empty: &Map<String, Value>,
    there: &Map<String, Value>,
    all: &mut Vec<Deviation>,
) {
    for (name, value) in empty {
        let found = match place_of(name) {
            Some(at) => there.values().nth(at),
            None => there.get(name),
        };
        match (value, found) {
            (_, None) => {}
            (Value::Object(empty), Some(Value::Object(there))) => {
                compare_empty(&format!("{path}.{name}"), empty, there, all);
            }
            (value, Some(found)) => all.push(Deviation {
                field: format!("{path}.{name}"),
                defined: Some(words(value)),
                found: Some(words(found)),
            }),
        }
    }
}

/// Where the rest of a VM's XML, for which the model has no fields, is otherwise than a definition's says.
pub(super) fn of_rest(
    defined_xml: &str,
    found_xml: &str,
    defined: &Vm,
) -> Result<Vec<Deviation>, XmlError> {
    // In this the model's fields are as defined: what differs still is none of them.
    let (found_xml, _) = super::written(found_xml, defined)?;
    let (wanted, there) = (Document::parse(defined_xml)?, Document::parse(&found_xml)?);
    let mut all = Vec::new();
    compare_elements("domain", &wanted.root, &there.root, &mut all);
    Ok(all)
}

fn compare_elements(path: &str, wanted: &Element, there: &Element, all: &mut Vec<Deviation>) {
    let sizes = [wanted, there].map(|element| memory_of(element).ok());
    let has_unit = wanted
        .attribute("unit")
        .or(there.attribute("unit"))
        .is_some();
    let is_same_size = has_unit && sizes[0].is_some() && sizes[0] == sizes[1];
    for (name, value) in wanted.attributes() {
        let found = there.attribute(name);
        let is_run = path == "domain" && name == "id";
        let is_same = found.is_some_and(|found| found.eq_ignore_ascii_case(value));
        let is_hidden = value == Secret::HIDDEN;
        if !is_same && !is_run && !is_same_size && !is_hidden {
            all.push(Deviation {
                field: format!("{path}@{name}"),
                defined: Some(value.to_owned()),
                found: found.map(str::to_owned),
            });
        }
    }
    let texts = [wanted, there].map(|element| element.text().trim().to_owned());
    if !texts[0].is_empty() && !is_same_size && !texts[0].eq_ignore_ascii_case(&texts[1]) {
        let [defined, found] = texts;
        all.push(Deviation {
            field: path.to_owned(),
            defined: Some(defined),
            found: Some(found).filter(|text| !text.is_empty()),
        });
    }
    let mut left: Vec<&Element> = there.elements().collect();
    for child in wanted.elements() {
        if child.is_of(METADATA_NAMESPACE, "vm") {
            continue;
        }
        let name = child.name();
        let inside = match identity(child) {
            Some(key) => format!("{path}/{name}[{key}]"),
            None => format!("{path}/{name}"),
        };
        // Of several that may be meant the likest.
        let likest = (left.iter().enumerate())
            .filter(|(_, other)| other.name() == name && identity(other) == identity(child))
            .map(|(at, other)| {
                let mut found = Vec::new();
                compare_elements(&inside, child, other, &mut found);
                (at, found)
            })
            .min_by_key(|(_, found)| found.len());
        if let Some((at, found)) = likest {
            left.remove(at);
            all.extend(found);
        } else {
            all.push(Deviation {
                field: inside,
                defined: Some("it is there".to_owned()),
                found: None,
            });
        }
    }
}

/// What tells a device from its siblings.
pub(super) fn identity(element: &Element) -> Option<&str> {
    let part = |name, key| element.child(name).and_then(|part| part.attribute(key));
    match element.name() {
        "disk" => part("target", "dev"),
        "filesystem" => part("target", "dir"),
        "interface" => part("mac", "address"),
        "channel" => part("target", "name"),
        "feature" | "timer" | "entry" => element.attribute("name"),
        _ => None,
    }
}

fn compare(
    path: &str,
    wanted: &Map<String, Value>,
    there: &Map<String, Value>,
    all: &mut Vec<Deviation>,
) {
    for (name, value) in wanted {
        let field = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        match (value, there.get(name)) {
            (Value::Object(wanted), found) if is_keyed(name) => {
                let empty = Map::new();
                let found = found.and_then(Value::as_object).unwrap_or(&empty);
                compare_entries(&field, wanted, found, all);
            }
            (Value::Object(wanted), Some(Value::Object(there))) => {
                compare(&field, wanted, there, all);
            }
            (wanted, Some(found)) if is_same(name, wanted, found) => {}
            // A network that gives out the host's cards says itself what cards these are.
            (Value::String(card), None) if name == "type" && card == "pciPassthrough" => {}
            (wanted, found) => all.push(Deviation {
                field,
                defined: Some(words(wanted)),
                found: found.map(words),
            }),
        }
    }
}

fn is_keyed(name: &str) -> bool {
    ["images", "interfaces", "vNumaNodeList"].contains(&name)
}

/// Compares lists by their keys; an entry that was defined without one is met by its place.
fn compare_entries(
    path: &str,
    wanted: &Map<String, Value>,
    there: &Map<String, Value>,
    all: &mut Vec<Deviation>,
) {
    let mut met = BTreeSet::new();
    for (key, entry) in wanted {
        let has_path = |(_, found): &(&String, &Value)| {
            let path = entry.get("imagePath");
            path.is_some() && found.get("imagePath") == path
        };
        let found = match place_of(key) {
            // libvirt keeps disks in an order of its own.
            Some(at) => there.iter().find(has_path).or_else(|| there.iter().nth(at)),
            None => there.get_key_value(key),
        };
        let field = format!("{path}[{key}]");
        match (entry, found) {
            (Value::Object(entry), Some((found_key, Value::Object(found)))) => {
                met.insert(found_key);
                compare(&field, entry, found, all);
            }
            (entry, _) => all.push(Deviation {
                field,
                defined: Some(words(entry)),
                found: None,
            }),
        }
    }
    for (key, entry) in there.iter().filter(|(key, _)| !met.contains(key)) {
        all.push(Deviation {
            field: format!("{path}[{key}]"),
            defined: None,
            found: Some(words(entry)),
        });
    }
}

/// Whether two values mean the same. libvirt writes out in full which version of a machine type it took,
/// which CPUs a list means, and which port a protocol has.
fn is_same(name: &str, wanted: &Value, found: &Value) -> bool {
    let texts = || Some((wanted.as_str()?, found.as_str()?));
    // Of what is hidden nobody can tell.
    let is_hidden = [wanted, found]
        .iter()
        .any(|value| value.as_str() == Some(Secret::HIDDEN));
    wanted == found
        || is_hidden
        || match name {
            "customEmulatedMachine" => texts().is_some_and(|(wanted, found)| {
                let version = match wanted {
                    "pc" => found.strip_prefix("pc-i440fx-"),
                    _ => found
                        .strip_prefix("pc-")
                        .unwrap_or(found)
                        .strip_prefix(wanted)
                        .and_then(|rest| rest.strip_prefix('-')),
                };
                version.is_some()
            }),
            // A CPU that runs is told with the features that QEMU has added.
            "customCpuName" => texts().is_some_and(|(wanted, found)| {
                let more = found.strip_prefix(wanted);
                more.is_some_and(|more| more.starts_with(','))
            }),
            "cpuPinning" => texts().is_some_and(|(wanted, found)| {
                pins(wanted).is_ok_and(|wanted| pins(found) == Ok(wanted))
            }),
            "sourceHosts" => {
                let hosts = |value: &Value| value.as_array().cloned().unwrap_or_default();
                let (wanted, found) = (hosts(wanted), hosts(found));
                let is_host = |(wanted, found): (&Value, &Value)| {
                    wanted
                        .as_str()
                        .zip(found.as_str())
                        .is_some_and(|(wanted, found)| is_host(wanted, found))
                };
                wanted.len() == found.len() && wanted.iter().zip(&found).all(is_host)
            }
            // A URL.
            "isoPath" => texts().is_some_and(|(wanted, found)| {
                let (wanted, found) = (wanted.split('/'), found.split('/'));
                wanted.clone().count() == found.clone().count()
                    && wanted.zip(found).enumerate().all(|(at, (wanted, found))| {
                        wanted == found || at == 2 && is_host(wanted, found)
                    })
            }),
            _ => false,
        }
}

/// Whether a server is the one that was meant; where no port was given, libvirt tells the protocol's.
fn is_host(wanted: &str, found: &str) -> bool {
    let port = found.strip_prefix(wanted);
    port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The fields in which a live VM and its persistent definition differ.
pub(super) fn changed_fields(live: &Vm, persistent: &Vm) -> BTreeSet<String> {
    let fields = |vm: &Vm| {
        let mut fields = configured(&vm.vm_static);
        // libvirt writes the CPU of a running domain out feature by feature.
        if let Some(Value::String(cpu)) = fields.get_mut("customCpuName") {
            *cpu = cpu.split(',').next().unwrap_or_default().to_owned();
        }
        if vm.vm_static.custom_cpu_name.is_none()
            || live.vm_static.use_host_cpu_flags != persistent.vm_static.use_host_cpu_flags
        {
            fields.remove("customCpuName");
        }
        for card in fields
            .get_mut("interfaces")
            .and_then(Value::as_object_mut)
            .into_iter()
            .flat_map(Map::values_mut)
        {
            // The host's device is made anew at each start.
            if let Value::Object(card) = card {
                card.remove("targetDev");
                card.remove("id");
            }
        }
        fields
    };
    let (live, persistent) = (fields(live), fields(persistent));
    let (mut now, mut then) = (live.clone(), persistent.clone());
    subtract(&mut now, &persistent);
    subtract(&mut then, &live);
    let mut changed: BTreeSet<String> = now.into_iter().chain(then).map(|(name, _)| name).collect();
    if !live.contains_key("customCpuName") || !persistent.contains_key("customCpuName") {
        changed.remove("customCpuName");
    }
    changed
}
