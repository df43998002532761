//! `rowcast worker`: one worker, under the supervisor or on its own.

use std::process::ExitCode;

use super::{Variables, child::Child};
use crate::{
    config::{Fanout, Settings},
    control::{EXIT_FENCED, Role},
    fanout::ToGateways,
    worker::{self, Ended},
};

/// Run one worker: take jobs, insert rows, publish events
///
/// This is the process that `rowcast up` runs several of. On its own it suits an engine that restarts processes
/// by itself, such as systemd, Kubernetes or Nomad; ROWCAST_FANOUT=local is refused there. The first TERM or INT lets
/// it finish what it holds, within ROWCAST_DRAIN_SECONDS; a second one ends it at once. Nothing is lost either way.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast worker
  rowcast worker --queue message --log json

Exit codes: 0 it finished what it held, 1 it did not (it will be rescued), 64 bad configuration,
75 others have taken it for dead and finished its work: start another one")]
pub struct Args {}

/// Runs one worker to its end.
///
/// # Errors
/// A variable that cannot be used, or a system that gives no thread or socket.
pub fn run(_args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = Settings::from_vars(variables)?;
    let mut child = Child::begin(Role::Worker, &settings.publish, variables)?;
    let (identity, talk, stop) = (child.identity.clone(), child.control.talk(), child.stop.clone());
    let fanout = child.fanout.take().filter(|_| settings.publish.fanout == Fanout::Local);
    let ended = child.live(async |reports| {
        let to_gateways = fanout.map(ToGateways::new).transpose()?;
        worker::run(settings, identity, reports, talk, to_gateways, stop).await
    });
    child.control.bye(matches!(ended, Ok(Ended::Drained)));
    Ok(match ended {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Fenced) => {
            tracing::warn!(
                "fenced: this worker was silent for longer than its lease, and others have taken it for dead and \
                 finished its work; nothing is lost, and it ends so that another one takes its place"
            );
            ExitCode::from(EXIT_FENCED)
        }
        Err(error) => {
            tracing::error!("the worker ends: {error:#}");
            ExitCode::FAILURE
        }
    })
}
