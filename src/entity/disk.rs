//! Disks.

use super::enumeration::entity;
use super::{
    Bytes, BytesPerSecond, DiskBackup, DiskBackupMode, DiskContentType, DiskInterface,
    DiskStorageType, ImageStatus, PropagateErrors, QcowCompat, QuotaEnforcementTypeEnum,
    ScsiGenericIO, Seconds, Secret, VmBlockJobType, VmEntityType, VolumeClassification,
    VolumeFormat, VolumeType,
};
use jiff::Timestamp;
use std::path::PathBuf;
use uuid::Uuid;

entity! {
    /// oVirt's `DiskImage`, with its parents and what it is attached by (`DiskVmElement`): a disk of a
    /// VM, or one layer of it.
    pub struct DiskImage {
        /// The disk's UUID. Source: `disk/serial`, else `ovirt-vm:imageID`, else made from the VM's
        /// UUID and the target.
        pub id: Option<Uuid>,
        /// A label. Source: metadata, else the base name of the path.
        pub disk_alias: String,
        /// Free text. Source: metadata.
        pub disk_description: String,
        /// Where its bytes are: a file, a device, `pool/volume`, or `protocol:name`. Not an oVirt field:
        /// there a volume is found by its numbers. Source: `disk/source`.
        pub image_path: Option<String>,
        /// The kind of that place in libvirt's words: `file`, `block`, `network`, `volume` … None means
        /// `file`. Not an oVirt field. Source: `disk/@type`.
        pub source_type: Option<String>,
        /// The servers that a disk of the network lies on, `host:port`, `[address]:port` or the path of a
        /// socket. Not an oVirt field. Source: `disk/source/host`.
        pub source_hosts: Vec<String>,
        /// The name of the disk in libvirt, such as `vda`. Not an oVirt field. Source:
        /// `disk/target/@dev`.
        pub target_dev: Option<String>,
        /// The serial number that the guest sees. Not an oVirt field. Source: `disk/serial`.
        pub serial: Option<String>,
        /// What it is made of. Source: `disk/@device`, `disk/source/@protocol`.
        pub disk_storage_type: Option<DiskStorageType>,
        /// What it holds. Source: metadata, else a guest's data.
        pub content_type: DiskContentType = DiskContentType::Data,

        /// The bus. Source: `disk/target/@bus`.
        pub disk_interface: Option<DiskInterface>,
        /// Whether the VM boots from it first. Source: `disk/boot/@order` is 1.
        pub boot: bool,
        /// Whether the guest may only read it. Source: `disk/readonly`.
        pub read_only: bool,
        /// Whether several VMs may write to it. Source: `disk/shareable`.
        pub shareable: bool,
        /// Whether the guest's discards reach the storage. Source: `disk/driver/@discard`.
        pub pass_discard: bool,
        /// Whether the guest may reserve it by SCSI. Source: `disk/source/reservations/@managed`.
        pub using_scsi_reservation: bool,
        /// Which SCSI commands the guest may send. Source: `disk/@sgio`.
        pub sgio: Option<ScsiGenericIO>,
        /// Whether the guest hears of its errors. Source: `disk/driver/@error_policy`.
        pub propagate_errors: Option<PropagateErrors>,
        /// How the host caches it. Not an oVirt field. Source: `disk/driver/@cache`.
        pub cache: Option<String>,
        /// How the host reads and writes it. Not an oVirt field. Source: `disk/driver/@io`.
        pub io: Option<String>,
        /// Whether it is attached now. Source: it stands in the live XML.
        pub plugged: Option<bool>,
        /// Its name in the guest. Source: `ovirt-vm:guestName`, else `virDomainGetGuestInfo`, `disk.N`.
        pub logical_name: Option<String>,

        /// The volume's UUID. Source: `ovirt-vm:volumeID`, else metadata.
        pub image_id: Option<Uuid>,
        /// The volume's format. Source: `disk/driver/@type`.
        pub volume_format: Option<VolumeFormat>,
        /// Whether its space is set aside; that of a QCOW2 never is. Of a VM that runs this is told of the
        /// uppermost layer only, as are the sizes on the host. Source: as `actualSizeInBytes` and
        /// `size`.
        pub volume_type: Option<VolumeType>,
        /// Which layer it is. Source: its place in the chain.
        pub volume_classification: Option<VolumeClassification>,
        /// Whether it is the layer that is written to. Source: its place in the chain.
        pub active: Option<bool>,
        /// The size that the guest sees, in bytes. Source: `block.N.capacity`.
        pub size: Option<Bytes>,
        /// The space that it takes up, in bytes. Source: `virDomainGetBlockInfo`, the allocation, of
        /// devices the physical size; of a VM that is off `block.N.allocation`, `block.N.physical`.
        pub actual_size_in_bytes: Option<Bytes>,
        /// The size of its file, in bytes. Source: `virDomainGetBlockInfo`, the physical size; of a VM that
        /// is off `block.N.physical`.
        pub apparent_size_in_bytes: Option<Bytes>,
        /// The space that it and the layers below take up, in bytes, if these are all known, and that of
        /// each; oVirt has it in GiB. Source: as `actualSizeInBytes`.
        pub actual_disk_with_snapshots_size: Option<Bytes>,
        /// The size that it began with, in bytes. Source: metadata.
        pub initial_size_in_bytes: Option<Bytes>,
        /// Whether it can be used. Source: `virDomainGetBlockJobInfo`, `virDomainGetDiskErrors`; of a VM that
        /// is off whether its file is there.
        pub image_status: Option<ImageStatus>,
        /// The version of its format. Source: the storage volume's `target/compat`.
        pub qcow_compat: Option<QcowCompat>,
        /// The layer below it, its file or its UUID. Source: `disk/backingStore/source`.
        pub parent_id: Option<String>,
        /// The volume of the template that it was made from. Source: metadata.
        pub template_image_id: Option<Uuid>,
        /// The snapshot that it belongs to. Source: metadata.
        pub vm_snapshot_id: Option<Uuid>,
        /// That snapshot's description. Source: metadata.
        pub vm_snapshot_description: Option<String>,
        /// When that snapshot was made. Source: metadata.
        pub snapshot_creation_date: Option<Timestamp>,
        /// When it was made. Source: the storage volume's `target/timestamps/btime`, else metadata.
        pub creation_date: Option<Timestamp>,
        /// When it was last written to. Source: the storage volume's `target/timestamps/mtime`, else
        /// metadata.
        #[serde(alias = "lastModifiedDate")]
        pub last_modified: Option<Timestamp>,
        /// Whether somebody holds the lease of its volume. Source: metadata.
        pub lease_status: Option<String>,
        /// How often the volume was changed by the storage. Source: metadata.
        pub generation: Option<u64>,
        /// Its number among the disk's volumes. Source: metadata.
        pub sequence_number: Option<u64>,
        /// Applications that the guest had then. Source: metadata.
        pub app_list: Option<String>,
        /// The layers below it, the next one first. Source: `disk/backingStore`.
        pub snapshots: Vec<DiskImage>,

        /// How far a job on it is, in percent. Source: `virDomainGetBlockJobInfo`.
        pub progress: Option<u32>,
        /// That job. Not a field of oVirt's `DiskImage`: there a VM has a list of them. Source:
        /// `virDomainGetBlockJobInfo`.
        pub block_job: Option<VmBlockJob>,
        /// Reading, in bytes each second. Source: `block.N.rd.bytes`, two samples.
        pub read_rate: Option<BytesPerSecond>,
        /// Writing, in bytes each second. Source: `block.N.wr.bytes`, two samples.
        pub write_rate: Option<BytesPerSecond>,
        /// Requests to read since the start. Source: `block.N.rd.reqs`.
        pub read_ops: Option<u64>,
        /// Requests to write since the start. Source: `block.N.wr.reqs`.
        pub write_ops: Option<u64>,
        /// How long a request to read takes, in seconds. Source: `block.N.rd.times`, two samples.
        pub read_latency: Option<Seconds>,
        /// How long a request to write takes, in seconds. Source: `block.N.wr.times`, two samples.
        pub write_latency: Option<Seconds>,
        /// How long a request to flush takes, in seconds. Source: `block.N.fl.times`, two samples.
        pub flush_latency: Option<Seconds>,

        /// Whether its space is wiped when it is removed. Source: metadata.
        pub wipe_after_delete: Option<bool>,
        /// Whether it is backed up incrementally. Source: metadata.
        pub backup: Option<DiskBackup>,
        /// How the last backup was made. Source: metadata.
        pub backup_mode: Option<DiskBackupMode>,
        /// What it belongs to. Source: metadata.
        pub vm_entity_type: Option<VmEntityType>,
        /// How many VMs use it. Source: metadata.
        pub number_of_vms: u32,
        /// The VMs that use it. Source: metadata.
        pub vm_names: Vec<String>,
        /// The templates that use it. Source: metadata.
        pub template_version_names: Vec<String>,
        /// The storage domain, or libvirt's pool, that it lies in. Source: `ovirt-vm:domainID`, else
        /// `virStoragePoolLookupByTargetPath`, else metadata.
        pub storage_ids: Vec<Uuid>,
        /// That domain's or pool's name. Source: `virStoragePoolLookupByTargetPath`, else metadata.
        pub storages_names: Vec<String>,
        /// The folders of these. Source: metadata.
        pub storage_path: Vec<PathBuf>,
        /// Their kinds. Source: metadata.
        pub storage_types: Vec<String>,
        /// The data centre that it belongs to. Source: `ovirt-vm:poolID`, else metadata.
        pub storage_pool_id: Option<Uuid>,
        /// Its quotas. Source: metadata.
        pub quota_ids: Vec<Uuid>,
        /// Their names. Source: metadata.
        pub quota_names: Vec<String>,
        /// How they are enforced. Source: metadata.
        pub quota_enforcement_type: Option<QuotaEnforcementTypeEnum>,
        /// Its profiles. Source: metadata.
        pub disk_profile_ids: Vec<Uuid>,
        /// Their names. Source: metadata.
        pub disk_profile_names: Vec<String>,
        /// Its path in an archive. Source: metadata.
        pub remote_path: Option<String>,
        /// Whether it is being downloaded or uploaded. Source: metadata.
        pub transfer_type: Option<String>,
        /// How that stands. Source: metadata.
        pub image_transfer_phase: Option<String>,
        /// What has been transferred, in bytes. Source: metadata.
        pub image_transfer_bytes_sent: Option<Bytes>,
        /// What is to be transferred, in bytes. Source: metadata.
        pub image_transfer_bytes_total: Option<Bytes>,
    }
}

entity! {
    /// oVirt's `VmBlockJob`: a job of libvirt's on a disk of a running VM.
    pub struct VmBlockJob {
        /// What it does. Source: `virDomainGetBlockJobInfo`.
        pub block_job_type: VmBlockJobType = VmBlockJobType::Unknown,
        /// How far it is, in a unit of the job's own, mostly bytes. Source: `virDomainGetBlockJobInfo`.
        pub cursor_cur: u64,
        /// Where it ends, in that unit. A copy that has come to it follows what the guest writes, until
        /// somebody ends it. Source: `virDomainGetBlockJobInfo`.
        pub cursor_end: u64,
    }
}

entity! {
    /// oVirt's `Disk`: what disks of all kinds have in common.
    pub struct Disk {
        /// A label. Source: metadata, else the base name of the path.
        pub disk_alias: String,
        /// The name of the disk in libvirt, such as `vda`. Not an oVirt field. Source:
        /// `disk/target/@dev`.
        pub target_dev: Option<String>,
        /// What it is made of. Source: `disk/@device`, `disk/source/@protocol`.
        pub disk_storage_type: Option<DiskStorageType>,
        /// What it holds. Source: metadata, else a guest's data.
        pub content_type: DiskContentType = DiskContentType::Data,
        /// Whether several VMs may write to it. Source: `disk/shareable`.
        pub shareable: bool,
        /// The size that the guest sees, in bytes. Source: `block.N.capacity`.
        pub size: Option<Bytes>,
    }
}

impl VmBlockJob {
    /// How far it is, in percent.
    #[must_use]
    pub fn percent(&self) -> Option<u32> {
        let passed = u128::from(self.cursor_cur) * 100;
        let percent = passed.checked_div(u128::from(self.cursor_end))?;
        u32::try_from(percent).ok()
    }
}

impl DiskImage {
    pub(super) fn hide_secrets_of_places(&mut self) {
        for place in self.image_path.iter_mut().chain(&mut self.source_hosts) {
            *place = Secret::hide_in_place(place);
        }
        self.snapshots
            .iter_mut()
            .for_each(Self::hide_secrets_of_places);
    }

    /// Whether the layers that are told are all that it has: libvirt looks for those of a disk in use, and
    /// below a raw layer there is none. What is configured may leave out the lower ones.
    #[must_use]
    pub fn has_all_layers(&self) -> bool {
        let bottom = self.snapshots.last().unwrap_or(self);
        self.plugged == Some(true) || bottom.volume_format == Some(VolumeFormat::Raw)
    }

    /// Whether it is a device or a network's target, which oVirt calls a LUN.
    #[must_use]
    pub fn is_lun(&self) -> bool {
        self.disk_storage_type == Some(DiskStorageType::Lun)
    }

    /// What disks of all kinds have in common.
    #[must_use]
    pub fn as_disk(&self) -> Disk {
        Disk {
            disk_alias: self.disk_alias.clone(),
            target_dev: self.target_dev.clone(),
            disk_storage_type: self.disk_storage_type.clone(),
            content_type: self.content_type.clone(),
            shareable: self.shareable,
            size: self.size,
        }
    }
}
