//! `rowcast up`: the supervisor and its workers.

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;

use super::Variables;
use crate::{
    config::{ConfigError, Settings, SupervisorSettings},
    supervisor::{self, Ending, Launch, Request},
};

/// Run the workers, and keep them running
///
/// A worker that crashes is replaced within milliseconds; one that keeps crashing is tried again and again, with
/// growing waits.
///
/// Signals: TERM or INT (Ctrl-C) lets the workers finish what they hold, within ROWCAST_DRAIN_SECONDS, and ends;
/// a second one ends at once. HUP reads .env and the routes file again and replaces the workers one by one.
/// TTIN adds a worker, TTOU takes one away, USR2 writes the state of all to the log.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the supervisor to its end.
///
/// # Errors
/// A variable that cannot be used, or a system that gives no thread or signal handler.
pub fn run(_args: &Args, variables: Variables) -> anyhow::Result<ExitCode> {
    // Asked once: after an upgrade the name of the running file would end in " (deleted)".
    let program = std::env::current_exe().context("cannot find rowcast's own program file")?;
    let launch = check(&variables, &program)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no event loop")?;
    let ending = runtime.block_on(async {
        let requests = Request::from_signals().context("cannot listen to signals")?;
        anyhow::Ok(supervisor::run(launch, || check(&variables.reread()?, &program), requests).await)
    })?;
    Ok(match ending {
        Ending::Drained => ExitCode::SUCCESS,
        Ending::Unfinished => ExitCode::FAILURE,
    })
}

/// What the workers are started with, after everything they will read was read once: a mistake is found here,
/// before anything is spawned, and when it is read again, before anything is replaced.
fn check(variables: &Variables, program: &Path) -> Result<Launch, ConfigError> {
    Settings::from_vars(variables)?;
    Ok(Launch {
        program: program.to_owned(),
        arguments: vec!["worker".to_owned()],
        environment: variables.for_children(),
        settings: SupervisorSettings::from_vars(variables)?,
    })
}
