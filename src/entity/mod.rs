//! The model: oVirt's VM entity, as data and rules. Nothing in here reads, writes or calls.
//!
//! The tree and its names are oVirt's (`VmStatic`: what is configured; `VmDynamic`: what is
//! observed). Where a plain libvirt host knows something that oVirt has no field for, the field's
//! documentation says so. For each field the documentation names the source of its value.

mod device;
mod enumeration;
mod saved_image;
mod size;
mod status;
mod vm_dynamic;
mod vm_static;

pub use device::{
    DiskImage, DiskInterface, DisplayType, GraphicsInfo, GraphicsType, VmInterfaceType,
    VmNetworkInterface, VolumeFormat,
};
pub use saved_image::{SavedImage, Verdict};
pub use size::MemorySize;
pub use status::{
    DiskError, DomainState, JobOperation, VmPauseStatus, VmStatus, vm_pause_status, vm_status,
};
pub use vm_dynamic::VmDynamic;
pub use vm_static::VmStatic;

use enumeration::ovirt_enum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

ovirt_enum! {
    /// oVirt's `ArchitectureType`. libvirt's words are the same, but for `i686`, which is `x86`.
    pub enum ArchitectureType {
        /// Not known, or none that oVirt has a name for.
        Undefined = 0 "undefined",
        /// 64-bit x86.
        X86_64 = 1 "x86_64",
        /// 64-bit POWER.
        Ppc64 = 2 "ppc64",
        /// 32-bit POWER.
        Ppc = 3 "ppc",
        /// 32-bit x86.
        X86 = 4 "x86",
        /// 64-bit POWER, little endian.
        Ppc64le = 5 "ppc64le",
        /// 32-bit POWER, little endian.
        Ppcle = 6 "ppcle",
        /// IBM Z.
        S390x = 7 "s390x",
    }
}

/// A VM: oVirt's container entity. A definition needs the static part only; what is observed stands
/// beside it, loads from a definition as well, and is never written back to libvirt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Vm {
    /// What is configured.
    pub vm_static: VmStatic,
    /// The architecture that the guest sees. Source: `/domain/os/type/@arch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_arch: Option<ArchitectureType>,
    /// What is observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_dynamic: Option<VmDynamic>,
    /// The images of the VM's memory. Not an oVirt field: there the memory hangs on the active
    /// snapshot. Source: the image place, and `virDomainHasManagedSaveImage`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub saved_images: Vec<SavedImage>,
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
