//! What nobody else remembers of a VM's runs, in its metadata: when it was started, restored and stopped.
//!
//! An image carries the metadata of the moment of its save, and the persistent definition its own: so
//! after a start or a restore both are written, and after a save the persistent one, which is what is
//! seen while the VM sleeps.

use super::Run;
use crate::definition::{METADATA_NAMESPACE, METADATA_PREFIX, Metadata};
use crate::entity::{Milliseconds, VmDynamic};
use crate::hypervisor::{HypervisorError, Machine};
use jiff::Timestamp;

impl Run<'_> {
    /// The VM has just been hibernated, and is known to libvirt still.
    pub(super) fn remember_stop(machine: &Machine, warnings: &mut Vec<String>) {
        // A transient VM is gone, and takes its metadata along: the record beside the image has the time.
        if machine.is_persistent().unwrap_or_default() {
            let stopped = |dynamic: &mut VmDynamic| dynamic.last_stop_time = Some(Timestamp::now());
            note(machine, false, stopped, warnings);
        }
    }

    /// The VM has just been restored; what it slept through is known from its image, else from its
    /// metadata.
    pub(super) fn remember_restore(
        machine: &Machine,
        saved_at: Option<Timestamp>,
        warnings: &mut Vec<String>,
    ) {
        let now = Timestamp::now();
        let restored = |dynamic: &mut VmDynamic| {
            if let Some(stopped) = saved_at.or(dynamic.last_stop_time) {
                let slept = now.duration_since(stopped).as_millis();
                let slept = u64::try_from(slept).unwrap_or_default();
                dynamic.downtime = Milliseconds(dynamic.downtime.0.saturating_add(slept));
                dynamic.last_stop_time = Some(stopped);
            }
            dynamic.last_start_time = Some(now);
        };
        note(machine, true, restored, warnings);
    }

    /// The VM has just been booted.
    pub(super) fn remember_start(machine: &Machine, warnings: &mut Vec<String>) {
        let now = Timestamp::now();
        let started = |dynamic: &mut VmDynamic| {
            dynamic.boot_time = Some(now);
            dynamic.last_start_time = Some(now);
            dynamic.downtime = Milliseconds::default();
            dynamic.exit_message = None;
            dynamic.stop_reason = None;
        };
        note(machine, true, started, warnings);
    }
}

/// Changes what is remembered, in the live and in the persistent definition, each upon what stands there.
/// It never fails a command: the VM's memory is what matters.
fn note(
    machine: &Machine,
    live: bool,
    change: impl Fn(&mut VmDynamic),
    warnings: &mut Vec<String>,
) {
    let write = |config: bool| -> Result<(), HypervisorError> {
        let old = machine.own_metadata(METADATA_NAMESPACE, config)?;
        let new = Metadata::remember(old.as_deref(), &change);
        machine.set_own_metadata(
            METADATA_NAMESPACE,
            METADATA_PREFIX,
            Some(&new),
            !config,
            config,
        )
    };
    let live = if live { write(false) } else { Ok(()) };
    let kept = match machine.is_persistent() {
        Ok(true) => write(true),
        Ok(false) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = live.and(kept)
        && !error.is_no_support()
        && !error.is_no_domain()
    {
        warnings.push(format!(
            "its metadata does not tell the time of this: {error}"
        ));
    }
}
