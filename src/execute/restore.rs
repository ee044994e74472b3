//! Bringing back, from an image or by booting.

use super::watch::{Ended, left};
use super::{Run, id_of, path_text, state_words};
use crate::definition::{Definition, DefinitionError};
use crate::entity::{DomainState, Verdict, Vm, VmStatus};
use crate::hypervisor::{HypervisorError, Machine};
use crate::image::{ImageFile, Record, Usage};
use crate::inventory::Entry;
use crate::payload::{self, Payload};
use crate::report::{Failure, Kind, Outcome, VmRef};
use jiff::Timestamp;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// An image that is marked, with its record as it was before.
struct Marked {
    image: ImageFile,
    before: Option<Record>,
}

/// Where a VM is after an attempt to bring it back.
enum Now {
    /// It was seen.
    Seen(Box<Vm>, DomainState),
    /// libvirt does not know it.
    Gone,
    /// It could not be looked at.
    Unknown,
}

impl Run<'_> {
    /// Brings a VM back from an image of ours.
    ///
    /// From the moment that the guest may run, its disks move on, and no older image of it must be used
    /// again. So that no crash in between makes one look fresh, images are marked before the call, and a
    /// mark is taken back only if the guest is known not to have run.
    pub(super) fn restore(
        &mut self,
        vm: &Vm,
        subject: VmRef,
        machine: Option<&Machine>,
    ) -> Result<Outcome, Failure> {
        let id = id_of(vm)?;
        let path = self.inventory.image_path(id);
        let (text, flags) = (path_text(&path)?, self.options.flags);
        let (remarks, _) = self.before_restore(vm, &path, machine)?;
        self.tell_unchecked(&subject, &remarks);
        let image = self.begin(&path, vm)?;
        let mut warnings = [remarks.overridden, remarks.cautions].concat();
        let aside = self.set_aside(vm, Some(&path), &mut warnings);
        let inventory = Arc::clone(self.inventory);
        let call = move || inventory.hypervisor.restore(&text, flags);
        let result = match self.watch(&subject, None, call) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => return Err(left(cause, "restored")),
        };
        let now = self.look_at(machine, id);
        if let Err(error) = result {
            settle(image, &now, &mut warnings);
            settle(aside, &now, &mut warnings);
            return Err(not_restored(&path, &now, &error).warned(warnings));
        }
        leave_behind(aside, &mut warnings);
        let (status, words) = match &now {
            Now::Seen(vm, _) if vm.status() == VmStatus::Up => {
                (VmStatus::Up, "runs again".to_owned())
            }
            Now::Seen(vm, _) if vm.status() == VmStatus::Paused => {
                (VmStatus::Paused, "is back, paused".to_owned())
            }
            Now::Seen(vm, _) if vm.status().is_active() => {
                (vm.status(), format!("is back, and {}", state_words(vm)))
            }
            other => {
                leave_behind(image, &mut warnings);
                let now = match other {
                    Now::Seen(vm, _) => format!("does not run any more: it {}", state_words(vm)),
                    Now::Gone => "libvirt does not know it any more".to_owned(),
                    Now::Unknown => "its state cannot be read".to_owned(),
                };
                let message = format!("was restored from {}, but {now}", path.display());
                return Err(Failure::new(Kind::Failed, message).warned(warnings));
            }
        };
        let machine = self.inventory.hypervisor.machine_by_id(id).ok().flatten();
        if let Some(machine) = &machine {
            let saved_at = image
                .as_ref()
                .and_then(|marked| marked.image.summary.saved_at);
            Self::remember_restore(machine, saved_at, &mut warnings);
        }
        if let Some(false) = machine.and_then(|machine| machine.is_persistent().ok()) {
            warnings.push(
                "libvirt has no definition of it: when it stops it is gone (virsh define keeps it)"
                    .to_owned(),
            );
        }
        let image = image.map(|marked| marked.image);
        let tail = self.used_up(&path, image, &mut warnings);
        let message = format!("{words}, restored from {}{tail}", path.display());
        Ok(Outcome {
            status: Some(status),
            image: Some(path),
            warnings,
            ..Outcome::done(subject, message)
        })
    }

    /// Where the VM is now.
    fn look_at(&self, machine: Option<&Machine>, id: Uuid) -> Now {
        let machine = match machine {
            Some(machine) => Ok(Some(machine.clone())),
            None => self.inventory.hypervisor.machine_by_id(id),
        };
        let seen = machine.and_then(|machine| match machine {
            Some(machine) => Ok(Some((self.inventory.observe(&machine)?, machine.state()?))),
            None => Ok(None),
        });
        match seen {
            Ok(Some((vm, state))) => Now::Seen(Box::new(vm), state),
            Ok(None) => Now::Gone,
            Err(error) if error.is_no_domain() => Now::Gone,
            Err(_) => Now::Unknown,
        }
    }

    /// The image in the VM's place, marked: the VM is about to run, and not from that image.
    fn set_aside(
        &self,
        vm: &Vm,
        taken: Option<&Path>,
        warnings: &mut Vec<String>,
    ) -> Option<Marked> {
        let path = self.inventory.place.file(vm.id()?);
        if Some(path.as_path()) == taken || !self.inventory.looks_at(&path) {
            return None;
        }
        let image = ImageFile::inspect(&path)?;
        let own = image.vm.as_ref().and_then(Vm::id) == vm.id();
        let counts = matches!(image.summary.verdict, Verdict::Good | Verdict::Doubtful);
        if !own || !counts {
            return None;
        }
        match image.mark(Usage::RestoreBegan(Timestamp::now())) {
            Ok(before) => Some(Marked { image, before }),
            Err(error) => {
                let path = path.display();
                warnings.push(format!("do not use its image {path} again: {error}"));
                None
            }
        }
    }

    /// Looks at the image once more, and marks it.
    fn begin(&self, path: &Path, vm: &Vm) -> Result<Option<Marked>, Failure> {
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
        match image.mark(Usage::RestoreBegan(Timestamp::now())) {
            Ok(before) => Ok(Some(Marked { image, before })),
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

    /// The VM is alive, and not from the image in its place: that must not look fresh later.
    pub(super) fn leave_image_behind(&self, vm: &Vm, warnings: &mut Vec<String>) {
        let marked = self.set_aside(vm, None, warnings);
        leave_behind(marked, warnings);
    }

    /// Defines a VM and boots it. If it cannot be booted, it is not left defined either, so that a
    /// corrected definition gets another chance.
    pub(super) fn define_and_start(
        &mut self,
        entry: &Entry,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let definition = entry.definition.as_deref().ok_or_else(|| {
            Failure::new(
                Kind::NotFound,
                "cannot be started: there is no definition of it",
            )
        })?;
        let mut definition = definition.clone();
        let payload = self.add_payload(&mut definition)?;
        let xml = definition
            .domain_xml()
            .map_err(|error| undefinable(&error))?;
        let payload = payload
            .map(|(path, payload)| self.make_payload(&path, &payload).map(|()| path))
            .transpose()?;
        let machine = self.inventory.hypervisor.define(&xml).map_err(|error| {
            let failure = error.failure("could not be defined");
            without_payload(payload.as_deref(), failure)
        })?;
        let subject = VmRef {
            id: Some(machine.id()),
            ..subject
        };
        self.start(&machine, &entry.vm, subject).map_err(|failure| {
            if self.gave_up || machine.state().is_ok_and(DomainState::is_active) {
                return failure;
            }
            match machine.undefine() {
                Ok(()) => without_payload(payload.as_deref(), failure),
                Err(error) => failure.warned(vec![format!("it is still defined: {error}")]),
            }
        })
    }

    /// If the guest is to be told something when it boots for the first time, gives the VM a CD for it,
    /// and says what is to be on that and where. Nothing is made yet.
    fn add_payload(
        &self,
        definition: &mut Definition,
    ) -> Result<Option<(PathBuf, Payload)>, Failure> {
        // Domain XML says itself what CDs there are.
        if definition.xml.is_some() {
            return Ok(None);
        }
        let mut vm = definition.vm.clone();
        // The path of its image and cloud-init's name for the machine follow from it.
        let id = *vm.vm_static.id.get_or_insert_with(Uuid::new_v4);
        let files = payload::files(&vm)
            .map_err(|problem| undefinable(&definition.origin.error(problem)))?;
        let Some(payload) = files else {
            return Ok(None);
        };
        if !self.inventory.hypervisor.is_local() {
            let message = "cannot be started: the CD with its vmInit or vmPayload cannot be put on \
                           the daemon's host from here";
            return Err(Failure::new(Kind::Usage, message).hint("run vmlife on that host"));
        }
        let path = self.inventory.place.payload_file(id);
        path_text(&path)?;
        let cd = vm.vm_payload.get_or_insert_default();
        cd.device = Some("cdrom".to_owned());
        cd.volume_id = Some(payload.label.clone());
        cd.image_path = Some(path.clone());
        vm.initialization_type = vm.initialization_type.or(cd.initialization_type());
        definition.vm = vm;
        Ok(Some((path, payload)))
    }

    /// Makes the image of that CD.
    fn make_payload(&self, path: &Path, payload: &Payload) -> Result<(), Failure> {
        let place = &self.inventory.place;
        let made = place.prepare().map_err(io::Error::other);
        made.and_then(|()| place.let_qemu_pass())
            .and_then(|()| payload::write(path, payload))
            .map_err(|error| {
                let kind = match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::Space,
                    io::ErrorKind::PermissionDenied => Kind::Connection,
                    _ => Kind::Failed,
                };
                let message = format!(
                    "cannot be started: its CD {} cannot be made",
                    path.display()
                );
                Failure::new(kind, message).because(&error)
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
        let status = self.create(machine, vm, &subject, false, &mut warnings)?;
        Self::remember_start(machine, &mut warnings);
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
        let mut status = self.create(machine, vm, &subject, true, &mut warnings)?;
        let state = match machine.state() {
            Ok(state) => state,
            Err(error) => {
                let failure = error.failure("was started, but its state cannot be read");
                return Err(failure.warned(warnings));
            }
        };
        if state.is_restored() {
            Self::remember_restore(machine, None, &mut warnings);
        } else {
            Self::remember_start(machine, &mut warnings);
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

    /// `virDomainCreate`, with the image in the VM's place marked before.
    fn create(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
        managed: bool,
        warnings: &mut Vec<String>,
    ) -> Result<VmStatus, Failure> {
        let paused = self.options.flags.running == Some(false);
        let bypass_cache = managed && self.options.flags.bypass_cache;
        let tried = if managed {
            "restored from libvirt's managed save"
        } else {
            "started"
        };
        let aside = self.set_aside(vm, None, warnings);
        let started = machine.clone();
        let result = match self.watch(subject, None, move || started.start(paused, bypass_cache)) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => return Err(left(cause, tried)),
        };
        if let Err(error) = result {
            let now = self.look_at(Some(machine), machine.id());
            settle(aside, &now, warnings);
            let failure = error.failure(format!("could not be {tried}"));
            return Err(failure.warned(std::mem::take(warnings)));
        }
        leave_behind(aside, warnings);
        self.inventory
            .observe(machine)
            .map(|vm| vm.status())
            .map_err(|error| error.failure(format!("was {tried}, but its state cannot be read")))
    }
}

fn undefinable(error: &DefinitionError) -> Failure {
    Failure::new(Kind::Usage, format!("cannot be defined: {error}"))
}

/// The VM came to nothing, and no definition refers to the CD that was made for it: that goes, too.
fn without_payload(payload: Option<&Path>, failure: Failure) -> Failure {
    match payload.map(|path| (path, fs::remove_file(path))) {
        Some((path, Err(error))) => failure.warned(vec![format!(
            "{} is left over, and holds secrets: {error}",
            path.display()
        )]),
        _ => failure,
    }
}

/// The VM has run without this image, or from it.
fn leave_behind(marked: Option<Marked>, warnings: &mut Vec<String>) {
    let Some(Marked { image, .. }) = marked else {
        return;
    };
    let path = image.path.display();
    warnings.push(match image.mark(Usage::LeftBehind(Timestamp::now())) {
        Ok(_) => format!("its image {path} is left behind, and marked as used"),
        Err(error) => format!("do not use its image {path} again: {error}"),
    });
}

/// A call failed: takes the mark of an image back if the guest is known not to have run.
fn settle(marked: Option<Marked>, now: &Now, warnings: &mut Vec<String>) {
    let Some(Marked { image, before }) = marked else {
        return;
    };
    let path = image.path.display().to_string();
    let settled = match now {
        // A transient domain that failed to start is gone again.
        Now::Gone => image.unmark(before.as_ref()),
        Now::Seen(_, state) if !state.is_active() && !state.stopped_without_save() => {
            image.unmark(before.as_ref())
        }
        Now::Seen(vm, _) if vm.status().is_alive() => {
            image.mark(Usage::LeftBehind(Timestamp::now())).map(drop)
        }
        Now::Seen(..) | Now::Unknown => {
            warnings.push(format!(
                "{path} stays marked: whether the guest has run from it is not known"
            ));
            Ok(())
        }
    };
    if let Err(error) = settled {
        warnings.push(format!("the record of {path} is out of date: {error}"));
    }
}

/// Says that a restore failed, and where the VM is.
fn not_restored(path: &Path, now: &Now, error: &HypervisorError) -> Failure {
    let image = path.display();
    error.failure(match now {
        Now::Seen(vm, state) if state.is_restored() => {
            format!(
                "was not restored from {image}: it {} already",
                state_words(vm)
            )
        }
        Now::Seen(vm, _) if vm.status().is_alive() => {
            format!(
                "was not restored: it {}, but not from {image}",
                state_words(vm)
            )
        }
        _ if path.exists() => {
            format!("could not be restored from {image}; the image is still there")
        }
        _ => format!("could not be restored from {image}"),
    })
}
