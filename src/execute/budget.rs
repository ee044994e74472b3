//! Time that several saves share: one is begun only if it is going to be done in what is left. One that is not beside
//! those that go on waits for them, and what comes after it does not overtake it.

use crate::report::Estimate;
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long QEMU takes to end, and libvirt to begin, however little there is to write.
const AROUND: Duration = Duration::from_secs(2);
/// As soon as so much is written, that tells the rate; before, it is assumed.
const TELLING: u64 = 64 * 1024 * 1024;
/// How often one that waits looks whether it still should.
const GLANCE: Duration = Duration::from_millis(100);

/// The time, and what goes on in it.
#[derive(Debug)]
pub(super) struct Budget {
    ends: Instant,
    bytes: Mutex<Bytes>,
    /// Something was begun, is over, or waits no longer.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Bytes {
    /// What those that are being saved may still write.
    writing: u64,
    /// What has been written.
    written: u64,
    /// What those would write that wait, the first first.
    waiting: BTreeMap<u64, u64>,
    /// How many have asked.
    asked: u64,
    /// When the first was begun.
    since: Option<Instant>,
}

/// Why there is no share.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoShare {
    /// It would not be done in time.
    TooLong(String),
    /// It was not waited for.
    Cancelled,
}

/// The part of it that a save takes, until this is dropped.
#[derive(Debug)]
pub(super) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
    waited: Duration,
}

impl Budget {
    /// So much time from now on.
    pub(super) fn new(time: Duration) -> Self {
        let began = Instant::now();
        Self {
            ends: began.checked_add(time).unwrap_or(began),
            bytes: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Whether there is time for one more save, and for so much beside it, when all else is over.
    pub(super) fn has_time_for(&self, estimate: &Estimate, beside: Duration) -> bool {
        let bytes = self.bytes();
        let takes = bytes.time_for(estimate, 0, bytes.elapsed());
        takes.saturating_add(beside) <= self.left()
    }

    /// A share of the time for one more save, as soon as there is one; that is waited for as long as it is wished.
    ///
    /// # Errors
    /// If it would not be done in time, or is no longer wished.
    pub(super) fn share(
        &self,
        estimate: &Estimate,
        is_wished: impl Fn() -> bool,
    ) -> Result<Share<'_>, NoShare> {
        let asked = Instant::now();
        let mut bytes = self.bytes();
        let ticket = bytes.asked;
        bytes.asked += 1;
        bytes.waiting.insert(ticket, estimate.size_bytes);
        let refusal = loop {
            let (left, elapsed) = (self.left(), bytes.elapsed());
            let alone = bytes.time_for(estimate, 0, elapsed);
            if alone > left {
                break NoShare::TooLong(format!(
                    "it may take {:.1} s, and {:.1} s are left (--within)",
                    alone.as_secs_f64(),
                    left.as_secs_f64()
                ));
            }
            let before = bytes.waiting.range(..ticket).map(|(_, bytes)| bytes);
            let ahead = before.fold(bytes.writing, |sum, one| sum.saturating_add(*one));
            if bytes.time_for(estimate, ahead, elapsed) <= left {
                bytes.writing += estimate.size_bytes;
                bytes.waiting.remove(&ticket);
                self.changed.notify_all();
                bytes.since.get_or_insert_with(Instant::now);
                return Ok(Share {
                    budget: self,
                    bytes: estimate.size_bytes,
                    waited: asked.elapsed(),
                });
            }
            if !is_wished() {
                break NoShare::Cancelled;
            }
            let waited = self.changed.wait_timeout(bytes, GLANCE);
            bytes = waited.unwrap_or_else(PoisonError::into_inner).0;
        };
        bytes.waiting.remove(&ticket);
        self.changed.notify_all();
        Err(refusal)
    }

    fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bytes {
    /// For how long something has been written.
    fn elapsed(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How long it takes until one more is written behind what is `ahead` of it, at the rate so far.
    #[expect(clippy::cast_precision_loss, reason = "no estimate is that exact")]
    fn time_for(&self, estimate: &Estimate, ahead: u64, elapsed: Duration) -> Duration {
        let seconds = elapsed.as_secs_f64();
        let rate = if self.written >= TELLING && seconds > 0.0 {
            self.written as f64 / seconds
        } else {
            estimate.bytes_per_second as f64
        };
        let bytes = ahead.saturating_add(estimate.size_bytes);
        let writes = Duration::try_from_secs_f64(bytes as f64 / rate).unwrap_or(Duration::MAX);
        writes.saturating_add(AROUND)
    }
}

impl Share<'_> {
    /// How long it had to wait for others.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// It is saved, and so much was written.
    pub(super) fn written(&self, bytes: u64) {
        self.budget.bytes().written += bytes;
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut bytes = self.budget.bytes();
        bytes.writing = bytes.writing.saturating_sub(self.bytes);
        drop(bytes);
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    const GIB: u64 = 1 << 30;

    fn estimate(size: u64) -> Estimate {
        Estimate::of_save(size, None)
    }

    #[test]
    fn what_is_not_done_in_time_is_not_begun() {
        let budget = Budget::new(Duration::from_secs(60));
        // 200 MiB each second are assumed.
        let refusal = budget.share(&estimate(20 * GIB), || true).unwrap_err();
        let NoShare::TooLong(why) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(why.contains("it may take 104.4 s, and "), "{why}");
        budget.share(&estimate(8 * GIB), || true).unwrap();
        assert!(budget.has_time_for(&estimate(8 * GIB), Duration::from_secs(2)));
        assert!(!budget.has_time_for(&estimate(8 * GIB), Duration::from_secs(20)));
    }

    #[test]
    fn what_does_not_fit_beside_what_goes_on_waits_and_is_not_overtaken() {
        let budget = Budget::new(Duration::from_secs(60));
        let first = budget.share(&estimate(8 * GIB), || true).unwrap();
        let cancelled = budget.share(&estimate(8 * GIB), || false).unwrap_err();
        assert_eq!(cancelled, NoShare::Cancelled);
        let begun = Mutex::new(Vec::new());
        let begins = |name, size| {
            let share = budget.share(&estimate(size), || true).unwrap();
            begun.lock().unwrap().push(name);
            share
        };
        let wait_for = |number| {
            let since = Instant::now();
            while budget.bytes().waiting.len() < number {
                assert!(since.elapsed() < Duration::from_secs(10));
                thread::yield_now();
            }
        };
        thread::scope(|scope| {
            let large = scope.spawn(|| begins("large", 8 * GIB));
            wait_for(1);
            // It would fit beside the first.
            let small = scope.spawn(|| begins("small", GIB));
            wait_for(2);
            thread::sleep(2 * GLANCE);
            assert!(begun.lock().unwrap().is_empty());
            drop(first);
            let large = large.join().unwrap();
            let small = small.join().unwrap();
            drop((large, small));
        });
        assert_eq!(begun.lock().unwrap().len(), 2);
        assert_eq!(budget.bytes().writing, 0);
    }

    #[test]
    fn the_rate_is_the_one_that_was_reached() {
        let bytes = Bytes {
            written: GIB,
            ..Bytes::default()
        };
        let slow = bytes.time_for(&estimate(GIB), 0, Duration::from_secs(100));
        assert_eq!(slow, Duration::from_secs(102));
        let little = Bytes {
            written: 1,
            ..Bytes::default()
        };
        let assumed = little.time_for(&estimate(GIB), GIB, Duration::from_secs(100));
        assert_eq!(assumed.as_secs(), 12);
        let none = Estimate {
            bytes_per_second: 0,
            ..estimate(GIB)
        };
        assert_eq!(little.time_for(&none, 0, Duration::ZERO), Duration::MAX);
    }
}
