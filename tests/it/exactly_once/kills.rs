//! kill -9 of a worker at each step of a claim.

use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt as _;

use super::scene::{LIMIT, Scene, job, sorted};
use crate::support::eventually;

/// No lease runs out in the time of a test: only a successor can have rescued.
const NO_LEASE: (&str, &str) = ("ROWCAST_LEASE_SECONDS", "3600");

/// Under a supervisor with one worker: it dies at the count-th time at a place, and its successor goes on.
async fn killed_under_a_supervisor(place: &str, count: u32, jobs: usize) {
    let scene = Scene::new().await;
    scene.push(0..jobs).await;
    let up = scene.run("up", &[NO_LEASE, ("ROWCAST_FAULT", &scene.fault(place, "kill", count))]);
    scene.fault_happened().await;
    up.says("exit", 1).await;
    scene.each_once(jobs).await;
    scene.push(jobs..jobs + 3).await;
    scene.each_once(jobs + 3).await;
    let exits = up.said("exit");
    assert_eq!((exits.len(), &exits[0]["signal"]), (1, &9.into()), "{exits:?}");
}

/// A lone job; and then the second and the third of several claims, with the next one in flight.
async fn killed_in_quiet_and_under_load(place: &str) {
    tokio::join!(
        killed_under_a_supervisor(place, 1, 1),
        killed_under_a_supervisor(place, 2, 60),
        killed_under_a_supervisor(place, 3, 60)
    );
}

#[tokio::test]
async fn a_worker_killed_before_the_insert_is_succeeded_at_once_and_nothing_is_lost() {
    killed_under_a_supervisor("claimed", 1, 1).await;
    killed_under_a_supervisor("claimed", 1, 60).await;
}

#[tokio::test]
async fn a_worker_killed_with_the_next_claim_in_flight_loses_neither_claim() {
    killed_under_a_supervisor("ahead", 1, 60).await;
    killed_under_a_supervisor("ahead", 2, 60).await;
    killed_under_a_supervisor("ahead", 3, 60).await;
}

#[tokio::test]
async fn a_worker_killed_between_insert_and_checkpoint_leaves_no_row() {
    killed_in_quiet_and_under_load("inserted").await;
}

#[tokio::test]
async fn a_worker_killed_after_commit_publishes_each_row_once() {
    killed_in_quiet_and_under_load("committed").await;
}

#[tokio::test]
async fn a_worker_killed_after_settling_publishes_nothing_twice() {
    killed_in_quiet_and_under_load("settled").await;
}

/// Without a supervisor: of two workers one dies, and the other rescues when the lease has run out.
async fn killed_beside_a_survivor(place: &str) {
    let scene = Scene::new().await;
    scene.push(0..60).await;
    let fault = scene.fault(place, "kill", 1);
    let mut workers = [0, 1].map(|_| scene.run("worker", &[("ROWCAST_FAULT", &fault)]));
    scene.fault_happened().await;
    scene.each_once(60).await;
    scene.push(60..63).await;
    scene.each_once(63).await;
    let mut killed = 0;
    for worker in &mut workers {
        if worker.runs() {
            worker.drain().await;
        } else {
            assert_eq!(worker.ended().await.signal(), Some(Signal::SIGKILL as i32));
            killed += 1;
        }
    }
    assert_eq!(killed, 1);
    assert_eq!(scene.checkpoints().await, []);
}

#[tokio::test]
async fn a_survivor_rescues_a_worker_that_was_killed_before_it_committed() {
    tokio::join!(
        killed_beside_a_survivor("claimed"),
        killed_beside_a_survivor("ahead"),
        killed_beside_a_survivor("inserted")
    );
}

#[tokio::test]
async fn a_survivor_settles_what_a_killed_worker_committed() {
    tokio::join!(killed_beside_a_survivor("committed"), killed_beside_a_survivor("settled"));
}

#[tokio::test]
async fn at_every_place_each_job_is_in_one_list_or_in_a_row() {
    for place in ["claimed", "ahead", "inserted", "committed", "settled"] {
        let scene = Scene::new().await;
        scene.push(0..45).await;
        let fault = scene.fault(place, "kill", if place == "claimed" { 1 } else { 2 });
        let mut worker = scene.run("worker", &[("ROWCAST_FAULT", &fault)]);
        assert_eq!(worker.ended().await.signal(), Some(Signal::SIGKILL as i32));
        scene.each_job_in_its_place(45).await;
    }
}

#[tokio::test]
async fn the_dead_letters_of_a_killed_worker_are_written_once_by_its_successor() {
    for place in ["inserted", "committed", "settled"] {
        let scene = Scene::new().await;
        for number in 0..30 {
            scene.push(number..number + 1).await;
            scene.push_raw(&[format!("no job {number}").into_bytes()]).await;
        }
        let fault = scene.fault(place, "kill", 2);
        let _up = scene.run("up", &[NO_LEASE, ("ROWCAST_FAULT", &fault)]);
        scene.fault_happened().await;
        let audit = scene.quiet().await;
        assert_eq!((audit.inserted, audit.dead, audit.dead_letters, audit.difference()), (30, 30, 30, 0));
        let raw: Vec<Vec<u8>> = scene.dead_letters().await.iter().map(|letter| letter.raw_bytes()).collect();
        let expected: Vec<Vec<u8>> = (0..30).map(|number| format!("no job {number}").into_bytes()).collect();
        assert_eq!(sorted(&raw), sorted(&expected));
        assert_eq!(sorted(&scene.events().await), scene.rows().await);
    }
}

#[tokio::test]
async fn a_worker_of_two_routes_is_rescued_on_both() {
    let (one, other) = (Scene::new().await, Scene::new().await);
    let route = |scene: &Scene| {
        let (queue, database) = (&scene.env.queue, &scene.env.database);
        format!(
            "[[route]]\nqueue = \"{queue}\"\ntable = \"{database}.pre_qqaccount\"\n\
             columns = {{ accountid = \"time\", openid = \"stamp\" }}\n"
        )
    };
    let file = one.second();
    std::fs::write(&file, route(&one) + &route(&other)).unwrap();
    let variables = [("ROWCAST_QUEUE", ""), ("ROWCAST_ROUTES", file.as_str()), NO_LEASE];
    let push = async |from, to| {
        one.push(from..to).await;
        // Both scenes count on one Redis: the first one's.
        let jobs: Vec<Vec<u8>> = (from..to).map(job).collect();
        one.redis::<()>(redis::cmd("LPUSH").arg(&other.env.queue).arg(&jobs)).await;
    };
    push(0, 45).await;
    let fault = one.fault("inserted", "kill", 2);
    let _up = one.run("up", &[&variables[..], &[("ROWCAST_FAULT", &fault)]].concat());
    one.fault_happened().await;
    let there = async || (one.rows().await.len(), other.rows().await.len());
    eventually(LIMIT, "all rows are in", async || {
        let there = there().await;
        if there == (45, 45) { Ok(()) } else { Err(there) }
    })
    .await;
    assert_eq!(one.quiet().await.difference(), 0);
    push(45, 50).await;
    eventually(LIMIT, "the next rows are in", async || {
        let there = there().await;
        if there == (50, 50) { Ok(()) } else { Err(there) }
    })
    .await;
    one.quiet().await;
    assert_eq!(one.events().await.len(), 100);
}
