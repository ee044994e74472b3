//! Where two descriptions of a VM differ.

use super::binding::put;
use super::domain::{numbers, pins};
use super::metadata::{METADATA_NAMESPACE, configured, object, place_of, subtract};
use super::tree::{Document, Element, XmlError};
use super::yaml::OLDER_NAMES;
use crate::entity::{GraphicsType, MemorySize, Secret, Vm};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;
use uuid::Uuid;

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
pub(crate) fn modern(name: &str) -> &str {
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

/// A definition with the hardware addresses that libvirt chose: a network card that has none is the first in
/// order of those that are there and that no other is.
pub(super) fn with_addresses(defined: &Vm, said: Option<&Said>, found: &Vm) -> Vm {
    let mut vm = defined.clone();
    let cards = &mut vm.vm_static.interfaces;
    for address in cards
        .iter_mut()
        .filter_map(|card| card.mac_address.as_mut())
    {
        address.make_ascii_lowercase();
    }
    let named: BTreeSet<_> = (cards.iter())
        .filter_map(|card| card.mac_address.clone())
        .collect();
    let left = found.vm_static.interfaces.iter();
    let left = left.filter(|card| {
        let address = card.mac_address.as_ref();
        address.is_some_and(|address| !named.contains(address))
    });
    let without = cards.iter_mut().filter(|card| card.mac_address.is_none());
    for (card, there) in without.zip(left) {
        card.mac_address.clone_from(&there.mac_address);
        // Of XML the UUID follows from the address.
        if said.is_none() {
            card.id = there.id;
        }
    }
    vm
}

/// Where a console's ticket is otherwise than a definition says that has no XML for it. `found_xml` has its
/// secrets in it, and so has what is told.
pub(super) fn of_tickets(defined: &Vm, found_xml: &str) -> Result<Vec<Deviation>, XmlError> {
    let there = Document::parse(found_xml)?;
    let ticket_of = |kind: &GraphicsType| {
        let mut consoles = there.root.child("devices")?.children("graphics");
        let console = consoles.find(|console| {
            let word = console.attribute("type");
            word.is_some_and(|word| GraphicsType::from_libvirt(word) == *kind)
        })?;
        console.attribute("passwd").map(str::to_owned)
    };
    let consoles = defined.vm_dynamic.iter();
    let consoles = consoles.flat_map(|dynamic| &dynamic.graphics_infos);
    Ok(consoles
        .filter_map(|(kind, console)| {
            let (defined, found) = (console.ticket.as_ref()?.expose()?, ticket_of(kind));
            (found.as_deref() != Some(defined)).then(|| Deviation {
                field: format!("vmDynamic.graphicsInfos.{kind}.ticket"),
                defined: Some(defined.to_owned()),
                found,
            })
        })
        .collect())
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
    let (mut wanted, there) = (Document::parse(defined_xml)?, Document::parse(&found_xml)?);
    let devices = wanted.root.elements_mut().filter(|part| part.is("devices"));
    let cards = devices
        .flat_map(Element::elements_mut)
        .filter(|device| device.is("interface"));
    for (element, card) in cards.zip(&defined.vm_static.interfaces) {
        if identity(element).is_none() {
            put(element, "mac", Some("address"), card.mac_address.as_deref());
        }
    }
    let mut all = Vec::new();
    compare_elements("domain", &wanted.root, &there.root, &mut all);
    Ok(all)
}

fn compare_elements(path: &str, wanted: &Element, there: &Element, all: &mut Vec<Deviation>) {
    let is_same_size = is_same_size(wanted, there);
    for (name, value) in wanted.attributes() {
        let found = there.attribute(name);
        let is_run = path == "domain" && name == "id";
        let is_same = found.is_some_and(|found| means_same(name, value, found))
            || is_same_size && (name == "unit" || SIZES.contains(&name));
        let is_hidden = value == Secret::HIDDEN;
        if !is_same && !is_run && !is_hidden {
            all.push(Deviation {
                field: format!("{path}@{name}"),
                defined: Some(value.to_owned()),
                found: found.map(str::to_owned),
            });
        }
    }
    // No secret is libvirt's own.
    if let (None, Some(found)) = (wanted.attribute("passwd"), there.attribute("passwd")) {
        all.push(Deviation {
            field: format!("{path}@passwd"),
            defined: None,
            found: Some(found.to_owned()),
        });
    }
    let texts = [wanted, there].map(|element| element.text().trim().to_owned());
    if !texts[0].is_empty() && !is_same_size && !means_same(wanted.name(), &texts[0], &texts[1]) {
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
        } else if !is_untold(child) {
            all.push(Deviation {
                field: inside,
                defined: Some("it is there".to_owned()),
                found: None,
            });
        }
    }
}

/// Attributes that are sizes where a unit stands beside them.
const SIZES: [&str; 2] = ["memory", "size"];

/// Whether two elements tell one size, in whatever units.
fn is_same_size(wanted: &Element, there: &Element) -> bool {
    let size = |element: &Element| {
        let attribute = SIZES.iter().find_map(|name| element.attribute(name));
        let number = attribute.map_or_else(|| element.text(), str::to_owned);
        MemorySize::parse(&number, element.attribute("unit")).ok()
    };
    let has_unit = [wanted, there]
        .iter()
        .any(|element| element.attribute("unit").is_some());
    has_unit && size(wanted).is_some() && size(wanted) == size(there)
}

/// Whether two values of an attribute or element mean the same: libvirt writes numbers, CPU sets and UUIDs in
/// its own way. Of a password each letter counts.
fn means_same(name: &str, wanted: &str, found: &str) -> bool {
    if name == "passwd" {
        return wanted == found;
    }
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        // In an address of PCI.
        None if ["domain", "bus", "slot", "function"].contains(&name) && text.starts_with('0') => {
            u64::from_str_radix(text, 8).ok()
        }
        None => (text == "0" || !text.starts_with('0'))
            .then(|| text.parse().ok())
            .flatten(),
    };
    let is_set = ["cpus", "cpuset", "nodemask", "nodeset", "vcpus"].contains(&name);
    let same = |one: Option<_>, other: Option<_>| one.is_some() && one == other;
    wanted.eq_ignore_ascii_case(found)
        || same(number(wanted), number(found))
        || is_set && numbers(wanted).is_ok_and(|wanted| numbers(found) == Ok(wanted))
        || Uuid::parse_str(wanted).is_ok_and(|wanted| Uuid::parse_str(found) == Ok(wanted))
}

/// Whether an element is told only to whom secrets are told.
fn is_untold(element: &Element) -> bool {
    let mut inner = element.elements();
    element.is("cookies") && inner.all(|cookie| cookie.text().trim() == Secret::HIDDEN)
}

/// What tells a device from its siblings.
pub(super) fn identity(element: &Element) -> Option<String> {
    let part = |name, key| element.child(name).and_then(|part| part.attribute(key));
    let key = match element.name() {
        "disk" => part("target", "dev"),
        "filesystem" => part("target", "dir"),
        "interface" => part("mac", "address"),
        "channel" => part("target", "name"),
        "feature" | "timer" | "entry" | "cookie" => element.attribute("name"),
        _ => None,
    };
    // Hardware addresses are written in large letters, too.
    let is_card = element.is("interface");
    key.map(|key| {
        if is_card {
            key.to_lowercase()
        } else {
            key.to_owned()
        }
    })
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

/// Compares lists by their keys; an entry that was defined without one is met by its place among those left.
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
        let is_left =
            |(key, _): &(&String, &Value)| !met.contains(key) && !wanted.contains_key(*key);
        let found = match place_of(key).filter(|_| !there.contains_key(key)) {
            // libvirt keeps disks in an order of its own.
            Some(_) => {
                (there.iter().filter(is_left).find(has_path)).or_else(|| there.iter().find(is_left))
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(wanted: &str, found: &str) -> Vec<String> {
        let of = |inner: &str| format!("<domain><devices>{inner}</devices></domain>");
        let all = of_rest(&of(wanted), &of(found), &Vm::default());
        let fields = all.expect("XML").into_iter();
        fields.map(|deviation| deviation.field).collect()
    }

    #[test]
    fn what_libvirt_writes_otherwise_is_the_same_and_what_means_something_else_is_not() {
        for (defined, same, other) in [
            (
                "<hostdev><address domain='0' slot='037' function='0'/></hostdev>",
                "<hostdev><address domain='0x0000' slot='0x1f' function='0x0'/></hostdev>",
                "<hostdev><address domain='0x0000' slot='0x1e' function='0x0'/></hostdev>",
            ),
            (
                "<a><b cpuset='0,1,2'/></a>",
                "<a><b cpuset='0-2'/></a>",
                "<a><b cpuset='0-3'/></a>",
            ),
            (
                "<cell cpus='0,1' memory='64' unit='MiB'/>",
                "<cell id='0' cpus='0-1' memory='65536' unit='KiB'/>",
                "<cell id='0' cpus='0-1' memory='65537' unit='KiB'/>",
            ),
            (
                "<secret uuid='6F2B1D0E5B0E4D0E9D530C7F7B7D2AAD'/>",
                "<secret uuid='6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2aad'/>",
                "<secret uuid='6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2aae'/>",
            ),
            ("<a b='yes'/>", "<a b='yes'/>", "<a b='on'/>"),
            ("<a b='007'/>", "<a b='007'/>", "<a b='7'/>"),
            ("<a passwd='Ab'/>", "<a passwd='Ab'/>", "<a passwd='ab'/>"),
        ] {
            assert_eq!(rest(defined, same), [""; 0], "{defined}");
            assert!(!rest(defined, other).is_empty(), "{other}");
        }
        let slots = rest(
            "<m slots='4' unit='MiB'>1</m>",
            "<m slots='2' unit='KiB'>1024</m>",
        );
        assert_eq!(slots, ["domain/devices/m@slots"]);
    }

    #[test]
    fn a_card_without_an_address_is_the_first_that_is_left() {
        let card = |address: Option<&str>| crate::entity::VmNetworkInterface {
            mac_address: address.map(str::to_owned),
            ..Default::default()
        };
        let of = |addresses: &[Option<&str>]| {
            let mut vm = Vm::default();
            vm.vm_static.interfaces = addresses.iter().copied().map(card).collect();
            vm
        };
        let found = of(&[Some("52:54:00:00:00:0a"), Some("b"), Some("c")]);
        let defined = of(&[None, Some("52:54:00:00:00:0A"), None, None]);
        let paired = with_addresses(&defined, None, &found);
        let addresses = paired.vm_static.interfaces.into_iter();
        let addresses: Vec<_> = addresses.map(|card| card.mac_address).collect();
        let address = |text: &str| Some(text.to_owned());
        let own = address("52:54:00:00:00:0a");
        assert_eq!(addresses, [address("b"), own, address("c"), None]);
        let one_more = deviations(&of(&[None, Some("a")]), &of(&[Some("a")]));
        assert_eq!(one_more.len(), 1, "{one_more:?}");
        assert_eq!(one_more[0].field, "vmStatic.interfaces[#0]");
    }
}
