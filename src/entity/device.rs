//! Devices of every kind, NUMA nodes and locks.

use super::enumeration::entity;
use super::{InitializationType, MemorySize, NumaTuneMode, Secret, VmDeviceGeneralType};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// oVirt's `VmDeviceId`: a device of a VM. In YAML and JSON it is one text, `device@vm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VmDeviceId {
    /// The device. Source: `alias/@name` after `ua-`, else made from the VM's UUID and the element.
    pub device_id: Uuid,
    /// The VM. Source: `/domain/uuid`.
    pub vm_id: Uuid,
}

impl Ord for VmDeviceId {
    /// oVirt's order: by VM, then by device.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.vm_id, self.device_id).cmp(&(other.vm_id, other.device_id))
    }
}

impl PartialOrd for VmDeviceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for VmDeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.device_id, self.vm_id)
    }
}

impl FromStr for VmDeviceId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = |text: &str| text.parse().ok();
        text.split_once('@')
            .and_then(|(device, vm)| Some((read(device)?, read(vm)?)))
            .map(|(device_id, vm_id)| Self { device_id, vm_id })
            .ok_or_else(|| {
                format!("'{text}' is not the UUID of a device, '@', and the UUID of a VM")
            })
    }
}

impl Serialize for VmDeviceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VmDeviceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for VmDeviceId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VmDeviceId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f-]+@[0-9A-Fa-f-]+$" })
    }
}

entity! {
    /// oVirt's `VmDevice`: any device of a VM.
    pub struct VmDevice {
        /// Which one it is. Source: `alias/@name` after `ua-`, else made from the VM's UUID and the
        /// element; `/domain/uuid`.
        pub id: Option<VmDeviceId>,
        /// Its class. Source: the element's name.
        #[serde(rename = "type")]
        pub general_type: Option<VmDeviceGeneralType>,
        /// What it is: `disk`, `cdrom`, `bridge`, `vnc`, `qxl`, `virtio-scsi` … Source: the element's
        /// `@device`, `@type` or `@model`.
        pub device: Option<String>,
        /// Its address on its bus, `{bus=0x00, slot=0x03}`. Source: `address/@*`.
        pub address: Option<String>,
        /// Its place in the boot order; 0 is none. Source: `boot/@order`.
        pub boot_order: u32,
        /// What else is set of it. Source: the element's attributes.
        pub spec_params: BTreeMap<String, SpecParam>,
        /// Whether somebody asked for it. Source: `alias/@name` begins with `ua-`.
        pub managed: bool,
        /// Whether it is attached now. Source: it stands in the live XML.
        pub plugged: Option<bool>,
        /// Whether the guest may only read it. Source: `readonly`.
        pub read_only: Option<bool>,
        /// Whose snapshot it is. Source: metadata.
        pub snapshot_id: Option<Uuid>,
        /// libvirt's name for it. Source: `alias/@name`.
        pub alias: String,
        /// Its name in the guest. Source: `ovirt-vm:guestName`.
        pub logical_name: Option<String>,
        /// Custom properties. Source: `ovirt-vm:device/custom`.
        pub custom_properties: BTreeMap<String, String>,
        /// The host's device, as libvirt names it. Source: `hostdev/source/address`.
        pub host_device: Option<String>,
    }
}

/// A parameter of a device: text, or more parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum SpecParam {
    /// A value.
    Text(String),
    /// A group.
    Group(BTreeMap<String, SpecParam>),
}

entity! {
    /// oVirt's `VmPayload`: files that the guest is offered on a CD or floppy.
    pub struct VmPayload {
        /// `cdrom` or `floppy`. Source: `disk/@device`.
        pub device: Option<String>,
        /// Which device it is. Source: as of any device.
        pub id: Option<VmDeviceId>,
        /// The label of its file system, at most 32 characters. Source: `ovirt-vm:volId`, else metadata.
        pub volume_id: Option<String>,
        /// Path to content, in base64, of all at most 1 MiB. Secrets. Source: `ovirt-vm:file`, else
        /// metadata.
        pub files: BTreeMap<String, Secret>,
        /// Where the image lies. Not an oVirt field. Source: `disk/source/@file`.
        pub image_path: Option<std::path::PathBuf>,
    }
}

impl VmPayload {
    /// How initialization data reaches the guest by it: cloud-init knows its own CDs by their labels.
    #[must_use]
    pub fn initialization_type(&self) -> Option<InitializationType> {
        if self.device.as_deref() == Some("floppy") {
            return Some(InitializationType::Sysprep);
        }
        matches!(self.volume_id.as_deref(), Some("config-2" | "cidata"))
            .then_some(InitializationType::CloudInit)
    }
}

entity! {
    /// oVirt's `VmNumaNode`: a NUMA node that the guest sees.
    pub struct VmNumaNode {
        /// Its UUID. Source: metadata.
        pub id: Option<Uuid>,
        /// Its number. Source: `numa/cell/@id`.
        pub index: u32 = 0,
        /// Its vCPUs. Source: `numa/cell/@cpus`.
        pub cpu_ids: Vec<u32>,
        /// Its memory, in MiB. Source: `numa/cell/@memory`.
        pub mem_total: MemorySize,
        /// The host's nodes that it is bound to. Source: `/domain/numatune/memnode/@nodeset`.
        pub vds_numa_node_list: Vec<u32>,
        /// How its memory is placed on them. Source: `/domain/numatune/memnode/@mode`.
        pub numa_tune_mode: Option<NumaTuneMode>,
    }
}

entity! {
    /// oVirt's `LockInfo`: who holds the VM now.
    pub struct LockInfo {
        /// Whether nobody else may do anything with it. Source: vmlife's lock, else
        /// `virDomainGetJobStats`, `virDomainGetControlInfo`.
        pub exclusive: bool = true,
        /// What it is held for. Source: vmlife's lock, else `virDomainGetJobStats`.
        pub messages: BTreeSet<String>,
    }
}
