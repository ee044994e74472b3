//! Hibernating: where to, the save, and what has become of it.

use super::watch::{Ended, left};
use super::{Run, path_text, state_words};
use crate::entity::{Verdict, Vm, VmStatus};
use crate::hypervisor::{HypervisorError, Machine};
use crate::image::{FileIdentity, ImageFile, Record};
use crate::interrupt::cause_word;
use crate::report::{Failure, Kind, Outcome, VmRef};
use crate::words::size;
use jiff::Timestamp;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use uuid::Uuid;

impl Run<'_> {
    pub(super) fn save(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let path = self.destination(machine.id())?;
        if self.options.to.is_none() && self.inventory.reads_images() {
            self.inventory.place.prepare().map_err(|error| {
                let hint = "make it as its user, or name another place with --to or VMLIFE_IMAGES";
                Failure::new(Kind::Failed, "cannot be hibernated")
                    .because(&error)
                    .hint(hint)
            })?;
        }
        let mut warnings = Vec::new();
        if let Some(old) = self.replaceable(&path, machine.id())? {
            old.remove().map_err(|error| {
                let message = format!(
                    "cannot be hibernated: its old image {} is in the way",
                    path.display()
                );
                Failure::new(Kind::Guard, message).because(&error)
            })?;
            warnings.push(format!(
                "its {} image of an earlier time was replaced",
                old.summary.verdict
            ));
        }
        let text = path_text(&path)?;
        let (flags, saved) = (self.options.flags, machine.clone());
        let began = Instant::now();
        let result = match self.watch(&subject, Some(machine), move || saved.save(&text, flags)) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => {
                return Err(left(cause, "hibernated").hint(format!(
                    "vmlife show {0} tells; virsh domjobabort {0} cancels",
                    subject.name
                )));
            }
        };
        match result {
            Ok(()) => self.saved(machine, vm, subject, &path, began.elapsed(), warnings),
            Err(error) => Err(self.not_saved(machine, vm, &path, &error)),
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
        let mut size_bytes = None;
        if self.inventory.reads_images() {
            match ImageFile::inspect_of(path, machine.id()) {
                Some(image) if image.summary.verdict == Verdict::Good => {
                    size_bytes = image.summary.size_bytes;
                    if let Err(error) = image.flush() {
                        warnings.push(format!(
                            "the image could not be flushed to its disk: {error}"
                        ));
                    }
                    if let Err(error) = image.store(|image| self.record(vm, machine, took, image)) {
                        warnings.push(format!(
                            "the record beside the image could not be written: {error}"
                        ));
                    }
                }
                Some(image) if image.summary.verdict == Verdict::Unreadable => {
                    warnings.push(
                        "the image may not be read from here, and was not checked".to_owned(),
                    );
                }
                found => {
                    let flaw = found.and_then(|image| image.summary.flaw);
                    let flaw = flaw.unwrap_or_else(|| "it is not there".to_owned());
                    let message = format!(
                        "libvirt hibernated it, but of its image {}: {flaw}",
                        path.display()
                    );
                    return Err(Failure::new(Kind::Failed, message)
                        .hint("do not start the VM; look for the image on the daemon's host"));
                }
            }
        } else {
            warnings.push("the image lies on the daemon's host, and was not checked".to_owned());
        }
        if machine.autostart().unwrap_or(false) {
            warnings.push(
                "autostart is on: at the host's next start libvirt boots it fresh, without its image"
                    .to_owned(),
            );
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
        Record {
            schema_version: Record::SCHEMA_VERSION,
            name: vm.name().to_owned(),
            id: machine.id(),
            saved_at: Timestamp::now(),
            uri: Some(hypervisor.uri().to_owned()),
            host: hypervisor.host_name().ok(),
            libvirt_version: versions.map(|(libvirt, _)| libvirt),
            hypervisor_version: versions.map(|(_, hypervisor)| hypervisor),
            seconds: Some(took.as_secs_f64()),
            image,
            used_at: None,
        }
    }

    /// The save failed or was cancelled: tells where the VM is now, and leaves no partial image.
    fn not_saved(
        &self,
        machine: &Machine,
        before: &Vm,
        path: &Path,
        error: &HypervisorError,
    ) -> Failure {
        if self.inventory.reads_images()
            && let Some(image) = ImageFile::inspect_of(path, machine.id())
            && image.summary.verdict == Verdict::Incomplete
        {
            // Nothing lay there when the save began, so that this is what is left of it. libvirt
            // removes it by itself, unless it died.
            let _ = image.remove();
        }
        let now = match self.inventory.observe(machine) {
            Ok(vm) if vm.status() == before.status() => match vm.status() {
                VmStatus::Paused => "it is paused, as before".to_owned(),
                _ => "it runs on".to_owned(),
            },
            Ok(vm) if vm.status() == VmStatus::Down => {
                format!("it {}: what was in its memory is lost", state_words(&vm))
            }
            Ok(vm) => format!("it {}", state_words(&vm)),
            Err(_) => "its state is not known".to_owned(),
        };
        match self.interrupt.cause() {
            Some(cause) if error.is_aborted() => {
                let why = cause_word(cause);
                Failure::new(cause, format!("was not hibernated, {why}; {now}"))
            }
            _ => error.failure(format!("could not be hibernated; {now}")),
        }
    }

    /// Where this VM's image is to be written.
    pub(super) fn destination(&self, id: Uuid) -> Result<PathBuf, Failure> {
        let Some(to) = &self.options.to else {
            return Ok(self.inventory.place.file(id));
        };
        let ends_with_slash = to.as_os_str().as_encoded_bytes().ends_with(b"/");
        if !self.inventory.hypervisor.is_local() {
            if !to.is_absolute() {
                let message = format!(
                    "cannot be hibernated: --to {} must be a whole path on the daemon's host",
                    to.display()
                );
                return Err(Failure::new(Kind::Usage, message));
            }
            return Ok(if ends_with_slash {
                to.join(format!("{id}.vmsave"))
            } else {
                to.clone()
            });
        }
        let to = std::path::absolute(to)
            .map_err(|error| Failure::new(Kind::Usage, "--to is no path").because(&error))?;
        Ok(if ends_with_slash || to.is_dir() {
            to.join(format!("{id}.vmsave"))
        } else {
            to
        })
    }

    /// Whether the path is free for an image of this VM, which runs. Its own old image may be
    /// replaced: the running memory has left it behind. Nothing else may.
    pub(super) fn replaceable(&self, path: &Path, id: Uuid) -> Result<Option<ImageFile>, Failure> {
        let in_the_way = |what: &str| {
            let message = format!("cannot be hibernated: {} {what}", path.display());
            Err(Failure::new(Kind::Guard, message)
                .hint("move it away, or name another file with --to"))
        };
        if !self.inventory.hypervisor.is_local() {
            // Only the daemon can see that path, and it tells of whole images only.
            return match self.inventory.hypervisor.image_xml(&path_text(path)?) {
                Ok(_) => in_the_way("exists already on the daemon's host"),
                Err(_) => Ok(None),
            };
        }
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                let is_ours = folder == self.inventory.place.folder();
                if is_ours || folder.is_dir() {
                    Ok(None)
                } else {
                    let message = format!(
                        "cannot be hibernated: there is no folder {}",
                        folder.display()
                    );
                    Err(Failure::new(Kind::Failed, message))
                }
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                match self.inventory.hypervisor.image_xml(&path_text(path)?) {
                    Ok(_) => in_the_way("exists already"),
                    Err(_) => Ok(None),
                }
            }
            Err(error) => {
                let message = format!("cannot be hibernated to {}", path.display());
                Err(Failure::new(Kind::Failed, message).because(&error))
            }
            Ok(found) if !found.is_file() => in_the_way("is not a regular file"),
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
                _ => in_the_way("exists already, and is no image of this VM"),
            },
        }
    }
}
