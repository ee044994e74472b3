//! Waiting for a call of libvirt's that may take long, or for ever.

use super::Run;
use crate::hypervisor::{Hypervisor, HypervisorError, Machine};
use crate::interrupt::{aside, cause_word, within};
use crate::report::{Event, Failure, Kind, Progress, VmRef};
use crate::run::LOOK_LIMIT;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often the call, the signals and the clock are looked at.
const GLANCE: Duration = Duration::from_millis(5);
/// How often the job is asked for, and a cancel that came too early is tried again.
const POLL: Duration = Duration::from_millis(100);
/// A call that takes longer than this makes us look whether the daemon still answers at all.
const DOUBT: Duration = Duration::from_secs(3);
/// How often that is looked at, and how often it is told that a job is over whose call has not returned.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A daemon that answers nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(10);
/// One that answers nothing for so long is given up, also where no time limit is set: other hosts wait for the command.
const GIVEN_UP: Duration = Duration::from_secs(120);
/// So long after the time limit or a signal the former state is waited for: a QEMU may hang, and nobody be there who
/// asks twice.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long after that a look at a VM that is not touched yet may still take, and what is short also when somebody
/// insists: most take less.
const MOMENT: Duration = Duration::from_secs(1);
/// What is told at once by a daemon that answers, and is not told within this time, hangs in the VM's QEMU.
const ANSWER_LIMIT: Duration = Duration::from_secs(LOOK_LIMIT.as_secs() + 10);

/// How a watched call can be cancelled.
#[derive(Clone, Copy)]
pub(super) enum Cancel<'a> {
    /// It is a job of this machine, which libvirt can abort, and tells the progress of.
    Abort(&'a Machine),
    /// It loads the memory of this VM, whose guest does not run before we let it: the half-started VM can
    /// be ended, and nothing is lost.
    Destroy(Uuid),
    /// In no way.
    Impossible,
    /// The VM is where it should be, and what is left makes that durable: the time limit does not end it.
    TooLate,
    /// It only looks, puts a VM back, or ends what was cancelled: it is short, and waited for without a word, also
    /// when the time limit has passed. Who insists leaves it a moment: without it nobody knows where the VM is.
    Short,
    /// It only looks at what is not touched yet: a daemon that hangs is not waited for.
    Look,
}

/// How a watched call ended.
pub(super) enum Ended<T> {
    /// It returned.
    Returned(T),
    /// We stopped waiting for it.
    Left(Left),
}

/// Why we stopped waiting for a call. It goes on in the daemon.
#[derive(Clone, Copy)]
pub(super) struct Left {
    cause: Kind,
    /// Whether libvirt did not answer at all any more.
    silent: bool,
}

impl Run<'_> {
    /// Runs a call on a thread of its own, and watches meanwhile: tells the progress of a job, and that
    /// the daemon hangs. A signal or the time limit cancels the call, if it can be, and then the end of
    /// it is waited for: not longer than that makes sense, and not when somebody insists.
    pub(super) fn watch<T: Send + 'static>(
        &mut self,
        subject: &VmRef,
        cancel: Cancel<'_>,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Ended<T> {
        let (sender, receiver) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        if let Cancel::Abort(machine) = cancel {
            let (apart, over) = (self.apart(machine), Arc::clone(&over));
            aside(move || {
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
        let began = Instant::now();
        let (done, result) = mpsc::channel();
        aside(move || {
            // Nobody listens any more if it was left.
            let _ = done.send(call());
        });
        let mut pulse = None;
        let (mut finishing, mut was_silent) = (None, false);
        let mut cancelling: Option<Instant> = None;
        let watch = self.interrupt.watch();
        let ended = loop {
            match result.recv_timeout(GLANCE) {
                Ok(value) => break Ended::Returned(value),
                Err(RecvTimeoutError::Timeout) => {}
                // A call that panicked has said nothing about the VM.
                Err(RecvTimeoutError::Disconnected) => {
                    let cause = Kind::Failed;
                    let silent = false;
                    break Ended::Left(Left { cause, silent });
                }
            }
            match receiver.try_iter().last() {
                Some(Some(progress)) if progress.total == 0 || progress.passed < progress.total => {
                    self.sink.emit(Event::Progress(subject, progress));
                }
                Some(_) if finishing.is_none_or(|told: Instant| told.elapsed() >= HEARTBEAT) => {
                    finishing = Some(Instant::now());
                    self.sink.emit(Event::Finishing(subject));
                }
                Some(_) | None => {}
            }
            if pulse.is_none() && began.elapsed() >= DOUBT && self.inventory.hypervisor.is_qemu() {
                pulse = Some(Pulse::of(&self.inventory.hypervisor, &over));
            }
            let silence = pulse.as_ref().map_or(Duration::ZERO, Pulse::silence);
            let silent = silence >= SILENCE;
            let looks = matches!(cancel, Cancel::Look);
            if silent && looks {
                let cause = Kind::Connection;
                break Ended::Left(Left { cause, silent });
            }
            if silent && !was_silent {
                self.sink.emit(Event::Silent(subject, silence));
            }
            was_silent = silent;
            let Some(cause) = self.interrupt.cause() else {
                if silence >= GIVEN_UP {
                    let cause = Kind::Connection;
                    break Ended::Left(Left { cause, silent });
                }
                continue;
            };
            let since = *cancelling.get_or_insert_with(|| {
                self.cancel(subject, cancel, &over);
                Instant::now()
            });
            let is_limit = cause == Kind::TimedOut;
            let is_vain = is_limit && matches!(cancel, Cancel::Impossible);
            let is_enough = looks && since.elapsed() >= MOMENT;
            let is_patient = !is_limit && matches!(cancel, Cancel::TooLate);
            let is_short = looks || matches!(cancel, Cancel::Short);
            let is_short = is_short && !silent && began.elapsed() < MOMENT;
            let is_insisted = self.interrupt.insists() && !is_short;
            let is_long =
                silent && since.elapsed() >= SILENCE || !is_patient && since.elapsed() >= PATIENCE;
            self.met.impatience |= is_insisted;
            if is_insisted || is_vain || is_enough || is_long {
                break Ended::Left(Left { cause, silent });
            }
        };
        drop(watch);
        over.store(true, Ordering::SeqCst);
        if let Ended::Left(left) = ended {
            self.met.hanging |= left.silent || !matches!(cancel, Cancel::Look);
            self.met.silence |= left.silent;
        }
        ended
    }

    /// Looks at a VM that is not touched yet. A daemon that hangs, the time limit and a signal are an end of it.
    pub(super) fn look<T: Send + 'static>(
        &mut self,
        subject: &VmRef,
        call: impl FnOnce() -> Result<T, HypervisorError> + Send + 'static,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        match self.answer(subject, Cancel::Look, call) {
            Ok(found) => found.map_err(|error| error.failure("its state could not be read")),
            Err(left) if self.interrupt.cause() == Some(left.cause) => {
                let why = format!("{}, and {}", cause_word(left.cause), left.words());
                Err(Failure::not_attempted(left.cause, why))
            }
            Err(_) => {
                let silence = HypervisorError::silence(began.elapsed());
                Err(Failure {
                    not_attempted: true,
                    ..silence.failure(format!("was not attempted: {silence}"))
                })
            }
        }
    }

    /// Asks libvirt for something that is told at once, unless its daemon hangs: that is an error, not a wait
    /// without end.
    pub(super) fn ask<T: Send + 'static>(
        &mut self,
        subject: &VmRef,
        call: impl FnOnce() -> Result<T, HypervisorError> + Send + 'static,
    ) -> Result<T, HypervisorError> {
        let began = Instant::now();
        let answer = self.answer(subject, Cancel::Short, call);
        answer.unwrap_or_else(|_| Err(HypervisorError::silence(began.elapsed())))
    }

    /// What libvirt answers, or why that was not waited for any longer.
    pub(super) fn answer<T: Send + 'static>(
        &mut self,
        subject: &VmRef,
        cancel: Cancel<'_>,
        call: impl FnOnce() -> Result<T, HypervisorError> + Send + 'static,
    ) -> Result<Result<T, HypervisorError>, Left> {
        match self.watch(subject, cancel, || within(ANSWER_LIMIT, call)) {
            Ended::Returned(Some(answer)) => Ok(answer),
            Ended::Left(left) => Err(left),
            Ended::Returned(None) => {
                self.met.hanging = true;
                Err(Left {
                    cause: Kind::Connection,
                    silent: false,
                })
            }
        }
    }

    /// Notes something about a VM that is where it should be. It never fails a command, nor holds it up for ever.
    pub(super) fn take_note(
        &mut self,
        subject: &VmRef,
        warnings: &mut Vec<String>,
        note: impl FnOnce(&mut Vec<String>) + Send + 'static,
    ) {
        let noted = self.ask(subject, || {
            let mut warnings = Vec::new();
            note(&mut warnings);
            Ok(warnings)
        });
        match noted {
            Ok(more) => warnings.extend(more),
            Err(error) => warnings.push(format!(
                "its metadata may not tell the time of this: {error}"
            )),
        }
    }

    /// Asks for the end of a call until it is over: in its first moments there is nothing to end yet.
    fn cancel(&mut self, subject: &VmRef, cancel: Cancel<'_>, over: &Arc<AtomicBool>) {
        let words = match cancel {
            Cancel::Short | Cancel::Look => return,
            Cancel::Abort(_) => "cancelling, and waiting until the VM is as before",
            Cancel::Destroy(_) => "cancelling, and waiting until the half-started VM is ended",
            Cancel::Impossible => "this cannot be cancelled, and is waited for",
            Cancel::TooLate => "it is too late for that, and the rest is waited for",
        };
        self.sink.emit(Event::Cancelling(subject, words));
        let over = Arc::clone(over);
        match cancel {
            Cancel::Abort(machine) => {
                let apart = self.apart(machine);
                aside(move || {
                    let machine = apart();
                    while !over.load(Ordering::SeqCst) {
                        // Also after a success: libvirt accepts one that comes before QEMU has
                        // begun to write, and that has no effect.
                        let _ = machine.abort_job();
                        thread::sleep(POLL);
                    }
                });
            }
            Cancel::Destroy(id) => {
                let hypervisor = Arc::clone(&self.inventory.hypervisor);
                aside(move || {
                    let hypervisor = hypervisor.apart();
                    while !over.load(Ordering::SeqCst) && !end_loading(&hypervisor, id) {
                        thread::sleep(POLL);
                    }
                });
            }
            Cancel::Impossible | Cancel::TooLate | Cancel::Short | Cancel::Look => {}
        }
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

/// Ends a VM whose memory is being loaded, or has been and waits. Only such a one: it is looked at before,
/// and as no guest runs in it before we let it, nothing can happen between look and end.
pub(super) fn end_loading(hypervisor: &Hypervisor, id: Uuid) -> bool {
    let machine = hypervisor.machine_by_id(id).ok().flatten();
    machine.is_some_and(|machine| {
        let state = machine.state();
        state.is_ok_and(|state| state.is_starting_up() || state.is_loaded())
            && machine.destroy().is_ok()
    })
}

/// Signs of life of a daemon, asked for over a connection of their own: they do not wait for any VM.
struct Pulse {
    began: Instant,
    /// Milliseconds from then to the last sign.
    last: Arc<AtomicU64>,
}

impl Pulse {
    fn of(hypervisor: &Arc<Hypervisor>, over: &Arc<AtomicBool>) -> Self {
        let (hypervisor, over) = (Arc::clone(hypervisor), Arc::clone(over));
        let began = Instant::now();
        let last = Arc::new(AtomicU64::new(0));
        let heard = Arc::clone(&last);
        aside(move || {
            let mut connection = None;
            while !over.load(Ordering::SeqCst) {
                connection = connection.or_else(|| hypervisor.anew().ok());
                connection = connection.filter(Hypervisor::answers);
                // A refusal is an answer, too. One that hangs lets us wait above.
                let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                heard.store(now, Ordering::SeqCst);
                thread::sleep(HEARTBEAT);
            }
        });
        Self { began, last }
    }

    /// For how long there has been none.
    fn silence(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::SeqCst));
        self.began.elapsed().saturating_sub(last)
    }
}

impl Left {
    /// Why, where that promises nothing: nothing was done to the VM.
    pub(super) fn cause(self) -> Kind {
        self.cause
    }

    fn words(self) -> &'static str {
        if self.silent {
            "libvirt has not answered"
        } else {
            "the call has not ended"
        }
    }
}

/// We stopped waiting for a call. It goes on in the daemon.
pub(super) fn left(left: Left, tried: &str) -> Failure {
    let message = match left.cause {
        Kind::Connection => {
            let minutes = GIVEN_UP.as_secs() / 60;
            format!("may still be {tried}: libvirt has not answered for {minutes} minutes")
        }
        cause => {
            let cause_word = cause_word(cause);
            format!("may still be {tried}: {cause_word}, and {}", left.words())
        }
    };
    // The exit code of a time limit promises the former state, which nobody can promise here.
    let kind = match left.cause {
        Kind::TimedOut if left.silent => Kind::Connection,
        Kind::TimedOut => Kind::Failed,
        cause => cause,
    };
    Failure::new(kind, message).hint("vmlife show tells what became of it")
}
