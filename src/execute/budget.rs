//! Time that several saves share: one is begun only if it is going to be done in what is left.

use crate::report::{Estimate, Failure, Kind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long QEMU takes to end, and libvirt to begin, however little there is to write.
const AROUND: Duration = Duration::from_secs(2);
/// As soon as so much is written, that tells the rate; before, it is assumed.
const TELLING: u64 = 64 * 1024 * 1024;

/// The time, and what goes on in it.
#[derive(Debug)]
pub(super) struct Budget {
    began: Instant,
    ends: Instant,
    bytes: Mutex<Bytes>,
}

#[derive(Debug, Default)]
struct Bytes {
    /// What those that are being saved may still write.
    writing: u64,
    /// What has been written.
    written: u64,
}

/// The part of it that a save takes, until this is dropped.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// So much time from now on.
    pub(super) fn new(time: Duration) -> Self {
        let began = Instant::now();
        Self {
            began,
            ends: began.checked_add(time).unwrap_or(began),
            bytes: Mutex::default(),
        }
    }

    /// A share of the time for one more save.
    ///
    /// # Errors
    /// If it would not be done in time.
    pub(super) fn share(&self, estimate: &Estimate) -> Result<Share<'_>, Failure> {
        let left = self.ends.saturating_duration_since(Instant::now());
        let mut bytes = self.bytes();
        let takes = bytes.time_for(estimate, self.began.elapsed());
        if takes > left {
            let message = format!(
                "was not attempted: it may take {:.1} s, and {:.1} s are left (--within)",
                takes.as_secs_f64(),
                left.as_secs_f64()
            );
            return Err(Failure::new(Kind::TimedOut, message));
        }
        bytes.writing += estimate.size_bytes;
        Ok(Share {
            budget: self,
            bytes: estimate.size_bytes,
        })
    }

    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bytes {
    /// How long it takes until one more is written, at the rate so far.
    #[expect(clippy::cast_precision_loss, reason = "no estimate is that exact")]
    fn time_for(&self, estimate: &Estimate, elapsed: Duration) -> Duration {
        let seconds = elapsed.as_secs_f64();
        let rate = if self.written >= TELLING && seconds > 0.0 {
            self.written as f64 / seconds
        } else {
            estimate.bytes_per_second as f64
        };
        let bytes = self.writing.saturating_add(estimate.size_bytes);
        let writes = Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or(Duration::MAX);
        writes.saturating_add(AROUND)
    }
}

impl Share<'_> {
    /// It is saved, and so much was written.
    pub(super) fn written(&self, bytes: u64) {
        self.budget.bytes().written += bytes;
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut bytes = self.budget.bytes();
        bytes.writing = bytes.writing.saturating_sub(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn estimate(size: u64) -> Estimate {
        Estimate::of_save(size, None)
    }

    #[test]
    fn what_does_not_fit_beside_what_goes_on_is_not_begun() {
        let budget = Budget::new(Duration::from_secs(16));
        // 200 MiB each second are assumed.
        let first = budget.share(&estimate(2 * GIB)).unwrap();
        let failure = budget.share(&estimate(GIB)).unwrap_err();
        assert_eq!(failure.kind, Kind::TimedOut);
        assert!(
            failure.message.contains("it may take 17.4 s, and 1"),
            "{failure:?}"
        );
        budget.share(&estimate(GIB / 4)).unwrap();
        drop(first);
        budget.share(&estimate(GIB)).unwrap();
    }

    #[test]
    fn the_rate_is_the_one_that_was_reached() {
        let bytes = Bytes {
            writing: 0,
            written: GIB,
        };
        let slow = bytes.time_for(&estimate(GIB), Duration::from_secs(100));
        assert_eq!(slow, Duration::from_secs(102));
        let little = Bytes {
            writing: GIB,
            written: 1,
        };
        let assumed = little.time_for(&estimate(GIB), Duration::from_secs(100));
        assert_eq!(assumed.as_secs(), 12);
        let none = Estimate {
            bytes_per_second: 0,
            ..estimate(GIB)
        };
        assert_eq!(little.time_for(&none, Duration::ZERO), Duration::MAX);
    }
}
