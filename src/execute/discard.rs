//! Giving images up, on purpose.

use super::watch::{Cancel, Ended, left};
use super::{Run, id_of};
use crate::entity::{SavedImage, Verdict, Vm, VmStatus};
use crate::hypervisor::Machine;
use crate::image::ImageFile;
use crate::report::{Failure, Kind, Outcome, VmRef};
use crate::words::size;
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The images that are meant: with `--from` that one only, neither libvirt's own nor one that is missing.
fn meant<'a>(vm: &'a Vm, from: Option<&Path>) -> Vec<&'a SavedImage> {
    let is_meant = |image: &&SavedImage| from.is_none() || image.path.as_deref() == from;
    vm.saved_images.iter().filter(is_meant).collect()
}

/// What goes with a VM's images, for the end of a sentence. The image of a VM that libvirt does not know
/// has its only definition.
pub(crate) fn losses(vm: &Vm, from: Option<&Path>, is_known: bool) -> String {
    let images: Vec<String> = meant(vm, from).into_iter().map(told).collect();
    let definition = if is_known {
        ""
    } else {
        ", and with it the only definition of the VM"
    };
    format!("{}{definition}", images.join(" and "))
}

/// "the image /x.vmsave of 2026-03-01T12:00:00Z (285.3 MiB)".
fn told(image: &SavedImage) -> String {
    let Some(path) = &image.path else {
        return "libvirt's managed save".to_owned();
    };
    if image.verdict == Verdict::Missing {
        return format!("what is known of its image {}", path.display());
    }
    let at = image
        .saved_at
        .map(|at| format!(" of {at:.0}"))
        .unwrap_or_default();
    let bytes = image.size_bytes.map(|bytes| format!(" ({})", size(bytes)));
    format!(
        "the image {}{at}{}",
        path.display(),
        bytes.unwrap_or_default()
    )
}

impl Run<'_> {
    /// Removes the images of a VM and their records, and nothing else. `seen` are those that the user was
    /// told of.
    pub(super) fn discard(
        &mut self,
        vm: &Vm,
        subject: VmRef,
        machine: Option<&Machine>,
        seen: &[SavedImage],
    ) -> Result<Outcome, Failure> {
        fn which(images: &[SavedImage]) -> Vec<(Option<&PathBuf>, Option<Timestamp>, Option<u64>)> {
            images
                .iter()
                .map(|image| (image.path.as_ref(), image.saved_at, image.size_bytes))
                .collect()
        }
        if which(seen) != which(&vm.saved_images) {
            let message = "keeps its images: they are others now than a moment ago";
            return Err(Failure::new(Kind::Guard, message).hint("look again, and say it again"));
        }
        let from = self.inventory.from.clone();
        let from = from.as_deref();
        let (id, images) = (id_of(vm)?, meant(vm, from));
        let lost = losses(vm, from, machine.is_some());
        let mut warnings = Vec::new();
        for (place, image) in images.iter().enumerate() {
            let removed = match (&image.path, machine) {
                // Whatever lies there by now is not it.
                (Some(_), _) if image.verdict == Verdict::Missing => Ok(()),
                (Some(path), _) => self.remove(path, id),
                (None, Some(machine)) => self.remove_managed(machine, &subject),
                (None, None) => Ok(()),
            };
            if let Err(failure) = removed {
                for gone in &images[..place] {
                    warnings.push(format!("it has given up {}", told(gone)));
                    // The note tells of a file that may stay, or of none.
                    if let Some(path) = &gone.path {
                        self.note_no_image(machine, Some(path), &subject, &mut warnings);
                    }
                }
                return Err(failure.warned(warnings));
            }
        }
        self.note_no_image(machine, from, &subject, &mut warnings);
        let status = match vm.status() {
            VmStatus::Suspended => VmStatus::Down,
            status => status,
        };
        Ok(Outcome {
            status: Some(status),
            image: images.iter().find_map(|image| image.path.clone()),
            warnings,
            ..Outcome::done(subject, format!("has given up {lost}"))
        })
    }

    /// Notes that this image, or any if none is named, is no longer kept for the VM, if libvirt knows it.
    fn note_no_image(
        &mut self,
        machine: Option<&Machine>,
        alone: Option<&Path>,
        subject: &VmRef,
        warnings: &mut Vec<String>,
    ) {
        if let Some(machine) = machine {
            let (noted, alone) = (machine.clone(), alone.map(Path::to_path_buf));
            self.take_note(subject, warnings, move |warnings| {
                Run::remember_no_image(&noted, alone.as_deref(), warnings);
            });
        }
    }

    fn remove_managed(&mut self, machine: &Machine, subject: &VmRef) -> Result<(), Failure> {
        let kept = machine.clone();
        let remove = move || kept.remove_managed_save();
        match self.watch(subject, Cancel::Impossible, remove) {
            Ended::Returned(removed) => {
                removed.map_err(|error| error.failure("keeps libvirt's managed save"))
            }
            Ended::Left(why) => Err(left(why, "rid of its managed save")),
        }
    }

    fn remove(&self, path: &Path, id: Uuid) -> Result<(), Failure> {
        let stays = || format!("keeps its image {}", path.display());
        if !self.inventory.looks_at(path) {
            let hint = "run vmlife on the daemon's host, as the user who owns the image";
            let message = format!("{}: it cannot be looked at from here", stays());
            return Err(Failure::new(Kind::Connection, message).hint(hint));
        }
        let image = ImageFile::inspect_of(path, id).map(|image| image.remove());
        image.unwrap_or(Ok(())).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied => Kind::Connection,
                _ => Kind::Failed,
            };
            Failure::new(kind, stays()).because(&error)
        })
    }
}
