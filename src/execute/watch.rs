//! Waiting for a call of libvirt's that may take long, or for ever.

use super::Run;
use crate::hypervisor::Machine;
use crate::interrupt::cause_word;
use crate::report::{Event, Failure, Kind, Progress, VmRef};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How often the call, the signals and the clock are looked at.
const GLANCE: Duration = Duration::from_millis(5);
/// How often the job is asked for, and an abort that came too early is tried again.
const POLL: Duration = Duration::from_millis(100);

/// How a watched call ended.
pub(super) enum Ended<T> {
    /// It returned.
    Returned(T),
    /// We stopped waiting for it, for this reason.
    Left(Kind),
}

impl Run<'_> {
    /// Runs a call on a thread of its own, and watches meanwhile. With a machine, the call is a job of
    /// it: its progress is told, and a signal or the time limit aborts it. Without, there is nothing to
    /// abort: the call is waited for, until the time limit passes or somebody insists.
    pub(super) fn watch<T: Send + 'static>(
        &mut self,
        subject: &VmRef,
        job: Option<&Machine>,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Ended<T> {
        let (sender, receiver) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        if let Some(machine) = job {
            let (apart, over) = (self.apart(machine), Arc::clone(&over));
            thread::spawn(move || {
                let machine = apart();
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
        self.interrupt.watch(true);
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
                    Some(_) => "cancelling, and waiting until the VM is as before",
                    None => "this cannot be cancelled, and is waited for",
                };
                self.sink.emit(Event::Cancelling(subject, words));
                if let Some(machine) = job {
                    abort_until(self.apart(machine), Arc::clone(&over));
                }
            }
        };
        self.interrupt.watch(false);
        over.store(true, Ordering::SeqCst);
        self.gave_up |= matches!(ended, Ended::Left(_));
        ended
    }

    /// Opens a connection of its own to the same machine, so that nothing waits for the call that is
    /// watched. A daemon that hangs may not answer to that: it is for a thread to do.
    fn apart(&self, machine: &Machine) -> impl FnOnce() -> Machine + Send + 'static {
        let (hypervisor, machine) = (Arc::clone(&self.inventory.hypervisor), machine.clone());
        move || {
            let found = hypervisor.apart().machine_by_id(machine.id());
            found.ok().flatten().unwrap_or(machine)
        }
    }
}

/// Asks for the abort of a job until it is over: in its first moments there is none to abort yet.
fn abort_until(apart: impl FnOnce() -> Machine + Send + 'static, over: Arc<AtomicBool>) {
    thread::spawn(move || {
        let machine = apart();
        while !over.load(Ordering::SeqCst) && machine.abort_job().is_err() {
            thread::sleep(POLL);
        }
    });
}

/// We stopped waiting for a call. It goes on in the daemon.
pub(super) fn left(cause: Kind, tried: &str) -> Failure {
    let message = format!(
        "may still be {tried}: {}, and libvirt has not answered",
        cause_word(cause)
    );
    // The exit code of a time limit promises the former state, which nobody can promise here.
    let kind = if cause == Kind::TimedOut {
        Kind::Failed
    } else {
        cause
    };
    Failure::new(kind, message).hint("vmlife show tells what became of it")
}
