//! How far VMs are: a bar for each on a terminal, and a line for all; a line now and then elsewhere.

use super::text::{harmless, shortened};
use crate::plan::Step;
use crate::report::{Progress, VmRef};
use crate::words::{count, size};
use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike,
};
use std::fmt::Arguments;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Between two lines.
const PACE: Duration = Duration::from_secs(5);
/// The lines of a terminal that are left to what else there is to say.
const SPARED: usize = 3;
/// How a bar looks, from so many columns on.
const BARS: [(u16, &str); 4] = [
    (
        100,
        "{prefix} {wide_bar} {percent:>3} %  {msg}, {binary_bytes_per_sec}, ETA {eta}",
    ),
    (
        70,
        "{prefix} {wide_bar} {percent:>3} %, {binary_bytes_per_sec}, ETA {eta}",
    ),
    (50, "{prefix} {wide_bar} {percent:>3} %, ETA {eta}"),
    (0, "{prefix} {percent:>3} %  {wide_msg}"),
];
/// On fewer columns the line about all of them is a short one.
const WORDS_SINCE: u16 = 70;
/// The lines of a terminal that does not tell.
const USUAL: usize = 24;

/// Shows progress on standard error, as it suits who reads it.
pub(super) struct Meter {
    reader: Reader,
    /// What is under way, the first first.
    tasks: Vec<Task>,
    /// How many VMs there are, if they are several.
    all: usize,
    /// How many of them are over.
    over: usize,
    /// What those that are over have written.
    written: u64,
    began: Instant,
}

/// Who reads it.
enum Reader {
    /// A person at a terminal.
    Person {
        bars: MultiProgress,
        /// The line about all of them, if they are several.
        total: Option<ProgressBar>,
    },
    /// A log, and when it was last told something.
    Log(Instant),
    /// Nobody.
    Nobody,
}

/// What is done to a VM.
struct Task {
    vm: VmRef,
    what: &'static str,
    progress: Option<Progress>,
    /// Its bar, if there is room for it.
    bar: Option<ProgressBar>,
}

impl Meter {
    pub(super) fn new(terminal: bool, quiet: bool) -> Self {
        let reader = match (quiet, terminal) {
            (true, _) => Reader::Nobody,
            (false, true) => Reader::Person {
                bars: MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(
                    Box::new(Terminal),
                    15,
                )),
                total: None,
            },
            (false, false) => Reader::Log(Instant::now()),
        };
        Self {
            reader,
            tasks: Vec::new(),
            all: 0,
            over: 0,
            written: 0,
            began: Instant::now(),
        }
    }

    /// So many VMs are going to be worked on.
    pub(super) fn expect(&mut self, vms: usize) {
        self.all = vms;
        self.began = Instant::now();
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
        if self.task(vm).is_none() {
            self.start(vm, "checking");
        }
    }

    fn task(&mut self, vm: &VmRef) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.vm == *vm)
    }

    fn start(&mut self, vm: &VmRef, what: &'static str) {
        self.pass(vm);
        let shown = self.tasks.iter().filter(|task| task.bar.is_some()).count();
        let mut task = Task {
            vm: vm.clone(),
            what,
            progress: None,
            bar: None,
        };
        match &mut self.reader {
            Reader::Person { bars, total } => {
                if self.all > 1 && total.is_none() {
                    let line = bars.add(ProgressBar::no_length());
                    line.set_style(style("{wide_msg}"));
                    *total = Some(line);
                }
                if shown + SPARED < height() {
                    let bar = match total {
                        Some(total) => bars.insert_before(total, ProgressBar::no_length()),
                        None => bars.add(ProgressBar::no_length()),
                    };
                    bar.set_style(style("{prefix} {spinner} {wide_msg}"));
                    // A bar that wraps cannot be drawn over.
                    let name = harmless(&vm.to_string());
                    let name = shortened(&name, usize::from(Terminal.width()) / 3);
                    bar.set_prefix(format!("{name}: {what}"));
                    bar.enable_steady_tick(Duration::from_millis(100));
                    task.bar = Some(bar);
                }
            }
            Reader::Log(told) if self.tasks.is_empty() => *told = Instant::now(),
            Reader::Log(_) | Reader::Nobody => {}
        }
        self.tasks.push(task);
        self.tell_total();
    }

    /// So far it is; `done` is what was done with the bytes. Returns the line to print, if it is time for
    /// one.
    pub(super) fn advance(&mut self, vm: &VmRef, progress: Progress, done: &str) -> Option<String> {
        let task = self.task(vm)?;
        task.progress = Some(progress);
        let written = format!("{} {done}", size(progress.written));
        if let Some(bar) = &task.bar {
            if progress.passed >= progress.total {
                bar.set_style(style("{prefix} {spinner} {wide_msg}"));
                bar.unset_length();
            } else {
                if bar.length().is_none() {
                    let width = Terminal.width();
                    let fit = BARS.iter().find(|(since, _)| width >= *since);
                    bar.set_style(style(fit.map_or("", |(_, template)| template)));
                }
                bar.set_length(progress.total);
                bar.set_position(progress.passed);
            }
            bar.set_message(written.clone());
        }
        self.tell_total();
        if progress.total == 0 {
            return None;
        }
        self.line(|| {
            let percent = u128::from(progress.passed) * 100 / u128::from(progress.total);
            format!("{}: {percent} %, {written}", harmless(&vm.to_string()))
        })
    }

    /// The memory is written; what remains has no measure.
    pub(super) fn finishing(&mut self, vm: &VmRef) -> Option<String> {
        let task = self.task(vm)?;
        if let Some(bar) = &task.bar {
            bar.set_style(style(
                "{prefix} {spinner} finishing: flushing to disk, ending QEMU",
            ));
        }
        self.line(|| format!("{}: finishing", harmless(&vm.to_string())))
    }

    /// A line for a log, if it is time for one: of one VM this, of several about all.
    fn line(&mut self, of_one: impl FnOnce() -> String) -> Option<String> {
        let Reader::Log(told) = &mut self.reader else {
            return None;
        };
        if told.elapsed() < PACE {
            return None;
        }
        *told = Instant::now();
        Some(if self.all > 1 {
            self.total(true)
        } else {
            of_one()
        })
    }

    fn tell_total(&self) {
        if let Reader::Person {
            total: Some(total), ..
        } = &self.reader
        {
            total.set_message(self.total(Terminal.width() >= WORDS_SINCE));
        }
    }

    /// How far all of them are.
    #[expect(clippy::cast_precision_loss, reason = "nobody looks that closely")]
    fn total(&self, at_length: bool) -> String {
        let told = self.tasks.iter().filter_map(|task| task.progress);
        let written = self.written + told.clone().map(|progress| progress.written).sum::<u64>();
        let elapsed = self.began.elapsed().as_secs_f64();
        let parts = told.filter(|progress| progress.total > 0);
        let part: f64 = parts.map(|one| one.passed as f64 / one.total as f64).sum();
        let share = (self.over as f64 + part) / self.all.max(1) as f64;
        let mut words = if at_length {
            format!("{} of {} over", self.over, count(self.all, "VM"))
        } else {
            format!("{}/{}", self.over, self.all)
        };
        let doing = self.tasks.first().map(|task| task.what);
        if let Some(doing) = doing.filter(|_| at_length) {
            words += &format!(", {} {doing}", self.tasks.len());
        }
        if written > 0 && elapsed > 0.0 {
            let rate = Duration::from_secs_f64(elapsed).as_millis().max(1);
            let rate = u128::from(written) * 1000 / rate;
            let rate = size(u64::try_from(rate).unwrap_or(u64::MAX));
            words += &format!(", {}, {rate}/s", size(written));
        }
        if share > 0.0 && share < 1.0 {
            let left = Duration::try_from_secs_f64(elapsed * (1.0 - share) / share);
            let left = left.unwrap_or(Duration::MAX);
            words += &format!(", ETA {:#}", HumanDuration(left));
        }
        words
    }

    /// One VM's part is over.
    pub(super) fn end(&mut self, vm: &VmRef) {
        self.over += 1;
        self.pass(vm);
        if self.tasks.is_empty() && self.over >= self.all {
            self.clear();
        }
    }

    /// One thing that was done to a VM is over.
    pub(super) fn pass(&mut self, vm: &VmRef) {
        let Some(place) = self.tasks.iter().position(|task| task.vm == *vm) else {
            return;
        };
        let task = self.tasks.remove(place);
        self.written += task.progress.map_or(0, |progress| progress.written);
        if let (Some(bar), Reader::Person { bars, .. }) = (task.bar, &self.reader) {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
        self.tell_total();
    }

    /// Nothing is under way any more.
    pub(super) fn clear(&mut self) {
        self.tasks.clear();
        if let Reader::Person { bars, total } = &mut self.reader {
            *total = None;
            // Where the terminal has gone, nothing is left to clear.
            let _ = bars.clear();
        }
    }

    /// The bars, if there are any now: whoever prints does it above them.
    pub(super) fn bars(&self) -> Option<MultiProgress> {
        match &self.reader {
            Reader::Person { bars, .. } if !self.tasks.is_empty() => Some(bars.clone()),
            _ => None,
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The terminal of standard error. When it is gone, nobody is left to draw for, and nothing else is wrong: the library
/// would give up all else for that.
#[derive(Debug)]
struct Terminal;

impl Terminal {
    #[expect(clippy::unnecessary_wraps, reason = "the library expects it")]
    fn put(text: Arguments<'_>) -> io::Result<()> {
        let _ = io::stderr().lock().write_fmt(text);
        Ok(())
    }

    fn moves(steps: usize, to: char) -> io::Result<()> {
        if steps == 0 {
            return Ok(());
        }
        Self::put(format_args!("\x1b[{steps}{to}"))
    }
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        let size = terminal_size::terminal_size_of(io::stderr());
        size.map_or(80, |(width, _)| width.0)
    }

    fn height(&self) -> u16 {
        u16::try_from(height()).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        Self::moves(lines, 'A')
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        Self::moves(lines, 'B')
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        Self::moves(columns, 'C')
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        Self::moves(columns, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        Self::put(format_args!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        Self::put(format_args!("{text}"))
    }

    fn clear_line(&self) -> io::Result<()> {
        Self::put(format_args!("\r\x1b[2K"))
    }

    fn flush(&self) -> io::Result<()> {
        let _ = io::stderr().lock().flush();
        Ok(())
    }
}

/// The lines of the terminal.
fn height() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stderr());
    size.map_or(USUAL, |(_, height)| usize::from(height.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vm(name: &str) -> VmRef {
        VmRef {
            host: None,
            name: name.to_owned(),
            id: None,
        }
    }

    #[test]
    fn several_vms_are_told_of_in_one_line() {
        let mut meter = Meter::new(false, false);
        meter.expect(3);
        meter.began = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        for name in ["a", "b"] {
            meter.begin(&vm(name), Step::Save);
            let progress = Progress {
                total: 100 << 20,
                passed: 50 << 20,
                written: 50 << 20,
            };
            meter.advance(&vm(name), progress, "written");
        }
        let words = meter.total(true);
        assert!(
            words.starts_with("0 of 3 VMs over, 2 hibernating, 100.00 MiB, "),
            "{words}"
        );
        assert!(words.ends_with("ETA 20s"), "{words}");
        meter.end(&vm("a"));
        let words = meter.total(true);
        assert!(
            words.starts_with("1 of 3 VMs over, 1 hibernating, 100.00 MiB, "),
            "{words}"
        );
        let words = meter.total(false);
        assert!(words.starts_with("1/3, 100.00 MiB, "), "{words}");
        assert!(words.len() <= 40, "{words}");
    }

    #[test]
    fn a_log_is_told_now_and_then() {
        let mut meter = Meter::new(false, false);
        meter.begin(&vm("a"), Step::Save);
        let progress = Progress {
            total: 4,
            passed: 1,
            written: 2 << 20,
        };
        assert_eq!(meter.advance(&vm("a"), progress, "written"), None);
        meter.reader = Reader::Log(Instant::now().checked_sub(PACE).unwrap());
        let line = meter.advance(&vm("a"), progress, "written");
        assert_eq!(line.as_deref(), Some("a: 25 %, 2.00 MiB written"));
        let mut silent = Meter::new(true, true);
        silent.begin(&vm("a"), Step::Save);
        assert_eq!(silent.finishing(&vm("a")), None);
    }
}
