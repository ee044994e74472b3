//! Text from outside, made harmless; sizes, times and states in words.

use crate::entity::{SavedImage, Verdict, Vm, VmStatic, VmStatus};
use crate::report::Change;
use crate::words::size;
use anstyle::{AnsiColor, Style};
use indicatif::HumanDuration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How, when and where something is looked at.
#[derive(Clone)]
pub(super) struct View {
    /// The columns of the terminal; a pipe has no end of them.
    pub(super) width: Option<u16>,
    /// What ages are counted to.
    pub(super) now: Timestamp,
    /// What times are told in.
    pub(super) zone: TimeZone,
    /// Whether states have colours.
    pub(super) colored: bool,
}

impl View {
    /// How long ago: "2 hours".
    pub(super) fn age(&self, at: Timestamp) -> String {
        let age = self.now.duration_since(at);
        HumanDuration(age.try_into().unwrap_or_default()).to_string()
    }

    /// When: "2026-03-01 12:00 (2 hours ago)".
    pub(super) fn time(&self, at: Timestamp) -> String {
        format!("{} ({} ago)", self.clock(at), self.age(at))
    }

    /// Since when: "2026-03-01 12:00 (2 hours)".
    pub(super) fn since(&self, at: Timestamp) -> String {
        format!("{} ({})", self.clock(at), self.age(at))
    }

    /// When, to the second: "2026-03-01 12:00:00".
    pub(super) fn second(&self, at: Timestamp) -> String {
        let at = at.to_zoned(self.zone.clone());
        at.strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    fn clock(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M")
            .to_string()
    }
}

/// A view for tests, of this width.
#[cfg(test)]
pub(super) fn at_width(width: Option<u16>) -> View {
    View {
        width,
        now: "2026-03-01T13:00:00Z".parse().unwrap(),
        zone: TimeZone::fixed(jiff::tz::offset(1)),
        colored: false,
    }
}

/// Spells out what could steer a terminal or mislead the eye: control characters, characters that
/// turn the direction of writing, and such as have no width.
#[must_use]
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if treacherous(character) {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

pub(super) fn treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// As much of a line as fits this width. Colours, which are ours alone, take none of it.
#[must_use]
pub(super) fn cut(line: &str, width: usize) -> String {
    let mut used = 0;
    let mut is_color = false;
    let mut out = String::with_capacity(line.len());
    for character in line.chars() {
        is_color |= character == '\u{1b}';
        if !is_color {
            used += character.width().unwrap_or_default();
            if used > width {
                continue;
            }
        }
        out.push(character);
        is_color &= character != 'm';
    }
    out
}

/// The same with a sign that there is more.
#[must_use]
pub(super) fn shortened(cell: &str, width: usize) -> Cow<'_, str> {
    if cell.width() <= width {
        return cell.into();
    }
    (cut(cell, width.saturating_sub(1)) + "…").into()
}

/// The colour of a VM's state: green what runs, yellow what stands still, cyan what sleeps in an image, magenta
/// what is on its way, red what is wrong.
#[must_use]
pub(super) fn state_style(vm: &Vm) -> Style {
    let dynamic = vm.vm_dynamic.as_ref();
    let color = match vm.status() {
        _ if dynamic.is_some_and(|dynamic| dynamic.pause_status.is_error()) => AnsiColor::Red,
        VmStatus::Up | VmStatus::PoweringUp => AnsiColor::Green,
        VmStatus::Paused => AnsiColor::Yellow,
        VmStatus::Suspended => AnsiColor::Cyan,
        VmStatus::Unassigned | VmStatus::Down => return Style::new(),
        VmStatus::Unknown | VmStatus::NotResponding | VmStatus::ImageIllegal => AnsiColor::Red,
        VmStatus::MigratingFrom
        | VmStatus::MigratingTo
        | VmStatus::WaitForLaunch
        | VmStatus::RebootInProgress
        | VmStatus::SavingState
        | VmStatus::RestoringState
        | VmStatus::ImageLocked
        | VmStatus::PoweringDown => AnsiColor::Magenta,
    };
    color.on_default()
}

/// The status with libvirt's reason: "Paused (user)".
#[must_use]
pub(crate) fn state(vm: &Vm) -> String {
    let status = vm.status();
    let Some(dynamic) = &vm.vm_dynamic else {
        return "as defined".to_owned();
    };
    let reason = match status {
        _ if dynamic.asleep => "suspended itself".to_owned(),
        // An image, not the reason, makes a VM suspended.
        VmStatus::Suspended => String::new(),
        _ if dynamic.pause_status.is_error() => {
            format!("{}: {}", dynamic.status_reason, dynamic.pause_status)
        }
        VmStatus::Paused if dynamic.status_reason == "migrating" => {
            "restored, not resumed".to_owned()
        }
        _ => dynamic.status_reason.clone(),
    };
    if matches!(reason.as_str(), "" | "unknown") {
        status.to_string()
    } else {
        format!("{status} ({reason})")
    }
}

/// What has become of a VM, in a line: "2026-03-01 12:00:00  web-1  Up -> Paused (user)  suspended (paused)".
#[must_use]
pub(super) fn change(change: &Change, vm: Option<&Vm>, view: &View) -> String {
    let now = harmless(&vm.map_or_else(|| "gone".to_owned(), state));
    let style = vm
        .filter(|_| view.colored)
        .map(state_style)
        .unwrap_or_default();
    let now = format!("{style}{now}{style:#}");
    let became = match change.status_before {
        before if before == change.status => now,
        Some(before) => format!("{before} -> {now}"),
        None => format!("new -> {now}"),
    };
    let events = change.events.iter();
    let events = events.map(|it| format!("{} ({})", it.event, it.detail));
    let events = events.collect::<Vec<_>>().join(", ");
    let time = view.second(change.time);
    let (name, events) = (harmless(&change.vm.name), harmless(&events));
    format!("{time}  {name}  {became}  {events}")
        .trim_end()
        .to_owned()
}

/// An image in a few words: "285.31 MiB, 2 hours old".
#[must_use]
pub(super) fn image(image: &SavedImage, view: &View) -> String {
    if image.managed {
        return "managed by libvirt".to_owned();
    }
    if image.verdict == Verdict::Unreadable {
        return "?".to_owned();
    }
    let mut words = Vec::new();
    words.extend(image.size_bytes.map(size));
    words.extend(image.saved_at.map(|at| format!("{} old", view.age(at))));
    words.extend(image.flaw.as_ref().map(|_| match image.size_bytes {
        // It lies elsewhere, where it was to go.
        Some(_) if image.verdict == Verdict::Missing => "not in its place".to_owned(),
        _ => image.verdict.to_string(),
    }));
    words.join(", ")
}

/// A number of seconds: "2.4 s".
#[must_use]
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        // Of what is no time, nothing is left.
        HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or_default()).to_string()
    }
}

/// Its labels, as they are chosen by: "tier=web, zone=a".
pub(super) fn label_words(vm: &VmStatic) -> String {
    let labels = vm.labels.iter();
    let labels: Vec<String> = labels
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    labels.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_by_what_is_seen_of_it() {
        let green = AnsiColor::Green.on_default();
        let line = format!("{green}Up (漢字){green:#}  5");
        assert_eq!(cut(&line, 6), format!("{green}Up (漢{green:#}"));
        assert_eq!(cut(&line, 80), line);
        assert_eq!(shortened("Suspended", 9), "Suspended");
        assert_eq!(shortened("Suspended", 5), "Susp…");
        assert_eq!(shortened("漢字", 3), "漢…");
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        for (hostile, harmless_text) in [
            ("plain ünïcode 漢字", "plain ünïcode 漢字"),
            ("\u{1b}]52;c;cm0gLXJm\u{7}", "\\u{1b}]52;c;cm0gLXJm\\u{7}"),
            ("a\rb\nc\td", "a\\rb\\nc\\td"),
            ("evil\u{202e}txt.exe", "evil\\u{202e}txt.exe"),
            ("zero\u{200b}width", "zero\\u{200b}width"),
            ("\u{9b}31m", "\\u{9b}31m"),
        ] {
            assert_eq!(harmless(hostile), harmless_text);
        }
    }
}
