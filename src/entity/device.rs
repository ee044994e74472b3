//! Disks, network interfaces and consoles.

use super::enumeration::ovirt_enum;
use serde::{Deserialize, Serialize};

ovirt_enum! {
    /// oVirt's `VolumeFormat`.
    pub enum VolumeFormat {
        /// Neither of the others.
        Unassigned = 3 "Unassigned",
        /// qcow2.
        Cow = 4 "COW",
        /// The plain bytes of the disk.
        Raw = 5 "RAW",
    }
}

ovirt_enum! {
    /// oVirt's `DiskInterface`: the bus that the guest sees the disk on. oVirt knows these by name
    /// only; the numbers are those of the declaration.
    pub enum DiskInterface {
        /// `ide`.
        Ide = 0 "IDE",
        /// `scsi`, on a virtio controller.
        VirtioScsi = 1 "VirtIO_SCSI",
        /// `virtio`.
        Virtio = 2 "VirtIO",
        /// `scsi`, on a POWER controller.
        SpaprVscsi = 3 "SPAPR_VSCSI",
        /// `sata`.
        Sata = 4 "SATA",
    }
}

ovirt_enum! {
    /// oVirt's `VmInterfaceType`: the network card that the guest sees.
    pub enum VmInterfaceType {
        /// Realtek 8139.
        Rtl8139 = 1 "rtl8139",
        /// Intel e1000.
        E1000 = 2 "e1000",
        /// virtio.
        Pv = 3 "pv",
        /// POWER virtual LAN.
        SpaprVlan = 4 "spaprVlan",
        /// A host's card, passed through.
        PciPassthrough = 5 "pciPassthrough",
        /// Intel e1000e.
        E1000e = 6 "e1000e",
    }
}

ovirt_enum! {
    /// oVirt's `DisplayType`: the video adapter. Compare words, not numbers: oVirt renumbered it.
    pub enum DisplayType {
        /// Cirrus.
        Cirrus = 0 "cirrus",
        /// QXL.
        Qxl = 1 "qxl",
        /// VGA, and virtio, which oVirt counts as VGA.
        Vga = 2 "vga",
        /// Bochs.
        Bochs = 3 "bochs",
        /// No adapter.
        None = 4 "none",
    }
}

ovirt_enum! {
    /// oVirt's `GraphicsType`: the protocol of a console.
    pub enum GraphicsType {
        /// SPICE.
        Spice = 0 "SPICE",
        /// VNC.
        Vnc = 1 "VNC",
    }
}

/// oVirt's `DiskImage`: a disk of a VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DiskImage {
    /// A label. Source: the base name of the path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub disk_alias: String,
    /// Where its bytes are: a file, a device, `pool/volume`, or `protocol:name`. Not an oVirt field:
    /// there a volume is found by its numbers. Source: `disk/source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_path: Option<String>,
    /// The kind of that place in libvirt's words: `file`, `block`, `network`, `volume` … None means
    /// `file`. Not an oVirt field. Source: `disk/@type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// The name of the disk in libvirt, such as `vda`. Not an oVirt field. Source:
    /// `disk/target/@dev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_dev: Option<String>,
    /// The bus. Source: `disk/target/@bus`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_interface: Option<DiskInterface>,
    /// The format of its bytes. Source: `disk/driver/@type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_format: Option<VolumeFormat>,
    /// Whether the guest may only read it. Source: `disk/readonly`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Whether several VMs may write to it. Source: `disk/shareable`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shareable: bool,
}

/// oVirt's `VmNetworkInterface`: a network card of a VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VmNetworkInterface {
    /// `nic1`, `nic2` … Source: the order in the XML.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The hardware address, in lower case. Source: `interface/mac/@address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// The card. Source: `interface/model/@type`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub interface_type: Option<VmInterfaceType>,
    /// What it is plugged into: a libvirt network or a bridge. Source: `interface/source/@network`,
    /// else `@bridge`, else `@dev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// The kind of that in libvirt's words: `network`, `bridge`, `user` … None means `network`. Not
    /// an oVirt field. Source: `interface/@type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    /// Whether the cable is plugged in. Source: `interface/link/@state`.
    pub linked: bool,
}

impl Default for VmNetworkInterface {
    /// oVirt's defaults: nothing set, the cable plugged in.
    fn default() -> Self {
        Self {
            name: String::new(),
            mac_address: None,
            interface_type: None,
            network_name: None,
            source_type: None,
            linked: true,
        }
    }
}

/// oVirt's `GraphicsInfo`: where a viewer finds a console.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GraphicsInfo {
    /// The address that it listens at. Source: `graphics/listen/@address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// The port. Source: `graphics/@port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The encrypted port. Source: `graphics/@tlsPort`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_port: Option<u16>,
}
