//! The tool under test while it works, and what it came to.

use crate::support::eventually;
use std::fs::{self, File};
use std::io::{PipeReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Whose faults are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Vmlife,
    Virsh,
}

/// What it does to the VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Hibernate,
    Restore,
    Resume,
}

/// It has been started.
pub(super) struct Running {
    pub(super) verb: Verb,
    child: Child,
    stdout: PathBuf,
    stderr: Stderr,
}

enum Stderr {
    /// Is written to a file.
    File(PathBuf),
    /// Goes to a pipe that is full, so that the tool stands still right before its call of libvirt's.
    Full(PipeReader),
    /// The pipe is read, and the tool goes on.
    Read(JoinHandle<String>),
}

/// It has ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) verb: Verb,
    /// As a shell tells it: 128 and the number of the signal that ended it.
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Whether a signal ended it that it did not catch.
    pub(super) by_signal: bool,
    /// Whether it did not end by itself.
    pub(super) hung: bool,
}

impl Running {
    /// Starts it. Its words go to files of this name.
    pub(super) fn start(mut command: Command, verb: Verb, files: &Path) -> Self {
        let (stdout, stderr) = (files.with_extension("out"), files.with_extension("err"));
        let child = command
            .stdout(File::create(&stdout).expect("a file"))
            .stderr(File::create(&stderr).expect("a file"))
            .spawn()
            .expect("it starts");
        Self {
            verb,
            child,
            stdout,
            stderr: Stderr::File(stderr),
        }
    }

    /// Starts vmlife with `-v`, and waits until it stands still right before its call of libvirt's: it says
    /// what it is about to do, and nobody listens. It may also have ended before.
    pub(super) fn hold_back(mut command: Command, verb: Verb, files: &Path) -> Self {
        let (pipe, mut full) = std::io::pipe().expect("a pipe");
        // A pipe holds 64 KiB.
        full.write_all(&vec![b'\n'; 65536]).expect("it fits");
        let stdout = files.with_extension("out");
        let child = command
            .arg("-v")
            .stdout(File::create(&stdout).expect("a file"))
            .stderr(full)
            .spawn()
            .expect("it starts");
        let mut running = Self {
            verb,
            child,
            stdout,
            stderr: Stderr::Full(pipe),
        };
        // The command holds an end of the pipe, too.
        drop(command);
        eventually("it stands still", || {
            let call = fs::read_to_string(format!("/proc/{}/syscall", running.id()));
            let writes = format!("{} 0x2 ", libc::SYS_write);
            let stands = call.is_ok_and(|call| call.starts_with(&writes));
            (stands || running.has_ended()).then_some(())
        });
        running
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_some()
    }

    /// If it was held back, it is no longer.
    pub(super) fn go_on(&mut self) {
        let stderr = std::mem::replace(&mut self.stderr, Stderr::File(PathBuf::new()));
        self.stderr = match stderr {
            Stderr::Full(mut pipe) => Stderr::Read(std::thread::spawn(move || {
                let mut bytes = Vec::new();
                pipe.read_to_end(&mut bytes).expect("it can be read");
                String::from_utf8_lossy(&bytes).trim_start().to_owned()
            })),
            other => other,
        };
    }

    /// Waits so long for its end, and tells whether it has come.
    pub(super) fn ends_within(&mut self, limit: Duration) -> bool {
        self.go_on();
        let began = Instant::now();
        while !self.has_ended() {
            if began.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        true
    }

    /// Waits for its end, but not for ever.
    pub(super) fn end(mut self) -> Ended {
        let hung = !self.ends_within(Duration::from_secs(90));
        if hung {
            self.child.kill().expect("it is our child");
        }
        let status = self.child.wait().expect("it ends");
        let read = |file| String::from_utf8_lossy(&fs::read(file).expect("its words")).into_owned();
        Ended {
            verb: self.verb,
            code: status
                .code()
                .or(status.signal().map(|signal| 128 + signal))
                .expect("a status"),
            stdout: read(self.stdout),
            stderr: match self.stderr {
                Stderr::File(file) => read(file),
                Stderr::Read(reader) => reader.join().expect("it reads"),
                Stderr::Full(_) => unreachable!("it has gone on"),
            },
            by_signal: status.signal().is_some(),
            hung,
        }
    }
}

impl Ended {
    /// All that it said.
    pub(super) fn words(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code;
        let words = self.words();
        let words: Vec<&str> = words.lines().map(str::trim).collect();
        let verb = format!("{:?}", self.verb).to_lowercase();
        write!(formatter, "{verb} ended with {code}: {}", words.join(" / "))
    }
}
