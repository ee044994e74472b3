//! What is measured of a VM.

use super::enumeration::entity;
use super::{Kibibytes, Percent, Seconds};
use uuid::Uuid;

entity! {
    /// oVirt's `VmStatistics`: usage. Rates need two samples, and so a `--sample` time; without one they
    /// are absent.
    pub struct VmStatistics {
        /// The VM's UUID. Source: `/domain/uuid`.
        #[serde(alias = "vmId")]
        pub id: Option<Uuid>,
        /// The guest's use of CPU, in percent of one host CPU. Source: `vcpu.N.time`, two samples.
        pub cpu_user: Option<Percent>,
        /// The emulator's own use of CPU, in percent of one host CPU. Source: `cpu.time`, `vcpu.N.time`,
        /// two samples.
        pub cpu_sys: Option<Percent>,
        /// Both, in percent of all vCPUs, 100 at most. Source: `cpu.time`, two samples.
        pub usage_cpu_percent: Option<u32>,
        /// CPU time that it has used since it was started or restored, in seconds. Not an oVirt field.
        /// Source: `cpu.time`.
        pub cpu_time: Option<Seconds>,
        /// How long it has run since it was started or restored, in seconds. Source: metadata, else
        /// `ovirt-vm:startTime`.
        pub elapsed_time: Option<Seconds>,
        /// The guest's use of memory, in percent. Source: `balloon.unused`, `balloon.disk_caches`.
        pub usage_mem_percent: Option<u32>,
        /// Memory that the guest could give away, in KiB. Source: `balloon.unused`,
        /// `balloon.disk_caches`.
        pub guest_memory_free: Option<Kibibytes>,
        /// Memory that the guest does not use at all, in KiB. Source: `balloon.unused`.
        pub guest_memory_unused: Option<Kibibytes>,
        /// Memory that holds data to be written, in KiB; only oVirt's old agent told it. Source:
        /// metadata.
        pub guest_memory_buffered: Option<Kibibytes>,
        /// Memory that holds files, in KiB. Source: `balloon.disk_caches`.
        pub guest_memory_cached: Option<Kibibytes>,
        /// Memory that the balloon leaves to the guest, in KiB. Not an oVirt field. Source:
        /// `balloon.current`.
        pub balloon_current: Option<Kibibytes>,
        /// Memory that it takes up on the host, in KiB. Not an oVirt field. Source: `balloon.rss`.
        pub balloon_rss: Option<Kibibytes>,
        /// The busiest direction of the busiest network card, in percent of its speed. Source:
        /// `net.N.rx.bytes`, `net.N.tx.bytes`, two samples.
        pub usage_network_percent: Option<u32>,
        /// How far a migration away is, in percent. Source: `virDomainGetJobStats`.
        pub migration_progress_percent: Option<u32>,
        /// The guest's file systems. oVirt has a list in JSON, in one text. Source:
        /// `virDomainGetGuestInfo`, `fs.N`.
        pub disks_usage: Vec<FileSystemUsage>,
        /// The last samples of the CPU's use, in percent. Source: metadata.
        pub cpu_usage_history: Vec<u32>,
        /// The last samples of the memory's use, in percent. Source: metadata.
        pub memory_usage_history: Vec<u32>,
        /// The last samples of the network's use, in percent. Source: metadata.
        pub network_usage_history: Vec<u32>,
    }
}

entity! {
    /// One entry of oVirt's `disksUsage`: a file system of the guest.
    pub struct FileSystemUsage {
        /// Where it is mounted. Source: `virDomainGetGuestInfo`, `fs.N.mountpoint`.
        pub path: String,
        /// Its kind. Source: `virDomainGetGuestInfo`, `fs.N.fstype`.
        pub fs: Option<String>,
        /// Its size, in bytes. Source: `virDomainGetGuestInfo`, `fs.N.total-bytes`.
        pub total: super::Bytes,
        /// What is used of it, in bytes. Source: `virDomainGetGuestInfo`, `fs.N.used-bytes`.
        pub used: super::Bytes,
    }
}
