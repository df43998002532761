//! A worker that is stopped past its lease, rescued by another, and then goes on: it is too late for everything.

use nix::sys::signal::Signal;
use redis::cmd;

use super::scene::{LIMIT, Scene};
use crate::support::running::{Running, send, state, stopped};
use crate::support::{Proxy, Side, eventually};

const EXIT_FENCED: i32 = 75;

/// Pushes jobs one by one until a worker has noticed that it was fenced; returns how many there are then.
async fn pushed_until_it_ends(scene: &Scene, jobs: usize, worker: &mut Running) -> usize {
    let mut pushed = jobs;
    while worker.runs() {
        scene.push(pushed..pushed + 1).await;
        pushed += 1;
        scene.quiet().await;
        assert!(pushed < jobs + 2_000, "it goes on working: {:#?}", worker.log());
    }
    pushed
}

/// It is stopped at a place with its jobs in hand. What it does when it goes on must change nothing.
async fn stopped_past_its_lease(place: &str) {
    let scene = Scene::new().await;
    scene.push(0..25).await;
    let mut late = scene.run("worker", &[("ROWCAST_FAULT", &scene.fault(place, "stop", 1))]);
    stopped(late.pid()).await;
    let mut rescuer = scene.run("worker", &[]);
    scene.each_once(25).await;
    late.signal(Signal::SIGCONT);
    let jobs = pushed_until_it_ends(&scene, 25, &mut late).await;
    assert_eq!(late.ended().await.code(), Some(EXIT_FENCED), "{:#?}", late.log());
    scene.each_once(jobs).await;
    rescuer.drain().await;
    assert_eq!(scene.checkpoints().await, []);
}

#[tokio::test]
async fn a_worker_stopped_before_its_insert_never_inserts_what_was_rescued() {
    stopped_past_its_lease("claimed").await;
}

#[tokio::test]
async fn a_worker_stopped_with_two_claims_takes_neither_back() {
    stopped_past_its_lease("ahead").await;
}

#[tokio::test]
async fn a_worker_stopped_before_its_checkpoint_never_commits() {
    stopped_past_its_lease("inserted").await;
}

#[tokio::test]
async fn a_worker_stopped_after_commit_publishes_nothing_any_more() {
    stopped_past_its_lease("committed").await;
}

#[tokio::test]
async fn a_worker_stopped_after_settling_notices_that_it_was_taken_for_dead() {
    stopped_past_its_lease("settled").await;
}

/// It holds no lock that keeps a rescuer waiting. Only the rows that it has inserted are locked, until the server ends
/// the session, as it does when that has been idle for a minute: where they are unique, the same jobs wait for that.
#[tokio::test]
async fn a_worker_stopped_before_commit_holds_up_only_its_own_unique_rows() {
    let scene = Scene::new().await;
    scene.env.execute("ALTER TABLE pre_qqaccount ADD UNIQUE (openid)").await;
    scene.push(0..25).await;
    let mut late = scene.run("worker", &[("ROWCAST_FAULT", &scene.fault("inserted", "stop", 1))]);
    stopped(late.pid()).await;
    let find = "SELECT CAST(id AS UNSIGNED) FROM information_schema.processlist WHERE db = ? AND command = 'Sleep' \
                AND id <> CONNECTION_ID()";
    let open: Vec<u64> =
        sqlx::query_scalar(find).bind(&scene.env.database).fetch_all(&scene.pool).await.unwrap();
    let rescuer = scene.run("worker", &[("RUST_LOG", "debug")]);
    // Its lease has run out, and the rescuer has looked: all that is left to it is to wait.
    eventually(LIMIT, "only the rescuer has a lease", async || {
        let keys = scene.keys_left().await;
        let leases = keys.iter().filter(|key| key.starts_with("rowcast:worker:")).count();
        if leases == 1 { Ok(()) } else { Err(keys) }
    })
    .await;
    assert_eq!(scene.audit().await.inserted, 0);
    for id in open {
        // Those of our own pool may be among them; it connects anew.
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL {id}")))
            .execute(&mut scene.env.sql_connection().await)
            .await
            .ok();
    }
    scene.each_once(25).await;
    late.signal(Signal::SIGCONT);
    assert_eq!(late.ended().await.code(), Some(EXIT_FENCED), "{:#?}", late.log());
    scene.each_once(25).await;
    drop(rescuer);
}

#[tokio::test]
async fn a_job_that_lands_for_a_stopped_worker_is_rescued_from_it() {
    let scene = Scene::new().await;
    let mut late = scene.run("worker", &[]);
    scene.push(0..1).await;
    scene.each_once(1).await;
    scene.blocks().await;
    late.signal(Signal::SIGSTOP);
    stopped(late.pid()).await;
    scene.push(1..2).await;
    assert_eq!(scene.redis::<u64>(cmd("LLEN").arg(&scene.env.queue)).await, 0, "it has landed");
    scene.each_job_in_its_place(2).await;
    let _rescuer = scene.run("worker", &[]);
    scene.each_once(2).await;
    late.signal(Signal::SIGCONT);
    let jobs = pushed_until_it_ends(&scene, 2, &mut late).await;
    assert_eq!(late.ended().await.code(), Some(EXIT_FENCED), "{:#?}", late.log());
    scene.each_once(jobs).await;
}

/// The move of a worker that was taken for dead meanwhile still waits at the server, and would be served first.
#[tokio::test]
async fn a_blocking_move_of_a_rescued_worker_takes_no_job() {
    let scene = Scene::new().await;
    let rescuer = scene.run("worker", &[]);
    scene.push(0..1).await;
    scene.each_once(1).await;
    let mut late = scene.run("worker", &[]);
    eventually(LIMIT, "both are there", async || {
        let workers = scene.checkpoints().await;
        if workers.len() == 2 { Ok(()) } else { Err(workers) }
    })
    .await;
    scene.push(1..2).await;
    scene.each_once(2).await;
    late.signal(Signal::SIGSTOP);
    stopped(late.pid()).await;
    eventually(LIMIT, "the stopped worker is rescued", async || {
        let workers = scene.checkpoints().await;
        if workers.len() == 1 { Ok(()) } else { Err(workers) }
    })
    .await;
    for job in 2..12 {
        scene.push(job..job + 1).await;
        scene.each_once(job + 1).await;
    }
    late.signal(Signal::SIGCONT);
    assert_eq!(late.ended().await.code(), Some(EXIT_FENCED), "{:#?}", late.log());
    // What its move was told is no fault of Redis.
    assert_eq!(late.said("waiting for"), Vec::<serde_json::Value>::new());
    scene.each_once(12).await;
    drop(rescuer);
}

#[tokio::test]
async fn a_supervisor_replaces_a_worker_that_was_fenced() {
    let scene = Scene::new().await;
    scene.push(0..45).await;
    let fault = scene.fault("inserted", "stop", 1);
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2"), ("ROWCAST_FAULT", &fault)]);
    scene.fault_happened().await;
    scene.each_once(45).await;
    up.says("online", 2).await;
    let late = up.workers().into_iter().find(|pid| state(*pid) == Some('T')).unwrap();
    send(late, Signal::SIGCONT);
    let exit = up.says("exit", 1).await.remove(0);
    assert_eq!((&exit["pid"], &exit["code"]), (&late.into(), &EXIT_FENCED.into()));
    up.says("online", 3).await;
    scene.push(45..60).await;
    scene.each_once(60).await;
    up.drain().await;
}

#[tokio::test]
async fn a_worker_that_hangs_in_a_transaction_is_killed_and_succeeded() {
    let scene = Scene::new().await;
    scene.push(0..25).await;
    let fault = scene.fault("inserted", "stop", 1);
    let mut up = scene.run("up", &[("ROWCAST_STALL_SECONDS", "1"), ("ROWCAST_FAULT", &fault)]);
    scene.each_once(25).await;
    assert_eq!(up.says("kill", 1).await[0]["reason"], "no progress");
    up.drain().await;
}

/// Its requests arrive, but only after everybody has taken it for dead.
#[tokio::test]
async fn a_worker_cut_off_from_redis_past_its_lease_comes_too_late() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.env.redis.port()).await;
    let mut late = scene.run("worker", &[("REDIS_URL", &proxy.url(&scene.env.redis_url))]);
    scene.push(0..1).await;
    scene.each_once(1).await;
    proxy.lose_reply_to(b":rowcast:dead\r\n");
    scene.push(1..200).await;
    proxy.sprung(1, LIMIT).await;
    proxy.hold(Side::Client);
    let rescuer = scene.run("worker", &[]);
    scene.each_once(200).await;
    eventually(LIMIT, "only the rescuer is registered", async || {
        let workers = scene.checkpoints().await;
        if workers.len() == 1 { Ok(()) } else { Err(workers) }
    })
    .await;
    proxy.release(Side::Client);
    let jobs = pushed_until_it_ends(&scene, 200, &mut late).await;
    assert_eq!(late.ended().await.code(), Some(EXIT_FENCED), "{:#?}", late.log());
    scene.each_once(jobs).await;
    drop(rescuer);
}
