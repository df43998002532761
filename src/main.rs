//! rowcast's one binary: a command, and what runs it.

use std::process::ExitCode;

use rowcast::cli::{self, Command};

fn main() -> ExitCode {
    let (command, variables) = match cli::start() {
        Ok(started) => started,
        Err(code) => return code,
    };
    cli::finish(match command {
        Command::Up(args) => cli::up::run(&args, variables),
        Command::Worker(args) => cli::worker::run(&args, &variables),
    })
}
