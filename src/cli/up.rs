//! `rowcast up`: the supervisor, its workers and its gateways; with `--sandbox` on servers of its own.

mod demo;
mod private;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Variables, reach, show::say};
use crate::{
    config::{ConfigError, UpSettings},
    supervisor::{self, Ended, Launch, Request},
};
use private::Private;

/// Run the workers and the gateways, and keep them running
///
/// A process that crashes is replaced within milliseconds; one that keeps crashing is tried again and again, with
/// growing waits. There are ROWCAST_WORKERS workers, and ROWCAST_GATEWAYS gateways for browsers: the first listens on
/// ROWCAST_LISTEN, each other one on the next port, or all on one port (ROWCAST_GATEWAY_PORTS=one).
///
/// With --sandbox nothing needs to be set up: a private Redis and a private MariaDB or MySQL are started on free
/// ports of this machine, the tables are created, and everything is stopped again at the end. Their data stay in
/// the folder, and the next start goes on with them. The sandbox takes the place of REDIS_URL and DATABASE_URL.
///
/// Signals: TERM or INT (Ctrl-C) lets the workers finish what they hold and the gateways let go of their clients,
/// within ROWCAST_DRAIN_SECONDS, and ends; a second one ends at once. HUP reads .env and the routes file again and
/// replaces the workers and the gateways one by one; a gateway's port refuses nobody meanwhile.
/// TTIN adds a worker, TTOU takes one away, until the next HUP; USR2 writes the state of all to the log.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast up --sandbox --demo     everything on this machine, with jobs to look at
  ROWCAST_GATEWAYS=0 rowcast up   workers only
  rowcast up --workers 4          on your own servers, after `rowcast migrate`

Exit codes: 0 every worker finished what it held, 1 one did not (it will be rescued) or a server did
not start, 64 bad configuration")]
pub struct Args {
    /// Start private servers first, and stop them at the end
    #[arg(long)]
    sandbox: bool,
    /// Where the sandbox keeps its data [ROWCAST_SANDBOX_DIR, else .sandbox]
    #[arg(long, value_name = "FOLDER", requires = "sandbox")]
    dir: Option<PathBuf>,
    /// The sandbox's SQL server: a mariadbd or mysqld [ROWCAST_SANDBOX_MYSQLD, else what is found]
    #[arg(long, value_name = "PROGRAM", requires = "sandbox")]
    mysqld: Option<PathBuf>,
    /// Push some jobs every second to the first route, made for its table, and show the rows going in
    #[arg(long)]
    demo: bool,
}

/// Runs the supervisor to its end.
///
/// # Errors
/// A variable that cannot be used, a sandbox that does not start, or a system that gives no thread or signal handler.
pub fn run(args: &Args, variables: Variables) -> anyhow::Result<ExitCode> {
    // Asked once: after an upgrade the name of the running file would end in " (deleted)".
    let program = std::env::current_exe().context("cannot find rowcast's own program file")?;
    // Bad configuration is told before servers are started.
    let planned = if args.sandbox { private::planned(variables.clone()) } else { variables };
    check(&planned, &program)?;
    reach::block_on(async {
        let requests = Request::from_signals().context("cannot listen to signals")?;
        if args.sandbox {
            in_sandbox(args, planned, &program, requests).await
        } else {
            supervise(args, &planned, &program, requests).await
        }
    })
}

/// Starts the servers, supervises, and stops the servers: after the workers, which need them to drain.
async fn in_sandbox(
    args: &Args,
    planned: Variables,
    program: &Path,
    mut requests: UnboundedReceiver<Request>,
) -> anyhow::Result<ExitCode> {
    let started = tokio::select! {
        started = Private::start(args, planned) => started,
        // What has been started so far ends with the value that is dropped here.
        () = told_to_stop(&mut requests) => {
            say("stopped before the servers were ready")?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut private = started.context("the sandbox does not start")?;
    say(private.greeting(program).await?)?;
    let Private { sandbox, variables, .. } = &mut private;
    let code = tokio::select! {
        code = supervise(args, variables, program, requests) => code,
        never = Private::watch(sandbox) => match never {},
    };
    private.stop().await.context("the sandbox's servers do not stop")?;
    code
}

async fn told_to_stop(requests: &mut UnboundedReceiver<Request>) {
    while let Some(request) = requests.recv().await {
        if matches!(request, Request::Stop { .. }) {
            return;
        }
    }
    std::future::pending().await
}

async fn supervise(
    args: &Args,
    variables: &Variables,
    program: &Path,
    requests: UnboundedReceiver<Request>,
) -> anyhow::Result<ExitCode> {
    let launch = check(variables, program)?;
    let supervised = supervisor::run(launch, || check(&variables.reread()?, program), requests);
    let ending = if args.demo {
        // Beside the supervisor, not in it: it knows neither server. The demo holds nothing that would have to outlive
        // this process or be replaced.
        let ending = tokio::select! {
            ending = supervised => ending,
            failed = demo::run(variables) => match failed? {},
        };
        demo::leave_line();
        ending
    } else {
        supervised.await
    };
    Ok(match ending {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::Unfinished => ExitCode::FAILURE,
    })
}

/// What the children are started with, after everything they will read was read once: a mistake is found here,
/// before anything is spawned, and when it is read again, before anything is replaced.
fn check(variables: &Variables, program: &Path) -> Result<Launch, ConfigError> {
    let UpSettings { supervisor, gateways, .. } = UpSettings::from_vars(variables)?;
    Ok(Launch {
        program: program.to_owned(),
        environment: variables.for_children(),
        settings: supervisor,
        gateways,
    })
}
