//! The books of what Redis was asked for. Pure.
//!
//! Every channel that is asked for has a number, and channels are confirmed in the order of these: so one number says
//! which are heard.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// All channels that are wanted.
#[derive(Debug, Default)]
pub(super) struct Asked {
    channels: HashMap<Arc<str>, Place>,
    /// Those that Redis is still to be asked for, in the order of their numbers.
    waiting: VecDeque<Arc<str>>,
    /// All, in the order in which they are looked at.
    round: VecDeque<Arc<str>>,
    /// The highest number that was given.
    last: u64,
    /// Whatever has a number up to this one is heard, or was to be heard on a connection that is gone.
    confirmed: u64,
    /// Whether messages are heard at all.
    hearing: bool,
}

#[derive(Debug, Default)]
struct Place {
    number: u64,
    /// So many want it whether or not a client is in its room.
    held: usize,
    /// Nobody was in its room when it was looked at last.
    empty: bool,
}

impl Asked {
    /// Keeps a channel until it is released. Also returns the number to wait for.
    pub(super) fn hold(&mut self, channel: Arc<str>) -> (Arc<str>, u64) {
        let channel = match self.channels.get_key_value(&channel) {
            Some((known, _)) => known.clone(),
            None => {
                self.round.push_back(channel.clone());
                self.ask(channel.clone());
                channel
            }
        };
        let place = self.channels.entry(channel.clone()).or_default();
        place.held += 1;
        place.empty = false;
        (channel, if self.hearing { place.number } else { 0 })
    }

    /// The opposite of one [`Asked::hold`].
    pub(super) fn release(&mut self, channel: &str) {
        if let Some(place) = self.channels.get_mut(channel) {
            place.held = place.held.saturating_sub(1);
        }
    }

    fn ask(&mut self, channel: Arc<str>) {
        self.last += 1;
        self.waiting.push_back(channel.clone());
        self.channels.entry(channel).or_default().number = self.last;
    }

    /// The next channels to ask for, at most so many.
    pub(super) fn next(&mut self, most: usize) -> Vec<Arc<str>> {
        self.waiting.drain(..most.min(self.waiting.len())).collect()
    }

    /// So many more are heard. Returns up to which number all are.
    pub(super) fn confirm(&mut self, count: usize) -> u64 {
        self.confirmed += count as u64;
        self.confirmed
    }

    /// On a new connection everything is asked for anew, but for what nobody wants any more.
    pub(super) fn begin(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.lost();
        self.waiting.clear();
        self.channels.retain(|channel, place| place.held > 0 || is_wanted(channel));
        self.round.retain(|channel| self.channels.contains_key(channel));
        for channel in self.round.clone() {
            self.ask(channel);
        }
    }

    /// All that was asked for is heard.
    pub(super) fn found(&mut self) {
        self.hearing = true;
    }

    /// Nothing is heard. Returns the number that everybody who waits has waited for.
    pub(super) fn lost(&mut self) -> u64 {
        self.hearing = false;
        self.confirmed = self.last;
        self.confirmed
    }

    /// Looks at one of so many parts of all channels. Those whose rooms were empty twice in a row are wanted no more;
    /// returns them.
    pub(super) fn look(&mut self, parts: usize, is_wanted: impl Fn(&str) -> bool) -> Vec<Arc<str>> {
        let mut given_up = Vec::new();
        for _ in 0..self.round.len().div_ceil(parts) {
            let Some(channel) = self.round.pop_front() else { break };
            let Some(place) = self.channels.get_mut(&channel) else { continue };
            let stays = place.held > 0 || place.number > self.confirmed || is_wanted(&channel);
            if !stays && place.empty {
                self.channels.remove(&channel);
                given_up.push(channel);
            } else {
                place.empty = !stays;
                self.round.push_back(channel);
            }
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn heard(channels: &[&str]) -> Asked {
        let mut asked = Asked::default();
        asked.begin(|_| false);
        asked.found();
        for channel in channels {
            let (channel, _) = asked.hold((*channel).into());
            asked.release(&channel);
        }
        let all = asked.next(usize::MAX).len();
        asked.confirm(all);
        asked
    }

    fn texts(channels: Vec<Arc<str>>) -> Vec<String> {
        channels.iter().map(ToString::to_string).collect()
    }

    /// Looks at all channels.
    fn look(asked: &mut Asked, inside: &[&str]) -> Vec<String> {
        texts(asked.look(1, |channel| inside.contains(&channel)))
    }

    fn next(asked: &mut Asked) -> Vec<String> {
        texts(asked.next(usize::MAX))
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn a_channel_is_asked_for_once_and_all_wait_for_the_same_number() {
        let mut asked = heard(&[]);
        let numbers = ["a", "b", "a"].map(|channel| asked.hold(channel.into()).1);
        assert_eq!(numbers, [1, 2, 1]);
        assert_eq!((texts(asked.next(1)), asked.confirm(1)), (vec!["a".into()], 1));
        assert_eq!((next(&mut asked), asked.confirm(1)), (vec!["b".into()], 2));
        assert_eq!(next(&mut asked), NONE);
    }

    #[test]
    fn a_room_that_is_empty_twice_in_a_row_is_given_up_unless_it_is_held_or_not_heard_yet() {
        let mut asked = heard(&["a", "b"]);
        let (held, _) = asked.hold("b".into());
        let (late, _) = asked.hold("late".into());
        asked.release(&late);
        assert_eq!(look(&mut asked, &[]), NONE);
        // Whoever joins and leaves again between two looks is seen by neither.
        let (again, _) = asked.hold("a".into());
        asked.release(&again);
        assert_eq!(look(&mut asked, &[]), NONE);
        assert_eq!(look(&mut asked, &[]), ["a"]);
        asked.release(&held);
        assert_eq!(look(&mut asked, &[]), NONE);
        assert_eq!(look(&mut asked, &[]), ["b"]);
        assert_eq!(next(&mut asked), ["late"], "which Redis was never asked for");
        asked.confirm(1);
        assert_eq!(look(&mut asked, &[]), NONE);
        assert_eq!(look(&mut asked, &["late"]), NONE, "somebody is in it again");
    }

    #[test]
    fn a_room_that_is_wanted_again_after_it_was_given_up_is_asked_for_again() {
        let mut asked = heard(&["a"]);
        look(&mut asked, &[]);
        assert_eq!(look(&mut asked, &[]), ["a"]);
        assert_eq!(asked.hold("a".into()).1, 2);
        assert_eq!(next(&mut asked), ["a"]);
    }

    #[test]
    fn nobody_waits_while_nothing_is_heard_and_a_new_connection_is_asked_for_all() {
        let mut asked = heard(&["a", "empty"]);
        let (_, waited_for) = asked.hold("b".into());
        assert!(asked.lost() >= waited_for);
        assert_eq!(asked.hold("c".into()).1, 0);
        asked.begin(|channel| channel == "a");
        assert_eq!(next(&mut asked), ["a", "b", "c"]);
        asked.found();
        assert_eq!(asked.confirm(3), asked.hold("c".into()).1);
    }

    proptest! {
        /// Whatever happens, Redis has exactly the channels in the books once it was asked for what waits.
        #[test]
        fn what_redis_was_asked_for_is_what_is_wanted(steps in prop::collection::vec((0..6u8, 0..4u8), 0..200)) {
            let mut asked = heard(&[]);
            let (mut redis, mut inside) = (BTreeSet::new(), BTreeSet::new());
            for (step, which) in steps {
                let channel: Arc<str> = which.to_string().into();
                match step {
                    0 => {
                        let (channel, _) = asked.hold(channel);
                        inside.insert(channel.clone());
                        asked.release(&channel);
                    }
                    1 => drop(inside.remove(&channel)),
                    2 => {
                        let next = asked.next(2);
                        asked.confirm(next.len());
                        redis.extend(next);
                    }
                    3 => {
                        redis.clear();
                        asked.begin(|channel| inside.contains(channel));
                        asked.found();
                    }
                    _ => for channel in asked.look(2, |channel| inside.contains(channel)) {
                        redis.remove(&channel);
                    },
                }
            }
            let rest = asked.next(usize::MAX);
            asked.confirm(rest.len());
            redis.extend(rest);
            prop_assert!(redis.is_superset(&inside), "{inside:?} of {redis:?}");
            for _ in 0..8 {
                for channel in asked.look(2, |channel| inside.contains(channel)) {
                    redis.remove(&channel);
                }
            }
            prop_assert_eq!(redis, inside);
        }
    }
}
