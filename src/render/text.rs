//! Text from outside, made harmless; sizes, times and states in words.

use crate::entity::{SavedImage, Verdict, Vm, VmStatus};
use crate::words::size;
use indicatif::HumanDuration;
use jiff::Timestamp;
use std::fmt::Write;

/// Spells out what could steer a terminal or mislead the eye: control characters, characters that
/// turn the direction of writing, and such as have no width.
#[must_use]
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_treacherous(character) {
            // Writing to a String cannot fail.
            let _ = write!(out, "{}", character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The status with libvirt's reason: "Paused (user)".
#[must_use]
pub(super) fn state(vm: &Vm) -> String {
    let status = vm.status();
    let Some(dynamic) = &vm.vm_dynamic else {
        return status.to_string();
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

/// An image in a few words: "285.31 MiB, 2 hours old".
#[must_use]
pub(super) fn image(image: &SavedImage) -> String {
    if image.managed {
        return "managed by libvirt".to_owned();
    }
    if image.verdict == Verdict::Unreadable {
        return "?".to_owned();
    }
    let mut words = Vec::new();
    words.extend(image.size_bytes.map(size));
    words.extend(image.saved_at.map(|at| format!("{} old", age(at))));
    words.extend(image.flaw.as_ref().map(|_| image.verdict.to_string()));
    words.join(", ")
}

/// How long ago: "2 hours".
#[must_use]
pub(super) fn age(at: Timestamp) -> String {
    let age = Timestamp::now().duration_since(at);
    HumanDuration(age.try_into().unwrap_or_default()).to_string()
}

/// A number of seconds: "2.4 s".
#[must_use]
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        HumanDuration(std::time::Duration::from_secs_f64(seconds)).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
