//! Signals and the time limit: what may end a command before its time.

use crate::report::Kind;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Collects signals, and knows when the time is up.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    signals: Arc<Received>,
    deadline: Option<Instant>,
}

#[derive(Debug, Default)]
struct Received {
    first: AtomicI32,
    count: AtomicUsize,
}

impl Interrupt {
    /// From now on INT, TERM and HUP are wishes, not deaths. A signal that our parent made us ignore
    /// (nohup, a job in the background of a script) stays ignored.
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
            for signal in signals.forever() {
                let _ = noted
                    .first
                    .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
                noted.count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        Ok(Self {
            signals: received,
            deadline,
        })
    }

    /// Why everything should come to an end, if so.
    #[must_use]
    pub fn cause(&self) -> Option<Kind> {
        match self.signals.first.load(Ordering::SeqCst) {
            0 if self
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline) =>
            {
                Some(Kind::TimedOut)
            }
            0 => None,
            signal => Some(Kind::Cancelled(u8::try_from(signal).unwrap_or(0))),
        }
    }

    /// Whether somebody insists: a second signal came, so that even waiting for the end is too long.
    #[must_use]
    pub fn insists(&self) -> bool {
        self.signals.count.load(Ordering::SeqCst) > 1
    }
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
