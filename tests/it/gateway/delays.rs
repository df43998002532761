//! How long jobs take from their claim to COMMIT and to being published, as programs and people are told.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::Gateway;
use crate::{
    commands::run::rowcast,
    support::{Env, PATIENCE, Proxy, Running, Side, eventually, running::send},
};

/// For so long a test holds something up; a bound of the histogram, so that what took longer is told as longer.
const HELD: Duration = Duration::from_secs(2);
const HELD_MS: f64 = 2_000.0;

/// Of one delay: how many jobs, p50 and p99; `None` where there is none.
fn read(of: &Value, name: &str) -> Option<(u64, f64, f64)> {
    let delay = of.get(name).unwrap_or_else(|| panic!("no {name} in {of}"));
    let number = |name: &str| delay[name].as_f64().unwrap_or_else(|| panic!("no {name} in {delay}"));
    (!delay.is_null()).then(|| (number("jobs") as u64, number("p50_ms"), number("p99_ms")))
}

/// How many jobs have come to COMMIT, and how many were published.
fn jobs(of: &Value) -> [u64; 2] {
    ["commit_delay", "publish_delay"].map(|name| read(of, name).map_or(0, |delay| delay.0))
}

/// What `/api/status` says once it tells of so many jobs, committed and published.
async fn told(gateway: &Gateway, count: u64) -> Value {
    eventually(PATIENCE, &format!("the delays of {count} jobs are told"), async || {
        let (_, status) = gateway.status().await;
        if jobs(&status) == [count; 2] { Ok(status) } else { Err(status) }
    })
    .await
}

fn is_in_order(of: &Value) {
    let (commit, publish) = (read(of, "commit_delay").unwrap(), read(of, "publish_delay").unwrap());
    assert!(0.0 < commit.1 && commit.1 <= commit.2, "{of}");
    assert!(publish.1 <= publish.2, "{of}");
    assert!(commit.1 <= publish.1 && commit.2 <= publish.2, "{of}");
}

#[tokio::test]
async fn delays_are_told_of_each_queue_and_of_all_and_the_command_says_the_same() {
    let env = Env::new().await;
    env.migrate().await;
    let columns = "columns = { accountid = 'time', openid = 'stamp' }";
    let route = |queue| format!("[[route]]\nqueue = '{queue}'\ntable = 'pre_qqaccount'\n{columns}\n");
    let routes = route("{q}") + &route("{q}-b") + &route("{q}-quiet");
    let gateway = Gateway::of_routes(&env, &routes).await;
    let (_, before) = gateway.status().await;
    assert_eq!((read(&before, "commit_delay"), read(&before["queues"][0], "publish_delay")), (None, None));
    let text = rowcast(&env, &["status"]).await.ended(0).out;
    let line = |text: &str| text.lines().find(|line| line.starts_with(&env.queue)).unwrap().to_owned();
    let none = line(&text).split_whitespace().rev().take_while(|word| *word == "-").count();
    // Neither has it rows a second, which only --watch knows.
    assert!(text.contains("commit p50/p99") && none == 3, "{text}");

    let workers = [0, 1].map(|_| Running::routes(&env, &routes, &[]));
    let job = r#"{"time":1,"stamp":"a"}"#;
    env.push_raw("", &[job; 40]).await;
    env.push_raw("-b", &[job, job, "no job"]).await;
    let status = told(&gateway, 43).await;
    let queues = status["queues"].as_array().unwrap();
    assert_eq!(queues.iter().map(jobs).collect::<Vec<_>>(), [[40; 2], [3; 2], [0; 2]], "{status}");
    [&status, &queues[0], &queues[1]].into_iter().for_each(is_in_order);

    let json = rowcast(&env, &["status", "--json"]).await.ended(0).json();
    for name in ["commit_delay", "publish_delay"] {
        assert_eq!(json["queues"][0][name], queues[0][name], "{json}");
    }
    let text = rowcast(&env, &["status"]).await.ended(0).out;
    assert!(line(&text).ends_with('s') && line(&text).matches(" / ").count() == 2, "{text}");
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_commit_that_the_database_holds_up_is_seen_in_both_delays() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[]).await;
    let worker = Running::worker(&env, &[]);
    env.run(&[r#"{"time":1,"stamp":"a"}"#]).await;
    told(&gateway, 1).await;
    let mut lock = env.sql_connection().await;
    sqlx::raw_sql("LOCK TABLES pre_qqaccount WRITE").execute(&mut lock).await.unwrap();
    env.push(&[r#"{"time":2,"stamp":"b"}"#]).await;
    let inserts = format!(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND info LIKE 'INSERT INTO%'",
        env.database
    );
    eventually(PATIENCE, "the worker's insert waits", async || match &*env.lines(&inserts).await {
        [one] if one == "1" => Ok(()),
        other => Err(other.to_vec()),
    })
    .await;
    // Its length is what is tested.
    tokio::time::sleep(HELD).await;
    assert_eq!(jobs(&gateway.status().await.1), [1; 2], "what is not over is not told");
    sqlx::raw_sql("UNLOCK TABLES").execute(&mut lock).await.unwrap();
    let status = told(&gateway, 2).await;
    for name in ["commit_delay", "publish_delay"] {
        assert!(read(&status, name).unwrap().2 >= HELD_MS, "{name}: {status}");
    }
    is_in_order(&status);
    worker.stop().await;
}

#[tokio::test]
async fn a_redis_that_holds_publishing_up_is_seen_in_the_delay_to_publish_alone() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[]).await;
    let proxy = Proxy::start(env.redis.port()).await;
    let worker = Running::worker(&env, &[("REDIS_URL", &proxy.url(&env.redis_url))]);
    // The scripts are known then: what is held up is an answer to the one that settles, by the key of dead letters.
    env.run(&[r#"{"time":1,"stamp":"a"}"#]).await;
    told(&gateway, 1).await;
    proxy.hold_replies_from(b":rowcast:dead\r\n");
    env.run(&[r#"{"time":2,"stamp":"b"}"#]).await;
    tokio::time::sleep(HELD).await;
    proxy.release(Side::Server);
    let status = told(&gateway, 2).await;
    let (commit, publish) = (read(&status, "commit_delay").unwrap(), read(&status, "publish_delay").unwrap());
    assert!(publish.2 >= HELD_MS && commit.2 < publish.2, "{status}");
    worker.stop().await;
}

#[tokio::test]
async fn what_a_worker_has_told_stays_when_it_is_killed_and_one_that_ends_tells_the_rest() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[]).await;
    let variables = [("ROWCAST_QUEUE", env.queue.as_str()), ("ROWCAST_WORKERS", "1")];
    let up = Running::on(&env, "up", "", &variables);
    let job = r#"{"time":1,"stamp":"a"}"#;
    env.run(&[job; 30]).await;
    let before = told(&gateway, 30).await;
    up.says("online", 1).await;
    let killed = up.workers()[0];
    send(killed, Signal::SIGKILL);
    up.says("online", 2).await;
    let after = eventually(PATIENCE, "the successor alone is listed", async || {
        let (_, status) = gateway.status().await;
        let pids: Vec<i64> = status["workers"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|worker| worker["pid"].as_i64())
            .collect();
        if pids.len() == 1 && pids[0] != i64::from(killed) { Ok(status) } else { Err(status) }
    })
    .await;
    assert_eq!(after["commit_delay"], before["commit_delay"], "{after}");
    env.run(&[job; 12]).await;
    up.stop().await;
    // Nobody is there to tell more.
    let (_, status) = gateway.status().await;
    assert_eq!(jobs(&status), [42; 2], "{status}");
    is_in_order(&status);
}
