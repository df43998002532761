//! `rowcast worker`: one worker, under the supervisor or on its own.

use std::{process::ExitCode, time::Duration};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::{Variables, reach};
use crate::{
    config::{ConfigError, Settings, SupervisorSettings, Vars},
    control::{self, Control, Role},
    worker::{self, Ended, Identity, Report},
};

/// The exit code of a worker that was fenced (`EX_TEMPFAIL` of sysexits.h): start another one.
const EXIT_FENCED: u8 = 75;

/// Run one worker: take jobs, insert rows, publish events
///
/// This is the process that `rowcast up` runs several of. On its own it suits an engine that restarts processes
/// by itself, such as systemd, Kubernetes or Nomad. The first TERM or INT lets it finish what it holds,
/// within ROWCAST_DRAIN_SECONDS; a second one ends it at once. Nothing is lost either way.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast worker
  rowcast worker --queue message --log json

Exit codes: 0 it finished what it held, 1 it did not (it will be rescued), 64 bad configuration, 75 others have taken
it for dead and finished its work: start another one")]
pub struct Args {}

/// Runs one worker to its end.
///
/// # Errors
/// A variable that cannot be used, or a system that gives no thread or socket.
pub fn run(_args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = Settings::from_vars(variables)?;
    let limits = SupervisorSettings::from_vars(variables)?;
    let identity = identity(variables)?;
    let stop = CancellationToken::new();
    let supervised = variables.get(control::CONTROL).is_some();
    let control = Control::attend(Role::Worker, supervised, limits.drain, stop.clone())
        .context("cannot open the control socket that the supervisor hands down")?;
    let ended = reach::block_on(async {
        let (reports, told) = watch::channel(Report::default());
        let beat = tokio::spawn(control.beat(told, beat(limits.stall)));
        let ended = worker::run(settings, identity, reports, stop).await;
        beat.abort();
        ended
    });
    control.bye(matches!(ended, Ok(Ended::Drained)));
    Ok(match ended {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Fenced) => ExitCode::from(EXIT_FENCED),
        Err(error) => {
            tracing::error!("the worker ends: {error:#}");
            ExitCode::FAILURE
        }
    })
}

/// Often enough that several beats may be late before the worker counts as hung.
fn beat(stall: Duration) -> Duration {
    (stall / 4).min(Duration::from_secs(2))
}

/// Who the supervisor says this worker is; without one, someone new.
fn identity(vars: &dyn Vars) -> Result<Identity, ConfigError> {
    let id = |name, text: &str| {
        text.parse::<Ulid>().map_err(|_| ConfigError::new(name, Some(text), "expected a ULID"))
    };
    let slot = |text: String| {
        text.parse().map_err(|_| ConfigError::new(control::SLOT, Some(&text), "expected a number"))
    };
    let predecessors = vars.get(control::PREDECESSORS).unwrap_or_default();
    Ok(Identity {
        id: vars
            .get(control::WORKER_ID)
            .map_or_else(|| Ok(Ulid::generate()), |text| id(control::WORKER_ID, &text))?,
        slot: vars.get(control::SLOT).map(slot).transpose()?,
        predecessors: predecessors
            .split(',')
            .filter(|text| !text.is_empty())
            .map(|text| id(control::PREDECESSORS, text))
            .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_identity_is_what_the_supervisor_says() {
        let [me, dead] = [Ulid::generate(), Ulid::generate()];
        let vars = BTreeMap::from([
            (control::WORKER_ID.to_owned(), me.to_string()),
            (control::SLOT.to_owned(), "3".to_owned()),
            (control::PREDECESSORS.to_owned(), format!("{dead},{me}")),
        ]);
        let expected = Identity { id: me, slot: Some(3), predecessors: vec![dead, me] };
        assert_eq!(identity(&vars).unwrap(), expected);
    }

    #[test]
    fn without_a_supervisor_a_worker_is_someone_new() {
        let nothing = BTreeMap::new();
        let identity = identity(&nothing).unwrap();
        assert_eq!((identity.slot, identity.predecessors), (None, vec![]));
    }
}
