//! Servers that are down at the start, die at work and come back: no job is lost, none goes in twice, and a worker
//! says once that it waits and once that it goes on.

use std::time::{Duration, Instant};

use rowcast::{
    config::SecretUrl,
    queue::{Link, Registry},
};

use crate::support::{Env, PATIENCE, Running, eventually, said};

fn jobs(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!(r#"{{"time":{n},"stamp":"x"}}"#)).collect()
}

/// Every job has become one row, and every row one event.
async fn assert_exactly_once(env: &Env, rows: usize) {
    let counts = env.lines("SELECT COUNT(*), COUNT(DISTINCT accountid) FROM pre_qqaccount").await;
    assert_eq!(counts, [format!("{rows}|{rows}")]);
}

fn outages(log: &[String], server: &str) -> (usize, usize) {
    (said(log, &format!("waiting for {server}")).len(), said(log, &format!("{server} is back")).len())
}

/// Waits until the table has this many rows at least.
async fn at_least(env: &Env, rows: i64) {
    eventually(PATIENCE, &format!("{rows} rows are in"), async || {
        let count = env.count("pre_qqaccount").await;
        if count >= rows { Ok(()) } else { Err(count) }
    })
    .await;
}

#[tokio::test]
async fn a_mysql_that_is_down_at_the_start_is_waited_for() {
    let mut env = Env::own_servers().await;
    env.migrate().await;
    env.sql().kill9().await.unwrap();
    env.push_raw("", &jobs(0..100)).await;
    let heard = env.subscribe("socket.io#/#*").await;
    let worker = Running::worker(&env, &[]);
    worker.says("waiting for MySQL", 1).await;
    env.sql().restart().await.unwrap();
    env.done(100).await;
    assert_exactly_once(&env, 100).await;
    heard.exactly(100, PATIENCE).await;
    let log = worker.stop().await;
    assert_eq!((outages(&log, "MySQL"), outages(&log, "Redis")), ((1, 1), (0, 0)), "{log:#?}");
}

#[tokio::test]
async fn a_redis_that_is_down_at_the_start_is_waited_for() {
    let mut env = Env::new().await;
    env.migrate().await;
    env.push_raw("", &jobs(0..100)).await;
    env.redis.kill9().await.unwrap();
    let mut worker = Running::worker(&env, &[]);
    worker.says("waiting for Redis", 1).await;
    env.redis.restart().await.unwrap();
    env.done(100).await;
    assert_exactly_once(&env, 100).await;
    worker.assert_alive();
    let log = worker.stop().await;
    assert_eq!((outages(&log, "MySQL"), outages(&log, "Redis")), ((0, 0), (1, 1)), "{log:#?}");
}

#[tokio::test]
async fn a_mysql_that_dies_at_work_loses_and_doubles_nothing() {
    let mut env = Env::own_servers().await;
    env.migrate().await;
    let heard = env.subscribe("socket.io#/#*").await;
    let workers = [(); 2].map(|()| Running::worker(&env, &[("ROWCAST_BATCH", "50")]));
    env.push_raw("", &jobs(0..4_000)).await;
    at_least(&env, 500).await;
    env.sql().kill9().await.unwrap();
    for worker in &workers {
        worker.says("waiting for MySQL", 1).await;
    }
    env.sql().restart().await.unwrap();
    env.push_raw("", &jobs(4_000..5_000)).await;
    env.done(5_000).await;
    assert_exactly_once(&env, 5_000).await;
    heard.exactly(5_000, PATIENCE).await;
    for worker in workers {
        let log = worker.stop().await;
        assert_eq!((outages(&log, "MySQL"), outages(&log, "Redis")), ((1, 1), (0, 0)), "{log:#?}");
    }
}

#[tokio::test]
async fn a_redis_that_dies_at_work_loses_and_doubles_nothing() {
    let mut env = Env::new().await;
    env.migrate().await;
    env.execute("CREATE TABLE n (a INT)").await;
    let routes = "[[route]]\nqueue='{q}'\ntable='pre_qqaccount'\ncolumns={accountid='time',openid='stamp'}\n\
                  [[route]]\nqueue='{q}-two'\ntable='n'\n";
    let workers = [(); 2].map(|()| Running::routes(&env, routes, &[("ROWCAST_BATCH", "50")]));
    env.push_raw("", &jobs(0..4_000)).await;
    at_least(&env, 500).await;
    env.redis.kill9().await.unwrap();
    for worker in &workers {
        worker.says("waiting for Redis", 1).await;
    }
    env.redis.restart().await.unwrap();
    env.push_raw("", &jobs(4_000..5_000)).await;
    env.push_raw("-two", &[r#"{"a":1}"#]).await;
    env.done(5_000).await;
    env.done_in("-two", 1).await;
    assert_exactly_once(&env, 5_000).await;
    for mut worker in workers {
        worker.says("Redis is back", 1).await;
        worker.assert_alive();
        let log = worker.stop().await;
        assert_eq!((outages(&log, "MySQL"), outages(&log, "Redis")), ((0, 0), (1, 1)), "{log:#?}");
    }
}

/// Waits until the worker says, in its log and for `rowcast status`, that it waits for a server that hangs; since
/// when it hangs is known. Both must come long before any request has reached its time limit.
async fn hang_is_told(env: &Env, worker: &Running, server: &str, hung: Instant) {
    let line = worker.says(&format!("waiting for {server}"), 1).await.remove(0);
    assert!(hung.elapsed() < Duration::from_secs(20), "{line} after {:?}", hung.elapsed());
    let reason = line["reason"].as_str().unwrap();
    if server == "Redis" {
        // A connection that was just being made has a shorter limit.
        assert!(reason.contains("hangs, or is slow") || reason == "Redis does not answer", "{line}");
        return;
    }
    assert!(reason.contains("hangs, or is slow"), "{line}");
    let registry = Registry::new(Link::new(&SecretUrl::new(&env.redis_url)).unwrap());
    eventually(PATIENCE, "the registry says so", async || {
        let members = registry.members().await.unwrap();
        let state = members[0].fields["waiting"].clone();
        let since = line["since"].as_str().unwrap();
        if state.starts_with(&format!("waiting for {server} since {since}, ")) { Ok(()) } else { Err(state) }
    })
    .await;
}

/// One line when it began and one when it ended, with a length that counts from the first request without an answer.
fn assert_one_hang(log: &[String], server: &str, at_least: Duration) {
    assert_eq!(outages(log, server), (1, 1), "{log:#?}");
    let length = said(log, &format!("{server} is back"))[0]["duration_ms"].as_u64().unwrap();
    assert!(
        u128::from(length) >= at_least.as_millis(),
        "{length} ms, but it hung for {at_least:?}: {log:#?}"
    );
}

#[tokio::test]
async fn a_mysql_that_hangs_is_told_soon_and_a_statement_that_it_answers_late_is_no_fault() {
    let mut env = Env::own_servers().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[]);
    env.push_raw("", &jobs(0..10)).await;
    env.done(10).await;
    env.sql().sigstop().unwrap();
    let hung = Instant::now();
    env.push_raw("", &jobs(10..20)).await;
    eventually(PATIENCE, "the worker has a claim", async || {
        match env.admin("").audit().await.unwrap().in_flight {
            0 => Err("no claim"),
            _ => Ok(()),
        }
    })
    .await;
    let asked = Instant::now();
    hang_is_told(&env, &worker, "MySQL", hung).await;
    let length = asked.elapsed();
    env.sql().sigcont().unwrap();
    env.done(20).await;
    assert_exactly_once(&env, 20).await;
    worker.says("MySQL is back", 1).await;
    let log = worker.stop().await;
    assert_one_hang(&log, "MySQL", length - Duration::from_secs(1));
    assert_eq!(outages(&log, "Redis"), (0, 0), "{log:#?}");
}

#[tokio::test]
async fn a_redis_that_hangs_is_waited_for() {
    let env = Env::new().await;
    env.migrate().await;
    let mut worker = Running::worker(&env, &[]);
    env.push_raw("", &jobs(0..10)).await;
    env.done(10).await;
    env.redis.sigstop().unwrap();
    let hung = Instant::now();
    hang_is_told(&env, &worker, "Redis", hung).await;
    let length = hung.elapsed();
    env.redis.sigcont().unwrap();
    env.push_raw("", &jobs(10..20)).await;
    env.done(20).await;
    assert_exactly_once(&env, 20).await;
    worker.says("Redis is back", 1).await;
    worker.assert_alive();
    let log = worker.stop().await;
    // The lease is renewed every second here; some request was sent soon after the server stopped, or before.
    assert_one_hang(&log, "Redis", length.saturating_sub(Duration::from_secs(6)));
}

#[tokio::test]
async fn both_servers_may_be_away_at_once() {
    let mut env = Env::own_servers().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[("ROWCAST_BATCH", "50")]);
    env.push_raw("", &jobs(0..1_000)).await;
    at_least(&env, 200).await;
    env.sql().kill9().await.unwrap();
    env.redis.kill9().await.unwrap();
    worker.says("waiting for", 1).await;
    env.redis.restart().await.unwrap();
    env.sql().restart().await.unwrap();
    env.done(1_000).await;
    assert_exactly_once(&env, 1_000).await;
    for server in ["MySQL", "Redis"] {
        let told =
            eventually(PATIENCE, "each outage has ended", async || match outages(&worker.log(), server) {
                (down, up) if down == up => Ok(down),
                other => Err(other),
            });
        assert!(told.await <= 1, "{:#?}", worker.log());
    }
    worker.stop().await;
}

#[tokio::test]
async fn waiting_for_a_job_or_for_redis_is_never_taken_for_standing_still() {
    let mut env = Env::new().await;
    env.migrate().await;
    // A blocking move lasts longer than this worker may stand still.
    let queue = env.queue.clone();
    let limits = [("ROWCAST_STALL_SECONDS", "2"), ("ROWCAST_LEASE_SECONDS", "2"), ("ROWCAST_WORKERS", "1")];
    let up = Running::on(&env, "up", "", &[&limits[..], &[("ROWCAST_QUEUE", queue.as_str())]].concat());
    let mut connection = env.redis_connection().await;
    eventually(PATIENCE, "a worker blocks a second time", async || {
        let stats: String =
            redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
        let calls =
            stats.lines().find_map(|line| line.strip_prefix("cmdstat_blmove:calls=")?.split(',').next());
        let calls: u32 = calls.unwrap_or("0").parse().unwrap();
        if calls >= 2 { Ok(()) } else { Err(calls) }
    })
    .await;
    // Without Redis there is no lease, and the routes wait for it.
    env.redis.kill9().await.unwrap();
    up.says("waiting for Redis", 1).await;
    let gone = Instant::now();
    eventually(PATIENCE, "an outage longer than the stall", async || {
        if gone.elapsed().as_secs() >= 6 { Ok(()) } else { Err(gone.elapsed()) }
    })
    .await;
    env.redis.restart().await.unwrap();
    env.push_raw("", &jobs(0..10)).await;
    env.done(10).await;
    let log = up.stop().await;
    assert_eq!(said(&log, "exit").iter().filter(|line| line["reason"] != "stopping").count(), 0, "{log:#?}");
}

/// Sixty seconds and more are longer than each request's, connection's and lease's own limit.
#[tokio::test]
#[ignore = "it takes more than a minute: `make outages` runs it"]
async fn a_campaign_of_outages_longer_than_every_time_limit_loses_and_doubles_nothing() {
    tokio::join!(long_outage(true), long_outage(false));
}

/// One of the servers is away for longer than every time limit, while two workers have work.
async fn long_outage(of_redis: bool) {
    let mut env = Env::own_servers().await;
    env.migrate().await;
    let queue = env.queue.clone();
    let variables = [("ROWCAST_BATCH", "50"), ("ROWCAST_WORKERS", "2"), ("ROWCAST_QUEUE", queue.as_str())];
    let up = Running::on(&env, "up", "", &variables);
    env.push_raw("", &jobs(0..4_000)).await;
    at_least(&env, 500).await;
    let server = if of_redis { "Redis" } else { "MySQL" };
    if of_redis {
        env.redis.kill9().await.unwrap()
    } else {
        env.sql().kill9().await.unwrap()
    }
    up.says(&format!("waiting for {server}"), 2).await;
    // The length of the outage is what is tested.
    tokio::time::sleep(Duration::from_secs(65)).await;
    if of_redis {
        env.redis.restart().await.unwrap()
    } else {
        env.sql().restart().await.unwrap()
    }
    env.push_raw("", &jobs(4_000..5_000)).await;
    env.done(5_000).await;
    assert_exactly_once(&env, 5_000).await;
    up.says(&format!("{server} is back"), 2).await;
    let log = up.stop().await;
    assert_eq!(outages(&log, server), (2, 2), "one line down and one up of each worker: {log:#?}");
    assert!(said(&log, "exit").iter().all(|line| line["reason"] == "stopping"), "{log:#?}");
    let lengths = said(&log, &format!("{server} is back"));
    assert!(lengths.iter().all(|line| line["duration_ms"].as_u64().unwrap() >= 60_000), "{lengths:#?}");
}
