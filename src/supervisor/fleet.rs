//! All slots of one role, and what is wanted of them. What has happened is written down here; what to do about it is
//! for `policy`.

use std::collections::BTreeMap;

use ulid::Ulid;

use super::{
    exit::Exit,
    slot::{Child, Departure, Moment, Phase, Slot, Why},
    troubles::Setback,
};
use crate::control::{Report, Role};

/// The slots, numbered from 1, and what is wanted of them.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// What runs in the slots. Elsewhere here, a worker stands for both.
    pub role: Role,
    /// The slots; one that is not wanted stays until it is empty.
    pub slots: BTreeMap<u32, Slot>,
    /// How many workers are wanted.
    pub desired: u32,
    /// Everything is to end.
    pub ending: Option<Ending>,
}

/// How everything is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Each worker finishes what it holds.
    Gracefully,
    /// Each worker is killed.
    AtOnce,
}

/// What an exit turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exited {
    /// Why the worker had to go, if it had.
    pub why: Option<Why>,
    /// Whether nothing of it is left to rescue.
    pub drained: bool,
    /// What it means for the slot.
    pub departure: Departure,
}

impl Fleet {
    /// So many empty slots.
    pub fn new(role: Role, desired: u32) -> Self {
        let mut fleet = Self { role, slots: BTreeMap::new(), desired, ending: None };
        fleet.resize(desired);
        fleet
    }

    /// Wants so many, of workers at least one: a supervisor without workers looks alive and does nothing, and
    /// pausing a queue is a command of its own.
    pub fn resize(&mut self, desired: u32) {
        self.desired = desired.max(u32::from(self.role == Role::Worker));
        for number in 1..=self.desired {
            self.slots.entry(number).or_default();
        }
    }

    /// Wants every worker replaced.
    pub fn roll(&mut self, now: Moment) {
        self.slots.values_mut().for_each(|slot| slot.roll(now));
    }

    /// Wants the end; when it was wanted already, wants it at once.
    pub fn end(&mut self) {
        self.ending = Some(if self.ending.is_none() { Ending::Gracefully } else { Ending::AtOnce });
    }

    /// Whether a worker is wanted in this slot.
    pub fn wants(&self, number: u32) -> bool {
        self.ending.is_none() && number <= self.desired
    }

    /// Whether nothing is left of it.
    pub fn is_gone(&self) -> bool {
        self.ending.is_some() && self.slots.is_empty()
    }

    /// No worker is starting, on its way out or about to be spawned, so one may be taken out of service without
    /// leaving a second gap. A slot that waits to try again holds up nobody.
    pub fn is_at_rest(&self, now: Moment) -> bool {
        self.slots.values().all(|slot| match slot.children.as_slice() {
            [] => slot.troubles.retry_at > now,
            children => children.iter().all(|child| child.phase == Phase::Ready),
        })
    }

    /// All processes in all slots.
    pub fn children(&self) -> impl Iterator<Item = &Child> {
        self.slots.values().flat_map(|slot| &slot.children)
    }

    /// How many workers are starting or at work.
    pub fn live(&self) -> usize {
        self.children().filter(|child| child.is_live()).count()
    }

    /// A worker was spawned.
    pub fn spawned(&mut self, number: u32, id: Ulid, now: Moment) {
        let child = Child::new(id, now);
        let slot = self.slots.entry(number).or_default();
        slot.refusal = None;
        slot.spawned += 1;
        slot.children.push(child);
    }

    /// A worker could not be spawned. Also says whether the reason is another one than before.
    pub fn not_spawned(&mut self, number: u32, reason: String, now: Moment, random: f64) -> (Setback, bool) {
        let slot = self.slots.entry(number).or_default();
        let news = slot.refusal.as_ref() != Some(&reason);
        slot.fails(now, reason.clone());
        slot.refusal = Some(reason);
        (slot.troubles.add(now, false, random), news)
    }

    /// A worker was told to drain, or was killed.
    pub fn sent_off(&mut self, number: u32, id: Ulid, phase: Phase) {
        if let Some(child) = self.child(number, id) {
            child.phase = phase;
        }
    }

    /// A worker gave a sign of life. Says whether it ended its start-up.
    pub fn heard(&mut self, number: u32, id: Ulid, report: Report, memory: u64, now: Moment) -> bool {
        if !report.rescued.is_empty() {
            for slot in self.slots.values_mut() {
                slot.predecessors.retain(|dead| !report.rescued.contains(dead));
            }
        }
        let Some(slot) = self.slots.get_mut(&number) else { return false };
        let child = slot.children.iter_mut().find(|child| child.id == id);
        let is_ready = child.is_some_and(|child| child.heard(report, memory, now));
        if is_ready {
            slot.failing = None;
        }
        is_ready
    }

    /// A worker exited; `None` for an unknown one.
    pub fn exited(&mut self, number: u32, id: Ulid, exit: Exit, now: Moment, random: f64) -> Option<Exited> {
        let child = self.child(number, id)?;
        let (why, drained) = (child.why(), child.has_drained(exit));
        let slot = self.slots.get_mut(&number)?;
        let departure = slot.exited(id, exit, now, random)?;
        if let Departure::Failed(_) = departure {
            slot.fails(now, exit.reason(self.role, why));
        }
        Some(Exited { why, drained, departure })
    }

    /// The slots in which one is wanted and nothing is ready, by their numbers, with since when and why. The first failure
    /// of a slot that was well is none of them: it is tried again at once.
    pub fn unready(&self) -> impl Iterator<Item = (u32, Moment, &str)> {
        let lasting = |slot: &&Slot| slot.troubles.failures > 1;
        self.slots.iter().filter(|(number, _)| self.wants(**number)).filter_map(move |(number, slot)| {
            let (since, why) = Some(slot).filter(lasting)?.failing.as_ref()?;
            Some((*number, *since, why.as_str()))
        })
    }

    /// The supervisor itself was held up, and has heard nothing for a reason of its own: all silence counts from now.
    pub fn forgive(&mut self, now: Moment) {
        for child in self.slots.values_mut().flat_map(|slot| &mut slot.children) {
            child.heard = now;
            if child.phase == Phase::Starting {
                child.started = now;
            }
        }
    }

    /// A worker by its slot and id.
    pub fn child(&mut self, number: u32, id: Ulid) -> Option<&mut Child> {
        self.slots.get_mut(&number)?.children.iter_mut().find(|child| child.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_has_failed_twice_is_unready_since_the_first_time_until_something_in_it_is_ready() {
        let mut fleet = Fleet::new(Role::Gateway, 1);
        let at = Moment::from_secs;
        let unready = |fleet: &Fleet| -> Vec<(u32, Moment, String)> {
            fleet.unready().map(|(slot, since, why)| (slot, since, why.to_owned())).collect()
        };
        fleet.not_spawned(1, "taken".into(), at(3), 0.5);
        assert_eq!(unready(&fleet), [], "it is tried again at once");
        fleet.not_spawned(1, "taken, still".into(), at(4), 0.5);
        assert_eq!(unready(&fleet), [(1, at(3), "taken, still".to_owned())]);
        let id = Ulid::generate();
        fleet.spawned(1, id, at(5));
        assert_eq!(unready(&fleet).len(), 1, "it may fail, too");
        fleet.heard(1, id, Report { ready: true, ..Report::default() }, 0, at(6));
        assert_eq!(unready(&fleet), []);
        let exit = Exit { code: Some(64), signal: None };
        fleet.exited(1, id, exit, at(7), 0.5);
        let told = unready(&fleet);
        assert!(told[0].1 == at(7) && told[0].2.starts_with("its configuration is refused"), "{told:?}");
        fleet.resize(0);
        assert_eq!(unready(&fleet), [], "none is wanted");
    }
}
