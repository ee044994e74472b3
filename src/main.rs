//! The command line tool: parse, run, exit; or tell a shell what may come next.

use std::env;
use std::process::ExitCode;
use vmlife::config::CommandLine;

fn main() -> ExitCode {
    if vmlife::complete() {
        return ExitCode::SUCCESS;
    }
    match CommandLine::read(env::args_os()) {
        Ok(line) => vmlife::run(&line).exit_code().into(),
        Err(unread) => vmlife::refuse(&unread).exit_code().into(),
    }
}
