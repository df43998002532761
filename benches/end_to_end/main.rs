//! What the README's figures come from: rowcast beside the database's own bulk loader, on the same server, with the
//! same rows, in one run.
//!
//! `cargo bench --bench end_to_end -- [mariadb|mysql ...]`; by default each server that is there.
//! `ROWCAST_BENCH_ROWS` (200,000) and `ROWCAST_BENCH_ROUNDS` (3) make it larger or smaller. The rounds of all
//! contestants alternate, and the medians are compared: the ratio survives a noisy machine, the figures do not.

mod contest;
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
        if !asked.is_empty() && !asked.iter().any(|name| name == flavour.name()) {
            continue;
        }
        let wanted = match (&explicit, flavour) {
            (Some(path), Flavour::MySql) => Wanted::Program(path),
            _ => Wanted::Flavour(flavour),
        };
        match SqlBinary::find(wanted) {
            Ok(binary) => measure(&binary).await?,
            Err(error) => println!("{}: not measured: {error:#}\n", flavour.name()),
        }
    }
    Ok(())
}

async fn measure(binary: &SqlBinary) -> Result<()> {
    let mut servers = Servers::start(binary).await?;
    println!("## {}\n", binary.version);
    contest::run(&servers).await?;
    latency::run(&servers).await?;
    servers.stop().await
}
