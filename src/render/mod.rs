//! All that prints. The answer goes to standard output, words go to standard error.

mod diff;
mod events;
mod filter;
mod images;
mod list;
mod page;
mod pager;
mod progress;
mod screen;
mod settings;
mod table;
mod text;
mod values;

pub(crate) use filter::column;
pub use filter::{Filter, SortKey};
pub use list::{Column, columns, depth};
pub(crate) use text::{harmless, state};

use crate::cli::{Color, Common, Form, ProgressForm, Showing};
use crate::definition::to_yaml;
use crate::entity::Vm;
use crate::interrupt::Interrupt;
use crate::plan::{Step, Verb};
use crate::report::{
    Answer, Change, Difference, Differences, Event, Failure, Images, Kind, Line, ListedImage,
    Outcome, OutcomeLine, Report, Setting, Settings, SilentHost, Sink, VmRef,
};
use crate::words::count;
use events::EventLine;
use filter::Rank;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use list::List;
use pager::{End, Pager};
use progress::Meter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use screen::Screen;
use serde::Serialize;
use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufWriter, IsTerminal, Read, Write};
use text::{View, seconds, treacherous};
use values::Values;

/// The streams, and how they are to be written.
#[expect(clippy::struct_excessive_bools)] // Each is a word of the command line.
pub struct Output {
    verb: Verb,
    dry_run: bool,
    form: Form,
    quiet: bool,
    verbose: bool,
    /// Whether somebody may be asked.
    asks: bool,
    /// Whether a program reads what happens.
    events: bool,
    meter: Meter,
    watched: Watched,
    colored: bool,
    paging: Paging,
    /// The first thing that went wrong while writing the answer.
    trouble: Option<io::Error>,
}

/// An answer about VMs that grows: of each only what its form needs is kept.
pub struct Shown {
    one: bool,
    kept: Kept,
    order: Vec<SortKey>,
    reverse: bool,
    /// Where the VMs stand, if they are sorted.
    ranks: Vec<Vec<Rank>>,
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
    Values(Values),
    /// All is printed at once.
    Nothing,
}

/// Whether a pager shows the answer.
enum Paging {
    Not,
    /// It is started when there is something to show.
    Wanted(Interrupt),
    Begun(Box<Pager>),
}

/// How VMs are watched.
enum Watched {
    /// A line for each change, after the list.
    Lines(Option<Box<List>>),
    /// A list that is drawn anew.
    Screen(Box<Screen>),
}

/// Prints these lines.
pub(crate) fn version(lines: &[String]) -> Kind {
    let mut text = lines.join("\n");
    text.push('\n');
    told(io::stdout().write_all(text.as_bytes()))
}

/// How a command ends that did nothing but print. A reader that went away wanted no more.
pub(crate) fn told(printed: io::Result<()>) -> Kind {
    match printed.and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            say(&format!("error: the answer could not be written: {error}"));
            Kind::Failed
        }
        _ => Kind::Done,
    }
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
            no_input,
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
            asks: !no_input,
            events: progress == ProgressForm::Json,
            meter,
            watched: Watched::Lines(None),
            colored: matches!(form, Form::Table | Form::Wide) && is_colored(common.color),
            paging: Paging::Not,
            trouble: None,
        }
    }

    /// Writes the answer in another form.
    pub fn write_as(&mut self, form: Form) {
        self.form = form;
    }

    /// Has a pager show the answer, if it goes to a terminal.
    pub fn page(&mut self, interrupt: &Interrupt) {
        if io::stdout().is_terminal() {
            self.paging = Paging::Wanted(interrupt.clone());
        }
    }

    /// Begins an answer about VMs: one as a page, several as a list, or in the form that was asked for. A list
    /// of columns is one also of one VM.
    #[must_use]
    pub fn shown(&self, one: bool, showing: &Showing) -> Shown {
        let is_page = list::is_page(self.form, showing, one);
        let kept = match self.form {
            _ if showing.exit_state && self.quiet => Kept::Nothing,
            _ if !showing.fields.is_empty() => Kept::Values(Values::new(
                showing.fields.clone(),
                io::stdout().is_terminal(),
            )),
            Form::Table | Form::Wide => Kept::List {
                page: None,
                is_page,
                list: Box::new(List::new(self.form, showing, self.view())),
            },
            Form::Json => Kept::Vms(Vec::new()),
            Form::Jsonl => Kept::Nothing,
            Form::Yaml | Form::Xml | Form::Name => Kept::Texts(Vec::new()),
        };
        Shown {
            one,
            kept,
            order: showing.sort_by.clone(),
            reverse: showing.reverse,
            ranks: Vec::new(),
        }
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
        if !shown.order.is_empty() {
            let view = self.view();
            let ranks = shown.order.iter().map(|key| key.rank(&vm, &view));
            shown.ranks.push(ranks.collect());
        }
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
            Kept::Values(values) => {
                let lines = values.add(&vm);
                self.answer(&lines);
            }
            Kept::Nothing if self.form == Form::Jsonl => self.line(&vm),
            Kept::Nothing => {}
        }
        Ok(())
    }

    /// Prints what is not yet printed of such an answer.
    pub fn end(&mut self, shown: Shown) {
        let sorted = !shown.order.is_empty();
        let order = sorted.then(|| filter::order(&shown.order, shown.reverse, &shown.ranks));
        match shown.kept {
            Kept::List { page: Some(vm), .. } => self.answer(&page::page(&vm, &self.view())),
            Kept::List { list, .. } => self.write(|out| list.write(order.as_deref(), out)),
            Kept::Vms(vms) => self.answer(&json(&Answer {
                schema_version: Report::SCHEMA_VERSION,
                vms: &in_order(vms, order.as_deref()),
            })),
            Kept::Values(values) => self.answer(&values.end()),
            Kept::Texts(texts) => {
                let texts = in_order(texts, order.as_deref());
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
        self.watched = if self.form == Form::Jsonl {
            Watched::Lines(None)
        } else if is_movable() {
            Watched::Screen(Box::new(Screen::new(self.form, showing.clone())))
        } else {
            let list = List::new(self.form, showing, self.view());
            Watched::Lines(Some(Box::new(list)))
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
            self.write(|out| list.write(None, out));
        }
        self.draw();
    }

    /// Shows what has become of a VM; `vm` is how it is now, unless it is gone. What is no news is only drawn, and
    /// what does not stay is watched no longer.
    pub fn changed(&mut self, change: &Change, vm: Option<Vm>, is_news: bool, stays: bool) {
        let view = self.view();
        match &mut self.watched {
            Watched::Screen(screen) => match vm {
                Some(vm) if stays => screen.put(vm),
                _ => screen.remove(change.vm.id),
            },
            Watched::Lines(_) if !is_news => {}
            Watched::Lines(_) if self.form == Form::Jsonl => self.answer(&json_line(change)),
            Watched::Lines(_) => {
                let line = text::change(change, vm.as_ref(), &view);
                self.answer(&(line + "\n"));
            }
        }
    }

    /// Draws the list that stays up to date, if there is one.
    pub fn draw(&mut self) {
        let view = self.view();
        if let Watched::Screen(screen) = &mut self.watched {
            let height = height();
            let text = screen.draw(view, height);
            self.answer(&text);
        }
    }

    /// Whether a list that is drawn anew stands on a terminal that has another size now.
    #[must_use]
    pub fn is_resized(&self) -> bool {
        matches!(&self.watched, Watched::Screen(screen) if screen.is_of_other_size(&self.view(), height()))
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
                images::list(images, self.form == Form::Wide, titled, &self.view())
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

    /// Prints a list of settings, or in the form that was asked for.
    pub fn settings(&mut self, settings: &[Setting], titled: bool) {
        let answer = Settings {
            schema_version: Report::SCHEMA_VERSION,
            settings,
        };
        let text = match self.form {
            Form::Table | Form::Wide | Form::Xml => settings::list(settings, titled, &self.view()),
            Form::Json => json(&answer),
            Form::Jsonl => settings.iter().map(|it| json_line(&line_of(it))).collect(),
            Form::Yaml => to_yaml(&answer),
            Form::Name => settings
                .iter()
                .map(|it| name_line(&it.full_name()))
                .collect(),
        };
        self.answer(&text);
    }

    /// Prints how VMs differ from their definitions. `vms` are all that were compared.
    pub fn differences(&mut self, vms: &[String], differences: &[Difference]) {
        let answer = Differences {
            schema_version: Report::SCHEMA_VERSION,
            differences,
        };
        let text = match self.form {
            Form::Table | Form::Wide | Form::Xml => diff::diff(vms, differences, &self.view()),
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
        let spared = report.results.iter().filter(|it| it.not_attempted).count();
        if all > 1 {
            let more = [(all - done - spared, "failed"), (spared, "not attempted")];
            let more: String = more
                .iter()
                .filter(|(number, _)| *number > 0)
                .map(|(number, what)| format!(", {number} {what}"))
                .collect();
            let what = if self.dry_run {
                "would be done"
            } else {
                "done"
            };
            self.words(&format!("{}: {done} {what}{more}", count(all, "VM")));
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
        if !self.asks || !stdin.is_terminal() || !io::stderr().is_terminal() {
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
        let paged = self.leave_pager();
        match self.trouble.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.say(&format!("error: the answer could not be written: {error}"));
                Kind::Failed
            }
            _ => paged,
        }
    }

    /// Waits for the pager, if there is one. What it could not show is printed.
    fn leave_pager(&mut self) -> Kind {
        let Paging::Begun(pager) = std::mem::replace(&mut self.paging, Paging::Not) else {
            return Kind::Done;
        };
        match pager.end() {
            End::Read(kind) => kind,
            End::NotRun(text) => {
                self.trouble = None;
                self.warning("PAGER cannot be run: the answer is printed without it");
                self.write(|out| out.write_all(&text));
                Kind::Done
            }
        }
    }

    /// Here and now.
    fn view(&self) -> View {
        View {
            width: width(),
            now: Timestamp::now(),
            zone: TimeZone::system(),
            colored: self.colored,
        }
    }

    fn answer(&mut self, text: &str) {
        if !text.is_empty() {
            self.write(|out| out.write_all(text.as_bytes()));
        }
    }

    /// One line of JSON.
    fn line(&mut self, entry: &impl Serialize) {
        self.answer(&json_line(&line_of(entry)));
    }

    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        if self.trouble.is_none() {
            if let Paging::Wanted(interrupt) = &self.paging {
                let pager = Pager::start(interrupt);
                self.paging = pager.map_or(Paging::Not, |pager| Paging::Begun(Box::new(pager)));
            }
            if let Paging::Begun(pager) = &mut self.paging {
                self.trouble = pager.write(write).err();
                if self.trouble.is_some() && pager.has_not_run() {
                    self.leave_pager();
                }
                return;
            }
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
                    let clock = outcome.clock.map(|clock| clock.to_string());
                    let clock = clock.filter(|words| !words.is_empty());
                    let clock = clock.map(|words| format!("; {words}")).unwrap_or_default();
                    let line = format!("{} {}{took}{clock}", outcome.vm, outcome.message);
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
            Event::Unchecked(vm, words)
            | Event::Chosen(vm, words)
            | Event::Waiting(vm, words)
            | Event::Hook(vm, words) => {
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

/// Things in the order of their places, if they are sorted.
fn in_order<T>(things: Vec<T>, order: Option<&[usize]>) -> Vec<T> {
    let Some(order) = order else { return things };
    let mut things: Vec<Option<T>> = things.into_iter().map(Some).collect();
    let taken = order
        .iter()
        .filter_map(|place| things.get_mut(*place)?.take());
    taken.collect()
}

/// Tells of VMs whether they are to be shown. Nobody finds out by guessing what is not shown of them.
pub(crate) fn sieve(showing: &Showing) -> impl Fn(&Vm) -> bool {
    let view = View {
        width: None,
        now: Timestamp::now(),
        zone: TimeZone::system(),
        colored: false,
    };
    move |vm| {
        if showing.filters.is_empty() {
            return true;
        }
        let mut shown = vm.clone();
        if !showing.security_info {
            shown.hide_secrets_of_places();
        }
        let mut filters = showing.filters.iter();
        filters.all(|filter| filter.is_met_by(&shown, &view))
    }
}

/// Whether states have colours. What the user says goes before what the environment says.
fn is_colored(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if anstyle_query::no_color() => false,
        Color::Auto => {
            let is_wanted = anstyle_query::clicolor() != Some(false);
            anstyle_query::clicolor_force() || is_wanted && is_movable()
        }
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
