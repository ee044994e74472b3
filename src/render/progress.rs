//! How far a hibernation is: a bar on a terminal, a line now and then elsewhere.

use super::text::harmless;
use crate::plan::Step;
use crate::report::{Progress, VmRef};
use crate::words::size;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Between two lines.
const PACE: Duration = Duration::from_secs(5);

/// Shows progress on standard error, as it suits who reads it.
pub(super) enum Meter {
    /// A person at a terminal.
    Bar(Option<ProgressBar>),
    /// A log.
    Lines(Option<Instant>),
    /// Nobody.
    Silent,
}

impl Meter {
    pub(super) fn new(terminal: bool, quiet: bool) -> Self {
        match (quiet, terminal) {
            (true, _) => Self::Silent,
            (false, true) => Self::Bar(None),
            (false, false) => Self::Lines(None),
        }
    }

    /// Something begins. Only what takes a while gets a bar.
    pub(super) fn begin(&mut self, vm: &VmRef, step: Step) {
        let what = match step {
            Step::Save => "hibernating",
            Step::Restore | Step::RestoreManaged => "restoring",
            Step::Start => "starting",
            Step::Suspend | Step::Resume | Step::WakeUp | Step::Discard | Step::Show => return,
        };
        self.start(vm, what);
    }

    /// An image is read that nothing else is done with.
    pub(super) fn begin_checking(&mut self, vm: &VmRef) {
        if matches!(self, Self::Bar(None) | Self::Lines(None)) {
            self.start(vm, "checking");
        }
    }

    fn start(&mut self, vm: &VmRef, what: &str) {
        match self {
            Self::Bar(bar) => {
                let new =
                    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(15));
                new.set_style(style("{prefix} {spinner} {msg}"));
                new.set_prefix(format!("{}: {what}", harmless(&vm.to_string())));
                new.enable_steady_tick(Duration::from_millis(100));
                *bar = Some(new);
            }
            Self::Lines(last) => *last = Some(Instant::now()),
            Self::Silent => {}
        }
    }

    /// So far it is; `done` is what was done with the bytes. Returns the line to print, if it is time for
    /// one.
    pub(super) fn advance(&mut self, vm: &VmRef, progress: Progress, done: &str) -> Option<String> {
        let written = format!("{} {done}", size(progress.written));
        match self {
            Self::Bar(Some(bar)) if progress.passed >= progress.total => {
                bar.set_style(style("{prefix} {spinner} {msg}"));
                bar.unset_length();
                bar.set_message(written);
                None
            }
            Self::Bar(Some(bar)) => {
                if bar.length().is_none() {
                    bar.set_style(style(
                        "{prefix} {wide_bar} {percent:>3} %  {msg}, {binary_bytes_per_sec}, ETA {eta}",
                    ));
                }
                bar.set_length(progress.total);
                bar.set_position(progress.passed);
                bar.set_message(written);
                None
            }
            Self::Lines(Some(last)) if progress.total > 0 && last.elapsed() >= PACE => {
                *last = Instant::now();
                let percent = u128::from(progress.passed) * 100 / u128::from(progress.total);
                Some(format!(
                    "{}: {percent} %, {written}",
                    harmless(&vm.to_string())
                ))
            }
            _ => None,
        }
    }

    /// The memory is written; what remains has no measure.
    pub(super) fn finishing(&mut self, vm: &VmRef) -> Option<String> {
        match self {
            Self::Bar(Some(bar)) => {
                bar.set_style(style(
                    "{prefix} {spinner} finishing: flushing to disk, ending QEMU",
                ));
                None
            }
            Self::Lines(Some(last)) if last.elapsed() >= PACE => {
                *last = Instant::now();
                Some(format!("{}: finishing", harmless(&vm.to_string())))
            }
            _ => None,
        }
    }

    /// Makes room for lines.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Bar(bar) => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
            Self::Lines(last) => *last = None,
            Self::Silent => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
