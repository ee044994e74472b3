//! Freezing, unfreezing, waking.

use super::watch::{Ended, left};
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
}
