//! What may come next on a line that is being typed.
//!
//! A shell's script from `completions/` calls the program itself, with the variable `VMLIFE_COMPLETE` and the words
//! up to the cursor. The command line's declaration tells options and their values; VMs, hosts, labels and files are
//! looked up as far as that can be done in no time, over a connection that may only read.

mod line;
mod offer;
mod shell;

use crate::cli::Cli;
use crate::interrupt::within;
use clap::{Arg, CommandFactory};
use clap_complete::engine::{self, ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use line::Line;
use std::collections::HashSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

/// Nobody waits for longer than this when he presses a key; the shell takes its part, too.
const LIMIT: Duration = Duration::from_millis(150);

/// If a shell asks (`VMLIFE_COMPLETE=bash` ...), tells it what may come next on its line or, without one, prints the
/// script by which it asks. `false` if nobody asks.
#[must_use]
pub fn complete() -> bool {
    // What may come next is declared once the line is known.
    let asked = CompleteEnv::with_factory(|| clap::Command::new("vmlife"))
        .var("VMLIFE_COMPLETE")
        .shells(Shells(&shell::ALL))
        .try_complete(env::args_os(), None);
    asked.unwrap_or_else(|error| error.exit())
}

/// What may come next after these words, of which the last one is being typed; nothing if that takes too long.
fn candidates(words: Vec<String>) -> Vec<CompletionCandidate> {
    within(LIMIT, move || all_candidates(words)).unwrap_or_default()
}

fn all_candidates(words: Vec<String>) -> Vec<CompletionCandidate> {
    let line = Arc::new(Line::read(&words));
    let mut command = Cli::command()
        .mut_args(|arg| with_candidates(arg, &line))
        .mut_subcommands(|verb| verb.mut_args(|arg| with_candidates(arg, &line)));
    let place = words.len().saturating_sub(1);
    let words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    let folder = env::current_dir().ok();
    let found = engine::complete(&mut command, words, place, folder.as_deref());
    let is_option = |candidate: &CompletionCandidate| {
        let id = candidate.get_id();
        id.is_some_and(|id| id.starts_with("arg::"))
    };
    let mut found = found.unwrap_or_default();
    let mut seen = HashSet::new();
    // Options are for those who have begun to type one.
    found.retain(|candidate| {
        !(line.current.is_empty() && is_option(candidate))
            && seen.insert(candidate.get_value().to_owned())
    });
    found
}

/// An argument that knows its values.
fn with_candidates(arg: Arg, line: &Arc<Line>) -> Arg {
    let offer: fn(&Line, &str) -> Vec<CompletionCandidate> = match arg.get_id().as_str() {
        "connect" => offer::uris,
        "hosts" => offer::host_files,
        "targets" => offer::targets,
        "files" | "diff" => offer::definitions,
        "numbers" => offer::numbers,
        "exclude" => offer::excluded,
        "labels" => offer::labels,
        "groups" => offer::groups,
        "columns" => offer::columns,
        "sort_by" => offer::sort_keys,
        "fields" => offer::fields,
        "filters" => offer::filters,
        "to" => offer::folders,
        "from" => offer::images,
        _ => return arg,
    };
    let line = Arc::clone(line);
    arg.add(ArgValueCompleter::new(move |current: &OsStr| {
        current
            .to_str()
            .map(|current| offer(&line, current))
            .unwrap_or_default()
    }))
}
