//! The supervisor: keeps as many workers running as are wanted, whatever becomes of them.
//!
//! It knows neither Redis nor MySQL, so it cannot fail for their reasons. It reconciles: whatever happens is written
//! down in the `fleet`, and then `policy` says what to do, until there is nothing left to do. In between it sleeps
//! until the next event or the next deadline. It never gives up on a slot.
//!
//! It does not rescue claims: it tells a new worker which ones died before it.

mod act;
mod control;
pub mod fleet;
mod lifecycle;
pub mod policy;
mod process;
mod requests;
pub mod slot;
mod status;
pub mod troubles;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use ulid::Ulid;

use fleet::Fleet;
use process::{Event, Process};
use slot::Moment;

pub use process::Launch;
pub use requests::Request;

use crate::config::ConfigError;

/// How the supervisor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every worker finished what it held.
    Drained,
    /// A worker was killed at the deadline, or crashed on the way out; what it held will be rescued.
    Unfinished,
}

/// Runs workers until asked to stop. `reload` reads the configuration again; what it refuses changes nothing.
pub async fn run(
    launch: Launch,
    reload: impl Fn() -> Result<Launch, ConfigError>,
    mut requests: mpsc::UnboundedReceiver<Request>,
) -> Ended {
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut supervisor = Supervisor::new(launch, sender);
    tracing::info!(workers = supervisor.fleet.desired, "the supervisor starts");
    loop {
        let wake = supervisor.reconcile();
        if supervisor.fleet.is_gone() {
            return supervisor.ended();
        }
        tokio::select! {
            Some(event) = events.recv() => supervisor.happened(event),
            Some(request) = requests.recv() => supervisor.asked(request, &reload),
            () = sleep_until(supervisor.began, wake) => {}
        }
        supervisor.woken(wake);
    }
}

async fn sleep_until(began: Instant, wake: Option<Moment>) {
    match wake {
        Some(wake) => tokio::time::sleep_until((began + wake).into()).await,
        None => std::future::pending().await,
    }
}

struct Supervisor {
    launch: Launch,
    fleet: Fleet,
    processes: BTreeMap<Ulid, Process>,
    events: mpsc::UnboundedSender<Event>,
    began: Instant,
    /// When the end was asked for, and how many workers have ended unfinished since.
    stopping: Option<(Moment, usize)>,
}

impl Supervisor {
    fn new(launch: Launch, events: mpsc::UnboundedSender<Event>) -> Self {
        let fleet = Fleet::new(count(&launch));
        Self { launch, fleet, processes: BTreeMap::new(), events, began: Instant::now(), stopping: None }
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }

    /// Does what the policy says until it has nothing to say; returns when to ask again.
    fn reconcile(&mut self) -> Option<Moment> {
        loop {
            let decision = policy::decide(&self.fleet, &self.launch.settings, self.now());
            if decision.actions.is_empty() {
                return decision.wake;
            }
            for action in decision.actions {
                self.act(action);
            }
        }
    }

    /// Later than planned means that this process was held up (stopped, starved), and could hear nobody meanwhile.
    fn woken(&mut self, planned: Option<Moment>) {
        let now = self.now();
        let late = planned.map_or(Duration::ZERO, |planned| now.saturating_sub(planned));
        if late > Duration::from_millis(250) {
            tracing::info!(
                late_ms = millis(late),
                "the supervisor was held up; it gives every worker its time anew"
            );
            self.fleet.forgive(now);
        }
    }

    fn ended(&self) -> Ended {
        let (asked, unfinished) = self.stopping.unwrap_or_default();
        let duration_ms = millis(self.now().saturating_sub(asked));
        if unfinished == 0 {
            tracing::info!(duration_ms, "stopped: every worker drained");
            return Ended::Drained;
        }
        tracing::warn!(
            duration_ms,
            unfinished,
            "stopped: not every worker finished what it held; it will be rescued"
        );
        Ended::Unfinished
    }
}

fn count(launch: &Launch) -> u32 {
    u32::try_from(launch.settings.workers).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
