//! What has no home in libvirt's XML lives in the domain's `<metadata>`, under vmlife's own namespace.
//!
//! No list says which fields these are: whatever a VM says that its XML alone does not tell is kept. So
//! every field has a home, and one that libvirt learns to hold moves there by itself.

use super::tree::Element;
use crate::entity::{Vm, VmDynamic, VmStatic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The namespace of vmlife's own metadata in a domain.
pub const METADATA_NAMESPACE: &str = "urn:vmlife:vm:1";
/// The prefix that stands for it.
pub const METADATA_PREFIX: &str = "vmlife";

/// Lists whose entries are told apart by a key, not by their place.
const KEYS: [(&str, &str); 3] = [
    ("images", "targetDev"),
    ("interfaces", "macAddress"),
    ("vNumaNodeList", "index"),
];
/// What is observed of a VM's configuration, and so never kept.
const OBSERVED: [&str; 3] = ["diskList", "managedDeviceMap", "unmanagedDeviceList"];
/// What is observed of a disk or network card, and so never kept.
const OBSERVED_OF_DEVICES: [&str; 27] = [
    "active",
    "actualDiskWithSnapshotsSize",
    "actualSizeInBytes",
    "addresses",
    "apparentSizeInBytes",
    "flushLatency",
    "imageStatus",
    "logicalName",
    "parentId",
    "plugged",
    "progress",
    "qcowCompat",
    "readLatency",
    "readOps",
    "readRate",
    "size",
    "snapshots",
    "speed",
    "statistics",
    "synced",
    "vmId",
    "vmName",
    "volumeClassification",
    "volumeType",
    "writeLatency",
    "writeOps",
    "writeRate",
];
/// What is kept of the observed part, since nobody else remembers it.
const REMEMBERED: [&str; 14] = [
    "bootTime",
    "clientIp",
    "consoleCurrentUserName",
    "consoleUserId",
    "downtime",
    "exitMessage",
    "guestContainers",
    "guestRequestedMemory",
    "lastStartTime",
    "lastStopTime",
    "lastWatchdogEvent",
    "migratingToVds",
    "runOnce",
    "stopReason",
];
/// What is kept of the VM beside its parts.
const OF_VM: [&str; 4] = [
    "initializationType",
    "previewSnapshot",
    "runtimeDeviceCustomProperties",
    "vmPayload",
];

/// The metadata of a domain: fields, by their names in YAML. Those of the static part stand directly in
/// it, those of the observed part in `vmDynamic`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// What stands in a domain.
    pub(super) fn of_domain(domain: &Element) -> Self {
        let own = domain.child("metadata").and_then(own);
        match own.map(value_of) {
            Some(Value::Object(fields)) => Self(fields),
            _ => Self::default(),
        }
    }

    /// What the VM says and its XML alone (`base`) does not.
    pub(super) fn beyond(vm: &Vm, base: &Vm) -> Self {
        let mut fields = configured(&vm.vm_static);
        subtract(&mut fields, &configured(&base.vm_static));
        let (mut of_vm, of_base) = (object(vm), object(base));
        of_vm.retain(|name, _| OF_VM.contains(&name.as_str()));
        subtract(&mut of_vm, &of_base);
        fields.extend(of_vm);
        Self(fields)
    }

    /// The same, with what nobody else remembers of the observed part.
    pub(super) fn remembering(mut self, dynamic: Option<&VmDynamic>) -> Self {
        let mut remembered = dynamic.map(object).unwrap_or_default();
        remembered.retain(|name, _| REMEMBERED.contains(&name.as_str()));
        if remembered.is_empty() {
            self.0.remove("vmDynamic");
        } else {
            self.0.insert("vmDynamic".to_owned(), remembered.into());
        }
        self
    }

    /// The same, with what stands in `old` and this program has no name for.
    pub(super) fn keeping_unknown(mut self, old: &Self) -> Self {
        for (name, value) in &old.0 {
            let is_known = name == "vmDynamic" || {
                let one = Map::from_iter([(name.clone(), value.clone())]);
                let misfits = overlay(&mut VmStatic::default(), &one);
                OF_VM.contains(&name.as_str()) || misfits.iter().all(Misfit::is_known)
            };
            if !is_known {
                self.0.insert(name.clone(), value.clone());
            }
        }
        self
    }

    /// Adds what it says to a VM that was read from XML alone. Gives the first field that cannot be what
    /// it says, and why; a field that this program does not know is none.
    pub(super) fn apply(&self, vm: &mut Vm) -> Option<(String, String)> {
        let (mut configured, mut of_vm) = (self.0.clone(), self.0.clone());
        let dynamic = configured.remove("vmDynamic");
        configured.retain(|name, _| !OF_VM.contains(&name.as_str()));
        of_vm.retain(|name, _| OF_VM.contains(&name.as_str()));
        let mut misfits = Vec::new();
        // What is laid over goes by way of text, in which hidden secrets would be lost.
        vm.reveal_secrets();
        if !configured.is_empty() {
            misfits.extend(overlay(&mut vm.vm_static, &configured));
        }
        if !of_vm.is_empty() {
            misfits.extend(overlay(vm, &of_vm));
        }
        if let Some(Value::Object(remembered)) = dynamic {
            let dynamic = vm.vm_dynamic.get_or_insert_default();
            misfits.extend(overlay(dynamic, &remembered));
        }
        vm.hide_secrets();
        let mistake = misfits.into_iter().find(Misfit::is_known)?;
        Some((mistake.field, mistake.why))
    }

    /// The observed part that is remembered, also of a domain that is off.
    #[must_use]
    pub fn remembered(&self) -> VmDynamic {
        let mut dynamic = VmDynamic::default();
        if let Some(Value::Object(remembered)) = self.0.get("vmDynamic") {
            overlay(&mut dynamic, remembered);
        }
        dynamic
    }

    /// Puts it into a domain, in the place of what stands there.
    pub(super) fn put(&self, domain: &mut Element) {
        if self.0.is_empty() {
            if domain.child("metadata").is_some() {
                let is_own = |element: &Element| element.is_of(METADATA_NAMESPACE, "vm");
                domain.ensure("metadata").remove(is_own);
            }
            return;
        }
        let metadata = domain.ensure("metadata");
        metadata.remove(|element| element.is_of(METADATA_NAMESPACE, "vm"));
        metadata.append(self.element());
    }

    fn element(&self) -> Element {
        let own = |name: &str| {
            Element::new(&format!("{METADATA_PREFIX}:{name}")).in_namespace(METADATA_NAMESPACE)
        };
        let root = own("vm").with(&format!("xmlns:{METADATA_PREFIX}"), METADATA_NAMESPACE);
        fill(root, &Value::Object(self.0.clone()), &own)
    }

    /// Reads it from what `virDomainGetMetadata` gives; rubbish is nothing.
    #[must_use]
    pub fn parse(xml: &str) -> Self {
        match super::tree::Document::parse(xml).map(|document| value_of(&document.root)) {
            Ok(Value::Object(fields)) => Self(fields),
            _ => Self::default(),
        }
    }

    /// The element for `virDomainSetMetadata`, which puts it into the namespace itself.
    #[must_use]
    pub fn to_xml(&self) -> String {
        fill(
            Element::new("vm"),
            &Value::Object(self.0.clone()),
            &Element::new,
        )
        .to_string()
    }

    /// The same, remembering another observed part.
    #[must_use]
    pub fn with_remembered(self, dynamic: &VmDynamic) -> Self {
        self.remembering(Some(dynamic))
    }
}

/// The element that holds a field of vmlife's metadata.
pub(super) fn element_of<'a>(domain: &'a Element, field: &str) -> Option<&'a Element> {
    let own = domain.child("metadata").and_then(own)?;
    let mut elements = own.elements();
    elements.find(|element| element.name() == field)
}

fn own(metadata: &Element) -> Option<&Element> {
    metadata
        .elements()
        .find(|element| element.is_of(METADATA_NAMESPACE, "vm"))
}

/// A structure of the model as its fields.
fn object(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The configuration as its fields, its lists by their keys, without what is observed.
pub(super) fn configured(vm: &VmStatic) -> Map<String, Value> {
    let mut fields = object(vm);
    fields.retain(|name, _| !OBSERVED.contains(&name.as_str()));
    by_key(&mut fields);
    for (list, _) in KEYS {
        let entries = fields.get_mut(list).and_then(Value::as_object_mut);
        for entry in entries.into_iter().flat_map(|entries| entries.values_mut()) {
            if let Value::Object(entry) = entry {
                entry.retain(|name, _| !OBSERVED_OF_DEVICES.contains(&name.as_str()));
            }
        }
    }
    fields
}

/// Turns keyed lists into objects.
fn by_key(fields: &mut Map<String, Value>) {
    for (list, key) in KEYS {
        if let Some(Value::Array(entries)) = fields.get_mut(list) {
            let entries = std::mem::take(entries).into_iter().enumerate();
            let keyed = entries.map(|(at, entry)| (key_of(&entry, key, at), entry));
            let keyed = Value::Object(keyed.collect());
            fields.insert(list.to_owned(), keyed);
        }
    }
}

fn key_of(entry: &Value, key: &str, at: usize) -> String {
    match entry.get(key) {
        Some(Value::String(key)) => key.clone(),
        Some(Value::Number(key)) => key.to_string(),
        _ => format!("#{at}"),
    }
}

/// The place that stands for a key where there is none, such as a hardware address that libvirt chooses.
pub(super) fn place_of(key: &str) -> Option<usize> {
    key.strip_prefix('#')?.parse().ok()
}

/// Turns them back.
fn by_place(fields: &mut Map<String, Value>) {
    for (list, _) in KEYS {
        if let Some(Value::Object(entries)) = fields.get_mut(list) {
            let entries: Vec<Value> = std::mem::take(entries)
                .into_iter()
                .map(|(_, entry)| entry)
                .collect();
            fields.insert(list.to_owned(), Value::Array(entries));
        }
    }
}

/// Takes away what `base` says as well.
pub(super) fn subtract(fields: &mut Map<String, Value>, base: &Map<String, Value>) {
    fields.retain(|name, value| match (value, base.get(name)) {
        (Value::Object(inner), Some(Value::Object(base))) => {
            subtract(inner, base);
            !inner.is_empty()
        }
        (value, Some(base)) => value != base,
        (_, None) => true,
    });
}

/// A field that does not fit.
struct Misfit {
    field: String,
    why: String,
}

impl Misfit {
    /// Whether there is such a field, so that its value must be wrong.
    fn is_known(&self) -> bool {
        !self.why.contains("unknown field")
    }
}

/// Lays fields over a structure, and gives those that do not fit.
fn overlay<T: Serialize + DeserializeOwned>(
    target: &mut T,
    fields: &Map<String, Value>,
) -> Vec<Misfit> {
    let mut all = object(target);
    by_key(&mut all);
    let mut whole = all.clone();
    for (name, value) in fields {
        merge(&mut whole, name, value);
    }
    if let Ok(value) = fit(whole) {
        *target = value;
        return Vec::new();
    }
    // One by one: what is wrong must not cost us the rest.
    let mut misfits = Vec::new();
    for (name, value) in fields {
        let mut why = String::new();
        for value in [Some(value.clone()), number_or_flag(value)]
            .into_iter()
            .flatten()
        {
            let mut trial = all.clone();
            merge(&mut trial, name, &value);
            match fit(trial.clone()) {
                Ok(value) => {
                    *target = value;
                    all = trial;
                    why.clear();
                    break;
                }
                Err(error) if why.is_empty() => why = error.to_string(),
                Err(_) => {}
            }
        }
        if !why.is_empty() {
            misfits.push(Misfit {
                field: name.clone(),
                why,
            });
        }
    }
    misfits
}

fn fit<T: DeserializeOwned>(mut fields: Map<String, Value>) -> serde_json::Result<T> {
    by_place(&mut fields);
    serde_json::from_value(Value::Object(fields))
}

/// What a text without a type may mean, too.
fn number_or_flag(value: &Value) -> Option<Value> {
    serde_json::from_str(value.as_str()?).ok()
}

fn merge(fields: &mut Map<String, Value>, name: &str, value: &Value) {
    let is_list = KEYS.iter().any(|(list, _)| *list == name);
    match (fields.get_mut(name), value) {
        (Some(Value::Object(entries)), Value::Object(more)) if is_list => {
            // A device that is gone takes what was said of it along.
            for (key, more) in more {
                let entry = match place_of(key) {
                    Some(at) => entries.values_mut().nth(at),
                    None => entries.get_mut(key),
                };
                if let (Some(Value::Object(entry)), Value::Object(more)) = (entry, more) {
                    for (name, value) in more {
                        merge(entry, name, value);
                    }
                }
            }
        }
        (None, Value::Object(_)) if is_list => {}
        (Some(Value::Object(inner)), Value::Object(more)) => {
            for (name, value) in more {
                merge(inner, name, value);
            }
        }
        _ => {
            fields.insert(name.to_owned(), value.clone());
        }
    }
}

/// Makes XML of a value, with elements that `make` names: `type` tells what their text is, as in oVirt's
/// metadata.
fn fill(mut element: Element, value: &Value, make: &impl Fn(&str) -> Element) -> Element {
    let mut typed = |kind: &str, text: &str| {
        element.set_attribute("type", Some(kind));
        if !text.is_empty() {
            element.set_text(text);
        }
    };
    match value {
        Value::Null => typed("null", ""),
        Value::Bool(flag) => typed("bool", &flag.to_string()),
        Value::Number(number) if number.is_f64() => typed("float", &number.to_string()),
        Value::Number(number) => typed("int", &number.to_string()),
        Value::String(text) => element.set_text(text),
        Value::Array(entries) => {
            typed("list", "");
            for entry in entries {
                element.append(fill(make("entry"), entry, make));
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
                    && name.chars().all(|c| c.is_ascii_alphanumeric())
                    && name != "entry";
                let inside = if is_name {
                    make(name)
                } else {
                    make("entry").with("key", name)
                };
                element.append(fill(inside, value, make));
            }
            if fields.is_empty() {
                element.set_attribute("type", Some("map"));
            }
        }
    }
    element
}

/// Reads a value from such XML. A number that is none stays text.
fn value_of(element: &Element) -> Value {
    let text = element.text();
    match element.attribute("type") {
        Some("null") => Value::Null,
        Some("list") => element.elements().map(value_of).collect(),
        Some("bool" | "int" | "float") => {
            serde_json::from_str(text.trim()).unwrap_or(Value::String(text))
        }
        kind if kind == Some("map") || element.elements().next().is_some() => {
            let fields = element.elements().map(|field| {
                let name = field.attribute("key").unwrap_or(field.name());
                (name.to_owned(), value_of(field))
            });
            Value::Object(fields.collect())
        }
        _ if element.name() == "vm" && text.trim().is_empty() => Value::Object(Map::new()),
        _ => Value::String(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{parse, read_domain, update};
    use crate::schema::sources;
    use std::collections::BTreeSet;

    const DOMAIN: &str = "<domain type='kvm'>
  <name>web</name>
  <uuid>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11</uuid>
  <memory unit='KiB'>1024</memory>
  <devices>
    <disk type='file' device='disk'>
      <source file='/v/a.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
";

    fn defined(yaml: &str) -> Vm {
        let text =
            format!("vmStatic:\n  name: web\n  id: 6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11\n{yaml}");
        parse("/v/vm.yaml", &text).unwrap().remove(0).vm
    }

    #[test]
    fn what_libvirt_has_no_home_for_is_kept_and_read_back() {
        let mut vm = read_domain(DOMAIN).unwrap();
        let more = defined(
            "  priority: 50
  vmGroupName: \"shop \\u00e9 <&>\"
  customProperties: 'true'
  dedicatedVmForVdsList: [6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a12]
  vmInit: {hostname: web, networks: [{name: eth0, bootProtocol: DHCP}], rootPassword: s3cret}
previewSnapshot: true
",
        );
        vm.vm_static.priority = more.vm_static.priority;
        vm.vm_static.vm_group_name = more.vm_static.vm_group_name;
        vm.vm_static.custom_properties = more.vm_static.custom_properties;
        vm.vm_static.dedicated_vm_for_vds_list = more.vm_static.dedicated_vm_for_vds_list;
        vm.vm_static.vm_init = more.vm_static.vm_init;
        vm.preview_snapshot = true;
        vm.vm_static.images[0].disk_description = "the root".to_owned();
        let text = update(DOMAIN, &vm).unwrap();
        assert!(
            !text.contains("s3cret"),
            "secrets are not for libvirt: {text}"
        );
        let mut read = read_domain(&text).unwrap();
        let password = &mut read.vm_static.vm_init.as_mut().unwrap().root_password;
        assert_eq!(
            password.take().unwrap().expose(),
            None,
            "it is known to be there"
        );
        vm.vm_static.vm_init.as_mut().unwrap().root_password = None;
        assert_eq!(read.vm_static, vm.vm_static);
        assert!(read.preview_snapshot);
    }

    #[test]
    fn what_was_said_of_a_disk_goes_with_the_disk() {
        let mut vm = read_domain(DOMAIN).unwrap();
        vm.vm_static.images[0].disk_description = "the root".to_owned();
        let text = update(DOMAIN, &vm)
            .unwrap()
            .replace("dev='vda'", "dev='vdb'");
        assert_eq!(
            read_domain(&text).unwrap().vm_static.images[0].disk_description,
            ""
        );
    }

    #[test]
    fn what_another_version_has_written_stays() {
        let text = DOMAIN.replace(
            "  <devices>",
            "  <metadata>
    <v:vm xmlns:v='urn:vmlife:vm:1'><v:priority>50</v:priority><v:future type='list'><v:entry>1</v:entry></v:future></v:vm>
  </metadata>
  <devices>",
        );
        let mut vm = read_domain(&text).unwrap();
        assert_eq!(
            vm.vm_static.priority, 50,
            "text without a type is read as what fits"
        );
        assert_eq!(update(&text, &vm).unwrap(), text);
        vm.vm_static.priority = 60;
        let written = update(&text, &vm).unwrap();
        assert_eq!(read_domain(&written).unwrap().vm_static.priority, 60);
        assert!(written.contains("future"), "{written}");
    }

    #[test]
    fn what_is_remembered_of_runs_goes_through_libvirts_calls() {
        let dynamic = VmDynamic {
            last_stop_time: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            status_reason: "not to be remembered".to_owned(),
            ..VmDynamic::default()
        };
        let metadata = Metadata::parse("<vm><priority type='int'>7</priority></vm>");
        let xml = metadata.with_remembered(&dynamic).to_xml();
        assert!(!xml.contains("xmlns"), "libvirt adds that: {xml}");
        let again = Metadata::parse(&xml);
        assert_eq!(again.remembered().last_stop_time, dynamic.last_stop_time);
        assert_eq!(again.remembered().status_reason, "");
        let mut vm = Vm::default();
        assert_eq!(again.apply(&mut vm), None);
        assert_eq!(vm.vm_static.priority, 7);
    }

    #[test]
    fn rubbish_in_the_metadata_hides_nothing_else() {
        let text = DOMAIN.replace(
            "  <devices>",
            "  <metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:priority>high</v:priority><v:vmGroupName>a</v:vmGroupName></v:vm></metadata>
  <devices>",
        );
        let vm = read_domain(&text).unwrap();
        assert_eq!(vm.vm_static.vm_group_name.as_deref(), Some("a"));
        assert_eq!(vm.vm_static.priority, 0);
        let error = parse("vm.xml", &text).unwrap_err().to_string();
        assert!(
            error.contains("<priority>"),
            "who has just written it is told: {error}"
        );
    }

    /// The fields of an entity whose source is so.
    fn with_source(entity: &str, is_so: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let all = sources(entity).into_iter();
        all.filter(|(_, source)| is_so(source))
            .map(|(name, _)| name)
            .collect()
    }

    fn names(list: &[&str]) -> BTreeSet<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_observed_is_what_has_its_home_neither_in_xml_nor_in_metadata() {
        let is_observed = |source: &str| {
            let mut quoted = source.split('`').skip(1).step_by(2);
            let is_written = quoted.any(|path| {
                let is_of_device = path.starts_with("disk/") || path.starts_with("interface/");
                is_of_device && !path.starts_with("disk/backingStore")
            });
            !is_written && !source.contains("metadata")
        };
        let disks = with_source("DiskImage", is_observed);
        let cards = with_source("VmNetworkInterface", is_observed);
        let devices: BTreeSet<_> = disks.union(&cards).cloned().collect();
        assert_eq!(devices, names(&OBSERVED_OF_DEVICES));
        let unread = |source: &str| source.contains("not read from a definition");
        assert_eq!(with_source("VmStatic", unread), names(&OBSERVED));
    }

    #[test]
    fn what_is_remembered_is_what_has_its_source_in_metadata() {
        let is_kept = |source: &str| source.contains("metadata");
        let mut of_vm = with_source("Vm", is_kept);
        of_vm.retain(|part| part != "vmStatic" && part != "vmDynamic");
        assert_eq!(of_vm, names(&OF_VM));
        assert_eq!(with_source("VmDynamic", is_kept), names(&REMEMBERED));
    }
}
