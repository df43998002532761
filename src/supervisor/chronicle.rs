//! What has happened and is not in Redis yet, and which child is to write it there. Pure.
//!
//! One child at a time is told what happened, in order, and says when it is written. When it dies or is slow another
//! is told the same, from the first that nobody has called written: so nothing is lost while any child lives. Whoever
//! writes a second time writes nothing, because the events are counted (see `queue::History`).

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use ulid::Ulid;

use super::slot::Moment;
use crate::control::Happening;

/// How long the writer may take before another child is told as well.
const PATIENCE: Duration = Duration::from_secs(3);
/// So many are told at once: few enough that a child which does not read never has its socket filled.
const AT_ONCE: usize = 20;
/// More than this are not kept while nobody can write; the oldest go.
const KEPT: usize = 1_000;

/// What is still to be written.
#[derive(Debug, Default)]
pub(super) struct Chronicle {
    counted: u64,
    waiting: VecDeque<Happening>,
    /// Who is to write, and until when it is waited for.
    writer: Option<(Ulid, Moment)>,
    /// Children that were told and have not answered; they are told no more until they do.
    told: BTreeSet<Ulid>,
}

impl Chronicle {
    /// Adds what happened, with the next number.
    pub(super) fn add(&mut self, mut happening: Happening) {
        self.counted += 1;
        happening.seq = self.counted;
        self.waiting.push_back(happening);
        let surplus = self.waiting.len().saturating_sub(KEPT);
        self.waiting.drain(..surplus);
    }

    /// Whom to tell what now; `None` while nothing waits, or a writer is waited for. Of the children that could, the
    /// first that owes no answer is taken.
    pub(super) fn next(
        &mut self,
        mut children: impl Iterator<Item = Ulid>,
        now: Moment,
    ) -> Option<(Ulid, Vec<Happening>)> {
        if self.waiting.is_empty() || self.writer.is_some_and(|(_, until)| now < until) {
            return None;
        }
        self.writer = None;
        let writer = children.find(|child| !self.told.contains(child))?;
        self.writer = Some((writer, now + PATIENCE));
        self.told.insert(writer);
        Some((writer, self.waiting.iter().take(AT_ONCE).cloned().collect()))
    }

    /// When to ask again for another writer, if the one that is there does not answer.
    pub(super) fn wake(&self) -> Option<Moment> {
        self.writer.map(|(_, until)| until)
    }

    /// A child says that what happened up to this one is written.
    pub(super) fn written(&mut self, child: Ulid, upto: u64) {
        self.waiting.retain(|happening| happening.seq > upto);
        self.gone(child);
    }

    /// A child is no more.
    pub(super) fn gone(&mut self, child: Ulid) {
        self.told.remove(&child);
        self.writer = self.writer.filter(|(writer, _)| *writer != child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Kind, Role};

    fn chronicle(events: usize) -> Chronicle {
        let mut chronicle = Chronicle::default();
        for _ in 0..events {
            let id = Ulid::generate();
            chronicle.add(Happening {
                seq: 0,
                at: 0,
                what: Kind::Fork,
                role: Role::Worker,
                slot: 1,
                id,
                pid: None,
                why: None,
                address: None,
            });
        }
        chronicle
    }

    fn numbers(told: Option<(Ulid, Vec<Happening>)>) -> Option<(Ulid, Vec<u64>)> {
        told.map(|(who, events)| (who, events.iter().map(|event| event.seq).collect()))
    }

    #[test]
    fn one_child_is_told_all_in_order_and_the_next_ones_when_it_has_written_them() {
        let [one, other] = [Ulid::generate(), Ulid::generate()];
        let mut chronicle = chronicle(AT_ONCE + 2);
        let next = |chronicle: &mut Chronicle| {
            numbers(chronicle.next([one, other].into_iter(), Moment::ZERO)).map(|(who, all)| (who, all.len()))
        };
        assert_eq!(next(&mut chronicle), Some((one, AT_ONCE)));
        assert_eq!(next(&mut chronicle), None, "it is waited for");
        chronicle.written(one, AT_ONCE as u64);
        assert_eq!(next(&mut chronicle), Some((one, 2)));
        chronicle.written(one, AT_ONCE as u64 + 2);
        assert_eq!((next(&mut chronicle), chronicle.wake()), (None, None));
    }

    #[test]
    fn when_the_writer_dies_or_is_slow_another_is_told_the_same() {
        let [one, other] = [Ulid::generate(), Ulid::generate()];
        let mut chronicle = chronicle(2);
        let all = || [one, other].into_iter();
        assert_eq!(numbers(chronicle.next(all(), Moment::ZERO)), Some((one, vec![1, 2])));
        chronicle.gone(one);
        assert_eq!(numbers(chronicle.next([other].into_iter(), Moment::ZERO)), Some((other, vec![1, 2])));
        let late = chronicle.wake().unwrap();
        assert_eq!(late, PATIENCE);
        assert_eq!(numbers(chronicle.next(all(), late)), Some((one, vec![1, 2])));
        // Both have it now, and neither is told more than once what it has not answered.
        assert_eq!(chronicle.next(all(), late + PATIENCE), None);
        chronicle.written(other, 2);
        assert_eq!(chronicle.next(all(), late + PATIENCE), None, "nothing is left");
    }

    #[test]
    fn what_nobody_can_write_is_kept_up_to_a_limit() {
        let mut chronicle = chronicle(KEPT + 5);
        assert_eq!(chronicle.next(std::iter::empty(), Moment::ZERO), None);
        let (_, first) = numbers(chronicle.next([Ulid::generate()].into_iter(), Moment::ZERO)).unwrap();
        assert_eq!(first.first(), Some(&6));
    }
}
