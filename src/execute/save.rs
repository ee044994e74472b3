//! Hibernating: where to, the save, and what has become of it.

use super::budget::{NoShare, Share};
use super::watch::{Cancel, Ended, left};
use super::{Run, path_text, state_words};
use crate::definition::{moved_disks, needs, read_nvram};
use crate::entity::{DomainState, Secret, Verdict, Vm, VmDynamic, VmStatus};
use crate::hypervisor::{HypervisorError, ImageFlags, Machine};
use crate::image::{
    Claim, DiskIdentity, FileIdentity, Forced, ImageFile, Record, Usage, WriteBack,
    reserved_ending, writable_disks,
};
use crate::interrupt::{cause_word, within};
use crate::plan::{waits_for_group, was_to_run};
use crate::report::{Estimate, Failure, Kind, Outcome, VmRef};
use crate::run::CONNECT_LIMIT;
use crate::words::{quoted, size};
use jiff::Timestamp;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long libvirt may take to see that a VM's process has gone, and how often that is looked at.
const SETTLING: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(50);

/// What is known of a save only while it is done.
struct Save {
    took: Duration,
    flags: ImageFlags,
    persistent: Option<bool>,
    claim: Option<Claim>,
    write_back: Option<Arc<WriteBack>>,
    forced: Vec<Forced>,
}

/// What libvirt tells once a VM is saved, as far as it does.
#[derive(Default)]
struct Told {
    versions: Option<(u32, u32)>,
    host: Option<String>,
    next_xml: Option<String>,
    /// Whether libvirt takes the VM for ended by force.
    was_ended: bool,
}

/// How an image is to be written of a VM that is paused only until its group is hibernated: it comes back running.
pub(super) fn as_it_was(vm: &Vm, mut flags: ImageFlags) -> ImageFlags {
    let dynamic = vm.vm_dynamic.as_ref();
    if dynamic.is_some_and(VmDynamic::waits_for_group) {
        flags.running = flags.running.or(Some(true));
    }
    flags
}

impl<'a> Run<'a> {
    /// Removes a managed save of a VM that is alive. libvirt keeps that when the VM is restored from another image,
    /// and the next start would take its memory for the newest.
    pub(super) fn leave_managed_behind(
        &mut self,
        machine: &Machine,
        subject: &VmRef,
        warnings: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let asked = machine.clone();
        if !self.look(subject, move || {
            Ok(asked.has_managed_save().unwrap_or_default())
        })? {
            return Ok(());
        }
        self.must_be_alive(machine, subject)?;
        let alive = machine.clone();
        match self.watch(subject, Cancel::Impossible, move || {
            alive.remove_managed_save()
        }) {
            Ended::Returned(Ok(())) => {
                let words = "its earlier managed save, left behind long ago, was removed";
                warnings.push(words.to_owned());
                Ok(())
            }
            Ended::Returned(Err(error)) => {
                let message =
                    "cannot be hibernated: libvirt still has an earlier managed save of it";
                Err(Failure {
                    kind: Kind::Guard,
                    ..error.failure(message)
                })
            }
            Ended::Left(why) => {
                let failure = left(why, "freed from its earlier managed save").hint(
                    "it was not hibernated: it is as it was, and another vmlife hibernate takes it from there",
                );
                Err(Failure {
                    kind: why.cause(),
                    ..failure
                })
            }
        }
    }

    /// What lies about of earlier memory of a VM may be removed only while it is alive: then that has been left behind.
    fn must_be_alive(&mut self, machine: &Machine, subject: &VmRef) -> Result<(), Failure> {
        let asked = machine.clone();
        if self.look(subject, move || asked.state())?.is_active() {
            return Ok(());
        }
        let message = "cannot be hibernated: it has just stopped, and its image may be all that is left of it";
        Err(Failure::new(Kind::State, message))
    }

    /// Makes way for an image: what lies there and elsewhere of earlier memory of this VM goes.
    fn make_way(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
        (path, earlier): (&Path, Option<ImageFile>),
        warnings: &mut Vec<String>,
    ) -> Result<(), Failure> {
        if let Some(old) = earlier {
            let what = match old.summary.verdict {
                Verdict::Incomplete => "incomplete",
                _ => "earlier",
            };
            self.must_be_alive(machine, subject)?;
            old.remove().map_err(|error| {
                let old = old.path.display();
                let message =
                    format!("cannot be hibernated: its earlier image {old} is in the way");
                Failure::new(Kind::Guard, message).because(&error)
            })?;
            warnings.push(format!("its {what} image was removed"));
        }
        if self.inventory.looks_at(path) {
            Record::discard(path).map_err(|error| {
                let message = "cannot be hibernated: the record of its earlier image is in the way";
                Failure::new(Kind::Guard, message).because(&error)
            })?;
        }
        if path != self.inventory.place.file(machine.id()) {
            // It is alive, so that whatever lies in its place is left behind, however this ends.
            self.leave_image_behind(vm, warnings);
        }
        self.leave_managed_behind(machine, subject, warnings)
    }

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
        let flags = as_it_was(vm, self.writing(&subject, &path)?);
        let (mut remarks, estimate) = self.before_save(machine, vm, &path, earlier.as_ref())?;
        let share = self.share(estimate.as_ref())?;
        let mut anew = None;
        if has_waited(share.as_ref()) {
            let now = self.seen_anew(machine, vm, &subject)?;
            (remarks, _) = self.before_save(machine, &now, &path, earlier.as_ref())?;
            anew = Some(now);
        }
        let vm = anew.as_ref().unwrap_or(vm);
        self.tell_unchecked(&subject, &remarks);
        if self.options.to.is_none() && self.inventory.reads_images() {
            self.inventory.place.prepare().map_err(|error| {
                let hint = "make it as its user, or name another place with --to or VMLIFE_IMAGES";
                Failure::new(Kind::Connection, "cannot be hibernated")
                    .because(&error)
                    .hint(hint)
            })?;
        }
        let mut warnings = remarks.overridden.clone();
        // Afterwards libvirt may not know it any more.
        let asked = machine.clone();
        let persistent = self.look(&subject, move || Ok(asked.is_persistent().ok()))?;
        let way = self.make_way(machine, vm, &subject, (&path, earlier), &mut warnings);
        let mut claim = match way.and_then(|()| self.claim(&subject, &path, &text)) {
            Ok(claim) => claim,
            Err(failure) => return Err(failure.warned(warnings)),
        };
        let saved = machine.clone();
        let began = Instant::now();
        let write_back = claim.as_mut().map(Claim::write_back);
        let asked = self.ask_to_save(machine, &subject, move || saved.save(&text, flags));
        if let Some(write_back) = &write_back {
            write_back.end();
        }
        let result = match asked {
            Ok(result) => result,
            Err(failure) => return Err(failure.warned(warnings)),
        };
        let save = Save {
            took: began.elapsed(),
            flags,
            persistent,
            claim,
            write_back,
            forced: paused_on_error(vm)
                .into_iter()
                .chain(remarks.overridden)
                .map(Forced::now)
                .collect(),
        };
        let error = match result {
            Ok(()) => {
                warnings.extend(remarks.cautions);
                let outcome = self.saved(machine, vm, subject, &path, &save, warnings);
                if let (Ok(outcome), Some(share)) = (&outcome, &share) {
                    share.written(outcome.size_bytes.unwrap_or_default());
                }
                return outcome;
            }
            Err(error) => error,
        };
        if !error.is_unsupported_image() {
            warnings.extend(Run::warn_after_failed(flags));
        }
        if !error.is_connection_lost() {
            return self
                .not_saved(machine, vm, subject, Some(&path), &error)
                .map_err(|failure| failure.warned(warnings));
        }
        // Nobody has told how it ended.
        let warned = |failure: Failure, warnings| Err(failure.warned(warnings));
        if let Err(failure) = self.reconnect(&subject, "hibernated", Some(&path), &error) {
            return warned(failure, warnings);
        }
        let found = self.picked_up(&subject, machine.id(), Cancel::Abort(machine));
        let now = match &found {
            Ok(Some((machine, now))) if now.status().is_active() => Some(machine),
            Ok(_) if self.is_whole(&subject, &path, machine.id()) => {
                let known = found.ok().flatten().map(|(known, _)| known);
                let machine = known.as_ref().unwrap_or(machine);
                return self.saved(machine, vm, subject, &path, &save, warnings);
            }
            Ok(Some((machine, _))) => Some(machine),
            Ok(None) | Err(_) => None,
        };
        let outcome = match now {
            Some(machine) => self.not_saved(machine, vm, subject, Some(&path), &error),
            None => Err(match found {
                Err(error) => self.out_of_touch(&subject, "hibernated", Some(&path), &error),
                Ok(_) => self.not_saved_and_gone(&path, machine.id(), &error),
            }),
        };
        outcome.map_err(|failure| failure.warned(warnings))
    }

    /// A share of the time that all saves have together, if that is limited. What goes on is waited for.
    pub(super) fn share(&self, estimate: Option<&Estimate>) -> Result<Option<Share<'a>>, Failure> {
        let Some((budget, estimate)) = self.budget.zip(estimate) else {
            return Ok(None);
        };
        let watch = self.interrupt.watch();
        let share = budget.share(estimate, || self.interrupt.cause().is_none());
        drop(watch);
        share.map(Some).map_err(|refusal| {
            let (kind, why) = match refusal {
                NoShare::TooLong(why) => (Kind::TimedOut, why),
                NoShare::Cancelled => {
                    let cause = self.interrupt.cause().unwrap_or(Kind::Failed);
                    (cause, cause_word(cause))
                }
            };
            Failure::not_attempted(kind, why)
        })
    }

    /// A VM as it is when it has waited for others: what was seen before may be no longer so.
    pub(super) fn seen_anew(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
    ) -> Result<Vm, Failure> {
        let (inventory, asked) = (Arc::clone(&self.inventory), machine.clone());
        let now = self.look(subject, move || inventory.observe(&asked))?;
        if now.status() == vm.status() {
            return Ok(now);
        }
        let words = state_words(&now);
        let why = format!("it {words}, since it has waited for others");
        Err(Failure::not_attempted(Kind::State, why))
    }

    /// Takes the place of the image, so that nobody else does, and makes sure that the daemon sees the same one.
    /// Where only the daemon can make files, that is left to it.
    fn claim(
        &mut self,
        subject: &VmRef,
        path: &Path,
        text: &str,
    ) -> Result<Option<Claim>, Failure> {
        if !self.inventory.reads_images() {
            return Ok(None);
        }
        let refusal = |kind, what: &str| {
            let message = format!("cannot be hibernated: {} {what}", path.display());
            Failure::new(kind, message).hint("name another file with --to")
        };
        let claim = match Claim::make(path) {
            Ok(claim) => claim,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(refusal(Kind::Guard, "was made by somebody else just now"));
            }
            Err(_) => return Ok(None),
        };
        let (hypervisor, asked) = (Arc::clone(&self.inventory.hypervisor), text.to_owned());
        let seen = self.look(subject, move || Ok(hypervisor.image_xml(&asked)));
        let failure = match seen {
            Err(failure) => failure,
            Ok(Err(error)) if error.is_no_header() => return Ok(Some(claim)),
            Ok(Err(error)) if error.is_no_such_file() => refusal(
                Kind::Connection,
                "was made, and the daemon does not see it: its files are others than those here",
            ),
            Ok(Err(error)) if error.is_connection_lost() => {
                error.failure(format!("cannot be hibernated to {}", path.display()))
            }
            Ok(Ok(_)) => refusal(
                Kind::Guard,
                "is an image to the daemon, whose files are others than those here",
            ),
            Ok(Err(error)) if error.is_no_image() || error.is_incomplete_image() => refusal(
                Kind::Guard,
                "is another file to the daemon, whose files are others than those here",
            ),
            // It may write there and not read.
            Ok(Err(_)) => return Ok(Some(claim)),
        };
        let left = claim.withdraw().err();
        let left = left.map(|error| format!("{} is left over, empty: {error}", path.display()));
        Err(failure.warned(left.into_iter().collect()))
    }

    /// Has libvirt save the VM, and watches that; what is then said of one that is no longer waited for.
    pub(super) fn ask_to_save(
        &mut self,
        machine: &Machine,
        subject: &VmRef,
        call: impl FnOnce() -> Result<(), HypervisorError> + Send + 'static,
    ) -> Result<Result<(), HypervisorError>, Failure> {
        match self.watch(subject, Cancel::Abort(machine), call) {
            Ended::Returned(result) => Ok(result),
            Ended::Left(why) => {
                let (whole, name) = (quoted(&subject.to_string()), quoted(&subject.name));
                let host = subject.host.as_ref();
                let there = host.map_or(String::new(), |host| format!(" on host {host}"));
                Err(left(why, "hibernated").hint(format!(
                    "vmlife show {whole} tells; virsh domjobabort {name}{there} cancels"
                )))
            }
        }
    }

    /// Whether a save wrote its image to the end.
    fn is_whole(&mut self, subject: &VmRef, path: &Path, id: Uuid) -> bool {
        let image = if self.inventory.looks_at(path) {
            ImageFile::inspect_of(path, id).map(|image| image.summary)
        } else {
            let (inventory, path) = (Arc::clone(&self.inventory), path.to_path_buf());
            let asked = self.ask(subject, move || {
                Ok(inventory.image_seen_by_daemon(&path, id))
            });
            asked.ok().flatten()
        };
        image.is_some_and(|image| image.verdict == Verdict::Good)
    }

    /// The connection was lost, and the daemon does not know the VM any more.
    fn not_saved_and_gone(&self, path: &Path, id: Uuid, error: &HypervisorError) -> Failure {
        let message = "could not be hibernated; libvirt does not know it any more";
        let warnings = self.leftover(path, id, None, false).into_iter().collect();
        error.save_failure(message).warned(warnings)
    }

    /// The save came to its end: makes sure that the image is what it should be.
    fn saved(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
        path: &Path,
        save: &Save,
        mut warnings: Vec<String>,
    ) -> Result<Outcome, Failure> {
        let size_bytes = if self.inventory.looks_at(path) {
            let kept = self.keep(machine, vm, &subject, path, save, &mut warnings);
            kept.map(Some)
        } else {
            let asked = self.ask_daemon(&subject, path, machine.id(), &mut warnings);
            asked.map(|()| None)
        };
        let size_bytes = match size_bytes {
            Ok(size_bytes) => size_bytes,
            Err(failure) => return Err(failure.warned(warnings)),
        };
        let (noted, before, image) = (machine.clone(), vm.clone(), path.to_path_buf());
        self.take_note(&subject, &mut warnings, move |warnings| {
            Run::remember_stop(&noted, &before, Some(&image), warnings);
        });
        self.note_late_cancel(&mut warnings);
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

    /// Makes an image that can be seen durable, and writes the record beside it. Gives its length in bytes.
    fn keep(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: &VmRef,
        path: &Path,
        save: &Save,
        warnings: &mut Vec<String>,
    ) -> Result<u64, Failure> {
        let image = ImageFile::inspect_of(path, machine.id())
            .ok_or_else(|| not_right(path, "there is no such file on this machine"))?;
        if save.claim.as_ref().is_some_and(|claim| !claim.is_there()) {
            return Err(not_right(
                path,
                "somebody has put another file in its place meanwhile",
            ));
        }
        if image.summary.verdict != Verdict::Good {
            return Err(not_right(
                path,
                image.summary.flaw.as_deref().unwrap_or_default(),
            ));
        }
        if let Some(at) = image.first_hole() {
            let flaw =
                format!("nothing is at its byte {at}: somebody has cut it while it was written");
            return Err(not_right(path, &flaw));
        }
        let size_bytes = image.summary.size_bytes;
        let image = Arc::new(image);
        let (hypervisor, asked) = (Arc::clone(&self.inventory.hypervisor), machine.clone());
        let told = self.ask(subject, move || {
            Ok(Told {
                versions: hypervisor.versions().ok(),
                host: hypervisor.host_name().ok(),
                // What libvirt still knows of a VM that is off is what the next boot finds.
                next_xml: asked.xml().ok(),
                was_ended: asked.state().is_ok_and(DomainState::stopped_without_save),
            })
        });
        let told = told.unwrap_or_default();
        let was_ended = told.was_ended;
        let record = self.record(vm, machine.id(), save, &image, told);
        let kept = Arc::clone(&image);
        let call = move || (kept.flush(), kept.store(&record));
        match self.watch(subject, Cancel::TooLate, call) {
            Ended::Left(_) => warnings.push(
                "whether its image and the record beside it have reached the disk is not known"
                    .to_owned(),
            ),
            Ended::Returned((flushed, stored)) => {
                let earlier = save.write_back.as_ref();
                let earlier = earlier.map_or(Ok(()), |earlier| earlier.went_well());
                let flushed = flushed.and(earlier);
                if let Err(error) = flushed {
                    warnings.push(format!(
                        "the image could not be flushed to its disk: {error}"
                    ));
                }
                if let Err(error) = stored {
                    warnings.push(format!(
                        "the record beside the image could not be written: {error}"
                    ));
                } else if self.options.checksum
                    && let Err(failure) = self.add_checksum(subject, &image)
                {
                    let cause = failure.cause.map(|cause| format!(" ({cause})"));
                    let why = format!("{}{}", failure.message, cause.unwrap_or_default());
                    warnings.push(format!("its image has no checksum: {why}"));
                }
            }
        }
        if was_ended && image.mark_as_not_run().is_ok() {
            warnings.push("QEMU died when all had been written: its image is whole".to_owned());
        }
        Ok(size_bytes.unwrap_or_default())
    }

    /// Asks about an image that only the daemon can see. It tells whether that is whole, not whether it is
    /// flushed.
    fn ask_daemon(
        &mut self,
        subject: &VmRef,
        path: &Path,
        id: Uuid,
        warnings: &mut Vec<String>,
    ) -> Result<(), Failure> {
        if self.options.checksum {
            warnings.push(
                "its image has no checksum: it lies where only the daemon can see it".to_owned(),
            );
        }
        let (inventory, seen) = (Arc::clone(&self.inventory), path.to_path_buf());
        let asked = self.ask(subject, move || {
            Ok(inventory.image_seen_by_daemon(&seen, id))
        });
        let image = asked.map_err(|error| {
            let path = path.display();
            let message = format!("was hibernated by libvirt to {path}, but not looked at");
            error.failure(message)
        })?;
        match image {
            Some(image) if image.verdict == Verdict::Good => warnings.push(
                "the image lies where only the daemon can see it: whether it has reached its disk is not known"
                    .to_owned(),
            ),
            Some(image) => return Err(not_right(path, image.flaw.as_deref().unwrap_or_default())),
            None => return Err(not_right(path, "the daemon does not find it")),
        }
        Ok(())
    }

    /// Success, although somebody had wished otherwise.
    pub(super) fn note_late_cancel(&self, warnings: &mut Vec<String>) {
        if let Some(cause) = self.interrupt.cause() {
            let why = cause_word(cause);
            warnings.push(format!(
                "it was hibernated before the cancel took effect ({why})"
            ));
        }
    }

    /// Reads the image back, and notes its checksum in the record, which has been written first: a guest
    /// whose image is being read is hibernated already.
    fn add_checksum(&mut self, subject: &VmRef, image: &ImageFile) -> Result<(), Failure> {
        let total = image.summary.size_bytes.unwrap_or_default();
        let sum = self.checksum(subject, &image.path, total)?;
        let now = fs::symlink_metadata(&image.path).map(|found| FileIdentity::from(&found));
        if now.is_ok_and(|now| now != image.identity()) {
            let message = "somebody has changed it since it was written";
            return Err(Failure::new(Kind::Failed, message));
        }
        let noted = image.note(|record| record.checksum = Some(sum));
        noted.map_err(|error| {
            Failure::new(Kind::Failed, "its record could not be written").because(&error)
        })
    }

    /// What is known now that libvirt has ended the VM: QEMU writes to its disks until its end.
    fn record(&self, vm: &Vm, id: Uuid, save: &Save, image: &ImageFile, told: Told) -> Record {
        let versions = told.versions;
        let dynamic = vm.vm_dynamic.as_ref();
        let (disks, untold_disks) = writable_disks(vm);
        let xml = image.xml.as_ref().and_then(Secret::expose);
        let then = xml.and_then(needs).unwrap_or_default();
        let now = told.next_xml.as_deref().and_then(needs);
        let now = now.unwrap_or_default();
        let nvram = xml.and_then(read_nvram);
        let firmware = [("nvram", nvram), ("tpm", tpm_state(vm))];
        Record {
            schema_version: Record::SCHEMA_VERSION,
            name: vm.name().to_owned(),
            id,
            saved_at: Timestamp::now(),
            status_before: Some(vm.status()),
            was_running: image.summary.was_running,
            persistent: save.persistent,
            emulated_machine: dynamic.and_then(|dynamic| dynamic.emulated_machine.clone()),
            uri: Some(self.inventory.hypervisor.uri().to_owned()),
            host: told.host,
            libvirt_version: versions.map(|(libvirt, _)| libvirt),
            hypervisor_version: versions.map(|(_, hypervisor)| hypervisor),
            seconds: Some(save.took.as_secs_f64()),
            image_format: image.summary.format.clone(),
            parallel_channels: save.flags.channels,
            bypass_cache: Some(save.flags.bypass_cache),
            image: image.identity(),
            checksum: None,
            disks: Some(disks),
            untold_disks,
            firmware: firmware
                .into_iter()
                .filter_map(|(target, path)| DiskIdentity::of(target, &path?).ok()?)
                .collect(),
            next_disks: moved_disks(&then.files, &now.files),
            memory_before_trim: dynamic.and_then(|dynamic| dynamic.memory_before_trim),
            had_agent: dynamic.map(VmDynamic::has_agent),
            forced: save.forced.clone(),
            usage: None,
            known_start: None,
            is_open: false,
        }
    }

    /// The save failed or was cancelled: tells where the VM is now, and leaves no partial image.
    pub(super) fn not_saved(
        &mut self,
        machine: &Machine,
        before: &Vm,
        subject: VmRef,
        path: Option<&Path>,
        error: &HypervisorError,
    ) -> Result<Outcome, Failure> {
        let mut now = self.observe(&subject, machine);
        let began = Instant::now();
        // What its process said last is not what becomes of it.
        while error.is_process_lost()
            && now.as_ref().is_ok_and(|vm| vm.status().is_active())
            && began.elapsed() < SETTLING
        {
            thread::sleep(GLANCE);
            now = self.observe(&subject, machine);
        }
        if let Ok(vm) = &now
            && self.put_back(&subject, machine, before, vm)
        {
            now = self.observe(&subject, machine);
        }
        let status = now.as_ref().ok().map(Vm::status);
        let as_before = status == Some(before.status());
        // Then nobody writes to the file any more: no job goes on.
        let is_over = match &now {
            Ok(vm) => {
                let rests = [VmStatus::Up, VmStatus::Paused].contains(&vm.status());
                rests || !vm.status().is_active()
            }
            Err(error) => error.is_no_domain(),
        };
        let leftover = path.and_then(|path| self.leftover(path, machine.id(), status, is_over));
        if status == Some(VmStatus::Suspended) {
            // Somebody else was quicker, with the same wish.
            return Ok(Outcome {
                status,
                warnings: leftover.into_iter().collect(),
                ..Outcome::done(subject, "is hibernated, by somebody else")
            });
        }
        let words = match &now {
            // Where it is in the end, its group tells.
            Ok(vm) if as_before && vm.status() == VmStatus::Paused && self.options.together => {
                String::new()
            }
            Ok(vm) if was_to_run(before) && vm.status() == VmStatus::Up => {
                "it runs, as it was to before".to_owned()
            }
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
        let words = if words.is_empty() {
            words
        } else {
            format!("; {words}")
        };
        // Nobody has told how the save ended, nor where it is now.
        let is_untold =
            error.is_connection_lost() && now.as_ref().is_err_and(|error| !error.is_no_domain());
        let is_back = as_before || was_to_run(before) && status == Some(VmStatus::Up);
        let is_cancelled =
            error.is_aborted() || error.is_connection_lost() || error.is_unexplained();
        // A QEMU that hangs lets libvirt begin nothing.
        let is_cancelled = is_cancelled || error.kind() == Kind::Busy;
        let failure = match self.interrupt.cause() {
            Some(cause) if is_back && is_cancelled => {
                let why = cause_word(cause);
                Failure::new(cause, format!("was not hibernated, {why}{words}"))
            }
            _ if status == Some(VmStatus::SavingState) || is_untold => error
                .save_failure(format!("may still be hibernated{words}"))
                .hint("vmlife show tells what became of it"),
            _ => {
                let failure = error.save_failure(format!("could not be hibernated{words}"));
                match &now {
                    Ok(_) => self.explain(&subject, failure, machine),
                    Err(error) if error.is_no_domain() => failure,
                    Err(_) => failure.hint("vmlife show tells what became of it"),
                }
            }
        };
        Err(failure.warned(leftover.into_iter().collect()))
    }

    /// Of a save that came to nothing libvirt leaves the VM as it was to be restored, not as it was: running with
    /// `--running`, and paused with `--paused`. It also tries only once to let it run again. Gives whether
    /// something was done about that. One that only stood still because an earlier command was cut off goes on.
    fn put_back(&mut self, subject: &VmRef, machine: &Machine, before: &Vm, now: &Vm) -> bool {
        let machine = machine.clone();
        let was_paused = self.options.together || !was_to_run(before);
        let is_left = now
            .vm_dynamic
            .as_ref()
            .is_some_and(VmDynamic::is_left_by_save);
        match (self.options.flags.running, before.status(), now.status()) {
            (Some(true), VmStatus::Paused, VmStatus::Up) if was_paused => {
                let waits = waits_for_group(before);
                // What becomes of it is looked at next.
                let _ = self.ask(subject, move || {
                    machine.suspend()?;
                    if waits {
                        Run::remember_group(&machine, true)?;
                    }
                    Ok(())
                });
                true
            }
            // libvirt could not let it run again, or was not to.
            (_, VmStatus::Up, VmStatus::Paused) if is_left => {
                let _ = self.ask(subject, move || machine.resume());
                true
            }
            _ => false,
        }
    }

    /// Does away with what a save has left that did not succeed and is over, or says what it is. Nothing lay
    /// there when it began but the file that was made for it, which libvirt does not remove.
    fn leftover(
        &self,
        path: &Path,
        id: Uuid,
        status: Option<VmStatus>,
        is_over: bool,
    ) -> Option<String> {
        let place = path.display();
        let began = Instant::now();
        loop {
            let image =
                ImageFile::inspect_of(path, id).filter(|_| self.inventory.looks_at(path))?;
            // Its head is the first thing in it, but not there from the first moment on.
            let is_incomplete =
                image.summary.verdict == Verdict::Incomplete || image.summary.size_bytes == Some(0);
            if is_incomplete && !is_over {
                return Some(format!(
                    "{place} is what is left of the save, and it is incomplete"
                ));
            }
            if is_incomplete {
                // Nobody saves the VM now; but who wrote for libvirt may just be coming to his end.
                let error = image.remove_unfinished().err()?;
                if began.elapsed() < SETTLING {
                    thread::sleep(GLANCE);
                    continue;
                }
                return Some(format!(
                    "its incomplete image {place} is left over: {error}"
                ));
            }
            let is_alive = status.is_some_and(VmStatus::is_alive);
            if image.summary.verdict != Verdict::Good || !is_alive {
                return None;
            }
            return Some(match image.mark(Usage::LeftBehind(Timestamp::now())) {
                Ok(_) => format!("{place} is whole, but left behind, and marked as used"),
                Err(error) => format!("do not use {place}, which is left behind: {error}"),
            });
        }
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
        if let Some(ending) = reserved_ending(&to).filter(|_| !is_folder) {
            let message = format!(
                "cannot be hibernated: --to {} ends as vmlife's own files beside images do ({ending})",
                to.display()
            );
            return Err(Failure::new(Kind::Usage, message).hint("name another file"));
        }
        let path = if is_folder {
            to.join(format!("{id}.vmsave"))
        } else {
            to
        };
        let folder = path
            .parent()
            .filter(|_| self.inventory.hypervisor.is_local());
        if let Some(folder) = folder.filter(|folder| is_open_to_all(folder))
            && !self.options.wishes.force
        {
            let message = format!(
                "cannot be hibernated: everybody may put files into the folder {}, and take them away",
                folder.display()
            );
            let hint = format!(
                "chmod o-w {} mends that",
                quoted(&folder.display().to_string())
            );
            return Err(Failure::new(Kind::Guard, message).hint(hint));
        }
        Ok(path)
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
            // Only the daemon can see that path. If it hangs there, so does the connection.
            let hypervisor = Arc::clone(&self.inventory.hypervisor);
            let apart = within(CONNECT_LIMIT, move || hypervisor.apart());
            let silence = HypervisorError::silence(CONNECT_LIMIT);
            return match apart.map_or(Err(silence), |apart| apart.image_xml(&text)) {
                Err(error) if error.is_no_such_file() => Ok(None),
                Err(error) if error.kind() == Kind::Connection => {
                    let message = format!("cannot be hibernated to {}", path.display());
                    let hint = "it has to be a place for a new file on the daemon's host, no pipe or device";
                    Err(error.failure(message).hint(hint))
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

/// Whether time has passed since a VM was looked at.
pub(super) fn has_waited(share: Option<&Share<'_>>) -> bool {
    share.is_some_and(|share| share.waited() >= Duration::from_secs(1))
}

/// Whether everybody may also take away what others put there.
fn is_open_to_all(folder: &Path) -> bool {
    let found = folder.metadata();
    found.is_ok_and(|found| found.is_dir() && found.mode() & 0o1002 == 0o0002)
}

/// libvirt says that it saved the VM, and this is what the image is.
fn not_right(path: &Path, flaw: &str) -> Failure {
    let path = path.display();
    let message = format!("was hibernated by libvirt, but its image {path} is not right: {flaw}");
    Failure::new(Kind::Failed, message)
        .hint("do not start the VM before the image is found on the daemon's host")
}

/// Where the system's daemon has the TPM of a VM keep its state.
fn tpm_state(vm: &Vm) -> Option<PathBuf> {
    let folder = Path::new("/var/lib/libvirt/swtpm").join(vm.id()?.to_string());
    let files = ["tpm2/tpm2-00.permall", "tpm1.2/tpm-00.permall"].map(|file| folder.join(file));
    files
        .into_iter()
        .find(|file| vm.vm_static.tpm_enabled && file.exists())
}

/// What `--force` overrode, if this VM is one that only it saves.
fn paused_on_error(vm: &Vm) -> Option<String> {
    let pause = vm.vm_dynamic.as_ref()?.pause_status;
    pause
        .is_error()
        .then(|| format!("it paused on an error of a disk: {pause}"))
}
