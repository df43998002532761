//! How it is said: the dashboard and whoever is called read the same sentences.

use time::OffsetDateTime;

use super::{Kind, Subject};
use crate::{
    status::{Queue, Trouble, advice, jobs_wait, thousands},
    telemetry::clock,
};

/// The text of a message when something begins: what it is, and why.
pub(super) fn beginning(trouble: &Trouble) -> String {
    match &trouble.why {
        Some(why) => format!("{} {why}", trouble.what),
        None => trouble.what.clone(),
    }
}

/// The text of a message when it is over.
pub(super) fn ending(subject: &Subject, lasted: u64) -> String {
    let length = length(lasted);
    let server = subject.server.as_deref().unwrap_or("Redis");
    let queue = subject.queue.as_deref().unwrap_or_default();
    match subject.kind {
        Kind::Waiting => format!("No longer waiting for {server}, after {length}."),
        Kind::RedisAway => format!("Redis is back, after {length}."),
        Kind::QueueNotEmpty => format!("Queue {queue:?} was empty again, after {length}."),
        Kind::DeadLetters => format!("Queue {queue:?} makes fewer dead letters again, after {length}."),
        Kind::CrashLoop => {
            format!("{} is no longer replaced again and again, after {length}.", slot(subject))
        }
        Kind::Test => format!("The test is over, after {length}."),
    }
}

pub(super) fn queue_not_empty(queue: &Queue, since: u64) -> Trouble {
    let jobs = jobs_wait(queue.audit.waiting + queue.audit.suspects);
    let at =
        OffsetDateTime::from_unix_timestamp((since / 1_000) as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let what = format!("Queue {:?} has not been empty since {} UTC: {jobs}.", queue.queue, clock(at));
    let advice = match queue.audit.paused {
        true => format!("It is paused. {}", advice::paused(&queue.queue)),
        false => "More is pushed than is taken, or nothing is: `rowcast status` tells which. More workers \
                  (ROWCAST_WORKERS, or another host) take more."
            .to_owned(),
    };
    Trouble { grave: false, what, why: None, advice }
}

pub(super) fn dead_letters(queue: &str, letters: u64) -> Trouble {
    let became = match letters {
        1 => "1 job became a dead letter".to_owned(),
        letters => format!("{} jobs became dead letters", thousands(letters)),
    };
    let what = format!("Queue {queue:?}: {became} within a minute.");
    Trouble { grave: false, what, why: None, advice: advice::dead_letters(queue) }
}

pub(super) fn crash_loop(subject: &Subject, times: u64) -> Trouble {
    let what = format!("{} was replaced {times} times within 5 minutes.", slot(subject));
    let role = subject.role.as_deref().unwrap_or_default();
    let advice = advice::crash_loop(role, subject.slot.unwrap_or_default(), subject.host.as_deref());
    Trouble { grave: false, what, why: None, advice }
}

fn slot(subject: &Subject) -> String {
    let host = subject.host.as_deref().map(|host| format!(" on {host}")).unwrap_or_default();
    let slot = subject.slot.unwrap_or_default();
    format!("The {} in slot {slot}{host}", subject.role.as_deref().unwrap_or("process"))
}

/// `8 s`, `5 min 12 s`, `3 h 20 min`, `2 d 4 h`.
fn length(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_two_units() {
        let told = [8, 312, 12_000, 187_200].map(length);
        assert_eq!(told, ["8 s", "5 min 12 s", "3 h 20 min", "2 d 4 h"]);
    }

    #[test]
    fn a_slot_is_named_with_its_host() {
        let subject = Subject {
            host: Some("db1".into()),
            role: Some("worker".into()),
            slot: Some(2),
            ..Subject::of(Kind::CrashLoop)
        };
        assert_eq!(
            crash_loop(&subject, 6).what,
            "The worker in slot 2 on db1 was replaced 6 times within 5 minutes."
        );
        let over = ending(&subject, 60);
        assert_eq!(
            over,
            "The worker in slot 2 on db1 is no longer replaced again and again, after 1 min 0 s."
        );
    }
}
