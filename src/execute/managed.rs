//! Hibernating into libvirt's own keeping, and coming back from it.

use super::Run;
use super::save::{as_it_was, has_waited};
use super::watch::{Cancel, Ended, left};
use crate::entity::{Verdict, Vm, VmStatus};
use crate::hypervisor::Machine;
use crate::image::ImageFile;
use crate::report::{Clock, Failure, Kind, Outcome, VmRef};
use crate::words::size;

/// Of which VMs libvirt keeps the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Of all.
    All,
    /// Of those that it starts with the host: without its own image it would boot them.
    Autostart,
}

impl Run<'_> {
    /// Whether libvirt is to keep the image of this VM.
    pub(super) fn is_managed(
        &mut self,
        machine: &Machine,
        subject: &VmRef,
    ) -> Result<bool, Failure> {
        match self.options.managed {
            None => Ok(false),
            Some(Keeping::All) => Ok(true),
            Some(Keeping::Autostart) => {
                let machine = machine.clone();
                self.look(subject, move || machine.autostart())
            }
        }
    }

    /// Lets libvirt write the VM's memory to a file that it keeps itself, and stop it.
    pub(super) fn save_managed(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let asked = machine.clone();
        if !self.look(&subject, move || Ok(asked.is_persistent().unwrap_or(true)))? {
            let message = "cannot be hibernated with --managed: libvirt has no definition of it";
            return Err(Failure::new(Kind::State, message)
                .hint("without --managed its image goes to a file, which brings it back"));
        }
        let (mut remarks, estimate) = self.before_managed_save(machine, vm)?;
        let share = self.share(estimate.as_ref())?;
        let mut anew = None;
        if has_waited(share.as_ref()) {
            let now = self.seen_anew(machine, vm, &subject)?;
            (remarks, _) = self.before_managed_save(machine, &now)?;
            anew = Some(now);
        }
        let vm = anew.as_ref().unwrap_or(vm);
        self.tell_unchecked(&subject, &remarks);
        let mut warnings = remarks.overridden;
        // libvirt would overwrite it, and leave it incomplete if it does not get to the end.
        if let Err(failure) = self.leave_managed_behind(machine, &subject, &mut warnings) {
            return Err(failure.warned(warnings));
        }
        self.leave_image_behind(vm, &mut warnings);
        let (mut flags, saved) = (as_it_was(vm, self.options.flags), machine.clone());
        flags.channels = None;
        let asked = self.ask_to_save(machine, &subject, move || saved.managed_save(flags));
        let result = match asked {
            Ok(result) => result,
            Err(failure) => return Err(failure.warned(warnings)),
        };
        let Err(error) = result else {
            warnings.extend(remarks.cautions);
            let outcome = self.saved_managed(machine, vm, subject, warnings);
            if let (Ok(outcome), Some(share)) = (&outcome, &share) {
                share.written(outcome.size_bytes.unwrap_or_default());
            }
            return outcome;
        };
        let mut machine = machine.clone();
        if error.is_connection_lost() {
            let path = self.inventory.managed_file(machine.name());
            if let Err(failure) = self.reconnect(&subject, "hibernated", path.as_deref(), &error) {
                return Err(failure.warned(warnings));
            }
            let (found, now) = match self.picked_up(&subject, machine.id(), Cancel::Abort(&machine))
            {
                Ok(Some(found)) => found,
                Ok(None) => {
                    let message = "could not be hibernated; libvirt does not know it any more";
                    return Err(error.save_failure(message).warned(warnings));
                }
                Err(error) => {
                    let failure =
                        self.out_of_touch(&subject, "hibernated", path.as_deref(), &error);
                    return Err(failure.warned(warnings));
                }
            };
            machine = found;
            if now.status() == VmStatus::Suspended {
                return self.saved_managed(&machine, vm, subject, warnings);
            }
            // What the old daemon has begun to write.
            let asked = machine.clone();
            let clean = move || match asked.has_managed_save() {
                Ok(true) => asked.remove_managed_save(),
                _ => Ok(()),
            };
            if now.status() == vm.status()
                && let Err(error) = self.ask(&subject, clean)
            {
                warnings.push(format!(
                    "an incomplete managed save of it may be left over: {error}"
                ));
            }
        }
        self.not_saved(&machine, vm, subject, None, &error)
            .map_err(|failure| failure.warned(warnings))
    }

    /// The save came to its end: makes sure that it is what it should be, and durable where we can.
    fn saved_managed(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
        mut warnings: Vec<String>,
    ) -> Result<Outcome, Failure> {
        let mut size_bytes = None;
        if let Some(path) = self.inventory.managed_file(machine.name()) {
            let image = ImageFile::inspect_of(&path, machine.id());
            match image {
                Some(image) if image.summary.verdict == Verdict::Good => {
                    size_bytes = image.summary.size_bytes;
                    match self.watch(&subject, Cancel::TooLate, move || image.flush()) {
                        Ended::Returned(Ok(())) => {}
                        Ended::Returned(Err(error)) => warnings.push(format!(
                            "the managed save could not be flushed to its disk: {error}"
                        )),
                        Ended::Left(_) => warnings.push(
                            "whether the managed save has reached its disk is not known".to_owned(),
                        ),
                    }
                }
                other => {
                    let flaw = other.and_then(|image| image.summary.flaw);
                    let message = format!(
                        "was hibernated by libvirt, but its managed save {} is not right: {}",
                        path.display(),
                        flaw.unwrap_or_else(|| "there is no such file".to_owned())
                    );
                    return Err(Failure::new(Kind::Failed, message)
                        .hint("do not start the VM before that is cleared up: libvirt would boot it fresh")
                        .warned(warnings));
                }
            }
        } else {
            let asked = machine.clone();
            if let Err(error) = self.ask(&subject, move || asked.managed_save_xml()) {
                let message = "was hibernated by libvirt, but its managed save cannot be read";
                return Err(error.failure(message).warned(warnings));
            }
            warnings.push(
                "only the daemon can see its managed save: whether that has reached its disk is not known"
                    .to_owned(),
            );
        }
        let (saved, before) = (machine.clone(), vm.clone());
        self.take_note(&subject, &mut warnings, move |warnings| {
            Run::remember_stop(&saved, &before, None, warnings);
        });
        self.note_late_cancel(&mut warnings);
        let written = size_bytes
            .map(|bytes| format!(" ({})", size(bytes)))
            .unwrap_or_default();
        Ok(Outcome {
            status: Some(VmStatus::Suspended),
            size_bytes,
            warnings,
            ..Outcome::done(
                subject,
                format!("is hibernated, its image managed by libvirt{written}"),
            )
        })
    }

    /// Lets libvirt load its managed save. For libvirt that is a start like any other, and it boots if it
    /// finds that save of no use. So look which of them it was.
    pub(super) fn restore_managed(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let asked = machine.clone();
        if self.inventory.managed_file(machine.name()).is_none()
            && let Err(error) = self.look(&subject, move || Ok(asked.managed_save_xml()))?
            && (error.kind() == Kind::Guard || error.is_no_such_file())
        {
            // Nobody could look at the file before. libvirt would throw it away without a word.
            let message = "cannot be restored from libvirt's managed save";
            let hint = "its memory is lost; virsh managedsave-remove discards the file";
            let failure = error.failure(message).hint(hint);
            return Err(Failure {
                kind: Kind::Guard,
                ..failure
            });
        }
        let (remarks, _) = self.before_managed_restore(vm, machine)?;
        self.tell_unchecked(&subject, &remarks);
        let mut warnings = [remarks.overridden, remarks.cautions].concat();
        let mut status = self.create(machine, vm, &subject, true, &mut warnings)?;
        let again = self.again(machine);
        let seen = self.ask(&subject, || {
            let machine = again();
            Ok((machine.state()?, machine))
        });
        let (state, machine) = match seen {
            Ok(seen) => seen,
            Err(error) => {
                let failure = error.failure("was started, but its state cannot be read");
                return Err(failure.warned(warnings));
            }
        };
        let managed = vm.saved_images.iter().find(|image| image.managed);
        let saved_at = managed.and_then(|image| image.saved_at);
        if state.is_restored() {
            let (restored, for_group) = (machine.clone(), self.options.for_group);
            self.take_note(&subject, &mut warnings, move |warnings| {
                Run::remember_restore(&restored, saved_at, warnings);
                if for_group {
                    Run::remember_group_wait(&restored, warnings);
                }
            });
            self.give_back(&subject, machine.id(), None, true, &mut warnings);
        } else {
            self.take_note(&subject, &mut warnings, move |warnings| {
                Run::remember_start(&machine, warnings);
            });
            let message = "was booted fresh by libvirt: its managed save was of no use, and that memory is lost";
            return Err(Failure::new(Kind::Failed, message).warned(warnings));
        }
        if status == VmStatus::Paused && self.options.flags.running == Some(true) {
            match self.watch(&subject, Cancel::TooLate, move || machine.resume()) {
                Ended::Returned(Ok(())) => {}
                Ended::Returned(Err(error)) => {
                    let failure = error.failure("is back, but could not be resumed");
                    return Err(failure.warned(warnings));
                }
                Ended::Left(why) => {
                    let failure = left(why, "resumed").warned(warnings);
                    return Err(Failure {
                        message: format!("is back, and {}", failure.message),
                        ..failure
                    });
                }
            }
            status = VmStatus::Up;
        }
        let message = match status {
            VmStatus::Paused => "is back, paused, restored from libvirt's managed save",
            _ => "runs again, restored from libvirt's managed save",
        };
        Ok(Outcome {
            status: Some(status),
            clock: Some(Clock::since(saved_at)),
            warnings,
            ..Outcome::done(subject, message)
        })
    }
}
