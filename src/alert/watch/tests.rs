//! What is told after which readings.

use super::*;
use crate::{
    queue::{Audit, Member},
    route::Route,
    status::Cluster,
};

const T0: u64 = 1_700_000_000_000;

fn worker(fields: &[(&str, &str)]) -> Member {
    let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Member { id: "01J".into(), fields, left: Duration::from_secs(15) }
}

fn status(workers: Vec<Member>, audit: Result<Audit, String>) -> Status {
    let queues = vec![((&Route::original()).into(), audit)];
    Status::now(&Cluster { workers, gateways: Vec::new(), queues, windows: BTreeMap::new() })
}

/// What is told of this kind by the readings, each given with its seconds since the first.
fn told(kind: Kind, readings: Vec<(u64, Status)>) -> Vec<Option<bool>> {
    let mut watch = Watch::new(AlertRules::default());
    let see = |(seconds, mut status): (u64, Status)| {
        let facts = watch.see(T0 + seconds * 1_000, &mut status);
        facts.list.into_iter().find(|fact| fact.subject.kind == kind).map(|fact| fact.told)
    };
    readings.into_iter().map(see).collect()
}

fn waiting(waiting: u64) -> Status {
    status(Vec::new(), Ok(Audit { waiting, ..Audit::default() }))
}

#[test]
fn a_queue_is_told_when_it_was_never_seen_empty_for_long_enough() {
    let readings = vec![
        (0, waiting(0)),
        (2, waiting(7)),
        (500, waiting(1)),
        (502, waiting(0)),
        (504, waiting(3)),
        (1_103, waiting(2)),
        (1_104, waiting(9)),
        (1_106, status(Vec::new(), Err("unreadable".into()))),
        (1_108, waiting(0)),
    ];
    let expected =
        [None, Some(false), Some(false), None, Some(false), Some(false), Some(true), Some(false), None];
    assert_eq!(told(Kind::QueueNotEmpty, readings), expected);
}

#[test]
fn since_when_a_queue_has_not_been_empty_is_put_into_it_and_into_the_sentence() {
    let mut watch = Watch::new(AlertRules::default());
    let mut see = |seconds: u64, mut status: Status| {
        let facts = watch.see(T0 + seconds * 1_000, &mut status);
        (status.queues[0].waiting_since, facts.list.into_iter().map(|fact| fact.trouble.what).next())
    };
    let first = see(1, waiting(1_234));
    let what = "Queue \"message\" has not been empty since 22:13:21 UTC: 1,234 jobs wait.";
    assert_eq!(first, (Some(T0 + 1_000), Some(what.to_owned())));
    assert_eq!(see(9, waiting(1)).0, Some(T0 + 1_000));
    assert_eq!(see(11, waiting(0)).0, None);
    let suspects = status(Vec::new(), Ok(Audit { suspects: 1, ..Audit::default() }));
    assert_eq!(see(13, suspects).0, Some(T0 + 13_000));
}

fn dead(dead: u64) -> Status {
    status(Vec::new(), Ok(Audit { dead, claimed: 1, ..Audit::default() }))
}

#[test]
fn dead_letters_are_told_by_their_rate_and_half_of_it_ends_that() {
    let readings = vec![
        (0, dead(1_000)),
        // Watched for less than a minute, it may be more than is seen.
        (2, dead(1_004)),
        (30, dead(1_010)),
        (70, dead(1_010)),
        (89, dead(1_010)),
        (91, dead(1_010)),
        // Deleted counters are no letters, and what comes after them is.
        (93, dead(0)),
        (95, dead(10)),
    ];
    let expected = [false, false, true, false, false].map(Some).into_iter().chain([None, None, Some(true)]);
    assert_eq!(told(Kind::DeadLetters, readings), expected.collect::<Vec<_>>());
}

fn restarts(restarts: &str) -> Status {
    let fields = [("state", "working"), ("host", "h"), ("slot", "2"), ("restarts", restarts)];
    status(vec![worker(&fields)], Ok(Audit::default()))
}

#[test]
fn a_slot_is_told_when_its_process_is_replaced_again_and_again_until_it_is_quiet() {
    let readings = vec![
        (0, restarts("40")),
        (2, restarts("41")),
        (10, restarts("44")),
        // Its supervisor was started anew.
        (12, restarts("0")),
        (20, restarts("1")),
        (199, restarts("1")),
        (200, restarts("1")),
        (202, restarts("5")),
        (204, restarts("6")),
    ];
    let expected = [
        Some(false),
        Some(false),
        Some(false),
        Some(false),
        Some(true),
        Some(true),
        None,
        Some(true),
        Some(true),
    ];
    assert_eq!(told(Kind::CrashLoop, readings), expected);
}

#[test]
fn who_has_not_watched_for_long_does_not_know_of_slots() {
    let mut watch = Watch::new(AlertRules::default());
    assert!(!watch.see(T0, &mut restarts("0")).slots_known);
    assert!(!watch.see(T0 + 179_000, &mut restarts("0")).slots_known);
    assert!(watch.see(T0 + 180_000, &mut restarts("0")).slots_known);
}

fn waits(since: &str) -> Status {
    let waiting = format!("waiting for MySQL since {since}, connection refused");
    status(vec![worker(&[("state", "waiting"), ("waiting", &waiting)])], Ok(Audit::default()))
}

#[test]
fn who_waits_for_long_is_told_since_the_time_that_workers_tell() {
    // At 22:13:20.
    let readings = vec![(0, waits("22:12:30")), (9, waits("22:12:30")), (10, waits("22:12:35"))];
    assert_eq!(told(Kind::Waiting, readings), [Some(false), Some(false), Some(true)]);
    let mut watch = Watch::new(AlertRules::default());
    let facts = watch.see(T0, &mut waits("22:12:30"));
    assert_eq!((facts.list[0].since, facts.works), (T0 - 50_000, false));
    assert!(watch.see(T0, &mut restarts("0")).works);
    let redis = "waiting for Redis since 22:12:30, away";
    let of_redis = status(vec![worker(&[("waiting", redis)])], Ok(Audit::default()));
    assert_eq!(told(Kind::Waiting, vec![(600, of_redis)]), [None]);
}

#[test]
fn a_time_of_day_is_the_last_one() {
    let midnight = T0 - T0 % 86_400_000;
    assert_eq!(time_at("00:00:01", midnight + 5_000), midnight + 1_000);
    assert_eq!(time_at("23:59:59", midnight + 5_000), midnight - 1_000);
    assert_eq!(time_at("00:00:30", midnight + 5_000), midnight + 5_000, "a clock that is ahead a little");
    assert_eq!(time_at("soon", midnight), midnight);
}

#[test]
fn what_is_set_to_zero_is_never_told() {
    let never = AlertRules { wait: None, queue: None, dead_per_minute: None, restarts: None };
    let mut watch = Watch::new(never);
    watch.see(T0, &mut waits("10:00:00"));
    let mut all = waits("10:00:00");
    all.queues[0].audit = Audit { waiting: 5, dead: 500, ..Audit::default() };
    let facts = watch.see(T0 + 86_400_000, &mut all);
    assert!(facts.list.is_empty(), "{:?}", facts.list);
    let trouble = Trouble { grave: true, what: String::new(), why: None, advice: String::new() };
    assert!(watch.redis_away(T0, 0, trouble).is_none());
    assert_eq!(all.queues[0].waiting_since, Some(T0 + 86_400_000));
}
