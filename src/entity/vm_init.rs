//! What a guest is told when it boots for the first time.

use super::enumeration::entity;
use super::{CloudInitNetworkProtocol, Ipv4BootProtocol, Ipv6BootProtocol, Secret};
use uuid::Uuid;

entity! {
    /// oVirt's `VmInit`: initialization of the guest by cloud-init or Sysprep. It reaches the guest as
    /// files on a CD or floppy; its secrets are nowhere else, not even in libvirt's definition.
    pub struct VmInit {
        /// The VM's UUID. Source: metadata.
        pub id: Option<Uuid>,
        /// The guest's host name, and Sysprep's computer name. Source: metadata.
        pub hostname: Option<String>,
        /// Its Active Directory domain. Source: metadata.
        pub domain: Option<String>,
        /// Its time zone, such as `Europe/Berlin`; for Sysprep a name of Windows. Source: metadata.
        #[serde(alias = "timezone")]
        pub time_zone: Option<String>,
        /// Public SSH keys that may log in, one in each line. A secret. Source: metadata.
        pub authorized_keys: Option<Secret>,
        /// Whether it makes new SSH host keys at its first boot. Source: metadata.
        pub regenerate_keys: Option<bool>,
        /// Its organizational unit in Active Directory. Source: metadata.
        #[serde(rename = "activeDirectoryOU")]
        pub active_directory_ou: Option<String>,
        /// Its organization, for Sysprep. Source: metadata.
        pub org_name: Option<String>,
        /// Its DNS servers, separated by blanks. Source: metadata.
        pub dns_servers: Option<String>,
        /// The domains that it searches names in, separated by blanks. Source: metadata.
        pub dns_search: Option<String>,
        /// Its network cards' addresses. Source: metadata.
        pub networks: Vec<VmInitNetwork>,
        /// Its Windows product key. A secret. Source: metadata.
        #[serde(alias = "winkey")]
        pub win_key: Option<Secret>,
        /// The user to make; none means root or Administrator. Source: metadata.
        pub user_name: Option<String>,
        /// That user's password. A secret. Source: metadata.
        #[serde(alias = "rootPasswork")]
        pub root_password: Option<Secret>,
        /// Whether the guest keeps the password that it was given before. Source: metadata.
        pub password_already_stored: bool,
        /// More cloud-init YAML, Sysprep XML or Ignition JSON. A secret. Source: metadata.
        pub custom_script: Option<Secret>,
        /// How keys are laid out, for Sysprep. Source: metadata.
        pub input_locale: Option<String>,
        /// The language of menus, for Sysprep. Source: metadata.
        pub ui_language: Option<String>,
        /// The system's locale, for Sysprep. Source: metadata.
        pub system_locale: Option<String>,
        /// The user's locale, for Sysprep. Source: metadata.
        pub user_locale: Option<String>,
        /// In which form cloud-init is told of the network. Source: metadata.
        pub cloud_init_network_protocol: Option<CloudInitNetworkProtocol>,
    }
}

entity! {
    /// oVirt's `VmInitNetwork`: the addresses of one of the guest's network cards.
    pub struct VmInitNetwork {
        /// A UUID of its own. Source: metadata.
        pub id: Option<Uuid>,
        /// The card's name in the guest, such as `eth0`. Source: metadata.
        pub name: Option<String>,
        /// Whether the guest brings it up when it boots. Source: metadata.
        pub start_on_boot: Option<bool>,
        /// How it gets its IPv4 address. Source: metadata.
        pub boot_protocol: Ipv4BootProtocol = Ipv4BootProtocol::None,
        /// Its IPv4 address. Source: metadata.
        pub ip: Option<String>,
        /// Its network mask. Source: metadata.
        pub netmask: Option<String>,
        /// Its gateway. Source: metadata.
        pub gateway: Option<String>,
        /// How it gets its IPv6 address. Source: metadata.
        pub ipv6_boot_protocol: Ipv6BootProtocol = Ipv6BootProtocol::None,
        /// Its IPv6 address. Source: metadata.
        pub ipv6_address: Option<String>,
        /// The length of its prefix, in bits. Source: metadata.
        pub ipv6_prefix: Option<u8>,
        /// Its IPv6 gateway. Source: metadata.
        pub ipv6_gateway: Option<String>,
    }
}
