//! The command line tool: parse, run, exit.

use clap::Parser;
use std::process::ExitCode;
use vmlife::cli::Cli;

fn main() -> ExitCode {
    vmlife::run(&Cli::parse()).exit_code().into()
}
