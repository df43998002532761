//! The command line: what a person types, and how its failure is told.
//!
//! A command is one file in `cli/` with its `Args` and its `run`, one variant of [`Command`], and one arm in `main`.
//! Commands return what went wrong; only [`finish`] prints it and chooses the exit code.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "comments on arguments are the help that people read in a terminal: [VARIABLE] is no link there"
)]

pub mod audit;
pub mod check;
mod child;
pub mod dead;
pub mod emit;
mod flags;
pub mod gateway;
mod identity;
pub mod migrate;
mod number;
mod order;
pub mod pause;
pub mod push;
mod reach;
pub mod reload;
pub mod restart;
pub mod scale;
pub mod settings;
mod show;
pub mod status;
pub mod up;
mod variables;
pub mod worker;

use std::{ffi::OsString, io, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use flags::Flags;
pub use variables::Variables;

use crate::{
    config::{ConfigError, EXIT_CONFIG},
    telemetry,
};

/// LPUSH a JSON job to a Redis list: it becomes one MySQL row and one socket.io event, whatever crashes.
///
/// Settings are environment variables, a `.env` file, or flags; a flag wins over the environment, and the environment
/// over the file. The two that matter first are REDIS_URL and DATABASE_URL. `rowcast settings` lists all of them, and
/// each command's --help those that have a flag.
#[derive(Debug, Parser)]
#[command(name = "rowcast", version, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// Settings that override variables.
    #[command(flatten)]
    pub flags: Flags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `rowcast` can do.
#[derive(Debug, Subcommand)]
#[expect(
    missing_docs,
    reason = "a command's help stands with its arguments, and a comment here would hide it"
)]
pub enum Command {
    Up(up::Args),
    Worker(worker::Args),
    Gateway(gateway::Args),
    Migrate(migrate::Args),
    Check(check::Args),
    Push(push::Args),
    Status(status::Args),
    Audit(audit::Args),
    Dead(dead::Args),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Scale(scale::Args),
    Restart(restart::Args),
    Reload(reload::Args),
    Emit(emit::Args),
    Settings(settings::Args),
}

/// Reads the command line and the variables, and starts the log.
///
/// # Errors
/// The exit code, when there is nothing to run: help was asked for, or something is wrong and has been said.
pub fn start() -> Result<(Command, Variables), ExitCode> {
    let cli = parse(std::env::args_os()).map_err(|error| usage(&error))?;
    let variables = Variables::read(cli.flags.variables()).map_err(|error| finish(Err(error.into())))?;
    telemetry::init(&variables).map_err(|error| finish(Err(error.into())))?;
    variables.tell_unknown();
    Ok((cli.command, variables))
}

fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = flags::shown(Cli::command());
    let matches = command.try_get_matches_from_mut(line)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The exit code of a command; a failure becomes one line on standard error.
pub fn finish(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        // `rowcast dead list | head`: whoever read has seen enough.
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("rowcast: {error:#}");
        if error.is::<ConfigError>() { ExitCode::from(EXIT_CONFIG) } else { ExitCode::FAILURE }
    })
}

/// Help and version go to standard output and are no failure; a mistake counts as bad configuration.
fn usage(error: &clap::Error) -> ExitCode {
    if let Err(broken) = error.print() {
        eprintln!("rowcast: cannot print the help: {broken}");
    }
    if error.use_stderr() { ExitCode::from(EXIT_CONFIG) } else { ExitCode::SUCCESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        flags::shown(Cli::command()).debug_assert();
    }

    #[test]
    fn every_command_explains_itself() {
        for command in Cli::command().get_subcommands() {
            let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
            assert!(long.lines().count() > 1, "{} has no long help", command.get_name());
        }
    }

    #[test]
    fn every_command_shows_examples_and_its_exit_codes() {
        let commands = Cli::command();
        let (groups, mut leaves): (Vec<_>, Vec<_>) =
            commands.get_subcommands().partition(|c| c.has_subcommands());
        leaves.extend(groups.into_iter().flat_map(clap::Command::get_subcommands));
        for command in leaves {
            let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(
                text.contains("Examples:") && text.contains("Exit codes: "),
                "{}: {text}",
                command.get_name()
            );
        }
    }

    #[test]
    fn a_flag_may_stand_before_or_after_the_command() {
        for line in ["rowcast --queue q up", "rowcast up --queue q"] {
            let cli = parse(line.split(' ').map(OsString::from)).unwrap();
            assert_eq!(cli.flags.variables()["ROWCAST_QUEUE"], "q");
        }
    }

    #[test]
    fn a_number_that_cannot_be_used_is_refused_with_what_can() {
        for line in [
            "restart x",
            "restart -1",
            "scale many",
            "reload --wait 0",
            "status --watch x",
            "push --limit-queue -1",
            "dead retry --all --per-second 0",
        ] {
            let line = format!("rowcast {line}");
            let told = parse(line.split(' ').map(OsString::from)).unwrap_err().to_string();
            assert!(told.contains(": expected a number") || told.contains(": expected the number"), "{told}");
        }
    }

    #[test]
    fn a_command_takes_every_setting_and_shows_those_that_it_uses() {
        let help = |line: &str| parse(line.split(' ').map(OsString::from)).unwrap_err().to_string();
        for (line, shown, hidden) in [
            ("rowcast --help", "settings", "--redis-url"),
            ("rowcast up --help", "--workers", "--nothing"),
            ("rowcast worker --help", "--batch", "--workers"),
            ("rowcast status --help", "--queue", "--columns"),
            ("rowcast dead list --help", "--redis-url", "--database-url"),
            ("rowcast migrate --help", "--database-url", "--redis-url"),
        ] {
            let help = help(line);
            assert!(help.contains(shown) && !help.contains(hidden), "{line}: {help}");
        }
        let line = "rowcast dead --log json list --database-url mysql://a@b/c".split(' ').map(OsString::from);
        let flags = parse(line).unwrap().flags.variables();
        assert_eq!(
            (flags["ROWCAST_LOG"].as_str(), flags["DATABASE_URL"].as_str()),
            ("json", "mysql://a@b/c")
        );
    }
}
