//! Hibernating: where to, the save, and what has become of it.

use super::beforehand::explain;
use super::watch::{Ended, left};
use super::{Run, path_text, state_words};
use crate::entity::{Verdict, Vm, VmDynamic, VmStatus};
use crate::hypervisor::{HypervisorError, Machine};
use crate::image::{FileIdentity, ImageFile, Record};
use crate::interrupt::cause_word;
use crate::report::{Failure, Kind, Outcome, VmRef};
use crate::words::{quoted, size};
use jiff::Timestamp;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long libvirt may take to see that a VM's process has gone, and how often that is looked at.
const SETTLING: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(50);

impl Run<'_> {
    /// Writes the VM's memory to a file, and stops it.
    pub(super) fn save(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let path = self.destination(machine.id())?;
        let text = path_text(&path)?;
        let earlier = self.replaceable(&path, machine.id())?;
        let (remarks, _) = self.before_save(machine, vm, &path, earlier.as_ref())?;
        self.tell_unchecked(&subject, &remarks);
        if self.options.to.is_none() && self.inventory.reads_images() {
            self.inventory.place.prepare().map_err(|error| {
                let hint = "make it as its user, or name another place with --to or VMLIFE_IMAGES";
                Failure::new(Kind::Connection, "cannot be hibernated")
                    .because(&error)
                    .hint(hint)
            })?;
        }
        let mut warnings = remarks.overridden;
        if let Some(old) = earlier {
            remove_obsolete(machine, &old)?;
            let what = match old.summary.verdict {
                Verdict::Incomplete => "incomplete",
                _ => "earlier",
            };
            warnings.push(format!("its {what} image was replaced"));
        }
        if self.inventory.looks_at(&path) {
            Record::discard(&path).map_err(|error| {
                let message = "cannot be hibernated: the record of its earlier image is in the way";
                Failure::new(Kind::Guard, message).because(&error)
            })?;
        }
        if path != self.inventory.place.file(machine.id()) {
            // It is alive, so that whatever lies in its place is left behind, however this ends.
            self.leave_image_behind(vm, &mut warnings);
        }
        let (flags, saved) = (self.options.flags, machine.clone());
        let began = Instant::now();
        let result = match self.watch(&subject, Some(machine), move || saved.save(&text, flags)) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => {
                let name = quoted(&subject.name);
                return Err(left(cause, "hibernated").hint(format!(
                    "vmlife show {name} tells; virsh domjobabort {name} cancels"
                )));
            }
        };
        match result {
            Ok(()) => {
                warnings.extend(remarks.cautions);
                self.saved(machine, vm, subject, &path, began.elapsed(), warnings)
            }
            Err(error) => self
                .not_saved(machine, vm, subject, &path, &error)
                .map_err(|failure| failure.warned(warnings)),
        }
    }

    /// The save came to its end: makes the image durable, and makes sure that it is what it should be.
    fn saved(
        &self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
        path: &Path,
        took: Duration,
        mut warnings: Vec<String>,
    ) -> Result<Outcome, Failure> {
        let bad = |flaw: &str| {
            let message = format!(
                "was hibernated by libvirt, but its image {} is not right: {flaw}",
                path.display()
            );
            Failure::new(Kind::Failed, message)
                .hint("do not start the VM before the image is found on the daemon's host")
        };
        let mut size_bytes = None;
        if self.inventory.looks_at(path) {
            let image = ImageFile::inspect_of(path, machine.id())
                .ok_or_else(|| bad("there is no such file on this machine"))?;
            if image.summary.verdict != Verdict::Good {
                return Err(bad(image.summary.flaw.as_deref().unwrap_or_default()));
            }
            size_bytes = image.summary.size_bytes;
            if let Err(error) = image.flush() {
                warnings.push(format!(
                    "the image could not be flushed to its disk: {error}"
                ));
            }
            if let Err(error) = image.store(|identity| self.record(vm, machine, took, identity)) {
                warnings.push(format!(
                    "the record beside the image could not be written: {error}"
                ));
            }
        } else {
            // Only the daemon can see it. It tells whether the image is whole, not whether it is flushed.
            match self.inventory.image_seen_by_daemon(path, machine.id()) {
                Some(image) if image.verdict == Verdict::Good => warnings.push(
                    "the image lies where only the daemon can see it: whether it has reached its disk is not known"
                        .to_owned(),
                ),
                Some(image) => return Err(bad(image.flaw.as_deref().unwrap_or_default())),
                None => return Err(bad("the daemon does not find it")),
            }
        }
        Self::remember_stop(machine, &mut warnings);
        if let Some(cause) = self.interrupt.cause() {
            let why = cause_word(cause);
            warnings.push(format!(
                "it was hibernated before the cancel took effect ({why})"
            ));
        }
        let written = size_bytes
            .map(|bytes| format!(" ({})", size(bytes)))
            .unwrap_or_default();
        let message = format!("is hibernated to {}{written}", path.display());
        Ok(Outcome {
            status: Some(VmStatus::Suspended),
            image: Some(path.to_path_buf()),
            size_bytes,
            warnings,
            ..Outcome::done(subject, message)
        })
    }

    fn record(&self, vm: &Vm, machine: &Machine, took: Duration, image: FileIdentity) -> Record {
        let hypervisor = &self.inventory.hypervisor;
        let versions = hypervisor.versions().ok();
        let dynamic = vm.vm_dynamic.as_ref();
        Record {
            schema_version: Record::SCHEMA_VERSION,
            name: vm.name().to_owned(),
            id: machine.id(),
            saved_at: Timestamp::now(),
            status_before: Some(vm.status()),
            emulated_machine: dynamic.and_then(|dynamic| dynamic.emulated_machine.clone()),
            uri: Some(hypervisor.uri().to_owned()),
            host: hypervisor.host_name().ok(),
            libvirt_version: versions.map(|(libvirt, _)| libvirt),
            hypervisor_version: versions.map(|(_, hypervisor)| hypervisor),
            seconds: Some(took.as_secs_f64()),
            image,
            usage: None,
        }
    }

    /// The save failed or was cancelled: tells where the VM is now, and leaves no partial image.
    fn not_saved(
        &self,
        machine: &Machine,
        before: &Vm,
        subject: VmRef,
        path: &Path,
        error: &HypervisorError,
    ) -> Result<Outcome, Failure> {
        let mut now = self.inventory.observe(machine);
        let began = Instant::now();
        // What its process said last is not what becomes of it.
        while error.is_process_lost()
            && now.as_ref().is_ok_and(|vm| vm.status().is_active())
            && began.elapsed() < SETTLING
        {
            thread::sleep(GLANCE);
            now = self.inventory.observe(machine);
        }
        let status = now.as_ref().ok().map(Vm::status);
        if status == Some(VmStatus::Suspended) {
            // Somebody else was quicker, with the same wish.
            return Ok(Outcome {
                status,
                ..Outcome::done(subject, "is hibernated, by somebody else")
            });
        }
        let as_before = status == Some(before.status());
        if as_before
            && self.inventory.looks_at(path)
            && let Some(image) = ImageFile::inspect_of(path, machine.id())
            && image.summary.verdict == Verdict::Incomplete
        {
            // Nothing lay there when this save began, and nobody saves the VM now: this is what is left
            // of it. libvirt removes it by itself, unless it died.
            let _ = image.remove();
        }
        let words = match &now {
            Ok(vm) if as_before && vm.status() == VmStatus::Paused => {
                "it is paused, as before".to_owned()
            }
            Ok(_) if as_before => "it runs on".to_owned(),
            Ok(vm) if vm.vm_dynamic.as_ref().is_some_and(VmDynamic::was_saved) => {
                "libvirt saved it for somebody else, to another place".to_owned()
            }
            Ok(vm) if vm.status() == VmStatus::Down => {
                format!("it {}: what was in its memory is lost", state_words(vm))
            }
            Ok(vm) => format!("it {}", state_words(vm)),
            // It was transient.
            Err(error) if error.is_no_domain() => {
                "libvirt does not know it any more: its process died, or somebody else saved it"
                    .to_owned()
            }
            Err(_) => "its state is not known".to_owned(),
        };
        Err(match self.interrupt.cause() {
            Some(cause) if error.is_aborted() => {
                let why = cause_word(cause);
                Failure::new(cause, format!("was not hibernated, {why}; {words}"))
            }
            _ => {
                let failure = error.save_failure(format!("could not be hibernated; {words}"));
                explain(failure, machine)
            }
        })
    }

    /// Where this VM's image is to be written.
    pub(super) fn destination(&self, id: Uuid) -> Result<PathBuf, Failure> {
        let Some(to) = &self.options.to else {
            return Ok(self.inventory.place.file(id));
        };
        let ends_with_slash = to.as_os_str().as_encoded_bytes().ends_with(b"/");
        if !self.inventory.hypervisor.is_local() && !to.is_absolute() {
            let message = format!(
                "cannot be hibernated: --to {} must be a whole path on the daemon's host",
                to.display()
            );
            return Err(Failure::new(Kind::Usage, message));
        }
        let to = std::path::absolute(to).map_err(|error| {
            Failure::new(Kind::Usage, "cannot be hibernated: --to is no path").because(&error)
        })?;
        let is_folder = ends_with_slash || self.inventory.hypervisor.is_local() && to.is_dir();
        Ok(if is_folder {
            to.join(format!("{id}.vmsave"))
        } else {
            to
        })
    }

    /// Whether the path is free for an image of this VM, which runs. Its own old image may be
    /// replaced: the running memory has left it behind. Nothing else may.
    pub(super) fn replaceable(&self, path: &Path, id: Uuid) -> Result<Option<ImageFile>, Failure> {
        let text = path_text(path)?;
        let in_the_way = |what: &str| {
            let message = format!("cannot be hibernated: {} {what}", path.display());
            Failure::new(Kind::Guard, message).hint("name another file with --to")
        };
        let found = fs::symlink_metadata(path);
        let forbidden = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        if !self.inventory.hypervisor.is_local() || found.as_ref().is_err_and(forbidden) {
            // Only the daemon can see that path.
            return match self.inventory.hypervisor.image_xml(&text) {
                Err(error) if error.is_no_such_file() => Ok(None),
                Err(error) if error.kind() == Kind::Connection => {
                    Err(error.failure(format!("cannot be hibernated to {}", path.display())))
                }
                Ok(_) | Err(_) => Err(in_the_way(
                    "exists already, where only the daemon can see it",
                )),
            };
        }
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                if folder != self.inventory.place.folder() && !folder.is_dir() {
                    let message = format!(
                        "cannot be hibernated: there is no folder {}",
                        folder.display()
                    );
                    return Err(Failure::new(Kind::Failed, message));
                }
                if Record::may_be_written(path) {
                    Ok(None)
                } else {
                    let record = Record::path_of(path);
                    let words = format!("{} is in the way of its record", record.display());
                    Err(
                        Failure::new(Kind::Guard, format!("cannot be hibernated: {words}"))
                            .hint("name another file with --to"),
                    )
                }
            }
            Err(error) => {
                let message = format!("cannot be hibernated to {}", path.display());
                Err(Failure::new(Kind::Failed, message).because(&error))
            }
            Ok(found) if !found.is_file() => Err(in_the_way("is not a regular file")),
            Ok(_) => match ImageFile::inspect(path) {
                Some(image) if image.vm.as_ref().and_then(Vm::id) == Some(id) => Ok(Some(image)),
                // An interrupted save may not even have got to its description; in its own place its
                // name says whose it is.
                Some(image)
                    if image.summary.verdict == Verdict::Incomplete
                        && path == self.inventory.place.file(id) =>
                {
                    Ok(Some(image))
                }
                _ => Err(in_the_way("exists already, and is no image of this VM")),
            },
        }
    }
}

/// Removes an old image of a VM: only while the VM is seen to be alive, so that its memory has left the
/// image behind.
fn remove_obsolete(machine: &Machine, old: &ImageFile) -> Result<(), Failure> {
    let state = machine
        .state()
        .map_err(|error| error.failure("its state could not be read"))?;
    if !state.is_active() {
        let message = "cannot be hibernated: it has just stopped, and its image may be all that is left of it";
        return Err(Failure::new(Kind::State, message));
    }
    old.remove().map_err(|error| {
        let message = format!(
            "cannot be hibernated: its earlier image {} is in the way",
            old.path.display()
        );
        Failure::new(Kind::Guard, message).because(&error)
    })
}
