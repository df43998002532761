//! Latency of lone jobs: from LPUSH to commit and to publish, beside a bare transaction of one row.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt as _;
use rowcast::emitter::{self, Message};
use sqlx::{Executor, MySqlConnection};

use crate::{
    figures::percentile,
    processes::{Way, Workers},
    rows,
    servers::{QUEUE, Servers},
};

/// How long each rate is held.
const LENGTH: Duration = Duration::from_secs(5);
/// How long the workers' idle time is watched.
const IDLE: Duration = Duration::from_secs(10);

pub(crate) async fn run(servers: &Servers) -> Result<()> {
    println!(
        "Milliseconds from LPUSH, p50 / p99, beside one INSERT of one row (autocommit, and as a transaction).\n"
    );
    println!("| jobs/s | bare INSERT | BEGIN, INSERT, COMMIT | to commit | ratio of p50 | to publish |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for rate in [100, 1_000] {
        servers.empty_table().await?;
        let bare = bare_insert(servers, rate, false).await?;
        let transaction = bare_insert(servers, rate, true).await?;
        servers.empty_table().await?;
        let (commit, publish) = rowcast(servers, rate).await?;
        let ratio = percentile(&commit, 50) / percentile(&transaction, 50);
        println!(
            "| {rate} | {} | {} | {} | {ratio:.2} | {} |",
            both(&bare),
            both(&transaction),
            both(&commit),
            both(&publish)
        );
    }
    println!();
    idle(servers).await
}

/// One row at a time with one prepared statement, at the same pace.
async fn bare_insert(servers: &Servers, rate: u64, transaction: bool) -> Result<Vec<f64>> {
    let mut connection = servers.connection().await?;
    let mut latencies = Vec::new();
    let mut clock = tokio::time::interval(Duration::from_secs(1) / rate as u32);
    for n in 0..rate * LENGTH.as_secs() {
        clock.tick().await;
        let started = Instant::now();
        if transaction {
            connection.execute("BEGIN").await?;
        }
        insert(&mut connection, n).await?;
        if transaction {
            connection.execute("COMMIT").await?;
        }
        latencies.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(latencies)
}

async fn insert(connection: &mut MySqlConnection, n: u64) -> Result<()> {
    sqlx::query("INSERT INTO bench (account, name, amount, at, note, data) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(n as i64)
        .bind(format!("customer {n}"))
        .bind("1.25")
        .bind("2026-11-20 10:00:00.000")
        .bind(format!("order {n} of this morning"))
        .bind(r#"{"n":1,"tags":["a","b"],"ok":true}"#)
        .execute(connection)
        .await?;
    Ok(())
}

/// Latencies to commit and to publish. The commit's time is the worker's own log line for it.
async fn rowcast(servers: &Servers, rate: u64) -> Result<(Vec<f64>, Vec<f64>)> {
    let jobs = rate * LENGTH.as_secs();
    let workers = Workers::start(servers, 2, Way::Redis, "info,rowcast::pipeline=debug").await?;
    let mut pubsub = redis::Client::open(servers.redis.url())?.get_async_pubsub().await?;
    pubsub.psubscribe("socket.io#*").await?;
    let heard = tokio::spawn(async move {
        let mut messages = pubsub.on_message();
        let mut heard = Vec::new();
        while (heard.len() as u64) < jobs
            && let Ok(Some(message)) = tokio::time::timeout(Duration::from_secs(20), messages.next()).await
        {
            heard.push((now(), message.get_payload_bytes().to_vec()));
        }
        heard
    });
    let mut redis = servers.redis().await?;
    let mut pushed = BTreeMap::new();
    let mut clock = tokio::time::interval(Duration::from_secs(1) / rate as u32);
    for n in 0..jobs {
        let job = rows::job(n);
        clock.tick().await;
        pushed.insert(n, now());
        redis::cmd("LPUSH").arg(QUEUE).arg(job).exec_async(&mut redis).await?;
    }
    let heard = heard.await?;
    ensure!(heard.len() as u64 == jobs, "{} events instead of {jobs}", heard.len());
    let committed = commits(&workers.log()?)?;
    workers.stop()?;
    let (mut to_commit, mut to_publish) = (Vec::new(), Vec::new());
    for (at, payload) in heard {
        let (id, n) = row(&payload)?;
        let (_, commit) = committed.range(..=id).next_back().context("a commit for each row")?;
        to_commit.push((commit - pushed[&n]) * 1e3);
        to_publish.push((at - pushed[&n]) * 1e3);
    }
    Ok((to_commit, to_publish))
}

/// The time of each commit by the first id that it made visible.
fn commits(log: &str) -> Result<BTreeMap<u64, f64>> {
    let mut commits = BTreeMap::new();
    for line in log.lines().filter(|line| line.contains("\"committed\"")) {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let at = line["timestamp"].as_str().context("a timestamp")?;
        let at = time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339)?;
        let id = line["first_id"].as_u64().context("a first id")?;
        commits.insert(id, at.unix_timestamp_nanos() as f64 / 1e9);
    }
    Ok(commits)
}

/// A row's id and the number of its job, out of its event.
fn row(payload: &[u8]) -> Result<(u64, u64)> {
    let Message::Broadcast(broadcast) = emitter::decode("socket.io", "socket.io#/#", payload)? else {
        anyhow::bail!("no broadcast");
    };
    let event = serde_json::to_value(&broadcast.args[0])?;
    let number = |value: &serde_json::Value| value.as_u64().context("a number");
    Ok((number(&event["id"])?, number(&event["row"]["data"]["n"])?))
}

/// What two workers use while there is nothing to do.
async fn idle(servers: &Servers) -> Result<()> {
    let workers = Workers::start(servers, 2, Way::Redis, "info").await?;
    let before = workers.usage()?;
    tokio::time::sleep(IDLE).await;
    let after = workers.usage()?;
    let cpu: Duration = before.iter().zip(&after).map(|(before, after)| after.cpu - before.cpu).sum();
    println!("Idle: two workers together used {} ms of CPU time in {} s.\n", cpu.as_millis(), IDLE.as_secs());
    workers.stop()
}

fn both(latencies: &[f64]) -> String {
    format!("{:.2} / {:.2}", percentile(latencies, 50), percentile(latencies, 99))
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
