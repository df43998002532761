//! The supervisor: keeps as many workers running as are wanted, whatever becomes of them.
//!
//! It knows neither Redis nor MySQL, so it cannot fail for their reasons. It reconciles: whatever happens is written
//! down in the `fleet`, and then `policy` says what to do, until there is nothing left to do. In between it sleeps
//! until the next event or the next deadline. It never gives up on a slot.
//!
//! It does not rescue claims: it tells a new worker which ones died before it.

mod control;
pub mod fleet;
pub mod policy;
mod process;
mod requests;
pub mod slot;
mod status;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;
use ulid::Ulid;

use fleet::Fleet;
use policy::Action;
use process::{Event, Process, What};
use slot::{Departure, Exit, Moment, Phase, Setback, Why};

pub use process::Launch;
pub use requests::Request;

use crate::{
    config::{ConfigError, EXIT_CONFIG},
    control::FromChild,
    worker::Identity,
};

/// How the supervisor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every worker finished what it held.
    Drained,
    /// A worker was killed on the way out; what it held will be rescued.
    Killed,
}

/// Runs workers until asked to stop. `reload` reads the configuration again; what it refuses changes nothing.
pub async fn run(
    launch: Launch,
    reload: impl Fn() -> Result<Launch, ConfigError>,
    mut requests: mpsc::UnboundedReceiver<Request>,
) -> Ending {
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
    /// When the end was asked for, and how many workers had to be killed since.
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

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { slot } => self.spawn(slot),
            Action::Drain { slot, worker, why } => self.drain(slot, worker, why),
            Action::Kill { slot, worker, why } => self.kill(slot, worker, why),
            Action::Recover { slot } => self.recover(slot),
            Action::Remove { slot } => {
                self.fleet.slots.remove(&slot);
            }
        }
    }

    fn spawn(&mut self, slot: u32) {
        let predecessors =
            self.fleet.slots.get(&slot).map(|slot| slot.predecessors.clone()).unwrap_or_default();
        let identity = Identity { id: Ulid::generate(), slot: Some(slot), predecessors };
        let now = self.now();
        match Process::spawn(&self.launch, &identity, self.events.clone()) {
            Ok(process) => {
                tracing::info!(slot, pid = process.pid, worker = %identity.id, "fork");
                self.processes.insert(identity.id, process);
                self.fleet.spawned(slot, identity.id, now);
            }
            Err(error) => {
                tracing::error!(slot, "cannot start {}: {error}", self.launch.program.display());
                if let Some(place) = self.fleet.slots.get_mut(&slot) {
                    let setback = place.troubles.add(now, false, fastrand::f64());
                    set_back(slot, setback);
                }
            }
        }
    }

    fn drain(&mut self, slot: u32, worker: Ulid, why: Why) {
        let Some(process) = self.processes.get(&worker) else { return };
        tracing::info!(slot, pid = process.pid, %worker, reason = %why, "drain");
        process.drain();
        let until = self.now() + self.launch.settings.drain;
        self.fleet.sent_off(slot, worker, Phase::Draining { until, why });
    }

    fn kill(&mut self, slot: u32, worker: Ulid, why: Why) {
        let Some(process) = self.processes.get(&worker) else { return };
        tracing::warn!(slot, pid = process.pid, %worker, reason = %why, "kill");
        process.kill();
        self.fleet.sent_off(slot, worker, Phase::Killed { why });
        if let Some((_, killed)) = &mut self.stopping {
            *killed += 1;
        }
    }

    fn recover(&mut self, slot: u32) {
        let now = self.now();
        if self.fleet.slots.get_mut(&slot).is_some_and(|place| place.forget_old_troubles(now)) {
            tracing::info!(slot, "the slot is well again: its worker has run for a minute");
        }
    }

    fn happened(&mut self, Event { slot, worker, what }: Event) {
        let now = self.now();
        let pid = self.processes.get(&worker).map(|process| process.pid);
        match what {
            What::Told(FromChild::Progress(report), memory) => {
                if self.fleet.heard(slot, worker, report, memory, now) {
                    tracing::info!(slot, pid, %worker, "online");
                }
            }
            What::Told(FromChild::Bye { drained }, _) => {
                if let Some(child) = self.fleet.child(slot, worker) {
                    child.drained = drained;
                }
            }
            What::Disconnected => tracing::info!(slot, pid, %worker, "disconnect"),
            What::Exited(exit) => self.exited(slot, worker, exit, now),
        }
    }

    fn exited(&mut self, slot: u32, worker: Ulid, exit: Exit, now: Moment) {
        let pid = self.processes.remove(&worker).map(|process| process.pid);
        let Exit { code, signal } = exit;
        let Some((why, departure)) = self.fleet.exited(slot, worker, exit, now, fastrand::f64()) else {
            return;
        };
        let reason = why.map(tracing::field::display);
        match departure {
            Departure::Expected => tracing::info!(slot, pid, %worker, code, signal, reason, "exit"),
            Departure::Failed(setback) => {
                let retry_ms = millis(setback.wait);
                tracing::warn!(slot, pid, %worker, code, signal, reason, retry_ms, "exit");
                if code == Some(i32::from(EXIT_CONFIG)) {
                    tracing::error!(
                        slot,
                        retry_ms,
                        "the worker refuses its configuration; its own line above says why"
                    );
                }
                set_back(slot, setback);
            }
        }
    }

    fn asked(&mut self, request: Request, reload: &impl Fn() -> Result<Launch, ConfigError>) {
        match request {
            Request::Stop => self.stop(),
            Request::Status => status::log(&self.fleet, &self.processes, self.now()),
            _ if self.fleet.ending.is_some() => {
                tracing::info!(?request, "ignored: the supervisor is stopping")
            }
            Request::Reload => self.reload(reload()),
            Request::More => self.resize(self.fleet.desired.saturating_add(1)),
            Request::Fewer => self.resize(self.fleet.desired.saturating_sub(1)),
        }
    }

    fn stop(&mut self) {
        self.fleet.end();
        let drain_ms = millis(self.launch.settings.drain);
        if self.stopping.is_none() {
            self.stopping = Some((self.now(), 0));
            tracing::info!(drain_ms, "the supervisor stops: the workers finish what they hold");
        } else {
            tracing::warn!("told to stop again: the workers are killed");
        }
    }

    fn reload(&mut self, launch: Result<Launch, ConfigError>) {
        match launch {
            Ok(launch) => {
                let workers = count(&launch);
                tracing::info!(workers, "the configuration is fresh: the workers are replaced one by one");
                self.launch = launch;
                self.fleet.resize(workers);
                self.fleet.roll(self.now());
            }
            Err(error) => tracing::error!("the new configuration is refused, the workers stay: {error}"),
        }
    }

    fn resize(&mut self, workers: u32) {
        let before = self.fleet.desired;
        self.fleet.resize(workers);
        tracing::info!(before, workers = self.fleet.desired, "another number of workers is wanted");
    }

    /// Much later than planned means that this process was paused, and could hear nobody.
    fn woken(&mut self, planned: Option<Moment>) {
        let now = self.now();
        if planned.is_some_and(|planned| now > planned + Duration::from_secs(1)) {
            tracing::warn!("the supervisor itself was paused; it gives every worker its time anew");
            self.fleet.forgive(now);
        }
    }

    fn ended(&self) -> Ending {
        let (asked, killed) = self.stopping.unwrap_or_default();
        let duration_ms = millis(self.now().saturating_sub(asked));
        if killed == 0 {
            tracing::info!(duration_ms, "stopped: every worker drained");
            Ending::Drained
        } else {
            tracing::warn!(
                duration_ms,
                killed,
                "stopped: workers were killed; what they held will be rescued"
            );
            Ending::Killed
        }
    }
}

fn count(launch: &Launch) -> u32 {
    u32::try_from(launch.settings.workers).unwrap_or(u32::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One line when a slot degrades; the one when it is well again is written by `recover`.
fn set_back(slot: u32, Setback { wait, failures, degrades }: Setback) {
    if degrades {
        let retry_ms = millis(wait);
        tracing::error!(
            slot,
            failures,
            retry_ms,
            "the slot is degraded: it keeps trying, slowly, until a worker stays up for a minute"
        );
    }
}
