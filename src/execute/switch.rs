//! Freezing, unfreezing, waking.

use super::watch::{Cancel, Ended, left};
use super::{Run, state_words};
use crate::entity::{Vm, VmDynamic, VmStatus};
use crate::hypervisor::Machine;
use crate::plan::{Step, was_cut_off};
use crate::report::{Failure, Kind, Outcome, VmRef};
use std::sync::Arc;

impl Run<'_> {
    /// Freezes, unfreezes or wakes.
    pub(super) fn switch(
        &mut self,
        machine: &Machine,
        vm: &Vm,
        step: Step,
        subject: VmRef,
    ) -> Result<Outcome, Failure> {
        let (tried, done, wish) = match step {
            Step::Suspend => ("paused", "is paused", VmStatus::Paused),
            Step::Resume => ("resumed", "runs on", VmStatus::Up),
            _ => ("woken up", "is awake", VmStatus::Up),
        };
        let mut machine = machine.clone();
        let mut warnings = Vec::new();
        let mut is_again = false;
        let result = loop {
            let call = {
                let machine = machine.clone();
                move || match step {
                    Step::Suspend => machine.suspend(),
                    Step::Resume => machine.resume(),
                    _ => machine.wake_up(),
                }
            };
            let result = match self.watch(&subject, Cancel::Impossible, call) {
                Ended::Returned(result) => result,
                Ended::Left(why) => return Err(left(why, tried)),
            };
            match result {
                // Whether the old daemon still did it shows when the new one is asked for the same: it first
                // finds out how its VMs are.
                Err(error) if error.is_connection_lost() && !is_again => {
                    is_again = true;
                    self.reconnect(&subject, tried, None, &error)?;
                    let hypervisor = Arc::clone(&self.inventory.hypervisor);
                    let same = self.ask(&subject, move || hypervisor.same(&machine));
                    machine = same.map_err(|error| {
                        let message = format!("may be {tried} or not; its state cannot be read");
                        error.failure(message)
                    })?;
                }
                result => break result,
            }
        };
        let now = self.observe(&subject, &machine);
        let was_for_group = vm
            .vm_dynamic
            .as_ref()
            .is_some_and(VmDynamic::waits_for_group);
        let is_paused = now.as_ref().is_ok_and(|vm| vm.status() == VmStatus::Paused);
        let is_for_group = self.options.for_group;
        // One that could not be let run still waits.
        let is_over = now.is_ok() && (step == Step::Suspend || !is_paused);
        if is_for_group && is_paused || was_for_group && !is_for_group && is_over {
            self.note_group(&machine, is_for_group, &subject, &mut warnings);
        }
        if step == Step::Resume && is_over && was_cut_off(vm) {
            self.leave_image_behind(vm, &mut warnings);
        }
        let failure = match (result, now) {
            // Somebody else may have been quicker: what counts is where the VM is.
            (_, Ok(vm)) if vm.status() == wish => {
                return Ok(Outcome {
                    status: Some(wish),
                    warnings,
                    ..Outcome::done(subject, done)
                });
            }
            (Ok(()), Ok(vm)) => {
                let message = format!("was {tried}, but now {}", state_words(&vm));
                Failure::new(Kind::Failed, message)
            }
            (Ok(()), Err(error)) => {
                error.failure(format!("was {tried}, but its state cannot be read"))
            }
            (Err(error), now) => {
                let now = now.map_or_else(
                    |_| "its state is not known".to_owned(),
                    |vm| format!("it {}", state_words(&vm)),
                );
                error.failure(format!("could not be {tried}; {now}"))
            }
        };
        Err(failure.warned(warnings))
    }

    /// Notes that the VM is paused for its group only, or that it is not. It never fails a command.
    fn note_group(
        &mut self,
        machine: &Machine,
        is_paused: bool,
        subject: &VmRef,
        warnings: &mut Vec<String>,
    ) {
        let machine = machine.clone();
        let noted = self.ask(subject, move || Run::remember_group(&machine, is_paused));
        let why = match noted {
            Ok(true) => return,
            Ok(false) => "an element that is not vmlife's stands there".to_owned(),
            // There is no metadata to keep anything in.
            Err(error) if error.is_no_support() => return,
            Err(error) => error.to_string(),
        };
        warnings.push(format!(
            "its metadata does not tell whether it is paused for its group: {why}"
        ));
    }
}
