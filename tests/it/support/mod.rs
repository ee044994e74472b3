//! What the tests stand on: the program, a private libvirt, guests, and judges.

pub(crate) mod guest;
pub(crate) mod session;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The folder of the project.
pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }

    /// It went well, and had nothing to complain about. On a slow machine it may have told how far it is.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        let is_progress = |line: &str| line.contains(" %, ") || line.ends_with(": finishing");
        assert!(
            self.code == 0 && self.stderr.lines().all(is_progress),
            "should succeed in silence: {self:#?}"
        );
        self
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Self {
        assert!(self.code == code, "should end with {code}: {self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    /// It refused: with this code, an error that says this, and no answer.
    #[track_caller]
    pub(crate) fn refuses(self, code: i32, error: &str) -> Self {
        let ran = self.ends_with(code);
        assert!(ran.stderr.contains(error), "should say {error:?}: {ran:#?}");
        let silent = ran.stdout.is_empty();
        assert!(ran.stderr.starts_with("error: ") && silent, "{ran:#?}");
        ran
    }

    /// Its answer contains this.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(
            self.stdout.contains(words),
            "should say {words:?}: {self:#?}"
        );
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("stdout is JSON")
    }
}

/// The program with libvirt's test driver: one VM called "test", new in every process.
pub(crate) fn vmlife<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Ran {
    Ran::of(vmlife_command(words).output().expect("vmlife runs"))
}

/// The same, to be run in a way of one's own. Nothing of the caller's environment reaches it.
pub(crate) fn vmlife_command<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmlife"));
    command
        .env_clear()
        .env("LIBVIRT_DEFAULT_URI", "test:///default")
        .env("VMLIFE_IMAGES", "/nonexistent")
        .env("VMLIFE_JOURNAL", "")
        .env("VMLIFE_CONFIG", "")
        .stdin(Stdio::null())
        .args(words);
    command
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            began.elapsed() < Duration::from_secs(180),
            "waited in vain: {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// All source files below a folder of the project.
pub(crate) fn files_below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![project().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("the folder can be read") {
            let path = entry.expect("the entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
