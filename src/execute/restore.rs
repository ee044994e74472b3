//! Bringing back, from an image or by booting.

use super::watch::{Ended, left};
use super::{Run, id_of, path_text, state_words};
use crate::entity::{DomainState, Verdict, Vm, VmStatus};
use crate::hypervisor::{HypervisorError, Machine};
use crate::image::{ImageFile, Record, Usage};
use crate::inventory::Entry;
use crate::report::{Failure, Kind, Outcome, VmRef};
use crate::words::quoted;
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;

/// An image whose restore has begun, with its record as it was before.
struct Begun {
    image: ImageFile,
    before: Option<Record>,
}

impl Run<'_> {
    /// Brings a VM back from an image of ours.
    ///
    /// From the moment that the guest may run, its disks move on, and the image must not be used again.
    /// So that no crash in between makes it look fresh, the image is marked before the call, and the mark
    /// is taken back only if the guest is known not to have run.
    pub(super) fn restore(
        &mut self,
        vm: &Vm,
        subject: VmRef,
        machine: Option<&Machine>,
    ) -> Result<Outcome, Failure> {
        let id = id_of(vm)?;
        let path = self.inventory.image_path(id);
        let (text, flags) = (path_text(&path)?, self.options.flags);
        let begun = self.begin(&path, vm)?;
        let inventory = Arc::clone(self.inventory);
        let call = move || inventory.hypervisor.restore(&text, flags);
        let result = match self.watch(&subject, None, call) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => return Err(left(cause, "restored")),
        };
        let machine = match machine {
            Some(machine) => Some(machine.clone()),
            None => self.inventory.hypervisor.machine_by_id(id).ok().flatten(),
        };
        let state = machine.as_ref().and_then(|machine| machine.state().ok());
        let now = machine
            .as_ref()
            .and_then(|machine| self.inventory.observe(machine).ok());
        let status = now.as_ref().map(Vm::status);
        let restored = result.is_ok() || state.is_some_and(DomainState::is_restored);
        match (result, status) {
            (_, Some(status @ (VmStatus::Up | VmStatus::Paused))) if restored => {
                let mut warnings = Vec::new();
                if let Some(false) = machine.and_then(|machine| machine.is_persistent().ok()) {
                    warnings.push(
                        "libvirt has no definition of it: when it stops it is gone (virsh define keeps it)"
                            .to_owned(),
                    );
                }
                let tail = self.used_up(&path, begun.map(|begun| begun.image), &mut warnings);
                let words = match status {
                    VmStatus::Up => "runs again",
                    _ => "is back, paused",
                };
                let message = format!("{words}, restored from {}{tail}", path.display());
                Ok(Outcome {
                    status: Some(status),
                    image: Some(path),
                    warnings,
                    ..Outcome::done(subject, message)
                })
            }
            (Ok(()), _) => {
                let now = now.map_or("its state is not known".to_owned(), |vm| state_words(&vm));
                let message = format!(
                    "was restored from {}, and does not run any more: it {now}; the image was kept",
                    path.display()
                );
                Err(Failure::new(Kind::Failed, message))
            }
            (Err(error), _) => Err(not_restored(&path, begun, now.as_ref(), &error)),
        }
    }

    /// Looks at the image once more, and marks it.
    fn begin(&self, path: &Path, vm: &Vm) -> Result<Option<Begun>, Failure> {
        if !self.inventory.looks_at(path) {
            return Ok(None);
        }
        let refuse = |why: String| {
            let message = format!("cannot be restored from {}: {why}", path.display());
            Failure::new(Kind::Guard, message)
        };
        let image = ImageFile::inspect_of(path, id_of(vm)?)
            .ok_or_else(|| refuse("it has just disappeared".to_owned()))?;
        let usable = match image.summary.verdict {
            Verdict::Good => true,
            Verdict::Used | Verdict::Doubtful => self.options.wishes.force,
            _ => false,
        };
        if !usable {
            return Err(refuse(image.summary.flaw.unwrap_or_default()));
        }
        if let Some(old) = image
            .vm
            .as_ref()
            .map(Vm::name)
            .filter(|old| *old != vm.name())
        {
            return Err(
                refuse(format!("the VM had another name then, '{old}'")).hint(format!(
                    "virsh domrename {} {}, then restore it",
                    quoted(vm.name()),
                    quoted(old)
                )),
            );
        }
        match image.mark(Usage::RestoreBegan(Timestamp::now())) {
            Ok(before) => Ok(Some(Begun { image, before })),
            Err(_) if self.options.wishes.force => Ok(None),
            Err(error) => Err(refuse(
                "it cannot be marked as used, so that nothing would keep it from being used twice"
                    .to_owned(),
            )
            .because(&error)
            .hint("--force restores it all the same; remove it afterwards")),
        }
    }

    /// Does away with an image that was restored, or says why it stays.
    fn used_up(
        &self,
        path: &Path,
        image: Option<ImageFile>,
        warnings: &mut Vec<String>,
    ) -> &'static str {
        let Some(image) = image else {
            warnings.push(format!(
                "the image {} is still there, and could not be marked: remove it, and do not use it again",
                path.display()
            ));
            return "";
        };
        let done = if self.options.keep {
            image.mark(Usage::LeftBehind(Timestamp::now())).map(drop)
        } else {
            image.remove()
        };
        match done {
            Ok(()) if self.options.keep => " (kept, marked as used)",
            Ok(()) => "",
            Err(error) => {
                warnings.push(format!(
                    "the image is still there ({error}): remove it, and do not use it again"
                ));
                ""
            }
        }
    }

    /// The VM runs, or is about to, and not from the image in its place: that must not look fresh later.
    pub(super) fn leave_image_behind(&self, vm: &Vm, warnings: &mut Vec<String>) {
        let Some(path) = vm.id().map(|id| self.inventory.place.file(id)) else {
            return;
        };
        if !self.inventory.looks_at(&path) {
            return;
        }
        let Some(image) = ImageFile::inspect(&path) else {
            return;
        };
        let own = image.vm.as_ref().and_then(Vm::id) == vm.id();
        if own && matches!(image.summary.verdict, Verdict::Good | Verdict::Doubtful) {
            let marked = image.mark(Usage::LeftBehind(Timestamp::now()));
            warnings.push(match marked {
                Ok(_) => format!(
                    "its older image {} is left behind, and marked as used",
                    path.display()
                ),
                Err(error) => format!("do not use its older image {}: {error}", path.display()),
            });
        }
    }

    /// Defines a VM and boots it. If it cannot be booted, it is not left defined either, so that a
    /// corrected definition gets another chance.
    pub(super) fn define_and_start(
        &mut self,
        entry: &Entry,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let definition = entry.definition.as_ref().ok_or_else(|| {
            Failure::new(
                Kind::NotFound,
                "cannot be started: there is no definition of it",
            )
        })?;
        let xml = definition
            .domain_xml()
            .map_err(|error| Failure::new(Kind::Usage, format!("cannot be defined: {error}")))?;
        let machine = self
            .inventory
            .hypervisor
            .define(&xml)
            .map_err(|error| error.failure("could not be defined"))?;
        let subject = VmRef {
            id: Some(machine.id()),
            ..subject
        };
        self.start(&machine, &entry.vm, subject).map_err(|failure| {
            if self.gave_up || machine.state().is_ok_and(DomainState::is_active) {
                return failure;
            }
            match machine.undefine() {
                Ok(()) => failure,
                Err(error) => failure.warned(vec![format!("it is still defined: {error}")]),
            }
        })
    }

    /// Boots.
    pub(super) fn start(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let mut warnings = Vec::new();
        let status = self.create(machine, &subject, false)?;
        self.leave_image_behind(vm, &mut warnings);
        let message = match status {
            VmStatus::Paused => "is started, paused",
            _ => "is started",
        };
        Ok(Outcome {
            status: Some(status),
            warnings,
            ..Outcome::done(subject, message)
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
        let mut warnings = Vec::new();
        let mut status = self.create(machine, &subject, true)?;
        self.leave_image_behind(vm, &mut warnings);
        let cannot_tell =
            |error: HypervisorError| error.failure("was started, but its state cannot be read");
        if !machine.state().map_err(cannot_tell)?.is_restored() {
            let message = "was booted fresh by libvirt: its managed save was of no use, and that memory is lost";
            return Err(Failure::new(Kind::Failed, message).warned(warnings));
        }
        if status == VmStatus::Paused && self.options.flags.running == Some(true) {
            machine
                .resume()
                .map_err(|error| error.failure("is back, but could not be resumed"))?;
            status = VmStatus::Up;
        }
        let message = match status {
            VmStatus::Paused => "is back, paused, restored from libvirt's managed save",
            _ => "runs again, restored from libvirt's managed save",
        };
        Ok(Outcome {
            status: Some(status),
            warnings,
            ..Outcome::done(subject, message)
        })
    }

    fn create(
        &mut self,
        machine: &Machine,
        subject: &VmRef,
        managed: bool,
    ) -> Result<VmStatus, Failure> {
        let paused = self.options.flags.running == Some(false);
        let bypass_cache = managed && self.options.flags.bypass_cache;
        let tried = if managed {
            "restored from libvirt's managed save"
        } else {
            "started"
        };
        let started = machine.clone();
        let result = match self.watch(subject, None, move || started.start(paused, bypass_cache)) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => return Err(left(cause, tried)),
        };
        result.map_err(|error| error.failure(format!("could not be {tried}")))?;
        self.inventory
            .observe(machine)
            .map(|vm| vm.status())
            .map_err(|error| error.failure(format!("was {tried}, but its state cannot be read")))
    }
}

/// The restore failed: takes the mark back if the guest cannot have run.
fn not_restored(
    path: &Path,
    begun: Option<Begun>,
    now: Option<&Vm>,
    error: &HypervisorError,
) -> Failure {
    let mut warnings = Vec::new();
    // A transient domain that failed to start is gone again; a lost connection tells nothing.
    let is_off = match now.map(Vm::status) {
        Some(status) => !status.is_active(),
        None => !error.is_connection_lost(),
    };
    let runs_otherwise = now.is_some_and(|vm| vm.status().is_alive());
    if let Some(Begun { image, before }) = begun {
        let marked = if is_off {
            image.unmark(before.as_ref())
        } else if runs_otherwise {
            image.mark(Usage::LeftBehind(Timestamp::now())).map(drop)
        } else {
            warnings.push(format!(
                "{} stays marked: whether the guest has run from it is not known",
                path.display()
            ));
            Ok(())
        };
        if let Err(error) = marked {
            warnings.push(format!(
                "the record of {} is out of date: {error}",
                path.display()
            ));
        }
    }
    let message = match now {
        Some(vm) if runs_otherwise => {
            format!(
                "was not restored: it {}, but not from {}",
                state_words(vm),
                path.display()
            )
        }
        _ if path.exists() => {
            format!(
                "could not be restored from {}; the image is still there",
                path.display()
            )
        }
        _ => format!("could not be restored from {}", path.display()),
    };
    error.failure(message).warned(warnings)
}
