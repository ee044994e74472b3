//! All that prints. The answer goes to standard output, words go to standard error.

mod diff;
mod images;
mod list;
mod page;
mod progress;
mod table;
mod text;

pub use list::{Column, columns, depth};

use crate::cli::{Form, Showing};
use crate::definition::to_yaml;
use crate::entity::Vm;
use crate::plan::{Step, Verb};
use crate::report::{
    Answer, Difference, Differences, Event, Failure, Images, Kind, ListedImage, Outcome, Report,
    Sink,
};
use crate::words::count;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use progress::Meter;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use text::{View, harmless, seconds, treacherous};

/// The streams, and how they are to be written.
pub struct Output {
    form: Form,
    quiet: bool,
    verbose: bool,
    meter: Meter,
    /// The first thing that went wrong while writing the answer.
    trouble: Option<io::Error>,
}

impl Output {
    /// Looks at where the streams go.
    #[must_use]
    pub fn new(form: Form, quiet: bool, verbose: bool) -> Self {
        let meter = Meter::new(io::stderr().is_terminal(), quiet);
        Self {
            form,
            quiet,
            verbose,
            meter,
            trouble: None,
        }
    }

    /// Prints VMs: one as a page, several as a list, or in the form that was asked for. A list of
    /// columns is one also of one VM. `xml` gives a VM's domain XML.
    ///
    /// # Errors
    /// What `xml` says.
    pub fn vms(
        &mut self,
        vms: &[Vm],
        one: bool,
        showing: &Showing,
        mut xml: impl FnMut(usize) -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        let text = match self.form {
            Form::Table | Form::Wide => match vms {
                [vm] if list::is_page(self.form, &showing.columns, one) => page::page(vm, &view()),
                vms => {
                    let columns = list::chosen(self.form, &showing.columns);
                    list::list(vms, &columns, !showing.no_headers, &view())
                }
            },
            Form::Json => json(&Answer {
                schema_version: Report::SCHEMA_VERSION,
                vms,
            }),
            Form::Yaml => {
                let documents: Vec<String> = vms.iter().map(to_yaml).collect();
                documents.join("---\n")
            }
            Form::Xml if one && vms.len() == 1 => xml(0)?,
            Form::Xml => {
                let mut all = "<domains>\n".to_owned();
                for index in 0..vms.len() {
                    all += &xml(index)?;
                }
                all + "</domains>\n"
            }
            Form::Name => vms.iter().map(|vm| name_line(vm.name())).collect(),
        };
        self.answer(&text);
        Ok(())
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
            Form::Table | Form::Wide | Form::Xml | Form::Name => {}
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
    pub fn failure(&mut self, verb: Verb, failure: Failure) {
        Self::error(
            None,
            &failure.message,
            failure.cause.as_deref(),
            failure.hint.as_deref(),
        );
        if matches!(self.form, Form::Json | Form::Yaml) {
            self.report(&Report::of_failure(verb, failure));
        }
    }

    /// Says something that is neither the answer nor an error.
    pub fn words(&mut self, words: &str) {
        if !self.quiet {
            say(words);
        }
    }

    /// Says what was done, to those who want to know it all.
    pub fn log(&mut self, line: &str) {
        if self.verbose {
            say(&harmless(line));
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
            say(&harmless(line));
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
        say(&format!("warning: {}", harmless(warning)));
    }

    /// The kind of end that the writing itself came to. A reader that went away wanted no more: that
    /// is no failure.
    #[must_use]
    pub fn finish(&mut self) -> Kind {
        match self.trouble.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                say(&format!("error: the answer could not be written: {error}"));
                Kind::Failed
            }
            _ => Kind::Done,
        }
    }

    fn answer(&mut self, text: &str) {
        if self.trouble.is_none() {
            let mut stdout = io::stdout().lock();
            self.trouble = stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush())
                .err();
        }
    }

    fn error(vm: Option<&str>, message: &str, cause: Option<&str>, hint: Option<&str>) {
        let message = harmless(message);
        match vm {
            Some(vm) => say(&format!("error: {} {message}", harmless(vm))),
            None => say(&format!("error: {message}")),
        }
        if let Some(cause) = cause {
            // libvirt shows XML that it does not like in lines of its own.
            let lines: Vec<String> = cause.lines().map(harmless).collect();
            say(&format!("  cause: {}", lines.join("\n         ")));
        }
        if let Some(hint) = hint {
            say(&format!("  hint: {}", harmless(hint)));
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        if outcome.kind == Kind::Done {
            match self.form {
                Form::Table | Form::Wide => {
                    // What is over in a moment has no time worth telling.
                    let is_long = outcome.step.is_some_and(Step::takes_long);
                    let took = outcome.seconds.filter(|_| is_long);
                    let took = took
                        .map(|took| format!(" in {}", seconds(took)))
                        .unwrap_or_default();
                    let line = format!("{} {}{took}", outcome.vm.name, outcome.message);
                    self.answer(&format!("{}\n", harmless(&line)));
                }
                Form::Name => self.answer(&name_line(&outcome.vm.name)),
                Form::Json | Form::Yaml | Form::Xml => {}
            }
        } else {
            let (cause, hint) = (outcome.cause.as_deref(), outcome.hint.as_deref());
            Self::error(Some(&outcome.vm.name), &outcome.message, cause, hint);
        }
        for warning in &outcome.warnings {
            say(&format!(
                "warning: {}: {}",
                harmless(&outcome.vm.name),
                harmless(warning)
            ));
        }
    }
}

impl Sink for Output {
    fn emit(&mut self, event: Event<'_>) {
        match event {
            Event::Started(vm, step) => {
                if self.verbose {
                    say(&format!("{}: {}", harmless(&vm.name), step.call()));
                }
                self.meter.begin(vm, step);
            }
            Event::Progress(vm, progress) => {
                if let Some(line) = self.meter.advance(vm, progress, "written") {
                    say(&line);
                }
            }
            Event::Checking(vm, progress) => {
                self.meter.begin_checking(vm);
                if let Some(line) = self.meter.advance(vm, progress, "checked") {
                    say(&line);
                }
            }
            Event::Finishing(vm) => {
                if let Some(line) = self.meter.finishing(vm) {
                    say(&line);
                }
            }
            Event::Unchecked(vm, words) | Event::Chosen(vm, words) => {
                if self.verbose {
                    say(&format!("{}: {}", harmless(&vm.name), harmless(words)));
                }
            }
            Event::Cancelling(vm, words) => {
                self.meter.clear();
                self.words(&format!(
                    "{}: {words} (interrupt again to stop waiting)",
                    harmless(&vm.name)
                ));
            }
            Event::Silent(vm, time) => {
                self.meter.clear();
                self.warning(&format!(
                    "{}: libvirt has not answered for {}, and is waited for (interrupt to stop waiting)",
                    vm.name,
                    seconds(time.as_secs_f64())
                ));
            }
            Event::Reconnecting(vm) => {
                self.meter.clear();
                self.words(&format!(
                    "{}: the connection to libvirt is lost; trying again",
                    harmless(&vm.name)
                ));
            }
            Event::Finished(outcome) => {
                self.meter.clear();
                self.outcome(outcome);
            }
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
