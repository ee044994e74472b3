//! What is observed of a VM.

use super::{GraphicsInfo, GraphicsType, VmPauseStatus, VmStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// oVirt's `VmDynamic`: the state of a VM at run time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VmDynamic {
    /// The VM's UUID, the same as in the static part. Source: `/domain/uuid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// Where the VM is in its life. Source: `virDomainGetState`, `virDomainGetJobStats` and the
    /// images.
    pub status: VmStatus,
    /// Why it is paused. Source: `virDomainGetState`, `virDomainGetDiskErrors`.
    #[serde(default = "not_paused")]
    pub pause_status: VmPauseStatus,
    /// libvirt's own words for the reason of its state, as virsh prints them. Not an oVirt field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status_reason: String,
    /// Whether the guest put itself to sleep (ACPI S3), so that a wake-up, not a resume, helps. Not
    /// an oVirt field: oVirt shows such a VM as paused. Source: libvirt's state `pmsuspended`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asleep: bool,
    /// libvirt's number of the running domain; it changes at every start. Not an oVirt field.
    /// Source: `virDomainGetID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_id: Option<u32>,
    /// The machine type in use. Source: `/domain/os/type/@machine` of the live domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulated_machine: Option<String>,
    /// The consoles that a viewer can open now. Source: `/domain/devices/graphics` of the live
    /// domain.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub graphics_infos: BTreeMap<GraphicsType, GraphicsInfo>,
}

impl VmDynamic {
    /// Whether libvirt remembers that it saved the VM. That proves nothing about an image, and is
    /// forgotten with the daemon's end; it is reason enough for care.
    #[must_use]
    pub fn was_saved(&self) -> bool {
        self.status == VmStatus::Down && self.status_reason == "saved"
    }
}

fn not_paused() -> VmPauseStatus {
    VmPauseStatus::None
}
