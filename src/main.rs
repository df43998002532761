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
        Command::Gateway(args) => cli::gateway::run(&args, &variables),
        Command::Migrate(args) => cli::migrate::run(&args, &variables),
        Command::Check(args) => cli::check::run(&args, &variables),
        Command::Push(args) => cli::push::run(&args, &variables),
        Command::Status(args) => cli::status::run(&args, &variables),
        Command::Dead(args) => cli::dead::run(&args, &variables),
        Command::Audit(args) => cli::audit::run(&args, &variables),
        Command::Pause(args) => cli::pause::pause(&args, &variables),
        Command::Resume(args) => cli::pause::resume(&args, &variables),
        Command::Scale(args) => cli::scale::run(&args, &variables),
        Command::Restart(args) => cli::restart::run(&args, &variables),
        Command::Reload(args) => cli::reload::run(&args, &variables),
        Command::Emit(args) => cli::emit::run(&args, &variables),
        Command::Settings(args) => cli::settings::run(&args),
    })
}
