//! What could not be learnt, and why. It is told beside what is shown, so that nobody takes it for absent.

use crate::entity::Vm;
use crate::hypervisor::HypervisorError;
use std::fmt;
use std::time::Duration;

/// Something that could not be learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    whose: String,
    what: &'static str,
    why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    Answer(HypervisorError),
    Busy(Duration),
}

/// A sentence about the VM.
impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { whose, what, why } = self;
        write!(f, "{whose}: nothing is known of {what}: ")?;
        match why {
            Why::Answer(error) => write!(f, "{error}"),
            Why::Busy(since) => write!(f, "it has been busy for {} s", since.as_secs()),
        }
    }
}

/// All that could not be learnt.
#[derive(Debug, Default)]
pub(super) struct Gaps(pub(super) Vec<Gap>);

impl Gaps {
    /// What was answered. If it is no answer, that is noted, unless there can be none: the driver has no such
    /// thing, or the VM has just changed its state or gone.
    pub(super) fn known<T>(
        &mut self,
        vm: &Vm,
        what: &'static str,
        answer: Result<T, HypervisorError>,
    ) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(why) => {
                if !why.is_no_support() && !why.is_no_domain() && !why.is_wrong_state() {
                    self.push(vm, what, Why::Answer(why));
                }
                None
            }
        }
    }

    /// The VM's QEMU has been busy for so long that it is asked nothing.
    pub(super) fn busy(&mut self, vm: &Vm, since: Duration) {
        self.push(vm, "what only its QEMU can tell", Why::Busy(since));
    }

    fn push(&mut self, vm: &Vm, what: &'static str, why: Why) {
        let whose = vm.name().to_owned();
        self.0.push(Gap { whose, what, why });
    }

    /// The first sign that it is the daemon that does not answer any more, not one QEMU or agent.
    pub(super) fn of_connection(&self) -> Option<&HypervisorError> {
        self.0.iter().find_map(|gap| match &gap.why {
            Why::Answer(error) if error.is_connection_lost() => Some(error),
            _ => None,
        })
    }
}
