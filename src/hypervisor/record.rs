//! What libvirt's queries answer with, as plain data.

use std::collections::BTreeMap;
use std::ops::BitOr;
use virt::sys;

/// One value of a [`Record`].
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `VIR_TYPED_PARAM_INT`, `VIR_TYPED_PARAM_LLONG`.
    Integer(i64),
    /// `VIR_TYPED_PARAM_UINT`, `VIR_TYPED_PARAM_ULLONG`.
    Unsigned(u64),
    /// `VIR_TYPED_PARAM_DOUBLE`.
    Float(f64),
    /// `VIR_TYPED_PARAM_BOOLEAN`.
    Boolean(bool),
    /// `VIR_TYPED_PARAM_STRING`; what is not UTF-8 in it is replaced.
    Text(String),
}

/// A set of libvirt's typed parameters, under libvirt's own names and in libvirt's own units.
///
/// Which names are there depends on the driver, on the version, and on what the domain does just now:
/// anything may be absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record(BTreeMap<String, Value>);

impl Record {
    /// A record of these values. Of two with the same name the last one counts.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self(values.into_iter().collect())
    }

    /// The value of this name, of whatever type.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The whole number of this name. libvirt counts in signed and in unsigned ones, and has changed its
    /// mind about some; so either is taken, unless it is negative.
    #[must_use]
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        match *self.get(key)? {
            Value::Unsigned(value) => Some(value),
            Value::Integer(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    /// The whole number of this name, unless it is beyond [`i64::MAX`].
    #[must_use]
    pub fn integer(&self, key: &str) -> Option<i64> {
        match *self.get(key)? {
            Value::Integer(value) => Some(value),
            Value::Unsigned(value) => i64::try_from(value).ok(),
            _ => None,
        }
    }

    /// The floating-point number of this name.
    #[must_use]
    pub fn float(&self, key: &str) -> Option<f64> {
        match *self.get(key)? {
            Value::Float(value) => Some(value),
            _ => None,
        }
    }

    /// The truth value of this name.
    #[must_use]
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match *self.get(key)? {
            Value::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// The text of this name.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(value) => Some(value),
            _ => None,
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

/// Groups of statistics (`virDomainStatsTypes`), joined with `|`. The default is all that the driver
/// has.
///
/// Of a running domain, libvirt knows [`STATE`](Self::STATE) and [`INTERFACE`](Self::INTERFACE) by
/// itself. For the others it asks QEMU, and waits for ever if that has hung. Of an inactive domain there
/// are the state, the numbers of CPUs, the sizes of memory, and the disks; its `cpu.*` mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatisticsGroups(pub(super) u32);

impl StatisticsGroups {
    /// `state.*`
    pub const STATE: Self = Self(sys::VIR_DOMAIN_STATS_STATE);
    /// `cpu.*`: the time of all its virtual CPUs together, in nanoseconds.
    pub const CPU_TOTAL: Self = Self(sys::VIR_DOMAIN_STATS_CPU_TOTAL);
    /// `balloon.*`: memory, in KiB.
    pub const BALLOON: Self = Self(sys::VIR_DOMAIN_STATS_BALLOON);
    /// `vcpu.*`
    pub const VCPU: Self = Self(sys::VIR_DOMAIN_STATS_VCPU);
    /// `net.*`
    pub const INTERFACE: Self = Self(sys::VIR_DOMAIN_STATS_INTERFACE);
    /// `block.*`
    pub const BLOCK: Self = Self(sys::VIR_DOMAIN_STATS_BLOCK);
}

impl BitOr for StatisticsGroups {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Groups of what a guest tells of itself (`virDomainGuestInfoTypes`), joined with `|`. The default is
/// all that its agent can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuestGroups(pub(super) u32);

impl GuestGroups {
    /// `user.*`: who is logged in.
    pub const USERS: Self = Self(sys::VIR_DOMAIN_GUEST_INFO_USERS);
    /// `os.*`
    pub const OS: Self = Self(sys::VIR_DOMAIN_GUEST_INFO_OS);
    /// `timezone.*`
    pub const TIMEZONE: Self = Self(sys::VIR_DOMAIN_GUEST_INFO_TIMEZONE);
    /// `hostname`
    pub const HOSTNAME: Self = Self(sys::VIR_DOMAIN_GUEST_INFO_HOSTNAME);
    /// `fs.*`: what is mounted.
    pub const FILESYSTEM: Self = Self(sys::VIR_DOMAIN_GUEST_INFO_FILESYSTEM);
    /// `disk.*` (since libvirt 7.0)
    pub const DISKS: Self = Self(sys::VIR_DOMAIN_GUEST_INFO_DISKS);
    /// `if.*` (since libvirt 7.10)
    pub const INTERFACES: Self = Self(sys::VIR_DOMAIN_GUEST_INFO_INTERFACES);
}

impl BitOr for GuestGroups {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Who is asked for a guest's addresses (`virDomainInterfaceAddressesSource`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// The DHCP servers of libvirt's networks.
    Lease,
    /// The agent in the guest.
    Agent,
    /// The ARP table of the daemon's host.
    Arp,
}

impl AddressSource {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Lease => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
            Self::Agent => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
            Self::Arp => sys::VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
        }
    }
}

/// A network card, as an [`AddressSource`] knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestInterface {
    /// The guest's own name of it (agent), or the host's (lease, ARP).
    pub name: String,
    /// Its hardware address, where it has one.
    pub mac: Option<String>,
    /// Its IPv4 and IPv6 addresses, without the prefix.
    pub addresses: Vec<String>,
}

/// A snapshot of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineSnapshot {
    /// Its name (`virDomainSnapshotGetName`).
    pub name: String,
    /// Whether it is what the domain's disks have gone on from (`virDomainSnapshotIsCurrent`).
    pub is_current: bool,
    /// libvirt's `<domainsnapshot>`, without secrets (`virDomainSnapshotGetXMLDesc`).
    pub xml: String,
}

/// How large a disk of a domain is, in bytes (`virDomainGetBlockInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo {
    /// The size that the guest sees.
    pub capacity: u64,
    /// The space that it takes up on the host; of QCOW2 on a device, the end of what was written.
    pub allocation: u64,
    /// The size of its file or device.
    pub physical: u64,
}

/// How libvirt gets on with a domain's QEMU (`virDomainGetControlInfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// What the way to it is doing.
    pub state: ControlState,
    /// For how long it has been so, in milliseconds; 0 where libvirt does not say.
    pub milliseconds: u64,
}

impl Control {
    /// Whether another question has waited for QEMU so long that one more would only wait behind it,
    /// for libvirt's 30 s.
    #[must_use]
    pub fn is_stuck(self) -> bool {
        const LONG_MILLISECONDS: u64 = 2_000;
        matches!(self.state, ControlState::Job | ControlState::Occupied)
            && self.milliseconds > LONG_MILLISECONDS
    }
}

/// What the way to a domain's QEMU is doing (`virDomainControlState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlState {
    /// It is free.
    Ok,
    /// A job runs in the background.
    Job,
    /// It waits for an answer of QEMU's.
    Occupied,
    /// It is of no use any more: libvirt has lost QEMU.
    Error,
    /// A state that came after this was written.
    Other(u32),
}

impl From<u32> for ControlState {
    fn from(number: u32) -> Self {
        match number {
            sys::VIR_DOMAIN_CONTROL_OK => Self::Ok,
            sys::VIR_DOMAIN_CONTROL_JOB => Self::Job,
            sys::VIR_DOMAIN_CONTROL_OCCUPIED => Self::Occupied,
            sys::VIR_DOMAIN_CONTROL_ERROR => Self::Error,
            other => Self::Other(other),
        }
    }
}

/// Which XML of a domain is meant (`virDomainXMLFlags`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XmlFlags {
    /// What it boots with next time, not what it runs with.
    pub inactive: bool,
    /// Without what libvirt fills in by itself, so that another host takes it.
    pub migratable: bool,
    /// With passwords; needs a connection that may write.
    pub secure: bool,
}

impl XmlFlags {
    pub(super) fn bits(self) -> u32 {
        [
            (self.inactive, sys::VIR_DOMAIN_XML_INACTIVE),
            (self.migratable, sys::VIR_DOMAIN_XML_MIGRATABLE),
            (self.secure, sys::VIR_DOMAIN_XML_SECURE),
        ]
        .into_iter()
        .filter_map(|(wanted, bit)| wanted.then_some(bit))
        .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: Value) -> Record {
        Record::new([("x".to_owned(), value)])
    }

    #[test]
    fn a_whole_number_is_read_whatever_its_sign_if_it_fits() {
        for (value, unsigned, integer) in [
            (Value::Integer(7), Some(7), Some(7)),
            (Value::Integer(-1), None, Some(-1)),
            (Value::Unsigned(7), Some(7), Some(7)),
            (Value::Unsigned(u64::MAX), Some(u64::MAX), None),
            (Value::Float(7.0), None, None),
            (Value::Boolean(true), None, None),
            (Value::Text("7".to_owned()), None, None),
        ] {
            let record = record(value);
            assert_eq!(record.unsigned("x"), unsigned, "{record:?}");
            assert_eq!(record.integer("x"), integer, "{record:?}");
        }
    }

    #[test]
    fn other_values_are_read_as_what_they_are_only() {
        let float = record(Value::Float(0.5));
        assert_eq!((float.float("x"), float.text("x")), (Some(0.5), None));
        let boolean = record(Value::Boolean(true));
        assert_eq!(
            (boolean.boolean("x"), boolean.float("x")),
            (Some(true), None)
        );
        let text = record(Value::Text("web".to_owned()));
        assert_eq!((text.text("x"), text.boolean("x")), (Some("web"), None));
        assert_eq!(text.get("y"), None);
    }

    #[test]
    fn a_record_lists_its_values_by_name() {
        let values = ["b", "a"].map(|key| (key.to_owned(), Value::Integer(1)));
        let record = Record::new(values);
        let names: Vec<&str> = record.iter().map(|(key, _)| key).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(!record.is_empty() && Record::default().is_empty());
    }

    #[test]
    fn groups_and_flags_join() {
        let groups = StatisticsGroups::STATE | StatisticsGroups::BLOCK;
        assert_eq!(groups, StatisticsGroups(33));
        assert_eq!(GuestGroups::OS | GuestGroups::INTERFACES, GuestGroups(0x42));
        let flags = XmlFlags {
            inactive: true,
            migratable: false,
            secure: true,
        };
        assert_eq!((flags.bits(), XmlFlags::default().bits()), (3, 0));
    }

    #[test]
    fn a_control_state_of_tomorrow_keeps_its_number() {
        assert_eq!(ControlState::from(2), ControlState::Occupied);
        assert_eq!(ControlState::from(9), ControlState::Other(9));
    }
}
