//! What nobody else remembers of a VM's runs, in its metadata: when it was started, restored and stopped.
//!
//! An image carries the metadata of the moment of its save, and the persistent definition its own: so
//! after a start or a restore both are written, and after a save the persistent one, which is what is
//! seen while the VM sleeps.
//!
//! Others start, save and restore VMs as well, and leave that alone; and definitions are copied. So the UUID
//! stands with it, and in the live definition libvirt's number of the run: a start by others copies the
//! persistent definition, which has none, and after a restore by others it is that of the earlier run.

use super::Run;
use crate::definition::{METADATA_NAMESPACE, METADATA_PREFIX, Metadata};
use crate::entity::{MemorySize, Milliseconds, Vm, VmDynamic};
use crate::hypervisor::{HypervisorError, Machine};
use jiff::Timestamp;
use std::path::Path;
use uuid::Uuid;

impl Run<'_> {
    /// The VM, which was as `before`, has just been hibernated, to this file or into libvirt's keeping, and is known
    /// to libvirt still.
    pub(super) fn remember_stop(
        machine: &Machine,
        before: &Vm,
        image: Option<&Path>,
        warnings: &mut Vec<String>,
    ) {
        // A transient VM is gone, and takes its metadata along: the record beside the image has the time.
        if machine.is_persistent().unwrap_or_default() {
            let run = before.vm_dynamic.as_ref();
            let stopped = |dynamic: &mut VmDynamic| {
                dynamic.boot_time = run.and_then(|run| run.boot_time);
                dynamic.downtime = run.map(|run| run.downtime).unwrap_or_default();
                dynamic.last_start_time = run.and_then(|run| run.last_start_time);
                dynamic.last_stop_time = Some(Timestamp::now());
                dynamic.hibernated_to = image.map(Path::to_path_buf);
                dynamic.image_given_up = None;
            };
            note(machine, false, stopped, warnings);
        }
    }

    /// The image of the VM was given up, or this one alone: it is not missed.
    pub(super) fn remember_no_image(
        machine: &Machine,
        alone: Option<&Path>,
        warnings: &mut Vec<String>,
    ) {
        let found = machine.own_metadata(METADATA_NAMESPACE, true);
        let known = Metadata::recall(found.ok().flatten().as_deref());
        if alone.is_none() || alone == known.hibernated_to.as_deref() {
            let given_up = |dynamic: &mut VmDynamic| {
                dynamic.hibernated_to = None;
                dynamic.image_given_up = Some(Timestamp::now());
            };
            note(machine, false, given_up, warnings);
        }
    }

    /// Notes how much memory the guest that runs had before it was shrunk, or that it has it back: in the live
    /// definition only, which goes into an image with the guest, and not in that which the next boot finds. `false`
    /// if an element that is not vmlife's stands there.
    pub(super) fn remember_trim(
        machine: &Machine,
        before: Option<MemorySize>,
    ) -> Result<bool, HypervisorError> {
        write(machine, false, |dynamic| {
            dynamic.memory_before_trim = before;
        })
    }

    /// That note, if there is one.
    pub(super) fn trimmed_from(machine: &Machine) -> Result<Option<MemorySize>, HypervisorError> {
        let found = machine.own_metadata(METADATA_NAMESPACE, false)?;
        let known = Metadata::recall(found.as_deref());
        let is_own = known.id == Some(machine.id());
        Ok(known.memory_before_trim.filter(|_| is_own))
    }

    /// Notes in the live definition that the guest is paused only until its group is hibernated, or that it no longer
    /// is. Without that note it stays paused for nobody if this command does not get to its end.
    pub(super) fn remember_group(
        machine: &Machine,
        is_paused: bool,
    ) -> Result<bool, HypervisorError> {
        let run = machine.domain_id();
        let ran = if is_paused {
            machine.vcpu_time()?
        } else {
            None
        };
        if is_paused && ran.is_none() {
            // Nobody could tell whether it runs meanwhile.
            return Ok(false);
        }
        write(machine, false, |dynamic| {
            if dynamic.domain_id != run {
                // The times there are of another run, and would seem to be of this one.
                dynamic.forget_runs();
            }
            dynamic.domain_id = run;
            dynamic.paused_for_group = ran;
        })
    }

    /// The same of one that has just been loaded.
    pub(super) fn remember_group_wait(machine: &Machine, warnings: &mut Vec<String>) {
        let why = match Self::remember_group(machine, true) {
            Ok(true) => return,
            Ok(false) => String::new(),
            Err(error) => format!(": {error}"),
        };
        warnings.push(format!(
            "its metadata does not tell that it is paused for its group{why}"
        ));
    }

    /// The VM has just been restored. When it was saved is known from its image, else from its metadata.
    pub(super) fn remember_restore(
        machine: &Machine,
        saved_at: Option<Timestamp>,
        warnings: &mut Vec<String>,
    ) {
        let now = Timestamp::now();
        let recall = |config| {
            let found = machine.own_metadata(METADATA_NAMESPACE, config);
            Metadata::recall(found.ok().flatten().as_deref())
        };
        let live = recall(false);
        let kept = machine.is_persistent().unwrap_or_default();
        let kept = kept.then(|| recall(true));
        let asleep_since = asleep_since(machine.id(), &live, kept.as_ref(), saved_at);
        let restored = |dynamic: &mut VmDynamic| {
            dynamic.forget_runs();
            dynamic.paused_for_group = None;
            if let Some(stopped) = asleep_since {
                let slept = now.duration_since(stopped).as_millis();
                let slept = u64::try_from(slept).unwrap_or_default();
                dynamic.boot_time = live.boot_time;
                dynamic.downtime = Milliseconds(live.downtime.0.saturating_add(slept));
            }
            dynamic.last_stop_time = saved_at.or(asleep_since);
            dynamic.last_start_time = Some(now);
        };
        note(machine, true, restored, warnings);
    }

    /// The VM has just been booted. When it ended before, nobody tells for certain.
    pub(super) fn remember_start(machine: &Machine, warnings: &mut Vec<String>) {
        let now = Timestamp::now();
        let started = |dynamic: &mut VmDynamic| {
            dynamic.forget_runs();
            dynamic.boot_time = Some(now);
            dynamic.last_start_time = Some(now);
            dynamic.exit_message = None;
            dynamic.stop_reason = None;
            dynamic.memory_before_trim = None;
            dynamic.paused_for_group = None;
        };
        note(machine, true, started, warnings);
    }
}

/// Since when a VM has slept that has just been restored, if its image tells of the run that vmlife has
/// hibernated then: as `kept` in its persistent definition has it, if there is one. Otherwise it may have been
/// saved and restored by others meanwhile, and how long it slept in all is not known.
fn asleep_since(
    id: Uuid,
    live: &VmDynamic,
    kept: Option<&VmDynamic>,
    saved_at: Option<Timestamp>,
) -> Option<Timestamp> {
    let is_own = |dynamic: &VmDynamic| dynamic.id == Some(id);
    let started = live.last_start_time.filter(|_| is_own(live))?;
    let noted = match kept {
        Some(kept) if is_own(kept) && kept.last_start_time == Some(started) => {
            Some(kept.last_stop_time?)
        }
        Some(_) => return None,
        None => None,
    };
    // Whoever saved it later was not vmlife.
    let is_later = noted.zip(saved_at).is_some_and(|(noted, at)| noted < at);
    let stopped = saved_at.or(noted).filter(|_| !is_later)?;
    (stopped >= started).then_some(stopped)
}

/// Changes what is remembered, in the live and in the persistent definition, each upon what stands there.
/// It never fails a command: the VM's memory is what matters.
fn note(
    machine: &Machine,
    live: bool,
    change: impl Fn(&mut VmDynamic),
    warnings: &mut Vec<String>,
) {
    let write = |config: bool| {
        write(machine, config, |dynamic| {
            change(dynamic);
            dynamic.domain_id = machine.domain_id().filter(|_| !config);
        })
    };
    let live = if live { write(false) } else { Ok(true) };
    let kept = match machine.is_persistent() {
        Ok(true) => write(true),
        Ok(false) => Ok(true),
        Err(error) => Err(error),
    };
    match live.and_then(|live| Ok(kept? && live)) {
        Ok(true) => {}
        Ok(false) => warnings.push(format!(
            "its metadata does not tell the time of this: an element that is not vmlife's stands in the \
             namespace {METADATA_NAMESPACE}"
        )),
        Err(error) if error.is_no_support() || error.is_no_domain() => {}
        Err(error) => warnings.push(format!(
            "its metadata does not tell the time of this: {error}"
        )),
    }
}

/// Changes what is remembered, in the persistent definition (`config`) or in the live one. `false` if an element
/// that is not vmlife's stands there.
fn write(
    machine: &Machine,
    config: bool,
    change: impl FnOnce(&mut VmDynamic),
) -> Result<bool, HypervisorError> {
    let old = machine.own_metadata(METADATA_NAMESPACE, config)?;
    let new = Metadata::remember(old.as_deref(), |dynamic| {
        if dynamic.id.is_some_and(|id| id != machine.id()) {
            // It was copied from another VM, with what is about that.
            *dynamic = VmDynamic::default();
        }
        change(dynamic);
        dynamic.id = Some(machine.id());
    });
    let Some(new) = new else { return Ok(false) };
    machine.set_own_metadata(
        METADATA_NAMESPACE,
        METADATA_PREFIX,
        Some(&new),
        !config,
        config,
    )?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_known_only_of_the_run_that_was_hibernated() {
        let id = Uuid::from_u128(7);
        let at = |hour: u8| Some(format!("2026-01-01T{hour:02}:00:00Z").parse().unwrap());
        let run = |start: u8, stop: Option<Timestamp>| VmDynamic {
            id: Some(id),
            last_start_time: at(start),
            last_stop_time: stop,
            ..VmDynamic::default()
        };
        let live = run(1, None);
        let since = |kept: &VmDynamic, saved| asleep_since(id, &live, Some(kept), saved);
        assert_eq!(since(&run(1, at(3)), at(3)), at(3));
        assert_eq!(
            since(&run(1, at(3)), at(2)),
            at(2),
            "it was noted a little later"
        );
        assert_eq!(since(&run(1, at(3)), None), at(3));
        assert_eq!(
            asleep_since(id, &live, None, at(3)),
            at(3),
            "a transient VM"
        );
        for (kept, saved, why) in [
            (run(1, at(3)), at(4), "somebody else has saved it"),
            (run(1, None), at(4), "vmlife has not hibernated it"),
            (run(2, at(3)), at(3), "it was started again in between"),
            (run(1, at(0)), None, "that was an earlier run's end"),
        ] {
            assert_eq!(since(&kept, saved), None, "{why}");
        }
        let other = Uuid::from_u128(8);
        assert_eq!(asleep_since(other, &live, None, at(3)), None, "a copy");
        assert_eq!(asleep_since(id, &VmDynamic::default(), None, at(3)), None);
    }
}
