//! Carries a command out, VM by VM.
//!
//! Each call that may take long runs on a thread of its own, since libvirt's calls cannot be
//! interrupted. The main thread meanwhile watches its job, the signals and the clock. What the call
//! returns is the truth about it; before and after, the VM's state is read anew.

mod beforehand;
mod budget;
mod checking;
mod company;
mod discard;
mod fleet;
mod format;
mod managed;
mod remember;
mod restore;
mod save;
mod start;
mod switch;
mod together;
mod trim;
mod trouble;
mod waking;
mod watch;

pub(crate) use discard::losses;
pub use fleet::Fleet;
pub use format::FormatWish;
pub use managed::Keeping;
pub use trim::Trim;
pub use waking::{Until, Wait};

use crate::definition::Definition;
use crate::entity::{SavedImage, Verdict, Vm, VmDynamic, VmStatus};
use crate::guard::Remarks;
use crate::hooks::Hooks;
use crate::hypervisor::ImageFlags;
use crate::image::{Lock, LockError, PlaceError};
use crate::interrupt::{Interrupt, cause_word};
use crate::inventory::{Entry, Inventory};
use crate::order::order;
use crate::plan::{Decision, Step, Verb, Wishes, decide_as, is_loaded, waits_for_group};
use crate::report::{Clock, Estimate, Event, Failure, Kind, Outcome, Report, Sink, VmRef};
use crate::words::quoted;
use budget::Budget;
use company::{Company, has_hooks};
use fleet::{Ear, Phase, heard_by};
use std::io;
use std::num::NonZeroU8;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// What to do, beyond which VMs.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools)] // Each is a word of the command line.
pub struct Options {
    /// What is asked for.
    pub verb: Verb,
    /// What changes the decision.
    pub wishes: Wishes,
    /// Where to hibernate to: a file, or a folder if it ends with a slash or is one.
    pub to: Option<PathBuf>,
    /// Of which VMs libvirt is to keep the image itself, as its managed save, if of any.
    pub managed: Option<Keeping>,
    /// How far guests are shrunk before they are hibernated, if they are.
    pub trim: Option<Trim>,
    /// How images are written and read.
    pub flags: ImageFlags,
    /// In which format images are written; `None` leaves that to the daemon.
    pub format: Option<FormatWish>,
    /// Whether a restored image stays, marked as used.
    pub keep: bool,
    /// Whether a new image gets a checksum.
    pub checksum: bool,
    /// Whether "already so" is a refusal.
    pub strict: bool,
    /// Whether to say only what would be done.
    pub dry_run: bool,
    /// The time that all of them have together: the important ones come first, and what would not be done in it is
    /// not begun.
    pub within: Option<Duration>,
    /// Whether the VMs go as one.
    pub together: bool,
    /// Whether a VM is paused only until its group is hibernated.
    pub for_group: bool,
    /// How many VMs are worked on at once, if that is not left to us.
    pub jobs: Option<NonZeroU8>,
    /// What is run around each VM.
    pub hooks: Hooks,
    /// Whether guests lock their desktops before they are hibernated.
    pub lock_desktop: bool,
    /// Whether the clocks of guests are set that go on.
    pub clock: bool,
    /// Whether guests that go on are waited for.
    pub wait: Option<Wait>,
}

/// Carries the command out for all VMs, some of them at once.
///
/// # Errors
/// If they depend on each other in a circle; then nothing has been touched.
pub fn execute(
    fleet: &Fleet,
    options: &Options,
    interrupt: &Interrupt,
    sink: &mut (dyn Sink + Send),
) -> Result<Report, Failure> {
    let vms: Vec<&Vm> = fleet.vms.iter().map(|(_, entry)| &entry.vm).collect();
    order(&vms, options.verb, options.within.is_some())?;
    interrupt.begin();
    let budget = options.within.map(Budget::new);
    let silent: Vec<AtomicBool> = fleet.hosts.iter().map(|_| AtomicBool::default()).collect();
    let results = heard_by(sink, |ear| {
        let phase = Phase {
            budget: budget.as_ref(),
            silent: &silent,
            options,
            interrupt,
            ear,
            jobs: fleet.jobs(options),
            goes_alone: true,
        };
        let all: Vec<usize> = (0..fleet.vms.len()).collect();
        ear.emit(Event::Begun(all.len()));
        if options.together {
            let outcomes = fleet.together(phase)?;
            for outcome in &outcomes {
                ear.emit(Event::Finished(outcome));
            }
            return Ok(outcomes);
        }
        fleet.carry_out(&all, phase, &|outcome| ear.emit(Event::Finished(outcome)))
    })?;
    Ok(Report {
        schema_version: Report::SCHEMA_VERSION,
        verb: options.verb,
        dry_run: options.dry_run,
        results,
        silent: Vec::new(),
        error: None,
    })
}

struct Run<'a> {
    /// With another connection than that of the command's begin, if that was lost.
    inventory: Arc<Inventory>,
    options: &'a Options,
    interrupt: &'a Interrupt,
    sink: Ear<'a>,
    /// The time that all saves share.
    budget: Option<&'a Budget>,
    /// What was met with the VM that is worked on.
    met: Met,
    /// Whether the connection is another one now: what was found over the first is to be looked up again.
    reconnected: bool,
    /// How many bytes the images would take that were only rehearsed so far. They all go to one place.
    promised: u64,
    /// What is run around the VM.
    escort: Escort,
}

/// What was met with a VM that may be met again if it is asked for once more.
#[derive(Default)]
struct Met {
    /// A call was left to itself.
    hanging: bool,
    /// The daemon did not answer at all any more, or did not come back.
    silence: bool,
    /// Somebody insists, so that a call was not waited for.
    impatience: bool,
}

/// What is run around a VM.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escort {
    /// Nothing but what is run around its group.
    Group,
    /// Its hooks, which have not been run.
    Due,
    /// Its hooks: those before it went well, so that those after it are run.
    Begun,
}

impl Run<'_> {
    fn one(&mut self, entry: &Entry) -> Outcome {
        let started = Instant::now();
        self.met = Met::default();
        if self.escort == Escort::Begun {
            self.escort = Escort::Due;
        }
        let before = entry.vm.status();
        let mut outcome = match self.attempt(entry) {
            Ok(mut outcome) => {
                if outcome.changed {
                    outcome.seconds = Some(started.elapsed().as_secs_f64());
                }
                outcome
            }
            Err(mut failure) => {
                // That libvirt was not waited for is what was asked for.
                if let Some(cause) = self.interrupt.cause().filter(|_| self.met.impatience)
                    && failure.kind == Kind::Connection
                {
                    failure.kind = cause;
                }
                let mut outcome = Outcome::failed(VmRef::from(&entry.vm), failure);
                // A daemon that does not answer one call may not answer another.
                if !self.met.hanging {
                    let now = self.look_again(entry).map(|entry| entry.vm.status()).ok();
                    outcome.status = now;
                    outcome.changed = now.is_some_and(|now| now != before);
                }
                outcome
            }
        };
        outcome.status_before = Some(before);
        let definition = entry.definition.as_deref();
        outcome
            .warnings
            .extend(definition.and_then(Definition::warning));
        outcome
    }

    /// As long as nothing is done to a VM, a cancel needs no more than to do nothing.
    fn not_cancelled(&self) -> Result<(), Failure> {
        self.interrupt.cause().map_or(Ok(()), |cause| {
            Err(Failure::not_attempted(cause, cause_word(cause)))
        })
    }

    fn attempt(&mut self, entry: &Entry) -> Result<Outcome, Failure> {
        self.not_cancelled()?;
        let verb = self.options.verb;
        // From the first look until image and record are done no other vmlife may work on this VM.
        let _lock = match (verb, self.options.dry_run) {
            (Verb::Hibernate | Verb::Restore, false) => self.lock(&entry.vm)?,
            _ => None,
        };
        let before = &entry.vm.saved_images;
        let mut warnings = Vec::new();
        let mut entry = self.look_again(entry)?;
        let mut decision = self.decide(&entry)?;
        if let Decision::Do(step) = decision
            && self.escort == Escort::Due
            && !self.options.dry_run
            && has_hooks(step)
        {
            let company = self.company();
            let gone_by = company.before(&entry.vm, step, entry.machine.as_ref(), &mut warnings);
            let gone_by =
                gone_by.map_err(|failure| failure.warned(std::mem::take(&mut warnings)))?;
            self.escort = Escort::Begun;
            if gone_by {
                let slept = !entry.vm.status().is_active();
                let image = entry.vm.restorable_image().filter(|_| slept).cloned();
                let seen = self.look_again(&entry).and_then(|entry| {
                    let decision = self.decide(&entry)?;
                    Ok((entry, decision))
                });
                (entry, decision) =
                    seen.map_err(|failure| failure.warned(std::mem::take(&mut warnings)))?;
                warnings.extend(image.and_then(|image| left_behind(&image, &entry.vm)));
            }
        }
        let outcome = self.carry_through(decision, &entry, before);
        match outcome {
            Ok(outcome) => Ok(outcome.warned(warnings)),
            Err(failure) => Err(failure.warned(warnings)),
        }
    }

    /// What is to be done to a VM, unless that is refused.
    fn decide(&self, entry: &Entry) -> Result<Decision, Failure> {
        let (verb, wishes) = (self.options.verb, self.options.wishes);
        match decide_as(verb, &entry.vm, wishes, self.options.flags.running) {
            Decision::Refuse(failure) => Err(failure),
            Decision::Already(words) if self.options.strict => {
                Err(Failure::new(Kind::State, format!("{words} (--strict)")))
            }
            decision => Ok(decision),
        }
    }

    /// Does what was decided. `before` are the images that were seen when the VM was selected.
    fn carry_through(
        &mut self,
        decision: Decision,
        entry: &Entry,
        before: &[SavedImage],
    ) -> Result<Outcome, Failure> {
        let verb = self.options.verb;
        let vm = &entry.vm;
        let subject = VmRef::from(vm);
        let step = match decision {
            Decision::Refuse(failure) => return Err(failure),
            Decision::Already(words) => {
                let mut warnings = Vec::new();
                let restored = if self.options.dry_run {
                    None
                } else {
                    self.make_up_for_trim(vm, &subject, &mut warnings)
                };
                return Ok(Outcome {
                    status: Some(vm.status()),
                    changed: restored.is_some(),
                    warnings,
                    ..Outcome::done(subject, words + restored.as_deref().unwrap_or_default())
                });
            }
            Decision::Do(step) => step,
        };
        if let (Step::RestoreManaged | Step::Start, Some(from)) = (step, &self.inventory.from) {
            let (why, hint) = if step == Step::Start {
                (
                    "it is of no use",
                    "without --from it is decided anew whether to boot it",
                )
            } else {
                (
                    "libvirt holds a managed save of it, too",
                    "without --from that one is restored; virsh managedsave-remove discards it",
                )
            };
            let message = format!("cannot be restored from {}: {why}", from.display());
            return Err(Failure::new(Kind::Guard, message).hint(hint));
        }
        if self.options.dry_run {
            return self.rehearse(step, entry, subject);
        }
        self.not_cancelled()?;
        self.sink.emit(Event::Started(&subject, step));
        let outcome = match (step, &entry.machine) {
            (Step::Restore, machine) => self.restore(vm, subject, machine.as_ref()),
            (Step::Discard, machine) => self.discard(vm, subject, machine.as_ref(), before),
            (Step::Start, None) => self.define_and_start(entry, subject),
            (Step::Save, Some(machine)) => self.hibernate(machine, vm, &subject),
            (Step::RestoreManaged, Some(machine)) => self.restore_managed(machine, vm, subject),
            (Step::Start, Some(machine)) => self.start(machine, vm, subject),
            (Step::Resume, Some(machine))
                if verb == Verb::Restore && is_loaded(vm) && !waits_for_group(vm) =>
            {
                self.finish_restore(machine, vm, subject)
            }
            (Step::Suspend | Step::Resume | Step::WakeUp, Some(machine)) => {
                self.switch(machine, vm, step, subject)
            }
            (_, None) | (Step::Show, _) => {
                let message = format!("cannot be {}: libvirt does not know it", verb.past());
                Err(Failure::new(Kind::NotFound, message))
            }
        };
        let mut outcome = outcome?;
        if let (Step::Start, Some(_)) = (step, &entry.machine) {
            outcome.warnings.extend(not_as_defined(entry));
        }
        if matches!(step, Step::Resume | Step::WakeUp) {
            let subject = outcome.vm.clone();
            let back = self.make_up_for_trim(vm, &subject, &mut outcome.warnings);
            outcome.message += back.as_deref().unwrap_or_default();
        }
        if step == Step::Resume {
            let dynamic = vm.vm_dynamic.as_ref();
            // What was loaded and has not run has not told of its agent yet.
            let told = dynamic.filter(|dynamic| dynamic.status_reason != "migrating");
            let had_agent = told.map(VmDynamic::has_agent);
            outcome.clock = outcome.clock.or(Some(Clock {
                had_agent,
                ..Clock::default()
            }));
        }
        let goes_on = outcome.status == Some(VmStatus::Up) && self.inventory.hypervisor.is_qemu();
        outcome.clock = outcome.clock.filter(|_| goes_on && self.options.clock);
        Ok(Outcome {
            step: Some(step),
            changed: true,
            ..outcome
        })
    }

    /// Whether libvirt's own images go to the disk of ours, as far as can be seen.
    fn managed_go_to_the_same_disk(&self) -> bool {
        let device = |folder: &Path| {
            let mut folders = folder.ancestors();
            folders.find_map(|folder| Some(folder.metadata().ok()?.dev()))
        };
        let own = self.inventory.managed.as_deref();
        own.is_none_or(|own| device(own) == device(self.inventory.place.folder()))
    }

    fn company(&self) -> Company<'_> {
        Company {
            inventory: Arc::clone(&self.inventory),
            options: self.options,
            interrupt: self.interrupt,
            ear: self.sink,
        }
    }

    /// Takes the VM's lock. Where the image place is not ours to write in, there is none to take: libvirt's
    /// own lock is left.
    fn lock(&self, vm: &Vm) -> Result<Option<Lock>, Failure> {
        let Some(id) = vm.id().filter(|_| self.inventory.reads_images()) else {
            return Ok(None);
        };
        let place = &self.inventory.place;
        let verb = self.options.verb;
        match place.prepare() {
            Ok(()) => {}
            Err(error @ PlaceError::Open(_)) => {
                let message = format!("cannot be {}: {error}", verb.past());
                return Err(Failure::new(Kind::Guard, message));
            }
            Err(_) => return Ok(None),
        }
        match Lock::take(&place.lock_file(id), verb.word()) {
            Ok(lock) => Ok(Some(lock)),
            Err(LockError::Io(error)) if is_not_ours(&error) => Ok(None),
            Err(LockError::Io(error)) => {
                let message = format!("cannot be {}: it cannot be locked", verb.past());
                Err(Failure::new(Kind::Failed, message).because(&error))
            }
            Err(LockError::Held(holder)) => {
                let who = holder.map_or_else(
                    || "another vmlife holds it".to_owned(),
                    |holder| holder.to_string(),
                );
                let message = format!("cannot be {}: {who}", verb.past());
                Err(Failure::new(Kind::Busy, message).hint("try again when that is over"))
            }
        }
    }

    /// The VM as it is now: time has passed since it was selected. What is only rehearsed is told of as
    /// it was then.
    fn look_again(&mut self, entry: &Entry) -> Result<Entry, Failure> {
        let entry = entry.clone();
        if self.options.dry_run {
            return Ok(entry);
        }
        let (inventory, reconnected) = (Arc::clone(&self.inventory), self.reconnected);
        self.look(&VmRef::from(&entry.vm), move || {
            let hypervisor = &inventory.hypervisor;
            let machine = match (&entry.machine, entry.vm.id()) {
                (Some(machine), _) if !reconnected => Some(machine.clone()),
                (_, Some(id)) => hypervisor.machine_by_id(id)?,
                (_, None) => hypervisor.machine_by_name(entry.vm.name())?,
            };
            if let Some(machine) = machine {
                return Ok(Entry {
                    vm: inventory.observe(&machine)?,
                    machine: Some(machine),
                    ..entry
                });
            }
            let orphan = entry.vm.id().and_then(|id| inventory.orphan(id));
            Ok(match orphan {
                Some(orphan) => Entry {
                    definition: entry.definition,
                    ..orphan
                },
                None => entry,
            })
        })
    }

    fn rehearse(&mut self, step: Step, entry: &Entry, subject: VmRef) -> Result<Outcome, Failure> {
        let (vm, machine) = (&entry.vm, entry.machine.as_ref());
        let mut image = None;
        let mut guarded = (Remarks::default(), None);
        let message = match step {
            Step::Save => {
                let is_managed = match machine {
                    Some(machine) => self.is_managed(machine, &subject)?,
                    None => self.options.managed.is_some(),
                };
                let words = if is_managed {
                    if let Some(machine) = machine {
                        guarded = self.before_managed_save(machine, vm)?;
                    }
                    "would be hibernated, managed by libvirt".to_owned()
                } else {
                    let path = self.destination(id_of(vm)?)?;
                    let earlier = self.replaceable(&path, id_of(vm)?)?;
                    let mut words = format!("would be hibernated to {}", path.display());
                    self.writing(&subject, &path)?;
                    if let Some(machine) = machine {
                        let judged = self.before_save(machine, vm, &path, earlier.as_ref());
                        guarded = self.rehearse_trim(machine, vm, &subject, judged, &mut words)?;
                    }
                    image = Some(path);
                    words
                };
                let bytes = guarded.1.as_ref().map_or(0, |estimate| estimate.size_bytes);
                let promised = self.promised.saturating_add(bytes);
                if self.options.dry_run {
                    let all = guarded.1.clone().map(|estimate| Estimate {
                        size_bytes: promised,
                        ..estimate
                    });
                    self.share(all.as_ref())?;
                }
                // What lies in another folder of another disk takes no room here.
                if !is_managed || self.managed_go_to_the_same_disk() {
                    self.promised = promised;
                }
                words
            }
            Step::Restore => {
                let path = self.inventory.image_path(id_of(vm)?);
                guarded = self.before_restore(vm, Some(&path), machine)?;
                self.reading(vm, Some(&path), &mut guarded.0.cautions)?;
                self.can_be_marked(&path)?;
                let words = format!("would be restored from {}", path.display());
                image = Some(path);
                words
            }
            Step::RestoreManaged => {
                if let Some(machine) = machine {
                    guarded = self.before_managed_restore(vm, machine)?;
                }
                "would be restored from libvirt's managed save".to_owned()
            }
            Step::Discard => {
                let (from, is_known) = (self.inventory.from.as_deref(), entry.machine.is_some());
                format!("would give up {}", losses(vm, from, is_known))
            }
            Step::Start => {
                if entry.machine.is_none() {
                    self.prepare(entry)?;
                }
                "would be started".to_owned()
            }
            Step::Suspend => "would be paused".to_owned(),
            Step::Resume => "would be resumed".to_owned(),
            Step::WakeUp => "would be woken up".to_owned(),
            Step::Show => "would be shown".to_owned(),
        };
        let (remarks, estimate) = guarded;
        let mut message = match &estimate {
            Some(estimate) => format!("{message} ({estimate})"),
            None => message,
        };
        let mut warnings = [remarks.overridden, remarks.cautions, remarks.unchecked].concat();
        if has_hooks(step) {
            let (hooks, untrusted) = self.company().named();
            message.extend(hooks.map(|hooks| format!("; {hooks}")));
            warnings.extend(untrusted);
        }
        Ok(Outcome {
            step: Some(step),
            status: Some(vm.status()),
            image,
            estimate,
            warnings,
            ..Outcome::done(subject, message)
        })
    }
}

/// A VM that libvirt knows is booted as libvirt has it, whatever the definition says that names it.
fn not_as_defined(entry: &Entry) -> Option<String> {
    let definition = entry.definition.as_deref()?;
    let found = definition.deviations(&entry.vm, None, false).ok()?;
    let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
    let file = &definition.origin.file;
    (!fields.is_empty()).then(|| {
        format!(
            "it is started as libvirt has it, which is otherwise than {file} says: {} (vmlife show --diff {})",
            fields.join(", "),
            quoted(file)
        )
    })
}

/// A VM that was started while its hooks ran, and not from this image, which could have been restored before: its
/// disks have moved on.
fn left_behind(image: &SavedImage, now: &Vm) -> Option<String> {
    let is_there = |one: &&SavedImage| one.path == image.path && one.managed == image.managed;
    let left = now.saved_images.iter().find(is_there)?;
    let path = left.path.as_ref()?.display();
    let was_restored = now.vm_dynamic.as_ref()?.status_reason == "restored";
    (now.status().is_active() && !was_restored && left.verdict != Verdict::Good).then(|| {
        format!("it was started while its pre hooks ran, without its image {path}, which is of no use now")
    })
}

/// Whether the file system leaves the folder to somebody else.
fn is_not_ours(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
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
        let message = format!(
            "cannot use the path {}: it is not text in UTF-8",
            path.display()
        );
        Failure::new(Kind::Usage, message)
    })
}

/// Where a VM is, for the end of a sentence: "is off (crashed)".
fn state_words(vm: &Vm) -> String {
    let what = match vm.status() {
        VmStatus::Up | VmStatus::PoweringUp => "runs",
        VmStatus::Paused => "is paused",
        VmStatus::Down => "is off",
        VmStatus::Suspended => "is hibernated",
        VmStatus::SavingState => "is being saved",
        VmStatus::RestoringState | VmStatus::WaitForLaunch => "is being started",
        VmStatus::PoweringDown => "is shutting down",
        status => return format!("is in the state {status}"),
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
