//! What has no home in libvirt's XML lives in the domain's `<metadata>`, under vmlife's own namespace.
//!
//! Which fields these are, their documentation says, and lists here that a test holds to it. No other field is
//! ever read from there: what libvirt's XML has a home for, it alone tells, whoever has written the metadata.

use super::tree::{Document, Element};
use crate::entity::{
    DiskImage, Vm, VmDynamic, VmInterfaceType, VmNetworkInterface, VmNumaNode, VmStatic,
};
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
const OBSERVED_OF_DEVICES: [&str; 28] = [
    "active",
    "actualDiskWithSnapshotsSize",
    "actualSizeInBytes",
    "addresses",
    "apparentSizeInBytes",
    "blockJob",
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
const REMEMBERED: [&str; 18] = [
    "bootTime",
    "clientIp",
    "consoleCurrentUserName",
    "consoleUserId",
    "downtime",
    "exitMessage",
    "guestContainers",
    "guestRequestedMemory",
    "hibernatedTo",
    "imageGivenUp",
    "lastStartTime",
    "lastStopTime",
    "lastWatchdogEvent",
    "memoryBeforeTrim",
    "migratingToVds",
    "pausedForGroup",
    "runOnce",
    "stopReason",
];
/// What of that is about one run. Only what `id` and `domainId` beside it say belongs to the run that is
/// looked at: the definition of a VM is copied, and started or restored by others.
const OF_RUN: [&str; 7] = [
    "bootTime",
    "downtime",
    "hibernatedTo",
    "imageGivenUp",
    "lastStartTime",
    "lastStopTime",
    "pausedForGroup",
];
/// Which VM, and which run of it, the observed part is of.
const WHOSE: [&str; 2] = ["domainId", "id"];
/// What is kept of the VM beside its parts.
const OF_VM: [&str; 4] = [
    "initializationType",
    "previewSnapshot",
    "runtimeDeviceCustomProperties",
    "vmPayload",
];

/// What is kept of a VM's configuration.
const KEPT: [&str; 66] = [
    "allowConsoleReconnect",
    "autoConverge",
    "autoStartup",
    "clusterCompatibilityVersionOrigin",
    "clusterId",
    "consoleDisconnectAction",
    "consoleDisconnectActionDelay",
    "cpuPinningPolicy",
    "cpuProfileId",
    "createdByUserId",
    "creationDate",
    "customCompatibilityVersion",
    "customProperties",
    "dbGeneration",
    "dedicatedVmForVdsList",
    "deleteProtected",
    "dependsOn",
    "exportDate",
    "failBack",
    "hostShutdownPolicy",
    "imageTypeId",
    "initialized",
    "instanceTypeId",
    "labels",
    "largeIconId",
    "migrateCompressed",
    "migrateEncrypted",
    "migrationDowntime",
    "migrationPolicyId",
    "migrationSupport",
    "minAllocatedMem",
    "namespace",
    "niceLevel",
    "numOfMonitors",
    "numaTuneMode",
    "origin",
    "originalTemplateGuid",
    "originalTemplateName",
    "osId",
    "ovfVersion",
    "parallelMigrations",
    "predefinedProperties",
    "priority",
    "providerId",
    "quotaDefault",
    "quotaEnforcementType",
    "quotaId",
    "quotaName",
    "resumeBehavior",
    "runAndPause",
    "serialNumberPolicy",
    "singleQxlPci",
    "smallIconId",
    "spiceCopyPasteEnabled",
    "spiceFileTransferEnabled",
    "ssoMethod",
    "timeZone",
    "tunnelMigration",
    "useLatestVersion",
    "userDefinedProperties",
    "vmGroupId",
    "vmGroupName",
    "vmInit",
    "vmType",
    "vmtGuid",
    "vncKeyboardLayout",
];
/// What is kept of a disk.
const KEPT_OF_DISKS: [&str; 37] = [
    "appList",
    "backup",
    "backupMode",
    "contentType",
    "creationDate",
    "diskAlias",
    "diskDescription",
    "diskProfileIds",
    "diskProfileNames",
    "generation",
    "imageId",
    "imageTransferBytesSent",
    "imageTransferBytesTotal",
    "imageTransferPhase",
    "initialSizeInBytes",
    "lastModified",
    "leaseStatus",
    "numberOfVms",
    "quotaEnforcementType",
    "quotaIds",
    "quotaNames",
    "remotePath",
    "sequenceNumber",
    "snapshotCreationDate",
    "storageIds",
    "storagePath",
    "storagePoolId",
    "storageTypes",
    "storagesNames",
    "templateImageId",
    "templateVersionNames",
    "transferType",
    "vmEntityType",
    "vmNames",
    "vmSnapshotDescription",
    "vmSnapshotId",
    "wipeAfterDelete",
];
/// What is kept of a network card.
const KEPT_OF_CARDS: [&str; 7] = [
    "failoverVnicProfileName",
    "name",
    "portMirroring",
    "qosName",
    "remoteNetworkName",
    "vnicProfileId",
    "vnicProfileName",
];
/// What is kept of a NUMA node.
const KEPT_OF_NODES: [&str; 1] = ["id"];
/// What is kept of a payload.
const KEPT_OF_PAYLOADS: [&str; 1] = ["volumeId"];
/// Names, which follow from something else where none was given. Of all other fields the XML is believed
/// first, where it says something.
const NAMES: [&str; 3] = ["contentType", "diskAlias", "name"];

/// The metadata of a domain: fields, by their names in YAML. Those of the static part stand directly in
/// it, those of the observed part in `vmDynamic`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// What stands in a domain.
    pub(super) fn of_domain(domain: &Element) -> Self {
        Self::of_element(domain.child("metadata").and_then(own))
    }

    fn of_element(element: Option<&Element>) -> Self {
        match element.map(value_of) {
            Some(Value::Object(fields)) => Self(fields),
            _ => Self::default(),
        }
    }

    /// What the VM says and its XML alone (`base`) does not.
    pub(super) fn beyond(vm: &Vm, base: &Vm) -> Self {
        let mut fields = configured(&vm.vm_static);
        subtract(&mut fields, &configured(&base.vm_static));
        retain_kept(&mut fields);
        let (mut of_vm, of_base) = (object(vm), object(base));
        subtract(&mut of_vm, &of_base);
        of_vm.retain(|name, _| OF_VM.contains(&name.as_str()));
        fields.extend(of_vm);
        retain_kept_of_payload(&mut fields);
        Self(fields)
    }

    /// The same, with what nobody else remembers of the observed part, and with what stands in `old` and
    /// this program has no name for.
    fn with(mut self, dynamic: &VmDynamic, old: &Self) -> Self {
        let mut remembered = object(dynamic);
        remembered.retain(|name, _| {
            let name = name.as_str();
            REMEMBERED.contains(&name) || WHOSE.contains(&name)
        });
        if let Some(Value::Object(before)) = old.0.get("vmDynamic") {
            let unknown = before
                .iter()
                .filter(|(name, value)| is_unknown::<VmDynamic>(name, value));
            remembered.extend(unknown.map(|(name, value)| (name.clone(), value.clone())));
        }
        let unknown = old.0.iter().filter(|(name, value)| {
            *name != "vmDynamic"
                && !OF_VM.contains(&name.as_str())
                && is_unknown::<VmStatic>(name, value)
        });
        self.0
            .extend(unknown.map(|(name, value)| (name.clone(), value.clone())));
        self.0.remove("vmDynamic");
        if !remembered.is_empty() {
            self.0.insert("vmDynamic".to_owned(), remembered.into());
        }
        self
    }

    /// Adds what it says to a VM that was read from XML alone. Gives the fields that cannot be what they
    /// say, and why; a field that this program does not know is none of them.
    pub(super) fn apply(&self, vm: &mut Vm) -> Vec<(String, String)> {
        let (mut configured, mut of_vm) = (self.0.clone(), self.0.clone());
        let dynamic = configured.remove("vmDynamic");
        configured.retain(|name, _| !OF_VM.contains(&name.as_str()));
        of_vm.retain(|name, _| OF_VM.contains(&name.as_str()));
        let misplaced = configured
            .iter()
            .filter(|(name, value)| !is_kept(name) && !is_unknown::<VmStatic>(name, value));
        let why = "it has its place in libvirt's own elements, which alone count";
        let misplaced = misplaced.map(|(name, _)| (name.clone(), why.to_owned()));
        let mut mistakes: Vec<_> = misplaced.collect();
        retain_kept(&mut configured);
        retain_silent(&mut configured, &vm.vm_static);
        retain_kept_of_payload(&mut of_vm);
        if vm.vm_payload.is_none() {
            of_vm.remove("vmPayload");
        }
        if vm.initialization_type.is_some() {
            of_vm.remove("initializationType");
        }
        let mut misfits = Vec::new();
        // What is laid over goes by way of text, in which hidden secrets would be lost.
        vm.reveal_secrets();
        if !configured.is_empty() {
            misfits.extend(overlay(&mut vm.vm_static, &configured));
        }
        if !of_vm.is_empty() {
            misfits.extend(overlay(vm, &of_vm));
        }
        if let Some(Value::Object(mut remembered)) = dynamic {
            remembered.retain(|name, _| REMEMBERED.contains(&name.as_str()));
            // What is wrong in them is told, whosever they are.
            misfits.extend(overlay(&mut VmDynamic::default(), &remembered));
            self.forget_others(&mut remembered, vm);
            overlay(vm.vm_dynamic.get_or_insert_default(), &remembered);
        }
        vm.hide_secrets();
        let misfits = misfits.into_iter().filter(Misfit::is_known);
        mistakes.extend(misfits.map(|misfit| (misfit.field, misfit.why)));
        mistakes
    }

    /// Leaves of what is remembered that which is about this VM and, if it runs, about this run: a copy of
    /// the VM has another UUID, and whoever started or restored it behind our back has left another
    /// `domainId` there, or none.
    fn forget_others(&self, remembered: &mut Map<String, Value>, vm: &Vm) {
        let told = self.remembered();
        let run = vm.vm_dynamic.as_ref().map(|dynamic| dynamic.domain_id);
        let is_of_run = told.id.is_some() && run.is_none_or(|run| run == told.domain_id);
        if told.id.is_some() && told.id != vm.id() {
            remembered.clear();
        } else if !is_of_run {
            remembered.retain(|name, _| !OF_RUN.contains(&name.as_str()));
        } else if run.is_none() && told.last_stop_time < told.last_start_time {
            // The run that began last has ended otherwise, nobody knows when.
            remembered.remove("lastStopTime");
            remembered.remove("hibernatedTo");
        }
    }

    /// The observed part that is remembered, also of a domain that is off.
    #[must_use]
    fn remembered(&self) -> VmDynamic {
        let mut dynamic = VmDynamic::default();
        if let Some(Value::Object(remembered)) = self.0.get("vmDynamic") {
            overlay(&mut dynamic, remembered);
        }
        dynamic
    }

    /// What is remembered of a VM's runs in the element that `virDomainGetMetadata` gives.
    #[must_use]
    pub fn recall(element: Option<&str>) -> VmDynamic {
        let parsed = element.and_then(|xml| Document::parse(xml).ok());
        let own = parsed.as_ref().map(|document| &document.root);
        Self::of_element(own.filter(|root| root.name() == "vm")).remembered()
    }

    /// Puts what a VM says beyond its XML into its domain; what stands there and says the same keeps its
    /// bytes.
    pub(super) fn update(domain: &mut Element, vm: &Vm, base: &Vm) {
        let old = Self::of_domain(domain);
        let new = Self::beyond(vm, base);
        let mut there = base.clone();
        old.apply(&mut there);
        if Self::beyond(&there, base) == new {
            return;
        }
        let new = new.with(&old.remembered(), &old);
        let is_own = |element: &Element| element.is_of(METADATA_NAMESPACE, "vm");
        if new.0.is_empty() {
            if domain.child("metadata").is_some() {
                domain.ensure("metadata").remove(is_own);
            }
            return;
        }
        let metadata = domain.ensure("metadata");
        if !metadata.elements().any(is_own) {
            let root = Element::new(&format!("{METADATA_PREFIX}:vm"));
            let root = root.in_namespace(METADATA_NAMESPACE);
            metadata.append(root.with(&format!("xmlns:{METADATA_PREFIX}"), METADATA_NAMESPACE));
        }
        if let Some(element) = metadata.elements_mut().find(|element| is_own(element)) {
            let prefix = element.prefix().to_owned();
            let make = |name: &str| {
                Element::new(&format!("{prefix}{name}")).in_namespace(METADATA_NAMESPACE)
            };
            rewrite(element, &new.0, &make);
        }
    }

    /// Changes what is remembered of a VM's runs in the element that `virDomainGetMetadata` gives, and
    /// gives the one for `virDomainSetMetadata`, which puts it into the namespace itself. `None` if another
    /// element than ours stands there: libvirt keeps one of each namespace, and it is not ours to change.
    #[must_use]
    pub fn remember(old: Option<&str>, change: impl FnOnce(&mut VmDynamic)) -> Option<String> {
        let parsed = old.and_then(|xml| Document::parse(xml).ok());
        let mut root = parsed.map_or_else(|| Element::new("vm"), |document| document.root);
        if root.name() != "vm" {
            return None;
        }
        let old = Self::of_element(Some(&root));
        let mut dynamic = old.remembered();
        change(&mut dynamic);
        let new = old.clone().with(&dynamic, &old);
        rewrite(&mut root, &new.0, &Element::new);
        Some(root.to_string())
    }
}

/// What a VM says, and what has become of it does not, such as `images[vda].sgio`.
pub(super) fn homeless(vm: &Vm, there: &Vm) -> Vec<String> {
    let mut all = configured(&vm.vm_static);
    subtract(&mut all, &configured(&there.vm_static));
    let wish = &vm.vm_static;
    // What is said of all devices of a kind means nothing where there are none.
    for (name, means_nothing) in [
        ("stateless", wish.images.iter().all(|disk| disk.read_only)),
        (
            "multiQueuesEnabled",
            wish.interfaces.is_empty() || wish.cpu_count() == 1,
        ),
        ("defaultBootSequence", is_order_of(&there.vm_static, wish)),
    ] {
        if means_nothing {
            all.remove(name);
        }
    }
    let is_of_network = |key: &str| {
        // Such a network gives out the host's cards: it says what card that is, not the VM.
        let mut cards = wish.interfaces.iter();
        let card = cards.find(|card| card.mac_address.as_deref() == Some(key));
        card.is_some_and(|card| {
            card.interface_type == Some(VmInterfaceType::PciPassthrough)
                && matches!(card.source_type.as_deref(), None | Some("network"))
        })
    };
    let mut names = Vec::new();
    for (name, value) in all {
        match value {
            Value::Object(entries) if kept_of(&name).is_some() => {
                for (key, entry) in entries {
                    let fields = entry.as_object().into_iter().flat_map(Map::keys);
                    // The UUID of what is there already was made, and is made anew.
                    let fields = fields.filter(|field| match field.as_str() {
                        "id" => false,
                        "type" => !is_of_network(&key),
                        _ => true,
                    });
                    names.extend(fields.map(|field| format!("{name}[{key}].{field}")));
                }
            }
            _ => names.push(name),
        }
    }
    names
}

/// Whether a VM's devices are tried in the order that is wished of it, but for kinds that it has none of.
fn is_order_of(there: &VmStatic, wish: &VmStatic) -> bool {
    let (order, wished) = (&there.default_boot_sequence, &wish.default_boot_sequence);
    let exists = |kind: &char| {
        order.word().contains(*kind)
            || match kind {
                'C' => !there.images.is_empty(),
                'D' => there.iso_path.is_some(),
                _ => !there.interfaces.is_empty(),
            }
    };
    wished
        .word()
        .chars()
        .filter(exists)
        .eq(order.word().chars())
}

/// The lists of which something is kept, and what of each entry.
fn kept_of(list: &str) -> Option<&'static [&'static str]> {
    match list {
        "images" => Some(&KEPT_OF_DISKS),
        "interfaces" => Some(&KEPT_OF_CARDS),
        "vNumaNodeList" => Some(&KEPT_OF_NODES),
        _ => None,
    }
}

fn is_kept(name: &str) -> bool {
    KEPT.contains(&name) || kept_of(name).is_some()
}

/// Leaves of a VM's configuration what metadata keeps.
fn retain_kept(fields: &mut Map<String, Value>) {
    fields.retain(|name, value| {
        let (Some(kept), Value::Object(entries)) = (kept_of(name), value) else {
            return is_kept(name);
        };
        entries.retain(|_, entry| {
            let Value::Object(entry) = entry else {
                return false;
            };
            entry.retain(|name, _| kept.contains(&name.as_str()));
            !entry.is_empty()
        });
        !entries.is_empty()
    });
}

fn retain_kept_of_payload(fields: &mut Map<String, Value>) {
    let Some(Value::Object(payload)) = fields.get_mut("vmPayload") else {
        return;
    };
    payload.retain(|name, _| KEPT_OF_PAYLOADS.contains(&name.as_str()));
    if payload.is_empty() {
        fields.remove("vmPayload");
    }
}

/// Leaves of what metadata says that of which the XML says nothing.
fn retain_silent(fields: &mut Map<String, Value>, base: &VmStatic) {
    let (base, default) = (configured(base), configured(&VmStatic::default()));
    let is_silent = |name: &String, base: &Map<String, Value>, default: &Map<String, Value>| {
        let said = base.get(name);
        said.is_none() || said == default.get(name) || NAMES.contains(&name.as_str())
    };
    let defaults = [
        ("images", object(&DiskImage::default())),
        ("interfaces", object(&VmNetworkInterface::default())),
        ("vNumaNodeList", object(&VmNumaNode::default())),
    ];
    fields.retain(|name, value| {
        let list = defaults.iter().find(|(list, _)| list == name);
        let (Some((_, default)), Value::Object(entries)) = (list, &mut *value) else {
            return is_silent(name, &base, &default);
        };
        let there = base.get(name).and_then(Value::as_object);
        for (key, entry) in entries.iter_mut() {
            let there = there.and_then(|there| match place_of(key) {
                Some(at) => there.values().nth(at),
                None => there.get(key),
            });
            if let (Value::Object(entry), Some(Value::Object(there))) = (entry, there) {
                entry.retain(|name, _| is_silent(name, there, default));
            }
        }
        true
    });
}

/// Whether a structure has no field of this name.
fn is_unknown<T: Serialize + DeserializeOwned + Default>(name: &str, value: &Value) -> bool {
    let one = Map::from_iter([(name.to_owned(), value.clone())]);
    let misfits = overlay(&mut T::default(), &one);
    misfits.iter().any(|misfit| !misfit.is_known())
}

/// Makes an element hold these fields: what holds one of them already stays as it is written.
fn rewrite(element: &mut Element, fields: &Map<String, Value>, make: &impl Fn(&str) -> Element) {
    let key_of = |field: &Element| field.attribute("key").unwrap_or(field.name()).to_owned();
    element.remove(|field| !fields.contains_key(&key_of(field)));
    let mut there = Vec::new();
    for field in element.elements_mut() {
        let key = key_of(field);
        let Some(value) = fields.get(&key) else {
            continue;
        };
        let before = value_of(field);
        match (value, &before) {
            (value, before) if value == before => {}
            (value, before) if number_or_flag(before).as_ref() == Some(value) => {}
            (Value::Object(fields), Value::Object(_)) => rewrite(field, fields, make),
            (value, _) => *field = fill(named(&key, make), value, make),
        }
        there.push(key);
    }
    for (name, value) in fields.iter().filter(|(name, _)| !there.contains(name)) {
        element.append(fill(named(name, make), value, make));
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
pub(super) fn object(value: &impl Serialize) -> Map<String, Value> {
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
            let mut keyed = Map::new();
            for (at, entry) in entries {
                // libvirt lets two cards have one address.
                let key = Some(key_of(&entry, key, at)).filter(|key| !keyed.contains_key(key));
                keyed.insert(key.unwrap_or_else(|| format!("#{at}")), entry);
            }
            fields.insert(list.to_owned(), Value::Object(keyed));
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

/// The element for a field; what cannot be a name stands in an attribute.
fn named(name: &str, make: &impl Fn(&str) -> Element) -> Element {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
        && name != "entry";
    if is_name {
        make(name)
    } else {
        make("entry").with("key", name)
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
                element.append(fill(named(name, make), value, make));
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
    use crate::entity::OriginType;
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
    fn what_is_remembered_of_runs_goes_through_libvirts_calls_and_leaves_the_rest_as_it_is() {
        let stopped = |dynamic: &mut VmDynamic| {
            dynamic.last_stop_time = Some("2026-01-01T00:00:00Z".parse().unwrap());
            dynamic.status_reason = "not to be remembered".to_owned();
        };
        let old = "<vm version='2'><!-- mine --><priority type='int'>7</priority><future a='b'>x<deep c='d'/></future>\
            <vmDynamic><futureStat>5</futureStat></vmDynamic></vm>";
        let xml = Metadata::remember(Some(old), stopped).unwrap();
        let added = "<lastStopTime>2026-01-01T00:00:00Z</lastStopTime></vmDynamic>";
        assert_eq!(xml, old.replace("</vmDynamic>", added));
        let again = Metadata::of_element(Some(&Document::parse(&xml).unwrap().root));
        assert_eq!(again.remembered().status_reason, "");
        assert!(again.remembered().last_stop_time.is_some());
        let first = Metadata::remember(None, stopped);
        assert_eq!(
            first,
            Some(format!("<vm><vmDynamic>{added}</vm>")),
            "libvirt adds the namespace"
        );
        assert_eq!(
            Metadata::remember(Some("<other/>"), stopped),
            None,
            "it is somebody else's"
        );
    }

    #[test]
    fn the_times_of_another_run_or_vm_are_not_told() {
        let read = |id: &str, whose: &str| {
            let times = "<v:lastStopTime>2026-01-01T00:00:00Z</v:lastStopTime>\
                <v:lastStartTime>2026-01-02T00:00:00Z</v:lastStartTime>\
                <v:bootTime>2026-01-01T12:00:00Z</v:bootTime>\
                <v:downtime type='int'>5</v:downtime><v:stopReason>r</v:stopReason>";
            let metadata = format!(
                "<metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:vmDynamic>{whose}{times}</v:vmDynamic>\
                 </v:vm></metadata>\n  <devices>"
            );
            let text = DOMAIN.replace("  <devices>", &metadata);
            let text = text.replace("<domain type", &format!("<domain {id} type"));
            let dynamic = read_domain(&text).unwrap().vm_dynamic.unwrap();
            (
                dynamic.last_start_time.is_some(),
                dynamic.boot_time.is_some() && dynamic.downtime.0 == 5,
                dynamic.last_stop_time.is_some(),
                dynamic.stop_reason.is_some(),
            )
        };
        let own = "<v:id>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11</v:id>";
        let of_run = &format!("{own}<v:domainId type='int'>7</v:domainId>");
        let copied = "<v:id>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a12</v:id><v:domainId>7</v:domainId>";
        assert_eq!(read("id='7'", of_run), (true, true, true, true));
        assert_eq!(
            read("id='8'", of_run),
            (false, false, false, true),
            "restored by others"
        );
        assert_eq!(
            read("id='7'", own),
            (false, false, false, true),
            "started by others"
        );
        assert_eq!(read("id='7'", ""), (false, false, false, true));
        assert_eq!(read("id='7'", copied), (false, false, false, false));
        assert_eq!(read("", copied), (false, false, false, false));
        assert_eq!(
            read("", own),
            (true, true, false, true),
            "the stop before that start is not the last"
        );
    }

    #[test]
    fn another_root_in_our_namespace_is_not_ours() {
        let other = "<other xmlns='urn:vmlife:vm:1'><priority>50</priority><vmDynamic/></other>";
        let text = DOMAIN.replace(
            "  <devices>",
            &format!("  <metadata>{other}</metadata>\n  <devices>"),
        );
        let mut vm = read_domain(&text).unwrap();
        assert_eq!(vm.vm_static.priority, 0);
        assert_eq!(update(&text, &vm).unwrap(), text);
        vm.vm_static.priority = 60;
        let written = update(&text, &vm).unwrap();
        assert!(written.contains(other), "{written}");
        assert_eq!(read_domain(&written).unwrap().vm_static.priority, 60);
        assert_eq!(Metadata::recall(Some(other)), VmDynamic::default());
    }

    #[test]
    fn metadata_say_nothing_of_what_libvirt_tells_itself() {
        let text = DOMAIN.replace(
            "  <devices>",
            "  <metadata><v:vm xmlns:v='urn:vmlife:vm:1'><v:name>other</v:name>
    <v:id>6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a77</v:id><v:memSizeMb type='int'>999999</v:memSizeMb>
    <v:images><v:vda><v:imagePath>/etc/shadow</v:imagePath><v:diskDescription>the root</v:diskDescription></v:vda></v:images>
    <v:vmDynamic><v:status>Up</v:status><v:domainId type='int'>7</v:domainId></v:vmDynamic><v:origin>RHEV</v:origin>
    <v:vmPayload><v:imagePath>/etc/shadow</v:imagePath></v:vmPayload></v:vm>
    <o:vm xmlns:o='http://ovirt.org/vm/1.0'/></metadata>
  <devices>",
        );
        let vm = read_domain(&text).unwrap();
        let plain = read_domain(DOMAIN).unwrap();
        assert_eq!((vm.name(), vm.id()), (plain.name(), plain.id()));
        assert_eq!(vm.vm_static.mem_size_mb, plain.vm_static.mem_size_mb);
        let disk = &vm.vm_static.images[0];
        assert_eq!(disk.image_path.as_deref(), Some("/v/a.img"));
        assert_eq!(disk.disk_description, "the root");
        assert_eq!(vm.vm_dynamic.unwrap_or_default(), VmDynamic::default());
        assert_eq!(
            vm.vm_static.origin,
            Some(OriginType::Ovirt),
            "oVirt's own comes first"
        );
        assert_eq!(vm.vm_payload, None);
        let error = parse("vm.xml", &text).unwrap_err().to_string();
        assert!(
            error.contains("<name>: it has its place in libvirt's own elements"),
            "{error}"
        );
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
    fn what_is_kept_is_what_has_its_source_in_metadata() {
        let is_kept = |source: &str| source.contains("metadata");
        let mut of_vm = with_source("Vm", is_kept);
        of_vm.retain(|part| part != "vmStatic" && part != "vmDynamic");
        assert_eq!(of_vm, names(&OF_VM));
        assert_eq!(with_source("VmDynamic", is_kept), names(&REMEMBERED));
        assert_eq!(with_source("VmStatic", is_kept), names(&KEPT));
        assert_eq!(with_source("DiskImage", is_kept), names(&KEPT_OF_DISKS));
        let cards = with_source("VmNetworkInterface", is_kept);
        assert_eq!(cards, names(&KEPT_OF_CARDS));
        assert_eq!(with_source("VmNumaNode", is_kept), names(&KEPT_OF_NODES));
        let is_first = |source: &str| source.starts_with("metadata, else");
        let disks = with_source("DiskImage", is_first);
        let cards = with_source("VmNetworkInterface", is_first);
        assert_eq!(
            disks.union(&cards).cloned().collect::<BTreeSet<_>>(),
            names(&NAMES)
        );
    }
}
