//! What changes: which alerts begin and which end, given those that are open and what is wrong. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Alert, Fact, Facts, Kind, State, Subject};

/// Over is what was not seen for so long, in milliseconds: a worker that is replaced says nothing for a moment.
const SETTLED: u64 = 10_000;
/// What workers call a route that they wait for.
const ROUTE: &str = "the route";

/// Decides.
#[derive(Debug, Default)]
pub struct Judge {
    /// What is open and was not seen, since when.
    missed: HashMap<String, u64>,
}

/// An alert that is open becomes another one, or there is a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// What it is known by.
    pub key: String,
    /// What it becomes.
    pub alert: Alert,
}

impl Judge {
    /// What changes now. `open` is what was told to begin or to end, by key; what ended leaves it when that is told.
    pub fn judge(&mut self, open: &BTreeMap<String, Alert>, facts: &Facts, now: u64) -> Vec<Move> {
        let wrong: HashSet<String> = facts.list.iter().map(|fact| fact.subject.key()).collect();
        let mut moves: Vec<Move> = facts.list.iter().filter_map(|fact| begins(open, fact)).collect();
        self.missed.retain(|key, _| open.contains_key(key) && !wrong.contains(key));
        for (key, alert) in open {
            if alert.state == State::Ends || wrong.contains(key) || !facts.knows(&alert.subject) {
                self.missed.remove(key);
                continue;
            }
            let since = *self.missed.entry(key.clone()).or_insert(now);
            if now.saturating_sub(since) >= SETTLED {
                moves.push(Move { key: key.clone(), alert: alert.ends(since) });
            }
        }
        moves
    }
}

fn begins(open: &BTreeMap<String, Alert>, fact: &Fact) -> Option<Move> {
    let key = fact.subject.key();
    (fact.told && !open.contains_key(&key)).then(|| Move { key, alert: Alert::begins(fact) })
}

impl Facts {
    /// Whether what is not among them is over.
    fn knows(&self, subject: &Subject) -> bool {
        match subject.kind {
            Kind::Waiting if subject.server.as_deref() == Some(ROUTE) => self.works,
            // Whoever waits for a route has the servers: it would name them first.
            Kind::Waiting => {
                let of_route = |fact: &Fact| fact.subject.server.as_deref() == Some(ROUTE);
                self.works || self.list.iter().any(of_route)
            }
            Kind::CrashLoop => self.slots_known,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Trouble;

    fn fact(told: bool) -> Fact {
        let trouble =
            Trouble { grave: true, what: "Waiting.".into(), why: Some("No.".into()), advice: "Mend.".into() };
        let subject = Subject { server: Some("MySQL".into()), ..Subject::of(Kind::Waiting) };
        Fact { subject, since: 1_000_000, told, trouble }
    }

    fn facts(list: Vec<Fact>) -> Facts {
        Facts::certain(list)
    }

    /// What is open after a judgement.
    fn after(open: &mut BTreeMap<String, Alert>, judge: &mut Judge, facts: &Facts, now: u64) -> Vec<State> {
        let moves = judge.judge(open, facts, now);
        let states = moves.iter().map(|one| one.alert.state).collect();
        open.extend(moves.into_iter().map(|one| (one.key, one.alert)));
        states
    }

    #[test]
    fn it_begins_once_when_it_is_to_be_told_and_ends_once_when_it_is_over() {
        let (mut open, mut judge) = (BTreeMap::new(), Judge::default());
        let mut at = |now, list| after(&mut open, &mut judge, &facts(list), now);
        assert_eq!(at(1_010_000, vec![fact(false)]), []);
        assert_eq!(at(1_060_000, vec![fact(true)]), [State::Begins]);
        assert_eq!(at(1_062_000, vec![fact(true)]), []);
        // Not seen, but not for long enough; and wrong again, but not for long enough to begin.
        assert_eq!(at(1_064_000, vec![]), []);
        assert_eq!(at(1_072_000, vec![fact(false)]), []);
        assert_eq!(at(1_080_000, vec![]), []);
        assert_eq!(at(1_089_000, vec![]), []);
        assert_eq!(at(1_090_000, vec![]), [State::Ends]);
        assert_eq!(at(1_120_000, vec![]), []);
        let ended = open.into_values().next().unwrap();
        assert_eq!(
            (ended.lasted_seconds, &*ended.text),
            (Some(80), "No longer waiting for MySQL, after 1 min 20 s.")
        );
    }

    #[test]
    fn a_judge_that_comes_later_tells_no_second_beginning_and_tells_the_end() {
        let mut open = BTreeMap::new();
        after(&mut open, &mut Judge::default(), &facts(vec![fact(true)]), 1_060_000);
        let begun = open.values().next().unwrap().clone();
        let mut judge = Judge::default();
        assert_eq!(after(&mut open, &mut judge, &facts(vec![fact(true)]), 2_000_000), []);
        assert_eq!(after(&mut open, &mut judge, &facts(vec![]), 2_002_000), []);
        assert_eq!(after(&mut open, &mut judge, &facts(vec![]), 2_012_000), [State::Ends]);
        let ended = open.values().next().unwrap();
        assert_eq!((&ended.alert, ended.lasted_seconds), (&begun.alert, Some(1_002)));
    }

    #[test]
    fn nothing_ends_while_nobody_knows() {
        let mut open = BTreeMap::new();
        let mut judge = Judge::default();
        after(&mut open, &mut judge, &facts(vec![fact(true)]), 1_060_000);
        let nobody = Facts::default();
        assert_eq!(after(&mut open, &mut judge, &nobody, 1_062_000), []);
        assert_eq!(after(&mut open, &mut judge, &nobody, 9_000_000), []);
        assert_eq!(
            after(&mut open, &mut judge, &facts(vec![]), 9_002_000),
            [],
            "only now it begins to be known"
        );
    }

    #[test]
    fn who_waits_for_a_route_knows_that_the_servers_are_there_and_not_the_other_way_round() {
        let of = |server: &str| Fact {
            subject: Subject { server: Some(server.into()), ..fact(true).subject },
            ..fact(true)
        };
        let ends = |was: &str, is: &str| {
            let (mut open, mut judge) = (BTreeMap::new(), Judge::default());
            let only = |server| Facts { list: vec![of(server)], ..Facts::default() };
            after(&mut open, &mut judge, &only(was), 1_060_000);
            after(&mut open, &mut judge, &only(is), 1_062_000);
            after(&mut open, &mut judge, &only(is), 1_072_000).contains(&State::Ends)
        };
        assert!(ends("MySQL", "the route") && !ends("the route", "MySQL"));
    }

    #[test]
    fn what_is_wrong_again_begins_anew_when_its_end_was_told() {
        let (mut open, mut judge) = (BTreeMap::new(), Judge::default());
        let mut ended = Alert::begins(&fact(true)).ends(2_000_000);
        ended.lasted_seconds = Some(1);
        open.insert(fact(true).subject.key(), ended);
        assert_eq!(after(&mut open, &mut judge, &facts(vec![fact(true)]), 3_000_000), []);
        open.clear();
        assert_eq!(after(&mut open, &mut judge, &facts(vec![fact(true)]), 3_000_000), [State::Begins]);
    }
}
