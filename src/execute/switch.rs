//! Freezing, unfreezing, waking.

use super::watch::{Cancel, Ended, left};
use super::{Run, state_words};
use crate::entity::VmStatus;
use crate::hypervisor::Machine;
use crate::plan::Step;
use crate::report::{Failure, Kind, Outcome, VmRef};

impl Run<'_> {
    /// Freezes, unfreezes or wakes.
    pub(super) fn switch(
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
        let mut machine = machine.clone();
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
                    machine = self.inventory.hypervisor.same(&machine).map_err(|error| {
                        let message = format!("may be {tried} or not; its state cannot be read");
                        error.failure(message)
                    })?;
                }
                result => break result,
            }
        };
        let now = self.observe(&machine);
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
                let now = now.map_or_else(
                    |_| "its state is not known".to_owned(),
                    |vm| format!("it {}", state_words(&vm)),
                );
                Err(error.failure(format!("could not be {tried}; {now}")))
            }
        }
    }
}
