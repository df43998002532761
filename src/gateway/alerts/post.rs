//! The messages that are to be sent, how often each was tried, and when it is tried again. Pure: the time is an
//! argument.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use super::{super::allowance::Allowance, entry::Entry};
use crate::{alert::State, backoff::Backoff};

/// For how long a message is tried.
const TRIED: Duration = Duration::from_secs(10 * 60);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Without anything to send there is nothing to wait for but news.
const IDLE: Duration = Duration::from_secs(60);

/// A message to be sent.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub(super) key: String,
    /// What stands in the book; `None` where it is in none.
    pub(super) before: Option<String>,
    pub(super) entry: Entry,
}

/// What became of a try.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The receiver has it, and knows of so many that were left out.
    Taken {
        /// So many.
        left_out: u64,
    },
    /// It does not, for this reason.
    Refused(String),
    /// It was not tried.
    LeftOut,
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Post {
    /// What stands in the book and is to be sent, with its text there; nothing where another gateway sends.
    pub(super) of_all: BTreeMap<String, (String, Entry)>,
    /// What this gateway has to say of Redis, told or not.
    pub(super) of_redis: BTreeMap<String, Entry>,
    /// How many were not sent since the last one that was.
    pub(super) left_out: u64,
    allowance: Allowance,
    tries: HashMap<String, Tries>,
}

/// What is known of one message.
#[derive(Debug)]
struct Tries {
    since: Instant,
    next: Instant,
    backoff: Backoff,
    /// It needs no try any more, and whether it was left out.
    settled: Option<bool>,
}

impl Post {
    pub(super) fn new(per_minute: u32, now: Instant) -> Self {
        Self {
            of_all: BTreeMap::new(),
            of_redis: BTreeMap::new(),
            left_out: 0,
            allowance: Allowance::per_minute(per_minute, now),
            tries: HashMap::new(),
        }
    }

    /// The message that is due first, or how long until one may be.
    ///
    /// # Errors
    /// How long.
    pub(super) fn next(&mut self, now: Instant) -> Result<Parcel, Duration> {
        let of_all = self.of_all.iter().map(|(key, (text, entry))| (key, Some(text), entry));
        let of_redis = self.of_redis.iter().map(|(key, entry)| (key, None, entry));
        let due = |entry: &Entry| match self.tries.get(&entry.alert.id) {
            None => Some(now),
            Some(tries) => tries.settled.is_none().then_some(tries.next),
        };
        let untold = of_all.chain(of_redis).filter(|(_, _, entry)| !entry.told);
        let first = untold.filter_map(|one| Some((due(one.2)?, one))).min_by_key(|(due, _)| *due);
        match first {
            Some((due, (key, before, entry))) if due <= now => {
                Ok(Parcel { key: key.clone(), before: before.cloned(), entry: entry.clone() })
            }
            Some((due, _)) => Err(due.duration_since(now)),
            None => Err(IDLE),
        }
    }

    /// Whether a message may be sent. One that was tried before may, and so may an end: whoever was told the beginning
    /// would wait for it.
    pub(super) fn may_send(&mut self, parcel: &Parcel, now: Instant) -> bool {
        let begins = parcel.entry.alert.state == State::Begins;
        self.tries.contains_key(&parcel.entry.alert.id) || !begins || self.allowance.take(now)
    }

    /// Takes in what became of a try. Says whether there will be no other.
    pub(super) fn ended(&mut self, parcel: &mut Parcel, outcome: Outcome, now: Instant) -> bool {
        let id = &parcel.entry.alert.id;
        let tries = self.tries.entry(id.clone()).or_insert_with(|| Tries::new(now));
        let settled = match outcome {
            Outcome::Taken { left_out } => {
                self.left_out = self.left_out.saturating_sub(left_out);
                if tries.backoff.attempts() > 0 {
                    tracing::info!(alert = id, "an alert was taken after all");
                }
                Some(false)
            }
            Outcome::LeftOut => {
                self.left_out += 1;
                tracing::warn!(
                    alert = id,
                    text = parcel.entry.alert.text,
                    "an alert is not sent: they are too many"
                );
                Some(true)
            }
            Outcome::Refused(why) if now.duration_since(tries.since) >= TRIED => {
                self.left_out += 1;
                tracing::warn!(alert = id, text = parcel.entry.alert.text, "an alert is given up: {why}");
                Some(false)
            }
            Outcome::Refused(why) => {
                if tries.backoff.attempts() == 0 {
                    tracing::warn!(alert = id, "an alert was not taken, and is tried again: {why}");
                }
                tries.next = now + tries.backoff.next(fastrand::f64());
                None
            }
        };
        tries.settled = settled;
        if let Some(left_out) = settled {
            parcel.entry.left_out = left_out;
            self.settle(parcel);
        }
        settled.is_some()
    }

    fn settle(&mut self, parcel: &Parcel) {
        if parcel.before.is_some() {
            return;
        }
        // It may be another message by now.
        let same =
            self.of_redis.get(&parcel.key).is_some_and(|entry| entry.alert.id == parcel.entry.alert.id);
        match parcel.entry.settled() {
            Some(entry) if same => drop(self.of_redis.insert(parcel.key.clone(), entry)),
            None if same => drop(self.of_redis.remove(&parcel.key)),
            _ => {}
        }
    }

    /// Those that stand in the book as not told, and need no try any more. Forgets what is not in the book.
    pub(super) fn sent_of(&mut self, entries: &BTreeMap<String, (String, Entry)>) -> Vec<Parcel> {
        let of_redis: Vec<&String> = self.of_redis.values().map(|entry| &entry.alert.id).collect();
        let known =
            |id: &String| entries.values().any(|(_, entry)| entry.alert.id == *id) || of_redis.contains(&id);
        self.tries.retain(|id, _| known(id));
        // What was forgotten just now is not sent a second time.
        self.of_all.retain(|key, (text, _)| entries.get(key).is_some_and(|(now, _)| now == text));
        let sent = |(key, (text, entry)): (&String, &(String, Entry))| {
            let left_out = self.tries.get(&entry.alert.id).filter(|_| !entry.told)?.settled?;
            let entry = Entry { left_out, ..entry.clone() };
            Some(Parcel { key: key.clone(), before: Some(text.clone()), entry })
        };
        entries.iter().filter_map(sent).collect()
    }
}

impl Tries {
    fn new(now: Instant) -> Self {
        Self { since: now, next: now, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT), settled: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Alert;

    fn post(messages: usize) -> (Post, Instant) {
        let now = Instant::now();
        let mut post = Post::new(2, now);
        for n in 0..messages {
            let entry = Entry::new(Alert::test(n as u64));
            post.of_all.insert(n.to_string(), (entry.text(), entry));
        }
        (post, now)
    }

    fn sent(post: &mut Post, outcome: Outcome, now: Instant) -> bool {
        let mut parcel = post.next(now).unwrap();
        let settled = post.ended(&mut parcel, outcome, now);
        if settled {
            post.of_all.remove(&parcel.key);
        }
        settled
    }

    #[test]
    fn what_is_refused_is_tried_later_and_later_and_given_up() {
        let (mut post, start) = post(1);
        let mut now = start;
        let mut waits = Vec::new();
        while !sent(&mut post, Outcome::Refused("no".into()), now) {
            let wait = post.next(now).unwrap_err();
            waits.push(wait);
            now += wait;
        }
        assert!((10..40).contains(&waits.len()), "{waits:?}");
        assert!(waits[0] <= FIRST_WAIT && waits.iter().all(|wait| *wait <= LONGEST_WAIT), "{waits:?}");
        assert!(now - start >= TRIED && now - start < TRIED + LONGEST_WAIT);
        assert_eq!((post.left_out, post.next(now).unwrap_err()), (1, IDLE));
    }

    #[test]
    fn one_that_is_refused_does_not_hold_up_the_next() {
        let (mut post, now) = post(2);
        let first = post.next(now).unwrap().key;
        assert!(!sent(&mut post, Outcome::Refused("no".into()), now));
        assert_ne!(post.next(now).unwrap().key, first);
    }

    #[test]
    fn more_than_so_many_in_a_minute_are_left_out_and_the_next_one_says_how_many() {
        let (mut post, now) = post(5);
        let mut allowed = 0;
        while let Ok(mut parcel) = post.next(now) {
            let may = post.may_send(&parcel, now);
            allowed += usize::from(may);
            let outcome = if may { Outcome::Taken { left_out: 0 } } else { Outcome::LeftOut };
            assert!(post.ended(&mut parcel, outcome, now));
        }
        assert_eq!((allowed, post.left_out), (2, 3));
        // Their end is nobody's news.
        let entries = post.of_all.clone();
        let settled = post.sent_of(&entries);
        let unheard = settled.iter().filter(|parcel| {
            let ends = parcel.entry.alert.ends(9);
            Entry::after(Some(&parcel.entry), ends).is_none()
        });
        assert_eq!((settled.len(), unheard.count()), (5, 3));
        let later = now + Duration::from_secs(31);
        let entry = Entry::new(Alert::test(9));
        post.of_all = BTreeMap::from([("9".to_owned(), (entry.text(), entry))]);
        let mut parcel = post.next(later).unwrap();
        assert!(post.may_send(&parcel, later));
        post.ended(&mut parcel, Outcome::Taken { left_out: 3 }, later);
        assert_eq!(post.left_out, 0);
    }
}
