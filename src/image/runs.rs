//! What libvirt's own log of a VM tells of its runs. libvirt itself knows only how the last one ended, and not
//! even that once its daemon was restarted.

use super::CAREFUL;
use super::place::is_session;
use jiff::{SignedDuration, Timestamp};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// No more of a log is read, from its end: QEMU's words are in it, too, and may be many.
const READ_LIMIT: u64 = 4 * 1024 * 1024;
/// How the log goes on in older files: as virtlogd keeps them, and as logrotate does.
const FILES: [&str; 3] = ["log.1", "log.0", "log"];
/// How long QEMU may take to end, once its memory is written.
const END_LIMIT: SignedDuration = SignedDuration::from_mins(2);
/// File systems tell the time of the kernel's last tick.
const TICK: SignedDuration = SignedDuration::from_millis(20);

/// The logs that a local daemon keeps of its VMs: `<name>.log` for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLogs {
    folder: PathBuf,
}

/// A line of libvirt's in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Started(Timestamp),
    /// QEMU never got as far as running the guest.
    Failed,
    Saved(Timestamp),
}

impl RunLogs {
    /// Those of a local daemon. `None` if they lie in a home that is not known.
    #[must_use]
    pub fn of_connection(uri: &str, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        let folder = if is_session(uri) {
            let set = |name| variable(name).filter(|path: &PathBuf| path.is_absolute());
            let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
            cache.join("libvirt/qemu/log")
        } else {
            PathBuf::from("/var/log/libvirt/qemu")
        };
        Some(Self { folder })
    }

    /// When the VM was last started since it was saved, if the log tells so. That it does not tell proves
    /// nothing: logs are cut and rotated, and a user's own daemon begins one anew with each run.
    #[must_use]
    pub fn started_since(&self, name: &str, saved_at: Timestamp) -> Option<Timestamp> {
        if name.contains('/') {
            return None;
        }
        let texts = FILES.iter().filter_map(|ending| {
            let text = self.tail(&format!("{name}.{ending}"));
            text.ok()
        });
        let text: Vec<u8> = texts.collect::<Vec<_>>().concat();
        started_since(&String::from_utf8_lossy(&text), saved_at)
    }

    fn tail(&self, file: &str) -> io::Result<Vec<u8>> {
        let mut file: File = OpenOptions::new()
            .read(true)
            .custom_flags(CAREFUL)
            .open(self.folder.join(file))?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        file.seek(SeekFrom::Start(found.len().saturating_sub(READ_LIMIT)))?;
        let mut text = Vec::new();
        file.take(READ_LIMIT).read_to_end(&mut text)?;
        Ok(text)
    }
}

/// The last start in a log since the save of that time. Where the save itself is in it, what stands after that
/// counts, whatever the clock did before.
fn started_since(log: &str, saved_at: Timestamp) -> Option<Timestamp> {
    let lines: Vec<Line> = log.lines().filter_map(Line::read).collect();
    let is_start_between = |line: &Line, end: Timestamp| match line {
        Line::Started(at) => *at > saved_at && *at <= end,
        _ => false,
    };
    let is_that_save = |(index, line): (usize, &Line)| match line {
        // A save of a later run, shortly after, is another one.
        Line::Saved(at) if *at + TICK >= saved_at && *at <= saved_at + END_LIMIT => {
            let mut before = lines[..index].iter();
            !before.any(|line| is_start_between(line, *at))
        }
        _ => false,
    };
    let after = lines.iter().enumerate().position(is_that_save);
    let later = after.map_or(lines.as_slice(), |index| &lines[index..]);
    let mut followers = later.iter().skip(1).map(Some).chain([None]);
    let starts = later.iter().filter_map(|line| {
        let follower = followers.next().flatten();
        match line {
            Line::Started(at) if follower != Some(&Line::Failed) => Some(*at),
            _ => None,
        }
    });
    starts.filter(|at| after.is_some() || *at > saved_at).last()
}

impl Line {
    /// `2026-11-25 08:00:00.123+0000: starting up libvirt version: 9.0.0, ...`
    fn read(line: &str) -> Option<Self> {
        let (at, words) = line.split_once("+0000: ")?;
        let at = || -> Option<Timestamp> { format!("{}Z", at.replace(' ', "T")).parse().ok() };
        if words.starts_with("starting up") {
            return Some(Self::Started(at()?));
        }
        match words.strip_prefix("shutting down, reason=")?.trim_end() {
            "failed" => Some(Self::Failed),
            "saved" => Some(Self::Saved(at()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "2026-11-25 08:00:00.100+0000: starting up libvirt version: 9.0.0\n\
        LC_ALL=C /usr/bin/qemu -name guest=a\n";
    const SAVED: &str = "2026-11-25 08:10:00.500+0000: shutting down, reason=saved\n";
    const AGAIN: &str = "2026-11-25 09:00:00.000+0000: starting up libvirt version: 9.0.0\n";
    const FAILED: &str = "2026-11-25 09:00:01.000+0000: shutting down, reason=failed\n";
    const DESTROYED: &str = "2026-11-25 09:00:01.000+0000: shutting down, reason=destroyed\n";

    fn at(time: &str) -> Timestamp {
        format!("2026-11-25T{time}Z").parse().unwrap()
    }

    fn told(parts: &[&str]) -> Option<Timestamp> {
        started_since(&parts.concat(), at("08:10:00.3"))
    }

    #[test]
    fn a_start_after_the_save_is_told() {
        assert_eq!(told(&[BOOT, SAVED]), None);
        assert_eq!(told(&[BOOT, SAVED, AGAIN]), Some(at("09:00:00")));
        assert_eq!(told(&[BOOT, SAVED, AGAIN, DESTROYED]), Some(at("09:00:00")));
        // A user's own daemon cuts the log at each start.
        assert_eq!(told(&[AGAIN, DESTROYED]), Some(at("09:00:00")));
        assert_eq!(told(&[BOOT]), None);
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn a_save_of_a_later_run_is_another_one() {
        let saved_again = SAVED.replace("08:10:00.5", "08:11:00.5");
        let again = AGAIN.replace("09:00:00", "08:10:30");
        let cut = [again.as_str(), &saved_again];
        assert_eq!(told(&cut), Some(at("08:10:30")));
        let whole = [BOOT, SAVED, &again, &saved_again];
        assert_eq!(told(&whole), Some(at("08:10:30")));
    }

    #[test]
    fn a_start_that_failed_was_no_run() {
        assert_eq!(told(&[BOOT, SAVED, AGAIN, FAILED]), None);
        let twice = [BOOT, SAVED, AGAIN, FAILED, AGAIN];
        assert_eq!(told(&twice), Some(at("09:00:00")));
    }

    #[test]
    fn a_clock_that_was_set_back_before_the_save_misleads_nobody() {
        let ahead = BOOT.replace("08:00", "11:00");
        assert_eq!(told(&[&ahead, SAVED]), None);
        let back = AGAIN.replace("09:00", "07:00");
        assert_eq!(told(&[BOOT, SAVED, &back]), Some(at("07:00:00")));
    }

    #[test]
    fn words_that_are_not_libvirts_are_none_of_its_lines() {
        for line in [
            "starting up",
            "qemu: 2026-11-25 09:00:00.000+0000: starting up",
            "yesterday+0000: starting up",
            "2026-11-25 09:00:00.000+0000: initiating migration",
        ] {
            assert_eq!(Line::read(line), None, "{line}");
        }
    }

    #[test]
    fn logs_are_found_for_each_daemon_and_no_name_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("libvirt/qemu/log");
        std::fs::create_dir_all(&logs).unwrap();
        std::fs::write(logs.join("a.log.0"), [BOOT, SAVED, AGAIN].concat()).unwrap();
        std::fs::write(logs.join("a.log"), "").unwrap();
        std::fs::write(folder.path().join("libvirt/qemu/b.log"), AGAIN).unwrap();
        let cache = |name: &str| (name == "XDG_CACHE_HOME").then(|| folder.path().to_owned());
        let found = RunLogs::of_connection("qemu:///session", cache).unwrap();
        let saved_at = at("08:10:00.3");
        assert_eq!(found.started_since("a", saved_at), Some(at("09:00:00")));
        assert_eq!(found.started_since("../b", saved_at), None);
        assert_eq!(found.started_since("missing", saved_at), None);
        let system = RunLogs::of_connection("qemu:///system", cache).unwrap();
        assert_eq!(system.folder, PathBuf::from("/var/log/libvirt/qemu"));
        assert_eq!(RunLogs::of_connection("qemu:///session", |_| None), None);
    }
}
