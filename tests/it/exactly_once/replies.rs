//! Connections that break at the worst moment: what was asked for is done, and the worker cannot know.

use nix::sys::signal::Signal;
use redis::cmd;

use super::scene::{LIMIT, Scene};
use crate::support::running::stopped;
use crate::support::{Proxy, Running, Side, eventually};

/// A worker behind a proxy before MySQL, which has connected and done its first job.
async fn behind_mysql(scene: &Scene) -> (Proxy, Running) {
    let proxy = Proxy::start(scene.env.sql_port).await;
    let worker = scene.run("worker", &[("DATABASE_URL", &proxy.url(&scene.env.database_url))]);
    scene.push(0..1).await;
    scene.each_once(1).await;
    (proxy, worker)
}

/// A worker behind a proxy before Redis, which has connected, loaded its scripts and done its first job.
async fn behind_redis(scene: &Scene) -> (Proxy, Running) {
    let proxy = Proxy::start(scene.env.redis.port()).await;
    let worker = scene.run("worker", &[("REDIS_URL", &proxy.url(&scene.env.redis_url))]);
    scene.push(0..1).await;
    scene.each_once(1).await;
    (proxy, worker)
}

/// The request that commits, beginning with its COM_QUERY.
const COMMIT: &[u8] = b"\x03UPDATE rowcast_checkpoints";

async fn commit_is_cut(arm: impl Fn(&Proxy)) {
    let scene = Scene::new().await;
    let (proxy, mut worker) = behind_mysql(&scene).await;
    for (round, jobs) in [2, 60, 120].into_iter().enumerate() {
        arm(&proxy);
        scene.push(scene.rows().await.len()..jobs).await;
        proxy.sprung(round + 1, LIMIT).await;
        scene.each_once(jobs).await;
    }
    worker.drain().await;
}

#[tokio::test]
async fn a_commit_whose_reply_is_lost_is_looked_up_and_not_repeated() {
    commit_is_cut(|proxy| proxy.lose_reply_to(COMMIT)).await;
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_made_again() {
    commit_is_cut(|proxy| proxy.lose_request(COMMIT)).await;
}

/// The request that commits stays on its way while the worker connects anew, finds nothing committed, and tries again.
#[tokio::test]
async fn a_commit_that_arrives_after_its_retry_does_nothing() {
    let scene = Scene::new().await;
    let (proxy, mut worker) = behind_mysql(&scene).await;
    proxy.delay_request(COMMIT);
    scene.push(1..2).await;
    proxy.sprung(1, LIMIT).await;
    scene.each_once(2).await;
    proxy.deliver(LIMIT).await;
    scene.each_once(2).await;
    worker.drain().await;
}

/// The same, but it arrives when the second attempt has inserted its rows: then that one is refused, and the worker
/// takes up what the first has done.
#[tokio::test]
async fn a_commit_that_arrives_before_its_retry_is_settled_and_not_repeated() {
    let scene = Scene::new().await;
    let proxy = Proxy::start(scene.env.sql_port).await;
    let mut worker = scene.run(
        "worker",
        &[
            ("DATABASE_URL", &proxy.url(&scene.env.database_url)),
            ("ROWCAST_FAULT", &scene.fault("inserted", "stop", 2)),
            ("ROWCAST_LEASE_SECONDS", "3600"),
        ],
    );
    proxy.delay_request(COMMIT);
    scene.push(0..1).await;
    proxy.sprung(1, LIMIT).await;
    stopped(worker.pid()).await;
    proxy.deliver(LIMIT).await;
    let rows = scene.rows().await;
    assert_eq!(rows.len(), 1, "the first attempt's");
    worker.signal(Signal::SIGCONT);
    scene.each_once(1).await;
    assert_eq!(scene.rows().await, rows);
    worker.drain().await;
}

/// The worker is told to end while it cannot know. Nothing of it may be committed once its jobs are handed back.
#[tokio::test]
async fn a_commit_that_arrives_after_its_worker_has_left_does_nothing() {
    let scene = Scene::new().await;
    let (mut proxy, mut worker) = behind_mysql(&scene).await;
    proxy.refuse().await;
    proxy.delay_request(COMMIT);
    scene.push(1..2).await;
    proxy.sprung(1, LIMIT).await;
    worker.signal(Signal::SIGTERM);
    proxy.accept().await;
    assert!(worker.ended().await.success(), "{:#?}", worker.log());
    assert_eq!(scene.admin.audit().await.unwrap().waiting, 1, "handed back");
    proxy.deliver(LIMIT).await;
    assert_eq!(scene.rows().await.len(), 1);
    let mut successor = scene.run("worker", &[]);
    scene.each_once(2).await;
    successor.drain().await;
}

/// The reply to a request, or the request itself, is lost: under load and on a quiet queue.
async fn redis_is_cut(request: &[u8]) {
    let scene = Scene::new().await;
    let (proxy, mut worker) = behind_redis(&scene).await;
    let mut jobs = 1;
    for (round, more) in [1, 60, 1, 60].into_iter().enumerate() {
        if round < 2 {
            proxy.lose_reply_to(request)
        } else {
            proxy.lose_request(request)
        }
        // The first push may be what makes the worker send the request; the second goes in over the new connection.
        scene.push(jobs..jobs + more).await;
        proxy.sprung(round + 1, LIMIT).await;
        scene.push(jobs + more..jobs + more + 1).await;
        jobs += more + 1;
        scene.each_once(jobs).await;
    }
    worker.drain().await;
    assert_eq!(worker.said("a claim was dropped").len(), 0);
}

#[tokio::test]
async fn a_claim_whose_reply_is_lost_is_found_again() {
    redis_is_cut(b"$4\r\nnext\r\n").await;
}

#[tokio::test]
async fn a_settling_whose_reply_is_lost_publishes_nothing_twice() {
    redis_is_cut(b":rowcast:dead\r\n").await;
}

#[tokio::test]
async fn a_blocking_move_and_its_claim_whose_replies_are_lost_lose_no_job() {
    let scene = Scene::new().await;
    let (proxy, mut worker) = behind_redis(&scene).await;
    for round in 0..3 {
        proxy.lose_reply_to(b"BLMOVE");
        // After this job the worker blocks again; what the next one brings is swallowed.
        let jobs = 1 + 2 * round;
        scene.push(jobs..jobs + 1).await;
        scene.each_once(jobs + 1).await;
        scene.push(jobs + 1..jobs + 2).await;
        proxy.sprung(round + 1, LIMIT).await;
        scene.each_once(jobs + 2).await;
    }
    worker.drain().await;
}

/// It was given up and sent again. Where it arrives nevertheless it takes a job, for which the worker has to look.
#[tokio::test]
async fn a_blocking_move_that_arrives_late_with_its_claim_loses_no_job() {
    let scene = Scene::new().await;
    let (proxy, mut worker) = behind_redis(&scene).await;
    proxy.delay_request(b"BLMOVE");
    scene.push(1..2).await;
    proxy.sprung(1, LIMIT).await;
    scene.each_once(2).await;
    scene.blocks().await;
    worker.signal(Signal::SIGSTOP);
    stopped(worker.pid()).await;
    // The first is for the move that waits, the second for the late one.
    scene.push(2..4).await;
    proxy.deliver(LIMIT).await;
    assert_eq!(scene.admin.audit().await.unwrap().waiting, 0);
    worker.signal(Signal::SIGCONT);
    scene.each_once(4).await;
    worker.drain().await;
}

#[tokio::test]
async fn a_claim_ahead_whose_reply_is_lost_is_found_again() {
    let scene = Scene::new().await;
    let (proxy, mut worker) = behind_redis(&scene).await;
    proxy.lose_reply_to(b"$5\r\nahead\r\n");
    scene.push(1..60).await;
    proxy.sprung(1, LIMIT).await;
    scene.each_once(60).await;
    worker.drain().await;
}

/// A worker whose registration is carried out, though the reply is lost and MySQL stays out of its reach.
async fn registered_without_hearing_of_it(scene: &Scene, id: &str) -> (Proxy, Running) {
    let mut proxy = Proxy::start(scene.env.sql_port).await;
    // Holds the registration up, so that it is known when it is on its way.
    let mut ours = scene.env.sql_connection().await;
    let insert = "INSERT INTO rowcast_checkpoints (worker_id, route, outcome) VALUES (?, ?, '')";
    sqlx::raw_sql("BEGIN").execute(&mut ours).await.unwrap();
    sqlx::query(insert).bind(id).bind(&scene.env.queue).execute(&mut ours).await.unwrap();
    // The route's name is in the values: the statement that is carried out, not the one that prepares it.
    proxy.lose_reply_to(scene.env.queue.as_bytes());
    let url = proxy.url(&scene.env.database_url);
    let worker = scene.run("worker", &[("DATABASE_URL", &url), ("ROWCAST_WORKER_ID", id)]);
    let find = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ? AND info LIKE 'INSERT INTO rowcast%'";
    eventually(LIMIT, "the registration waits for our transaction", async || {
        let waiting: i64 =
            sqlx::query_scalar(find).bind(&scene.env.database).fetch_one(&scene.pool).await.unwrap();
        if waiting == 1 { Ok(()) } else { Err(waiting) }
    })
    .await;
    proxy.refuse().await;
    sqlx::raw_sql("ROLLBACK").execute(&mut ours).await.unwrap();
    proxy.sprung(1, LIMIT).await;
    worker.says("waiting for MySQL", 1).await;
    assert_eq!(scene.checkpoints().await, [(id.to_owned(), 0)]);
    (proxy, worker)
}

#[tokio::test]
async fn a_registration_whose_reply_is_lost_counts() {
    let scene = Scene::new().await;
    let id = ulid::Ulid::generate().to_string();
    let (mut proxy, mut worker) = registered_without_hearing_of_it(&scene, &id).await;
    proxy.accept().await;
    scene.push(0..30).await;
    scene.each_once(30).await;
    assert_eq!(scene.checkpoints().await.len(), 1);
    worker.drain().await;
}

#[tokio::test]
async fn a_registration_whose_reply_is_lost_is_not_repeated_after_a_rescuer_came() {
    let scene = Scene::new().await;
    let id = ulid::Ulid::generate().to_string();
    let (mut proxy, mut worker) = registered_without_hearing_of_it(&scene, &id).await;
    let (mut rescuer, _) = super::rescues::pipeline(&scene, &scene.env.redis_url);
    rescuer.rescue(&id).await.unwrap();
    assert_eq!(scene.checkpoints().await, []);
    scene.push(0..30).await;
    proxy.accept().await;
    assert_eq!(worker.ended().await.code(), Some(75), "{:#?}", worker.log());
    assert_eq!((scene.rows().await, scene.checkpoints().await), (vec![], vec![]));
    scene.each_job_in_its_place(30).await;
}

/// A worker that inserts its claim (it waits for a lock of ours), has made the next one, and is told to end.
/// Returns when it has ended.
async fn told_to_end_in_the_middle(scene: &Scene, worker: &mut Running, ahead_is_seen: impl AsyncFn()) {
    let mut lock = scene.env.sql_connection().await;
    sqlx::raw_sql("LOCK TABLES pre_qqaccount WRITE").execute(&mut lock).await.unwrap();
    scene.push(1..31).await;
    eventually(LIMIT, "two claims are open", async || {
        let audit = scene.audit().await;
        if audit.in_flight == 20 { Ok(()) } else { Err(audit) }
    })
    .await;
    ahead_is_seen().await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.says("told to end", 1).await[0]["signal"], "SIGTERM");
    sqlx::raw_sql("UNLOCK TABLES").execute(&mut lock).await.unwrap();
    let status = worker.ended().await;
    assert_eq!(status.code(), Some(0), "{:#?}", worker.log());
}

#[tokio::test]
async fn a_hand_back_whose_reply_is_lost_is_repeated_without_a_double() {
    let scene = Scene::new().await;
    // Loaded here, so that it is the script's own reply that is lost.
    let script = format!("#!lua flags=allow-oom\n{}", include_str!("../../../src/queue/hand_back.lua"));
    scene.redis::<String>(cmd("SCRIPT").arg("LOAD").arg(script)).await;
    let (proxy, mut worker) = behind_redis(&scene).await;
    told_to_end_in_the_middle(&scene, &mut worker, async || proxy.lose_reply_to(b"$6\r\nnobody\r\n")).await;
    proxy.sprung(1, LIMIT).await;
    assert_eq!(scene.audit().await.in_flight, 0);
    scene.each_job_in_its_place(31).await;
    let _successor = scene.run("worker", &[]);
    scene.each_once(31).await;
}

#[tokio::test]
async fn a_claim_that_a_worker_does_not_know_of_is_handed_back_at_its_end() {
    let scene = Scene::new().await;
    let (proxy, mut worker) = behind_redis(&scene).await;
    proxy.lose_reply_to(b"$5\r\nahead\r\n");
    told_to_end_in_the_middle(&scene, &mut worker, async || proxy.sprung(1, LIMIT).await).await;
    assert_eq!(scene.audit().await.in_flight, 0);
    scene.each_job_in_its_place(31).await;
}

#[tokio::test]
async fn connections_cut_at_random_bytes_lose_and_double_nothing() {
    let mut random = crate::support::random();
    let scene = Scene::new().await;
    let sql = Proxy::start(scene.env.sql_port).await;
    let redis = Proxy::start(scene.env.redis.port()).await;
    let urls = (sql.url(&scene.env.database_url), redis.url(&scene.env.redis_url));
    let variables = [("DATABASE_URL", urls.0.as_str()), ("REDIS_URL", urls.1.as_str())];
    let _workers = [0, 1].map(|_| scene.run("worker", &variables));
    let mut jobs = 0;
    for round in 0..40 {
        let proxy = if random.bool() { &sql } else { &redis };
        let side = if random.bool() { Side::Client } else { Side::Server };
        proxy.cut_after(side, random.usize(0..4_000));
        let more = random.usize(1..60);
        scene.push(jobs..jobs + more).await;
        jobs += more;
        if round % 4 == 3 {
            scene.quiet().await;
        }
    }
    scene.each_once(jobs).await;
}
