//! A slot: the supervisor's place for one worker or gateway, and what it remembers between those in it. Pure data.

use std::time::Duration;

use ulid::Ulid;

use super::{
    exit::Exit,
    troubles::{HEALTHY, Setback, Troubles},
};
use crate::{
    config::EXIT_CONFIG,
    control::{Report, Role},
};

/// A point in time: how long the supervisor had been running.
pub type Moment = Duration;

/// More ids than this are not handed to a successor; the lease finds the older ones.
const MOST_PREDECESSORS: usize = 32;

/// A place for one worker; two are in it only while one replaces the other.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The processes in it, oldest first.
    pub children: Vec<Child>,
    /// How many there have been in it, ever.
    pub spawned: u64,
    /// Dead workers of this slot that no worker has reported as rescued.
    pub predecessors: Vec<Ulid>,
    /// Failures in a row, and when to try again.
    pub troubles: Troubles,
    /// Why the last one could not even be spawned.
    pub refusal: Option<String>,
    /// Since when nothing in it is ready because what was tried has failed, and why the last of that has.
    pub failing: Option<(Moment, String)>,
}

/// A process, as far as it is known.
#[derive(Debug, Clone)]
pub struct Child {
    /// The worker's id.
    pub id: Ulid,
    /// Another is to take its place.
    pub outdated: bool,
    /// Where it is in its life.
    pub phase: Phase,
    /// When it was spawned.
    pub started: Moment,
    /// When it reported that it was ready.
    pub ready: Option<Moment>,
    /// When it was heard of last.
    pub heard: Moment,
    /// What it said then.
    pub report: Report,
    /// Its resident memory in bytes at that time.
    pub memory: u64,
    /// It said, as its last word, that nothing of it is left to rescue.
    pub drained: bool,
}

/// Where a process is in its life. It leaves a slot only by its exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Spawned, not ready yet.
    Starting,
    /// At work.
    Ready,
    /// Told to finish what it holds.
    Draining {
        /// When it is killed if it is still there.
        until: Moment,
        /// Why it was told.
        why: Why,
    },
    /// Killed; its exit has not been seen yet.
    Killed {
        /// Why it was killed.
        why: Why,
    },
}

/// Why a worker or a gateway has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It did not report that it was ready in time.
    Startup,
    /// It was silent, or stood still, for too long.
    Stall,
    /// It holds more memory than it may.
    Memory,
    /// It has done as many jobs as it may.
    Jobs,
    /// Another one has taken its place, because a person wanted it.
    Rolling,
    /// Fewer of its role are wanted.
    Removed,
    /// The supervisor ends.
    Stopping,
    /// It did not finish within the deadline of its drain.
    Deadline,
    /// The supervisor was told twice to end.
    AtOnce,
}

/// What an exit means for the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It was asked to go.
    Expected,
    /// It was not: the next one is tried after `wait`.
    Failed(Setback),
}

impl Slot {
    /// An empty slot.
    pub fn new() -> Self {
        Self {
            children: Vec::new(),
            spawned: 0,
            predecessors: Vec::new(),
            troubles: Troubles::new(),
            refusal: None,
            failing: None,
        }
    }

    /// Writes down that what was tried in it has failed, unless another process in it is at work.
    pub(super) fn fails(&mut self, now: Moment, why: String) {
        if self.children.iter().all(|child| child.phase != Phase::Ready) {
            let since = self.failing.take().map_or(now, |(since, _)| since);
            self.failing = Some((since, why));
        }
    }

    /// Takes out a process that has exited.
    pub fn exited(&mut self, id: Ulid, exit: Exit, now: Moment, random: f64) -> Option<Departure> {
        let at = self.children.iter().position(|child| child.id == id)?;
        self.forget_old_troubles(now);
        let child = self.children.remove(at);
        if !child.has_drained(exit) {
            self.predecessors.push(id);
            let surplus = self.predecessors.len().saturating_sub(MOST_PREDECESSORS);
            self.predecessors.drain(..surplus);
        }
        if child.may_go() {
            return Some(Departure::Expected);
        }
        let bad_configuration = exit.code == Some(i32::from(EXIT_CONFIG));
        Some(Departure::Failed(self.troubles.add(now, bad_configuration, random)))
    }

    /// Wants another process in place of those that are in it, and tries at once where it was waiting to try again.
    pub fn roll(&mut self, now: Moment) {
        self.troubles.retry_at = self.troubles.retry_at.min(now);
        for child in &mut self.children {
            child.outdated = true;
        }
    }

    /// Forgets the troubles after a healthy minute. Says whether the slot had been degraded until now.
    pub fn forget_old_troubles(&mut self, now: Moment) -> bool {
        let well = self.well_at().is_some_and(|at| now >= at);
        let was_degraded = well && self.troubles.degraded;
        if well {
            self.troubles = Troubles::new();
        }
        was_degraded
    }

    /// When the troubles are over if nothing happens; `None` without troubles, or without a worker that came later.
    pub fn well_at(&self) -> Option<Moment> {
        let ready =
            self.children.iter().filter(|child| child.is_live()).filter_map(|child| child.ready).max()?;
        // While a worker is being replaced, the old one proves nothing about its failing successors.
        (self.troubles.failures > 0 && ready >= self.troubles.last).then(|| ready + HEALTHY)
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

impl Child {
    /// A process that was spawned just now.
    pub fn new(id: Ulid, now: Moment) -> Self {
        Self {
            id,
            outdated: false,
            phase: Phase::Starting,
            started: now,
            ready: None,
            heard: now,
            report: Report::default(),
            memory: 0,
            drained: false,
        }
    }

    /// Whether it is starting or at work, and not on its way out.
    pub fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Ready)
    }

    /// Takes in a sign of life. Says whether it ended the start-up.
    pub fn heard(&mut self, report: Report, memory: u64, now: Moment) -> bool {
        let ready = report.ready && self.ready.is_none();
        (self.report, self.memory, self.heard) = (report, memory, now);
        if ready {
            self.ready = Some(now);
            if self.phase == Phase::Starting {
                self.phase = Phase::Ready;
            }
        }
        ready
    }

    /// Whether it said that nothing of it is left to rescue, and then ended in good order.
    pub fn has_drained(&self, exit: Exit) -> bool {
        self.drained && exit.code == Some(0)
    }

    /// Why it has to go, when it has to.
    pub fn why(&self) -> Option<Why> {
        match self.phase {
            Phase::Starting | Phase::Ready => None,
            Phase::Draining { why, .. } | Phase::Killed { why } => Some(why),
        }
    }

    /// Whether its exit is what was asked for, so that it counts as no failure.
    fn may_go(&self) -> bool {
        match self.phase {
            Phase::Starting | Phase::Ready => false,
            // A fresh worker above the limit shows a limit that is too low: without a wait it would spin.
            Phase::Draining { why: Why::Memory, until: _ } => {
                self.ready.is_some_and(|ready| self.heard >= ready + HEALTHY)
            }
            Phase::Draining { .. } => true,
            Phase::Killed { why } => !matches!(why, Why::Startup | Why::Stall),
        }
    }
}

impl Phase {
    /// Its name in the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining { .. } => "draining",
            Self::Killed { .. } => "killed",
        }
    }
}

impl Why {
    /// How it is said of a process of this role.
    pub fn of(self, role: Role) -> &'static str {
        match self {
            Self::Startup => "not ready in time",
            Self::Stall => "no progress",
            Self::Memory => "memory limit",
            Self::Jobs => "job limit",
            Self::Rolling => "rolling restart",
            Self::Removed => match role {
                Role::Worker => "fewer workers wanted",
                Role::Gateway => "fewer gateways wanted",
            },
            Self::Stopping => "stopping",
            Self::Deadline => "drain deadline",
            Self::AtOnce => "told twice to stop",
        }
    }
}
