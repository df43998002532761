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
/// Beside Node's server: the gateway as it is by default, or in both ways to hear rooms.
const DEFAULT: &[Kind] = &[Kind::Rowcast(None), Kind::Node];
const BOTH_WAYS: &[Kind] = &[Kind::Rowcast(Some("pattern")), Kind::Rowcast(Some("rooms")), Kind::Node];
/// The load that is also measured in both ways.
const MANY_MESSAGES: (usize, u64) = LOADS[0];

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
        let figures = alternate(BOTH_WAYS, rounds, async |kind| bench.unwanted(kind).await).await?;
        lines("CPU for a message that no client here wants, µs", BOTH_WAYS, figures, 2);
    }
    if wants("memory") {
        let figures = alternate(BOTH_WAYS, rounds, async |kind| bench.memory(kind).await).await?;
        lines("memory for each idle connection, kB", BOTH_WAYS, figures, 1);
    }
    redis.stop().await
}

async fn deliver(bench: &Bench, rounds: u64, (clients, rate): (usize, u64)) -> Result<()> {
    let kinds = if (clients, rate) == MANY_MESSAGES { BOTH_WAYS } else { DEFAULT };
    let all = alternate(kinds, rounds, async |kind| bench.deliver(kind, clients, rate).await).await?;
    let each =
        |figure: fn(&Delivery) -> f64| all.iter().map(|all| all.iter().map(figure).collect()).collect();
    let cpu = format!("CPU for each delivery, {clients} clients x {rate} messages/s, µs");
    lines(&cpu, kinds, each(|delivery| delivery.cpu), 2);
    if (clients, rate) == DELAYS {
        lines("from PUBLISH to the client at that load, p50, ms", kinds, each(|delivery| delivery.p50), 2);
        lines("from PUBLISH to the client at that load, p99, ms", kinds, each(|delivery| delivery.p99), 2);
    }
    let busiest = all.iter().flatten().map(|delivery| delivery.clients_busy).fold(0.0, f64::max);
    eprintln!("{clients} clients x {rate}: the clients took {:.0} % of a core at most", busiest * 100.0);
    Ok(())
}

/// Measures all in turns.
async fn alternate<T>(
    kinds: &[Kind],
    rounds: u64,
    measure: impl AsyncFn(Kind) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let mut figures: Vec<Vec<T>> = kinds.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (figures, kind) in figures.iter_mut().zip(kinds) {
            figures.push(measure(*kind).await?);
        }
    }
    Ok(figures)
}

/// A line for each way of the gateway; Node's server is the last.
fn lines(what: &str, kinds: &[Kind], figures: Vec<Vec<f64>>, digits: usize) {
    let medians: Vec<f64> = figures.into_iter().map(|figures| median(figures.into_iter())).collect();
    let Some((theirs, ours)) = medians.split_last() else { return };
    for (ours, kind) in ours.iter().zip(kinds) {
        let way = match kind {
            Kind::Rowcast(Some(way)) => format!(" (`ROWCAST_HEAR={way}`)"),
            _ => String::new(),
        };
        println!("| {what}{way} | {ours:.digits$} | {theirs:.digits$} | {:.2} |", ours / theirs);
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
