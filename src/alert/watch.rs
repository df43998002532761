//! What is wrong, found in one reading of Redis after the other. Pure: the time is an argument, in milliseconds since
//! 1970.
//!
//! What is known of the past is what this process has seen. So nothing is called over that it has not watched for long
//! enough to know.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use super::{Kind, Subject, words};
use crate::{
    config::AlertRules,
    status::{Life, Queue, Status, Trouble, WaitedFor},
};

const MINUTE: u64 = 60_000;
/// How long restarts of a slot are counted, and how long there must be none.
const RESTARTS_WITHIN: u64 = 5 * MINUTE;
/// Longer than a supervisor waits between two tries, with the time that a process has to start.
const QUIET: u64 = 3 * MINUTE;

/// What was seen so far.
#[derive(Debug, Default)]
pub struct Watch {
    rules: AlertRules,
    /// For whom workers wait, since when.
    waits: BTreeMap<String, u64>,
    queues: BTreeMap<String, QueueSeen>,
    slots: BTreeMap<String, (Subject, Steps)>,
    /// When the first reading was.
    began: Option<u64>,
}

#[derive(Debug, Default)]
struct QueueSeen {
    waiting_since: Option<u64>,
    dead: Steps,
}

/// What one reading says.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What is wrong, or not known to be right.
    pub list: Vec<Fact>,
    /// Whether a worker is at work, who would know of what is away.
    pub works: bool,
    /// Whether the slots were watched for long enough to know of one that it is quiet.
    pub slots_known: bool,
}

/// Something that is wrong.
#[derive(Debug, Clone)]
pub struct Fact {
    /// What.
    pub subject: Subject,
    /// Since when.
    pub since: u64,
    /// Whether it is to be told: it has been wrong for long enough. What is not may begin or end soon.
    pub told: bool,
    /// How it is told.
    pub trouble: Trouble,
}

impl Facts {
    /// These, and nothing else is wrong.
    pub fn certain(facts: impl IntoIterator<Item = Fact>) -> Self {
        Self { list: facts.into_iter().collect(), works: true, slots_known: true }
    }
}

impl Watch {
    /// One that has seen nothing yet.
    pub fn new(rules: AlertRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Takes in a reading. Also puts into each queue since when it has not been seen empty.
    pub fn see(&mut self, now: u64, status: &mut Status) -> Facts {
        let mut list = self.waits(now, status);
        for queue in &mut status.queues {
            list.extend(self.queue(now, queue));
        }
        list.extend(self.slots(now, status));
        let began = *self.began.get_or_insert(now);
        Facts {
            list,
            works: status.anybody_goes_on(),
            slots_known: began.min(now).saturating_add(QUIET) <= now,
        }
    }

    /// Redis has not answered since then.
    pub fn redis_away(&self, now: u64, since: u64, trouble: Trouble) -> Option<Fact> {
        let told = passed(since, now, self.rules.wait?);
        let subject = Subject { server: Some("Redis".to_owned()), ..Subject::of(Kind::RedisAway) };
        Some(Fact { subject, since, told, trouble })
    }

    fn waits(&mut self, now: u64, status: &Status) -> Vec<Fact> {
        let mut waits = status.waited_for();
        // Whoever tells of Redis through Redis tells of what is over.
        waits.retain(|one| one.server != "Redis");
        self.waits.retain(|server, _| waits.iter().any(|one| one.server == *server));
        let Some(wait) = self.rules.wait else { return Vec::new() };
        let mut fact = |WaitedFor { server, since, trouble }: WaitedFor| {
            let since = *self.waits.entry(server.clone()).or_insert_with(|| time_at(&since, now));
            let subject = Subject { server: Some(server), ..Subject::of(Kind::Waiting) };
            Fact { subject, since, told: passed(since, now, wait), trouble }
        };
        waits.into_iter().map(&mut fact).collect()
    }

    fn queue(&mut self, now: u64, queue: &mut Queue) -> Vec<Fact> {
        let seen = self.queues.entry(queue.queue.clone()).or_default();
        let name = queue.queue.clone();
        let of = |kind| Subject { queue: Some(name.clone()), ..Subject::of(kind) };
        // Nothing is known of one that cannot be read; that is another trouble.
        if queue.problem.is_none() {
            let waits = queue.audit.waiting + queue.audit.suspects > 0;
            seen.waiting_since = waits.then(|| seen.waiting_since.unwrap_or(now).min(now));
            seen.dead.add(now, queue.audit.dead, MINUTE);
        }
        queue.waiting_since = seen.waiting_since;
        let mut facts = Vec::new();
        if let (Some(most), Some(since)) = (self.rules.queue, seen.waiting_since) {
            let trouble = words::queue_not_empty(queue, since);
            let told = passed(since, now, most) && queue.problem.is_none();
            facts.push(Fact { subject: of(Kind::QueueNotEmpty), since, told, trouble });
        }
        if let Some(most) = self.rules.dead_per_minute {
            let letters = seen.dead.within(now, MINUTE);
            // Half of it ends what the whole began, so that it does not come and go.
            if letters >= most.div_ceil(2) || !seen.dead.watched(now, MINUTE) || queue.problem.is_some() {
                let trouble = words::dead_letters(&queue.queue, letters);
                let told = letters >= most && queue.problem.is_none();
                facts.push(Fact {
                    subject: of(Kind::DeadLetters),
                    since: seen.dead.first(now),
                    told,
                    trouble,
                });
            }
        }
        facts
    }

    fn slots(&mut self, now: u64, status: &Status) -> Vec<Fact> {
        let Some(most) = self.rules.restarts else { return Vec::new() };
        let mut counts: BTreeMap<String, (Subject, u64)> = BTreeMap::new();
        for (role, life) in status.lives() {
            let Some((subject, restarts)) = restarts(role, life) else { continue };
            // While one replaces another there are two in it: the newer one knows.
            let (_, count) = counts.entry(subject.key()).or_insert((subject, 0));
            *count = restarts.max(*count);
        }
        for (key, (subject, count)) in counts {
            let (_, steps) = self.slots.entry(key).or_insert_with(|| (subject, Steps::default()));
            steps.add(now, count, RESTARTS_WITHIN);
        }
        // One that is gone for long is no slot any more.
        self.slots.retain(|_, (_, steps)| steps.seen.saturating_add(RESTARTS_WITHIN) > now);
        let fact = |(subject, steps): &(Subject, Steps)| {
            let times = steps.within(now, RESTARTS_WITHIN);
            let unsure = steps.within(now, QUIET) > 0 || !steps.watched(now, QUIET);
            let trouble = words::crash_loop(subject, times);
            let told = times >= most && steps.within(now, QUIET) > 0;
            unsure.then(|| Fact { subject: subject.clone(), since: steps.first(now), told, trouble })
        };
        self.slots.values().filter_map(fact).collect()
    }
}

fn restarts(role: &str, life: &Life) -> Option<(Subject, u64)> {
    let slot = life.slot.filter(|_| life.alive)?;
    let subject = Subject {
        host: life.host.clone(),
        role: Some(role.to_owned()),
        slot: Some(slot),
        ..Subject::of(Kind::CrashLoop)
    };
    Some((subject, life.restarts?))
}

/// A count that only grows, and when it did of late.
#[derive(Debug, Default)]
struct Steps {
    /// The count, and when it was read last and first.
    count: Option<u64>,
    seen: u64,
    began: u64,
    steps: VecDeque<(u64, u64)>,
}

impl Steps {
    fn add(&mut self, now: u64, count: u64, kept: u64) {
        // A clock that was put back makes steps of a time that is still to come.
        self.steps.retain(|(at, _)| *at <= now && at.saturating_add(kept) > now);
        match self.count {
            None => self.began = now,
            // Whatever counted was made anew when there is less than before.
            Some(before) if count > before => self.steps.push_back((now, count - before)),
            Some(_) => {}
        }
        (self.count, self.seen, self.began) = (Some(count), now, self.began.min(now));
    }

    fn within(&self, now: u64, time: u64) -> u64 {
        let recent = self.steps.iter().filter(|(at, _)| at.saturating_add(time) > now);
        recent.map(|(_, number)| number).sum()
    }

    fn watched(&self, now: u64, time: u64) -> bool {
        self.count.is_some() && self.began.saturating_add(time) <= now
    }

    fn first(&self, now: u64) -> u64 {
        self.steps.front().map_or(now, |(at, _)| *at)
    }
}

fn passed(since: u64, now: u64, time: Duration) -> bool {
    u128::from(now.saturating_sub(since)) >= time.as_millis()
}

/// The last time before now at which clocks showed this, in UTC: `12:03:04`. Workers tell no day.
fn time_at(clock: &str, now: u64) -> u64 {
    const DAY: u64 = 24 * 60 * MINUTE;
    let mut numbers = clock.splitn(3, ':').map(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().flatten();
    let (Some(hours), Some(minutes), Some(seconds)) = (next(), next(), next()) else { return now };
    let today = now - now % DAY + (hours * 3_600 + minutes * 60 + seconds) * 1_000;
    // Clocks differ a little: what is a minute ahead is now, and not a day ago.
    if today > now + MINUTE { today.saturating_sub(DAY) } else { today.min(now) }
}

#[cfg(test)]
mod tests;
