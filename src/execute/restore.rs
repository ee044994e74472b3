//! Bringing back from an image.

use super::watch::{Cancel, Ended, end_loading, left};
use super::{Run, id_of, path_text, state_words};
use crate::entity::{DomainState, MemorySize, Verdict, Vm, VmStatus};
use crate::hypervisor::{HypervisorError, ImageFlags, Machine};
use crate::image::{DAMAGED, Forced, ImageFile, Record, Usage};
use crate::interrupt::cause_word;
use crate::plan::was_cut_off;
use crate::report::{Clock, Failure, Kind, Outcome, VmRef};
use crate::words::quoted;
use jiff::Timestamp;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// An image that is marked, with its record as it was before.
pub(super) struct Marked {
    image: ImageFile,
    before: Option<Record>,
}

/// How long a half-started VM may take to end.
const ENDING: Duration = Duration::from_secs(20);

/// Where a VM is after an attempt to bring it back.
pub(super) enum Now {
    /// It was seen.
    Seen(Box<Vm>, DomainState),
    /// libvirt has let it run, and has not answered since.
    LetRun,
    /// libvirt does not know it.
    Gone,
    /// It could not be looked at.
    Unknown,
}

/// A restore that did not get to its end.
struct Unloaded {
    now: Now,
    /// Whether the guest is known not to have run, although the VM was half-started.
    never_ran: bool,
    failure: Failure,
}

impl Now {
    /// Whether it has been loaded from an image, and has not been let run.
    fn is_loaded(&self) -> bool {
        matches!(self, Self::Seen(_, state) if state.is_loaded())
    }

    /// Whether its memory, restored from an image, is there.
    fn is_back(&self) -> bool {
        match self {
            Self::Seen(vm, _) => vm.status().is_alive(),
            Self::LetRun => true,
            Self::Gone | Self::Unknown => false,
        }
    }

    /// Whether its QEMU is just being ended.
    fn is_ending(&self) -> bool {
        matches!(self, Self::Seen(vm, _) if vm.status() == VmStatus::PoweringDown)
    }

    /// Whether it is off for a reason by which it may have run since an image of it was written.
    fn speaks_against_images(&self) -> bool {
        matches!(self, Self::Seen(_, state) if state.stopped_without_save())
    }

    /// Where it is if that is not the end of it, for the end of a sentence.
    pub(super) fn not_ended(&self) -> Option<String> {
        match self {
            Self::Unknown => Some("its state is not known".to_owned()),
            Self::Seen(vm, _) => {
                let starts = [VmStatus::RestoringState, VmStatus::WaitForLaunch];
                starts
                    .contains(&vm.status())
                    .then(|| format!("it {}", state_words(vm)))
            }
            Self::LetRun | Self::Gone => None,
        }
    }

    /// Whether no process of it exists.
    fn is_off(&self) -> bool {
        match self {
            Self::Seen(_, state) => !state.is_active(),
            Self::Gone => true,
            Self::LetRun | Self::Unknown => false,
        }
    }
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
        path_text(&path)?;
        let (remarks, _) = self.before_restore(vm, Some(&path), machine)?;
        self.tell_unchecked(&subject, &remarks);
        let mut warnings = [remarks.overridden.as_slice(), &remarks.cautions].concat();
        let flags = self.reading(vm, Some(&path), &mut warnings)?;
        let image = self.begin(&path, vm, &subject, remarks.overridden, &mut warnings)?;
        let aside = self.set_aside(vm, Some(&path), &mut warnings);
        let was_running = image
            .as_ref()
            .and_then(|marked| marked.image.summary.was_running);
        // Whether the guest is to run, if that can be told. Then it is loaded first, and let run in a step
        // of its own: until that one it can be given up, and nothing has happened to it or its disks.
        let runs = self.options.flags.running.or(was_running);
        let mut now = match self.load(&subject, machine, (id, &path), flags, runs.is_some()) {
            Ok(now) => now,
            Err(unloaded) => {
                let Unloaded {
                    now,
                    never_ran,
                    failure,
                } = *unloaded;
                // What was taken by force had been in doubt before.
                if never_ran && !self.options.wishes.force && now.speaks_against_images() {
                    give_up(image, &mut warnings);
                } else {
                    settle(image, &now, never_ran, &mut warnings);
                }
                settle(aside, &now, never_ran, &mut warnings);
                return Err(failure.warned(warnings));
            }
        };
        if runs == Some(true) && now.is_loaded() {
            now = match self.let_run(&subject, id) {
                Ok(now) => now,
                Err(failure) => {
                    leave_behind(aside, &mut warnings);
                    warnings.push(stays_marked(&path));
                    return Err(failure.warned(warnings));
                }
            };
        }
        if let Some(cause) = self.interrupt.cause() {
            warnings.push(format!(
                "it was restored before the cancel took effect ({})",
                cause_word(cause)
            ));
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
            Now::LetRun => {
                warnings.push(
                    "libvirt has let it run, and does not answer any more: how it is now is not known"
                        .to_owned(),
                );
                (VmStatus::Up, "runs again".to_owned())
            }
            Now::Unknown => {
                warnings.push(stays_marked(&path));
                return Err(unseen(&path, &subject).warned(warnings));
            }
            other => {
                leave_behind(image, &mut warnings);
                let now = match other {
                    Now::Seen(vm, _) => format!("does not run any more: it {}", state_words(vm)),
                    _ => "libvirt does not know it any more".to_owned(),
                };
                let message = format!("was restored from {}, but {now}", path.display());
                return Err(Failure::new(Kind::Failed, message).warned(warnings));
            }
        };
        let saved_at = image
            .as_ref()
            .and_then(|marked| marked.image.summary.saved_at);
        self.note_restore(&subject, id, saved_at, &mut warnings);
        let image = image.map(|marked| marked.image);
        let clock = clock_of(image.as_ref());
        let recorded = image.as_ref().and_then(trimmed_from);
        if recorded.is_some() || image.as_ref().is_none_or(was_trimmed) {
            self.give_back(&subject, id, recorded, true, &mut warnings);
        }
        let tail = self.used_up(&path, image, &mut warnings);
        let message = format!("{words}, restored from {}{tail}", path.display());
        Ok(Outcome {
            status: Some(status),
            image: Some(path),
            clock: Some(clock),
            warnings,
            ..Outcome::done(subject, message)
        })
    }

    /// Notes that a VM is back, and says if it is there only as long as it runs.
    fn note_restore(
        &mut self,
        subject: &VmRef,
        id: Uuid,
        saved_at: Option<Timestamp>,
        warnings: &mut Vec<String>,
    ) {
        let inventory = Arc::clone(&self.inventory);
        let for_group = self.options.for_group;
        self.take_note(subject, warnings, move |warnings| {
            let Some(machine) = inventory.hypervisor.machine_by_id(id).ok().flatten() else {
                return;
            };
            Run::remember_restore(&machine, saved_at, warnings);
            if for_group {
                Run::remember_group_wait(&machine, warnings);
            }
            if let Ok(false) = machine.is_persistent() {
                warnings.push(
                    "libvirt has no definition of it: when it stops it is gone (virsh define keeps it)"
                        .to_owned(),
                );
            }
        });
    }

    /// Loads a VM's memory from an image; if it `stays` paused then, that can be cancelled. A connection
    /// that is lost meanwhile is made anew, and tells what became of it.
    fn load(
        &mut self,
        subject: &VmRef,
        machine: Option<&Machine>,
        (id, path): (Uuid, &Path),
        mut flags: ImageFlags,
        stays: bool,
    ) -> Result<Now, Box<Unloaded>> {
        let unknown = |failure| {
            Box::new(Unloaded {
                now: Now::Unknown,
                never_ran: false,
                failure,
            })
        };
        let text = path_text(path).map_err(unknown)?;
        let mut cancel = Cancel::Impossible;
        if stays {
            flags.running = Some(false);
            cancel = Cancel::Destroy(id);
        }
        // What it is now is not what becomes of this load.
        let before = machine.cloned();
        let had_crashed = before.is_some_and(|machine| {
            let state = self.ask(subject, move || machine.state());
            state.is_ok_and(DomainState::has_crashed)
        });
        let inventory = Arc::clone(&self.inventory);
        let call = move || inventory.hypervisor.restore(&text, flags);
        let mut result = match self.watch(subject, cancel, call) {
            Ended::Returned(result) => result,
            Ended::Left(why) => return Err(unknown(left(why, "restored"))),
        };
        let mut now = match &result {
            Err(error) if error.is_connection_lost() => {
                self.reconnect(subject, "restored", Some(path), error)
                    .map_err(unknown)?;
                let now = match self.picked_up(subject, id, cancel) {
                    Ok(_) => self.look_at(subject, None, id),
                    Err(_) => Now::Unknown,
                };
                if now.is_back() {
                    result = Ok(());
                }
                now
            }
            _ => self.look_at(subject, machine, id),
        };
        let cause = self.interrupt.cause().filter(|_| stays);
        // The cancel's own end of it may still be under way.
        let began = Instant::now();
        while cause.is_some() && now.is_ending() && began.elapsed() < ENDING {
            thread::sleep(Duration::from_millis(50));
            now = self.look_at(subject, None, id);
        }
        if result.is_ok() && cause.is_some() && now.is_loaded() {
            let inventory = Arc::clone(&self.inventory);
            let call = move || end_loading(&inventory.hypervisor, id);
            if let Ended::Left(why) = self.watch(subject, Cancel::Short, call) {
                return Err(unknown(left(why, "restored")));
            }
            now = self.look_at(subject, None, id);
        }
        let (never_ran, failure) = match (result, cause) {
            (_, Some(cause)) if now.is_off() => {
                let (why, path) = (cause_word(cause), path.display());
                let message = format!("was not restored, {why}; its image {path} is as it was");
                (true, Failure::new(cause, message))
            }
            (Ok(()), _) => return Ok(now),
            (Err(error), _) => {
                // A daemon that finds a half-started VM when it comes back ends it; and one whose QEMU gives up on an
                // image may see that go before it can end it.
                let was_ended = matches!(&now, Now::Seen(_, state) if state.has_crashed());
                let was_ours = !had_crashed && !error.is_wrong_state();
                let never_ran = stays && was_ended && (error.is_connection_lost() || was_ours);
                (never_ran, not_restored(path, &now, &error))
            }
        };
        Err(Box::new(Unloaded {
            now,
            never_ran,
            failure,
        }))
    }

    /// The last step: the vCPUs of a VM that has been loaded go on.
    fn let_run(&mut self, subject: &VmRef, id: Uuid) -> Result<Now, Failure> {
        let mut is_again = false;
        loop {
            let inventory = Arc::clone(&self.inventory);
            let call = move || {
                let machine = inventory.hypervisor.machine_by_id(id)?;
                machine.map(|machine| machine.resume()).transpose()
            };
            let result = match self.watch(subject, Cancel::Impossible, call) {
                Ended::Returned(result) => result,
                Ended::Left(why) => return Err(left(why, "restored")),
            };
            if let Err(error) = &result
                && error.is_connection_lost()
            {
                self.reconnect(subject, "restored", None, error)?;
            }
            match (result, self.look_at(subject, None, id)) {
                (Ok(None), _) => {
                    let message = "was restored, but libvirt does not know it any more";
                    return Err(Failure::new(Kind::Failed, message));
                }
                // The call has not reached the daemon.
                (Err(error), now) if now.is_loaded() && error.is_connection_lost() && !is_again => {
                    is_again = true;
                }
                (Err(error), now) if now.is_loaded() => {
                    let message = "is loaded, but could not be let run; it stays paused, with all of its memory";
                    return Err(error.failure(message).hint(finishing(subject)));
                }
                (Ok(Some(())), Now::Unknown) => return Ok(Now::LetRun),
                (_, now) => return Ok(now),
            }
        }
    }

    /// An earlier restore loaded the VM, and came to an end before it let the guest run: does that.
    pub(super) fn finish_restore(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let id = machine.id();
        let path = self.inventory.image_path(id);
        let stays_paused = self.options.flags.running == Some(false);
        if !stays_paused {
            let now = self.let_run(&subject, id)?;
            if matches!(now, Now::Unknown) {
                return Err(unseen(&path, &subject));
            }
            if !now.is_back() {
                let message = "was loaded by an earlier restore, and let run, but does not run now";
                return Err(Failure::new(Kind::Failed, message));
            }
        }
        let mut warnings = Vec::new();
        // Of a VM that waits for an unknown reason no image is known to be the one it came from.
        let was_cut_off = was_cut_off(vm);
        let image = was_cut_off
            .then(|| self.inventory.inspect(&path, id, Some(vm.name())))
            .flatten();
        let clock = clock_of(image.as_ref());
        let saved_at = image.as_ref().and_then(|image| image.summary.saved_at);
        self.note_restore(&subject, id, saved_at, &mut warnings);
        if !was_cut_off || path != self.inventory.place.file(id) {
            self.leave_image_behind(vm, &mut warnings);
        }
        let (status, words) = if stays_paused {
            (VmStatus::Paused, "is back, paused")
        } else {
            (VmStatus::Up, "runs again")
        };
        let (message, image) = if was_cut_off {
            let tail = self.used_up(&path, image, &mut warnings);
            let image = path.display();
            let message = format!("{words}, as an earlier restore from {image} had begun it{tail}");
            (message, Some(path))
        } else {
            (format!("{words}, as it was loaded before"), None)
        };
        Ok(Outcome {
            status: Some(status),
            image,
            clock: Some(clock),
            warnings,
            ..Outcome::done(subject, message)
        })
    }

    /// Where the VM is now. If the connection is lost meanwhile, another one tells.
    pub(super) fn look_at(&mut self, subject: &VmRef, machine: Option<&Machine>, id: Uuid) -> Now {
        let seen = match self.see(subject, machine, id) {
            Err(error) if error.is_connection_lost() => {
                let back = self.reconnect(subject, "restored", None, &error);
                back.ok()
                    .and_then(|()| self.picked_up(subject, id, Cancel::Impossible).ok())
                    .map_or(Err(error), |_| self.see(subject, None, id))
            }
            seen => seen,
        };
        seen.unwrap_or(Now::Unknown)
    }

    fn see(
        &mut self,
        subject: &VmRef,
        machine: Option<&Machine>,
        id: Uuid,
    ) -> Result<Now, HypervisorError> {
        let (inventory, machine) = (Arc::clone(&self.inventory), machine.cloned());
        let look = move || {
            let machine = match machine {
                Some(machine) => Some(machine),
                None => inventory.hypervisor.machine_by_id(id)?,
            };
            let Some(machine) = machine else {
                return Ok::<_, HypervisorError>(Now::Gone);
            };
            let vm = inventory.observe(&machine)?;
            Ok(Now::Seen(Box::new(vm), machine.state()?))
        };
        match self.answer(subject, Cancel::Short, look) {
            Ok(Err(error)) if error.is_no_domain() => Ok(Now::Gone),
            Ok(seen) => seen,
            Err(_) => Ok(Now::Unknown),
        }
    }

    /// The image in the VM's place, marked: the VM is about to run, and not from that image.
    pub(super) fn set_aside(
        &self,
        vm: &Vm,
        taken: Option<&Path>,
        warnings: &mut Vec<String>,
    ) -> Option<Marked> {
        let path = self.inventory.place.file(vm.id()?);
        if Some(path.as_path()) == taken || !self.inventory.looks_at(&path) {
            return None;
        }
        let image = self.inventory.inspect(&path, vm.id()?, Some(vm.name()))?;
        let own = image.vm.as_ref().and_then(Vm::id) == vm.id();
        let counts = matches!(
            image.summary.verdict,
            Verdict::Good | Verdict::Doubtful | Verdict::Stale | Verdict::Untrusted
        );
        if !own || !counts {
            return None;
        }
        match mark(&image, &[], warnings) {
            Ok(before) => Some(Marked { image, before }),
            Err(error) => {
                let path = path.display();
                warnings.push(format!("do not use its image {path} again: {error}"));
                None
            }
        }
    }

    /// Looks at the image once more, and marks it.
    fn begin(
        &mut self,
        path: &Path,
        vm: &Vm,
        subject: &VmRef,
        overridden: Vec<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Marked>, Failure> {
        if !self.inventory.looks_at(path) {
            if self.inventory.hypervisor.is_qemu() {
                warnings.push(
                    "whether its disks have changed since it was saved cannot be told from here"
                        .to_owned(),
                );
            }
            return Ok(None);
        }
        let refuse = |why: String| {
            let message = format!("cannot be restored from {}: {why}", path.display());
            Failure::new(Kind::Guard, message)
        };
        let mut image = (self.inventory.inspect(path, id_of(vm)?, Some(vm.name())))
            .ok_or_else(|| refuse("it has just disappeared".to_owned()))?;
        if self.options.wishes.force {
            // Whoever does not force has been told before.
            image.summary.doubt_if_started();
        }
        // Of a good image a remark is no flaw.
        let flaw = image.summary.flaw.iter();
        let flaw = flaw.filter(|_| image.summary.verdict != Verdict::Good);
        let mut against: Vec<String> = flaw.cloned().collect();
        let usable = match image.summary.verdict {
            Verdict::Good => true,
            Verdict::Used | Verdict::Doubtful | Verdict::Stale | Verdict::Untrusted => {
                self.options.wishes.force
            }
            _ => false,
        };
        if !usable {
            return Err(refuse(against.join("; ")));
        }
        if let Some(flaw) = self.checksum_flaw(&image, subject)? {
            if !self.options.wishes.force {
                let failure = refuse(flaw).hint(
                    "bring a copy of it back; --force lets the guest run with what is left of its memory",
                );
                return Err(failure);
            }
            against.push(flaw);
        }
        warnings.extend(image.summary.unchecked.clone());
        let forced = against
            .iter()
            .map(|flaw| format!("--force overrode this: {flaw}"));
        warnings.extend(forced);
        let forced = against.into_iter().chain(overridden).map(Forced::now);
        let forced: Vec<Forced> = forced.collect();
        match mark(&image, &forced, warnings) {
            Ok(before) => Ok(Some(Marked { image, before })),
            Err(_) if self.options.wishes.force => Ok(None),
            Err(error) => Err(unmarkable(path, &error)),
        }
    }

    /// Whether an image can be marked, as far as that can be told without doing it.
    pub(super) fn can_be_marked(&self, path: &Path) -> Result<(), Failure> {
        if self.options.wishes.force || !self.inventory.looks_at(path) {
            return Ok(());
        }
        Record::has_room(path).map_err(|error| unmarkable(path, &error))
    }

    /// What speaks against an image if it has a checksum and is not what it was.
    fn checksum_flaw(
        &mut self,
        image: &ImageFile,
        subject: &VmRef,
    ) -> Result<Option<String>, Failure> {
        let Some(recorded) = &image.summary.checksum else {
            return Ok(None);
        };
        let total = image.summary.size_bytes.unwrap_or_default();
        let found = self.checksum(subject, &image.path, total);
        let found = found.map_err(|failure| Failure {
            message: format!("was not restored: {}", failure.message),
            ..failure
        })?;
        Ok((found != *recorded).then(|| DAMAGED.to_owned()))
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
}

/// Notes beside an image that a restore begins, also where something lies there that is no record. Gives the record as
/// it was.
fn mark(
    image: &ImageFile,
    forced: &[Forced],
    warnings: &mut Vec<String>,
) -> io::Result<Option<Record>> {
    if let Some(aside) = Record::put_aside(&image.path)? {
        warnings.push(format!(
            "what lay in the place of its record is none, and is {} now",
            aside.display()
        ));
    }
    image.mark_forced(Usage::RestoreBegan(Timestamp::now()), forced)
}

fn unmarkable(path: &Path, error: &io::Error) -> Failure {
    let message = format!(
        "cannot be restored from {}: it cannot be marked as used, so that nothing would keep it from being used twice",
        path.display()
    );
    Failure::new(Kind::Guard, message)
        .because(error)
        .hint("--force restores it all the same; remove it afterwards")
}

/// What is known of the clock of a guest that was in this image.
fn clock_of(image: Option<&ImageFile>) -> Clock {
    Clock {
        had_agent: image.and_then(|image| image.record.as_ref()?.had_agent),
        ..Clock::since(image.and_then(|image| image.summary.saved_at))
    }
}

/// Whether the guest in an image was shrunk before it was saved, by the note that it has itself.
fn was_trimmed(image: &ImageFile) -> bool {
    let vm = image.vm.as_ref().and_then(|vm| vm.vm_dynamic.as_ref());
    vm.is_some_and(|dynamic| dynamic.memory_before_trim.is_some())
}

/// What it had before, by the record of the image.
fn trimmed_from(image: &ImageFile) -> Option<MemorySize> {
    image.record.as_ref()?.memory_before_trim
}

/// How to go on with a VM that is loaded.
fn finishing(subject: &VmRef) -> String {
    format!(
        "vmlife restore {} finishes that",
        quoted(&subject.to_string())
    )
}

/// It has been loaded, and then nobody answered any more.
fn unseen(path: &Path, subject: &VmRef) -> Failure {
    let message = format!(
        "was loaded from {}, but nobody knows whether it runs: its state cannot be read",
        path.display()
    );
    Failure::new(Kind::Connection, message).hint(finishing(subject))
}

fn stays_marked(path: &Path) -> String {
    let path = path.display();
    format!("its image {path} stays, marked: it is of use only if the guest has not run")
}

/// The VM has run without this image, or from it.
pub(super) fn leave_behind(marked: Option<Marked>, warnings: &mut Vec<String>) {
    let Some(Marked { image, .. }) = marked else {
        return;
    };
    let path = image.path.display();
    warnings.push(match image.mark(Usage::LeftBehind(Timestamp::now())) {
        Ok(_) => format!("its image {path} is left behind, and marked as used"),
        Err(error) => format!("do not use its image {path} again: {error}"),
    });
}

/// A restore was given up, and libvirt remembers that the VM was ended by force: that does not speak against
/// its image, which would look as if the VM had run since.
fn give_up(marked: Option<Marked>, warnings: &mut Vec<String>) {
    if let Some(Marked { image, .. }) = marked
        && let Err(error) = image.mark_as_not_run()
    {
        let path = image.path.display();
        warnings.push(format!("the record of {path} is out of date: {error}"));
    }
}

/// A call failed: takes the mark of an image back if the guest is known not to have run: because it is
/// off as it was, or off because a half-started VM was ended (`never_ran`).
pub(super) fn settle(
    marked: Option<Marked>,
    now: &Now,
    never_ran: bool,
    warnings: &mut Vec<String>,
) {
    let Some(Marked { image, before }) = marked else {
        return;
    };
    let path = image.path.display().to_string();
    let settled = match now {
        // A transient domain that failed to start is gone again.
        Now::Gone => image.unmark(before.as_ref()),
        Now::Seen(_, state)
            if !state.is_active() && (never_ran || !state.stopped_without_save()) =>
        {
            image.unmark(before.as_ref())
        }
        Now::Seen(vm, _) if vm.status().is_alive() => {
            image.mark(Usage::LeftBehind(Timestamp::now())).map(drop)
        }
        Now::Seen(..) | Now::LetRun | Now::Unknown => {
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
    if let Some(words) = now.not_ended() {
        let message = format!("may still be restored from {image}: {words}");
        return error
            .failure(message)
            .hint("vmlife show tells what became of it");
    }
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
