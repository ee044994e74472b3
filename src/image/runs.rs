//! What libvirt's own log of a VM tells of its runs. libvirt itself knows only how the last one ended, and not
//! even that once its daemon was restarted.

use super::CAREFUL;
use super::place::is_session;
use jiff::{SignedDuration, Timestamp};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use uuid::Uuid;

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

/// What a log tells of the time since a save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// Nothing that could be relied on: logs are cut and rotated, and a user's own daemon begins one anew with each run.
    #[default]
    Unknown,
    /// The save itself, and no start after it.
    NotStarted,
    /// That the VM was started last then.
    Started(Timestamp),
}

/// A run of a VM.
#[derive(Debug)]
struct RunOf {
    started: Timestamp,
    /// The UUID in QEMU's command line.
    id: Option<Uuid>,
    /// How it ended, and when.
    end: Option<(Timestamp, String)>,
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

    /// What is told of the VM with this UUID since it was saved, in the logs of the names that it had. The save ended
    /// between these two times: clocks of file servers go otherwise.
    #[must_use]
    pub fn since(&self, names: &[&str], id: Uuid, saved: (Timestamp, Timestamp)) -> Since {
        let told = names.iter().filter(|name| !name.contains('/')).map(|name| {
            let mut text: Vec<u8> = Vec::new();
            for ending in FILES {
                let more = self.tail(&format!("{name}.{ending}")).unwrap_or_default();
                // What is missing between them may be a start.
                if more.len() as u64 >= READ_LIMIT {
                    text.clear();
                }
                text.extend(more);
            }
            since(&String::from_utf8_lossy(&text), id, saved)
        });
        told.reduce(|one, other| match (one, other) {
            (Since::Started(one), Since::Started(other)) => Since::Started(one.max(other)),
            (started @ Since::Started(_), _) | (_, started @ Since::Started(_)) => started,
            (Since::NotStarted, _) | (_, Since::NotStarted) => Since::NotStarted,
            _ => Since::Unknown,
        })
        .unwrap_or_default()
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

/// What a log tells since that save. Where the save itself is in it, what stands after that counts, whatever the clock
/// did before.
fn since(log: &str, id: Uuid, (saved_at, latest): (Timestamp, Timestamp)) -> Since {
    let mut runs = runs(log);
    // Another VM may have had this name.
    runs.retain(|run| run.id == Some(id));
    let is_that_save = |run: &RunOf| match &run.end {
        // A save of a later run, shortly after, is another one.
        Some((at, reason)) if reason == "saved" => {
            let is_then = *at + TICK >= saved_at && *at <= latest + END_LIMIT;
            is_then && !(run.started > latest && run.started <= *at)
        }
        _ => false,
    };
    let that_save = runs.iter().position(is_that_save);
    let later = that_save.map_or(runs.as_slice(), |index| &runs[index + 1..]);
    let ran = |run: &&RunOf| {
        let has_failed = run
            .end
            .as_ref()
            .is_some_and(|(_, reason)| reason == "failed");
        !has_failed && (that_save.is_some() || run.started > latest)
    };
    match later.iter().rfind(ran) {
        Some(run) => Since::Started(run.started),
        None if that_save.is_some() => Since::NotStarted,
        None => Since::Unknown,
    }
}

/// The runs in a log. Of several ends only the first is that of the run before it: a start that fails early tells of
/// its end only.
fn runs(log: &str) -> Vec<RunOf> {
    let mut runs: Vec<RunOf> = Vec::new();
    for line in log.lines() {
        if let Some((at, words)) = libvirts_own(line) {
            if words.starts_with("starting up") {
                runs.push(RunOf {
                    started: at,
                    id: None,
                    end: None,
                });
            } else if let (Some(run), Some(reason)) = (
                runs.last_mut(),
                words.strip_prefix("shutting down, reason="),
            ) {
                run.end
                    .get_or_insert_with(|| (at, reason.trim_end().to_owned()));
            }
        } else if let Some(run) = runs
            .last_mut()
            .filter(|run| run.id.is_none() && run.end.is_none())
        {
            run.id = line
                .split_once("-uuid ")
                .and_then(|(_, rest)| rest.get(..36)?.parse().ok());
        }
    }
    runs
}

/// A line that libvirt writes: `2026-11-25 08:00:00.123+0000: starting up libvirt version: 9.0.0, ...`
fn libvirts_own(line: &str) -> Option<(Timestamp, &str)> {
    let (at, words) = line.split_once("+0000: ")?;
    let at = format!("{}Z", at.replace(' ', "T")).parse().ok()?;
    Some((at, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6f2b1d0e-5b0e-4d0e-9d53-0c7f7b7d2a11";
    const SAVED: &str = "2026-11-25 08:10:00.500+0000: shutting down, reason=saved\n";
    const FAILED: &str = "2026-11-25 09:00:01.000+0000: shutting down, reason=failed\n";
    const DESTROYED: &str = "2026-11-25 09:00:01.000+0000: shutting down, reason=destroyed\n";

    fn at(time: &str) -> Timestamp {
        format!("2026-11-25T{time}Z").parse().unwrap()
    }

    fn start_of(time: &str, id: &str) -> String {
        format!(
            "2026-11-25 {time}+0000: starting up libvirt version: 9.0.0\nLC_ALL=C \\\n/usr/bin/qemu \\\n-uuid {id} \\\n-S\n"
        )
    }

    fn start(time: &str) -> String {
        start_of(time, ID)
    }

    fn told(parts: &[&str]) -> Since {
        let saved_at = at("08:10:00.3");
        since(&parts.concat(), ID.parse().unwrap(), (saved_at, saved_at))
    }

    fn started(time: &str) -> Since {
        Since::Started(at(time))
    }

    #[test]
    fn a_start_after_the_save_is_told() {
        let (boot, again) = (start("08:00:00.100"), start("09:00:00.000"));
        assert_eq!(told(&[&boot, SAVED]), Since::NotStarted);
        assert_eq!(told(&[&boot, SAVED, &again]), started("09:00:00"));
        assert_eq!(
            told(&[&boot, SAVED, &again, DESTROYED]),
            started("09:00:00")
        );
        // A user's own daemon cuts the log at each start.
        assert_eq!(told(&[&again, DESTROYED]), started("09:00:00"));
        assert_eq!(told(&[&boot]), Since::Unknown);
        assert_eq!(told(&[]), Since::Unknown);
    }

    #[test]
    fn a_save_of_a_later_run_is_another_one() {
        let saved_again = SAVED.replace("08:10:00.5", "08:11:00.5");
        let again = start("08:10:30.000");
        assert_eq!(told(&[&again, &saved_again]), started("08:10:30"));
        let whole = [&start("08:00:00.100"), SAVED, &again, &saved_again];
        assert_eq!(told(&whole), started("08:10:30"));
    }

    #[test]
    fn a_start_that_failed_was_no_run_and_hides_none() {
        let (boot, again) = (start("08:00:00.100"), start("09:00:00.000"));
        assert_eq!(told(&[&boot, SAVED, &again, FAILED]), Since::NotStarted);
        let twice = [&boot, SAVED, &again, FAILED, &again];
        assert_eq!(told(&twice), started("09:00:00"));
        // One that fails early has no line of its start.
        let early = [&boot, SAVED, &again, DESTROYED, FAILED];
        assert_eq!(told(&early), started("09:00:00"));
    }

    #[test]
    fn a_clock_that_was_set_back_before_the_save_misleads_nobody() {
        let ahead = start("11:00:00.000");
        assert_eq!(told(&[&ahead, SAVED]), Since::NotStarted);
        let back = start("07:00:00.000");
        assert_eq!(
            told(&[&start("08:00:00.100"), SAVED, &back]),
            started("07:00:00")
        );
        // The file server's clock is behind.
        let late = (at("08:05:00"), at("08:10:00.4"));
        let log = [start("08:06:00.000"), SAVED.to_owned()].concat();
        assert_eq!(since(&log, ID.parse().unwrap(), late), Since::NotStarted);
    }

    #[test]
    fn another_vm_of_this_name_is_another_one() {
        let other = start_of("09:00:00.000", "00000000-5b0e-4d0e-9d53-0c7f7b7d2a11");
        assert_eq!(told(&[&other]), Since::Unknown);
        assert_eq!(
            told(&[&start("08:00:00.100"), SAVED, &other]),
            Since::NotStarted
        );
    }

    #[test]
    fn words_that_are_not_libvirts_are_none_of_its_lines() {
        for line in [
            "starting up",
            "qemu: 2026-11-25 09:00:00.000+0000: starting up",
            "x+0000: shutting down, reason=failed",
        ] {
            assert_eq!(libvirts_own(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_cut_off_a_log_may_be_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let logs = RunLogs {
            folder: folder.path().to_owned(),
        };
        let saved = (at("08:10:00.3"), at("08:10:00.3"));
        let told = || logs.since(&["a"], ID.parse().unwrap(), saved);
        let before = [&start("08:00:00.100"), SAVED].concat();
        std::fs::write(folder.path().join("a.log.0"), before).unwrap();
        let words = "qemu: there is much to say\n".repeat(1000);
        std::fs::write(folder.path().join("a.log"), &words).unwrap();
        assert_eq!(told(), Since::NotStarted);
        let many = words.repeat(200);
        assert!(many.len() as u64 > READ_LIMIT);
        std::fs::write(folder.path().join("a.log"), &many).unwrap();
        assert_eq!(told(), Since::Unknown);
        let again = [&many, start("09:00:00.000").as_str()].concat();
        std::fs::write(folder.path().join("a.log"), again).unwrap();
        assert_eq!(told(), started("09:00:00"));
    }

    #[test]
    fn logs_are_found_for_each_daemon_and_name_and_no_name_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("libvirt/qemu/log");
        std::fs::create_dir_all(&logs).unwrap();
        let again = start("09:00:00.000");
        std::fs::write(logs.join("a.log.0"), [SAVED, &again].concat()).unwrap();
        std::fs::write(logs.join("a.log"), "").unwrap();
        std::fs::write(folder.path().join("libvirt/qemu/b.log"), &again).unwrap();
        let cache = |name: &str| (name == "XDG_CACHE_HOME").then(|| folder.path().to_owned());
        let found = RunLogs::of_connection("qemu:///session", cache).unwrap();
        let saved = (at("08:10:00.3"), at("08:10:00.3"));
        let told = |names: &[&str]| found.since(names, ID.parse().unwrap(), saved);
        assert_eq!(told(&["a"]), started("09:00:00"));
        assert_eq!(told(&["missing", "a"]), started("09:00:00"));
        assert_eq!(told(&["../b"]), Since::Unknown);
        assert_eq!(told(&["missing"]), Since::Unknown);
        let system = RunLogs::of_connection("qemu:///system", cache).unwrap();
        assert_eq!(system.folder, PathBuf::from("/var/log/libvirt/qemu"));
        assert_eq!(RunLogs::of_connection("qemu:///session", |_| None), None);
    }
}
