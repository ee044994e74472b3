//! A group as one: none of its members ever finds another one missing. All are paused before the first is saved, and
//! all are there before the first runs on; if one fails, the others are brought back to where they were.

use super::Options;
use super::fleet::{Fleet, Phase};
use crate::entity::{Vm, VmStatus};
use crate::interrupt::Interrupt;
use crate::plan::{Verb, Wishes};
use crate::report::{Event, Failure, Kind, Outcome};
use std::sync::atomic::Ordering;

/// The members of a group, and what became of them so far.
struct Group<'a> {
    fleet: &'a Fleet,
    phase: Phase<'a>,
    /// The way back is not given up for the signal that has led to it.
    heedless: &'a Interrupt,
    outcomes: Vec<Outcome>,
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
        let heedless = phase.interrupt.heedless();
        let mut group = Group {
            fleet: self,
            phase,
            heedless: &heedless,
            outcomes,
        };
        if !group.all_are_well() {
            group.leave_alone();
        } else if !phase.options.dry_run {
            let moved = group.moved();
            match phase.options.verb {
                Verb::Hibernate => group.hibernate(&moved)?,
                Verb::Restore => group.restore(&moved)?,
                _ => group.switch(&moved)?,
            }
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
        Ok(done)
    }

    fn hibernate(&mut self, moved: &[usize]) -> Result<(), Failure> {
        let (mut running, mut resting) = (Vec::new(), Vec::new());
        for one in moved {
            let is_paused = self.vm(*one).status() == VmStatus::Paused;
            if is_paused {
                &mut resting
            } else {
                &mut running
            }
            .push(*one);
        }
        let options = self.phase.options.clone();
        let phase = self.at_once(&running);
        let paused = self.go(&running, &only(Verb::Pause, &options), phase)?;
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
        if self.is_silent() {
            return Ok(());
        }
        let ends = self.outcomes.clone();
        let back = self.restore_paused(&saved)?;
        let awake: Vec<usize> = paused
            .iter()
            .copied()
            .filter(|one| !saved.contains(one) || back.contains(one))
            .collect();
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
        let loaded = self.go(moved, &paused, phase)?;
        if !self.all_are_well() {
            if self.is_silent() {
                return Ok(());
            }
            let ends = self.outcomes.clone();
            for one in loaded {
                // Each as its image was.
                let image = self.vm(one).restorable_image();
                let mut again = only(Verb::Hibernate, &options);
                again.flags.running = Some(awake.contains(&one));
                again.managed = image.is_some_and(|image| image.managed);
                again.checksum = image.is_some_and(|image| image.checksum.is_some());
                let members = [one];
                let phase = self.back(self.phase.jobs);
                self.go(&members, &again, phase)?;
            }
            self.tell_of_the_way_back(ends);
            return Ok(());
        }
        let before = self.outcomes.clone();
        let phase = self.at_once(&awake);
        let running = self.go(&awake, &only(Verb::Resume, &options), phase)?;
        for one in running {
            let image = before[one].image.as_ref();
            let from = image.map(|image| format!(", restored from {}", image.display()));
            self.outcomes[one] = Outcome {
                status: Some(VmStatus::Up),
                message: format!("runs again with its group{}", from.unwrap_or_default()),
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
            if self.is_silent() {
                return Ok(());
            }
            let ends = self.outcomes.clone();
            let phase = self.back(done.len());
            self.go(&done, &only(back, &options), phase)?;
            self.tell_of_the_way_back(ends);
        }
        Ok(())
    }

    fn restore_paused(&mut self, saved: &[usize]) -> Result<Vec<usize>, Failure> {
        let mut paused = only(Verb::Restore, self.phase.options);
        paused.flags.running = Some(false);
        let phase = self.back(self.phase.jobs);
        self.go(saved, &paused, phase)
    }

    /// Whether a daemon does not answer any more: then nobody is brought back, which would wait for it once more. It
    /// is told of those that had gone well.
    fn is_silent(&mut self) -> bool {
        if !self.phase.silent.load(Ordering::SeqCst) {
            return false;
        }
        for outcome in &mut self.outcomes {
            if outcome.kind == Kind::Done && outcome.changed {
                outcome.kind = Kind::Connection;
                outcome.message +=
                    ", and was not brought back with its group, as libvirt does not answer";
                outcome.hint =
                    Some("vmlife show tells where each of them is when it does".to_owned());
            }
        }
        true
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
            let message = format!("was not attempted: {others} cannot go with it");
            *outcome = Outcome {
                status: outcome.status_before,
                status_before: outcome.status_before,
                ..Outcome::failed(outcome.vm.clone(), Failure::new(kind, message))
            };
        }
    }

    /// Tells of those that failed what was in the way, and of the others that they are where they were, or why not.
    fn tell_of_the_way_back(&mut self, ends: Vec<Outcome>) {
        let (kind, others) = Self::failed(&ends);
        for (one, end) in ends.into_iter().enumerate() {
            let now = &self.outcomes[one];
            let outcome = if end.kind != Kind::Done {
                Outcome {
                    status: now.status,
                    changed: now.status != end.status_before,
                    ..end
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
        managed: false,
        ..options.clone()
    }
}
