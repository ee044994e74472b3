//! Bringing back, from an image or by booting.

use super::watch::{Ended, left};
use super::{Run, id_of, path_text};
use crate::entity::{Vm, VmStatus};
use crate::hypervisor::{HypervisorError, Machine};
use crate::image::ImageFile;
use crate::inventory::Entry;
use crate::report::{Failure, Kind, Outcome, VmRef};
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;

impl Run<'_> {
    pub(super) fn restore(
        &mut self,
        vm: &Vm,
        subject: VmRef,
        machine: Option<&Machine>,
    ) -> Result<Outcome, Failure> {
        let id = id_of(vm)?;
        let path = self.inventory.image_path(id);
        let readable = self.inventory.reads_images();
        let image = readable.then(|| ImageFile::inspect_of(&path, id)).flatten();
        let mut warnings = Vec::new();
        if let Some(image) = &image {
            // From the moment that the guest may run, its disks move on. Marking before, not after,
            // means that no crash in between makes the image look fresh.
            if let Err(error) = image.mark(Some(Timestamp::now())) {
                warnings.push(format!("the image could not be marked as used: {error}"));
            }
        }
        let (text, flags) = (path_text(&path)?, self.options.flags);
        let inventory = Arc::clone(self.inventory);
        let call = move || inventory.hypervisor.restore(&text, flags);
        let result = match self.watch(&subject, None, call) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => return Err(left(cause, "restored")),
        };
        let now = match machine {
            Some(machine) => Some(machine.clone()),
            None => self.inventory.hypervisor.machine_by_id(id).ok().flatten(),
        };
        let status = now
            .and_then(|machine| self.inventory.observe(&machine).ok())
            .map(|vm| vm.status());
        match (result, status) {
            (_, Some(status @ (VmStatus::Up | VmStatus::Paused))) => {
                let words = if status == VmStatus::Up {
                    "runs again"
                } else {
                    "is back, paused"
                };
                let tail = self.used_up(&path, image.as_ref(), &mut warnings);
                let message = format!("{words}, restored from {}{tail}", path.display());
                Ok(Outcome {
                    status: Some(status),
                    image: Some(path),
                    warnings,
                    ..Outcome::done(subject, message)
                })
            }
            (Ok(()), _) => {
                let message = format!(
                    "was restored from {}, but does not run; the image was kept, marked as used",
                    path.display()
                );
                Err(Failure::new(Kind::Failed, message))
            }
            (Err(error), status) => {
                // It never ran: the image is as good as before.
                if status
                    .is_none_or(|status| matches!(status, VmStatus::Down | VmStatus::Suspended))
                    && !error.is_connection_lost()
                    && let Some(image) = &image
                    && let Err(error) = image.mark(None)
                {
                    warnings.push(format!("the image could not be unmarked: {error}"));
                }
                let message = format!(
                    "could not be restored from {}; the image is still there",
                    path.display()
                );
                Err(error.failure(message))
            }
        }
    }

    /// Does away with an image that was restored, or says why it stays.
    fn used_up(
        &self,
        path: &Path,
        image: Option<&ImageFile>,
        warnings: &mut Vec<String>,
    ) -> &'static str {
        match image {
            _ if self.options.keep => " (kept, marked as used)",
            Some(image) => match image.remove() {
                Ok(()) => "",
                Err(error) => {
                    warnings.push(format!(
                        "the image could not be removed ({error}); do not use it again"
                    ));
                    ""
                }
            },
            None => {
                warnings.push(format!(
                    "the image {} still lies on the daemon's host: remove it there, and do not use it again",
                    path.display()
                ));
                ""
            }
        }
    }

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
        self.start(
            &machine,
            VmRef {
                id: Some(machine.id()),
                ..subject
            },
            false,
        )
    }

    /// Boots, or lets libvirt load its managed save: for libvirt that is one call, and it boots, too,
    /// when it finds that save of no use. So look which of them it was.
    pub(super) fn start(
        &mut self,
        machine: &Machine,
        subject: VmRef,
        managed: bool,
    ) -> Result<Outcome, Failure> {
        let paused = self.options.flags.running == Some(false);
        let bypass_cache = managed && self.options.flags.bypass_cache;
        let started = machine.clone();
        let tried = if managed {
            "restored from libvirt's managed save"
        } else {
            "started"
        };
        let result = match self.watch(&subject, None, move || started.start(paused, bypass_cache)) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => return Err(left(cause, tried)),
        };
        result.map_err(|error| error.failure(format!("could not be {tried}")))?;
        let cannot_tell = |error: HypervisorError| {
            error.failure(format!("was {tried}, but its state cannot be read"))
        };
        if managed && machine.state().map_err(cannot_tell)?.is_booted() {
            let message =
                "libvirt booted it fresh: its managed save was of no use, and that memory is lost";
            return Err(Failure::new(Kind::Failed, message));
        }
        let mut status = self
            .inventory
            .observe(machine)
            .map_err(cannot_tell)?
            .status();
        if managed && status == VmStatus::Paused && self.options.flags.running == Some(true) {
            machine
                .resume()
                .map_err(|error| error.failure("is back, but could not be resumed"))?;
            status = VmStatus::Up;
        }
        let message = match (managed, status) {
            (true, VmStatus::Paused) => "is back, paused, restored from libvirt's managed save",
            (true, _) => "runs again, restored from libvirt's managed save",
            (false, VmStatus::Paused) => "is started, paused",
            (false, _) => "is started",
        };
        Ok(Outcome {
            status: Some(status),
            ..Outcome::done(subject, message)
        })
    }
}
