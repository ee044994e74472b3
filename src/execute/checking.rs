//! Reading an image for its checksum, which may take as long as writing it.

use super::Run;
use crate::image::checksum;
use crate::interrupt::cause_word;
use crate::report::{Event, Failure, Kind, Progress, VmRef};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often the reader, the signals and the clock are looked at.
const GLANCE: Duration = Duration::from_millis(5);

impl Run<'_> {
    /// The checksum of an image of `total` bytes. A signal or the time limit ends this at once, also where
    /// the storage hangs: nothing is touched by it.
    pub(super) fn checksum(
        &mut self,
        subject: &VmRef,
        path: &Path,
        total: u64,
    ) -> Result<String, Failure> {
        let passed = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let reader = {
            let (path, passed, stop) = (path.to_owned(), Arc::clone(&passed), Arc::clone(&stop));
            thread::spawn(move || {
                checksum(&path, |so_far| {
                    passed.store(so_far, Ordering::SeqCst);
                    !stop.load(Ordering::SeqCst)
                })
            })
        };
        let unread =
            |cause: String| Failure::new(Kind::Failed, "its image cannot be read").because(&cause);
        while !reader.is_finished() {
            if let Some(cause) = self.interrupt.cause() {
                stop.store(true, Ordering::SeqCst);
                return Err(Failure::new(cause, cause_word(cause)));
            }
            let progress = Progress::of_reading(passed.load(Ordering::SeqCst), total);
            self.sink.emit(Event::Checking(subject, progress));
            thread::sleep(GLANCE);
        }
        let all = Progress::of_reading(total, total);
        self.sink.emit(Event::Checking(subject, all));
        match reader.join() {
            Ok(Ok(Some(sum))) => Ok(sum),
            Ok(Err(error)) => Err(unread(error.to_string())),
            Ok(Ok(None)) | Err(_) => Err(unread("the reading was stopped".to_owned())),
        }
    }
}
