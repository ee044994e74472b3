//! Signals and the time limit: what may end a command before its time.

use crate::report::Kind;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// A signal within this time of the first is the same wish: a closed terminal sends HUP twice, and systemd
/// sends HUP after TERM.
const SAME_WISH: Duration = Duration::from_secs(1);

/// Collects signals, and knows when the time is up.
///
/// While nothing is under way a signal ends the process, as it would any other. From
/// [`Interrupt::begin`] on it is a wish, which whoever works looks at. A second signal, when nobody
/// looks, ends the process after all.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    signals: Arc<Received>,
    deadline: Option<Instant>,
    /// Whether only those who insist are heeded.
    heedless: bool,
}

#[derive(Debug, Default)]
struct Received {
    begun: AtomicBool,
    watchers: AtomicUsize,
    first: AtomicI32,
    insists: AtomicBool,
}

/// Somebody who looks at signals all the time.
pub(crate) struct Watch(Arc<Received>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Interrupt {
    /// From now on INT, TERM and HUP are caught. A signal that our parent made us ignore (nohup, a job
    /// in the background of a script) stays ignored.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn install(limit: Option<Duration>) -> io::Result<Self> {
        let ignored = ignored_signals();
        let heeded = [SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            .filter(|signal| ignored & (1_u64 << (signal - 1)) == 0);
        let mut signals = Signals::new(heeded)?;
        let received = Arc::new(Received::default());
        let noted = Arc::clone(&received);
        thread::spawn(move || {
            let mut since = Instant::now();
            for signal in signals.forever() {
                if noted.first.load(Ordering::SeqCst) == 0 {
                    noted.first.store(signal, Ordering::SeqCst);
                    since = Instant::now();
                } else if since.elapsed() >= SAME_WISH {
                    noted.insists.store(true, Ordering::SeqCst);
                }
                let is_free = !noted.begun.load(Ordering::SeqCst)
                    || noted.insists.load(Ordering::SeqCst)
                        && noted.watchers.load(Ordering::SeqCst) == 0;
                if is_free {
                    // Dies of it; should that fail, the signal is still noted.
                    let _ = emulate_default_handler(signal);
                }
            }
        });
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        Ok(Self {
            signals: received,
            deadline,
            heedless: false,
        })
    }

    /// From now on VMs are touched: signals are wishes.
    pub fn begin(&self) {
        self.signals.begun.store(true, Ordering::SeqCst);
    }

    /// Until this is dropped somebody looks at [`Interrupt::insists`] all the time.
    pub(crate) fn watch(&self) -> Watch {
        self.signals.watchers.fetch_add(1, Ordering::SeqCst);
        Watch(Arc::clone(&self.signals))
    }

    /// The time that is left, if there is a limit.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// For what has to be done although everything should come to an end: it ends for those only who insist.
    #[must_use]
    pub(crate) fn heedless(&self) -> Self {
        Self {
            signals: Arc::clone(&self.signals),
            deadline: None,
            heedless: true,
        }
    }

    /// Why everything should come to an end, if so.
    #[must_use]
    pub fn cause(&self) -> Option<Kind> {
        if self.heedless && !self.insists() {
            return None;
        }
        match self.signals.first.load(Ordering::SeqCst) {
            0 if self.left() == Some(Duration::ZERO) => Some(Kind::TimedOut),
            0 => None,
            signal => Some(Kind::Cancelled(u8::try_from(signal).unwrap_or(0))),
        }
    }

    /// Whether somebody insists: a second signal came, so that even waiting for the end is too long.
    #[must_use]
    pub fn insists(&self) -> bool {
        self.signals.insists.load(Ordering::SeqCst)
    }
}

/// Runs something that may block for ever, on a thread of its own, and waits for it no longer than this. Also where
/// the system has no thread left for it there is no answer.
#[must_use]
pub fn within<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    aside(move || {
        // Nobody listens if the limit has passed.
        let _ = sender.send(call());
    });
    receiver.recv_timeout(limit).ok()
}

/// Runs something on a thread of its own. Where the system has none left for it, it is dropped, with all it holds.
pub(crate) fn aside(call: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().spawn(call);
}

/// The signals that the process was started to ignore, as the kernel's bit mask.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}

/// The words for a cause.
#[must_use]
pub fn cause_word(cause: Kind) -> String {
    match cause {
        Kind::TimedOut => "the time limit has passed".to_owned(),
        Kind::Cancelled(signal) => match i32::from(signal) {
            SIGINT => "interrupted (INT)".to_owned(),
            SIGTERM => "asked to end (TERM)".to_owned(),
            SIGHUP => "the terminal is gone (HUP)".to_owned(),
            other => format!("cancelled by signal {other}"),
        },
        other => other.word().to_owned(),
    }
}
