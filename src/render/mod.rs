//! All that prints. The answer goes to standard output, words go to standard error.

mod diff;
mod events;
mod images;
mod list;
mod page;
mod progress;
mod screen;
mod table;
mod text;

pub use list::{Column, columns, depth};

use crate::cli::{Common, Form, ProgressForm, Showing};
use crate::definition::to_yaml;
use crate::entity::Vm;
use crate::plan::{Step, Verb};
use crate::report::{
    Answer, Change, Difference, Differences, Event, Failure, Images, Kind, Line, ListedImage,
    Outcome, OutcomeLine, Report, SilentHost, Sink, VmRef,
};
use crate::words::count;
use events::EventLine;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use list::List;
use progress::Meter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use screen::Screen;
use serde::Serialize;
use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufWriter, IsTerminal, Read, Write};
use text::{View, harmless, seconds, treacherous};

/// The streams, and how they are to be written.
#[expect(clippy::struct_excessive_bools)] // Each is a word of the command line.
pub struct Output {
    verb: Verb,
    dry_run: bool,
    form: Form,
    quiet: bool,
    verbose: bool,
    /// Whether a program reads what happens.
    events: bool,
    meter: Meter,
    watched: Watched,
    /// The first thing that went wrong while writing the answer.
    trouble: Option<io::Error>,
}

/// An answer about VMs that grows: of each only what its form needs is kept.
pub struct Shown {
    one: bool,
    kept: Kept,
}

/// What is kept until an answer is printed.
enum Kept {
    /// Lines; of a single VM that may get a page all of it.
    List {
        page: Option<Box<Vm>>,
        is_page: bool,
        list: Box<List>,
    },
    Vms(Vec<Vm>),
    Texts(Vec<String>),
    /// All is printed at once.
    Nothing,
}

/// How VMs are watched.
enum Watched {
    /// A line for each change, after the list.
    Lines(Option<Box<List>>),
    /// A list that is drawn anew.
    Screen(Box<Screen>),
}

impl Output {
    /// Looks at where the streams go.
    #[must_use]
    pub fn new(verb: Verb, dry_run: bool, common: &Common) -> Self {
        let &Common {
            output: form,
            quiet,
            verbose,
            progress,
            ..
        } = common;
        let is_terminal = io::stderr().is_terminal() && progress == ProgressForm::Auto;
        let is_untold = matches!(progress, ProgressForm::None | ProgressForm::Json);
        let meter = Meter::new(is_terminal, quiet || is_untold);
        Self {
            verb,
            dry_run,
            form,
            quiet,
            verbose,
            events: progress == ProgressForm::Json,
            meter,
            watched: Watched::Lines(None),
            trouble: None,
        }
    }

    /// Begins an answer about VMs: one as a page, several as a list, or in the form that was asked for. A list
    /// of columns is one also of one VM.
    #[must_use]
    pub fn shown(&self, one: bool, showing: &Showing) -> Shown {
        let is_page = list::is_page(self.form, &showing.columns, one);
        let kept = match self.form {
            Form::Table | Form::Wide => Kept::List {
                page: None,
                is_page,
                list: Box::new(List::new(
                    list::chosen(self.form, &showing.columns),
                    !showing.no_headers,
                    view(),
                )),
            },
            Form::Json => Kept::Vms(Vec::new()),
            Form::Jsonl => Kept::Nothing,
            Form::Yaml | Form::Xml | Form::Name => Kept::Texts(Vec::new()),
        };
        Shown { one, kept }
    }

    /// Adds a VM to such an answer, with its domain XML if the form needs it.
    ///
    /// # Errors
    /// Why there is no XML, if XML is all that is asked for.
    pub fn show(
        &mut self,
        shown: &mut Shown,
        mut vm: Vm,
        xml: Option<Result<String, Failure>>,
    ) -> Result<(), Failure> {
        if self.form == Form::Xml {
            let xml = xml.transpose()?.unwrap_or_default();
            if let Kept::Texts(texts) = &mut shown.kept {
                texts.push(xml);
            }
            return Ok(());
        }
        match xml {
            Some(Ok(xml)) => vm.domain_xml = Some(xml),
            // Of a VM of which only an image is left there is none.
            Some(Err(failure)) if failure.kind != Kind::NotFound => {
                self.warning(&failure.to_string());
            }
            _ => {}
        }
        match &mut shown.kept {
            Kept::List { page, is_page, .. } if *is_page => {
                *is_page = false;
                *page = Some(Box::new(vm));
            }
            Kept::List { page, list, .. } => {
                if let Some(first) = page.take() {
                    list.add(&first);
                }
                list.add(&vm);
            }
            Kept::Vms(vms) => vms.push(vm),
            Kept::Texts(texts) => texts.push(match self.form {
                Form::Yaml => to_yaml(&vm),
                _ => name_line(&VmRef::from(&vm).to_string()),
            }),
            Kept::Nothing => self.line(&vm),
        }
        Ok(())
    }

    /// Prints what is not yet printed of such an answer.
    pub fn end(&mut self, shown: Shown) {
        match shown.kept {
            Kept::List { page: Some(vm), .. } => self.answer(&page::page(&vm, &view())),
            Kept::List { list, .. } => self.write(|out| list.write(out)),
            Kept::Vms(vms) => self.answer(&json(&Answer {
                schema_version: Report::SCHEMA_VERSION,
                vms: &vms,
            })),
            Kept::Texts(texts) => {
                let text = match self.form {
                    Form::Yaml => texts.join("---\n"),
                    Form::Xml if !shown.one || texts.len() != 1 => {
                        format!("<domains>\n{}</domains>\n", texts.concat())
                    }
                    _ => texts.concat(),
                };
                self.answer(&text);
            }
            Kept::Nothing => {}
        }
    }

    /// Begins to show VMs and what becomes of them. On a terminal the list is drawn anew, elsewhere each change
    /// is a line.
    pub fn watch(&mut self, showing: &Showing) {
        let columns = list::chosen(self.form, &showing.columns);
        let titled = !showing.no_headers;
        self.watched = if self.form == Form::Jsonl {
            Watched::Lines(None)
        } else if is_movable() {
            Watched::Screen(Box::new(Screen::new(columns, titled)))
        } else {
            Watched::Lines(Some(Box::new(List::new(columns, titled, view()))))
        };
    }

    /// Whether a list is drawn anew whenever something changes.
    #[must_use]
    pub fn is_screen(&self) -> bool {
        matches!(self.watched, Watched::Screen(_))
    }

    /// Shows a VM that is watched from now on.
    pub fn found(&mut self, change: &Change, vm: Vm) {
        match &mut self.watched {
            Watched::Screen(screen) => screen.put(vm),
            Watched::Lines(Some(list)) => list.add(&vm),
            Watched::Lines(None) => self.answer(&json_line(change)),
        }
    }

    /// Shows all that was found.
    pub fn all_found(&mut self) {
        if let Watched::Lines(list) = &mut self.watched
            && let Some(list) = list.take()
        {
            self.write(|out| list.write(out));
        }
        self.draw();
    }

    /// Shows what has become of a VM; `vm` is how it is now, unless it is gone. What is no news is only drawn.
    pub fn changed(&mut self, change: &Change, vm: Option<Vm>, is_news: bool) {
        match &mut self.watched {
            Watched::Screen(screen) => match vm {
                Some(vm) => screen.put(vm),
                None => screen.remove(change.vm.id),
            },
            Watched::Lines(_) if !is_news => {}
            Watched::Lines(_) if self.form == Form::Jsonl => self.answer(&json_line(change)),
            Watched::Lines(_) => {
                let line = text::change(change, vm.as_ref(), &view());
                self.answer(&(line + "\n"));
            }
        }
    }

    /// Draws the list that stays up to date, if there is one.
    pub fn draw(&mut self) {
        if let Watched::Screen(screen) = &mut self.watched {
            let (view, height) = (view(), height());
            let text = screen.draw(view, height);
            self.answer(&text);
        }
    }

    /// Whether nobody reads the answer any more, so that there is no need for more of it.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.trouble.is_some() || reader_is_gone()
    }

    /// Prints a list of images, or in the form that was asked for.
    pub fn images(&mut self, images: &[ListedImage], titled: bool) {
        let answer = Images {
            schema_version: Report::SCHEMA_VERSION,
            images,
        };
        let text = match self.form {
            Form::Table | Form::Wide | Form::Xml => {
                images::list(images, self.form == Form::Wide, titled, &view())
            }
            Form::Json => json(&answer),
            Form::Jsonl => images.iter().map(|it| json_line(&line_of(it))).collect(),
            Form::Yaml => to_yaml(&answer),
            Form::Name => images
                .iter()
                .filter_map(|listed| listed.image.path.as_ref())
                .map(|path| name_line(&path.display().to_string()))
                .collect(),
        };
        self.meter.clear();
        self.answer(&text);
    }

    /// Prints how VMs differ from their definitions. `vms` are all that were compared.
    pub fn differences(&mut self, vms: &[String], differences: &[Difference]) {
        let answer = Differences {
            schema_version: Report::SCHEMA_VERSION,
            differences,
        };
        let text = match self.form {
            Form::Table | Form::Wide | Form::Xml => diff::diff(vms, differences, &view()),
            Form::Json => json(&answer),
            Form::Jsonl => {
                let lines = differences.iter();
                lines.map(|it| json_line(&line_of(it))).collect()
            }
            Form::Yaml => to_yaml(&answer),
            Form::Name => diff::differing(vms, differences).map(name_line).collect(),
        };
        self.answer(&text);
    }

    /// Prints what a command that acts has come to. In the form for people each VM's line came when
    /// it was over, and only the count is left to say.
    pub fn report(&mut self, report: &Report) {
        match self.form {
            Form::Json => self.answer(&json(report)),
            Form::Yaml => self.answer(&to_yaml(report)),
            // Each was told when it was over.
            Form::Table | Form::Wide | Form::Jsonl | Form::Xml | Form::Name => {}
        }
        let all = report.results.len();
        let done = report
            .results
            .iter()
            .filter(|outcome| outcome.kind == Kind::Done)
            .count();
        if all > 1 {
            let failed = if done < all {
                format!(", {} failed", all - done)
            } else {
                String::new()
            };
            self.words(&format!("{}: {done} done{failed}", count(all, "VM")));
        }
    }

    /// Prints why the whole command failed.
    pub fn failure(&mut self, failure: Failure) {
        let verb = self.verb;
        self.error(
            None,
            &failure.message,
            failure.cause.as_deref(),
            failure.hint.as_deref(),
        );
        match self.form {
            Form::Json | Form::Yaml => self.report(&Report::of_failure(verb, failure)),
            Form::Jsonl => self.answer(&json_line(&Report::of_failure(verb, failure))),
            Form::Table | Form::Wide | Form::Xml | Form::Name => {}
        }
    }

    /// Says that one of several hosts does not answer.
    pub fn silent_host(&mut self, SilentHost { host, failure }: &SilentHost) {
        let (cause, hint) = (failure.cause.as_deref(), failure.hint.as_deref());
        let message = format!("its VMs are left out: {}", failure.message);
        self.error(Some(&format!("host {host}:")), &message, cause, hint);
    }

    /// Says something that is neither the answer nor an error.
    pub fn words(&mut self, words: &str) {
        if !self.quiet {
            if let Watched::Screen(screen) = &mut self.watched {
                screen.leave();
            }
            self.say(words);
        }
    }

    /// Says what was done, to those who want to know it all.
    pub fn log(&mut self, line: &str) {
        if self.verbose {
            self.say(&harmless(line));
        }
    }

    /// Asks a question at the terminal, after what it is about. Whatever is not a yes is a no; `None` if there
    /// is nobody to ask.
    pub fn confirm(&mut self, about: &[String], question: &str) -> Option<bool> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        for line in about {
            self.say(&harmless(line));
        }
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
        let mut answer = String::new();
        let _ = stdin.lock().take(80).read_line(&mut answer);
        let answer = answer.trim();
        Some(
            ["y", "yes"]
                .iter()
                .any(|yes| yes.eq_ignore_ascii_case(answer)),
        )
    }

    /// Says what somebody should mend.
    pub fn warning(&mut self, warning: &str) {
        self.say(&format!("warning: {}", harmless(warning)));
    }

    /// The kind of end that the writing itself came to. A reader that went away wanted no more: that
    /// is no failure.
    #[must_use]
    pub fn finish(&mut self) -> Kind {
        match self.trouble.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.say(&format!("error: the answer could not be written: {error}"));
                Kind::Failed
            }
            _ => Kind::Done,
        }
    }

    fn answer(&mut self, text: &str) {
        self.write(|out| out.write_all(text.as_bytes()));
    }

    /// One line of JSON.
    fn line(&mut self, entry: &impl Serialize) {
        self.answer(&json_line(&line_of(entry)));
    }

    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.trouble.is_none() {
            let mut out = BufWriter::new(io::stdout().lock());
            self.trouble = write(&mut out).and_then(|()| out.flush()).err();
            // What could not be written is not tried again.
            let _ = out.into_parts();
        }
    }

    fn error(&self, vm: Option<&str>, message: &str, cause: Option<&str>, hint: Option<&str>) {
        let message = harmless(message);
        match vm {
            Some(vm) => self.say(&format!("error: {} {message}", harmless(vm))),
            None => self.say(&format!("error: {message}")),
        }
        if let Some(cause) = cause {
            // libvirt shows XML that it does not like in lines of its own.
            let lines: Vec<String> = cause.lines().map(harmless).collect();
            self.say(&format!("  cause: {}", lines.join("\n         ")));
        }
        if let Some(hint) = hint {
            self.say(&format!("  hint: {}", harmless(hint)));
        }
    }

    /// What became of a VM, as far as that is the answer.
    fn answer_of(&mut self, outcome: &Outcome) {
        if self.form == Form::Jsonl {
            self.answer(&json_line(&OutcomeLine {
                schema_version: Report::SCHEMA_VERSION,
                verb: self.verb,
                dry_run: self.dry_run,
                outcome,
            }));
        }
        if outcome.kind == Kind::Done {
            match self.form {
                Form::Table | Form::Wide => {
                    // What is over in a moment has no time worth telling.
                    let is_long = outcome.step.is_some_and(Step::takes_long);
                    let took = outcome.seconds.filter(|_| is_long);
                    let took = took
                        .map(|took| format!(" in {}", seconds(took)))
                        .unwrap_or_default();
                    let line = format!("{} {}{took}", outcome.vm, outcome.message);
                    self.answer(&format!("{}\n", harmless(&line)));
                }
                Form::Name => self.answer(&name_line(&outcome.vm.to_string())),
                Form::Json | Form::Jsonl | Form::Yaml | Form::Xml => {}
            }
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        self.answer_of(outcome);
        if outcome.kind != Kind::Done {
            let (cause, hint) = (outcome.cause.as_deref(), outcome.hint.as_deref());
            self.error(Some(&outcome.vm.to_string()), &outcome.message, cause, hint);
        }
        for warning in &outcome.warnings {
            self.say(&format!(
                "warning: {}: {}",
                harmless(&outcome.vm.to_string()),
                harmless(warning)
            ));
        }
    }
}

impl Sink for Output {
    fn emit(&mut self, event: Event<'_>) {
        if self.events {
            say(json_line(&EventLine::from(event)).trim_end());
            if let Event::Finished(outcome) = event {
                self.answer_of(outcome);
            }
            return;
        }
        match event {
            Event::Started(vm, step) => {
                if self.verbose {
                    self.say(&format!("{}: {}", harmless(&vm.to_string()), step.call()));
                }
                self.meter.begin(vm, step);
            }
            Event::Progress(vm, progress) => {
                if let Some(line) = self.meter.advance(vm, progress, "written") {
                    self.say(&line);
                }
            }
            Event::Checking(vm, progress) => {
                self.meter.begin_checking(vm);
                if let Some(line) = self.meter.advance(vm, progress, "checked") {
                    self.say(&line);
                }
            }
            Event::Finishing(vm) => {
                if let Some(line) = self.meter.finishing(vm) {
                    self.say(&line);
                }
            }
            Event::Unchecked(vm, words) | Event::Chosen(vm, words) => {
                if self.verbose {
                    self.say(&format!(
                        "{}: {}",
                        harmless(&vm.to_string()),
                        harmless(words)
                    ));
                }
            }
            Event::Cancelling(vm, words) => {
                let vm = harmless(&vm.to_string());
                let words = format!("{vm}: {words} (interrupt again to stop waiting)");
                self.aside(|output| output.words(&words));
            }
            Event::Silent(vm, time) => {
                let time = seconds(time.as_secs_f64());
                let words = format!(
                    "{vm}: libvirt has not answered for {time}, and is waited for (interrupt to stop waiting)"
                );
                self.aside(|output| output.warning(&words));
            }
            Event::Reconnecting(vm) => {
                let vm = harmless(&vm.to_string());
                let words = format!("{vm}: the connection to libvirt is lost; trying again");
                self.aside(|output| output.words(&words));
            }
            Event::Begun(vms) => self.meter.expect(vms),
            Event::Over(vm) => self.meter.pass(vm),
            Event::Finished(outcome) => {
                self.meter.end(&outcome.vm);
                self.aside(|output| output.outcome(outcome));
            }
        }
    }
}

impl Output {
    /// A line for people; for a program words in JSON.
    fn say(&self, line: &str) {
        if self.events {
            say(json_line(&EventLine::words(line)).trim_end());
        } else {
            say(line);
        }
    }

    /// Prints lines above the bars, if there are any.
    fn aside(&mut self, print: impl FnOnce(&mut Self)) {
        match self.meter.bars() {
            Some(bars) => bars.suspend(|| print(self)),
            None => print(self),
        }
    }
}

/// A line for people.
fn say(line: &str) {
    // There is nowhere to tell that standard error is gone.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A name for programs: as it is, unless a person's terminal would be steered by it.
fn name_line(name: &str) -> String {
    if io::stdout().is_terminal() {
        format!("{}\n", harmless(name))
    } else {
        format!("{name}\n")
    }
}

fn json(value: &impl Serialize) -> String {
    // Plain data with string keys: this cannot fail.
    let plain = serde_json::to_string_pretty(value).unwrap_or_default();
    escaped(&plain) + "\n"
}

/// The same in one line.
fn json_line(value: &impl Serialize) -> String {
    let plain = serde_json::to_string(value).unwrap_or_default();
    escaped(&plain) + "\n"
}

fn line_of<T>(entry: &T) -> Line<'_, T> {
    Line {
        schema_version: Report::SCHEMA_VERSION,
        entry,
    }
}

/// JSON of the same value, with which no terminal is steered and no eye misled: beyond ASCII, characters
/// stand in its strings only.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || !treacherous(character) {
            out.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// Here and now.
fn view() -> View {
    View {
        width: width(),
        now: Timestamp::now(),
        zone: TimeZone::system(),
    }
}

/// Whether standard output is a terminal on which the cursor can be moved.
fn is_movable() -> bool {
    let is_plain = |kind: OsString| kind.is_empty() || kind == "dumb";
    io::stdout().is_terminal() && !env::var_os("TERM").is_none_or(is_plain)
}

/// Whether whoever read standard output has closed it, as far as that can be told without writing.
fn reader_is_gone() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let found = poll(&mut asked, Some(&Timespec::default()));
    let gone = PollFlags::ERR | PollFlags::HUP;
    found.is_ok() && asked[0].revents().intersects(gone)
}

/// The lines of the terminal.
fn height() -> u16 {
    let size = terminal_size::terminal_size_of(io::stdout());
    size.map_or(24, |(_, height)| height.0)
}

/// The columns of the terminal; a pipe has no end of them.
fn width() -> Option<u16> {
    let stdout = io::stdout();
    stdout
        .is_terminal()
        .then(|| terminal_size::terminal_size_of(&stdout))?
        .map(|(width, _)| width.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_of_the_same_value_and_steers_no_terminal() {
        let value = [
            "\u{1b}[31m\u{7f}\u{9b}31m",
            "\u{202e}\u{2066}\u{e0041}",
            "a\n\"ü漢",
        ];
        let text = json(&value);
        assert!(!text.chars().any(|c| c != '\n' && treacherous(c)), "{text}");
        assert!(
            text.contains("\\u009b31m") && text.contains("ü漢"),
            "{text}"
        );
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, value);
    }
}
