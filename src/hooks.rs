//! Programs of the user's, run before and after something is done to a VM.
//!
//! They get the facts in their environment and nowhere else: a VM's name can be anything, and is never a shell's
//! text. What others could have written is not run.

use crate::interrupt::{Interrupt, cause_word};
use crate::report::Kind;
use crate::words::{quoted, time};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, geteuid, kill_process_group, waitid};
use std::env;
use std::fmt::{self, Display, Formatter};
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Where the hooks of system connections lie.
const SYSTEM: &str = "/etc/vmlife/hooks.d";
/// Set while a hook runs: a vmlife that it calls leaves the folder alone, so that no hook comes to itself again.
const NESTED: &str = "VMLIFE_HOOK";
/// The facts that a hook can get. One that it does not get it does not inherit either.
const FACTS: [&str; 13] = [
    NESTED,
    "VMLIFE_VERB",
    "VMLIFE_NAME",
    "VMLIFE_UUID",
    "VMLIFE_HOST",
    "VMLIFE_URI",
    "VMLIFE_STATUS_BEFORE",
    "VMLIFE_STATUS",
    "VMLIFE_RESULT",
    "VMLIFE_EXIT",
    "VMLIFE_CHANGED",
    "VMLIFE_IMAGE",
    "VMLIFE_MESSAGE",
];
/// How often a hook is looked at.
const GLANCE: Duration = Duration::from_millis(5);
/// How long a hook that is asked to end may take.
const GRACE: Duration = Duration::from_secs(2);
/// So much of what a hook says is kept, of its end.
const SAID_LIMIT: u64 = 4096;
/// So many lines of it tell why it failed.
const LAST_WORDS: usize = 3;

/// When a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before the VM is touched.
    Pre,
    /// After it.
    Post,
}

impl When {
    /// As the environment and the command line have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
        }
    }
}

/// What the command line says of hooks.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// Commands before.
    pub pre: Vec<String>,
    /// Commands after.
    pub post: Vec<String>,
    /// The longest that one may take.
    pub limit: Duration,
    /// Whether those of the folder are left out.
    pub without_folder: bool,
}

impl Hooks {
    /// Those that are to be run then, in their order, and what is said of others that are not: first those of the
    /// folder by their names, then the command line's.
    #[must_use]
    pub fn of(&self, when: When, folder: Option<&Path>) -> (Vec<Hook>, Vec<String>) {
        let folder = folder.filter(|_| !self.without_folder && env::var_os(NESTED).is_none());
        let (mut hooks, warnings) = folder.map(hooks_in).unwrap_or_default();
        let commands = match when {
            When::Pre => &self.pre,
            When::Post => &self.post,
        };
        hooks.extend(commands.iter().cloned().map(Hook::Command));
        (hooks, warnings)
    }
}

/// The folder of a connection's hooks, on this machine: the system's, or the user's own.
#[must_use]
pub fn hooks_folder(
    is_session: bool,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Option<PathBuf> {
    if !is_session {
        return Some(PathBuf::from(SYSTEM));
    }
    let set = |name| variable(name).filter(|path: &PathBuf| path.is_absolute());
    let home = || Some(set("HOME")?.join(".config"));
    Some(set("XDG_CONFIG_HOME").or_else(home)?.join("vmlife/hooks.d"))
}

/// A hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hook {
    /// A program in the folder.
    File(PathBuf),
    /// The user's own words, for a shell.
    Command(String),
}

impl Display for Hook {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Command(command) => formatter.write_str(&quoted(command)),
        }
    }
}

/// What a hook came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// What it said, of that the end.
    pub said: Vec<String>,
    /// What was wrong, if something was.
    pub trouble: Option<Trouble>,
}

/// A hook that did not end well.
#[derive(Debug, PartialEq, Eq)]
pub struct Trouble {
    /// How it ended: "ended with 3".
    pub how: String,
    /// The last lines of its standard error.
    pub last_words: Vec<String>,
    /// The signal or the time limit that ended it, if one did.
    pub cancelled: Option<Kind>,
}

impl Trouble {
    fn new(how: String) -> Self {
        Self {
            how,
            last_words: Vec::new(),
            cancelled: None,
        }
    }
}

impl Hook {
    /// Runs it to its end, with nothing to read, in a group of processes of its own. When it takes too long, or
    /// everything is to come to an end, it is ended, and all of its group with it.
    #[must_use]
    pub fn run(
        &self,
        facts: &[(&'static str, String)],
        limit: Duration,
        interrupt: &Interrupt,
    ) -> Ran {
        let mut said = Vec::new();
        let trouble = match self.start(facts) {
            Ok((child, out, err)) => {
                let ended = until_over(child, limit, interrupt);
                said.extend(end_of(out));
                let errors = end_of(err);
                let last = errors.len().saturating_sub(LAST_WORDS);
                let last_words = errors[last..].to_vec();
                said.extend(errors);
                ended.map(|trouble| Trouble {
                    last_words,
                    ..trouble
                })
            }
            Err(error) => Some(Trouble::new(format!("could not be run: {error}"))),
        };
        Ran { said, trouble }
    }

    /// Starts it. What it says goes to files that nobody else sees: a program that it leaves in the background
    /// can go on writing there, and is not waited for.
    fn start(&self, facts: &[(&'static str, String)]) -> io::Result<(Child, File, File)> {
        let mut command = match self {
            Self::File(path) => Command::new(path),
            Self::Command(words) => {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(words);
                shell
            }
        };
        for name in FACTS {
            command.env_remove(name);
        }
        for (name, value) in facts {
            // No environment can hold it, and no name of libvirt's has it.
            command.env(name, value.replace('\0', "\u{fffd}"));
        }
        let (out, err) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(err.try_clone()?)
            .process_group(0)
            .spawn()?;
        Ok((child, out, err))
    }
}

/// Waits for a hook, and says what was wrong with how it ended.
fn until_over(mut child: Child, limit: Duration, interrupt: &Interrupt) -> Option<Trouble> {
    let began = Instant::now();
    let watch = interrupt.watch();
    let mut trouble = None;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) => {}
            Err(error) => break Err(error),
        }
        if let Some(cause) = interrupt.cause() {
            trouble = Some(Trouble {
                cancelled: Some(cause),
                ..Trouble::new(format!("was ended: {}", cause_word(cause)))
            });
        } else if began.elapsed() >= limit {
            let limit = time(limit.as_secs_f64());
            trouble = Some(Trouble::new(format!(
                "took longer than {limit}, and was ended"
            )));
        }
        if trouble.is_some() {
            break end(&mut child);
        }
        thread::sleep(GLANCE);
    };
    drop(watch);
    trouble.or_else(|| match status {
        Ok(status) => how(status).map(Trouble::new),
        Err(error) => Some(Trouble::new(format!("could not be waited for: {error}"))),
    })
}

/// Ends a hook and its group: asks first. Until its own process is collected, nobody else can have its number.
fn end(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let began = Instant::now();
        // It may just have ended by itself.
        let _ = kill_process_group(group, Signal::TERM);
        while began.elapsed() < GRACE && matches!(waitid(WaitId::Pid(group), options), Ok(None)) {
            thread::sleep(GLANCE);
        }
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait()
}

fn how(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("ended with {code}")),
        (None, Some(signal)) => Some(format!("was ended by signal {signal}")),
        (None, None) => Some("did not end well".to_owned()),
    }
}

/// The last lines of what was written to a file.
fn end_of(mut file: File) -> Vec<String> {
    let mut bytes = Vec::new();
    let length = file.metadata().map_or(0, |found| found.len());
    let from = SeekFrom::Start(length.saturating_sub(SAID_LIMIT));
    // Who cannot be heard has said nothing.
    let _ = (file.seek(from)).and_then(|_| (&file).take(SAID_LIMIT).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().map(str::trim_end);
    lines
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The hooks in a folder, in the order of their names, and what is said of programs there that are not run.
fn hooks_in(folder: &Path) -> (Vec<Hook>, Vec<String>) {
    let (mut hooks, mut warnings) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (hooks, warnings),
        Err(error) => {
            warnings.push(format!("no hook of {} is run: {error}", folder.display()));
            return (hooks, warnings);
        }
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_program = |found: &Metadata| found.is_file() && found.mode() & 0o111 != 0;
        if is_left_over(&path) || !fs::metadata(&path).is_ok_and(|found| is_program(&found)) {
            continue;
        }
        match distrust(&path) {
            None => hooks.push(Hook::File(path)),
            Some(why) => warnings.push(format!("the hook {} is not run: {why}", path.display())),
        }
    }
    (hooks, warnings)
}

/// Whether it is an editor's or a package's copy of a file, or hidden.
fn is_left_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let endings = ["~", ".bak", ".swp", ".rpmnew", ".rpmsave"];
    name.starts_with('.')
        || name.contains(".dpkg-")
        || endings.iter().any(|ending| name.ends_with(ending))
}

/// Who beside root and the user could have written a program, or put another one in its place.
fn distrust(path: &Path) -> Option<String> {
    let real = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) => return Some(error.to_string()),
    };
    let own = geteuid().as_raw();
    real.ancestors().find_map(|part| {
        let found = match fs::metadata(part) {
            Ok(found) => found,
            Err(error) => return Some(format!("{}: {error}", part.display())),
        };
        let (mode, owner) = (found.mode(), found.uid());
        // What is in such a folder nobody takes away who does not own it.
        let is_sticky = found.is_dir() && mode & 0o1000 != 0;
        let by_group = mode & 0o020 != 0 && found.gid() != 0;
        let part = part.display();
        if owner != 0 && owner != own {
            Some(format!("{part} is another user's, number {owner}"))
        } else if (mode & 0o002 != 0 || by_group) && !is_sticky {
            Some(format!("others may write to {part} (chmod go-w)"))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const LIMIT: Duration = Duration::from_secs(60);

    fn run(words: &str, facts: &[(&'static str, String)], limit: Duration) -> Ran {
        Hook::Command(words.to_owned()).run(facts, limit, &Interrupt::default())
    }

    fn program(folder: &Path, name: &str, mode: u32) {
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn how_a_hook_ended_and_its_last_words_are_told() {
        let ran = run("echo one; echo two >&2", &[], LIMIT);
        assert_eq!(
            (ran.said, ran.trouble),
            (vec!["one".into(), "two".into()], None)
        );
        let trouble = |words: &str| run(words, &[], LIMIT).trouble.unwrap();
        let told = trouble("echo no; for i in 1 2 3 4; do echo $i >&2; done; exit 3");
        assert_eq!(told.how, "ended with 3");
        assert_eq!(told.last_words, ["2", "3", "4"]);
        assert_eq!(trouble("kill -9 $$").how, "was ended by signal 9");
        let gone = Hook::File("/nonexistent".into()).run(&[], LIMIT, &Interrupt::default());
        assert!(gone.trouble.unwrap().how.starts_with("could not be run: "));
        let much = run("yes | head -c 1000000; exit 1", &[], LIMIT);
        assert!(much.said.len() < 4096 && much.trouble.is_some());
    }

    #[test]
    fn facts_are_values_and_never_a_shells_words() {
        let name = "a'b\"; $(touch /tmp/x) `id`\n\\ ".to_owned();
        let facts = [("VMLIFE_NAME", format!("{name}\0"))];
        let ran = run(
            "printf %s \"$VMLIFE_NAME\" | od -An -c >&2; cat; exit 1",
            &facts,
            LIMIT,
        );
        let told = run("printf '%s' \"$VMLIFE_NAME\"", &facts, LIMIT)
            .said
            .join("\n");
        assert_eq!(told, "a'b\"; $(touch /tmp/x) `id`\n\\ \u{fffd}", "{ran:?}");
        let inherited = run("test -z \"${VMLIFE_IMAGE+x}\"", &facts, LIMIT);
        assert_eq!(inherited.trouble, None);
    }

    #[test]
    fn a_hook_that_takes_too_long_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let words = format!(
            "trap '' TERM; sleep 900 & echo $! >'{}'; wait; wait",
            pid.display()
        );
        let ran = run(&words, &[], Duration::from_millis(500));
        let how = ran.trouble.unwrap().how;
        assert_eq!(how, "took longer than 0.5s, and was ended");
        let pid = fs::read_to_string(pid).unwrap();
        let is_gone = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z ")).then_some(())
        };
        let began = Instant::now();
        while is_gone().is_some() {
            assert!(began.elapsed() < LIMIT, "it is still there");
            thread::sleep(GLANCE);
        }
    }

    #[test]
    fn hooks_come_in_the_order_of_their_names_and_others_programs_are_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for (name, mode) in [
            ("20-b", 0o755),
            ("10-a.sh", 0o700),
            ("README", 0o644),
            (".hidden", 0o755),
            ("20-b~", 0o755),
            ("10-a.dpkg-old", 0o755),
            ("90-everybody", 0o757),
        ] {
            program(folder, name, mode);
        }
        fs::create_dir(folder.join("15-folder")).unwrap();
        let hooks = Hooks {
            post: vec!["true".into()],
            ..Hooks::default()
        };
        let (found, warnings) = hooks.of(When::Post, Some(folder));
        let file = |name: &str| Hook::File(folder.join(name));
        assert_eq!(
            found,
            [file("10-a.sh"), file("20-b"), Hook::Command("true".into())]
        );
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("90-everybody is not run: others may write to "));
        assert_eq!(
            hooks.of(When::Pre, Some(Path::new("/nonexistent"))),
            (vec![], vec![])
        );

        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        let (found, warnings) = hooks.of(When::Pre, Some(folder));
        assert!(
            found.is_empty() && warnings.len() == 3,
            "{found:?} {warnings:?}"
        );
        let without = Hooks {
            without_folder: true,
            ..Hooks::default()
        };
        assert_eq!(without.of(When::Pre, Some(folder)), (vec![], vec![]));
    }

    #[test]
    fn the_users_hooks_lie_with_his_settings() {
        let none = |_: &str| None;
        assert_eq!(hooks_folder(false, none), Some(SYSTEM.into()));
        assert_eq!(hooks_folder(true, none), None);
        let home = |name: &str| (name == "HOME").then(|| PathBuf::from("/home/a"));
        assert_eq!(
            hooks_folder(true, home),
            Some("/home/a/.config/vmlife/hooks.d".into())
        );
        let config = |name: &str| (name == "XDG_CONFIG_HOME").then(|| PathBuf::from("/c"));
        assert_eq!(hooks_folder(true, config), Some("/c/vmlife/hooks.d".into()));
    }
}
