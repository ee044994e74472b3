//! The pager that shows a long answer, if it was asked for.

use crate::interrupt::{Interrupt, Watch};
use crate::report::Kind;
use std::env;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How soon its end is noticed.
const GLANCE: Duration = Duration::from_millis(20);
/// How long one that has closed its input may take to end.
const ENDING: Duration = Duration::from_secs(1);
/// So much fits into its input without being read.
const UNREAD_AT_MOST: usize = 64 * 1024;
/// What the shell ends with if it cannot run a command.
const NOT_RUN: [Option<i32>; 2] = [Some(126), Some(127)];

/// A pager that runs, on the terminal that the answer goes to.
pub(super) struct Pager {
    child: Child,
    /// What it was given, as long as nobody need have read that.
    unread: Vec<u8>,
    interrupt: Interrupt,
    /// Ctrl-C is for the pager.
    _watch: Watch,
}

/// How a pager ended.
pub(super) enum End {
    /// Somebody has read what he wanted to.
    Read(Kind),
    /// It could not be run, and nobody has seen this.
    NotRun(Vec<u8>),
}

impl Pager {
    /// Starts what PAGER says, else less; `None` if there is none.
    pub(super) fn start(interrupt: &Interrupt) -> Option<Self> {
        let mut command = match env::var_os("PAGER") {
            None => Command::new("less"),
            Some(words) if words.is_empty() || words == "cat" => return None,
            Some(words) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(words);
                shell
            }
        };
        if env::var_os("LESS").is_none() {
            // What fits the terminal is only printed, and colours are passed on.
            command.env("LESS", "FRX");
        }
        let child = command.stdin(Stdio::piped()).spawn().ok()?;
        interrupt.begin();
        Some(Self {
            child,
            unread: Vec::new(),
            interrupt: interrupt.clone(),
            _watch: interrupt.watch(),
        })
    }

    /// Hands it a part of the answer.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        write(&mut text)?;
        if self.unread.len() <= UNREAD_AT_MOST {
            self.unread.extend(&text);
        }
        let input = self.child.stdin.as_mut();
        input.ok_or(io::ErrorKind::BrokenPipe)?.write_all(&text)
    }

    /// Whether it takes no more because it could not be run.
    pub(super) fn has_not_run(&mut self) -> bool {
        let since = Instant::now();
        while since.elapsed() < ENDING {
            match self.child.try_wait() {
                Ok(Some(ended)) => return NOT_RUN.contains(&ended.code()),
                Ok(None) => thread::sleep(GLANCE),
                Err(_) => return false,
            }
        }
        false
    }

    /// Waits until the reader has read enough.
    pub(super) fn end(mut self) -> End {
        drop(self.child.stdin.take());
        loop {
            match self.child.try_wait() {
                Ok(Some(ended)) if NOT_RUN.contains(&ended.code()) => {
                    return End::NotRun(self.unread);
                }
                Ok(Some(_)) | Err(_) => return End::Read(Kind::Done),
                Ok(None) => {}
            }
            if let Some(end @ Kind::Cancelled(1 | 15)) = self.interrupt.cause() {
                return End::Read(end);
            }
            thread::sleep(GLANCE);
        }
    }
}
