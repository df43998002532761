//! The supervisor: keeps as many workers and gateways running as are wanted, whatever becomes of them.
//!
//! It knows neither Redis nor MySQL, so it cannot fail for their reasons. It reconciles: whatever happens is written
//! down in the `fleet` of its role, and then `policy` says what to do, until there is nothing left to do. In between it
//! sleeps until the next event or the next deadline. It never gives up on a slot.
//!
//! It does not rescue claims: it tells a new worker which ones died before it.

mod act;
mod chronicle;
mod control;
mod doors;
pub mod exit;
mod fanout;
pub mod fleet;
mod lifecycle;
mod orders;
pub mod policy;
mod process;
mod requests;
pub mod slot;
mod status;
pub mod troubles;
mod unready;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::mpsc;
use ulid::Ulid;

use chronicle::Chronicle;
use doors::Doors;
use fanout::Switch;
use fleet::Fleet;
use process::{Event, Process};
use slot::{Moment, Phase};

pub use process::Launch;
pub use requests::Request;

use crate::{
    config::{Address, ConfigError},
    control::{FromSupervisor, Role, Unready},
};

/// How the supervisor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every worker finished what it held.
    Drained,
    /// A worker was killed at the deadline, or crashed on the way out; what it held will be rescued.
    Unfinished,
}

/// Runs workers and gateways until asked to stop. `reload` reads the configuration again; what it refuses changes
/// nothing.
pub async fn run(
    launch: Launch,
    reload: impl Fn() -> Result<Launch, ConfigError>,
    mut requests: mpsc::UnboundedReceiver<Request>,
) -> Ended {
    let (sender, mut events) = mpsc::unbounded_channel();
    let mut supervisor = Supervisor::new(launch, sender);
    let (workers, gateways) = (supervisor.workers.desired, supervisor.gateways.desired);
    let id = supervisor.id;
    tracing::info!(workers, gateways, supervisor = %id, "the supervisor starts");
    loop {
        let wake = supervisor.reconcile();
        if supervisor.workers.is_gone() && supervisor.gateways.is_gone() {
            return supervisor.ended();
        }
        tokio::select! {
            Some(event) = events.recv() => supervisor.happened(event, &reload),
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
    /// By which orders name it. Its children tell it on.
    id: Ulid,
    launch: Launch,
    workers: Fleet,
    gateways: Fleet,
    doors: Doors,
    fanout: Switch,
    processes: BTreeMap<Ulid, Process>,
    chronicle: Chronicle,
    events: mpsc::UnboundedSender<Event>,
    began: Instant,
    /// The same by the clock, for those who look from elsewhere.
    began_at: SystemTime,
    /// The slots that are not ready, as the children were told of them.
    unready: Vec<Unready>,
    /// When the end was asked for, and how many workers have ended unfinished since.
    stopping: Option<(Moment, usize)>,
}

impl Supervisor {
    fn new(launch: Launch, events: mpsc::UnboundedSender<Event>) -> Self {
        let (workers, gateways) = counts(&launch);
        Self {
            id: Ulid::generate(),
            launch,
            workers: Fleet::new(Role::Worker, workers),
            gateways: Fleet::new(Role::Gateway, gateways),
            doors: Doors::default(),
            fanout: Switch::default(),
            processes: BTreeMap::new(),
            chronicle: Chronicle::default(),
            events,
            began: Instant::now(),
            began_at: SystemTime::now(),
            unready: Vec::new(),
            stopping: None,
        }
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }

    fn fleet(&mut self, role: Role) -> &mut Fleet {
        match role {
            Role::Worker => &mut self.workers,
            Role::Gateway => &mut self.gateways,
        }
    }

    /// Where the gateway of a slot listens; `None` for a slot that is not wanted.
    fn listens_on(&self, slot: u32) -> Option<Address> {
        self.launch.gateways.get(slot.checked_sub(1)? as usize).copied()
    }

    /// Does what the policy says until it has nothing to say; returns when to ask again.
    fn reconcile(&mut self) -> Option<Moment> {
        let wake = [Role::Worker, Role::Gateway].into_iter().filter_map(|role| self.settle(role)).min();
        self.doors.tidy();
        self.tell_what_happened();
        self.tell_what_is_not_ready();
        [wake, self.chronicle.wake()].into_iter().flatten().min()
    }

    /// Has a child write to Redis what has happened: one at work, or else one that is on its way out.
    fn tell_what_happened(&mut self) {
        let now = self.now();
        let children = || self.workers.children().chain(self.gateways.children());
        let ready = children().filter(|child| child.phase == Phase::Ready);
        let leaving = children().filter(|child| matches!(child.phase, Phase::Draining { .. }));
        let Some((writer, events)) = self.chronicle.next(ready.chain(leaving).map(|child| child.id), now)
        else {
            return;
        };
        if let Some(process) = self.processes.get(&writer) {
            process.say(FromSupervisor::Happened { events });
        }
    }

    fn settle(&mut self, role: Role) -> Option<Moment> {
        loop {
            let now = self.now();
            let fleet = if role == Role::Worker { &self.workers } else { &self.gateways };
            let decision = policy::decide(fleet, &self.launch.settings, now);
            if decision.actions.is_empty() {
                return decision.wake;
            }
            for action in decision.actions {
                self.act(role, action);
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
                "the supervisor was held up; it gives every worker and gateway its time anew"
            );
            self.workers.forgive(now);
            self.gateways.forgive(now);
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

/// How many workers and gateways there are to be.
fn counts(launch: &Launch) -> (u32, u32) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (count(launch.settings.workers), count(launch.gateways.len()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
