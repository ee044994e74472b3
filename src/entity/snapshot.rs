//! Snapshots.

use super::enumeration::entity;
use super::{DiskImage, Secret, SnapshotStatus, SnapshotType};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::PathBuf;
use uuid::Uuid;

entity! {
    /// oVirt's `Snapshot`. The list ends with the one that stands for the present (`ACTIVE`), whose
    /// memory is the hibernation image, if there is one.
    pub struct Snapshot {
        /// Its UUID. Source: `virDomainSnapshotGetName`, if the name is one.
        pub id: Option<Uuid>,
        /// Its name. Not an oVirt field. Source: `virDomainSnapshotGetName`.
        pub name: String,
        /// The name of the one that it was made upon. Not an oVirt field. Source:
        /// `/domainsnapshot/parent/name`.
        pub parent: Option<String>,
        /// Whether the present was made upon it. Not an oVirt field. Source:
        /// `virDomainSnapshotIsCurrent`.
        pub current: bool,
        /// What it is for. Source: libvirt's are REGULAR.
        #[serde(rename = "type")]
        pub snapshot_type: Option<SnapshotType>,
        /// What is going on with it. Source: LOCKED while `virDomainGetJobStats` tells of a job with
        /// snapshots.
        pub status: Option<SnapshotStatus>,
        /// The VM's UUID. Source: `/domain/uuid`.
        pub vm_id: Option<Uuid>,
        /// The state that the VM was in, in libvirt's words. Not an oVirt field. Source:
        /// `/domainsnapshot/state`.
        pub vm_state: Option<String>,
        /// Free text. Source: `/domainsnapshot/description`.
        pub description: Option<String>,
        /// When it was made. Source: `/domainsnapshot/creationTime`.
        pub creation_date: Option<Timestamp>,
        /// The VM's configuration then, as domain XML. It may hold secrets, and so is shown with
        /// `--security-info` only. Source: `/domainsnapshot/domain`.
        pub vm_configuration: Option<Secret>,
        /// Whether there is such a configuration. Source: `/domainsnapshot/domain`.
        pub vm_configuration_available: bool,
        /// Whether it cannot be read. Source: `/domainsnapshot/domain`.
        pub vm_configuration_broken: bool,
        /// Applications that the guest had. Source: metadata.
        pub app_list: Option<String>,
        /// oVirt's older way to name the memory's volumes. Source: metadata.
        pub memory_volume: String,
        /// The volume that holds the memory. Source: metadata.
        pub memory_disk_id: Option<Uuid>,
        /// The volume that holds what belongs to it. Source: metadata.
        pub metadata_disk_id: Option<Uuid>,
        /// Where the memory is: `internal` in a disk, or a file. Not an oVirt field. Source:
        /// `/domainsnapshot/memory/@snapshot`, `/domainsnapshot/memory/@file`; of the present the
        /// hibernation image.
        pub memory: Option<PathBuf>,
        /// The disks that it holds, as they were configured then. Source: `/domainsnapshot/disks/disk`,
        /// `/domainsnapshot/domain`.
        pub disk_images: Vec<DiskImage>,
        /// What it changes, if it is for the next run. Source: the live XML beside the persistent one.
        pub changed_fields: BTreeSet<String>,
    }
}
