//! A group as one: none of its members ever finds another one missing. All are paused before the first is saved, and
//! all are there before the first runs on; if one fails, the others are brought back to where they were.

use super::fleet::{Fleet, Phase};
use super::{Keeping, Options};
use crate::entity::{Vm, VmDynamic, VmStatus};
use crate::interrupt::Interrupt;
use crate::plan::{Step, Verb, Wishes};
use crate::report::{Clock, Event, Failure, Kind, Outcome, VmRef};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::sync::atomic::Ordering;
use std::thread;

/// The members of a group, and what became of them so far.
struct Group<'a> {
    fleet: &'a Fleet,
    phase: Phase<'a>,
    /// The way back is not given up for the signal that has led to it.
    heedless: &'a Interrupt,
    outcomes: Vec<Outcome>,
    /// Those to which something has been done already.
    touched: BTreeSet<usize>,
    /// Those whose daemons did not answer any more when the way back began. They are left where they are, as nobody
    /// is to wait for such a daemon once more.
    out_of_reach: BTreeSet<usize>,
    /// What is said of their hooks, by their places.
    untrusted: BTreeMap<usize, Vec<String>>,
}

impl Fleet {
    /// Carries the command out for all VMs as one.
    ///
    /// # Errors
    /// If they depend on each other in a circle; then nothing has been touched.
    pub(super) fn together(&self, phase: Phase<'_>) -> Result<Vec<Outcome>, Failure> {
        let all: Vec<usize> = (0..self.vms.len()).collect();
        // What can be known beforehand stops the whole group before the first is touched.
        let rehearsal = Options {
            dry_run: true,
            ..phase.options.clone()
        };
        let rehearsed = Phase {
            options: &rehearsal,
            jobs: 1,
            ..phase
        };
        let outcomes = self.carry_out(&all, rehearsed, &|_| {})?;
        let phase = Phase {
            goes_alone: false,
            ..phase
        };
        let heedless = phase.interrupt.heedless();
        let mut group = Group {
            fleet: self,
            phase,
            heedless: &heedless,
            outcomes,
            touched: BTreeSet::new(),
            out_of_reach: BTreeSet::new(),
            untrusted: BTreeMap::new(),
        };
        if !group.all_are_well() {
            group.leave_alone();
        } else if !phase.options.dry_run {
            let moved = group.moved();
            let accompanied = group.set_out(&moved);
            if group.all_are_well() {
                match phase.options.verb {
                    Verb::Hibernate => group.hibernate(&moved)?,
                    Verb::Restore => group.restore(&moved)?,
                    _ => group.switch(&moved)?,
                }
            } else {
                group.leave_alone();
            }
            group.arrive(&accompanied);
        }
        Ok(group.outcomes)
    }
}

impl<'a> Group<'a> {
    fn vm(&self, one: usize) -> &Vm {
        &self.fleet.vms[one].1.vm
    }

    fn all_are_well(&self) -> bool {
        self.outcomes
            .iter()
            .all(|outcome| outcome.kind == Kind::Done)
    }

    /// Those that something is to be done to.
    fn moved(&self) -> Vec<usize> {
        let steps = self.outcomes.iter().enumerate();
        let moved = steps.filter(|(_, outcome)| outcome.step.is_some());
        moved.map(|(one, _)| one).collect()
    }

    /// Runs what is to come before, for each of them, and tells for whom that went well.
    fn set_out(&mut self, moved: &[usize]) -> Vec<usize> {
        let (fleet, phase) = (self.fleet, self.phase);
        let step = |one: usize| self.outcomes[one].step.unwrap_or(Step::Show);
        let mut accompanied = Vec::new();
        let mut failures = Vec::new();
        for some in moved.chunks(phase.jobs.max(1)) {
            let ran: Vec<_> = thread::scope(|scope| {
                let one = |one: &usize| {
                    let (host, entry) = &fleet.vms[*one];
                    let (company, step) = (phase.company(&fleet.hosts[*host]), step(*one));
                    scope.spawn(move || {
                        let mut warnings = Vec::new();
                        let machine = entry.machine.as_ref();
                        let went = company.before(&entry.vm, step, machine, &mut warnings);
                        (went.err(), warnings)
                    })
                };
                let running: Vec<_> = some.iter().map(one).collect();
                let ran = running.into_iter().map(thread::ScopedJoinHandle::join);
                ran.map(|ran| ran.unwrap_or_else(|panic| resume_unwind(panic)))
                    .collect()
            });
            for (one, (failure, warnings)) in some.iter().zip(ran) {
                match failure {
                    None => accompanied.push((*one, warnings)),
                    Some(failure) => failures.push((*one, failure.warned(warnings))),
                }
            }
            if !failures.is_empty() {
                break;
            }
        }
        for (one, failure) in failures {
            let vm = self.vm(one);
            self.outcomes[one] = Outcome {
                status: Some(vm.status()),
                status_before: Some(vm.status()),
                ..Outcome::failed(VmRef::from(vm), failure)
            };
        }
        self.untrusted = accompanied.iter().cloned().collect();
        accompanied.into_iter().map(|(one, _)| one).collect()
    }

    /// Attends to the guests that go on, all at once, and runs what is to come after.
    fn arrive(&mut self, accompanied: &[usize]) {
        let (fleet, phase) = (self.fleet, self.phase);
        let warnings = std::mem::take(&mut self.untrusted);
        thread::scope(|scope| {
            for (one, outcome) in self.outcomes.iter_mut().enumerate() {
                outcome
                    .warnings
                    .extend(warnings.get(&one).cloned().unwrap_or_default());
                let company = phase.company(&fleet.hosts[fleet.vms[one].0]);
                let is_accompanied = accompanied.contains(&one);
                scope.spawn(move || {
                    if company.attends(outcome) {
                        company.wake(outcome);
                    }
                    if is_accompanied {
                        company.after(outcome);
                    }
                });
            }
        });
    }

    /// Does one thing to some members, and notes what became of them. Gives those to which it was done.
    fn go(
        &mut self,
        which: &[usize],
        options: &Options,
        phase: Phase<'_>,
    ) -> Result<Vec<usize>, Failure> {
        let phase = Phase { options, ..phase };
        let ear = phase.ear;
        let ended = |outcome: &Outcome| ear.emit(Event::Over(&outcome.vm));
        let outcomes = self.fleet.carry_out(which, phase, &ended)?;
        let mut done = Vec::new();
        for (one, outcome) in which.iter().zip(outcomes) {
            if outcome.kind == Kind::Done && outcome.changed {
                done.push(*one);
            }
            self.outcomes[*one] = Outcome {
                status_before: Some(self.vm(*one).status()),
                ..outcome
            };
        }
        self.touched.extend(&done);
        Ok(done)
    }

    fn hibernate(&mut self, moved: &[usize]) -> Result<(), Failure> {
        let (mut running, mut resting) = (Vec::new(), Vec::new());
        for one in moved {
            let vm = self.vm(*one);
            let waits = vm
                .vm_dynamic
                .as_ref()
                .is_some_and(VmDynamic::waits_for_group);
            if vm.status() == VmStatus::Paused && !waits {
                &mut resting
            } else {
                &mut running
            }
            .push(*one);
        }
        let options = self.phase.options.clone();
        let phase = self.at_once(&running);
        let mut pause = only(Verb::Pause, &options);
        pause.for_group = true;
        let paused = self.go(&running, &pause, phase)?;
        let mut saved = Vec::new();
        if self.all_are_well() {
            let mut runs_on = options.clone();
            runs_on.flags.running = options.flags.running.or(Some(true));
            let phase = self.phase;
            saved = self.go(&running, &runs_on, phase)?;
            if self.all_are_well() {
                saved.extend(self.go(&resting, &options, phase)?);
            }
        }
        if self.all_are_well() {
            return Ok(());
        }
        let ends = self.turn_back();
        let back = self.restore_paused(&self.within_reach(&saved), &running)?;
        let mut awake = self.within_reach(&paused);
        awake.retain(|one| !saved.contains(one) || back.contains(one));
        let phase = self.back(awake.len());
        self.go(&awake, &only(Verb::Resume, &options), phase)?;
        self.tell_of_the_way_back(ends);
        Ok(())
    }

    fn restore(&mut self, moved: &[usize]) -> Result<(), Failure> {
        let options = self.phase.options.clone();
        let runs = |one: &usize| {
            let image = self.vm(*one).restorable_image();
            let was_running = image.and_then(|image| image.was_running).unwrap_or(true);
            options.flags.running.unwrap_or(was_running)
        };
        let awake: Vec<usize> = moved.iter().copied().filter(runs).collect();
        let mut paused = options.clone();
        paused.flags.running = Some(false);
        let phase = self.phase;
        let resting: Vec<usize> = moved.iter().copied().filter(|one| !runs(one)).collect();
        let mut for_group = paused.clone();
        for_group.for_group = true;
        let mut loaded = self.go(&awake, &for_group, phase)?;
        if self.all_are_well() {
            loaded.extend(self.go(&resting, &paused, phase)?);
        }
        if !self.all_are_well() {
            let ends = self.turn_back();
            for one in self.within_reach(&loaded) {
                // Each as its image was.
                let image = self.vm(one).restorable_image();
                let mut again = only(Verb::Hibernate, &options);
                again.flags.running = Some(awake.contains(&one));
                again.managed = image
                    .is_some_and(|image| image.managed)
                    .then_some(Keeping::All);
                again.checksum = image.is_some_and(|image| image.checksum.is_some());
                let members = [one];
                let phase = self.back(self.phase.jobs);
                self.go(&members, &again, phase)?;
            }
            self.tell_of_the_way_back(ends);
            return Ok(());
        }
        let before = self.outcomes.clone();
        // All are there, and their images used up: it is too late to cancel.
        let phase = self.back(awake.len());
        let running = self.go(&awake, &only(Verb::Resume, &options), phase)?;
        for one in running {
            let image = before[one].image.as_ref();
            let from = image.map(|image| format!(", restored from {}", image.display()));
            self.outcomes[one] = Outcome {
                status: Some(VmStatus::Up),
                changed: true,
                step: before[one].step.or(Some(Step::Resume)),
                message: format!("runs again with its group{}", from.unwrap_or_default()),
                clock: options.clock.then(|| {
                    let image = self.vm(one).restorable_image();
                    Clock::since(image.and_then(|image| image.saved_at))
                }),
                ..before[one].clone()
            };
        }
        Ok(())
    }

    /// Pauses or resumes, all at once.
    fn switch(&mut self, moved: &[usize]) -> Result<(), Failure> {
        let options = self.phase.options.clone();
        let back = match options.verb {
            Verb::Pause => Verb::Resume,
            _ => Verb::Pause,
        };
        let phase = self.at_once(moved);
        let done = self.go(moved, &options, phase)?;
        if !self.all_are_well() {
            let ends = self.turn_back();
            let done = self.within_reach(&done);
            let phase = self.back(done.len());
            self.go(&done, &only(back, &options), phase)?;
            self.tell_of_the_way_back(ends);
        }
        Ok(())
    }

    /// Loads those that have been saved; such as ran are noted to wait.
    fn restore_paused(&mut self, saved: &[usize], ran: &[usize]) -> Result<Vec<usize>, Failure> {
        let mut loaded = Vec::new();
        for for_group in [true, false] {
            let mut paused = only(Verb::Restore, self.phase.options);
            paused.flags.running = Some(false);
            paused.for_group = for_group;
            let which: Vec<usize> = saved
                .iter()
                .copied()
                .filter(|one| ran.contains(one) == for_group)
                .collect();
            let phase = self.back(self.phase.jobs);
            loaded.extend(self.go(&which, &paused, phase)?);
        }
        Ok(loaded)
    }

    /// The way back begins: what has become of each member until here.
    fn turn_back(&mut self) -> Vec<Outcome> {
        let is_silent = |one: &usize| {
            let host = self.fleet.vms[*one].0;
            self.phase.silent[host].load(Ordering::SeqCst)
        };
        self.out_of_reach = (0..self.outcomes.len()).filter(is_silent).collect();
        self.outcomes.clone()
    }

    /// Those of them who can be brought back.
    fn within_reach(&self, which: &[usize]) -> Vec<usize> {
        let is_near = |one: &usize| !self.out_of_reach.contains(one);
        which.iter().copied().filter(is_near).collect()
    }

    /// What is told of a member whose daemon does not answer.
    fn left_behind(&self, one: usize, mut end: Outcome) -> Outcome {
        let words = match end.kind {
            _ if !self.touched.contains(&one) => return end,
            Kind::Done => ", and was",
            // Whatever failed it was paused for its group before.
            _ => "; it was paused before, and was",
        };
        end.message += words;
        end.message += " not brought back with its group, as libvirt does not answer";
        end.hint = Some("vmlife show tells where it is when it does".to_owned());
        end.not_attempted = false;
        if end.kind == Kind::Done {
            end.kind = Kind::Connection;
        }
        end
    }

    /// What takes but a moment is done to all of them at once.
    fn at_once(&self, which: &[usize]) -> Phase<'a> {
        Phase {
            jobs: which.len(),
            ..self.phase
        }
    }

    fn back(&self, jobs: usize) -> Phase<'a> {
        Phase {
            interrupt: self.heedless,
            jobs,
            ..self.phase
        }
    }

    /// One member could not be touched, so that none is.
    fn leave_alone(&mut self) {
        let (kind, others) = Self::failed(&self.outcomes);
        for outcome in self
            .outcomes
            .iter_mut()
            .filter(|outcome| outcome.kind == Kind::Done)
        {
            let why = format!("{others} cannot go with it");
            *outcome = Outcome {
                status: outcome.status_before,
                status_before: outcome.status_before,
                ..Outcome::failed(outcome.vm.clone(), Failure::not_attempted(kind, why))
            };
        }
    }

    /// Tells of those that failed what was in the way, and of the others that they are where they were, or why not.
    fn tell_of_the_way_back(&mut self, ends: Vec<Outcome>) {
        let (kind, others) = Self::failed(&ends);
        for (one, end) in ends.into_iter().enumerate() {
            let now = &self.outcomes[one];
            let outcome = if self.out_of_reach.contains(&one) {
                self.left_behind(one, end)
            } else if end.kind != Kind::Done {
                let told = match now.status {
                    _ if end.message.contains("; it ") => "",
                    Some(VmStatus::Up) => "; it runs on",
                    Some(VmStatus::Paused) => "; it is paused",
                    _ => "",
                };
                Outcome {
                    status: now.status,
                    changed: now.status != end.status_before,
                    message: format!("{}{told}", end.message),
                    ..end
                }
            } else if now.kind == Kind::Done && now.status != end.status_before {
                let failure = Failure::new(kind, format!("{}, since {others} failed", now.message));
                Outcome {
                    status: now.status,
                    status_before: end.status_before,
                    changed: true,
                    ..Outcome::failed(end.vm, failure)
                }
            } else if now.kind == Kind::Done {
                let failure = Failure::new(kind, format!("is as it was, since {others} failed"));
                Outcome {
                    status: end.status_before,
                    status_before: end.status_before,
                    ..Outcome::failed(end.vm, failure)
                }
            } else {
                Outcome {
                    message: format!(
                        "was not brought back, since it {}; {others} had failed",
                        now.message
                    ),
                    ..now.clone()
                }
            };
            self.outcomes[one] = outcome;
        }
    }

    /// Which of these failed, and how.
    fn failed(outcomes: &[Outcome]) -> (Kind, String) {
        let failed: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.kind != Kind::Done)
            .collect();
        let names: Vec<String> = failed
            .iter()
            .map(|outcome| outcome.vm.to_string())
            .collect();
        let kind = Kind::merge(failed.iter().map(|outcome| outcome.kind));
        (kind, names.join(", "))
    }
}

/// The same with another verb, and none of the wishes that belong to the first.
fn only(verb: Verb, options: &Options) -> Options {
    let mut flags = options.flags;
    flags.running = None;
    Options {
        verb,
        wishes: Wishes::default(),
        flags,
        strict: false,
        keep: false,
        checksum: false,
        managed: None,
        ..options.clone()
    }
}
