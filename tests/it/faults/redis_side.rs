//! Redis that is full, holds something else, forgets its scripts or everything, or does not know us.

use crate::support::{Env, PATIENCE, Running, eventually, redis_connection, said};

async fn redis(env: &Env, command: &[&str]) {
    let mut connection = env.redis_connection().await;
    let done = redis::cmd(command[0]).arg(&command[1..]).query_async::<redis::Value>(&mut connection).await;
    done.unwrap_or_else(|error| panic!("{command:?}: {error}"));
}

fn jobs(count: usize) -> Vec<String> {
    (0..count).map(|n| format!(r#"{{"time":{n},"stamp":"{}"}}"#, "x".repeat(150))).collect()
}

#[tokio::test]
async fn a_full_redis_is_drained() {
    let env = Env::new().await;
    env.migrate().await;
    let heard = env.subscribe("socket.io#*").await;
    env.push_raw("", &jobs(3_000)).await;
    redis(&env, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    redis(&env, &["CONFIG", "SET", "maxmemory", "1"]).await;
    // It has never held a lease, has no script loaded, and claims several times.
    let worker = Running::worker(&env, &[("ROWCAST_BATCH", "500")]);
    assert_eq!(env.done(3_000).await.inserted, 3_000);
    assert_eq!(env.count("pre_qqaccount").await, 3_000);
    heard.exactly(3_000, PATIENCE).await;
    redis(&env, &["CONFIG", "SET", "maxmemory", "0"]).await;
    env.push_raw("", &jobs(1)).await;
    env.done(3_001).await;
    let log = worker.stop().await;
    assert!(said(&log, "waiting for").len() <= 1, "{log:#?}");
    assert_eq!(said(&log, "waiting for").len(), said(&log, "Redis is back").len());
}

#[tokio::test]
async fn something_else_under_the_queues_name_is_waited_for_by_this_route_alone() {
    let env = Env::with_table("CREATE TABLE n (a INT)").await;
    redis(&env, &["SET", &env.queue, "not a list"]).await;
    let mut worker = Running::routes(
        &env,
        "[[route]]\nqueue='{q}'\ntable='n'\n[[route]]\nqueue='{q}-other'\ntable='n'\n",
        &[],
    );
    let line = worker.says("waiting for", 1).await.remove(0);
    assert!(line["reason"].as_str().unwrap().contains("something else uses its name"), "{line}");
    for count in 1..4 {
        env.push_raw("-other", &[r#"{"a":1}"#]).await;
        env.done_in("-other", count).await;
    }
    redis(&env, &["DEL", &env.queue]).await;
    env.push_raw("", &[r#"{"a":2}"#]).await;
    env.done(1).await;
    worker.says("the route is back", 1).await;
    worker.assert_alive();
    let log = worker.stop().await;
    assert_eq!((said(&log, "waiting for").len(), said(&log, "the route is back").len()), (1, 1), "{log:#?}");
}

#[tokio::test]
async fn something_else_under_a_companions_name_loses_neither_event_nor_dead_letter() {
    for companion in ["dead", "totals"] {
        let env = Env::with_table("CREATE TABLE n (a INT)").await;
        let heard = env.subscribe("socket.io#*").await;
        let key = format!("{{{}}}:rowcast:{companion}", env.queue);
        redis(&env, &["SET", &key, "something else"]).await;
        let worker = Running::routes(&env, "[[route]]\nqueue='{q}'\ntable='n'\n", &[]);
        env.push_raw("", &[r#"{"a":1}"#, r#"{"a":"x"}"#, r#"{"a":2}"#]).await;
        worker.says("waiting for", 1).await;
        redis(&env, &["DEL", &key]).await;
        let audit = env.done(3).await;
        assert_eq!((audit.inserted, audit.dead, audit.dead_letters), (2, 1, 1), "{companion}");
        assert_eq!(env.count("n").await, 2);
        heard.exactly(2, PATIENCE).await;
        worker.stop().await;
    }
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[]);
    for count in 1..=5 {
        env.push_raw("", &jobs(1)).await;
        env.done(count).await;
        redis(&env, &["SCRIPT", "FLUSH"]).await;
    }
    env.push_raw("", &jobs(1)).await;
    env.done(6).await;
    let log = worker.stop().await;
    assert!(said(&log, "waiting for").is_empty(), "{log:#?}");
}

#[tokio::test]
async fn a_redis_that_lost_everything_is_worked_on_again() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[]);
    env.push_raw("", &jobs(10)).await;
    env.done(10).await;
    redis(&env, &["FLUSHALL"]).await;
    redis(&env, &["SCRIPT", "FLUSH"]).await;
    env.push_raw("", &jobs(10)).await;
    env.done(10).await;
    assert_eq!(env.count("pre_qqaccount").await, 20);
    worker.stop().await;
}

#[tokio::test]
async fn a_paused_queue_is_left_alone_until_it_is_resumed() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[]);
    env.push_raw("", &jobs(1)).await;
    env.done(1).await;
    let admin = env.admin("");
    admin.pause().await.unwrap();
    env.push_raw("", &jobs(500)).await;
    // The job that a blocking move was waiting for comes back to its place.
    eventually(PATIENCE, "all jobs wait in the queue", async || {
        let mut connection = env.redis_connection().await;
        let length: u64 = redis::cmd("LLEN").arg(&env.queue).query_async(&mut connection).await.unwrap();
        let audit = admin.audit().await.unwrap();
        if (length, audit.in_flight, audit.paused) == (500, 0, true) { Ok(()) } else { Err(audit) }
    })
    .await;
    assert_eq!(env.count("pre_qqaccount").await, 1);
    assert!(admin.resume().await.unwrap());
    env.done(501).await;
    let order = "SELECT COUNT(*) FROM pre_qqaccount a JOIN pre_qqaccount b \
                 ON b.id = a.id + 1 AND b.accountid <> a.accountid + 1 WHERE a.id > 1";
    assert_eq!(env.lines(order).await, ["0"], "first in, first out");
    worker.stop().await;
}

#[tokio::test]
async fn a_wrong_password_of_redis_is_waited_for_and_never_shown() {
    let env = Env::new().await;
    env.migrate().await;
    redis(&env, &["CONFIG", "SET", "requirepass", "right"]).await;
    let url = env.redis_url.replace("redis://", "redis://:hunter2@");
    let mut worker = Running::worker(&env, &[("REDIS_URL", &url), ("RUST_LOG", "debug")]);
    let line = worker.says("waiting for Redis", 1).await.remove(0);
    assert!(line["reason"].as_str().unwrap().contains("password"), "{line}");
    let mut connection = redis_connection(&env.redis_url.replace("redis://", "redis://:right@")).await;
    let change = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("hunter2").to_owned();
    change.query_async::<()>(&mut connection).await.unwrap();
    worker.says("Redis is back", 1).await;
    worker.assert_alive();
    let log = worker.stop().await;
    assert_eq!((said(&log, "waiting for").len(), said(&log, "Redis is back").len()), (1, 1), "{log:#?}");
    assert!(!log.concat().contains("hunter2"), "{log:#?}");
}
