//! The model: oVirt's VM entity, as data and rules. Nothing in here reads, writes or calls.
//!
//! The tree and its names are oVirt's (`VmStatic`: what is configured; `VmDynamic`: what is
//! observed). Where a plain libvirt host knows something that oVirt has no field for, the field's
//! documentation says so. For each field the documentation names the source of its value.

#![doc = include_str!("fields.md")]

mod device;
mod disk;
pub(crate) mod enumeration;
mod enums;
mod interface;
mod lifecycle;
#[cfg(test)]
mod sample;
mod saved_image;
mod secret;
mod size;
mod snapshot;
mod status;
mod unit;
mod vm_dynamic;
mod vm_init;
mod vm_static;
mod vm_statistics;

pub use device::{LockInfo, SpecParam, VmDevice, VmDeviceId, VmNumaNode, VmPayload};
pub use disk::{Disk, DiskImage, VmBlockJob};
pub use enums::*;
pub use interface::{GraphicsInfo, GraphicsType, VmNetworkInterface, VmNetworkStatistics};
pub use lifecycle::LifecycleEvent;
#[cfg(test)]
pub(crate) use sample::sample;
pub use saved_image::{SavedImage, Verdict};
pub use secret::Secret;
pub use size::MemorySize;
pub use snapshot::Snapshot;
pub use status::{
    DiskError, DomainState, JobOperation, VmPauseStatus, VmStatus, vm_exit, vm_pause_status,
    vm_status,
};
pub use unit::{Bytes, BytesPerSecond, Kibibytes, Milliseconds, Percent, Seconds};
pub use vm_dynamic::{GuestContainer, VmDynamic};
pub use vm_init::{VmInit, VmInitNetwork};
pub use vm_static::VmStatic;
pub use vm_statistics::{FileSystemUsage, VmStatistics};

use enumeration::{entity, ovirt_enum};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

ovirt_enum! {
    /// oVirt's `ArchitectureType`. libvirt's words are the same, but for `i686`, which is `x86`.
    pub open enum ArchitectureType {
        /// Not known.
        Undefined = 0 "undefined",
        /// 64-bit x86.
        X86_64 = 1 "x86_64",
        /// 64-bit POWER.
        Ppc64 = 2 "ppc64",
        /// 32-bit POWER.
        Ppc = 3 "ppc",
        /// 32-bit x86.
        X86 = 4 "x86" => "i686" | "i386" | "i586",
        /// 64-bit POWER, little endian.
        Ppc64le = 5 "ppc64le",
        /// 32-bit POWER, little endian.
        Ppcle = 6 "ppcle",
        /// IBM Z.
        S390x = 7 "s390x",
    }
}

entity! {
    /// A VM: oVirt's container entity. A definition needs the static part only; what is observed stands
    /// beside it, loads from a definition as well, and is never written back to libvirt.
    pub struct Vm {
        /// What is configured. Source: `virDomainGetXMLDesc`, else metadata.
        #[serde(alias = "VmStatic")]
        pub vm_static: VmStatic = VmStatic::default(),
        /// What the host is called on which it was found, if several were asked. Not an oVirt field. Source: the
        /// list of hosts.
        pub host: Option<String>,
        /// The architecture that the guest sees. Source: `/domain/os/type/@arch`.
        pub cluster_arch: Option<ArchitectureType>,
        /// What is observed. Source: libvirt's answers; what nobody else remembers from metadata.
        #[serde(alias = "VmDynamic")]
        pub vm_dynamic: Option<VmDynamic>,
        /// What is measured. Source: `virConnectGetAllDomainStats`.
        #[serde(alias = "VmStatistics")]
        pub vm_statistics: Option<VmStatistics>,
        /// Files that the guest is offered on a CD or floppy. Source: `ovirt-vm:payload`, else a CD or
        /// floppy of vmlife's making, else metadata.
        #[serde(alias = "VmPayload")]
        pub vm_payload: Option<VmPayload>,
        /// The snapshots, the oldest first, the present, and the next run where that is to
        /// be otherwise. Source: `virDomainListAllSnapshots`.
        pub snapshots: Vec<Snapshot>,
        /// How initialization data reaches the guest. Source: the payload's label, else metadata.
        #[serde(alias = "InitializationType")]
        pub initialization_type: Option<InitializationType>,
        /// Properties of devices that hold for this run. Source: `ovirt-vm:device/custom`, else
        /// metadata.
        pub runtime_device_custom_properties: BTreeMap<VmDeviceId, BTreeMap<String, String>>,
        /// What the next run will have otherwise: fields, and of what is in none of them the place in the XML,
        /// such as `domain/devices/rng`. Source: the live XML beside the persistent one.
        pub next_run_changed_fields: BTreeSet<String>,
        /// Whether the next run will be otherwise. Source: the live XML beside the persistent one.
        pub next_run_configuration_exists: bool,
        /// Whether the VM runs on a snapshot for a look. Source: metadata.
        pub preview_snapshot: bool,
        /// Who holds the VM now. Source: vmlife's lock, else `virDomainGetJobStats`,
        /// `virDomainGetControlInfo`.
        pub lock_info: Option<LockInfo>,
        /// How far a job on it is, in percent; of jobs on several disks, all together. oVirt has -1 where
        /// there is none. Source: `virDomainGetJobStats`, else `virDomainGetBlockJobInfo`.
        pub background_operation_progress: Option<u32>,
        /// What that job does. Source: `virDomainGetJobStats`, `operation`, else
        /// `virDomainGetBlockJobInfo`.
        pub background_operation_description: Option<String>,
        /// All disks, by their UUID. Source: `/domain/devices/disk`; it is not read from a definition.
        pub disk_map: BTreeMap<Uuid, Disk>,
        /// The images of the VM's memory. Not an oVirt field: there the memory hangs on the active
        /// snapshot. Source: the image place, and `virDomainHasManagedSaveImage`.
        pub saved_images: Vec<SavedImage>,
        /// The domain's XML without its secrets. A definition is made of it, with the other fields written
        /// in it, so that what they do not know is not lost. Not an oVirt field. Source:
        /// `virDomainGetXMLDesc`.
        pub domain_xml: Option<String>,
    }
}

impl Vm {
    /// The name, empty if a definition gives none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.vm_static.name
    }

    /// The UUID, if a definition gives one.
    #[must_use]
    pub fn id(&self) -> Option<Uuid> {
        self.vm_static.id
    }

    /// The status; `Unassigned` for what was never observed.
    #[must_use]
    pub fn status(&self) -> VmStatus {
        self.vm_dynamic
            .as_ref()
            .map_or(VmStatus::Unassigned, |dynamic| dynamic.status)
    }

    /// From now on its secrets may be written out.
    pub fn reveal_secrets(&mut self) {
        self.secrets().for_each(Secret::reveal);
    }

    /// From now on its secrets may not be written out.
    pub fn hide_secrets(&mut self) {
        self.secrets().for_each(Secret::hide);
    }

    fn secrets(&mut self) -> impl Iterator<Item = &mut Secret> {
        let init = self.vm_static.vm_init.iter_mut().flat_map(|init| {
            [
                &mut init.authorized_keys,
                &mut init.win_key,
                &mut init.root_password,
                &mut init.custom_script,
            ]
        });
        let dynamic = self.vm_dynamic.iter_mut();
        let tickets = dynamic
            .flat_map(|dynamic| dynamic.graphics_infos.values_mut())
            .map(|console| &mut console.ticket);
        let configurations = self
            .snapshots
            .iter_mut()
            .map(|snapshot| &mut snapshot.vm_configuration);
        let files = self
            .vm_payload
            .iter_mut()
            .flat_map(|payload| payload.files.values_mut());
        init.chain(tickets)
            .chain(configurations)
            .flatten()
            .chain(files)
    }

    /// The places of its disks and CDs no longer say what only their owner may know: see
    /// [`Secret::hide_in_place`]. libvirt must not be told of them after that.
    pub fn hide_secrets_of_places(&mut self) {
        let configured = &mut self.vm_static;
        let of_snapshots = self.snapshots.iter_mut();
        configured
            .images
            .iter_mut()
            .chain(&mut configured.disk_list)
            .chain(of_snapshots.flat_map(|snapshot| &mut snapshot.disk_images))
            .for_each(DiskImage::hide_secrets_of_places);
        let payload = self.vm_payload.as_mut();
        for place in [
            configured.iso_path.as_mut(),
            configured.kernel_url.as_mut(),
            configured.initrd_url.as_mut(),
            payload.and_then(|payload| payload.image_path.as_mut()),
        ]
        .into_iter()
        .flatten()
        {
            if let Some(text) = place.to_str() {
                *place = Secret::hide_in_place(text).into();
            }
        }
    }

    /// Whether it holds the text of secrets.
    #[must_use]
    pub fn holds_secrets(&self) -> bool {
        let init = self.vm_static.vm_init.iter();
        let init = init.flat_map(|init| {
            [
                &init.authorized_keys,
                &init.win_key,
                &init.root_password,
                &init.custom_script,
            ]
        });
        let dynamic = self.vm_dynamic.iter();
        let tickets = dynamic
            .flat_map(|dynamic| dynamic.graphics_infos.values())
            .map(|console| &console.ticket);
        let payload = self.vm_payload.iter();
        let files = payload.flat_map(|payload| payload.files.values());
        init.chain(tickets)
            .flatten()
            .chain(files)
            .any(|secret| secret.expose().is_some())
            || {
                let mut without = self.clone();
                without.hide_secrets_of_places();
                without != *self
            }
    }

    /// The image that a restore would take: a good one, a managed save before a file, since libvirt
    /// itself would take that one at the next start.
    #[must_use]
    pub fn restorable_image(&self) -> Option<&SavedImage> {
        self.saved_images
            .iter()
            .filter(|image| image.verdict == Verdict::Good)
            .max_by_key(|image| image.managed)
    }
}
