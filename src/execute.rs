//! Carries a command out, VM by VM.
//!
//! Each call that may take long runs on a thread of its own, since libvirt's calls cannot be
//! interrupted. The main thread meanwhile watches its job, the signals and the clock. What the call
//! returns is the truth about it; before and after, the VM's state is read anew.

use crate::entity::{Verdict, Vm, VmStatus};
use crate::hypervisor::{HypervisorError, ImageFlags, Machine};
use crate::image::{FileIdentity, ImageFile, Record};
use crate::interrupt::{Interrupt, cause_word};
use crate::inventory::{Entry, Inventory};
use crate::plan::{Decision, Step, Verb, Wishes, decide};
use crate::report::{Event, Failure, Kind, Outcome, Progress, Report, Sink, VmRef};
use crate::words::size;
use jiff::Timestamp;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often the call, the signals and the clock are looked at.
const GLANCE: Duration = Duration::from_millis(5);
/// How often the job is asked for, and an abort that came too early is tried again.
const POLL: Duration = Duration::from_millis(100);

/// What to do, beyond which VMs.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is asked for.
    pub verb: Verb,
    /// What changes the decision.
    pub wishes: Wishes,
    /// Where to hibernate to: a file, or a folder if it ends with a slash or is one.
    pub to: Option<PathBuf>,
    /// How images are written and read.
    pub flags: ImageFlags,
    /// Whether a restored image stays, marked as used.
    pub keep: bool,
    /// Whether "already so" is a refusal.
    pub strict: bool,
    /// Whether to say only what would be done.
    pub dry_run: bool,
}

/// Carries the command out for all VMs, one after another. A failure of one stops no other.
pub fn execute(
    inventory: &Arc<Inventory>,
    entries: Vec<Entry>,
    options: &Options,
    interrupt: &Interrupt,
    sink: &mut dyn Sink,
) -> Report {
    let mut run = Run {
        inventory,
        options,
        interrupt,
        sink,
        gave_up: false,
    };
    let mut results = Vec::new();
    for entry in entries {
        let outcome = run.one(&entry);
        run.sink.emit(Event::Finished(&outcome));
        results.push(outcome);
    }
    Report {
        schema_version: Report::SCHEMA_VERSION,
        verb: options.verb,
        dry_run: options.dry_run,
        results,
    }
}

struct Run<'a> {
    inventory: &'a Arc<Inventory>,
    options: &'a Options,
    interrupt: &'a Interrupt,
    sink: &'a mut dyn Sink,
    /// Whether a call was left to itself.
    gave_up: bool,
}

/// How a watched call ended.
enum Ended<T> {
    /// It returned.
    Returned(T),
    /// We stopped waiting for it, for this reason.
    Left(Kind),
}

impl Run<'_> {
    fn one(&mut self, entry: &Entry) -> Outcome {
        let started = Instant::now();
        match self.attempt(entry) {
            Ok(mut outcome) => {
                if outcome.changed {
                    outcome.seconds = Some(started.elapsed().as_secs_f64());
                }
                outcome
            }
            Err(failure) => {
                let mut outcome = Outcome::failed(VmRef::from(&entry.vm), failure);
                // A daemon that does not answer one call may not answer another.
                if let (Some(machine), false) = (&entry.machine, self.gave_up) {
                    outcome.status = self.inventory.observe(machine).ok().map(|vm| vm.status());
                }
                outcome
            }
        }
    }

    fn attempt(&mut self, entry: &Entry) -> Result<Outcome, Failure> {
        if let Some(cause) = self.interrupt.cause() {
            let message = format!("was not attempted: {}", cause_word(cause));
            return Err(Failure::new(cause, message));
        }
        let vm = self.look_again(entry)?;
        let subject = VmRef::from(&vm);
        let verb = self.options.verb;
        let step = match decide(verb, &vm, self.options.wishes) {
            Decision::Refuse(failure) => return Err(failure),
            Decision::Already(words) if self.options.strict => {
                return Err(Failure::new(Kind::State, format!("{words} (--strict)")));
            }
            Decision::Already(words) => {
                let status = Some(vm.status());
                return Ok(Outcome {
                    status,
                    ..Outcome::done(subject, words)
                });
            }
            Decision::Do(step) => step,
        };
        if self.options.dry_run {
            return self.rehearse(step, &vm, subject);
        }
        self.sink.emit(Event::Started(&subject, step));
        let outcome = match (step, &entry.machine) {
            (Step::Restore, machine) => self.restore(&vm, subject, machine.as_ref()),
            (Step::Start, None) => self.define_and_start(entry, subject),
            (Step::Save, Some(machine)) => self.save(machine, &vm, subject),
            (Step::RestoreManaged, Some(machine)) => self.start(machine, subject, true),
            (Step::Start, Some(machine)) => self.start(machine, subject, false),
            (Step::Suspend | Step::Resume | Step::WakeUp, Some(machine)) => {
                self.switch(machine, step, subject)
            }
            (_, None) | (Step::Show, _) => Err(Failure::new(
                Kind::NotFound,
                format!("cannot be {}: libvirt does not know it", verb.past()),
            )),
        };
        outcome.map(|outcome| Outcome {
            step: Some(step),
            changed: true,
            ..outcome
        })
    }

    /// The VM as it is now: time has passed since it was selected.
    fn look_again(&self, entry: &Entry) -> Result<Vm, Failure> {
        match &entry.machine {
            None => Ok(entry.vm.clone()),
            Some(machine) => self
                .inventory
                .observe(machine)
                .map_err(|error| error.failure("its state could not be read")),
        }
    }

    fn rehearse(&self, step: Step, vm: &Vm, subject: VmRef) -> Result<Outcome, Failure> {
        let mut image = None;
        let message = match step {
            Step::Save => {
                let path = self.destination(id_of(vm)?)?;
                self.replaceable(&path, id_of(vm)?)?;
                let words = format!("would be hibernated to {}", path.display());
                image = Some(path);
                words
            }
            Step::Restore => {
                let path = self.inventory.image_path(id_of(vm)?);
                let words = format!("would be restored from {}", path.display());
                image = Some(path);
                words
            }
            Step::RestoreManaged => "would be restored from libvirt's managed save".to_owned(),
            Step::Start => "would be started".to_owned(),
            Step::Suspend => "would be paused".to_owned(),
            Step::Resume => "would be resumed".to_owned(),
            Step::WakeUp => "would be woken up".to_owned(),
            Step::Show => "would be shown".to_owned(),
        };
        let status = Some(vm.status());
        Ok(Outcome {
            step: Some(step),
            status,
            image,
            ..Outcome::done(subject, message)
        })
    }

    /// Freezes, unfreezes or wakes.
    fn switch(
        &mut self,
        machine: &Machine,
        step: Step,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let (tried, done, wish) = match step {
            Step::Suspend => ("paused", "is paused", VmStatus::Paused),
            Step::Resume => ("resumed", "runs on", VmStatus::Up),
            _ => ("woken up", "is awake", VmStatus::Up),
        };
        let call = {
            let machine = machine.clone();
            move || match step {
                Step::Suspend => machine.suspend(),
                Step::Resume => machine.resume(),
                _ => machine.wake_up(),
            }
        };
        let result = match self.watch(&subject, None, call) {
            Ended::Returned(result) => result,
            Ended::Left(cause) => return Err(left(cause, tried)),
        };
        let now = self.inventory.observe(machine);
        match (result, now) {
            // Somebody else may have been quicker: what counts is where the VM is.
            (_, Ok(vm)) if vm.status() == wish => Ok(Outcome {
                status: Some(wish),
                ..Outcome::done(subject, done)
            }),
            (Ok(()), Ok(vm)) => {
                let message = format!("was {tried}, but now {}", state_words(&vm));
                Err(Failure::new(Kind::Failed, message))
            }
            (Ok(()), Err(error)) => {
                Err(error.failure(format!("was {tried}, but its state cannot be read")))
            }
            (Err(error), now) => {
                let now = now.map_or("its state is not known".to_owned(), |vm| state_words(&vm));
                Err(error.failure(format!("could not be {tried}; it {now}")))
            }
        }
    }

    fn save(&mut self, machine: &Machine, vm: &Vm, subject: VmRef) -> Result<Outcome, Failure> {
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

    fn restore(
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

    fn define_and_start(&mut self, entry: &Entry, subject: VmRef) -> Result<Outcome, Failure> {
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
    fn start(
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

    /// Where this VM's image is to be written.
    fn destination(&self, id: Uuid) -> Result<PathBuf, Failure> {
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
    fn replaceable(&self, path: &Path, id: Uuid) -> Result<Option<ImageFile>, Failure> {
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

    /// Runs a call on a thread of its own, and watches meanwhile. With a machine, the call is a job of
    /// it: its progress is told, and a signal or the time limit aborts it. Without, there is nothing to
    /// abort: the call is waited for, until the time limit passes or somebody insists.
    fn watch<T: Send + 'static>(
        &mut self,
        subject: &VmRef,
        job: Option<&Machine>,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Ended<T> {
        let (sender, receiver) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        if let Some(machine) = job {
            let (machine, over) = (machine.clone(), Arc::clone(&over));
            thread::spawn(move || {
                let mut begun = false;
                while !over.load(Ordering::SeqCst) {
                    if let Ok(job) = machine.job() {
                        begun |= job.is_some();
                        let progress = job.map(|job| Progress {
                            total: job.total,
                            passed: job.total.saturating_sub(job.remaining),
                            written: job.processed,
                        });
                        if begun && sender.send(progress).is_err() {
                            break;
                        }
                    }
                    thread::sleep(POLL);
                }
            });
        }
        let worker = thread::spawn(call);
        let mut cancelling = false;
        let ended = loop {
            thread::sleep(GLANCE);
            if worker.is_finished() {
                // A call that panicked has said nothing about the VM.
                break worker
                    .join()
                    .map_or(Ended::Left(Kind::Failed), Ended::Returned);
            }
            match receiver.try_iter().last() {
                Some(Some(progress)) if progress.total == 0 || progress.passed < progress.total => {
                    self.sink.emit(Event::Progress(subject, progress));
                }
                Some(_) => self.sink.emit(Event::Finishing(subject)),
                None => {}
            }
            let Some(cause) = self.interrupt.cause() else {
                continue;
            };
            if self.interrupt.insists() || (job.is_none() && cause == Kind::TimedOut) {
                break Ended::Left(cause);
            }
            if !cancelling {
                cancelling = true;
                let words = match job {
                    Some(_) => "cancelling, and waiting for the VM to be as before",
                    None => "this cannot be cancelled: waiting for its end",
                };
                self.sink.emit(Event::Cancelling(subject, words));
                if let Some(machine) = job {
                    abort_until(machine.clone(), Arc::clone(&over));
                }
            }
        };
        over.store(true, Ordering::SeqCst);
        self.gave_up |= matches!(ended, Ended::Left(_));
        ended
    }
}

/// Asks for the abort of a job until it is over: in its first moments there is none to abort yet.
fn abort_until(machine: Machine, over: Arc<AtomicBool>) {
    thread::spawn(move || {
        while !over.load(Ordering::SeqCst) && machine.abort_job().is_err() {
            thread::sleep(POLL);
        }
    });
}

/// We stopped waiting for a call. It goes on in the daemon.
fn left(cause: Kind, tried: &str) -> Failure {
    let message = format!(
        "may still be {tried}: {}, and libvirt has not answered",
        cause_word(cause)
    );
    Failure::new(cause, message).hint("vmlife show tells what became of it")
}

fn id_of(vm: &Vm) -> Result<Uuid, Failure> {
    vm.id().ok_or_else(|| {
        Failure::new(
            Kind::NotFound,
            "has no UUID, so that no image can be its own",
        )
    })
}

fn path_text(path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(
            Kind::Usage,
            format!("the path {} is not text in UTF-8", path.display()),
        )
    })
}

/// Where a VM is, for the end of a sentence: "is off (crashed)".
fn state_words(vm: &Vm) -> String {
    let what = match vm.status() {
        VmStatus::Up | VmStatus::PoweringUp => "runs",
        VmStatus::Paused => "is paused",
        VmStatus::Down => "is off",
        VmStatus::Suspended => "is hibernated",
        status => return format!("is {status}"),
    };
    let reason = vm
        .vm_dynamic
        .as_ref()
        .map_or("", |dynamic| dynamic.status_reason.as_str());
    if matches!(reason, "" | "unknown") {
        what.to_owned()
    } else {
        format!("{what} ({reason})")
    }
}
