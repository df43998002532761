//! The moves between lists, one request at a time on a real Redis: what a late or a repeated one may not do.
//!
//! The model checks that these rules suffice; here stands that the scripts keep them.

pub(crate) mod dead;
mod last_minute;

use redis::aio::MultiplexedConnection;
use rowcast::{
    config::SecretUrl,
    queue::{Admin, Blame, Claim, Claimed, Events, Limits, Link, Mark, Marks, Queue, Settlement, When},
};

use super::support::{Env, PATIENCE};

const LIMITS: Limits = Limits { jobs: 100, bytes: 1 << 20 };

/// A queue as one worker and as an operator see it.
async fn start() -> (Env, Queue, Admin) {
    let env = Env::new().await;
    let link = Link::new(&SecretUrl::new(&env.redis_url)).unwrap();
    let (queue, admin) = (Queue::new(&env.queue, "t", "W", link.clone()), Admin::new(&env.queue, link));
    (env, queue, admin)
}

async fn claim(queue: &Queue, seq: u64, limits: Limits, when: When) -> Claim {
    match queue.claim(seq, limits, when).await.unwrap() {
        Claimed::Jobs(claim) => claim,
        other => panic!("no claim: {other:?}"),
    }
}

/// Settles a claim with one row for each job, of these ids.
async fn settle(queue: &Queue, claim: Claim, ids: Option<(u64, u64)>) {
    let (rows, events) = (claim.jobs.len(), Events::default());
    let settlement =
        Settlement { claim, inserted: rows, duplicate: 0, rows, ids, letters: Vec::new(), events };
    assert!(queue.settle(settlement).await.unwrap(), "it was the first");
}

/// What the mark of a table says: the highest settled id, and the lowest of those the open claims were made at.
async fn mark(env: &Env, table: &str) -> (Option<u64>, Option<u64>) {
    let heard = env.subscribe("marks").await;
    let marks = Marks::new(Link::new(&SecretUrl::new(&env.redis_url)).unwrap(), "marks");
    marks.ask(&env.queue, table, "token").await.unwrap();
    let message = heard.at_least(1, PATIENCE).await.remove(0);
    let mark = Mark::parse(&message.payload).unwrap();
    assert_eq!(mark.token, "token");
    (mark.highest, mark.lowest)
}

#[tokio::test]
async fn a_mark_is_held_by_a_claim_at_what_was_settled_when_it_was_made() {
    let (env, queue, _) = start().await;
    env.push(&["a", "b", "c", "d"]).await;
    let one = Limits { jobs: 1, ..LIMITS };
    assert_eq!(mark(&env, "t").await, (None, None));
    let first = claim(&queue, 1, one, When::Next).await;
    assert_eq!(mark(&env, "t").await, (None, Some(0)));
    settle(&queue, first, Some((9, 9))).await;
    assert_eq!(mark(&env, "t").await, (Some(9), None));
    let second = claim(&queue, 2, one, When::Next).await;
    let third = claim(&queue, 3, one, When::Ahead).await;
    // As digits 10 is below 9.
    settle(&queue, third, Some((10, 12))).await;
    assert_eq!(mark(&env, "t").await, (Some(12), Some(9)));
    let fourth = claim(&queue, 4, one, When::Ahead).await;
    settle(&queue, second, Some((11, 11))).await;
    assert_eq!(mark(&env, "t").await, (Some(12), Some(12)), "the highest stays");
    queue.hand_back(fourth, Blame::Nobody).await.unwrap();
    assert_eq!(mark(&env, "t").await, (Some(12), None));
    let fifth = claim(&queue, 5, one, When::Next).await;
    assert_eq!(mark(&env, "t").await, (Some(12), Some(12)), "what was handed back gets new ids");
    settle(&queue, fifth, None).await;
    assert_eq!(mark(&env, "t").await, (Some(12), None), "its job gave the id itself");
}

#[tokio::test]
async fn ids_that_are_counted_anew_lower_the_mark_and_those_of_another_table_say_nothing() {
    let (env, queue, _) = start().await;
    env.push(&["a", "b", "c"]).await;
    let one = Limits { jobs: 1, ..LIMITS };
    settle(&queue, claim(&queue, 1, one, When::Next).await, Some((u64::MAX - 1, u64::MAX))).await;
    assert_eq!(mark(&env, "t").await, (Some(u64::MAX), None));
    settle(&queue, claim(&queue, 2, one, When::Next).await, Some((1, 2))).await;
    assert_eq!(mark(&env, "t").await, (Some(2), None), "the table was emptied");

    assert_eq!(mark(&env, "other").await, (None, None));
    let link = Link::new(&SecretUrl::new(&env.redis_url)).unwrap();
    let moved = Queue::new(&env.queue, "other", "V", link);
    let claim = claim(&moved, 1, one, When::Next).await;
    assert_eq!(mark(&env, "other").await, (None, Some(0)));
    settle(&moved, claim, Some((1, 1))).await;
    assert_eq!(mark(&env, "other").await, (Some(1), None));
    assert_eq!(mark(&env, "t").await, (None, None));
}

#[tokio::test]
async fn a_request_that_comes_late_for_an_ended_claim_takes_nothing() {
    let (env, queue, admin) = start().await;
    env.push(&["a"]).await;
    let first = claim(&queue, 1, LIMITS, When::Next).await;
    queue.hand_back(first, Blame::Nobody).await.unwrap();
    assert!(matches!(queue.claim(1, LIMITS, When::Next).await.unwrap(), Claimed::Stale));
    assert_eq!(admin.length().await.unwrap(), 1);
}

#[tokio::test]
async fn a_late_request_for_an_older_claim_does_not_open_the_way_for_an_ended_one() {
    let (env, queue, admin) = start().await;
    env.push(&["a"]).await;
    let first = claim(&queue, 1, LIMITS, When::Next).await;
    env.push(&["b"]).await;
    let second = claim(&queue, 2, LIMITS, When::Ahead).await;
    env.push(&["c"]).await;
    let again = claim(&queue, 1, LIMITS, When::Next).await;
    assert_eq!(again.jobs, [b"a", b"c"]);
    queue.hand_back(second, Blame::Nobody).await.unwrap();
    assert!(matches!(queue.claim(2, LIMITS, When::Next).await.unwrap(), Claimed::Stale));
    assert_eq!(admin.length().await.unwrap(), 1);
    first.leave_open();
    again.leave_open();
}

#[tokio::test]
async fn suspects_with_one_crash_are_claimed_together_never_ahead_and_those_with_two_alone() {
    let (env, queue, _) = start().await;
    env.push(&["a", "b", "c", "d"]).await;
    let first = claim(&queue, 1, Limits { jobs: 3, ..LIMITS }, When::Next).await;
    let second = claim(&queue, 2, LIMITS, When::Next).await;
    queue.hand_back(first, Blame::Crashed).await.unwrap();
    env.push(&["e"]).await;
    assert!(matches!(queue.claim(3, LIMITS, When::Ahead).await.unwrap(), Claimed::Empty));
    let together = claim(&queue, 3, Limits { jobs: 2, ..LIMITS }, When::Next).await;
    assert_eq!((together.jobs.as_slice(), together.crashes), ([b"a".to_vec(), b"b".to_vec()].as_slice(), 1));
    queue.hand_back(together, Blame::Crashed).await.unwrap();
    queue.hand_back(second, Blame::Crashed).await.unwrap();
    // Neither does one crash take two along, nor two one.
    for (seq, job, crashes) in [(4, b"d", 1), (5, b"a", 2), (6, b"b", 2), (7, b"c", 1), (8, b"e", 0)] {
        let alone = claim(&queue, seq, LIMITS, When::Next).await;
        assert_eq!((alone.jobs.as_slice(), alone.crashes), ([job.to_vec()].as_slice(), crashes));
        alone.leave_open();
    }
}

#[tokio::test]
async fn what_is_no_suspect_is_refused_before_any_is_moved_and_left_where_it_is_behind_others() {
    let (env, queue, admin) = start().await;
    let mut connection = env.redis_connection().await;
    let mut push = async |text: &str| {
        let key = queue.keys().suspects.clone();
        redis::cmd("LPUSH").arg(key).arg(text).query_async::<()>(&mut connection).await.unwrap();
    };
    push("1 a").await;
    push("b ad").await;
    let good = claim(&queue, 1, LIMITS, When::Next).await;
    assert_eq!((good.jobs.as_slice(), good.crashes), ([b"a".to_vec()].as_slice(), 1));
    queue.hand_back(good, Blame::Nobody).await.unwrap();
    let again = claim(&queue, 2, LIMITS, When::Next).await;
    again.leave_open();
    let refused = queue.claim(3, LIMITS, When::Next).await.unwrap_err();
    assert!(refused.to_string().contains("holds what is none: b ad"), "{refused}");
    assert_eq!(admin.audit().await.unwrap().suspects, 1);
}

#[tokio::test]
async fn at_most_64_suspects_are_claimed_together_and_no_more_bytes_than_a_claim_may_have() {
    let (env, queue, _) = start().await;
    let job = "x".repeat(100);
    env.push(&vec![job.as_str(); 200]).await;
    let limits = Limits { jobs: 200, ..LIMITS };
    let crashed = claim(&queue, 1, limits, When::Next).await;
    assert_eq!(crashed.jobs.len(), 200);
    queue.hand_back(crashed, Blame::Crashed).await.unwrap();
    let few = claim(&queue, 2, limits, When::Next).await;
    assert_eq!(few.jobs.len(), 64);
    few.leave_open();
    for (seq, bytes, jobs) in [(3, 1_050, 10), (4, 50, 1)] {
        let small = claim(&queue, seq, Limits { bytes, ..LIMITS }, When::Next).await;
        assert_eq!(small.jobs.len(), jobs);
        small.leave_open();
    }
}

#[tokio::test]
async fn settling_sends_back_what_reached_the_list_after_it_was_read() {
    let (env, queue, admin) = start().await;
    env.push(&["a"]).await;
    let read = claim(&queue, 1, LIMITS, When::Next).await;
    env.push(&["b"]).await;
    claim(&queue, 1, LIMITS, When::Next).await.leave_open();
    settle(&queue, read, None).await;
    let audit = admin.audit().await.unwrap();
    assert_eq!((audit.claimed, audit.inserted, audit.handed_back, audit.waiting), (2, 1, 1, 1));
    assert_eq!(audit.difference(), 0);
}

#[tokio::test]
async fn a_claim_of_large_jobs_is_not_copied_larger_than_it_may_be() {
    let (env, queue, _) = start().await;
    let mut connection = env.redis_connection().await;
    let job = "x".repeat(10_000);
    for _ in 0..4 {
        redis::cmd("LPUSH")
            .arg(&env.queue)
            .arg(vec![&job; 1_024])
            .query_async::<()>(&mut connection)
            .await
            .unwrap();
    }
    let memory = async |connection: &mut MultiplexedConnection| {
        let told: String = redis::cmd("INFO").arg("memory").query_async(connection).await.unwrap();
        let number = |name: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').parse::<u64>().unwrap()
        };
        (number("used_memory"), number("used_memory_peak"))
    };
    // The peak is of the time after this.
    redis::cmd("CONFIG").arg("RESETSTAT").query_async::<()>(&mut connection).await.unwrap();
    let (before, _) = memory(&mut connection).await;
    let limits = Limits { jobs: 4_096, bytes: 4 << 20 };
    let claim = claim(&queue, 1, limits, When::Next).await;
    let (_, peak) = memory(&mut connection).await;
    assert!((300..=420).contains(&claim.jobs.len()), "{} jobs of 10 kB", claim.jobs.len());
    assert!(peak - before < 16 << 20, "{} MB more at the peak", (peak - before) >> 20);
    claim.leave_open();
}

#[tokio::test]
async fn a_claim_passes_its_bytes_by_one_job_at_most_and_leaves_the_others_in_order() {
    let (env, queue, admin) = start().await;
    // So many that they are copied at once, and so large that the copy is dropped again.
    let jobs: Vec<String> = (0..90).map(|n| format!("{n:0100}")).collect();
    env.push(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let limits = Limits { bytes: 1_000, ..LIMITS };
    let first = claim(&queue, 1, limits, When::Next).await;
    assert!((1..=11).contains(&first.jobs.len()), "{}", first.jobs.len());
    let rest = claim(&queue, 2, LIMITS, When::Next).await;
    let taken: Vec<&[u8]> = first.jobs.iter().chain(&rest.jobs).map(Vec::as_slice).collect();
    assert_eq!(taken, jobs.iter().map(String::as_bytes).collect::<Vec<_>>());
    assert_eq!(admin.audit().await.unwrap().difference(), 0);
    first.leave_open();
    rest.leave_open();
}
