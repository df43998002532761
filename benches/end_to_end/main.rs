//! What the README's figures come from: rowcast beside the database's own bulk loader, on the same server, with the
//! same rows, in one run.
//!
//! `cargo bench --bench end_to_end -- [mariadb|mysql] [throughput|latency]`; by default both, on each server that is
//! there.
//! `ROWCAST_BENCH_ROWS` (200,000) and `ROWCAST_BENCH_ROUNDS` (3) make it larger or smaller. The rounds of all
//! contestants alternate, and the medians are compared: the ratio survives a noisy machine, the figures do not.

mod contest;
#[path = "../support/figures.rs"]
mod figures;
mod latency;
mod processes;
mod rows;
mod servers;

use anyhow::Result;
use rowcast::sandbox::{Flavour, SqlBinary, Wanted};

use servers::Servers;

fn main() -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> Result<()> {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let explicit = std::env::var_os("ROWCAST_SANDBOX_MYSQLD").map(std::path::PathBuf::from);
    for flavour in [Flavour::MariaDb, Flavour::MySql] {
        if !wants(&asked, &["mariadb", "mysql"], flavour.name()) {
            continue;
        }
        let wanted = match (&explicit, flavour) {
            (Some(path), Flavour::MySql) => Wanted::Program(path),
            _ => Wanted::Flavour(flavour),
        };
        match SqlBinary::find(wanted) {
            Ok(binary) => measure(&binary, &asked).await?,
            Err(error) => println!("{}: not measured: {error:#}\n", flavour.name()),
        }
    }
    Ok(())
}

async fn measure(binary: &SqlBinary, asked: &[String]) -> Result<()> {
    let mut servers = Servers::start(binary).await?;
    println!("## {}\n", binary.version);
    let parts = ["throughput", "latency"];
    if wants(asked, &parts, "throughput") {
        contest::run(&servers).await?;
    }
    if wants(asked, &parts, "latency") {
        latency::run(&servers).await?;
    }
    servers.stop().await
}

/// Whether one of several was asked for, or none of them was.
fn wants(asked: &[String], all: &[&str], one: &str) -> bool {
    asked.iter().any(|name| name == one) || !asked.iter().any(|name| all.contains(&name.as_str()))
}
