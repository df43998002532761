//! What to do next: a total function of the slots' states and the time. No clock, no process, no log.
//!
//! The same for workers and for gateways; here a worker stands for both.
//!
//! Recycling (memory, jobs) drains a worker before the next is spawned, because memory is what is short then.
//! A rolling restart spawns the new worker first and drains the old one when the new one is ready: no capacity is
//! lost on the way, and a configuration that turns out bad only when it runs costs no worker that works. Both take
//! one worker at a time.

use ulid::Ulid;

use super::{
    fleet::{Ending, Fleet},
    slot::{Child, Moment, Phase, Slot, Why},
};
use crate::config::SupervisorSettings;

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Spawn a worker in a slot.
    Spawn {
        /// The slot.
        slot: u32,
    },
    /// Tell a worker to finish what it holds.
    Drain {
        /// Its slot.
        slot: u32,
        /// Its id.
        id: Ulid,
        /// The reason.
        why: Why,
    },
    /// Kill a worker.
    Kill {
        /// Its slot.
        slot: u32,
        /// Its id.
        id: Ulid,
        /// The reason.
        why: Why,
    },
    /// Forget the failures of a slot after a healthy minute.
    Recover {
        /// The slot.
        slot: u32,
    },
    /// Give up an empty slot that is not wanted.
    Remove {
        /// The slot.
        slot: u32,
    },
}

/// What to do now, and when to ask again if nothing happens before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// What to do now, in this order.
    pub actions: Vec<Action>,
    /// The next moment at which the answer may be another; `None` is never.
    pub wake: Option<Moment>,
}

/// Compares what is with what is wanted.
pub fn decide(fleet: &Fleet, limits: &SupervisorSettings, now: Moment) -> Decision {
    let mut view = View { fleet, limits, now, spare: fleet.is_at_rest(now), decision: Decision::default() };
    for (number, slot) in &fleet.slots {
        view.slot(*number, slot);
    }
    view.roll();
    view.decision
}

struct View<'a> {
    fleet: &'a Fleet,
    limits: &'a SupervisorSettings,
    now: Moment,
    /// One worker may be taken out of service.
    spare: bool,
    decision: Decision,
}

impl View<'_> {
    fn slot(&mut self, number: u32, slot: &Slot) {
        for (at, child) in slot.children.iter().enumerate() {
            let replaced = slot.children[at + 1..].iter().any(|younger| younger.phase == Phase::Ready);
            self.child(number, child, replaced);
        }
        match (self.fleet.wants(number), slot.children.is_empty()) {
            (true, true) => self.when(slot.troubles.retry_at, Action::Spawn { slot: number }),
            (false, true) => self.decision.actions.push(Action::Remove { slot: number }),
            (_, false) => {}
        }
        if let Some(well_at) = slot.well_at() {
            self.when(well_at, Action::Recover { slot: number });
        }
    }

    fn child(&mut self, slot: u32, child: &Child, replaced: bool) {
        let id = child.id;
        let kill = |why| Action::Kill { slot, id, why };
        match child.phase {
            Phase::Killed { .. } => {}
            _ if self.fleet.ending == Some(Ending::AtOnce) => self.now(kill(Why::AtOnce)),
            Phase::Draining { until, .. } => self.when(until, kill(Why::Deadline)),
            _ if self.fleet.ending.is_some() => self.drain(slot, id, Why::Stopping),
            _ if !self.fleet.wants(slot) => self.drain(slot, id, Why::Removed),
            Phase::Starting => self.when(child.started + self.limits.startup, kill(Why::Startup)),
            Phase::Ready if self.is_stalled(child) => self.now(kill(Why::Stall)),
            Phase::Ready if replaced => self.drain(slot, id, Why::Rolling),
            Phase::Ready => {
                self.recycle(slot, child);
                self.wake(child.heard + self.limits.stall);
            }
        }
    }

    /// It was silent for too long, or says itself that it stands still.
    fn is_stalled(&self, child: &Child) -> bool {
        let idle = u128::from(child.report.idle_ms) > self.limits.stall.as_millis();
        idle || self.now >= child.heard + self.limits.stall
    }

    fn recycle(&mut self, slot: u32, child: &Child) {
        let above = |most: u64, value: u64| most > 0 && value >= most;
        // Where the limit is below what every worker takes, each still does some work: else nobody would.
        let has_worked = child.report.jobs > 0;
        let why = if has_worked && above(self.limits.max_memory, child.memory) {
            Why::Memory
        } else if above(self.limits.max_jobs, child.report.jobs) {
            Why::Jobs
        } else {
            return;
        };
        if self.spare {
            self.drain(slot, child.id, why);
        }
    }

    /// Replaces the first worker that is to be replaced. The next slot waits until this one has succeeded, so
    /// that a bad configuration is tried in one place only.
    fn roll(&mut self) {
        let outdated = self.fleet.slots.iter().find(|(number, slot)| {
            let old = |child: &Child| child.is_live() && child.outdated;
            self.fleet.wants(**number) && slot.children.iter().any(old)
        });
        if let Some((number, slot)) = outdated
            && std::mem::take(&mut self.spare)
        {
            self.when(slot.troubles.retry_at, Action::Spawn { slot: *number });
        }
    }

    fn drain(&mut self, slot: u32, id: Ulid, why: Why) {
        self.spare = false;
        self.now(Action::Drain { slot, id, why });
    }

    fn now(&mut self, action: Action) {
        self.decision.actions.push(action);
    }

    fn when(&mut self, moment: Moment, action: Action) {
        if self.now >= moment { self.now(action) } else { self.wake(moment) }
    }

    fn wake(&mut self, moment: Moment) {
        self.decision.wake = Some(self.decision.wake.map_or(moment, |wake| wake.min(moment)));
    }
}

#[cfg(test)]
mod tests;
