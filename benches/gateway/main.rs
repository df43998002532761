//! What the README says of the gateway's speed: beside Node's socket.io server with the Redis adapter, on the same
//! Redis, with the same messages and the same clients, in one run.
//!
//! `cargo bench --bench gateway -- [deliver|unwanted|memory]`; by default all of it. `ROWCAST_BENCH_ROUNDS` (3) and
//! `ROWCAST_BENCH_SECONDS` (5) make it larger or smaller. The rounds of both servers alternate, and the medians are
//! compared: the ratio survives a noisy machine, the figures do not.
//!
//! Only the server's process is counted. The clients and the publisher are this process, Redis is one of its own.

mod client;
mod crowd;
#[path = "../support/figures.rs"]
mod figures;
mod measure;
mod server;

use std::time::Duration;

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rowcast::sandbox::{Redis, RedisOptions};

use figures::median;
use measure::{Bench, Delivery};
use server::Kind;

/// Clients, and messages for all of them each second.
const LOADS: [(usize, u64); 3] = [(100, 1_000), (500, 60), (4_000, 4)];
/// The load whose delays are told.
const DELAYS: (usize, u64) = LOADS[1];
const BOTH: [Kind; 2] = [Kind::Rowcast, Kind::Node];

fn main() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> Result<()> {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wants = |part: &str| asked.is_empty() || asked.iter().any(|name| name == part);
    let folder = std::env::temp_dir().join(format!("rowcast-bench-{}", std::process::id()));
    let options = RedisOptions { throwaway: true, ..RedisOptions::default() };
    let mut redis = Redis::start(&folder, &options).await?;
    let length = Duration::from_secs(variable("ROWCAST_BENCH_SECONDS", 5));
    let bench = Bench { redis: redis.url(), length };
    let rounds = variable("ROWCAST_BENCH_ROUNDS", 3);
    println!("Median of {rounds} rounds; CPU time of the server's process.\n");
    println!("| | rowcast | socket.io (Node) | ratio |\n| --- | --- | --- | --- |");
    if wants("deliver") {
        for load in LOADS {
            deliver(&bench, rounds, load).await?;
        }
    }
    if wants("unwanted") {
        let figures = alternate(rounds, async |kind| bench.unwanted(kind).await).await?;
        line("CPU for a message that no client here wants, µs", figures, 2);
    }
    if wants("memory") {
        let figures = alternate(rounds, async |kind| bench.memory(kind).await).await?;
        line("memory for each idle connection, kB", figures, 1);
    }
    redis.stop().await
}

async fn deliver(bench: &Bench, rounds: u64, (clients, rate): (usize, u64)) -> Result<()> {
    let mut cpu = [Vec::new(), Vec::new()];
    let mut delays: [[Vec<f64>; 2]; 2] = Default::default();
    let mut busiest: f64 = 0.0;
    for _ in 0..rounds {
        for (at, kind) in BOTH.into_iter().enumerate() {
            let Delivery { cpu: each, p50, p99, clients_busy } = bench.deliver(kind, clients, rate).await?;
            cpu[at].push(each);
            delays[0][at].push(p50);
            delays[1][at].push(p99);
            busiest = busiest.max(clients_busy);
        }
    }
    line(&format!("CPU for each delivery, {clients} clients x {rate} messages/s, µs"), cpu, 2);
    if (clients, rate) == DELAYS {
        let [p50, p99] = delays;
        line("from PUBLISH to the client at that load, p50, ms", p50, 2);
        line("from PUBLISH to the client at that load, p99, ms", p99, 2);
    }
    eprintln!("{clients} clients x {rate}: the clients took {:.0} % of a core at most", busiest * 100.0);
    Ok(())
}

/// Measures both in turns.
async fn alternate(rounds: u64, measure: impl AsyncFn(Kind) -> Result<f64>) -> Result<[Vec<f64>; 2]> {
    let mut figures = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (at, kind) in BOTH.into_iter().enumerate() {
            figures[at].push(measure(kind).await?);
        }
    }
    Ok(figures)
}

fn line(what: &str, [ours, theirs]: [Vec<f64>; 2], digits: usize) {
    let (ours, theirs) = (median(ours.into_iter()), median(theirs.into_iter()));
    println!("| {what} | {ours:.digits$} | {theirs:.digits$} | {:.2} |", ours / theirs);
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
