//! Network cards and consoles.

use super::enumeration::{entity, ovirt_enum};
use super::{InterfaceStatus, Percent, Seconds, VmInterfaceType};
use std::path::PathBuf;
use uuid::Uuid;

ovirt_enum! {
    /// oVirt's `GraphicsType`: the protocol of a console.
    pub open enum GraphicsType {
        /// SPICE.
        Spice = 0 "SPICE",
        /// VNC.
        Vnc = 1 "VNC",
    }
}

entity! {
    /// oVirt's `VmNetworkInterface`: a network card of a VM.
    pub struct VmNetworkInterface {
        /// Its UUID. Source: `interface/alias/@name` after `ua-`, else made from the VM's UUID and the
        /// hardware address.
        pub id: Option<Uuid>,
        /// `nic1`, `nic2` … Source: metadata, else the order in the XML.
        pub name: String,
        /// The hardware address, in lower case. Source: `interface/mac/@address`.
        pub mac_address: Option<String>,
        /// The card. Source: `interface/model/@type`.
        #[serde(rename = "type")]
        pub interface_type: Option<VmInterfaceType>,
        /// Its nominal speed, in Mbit/s. Source: made from the card's type.
        pub speed: Option<u32>,
        /// What it is plugged into: a libvirt network or a bridge. Source: `interface/source/@network`,
        /// else `@bridge`, else `@dev`.
        pub network_name: Option<String>,
        /// The kind of that in libvirt's words: `network`, `bridge`, `user` … None means `network`. Not
        /// an oVirt field. Source: `interface/@type`.
        pub source_type: Option<String>,
        /// Its device on the host. Not an oVirt field. Source: `interface/target/@dev`.
        pub target_dev: Option<String>,
        /// Whether the cable is plugged in. Source: `interface/link/@state`.
        pub linked: bool = true,
        /// Whether it is attached now. Source: it stands in the live XML.
        pub plugged: Option<bool>,
        /// Whether the live card is as configured. Source: the live XML beside the persistent one.
        pub synced: Option<bool>,
        /// Whether it sees all traffic of its network. Source: `ovirt-vm:portMirroring`, else metadata.
        pub port_mirroring: bool,
        /// The owner's UUID. Source: `/domain/uuid`; it is not read from a definition.
        pub vm_id: Option<Uuid>,
        /// The owner's name. Source: `/domain/name`; it is not read from a definition.
        pub vm_name: Option<String>,
        /// Its profile. Source: metadata.
        pub vnic_profile_id: Option<Uuid>,
        /// That profile's name. Source: metadata.
        pub vnic_profile_name: Option<String>,
        /// The profile that takes over in a migration. Source: metadata.
        pub failover_vnic_profile_name: Option<String>,
        /// Its quality of service. Source: metadata.
        pub qos_name: Option<String>,
        /// Its network's name elsewhere. Source: metadata.
        pub remote_network_name: Option<String>,
        /// The addresses that the guest has on it. Not an oVirt field. Source:
        /// `virDomainInterfaceAddresses`.
        pub addresses: Vec<String>,
        /// Its name in the guest. Not an oVirt field. Source: `virDomainInterfaceAddresses`, the
        /// agent's.
        pub logical_name: Option<String>,
        /// What went through it. Source: `virConnectGetAllDomainStats`, `net.N`.
        pub statistics: Option<VmNetworkStatistics>,
    }
}

entity! {
    /// oVirt's `VmNetworkStatistics`: what went through a network card since the VM was started or
    /// restored.
    pub struct VmNetworkStatistics {
        /// Whether its cable is plugged in. Source: `interface/link/@state`.
        pub status: Option<InterfaceStatus>,
        /// Bytes received by the guest. Source: `net.N.rx.bytes`.
        pub received_bytes: Option<u64>,
        /// Bytes sent by the guest. Source: `net.N.tx.bytes`.
        pub transmitted_bytes: Option<u64>,
        /// Bytes received in earlier runs. Source: metadata.
        pub received_bytes_offset: Option<u64>,
        /// Bytes sent in earlier runs. Source: metadata.
        pub transmitted_bytes_offset: Option<u64>,
        /// Receiving, in percent of its speed. Source: `net.N.rx.bytes`, two samples.
        pub receive_rate: Option<Percent>,
        /// Sending, in percent of its speed. Source: `net.N.tx.bytes`, two samples.
        pub transmit_rate: Option<Percent>,
        /// Packets that were lost on the way in. Source: `net.N.rx.drop`.
        pub receive_drops: Option<u64>,
        /// Packets that were lost on the way out. Source: `net.N.tx.drop`.
        pub transmit_drops: Option<u64>,
        /// How far the two samples lie apart, in seconds. Source: the clock.
        pub sample_time: Option<Seconds>,
    }
}

entity! {
    /// oVirt's `GraphicsInfo`: where a viewer finds a console.
    pub struct GraphicsInfo {
        /// The address that it listens at. Source: `graphics/listen/@address`, else
        /// `graphics/@listen`.
        pub ip: Option<String>,
        /// The port. Source: `graphics/@port`.
        pub port: Option<u16>,
        /// The encrypted port. Source: `graphics/@tlsPort`.
        pub tls_port: Option<u16>,
        /// The socket, where it listens at no port. Not an oVirt field. Source:
        /// `graphics/listen/@socket`, else `graphics/@socket`.
        pub socket: Option<PathBuf>,
        /// The viewer's password. A secret. oVirt sets it when a viewer asks. Source:
        /// `graphics/@passwd`, which libvirt gives with `--security-info` only.
        pub ticket: Option<super::Secret>,
        /// Until when that password is good. Source: `graphics/@passwdValidTo`.
        pub ticket_valid_to: Option<String>,
    }
}
