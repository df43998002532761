//! What a worker and a gateway begin with and live by, under a supervisor or on their own.

use std::{os::unix::net::UnixStream, time::Duration};

use anyhow::Context as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::span::EnteredSpan;

use super::{Variables, identity::identity, reach};
use crate::{
    config::{ConfigError, Fanout, Publish, SupervisorSettings, Vars as _},
    control::{self, Control, Identity, Report, Role},
};

/// This process, as what it was started as.
pub(super) struct Child {
    /// Who it is.
    pub(super) identity: Identity,
    /// Whether a supervisor has started it.
    pub(super) supervised: bool,
    /// What bounds it.
    pub(super) limits: SupervisorSettings,
    /// It is to end.
    pub(super) stop: CancellationToken,
    /// Its talk with whoever may tell it to.
    pub(super) control: Control,
    /// Its socket for the local fan-out, where a supervisor has handed it one.
    pub(super) fanout: Option<UnixStream>,
    /// All of it runs on this thread, and every line of its log says what it is.
    _every_line: EnteredSpan,
}

impl Child {
    /// From now on it can be told to end.
    ///
    /// # Errors
    /// A variable that cannot be used, or a system that gives no thread or socket.
    pub(super) fn begin(role: Role, publish: &Publish, variables: &Variables) -> anyhow::Result<Self> {
        let has_fanout = variables.get(control::FANOUT).is_some();
        if publish.fanout == Fanout::Local && !has_fanout {
            let problem = if variables.get(control::CONTROL).is_some() {
                "the supervisor is of a version that hands on no events; end `rowcast up` and start it again"
                    .to_owned()
            } else {
                format!(
                    "this {role} runs on its own, and events go from workers to gateways through their supervisor; \
                     run `rowcast up`, or let them go through Redis (ROWCAST_FANOUT=redis)"
                )
            };
            return Err(ConfigError::new("ROWCAST_FANOUT", Some("local"), problem).into());
        }
        let limits = SupervisorSettings::from_vars(variables)?;
        let identity = identity(variables)?;
        let every_line = identity.span(role).entered();
        let stop = CancellationToken::new();
        let supervised = variables.get(control::CONTROL).is_some();
        let fanout = has_fanout.then(control::fanout_socket).transpose();
        let fanout = fanout.context("cannot use the socket for events that the supervisor hands down")?;
        let control = Control::attend(role, supervised, limits.drain, stop.clone())
            .context("cannot open the control socket that the supervisor hands down")?;
        Ok(Self { identity, supervised, limits, stop, control, fanout, _every_line: every_line })
    }

    /// Does its work to the end, and tells the supervisor meanwhile what the work reports.
    pub(super) fn live<T>(
        &self,
        work: impl AsyncFnOnce(watch::Sender<Report>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        reach::block_on(async {
            let (reports, told) = watch::channel(Report::default());
            let beat = tokio::spawn(self.control.beat(told, beat(self.limits.stall)));
            let ended = work(reports).await;
            beat.abort();
            ended
        })
    }
}

/// Often enough that several beats may be late before the process counts as hung.
fn beat(stall: Duration) -> Duration {
    (stall / 4).min(Duration::from_secs(2))
}
