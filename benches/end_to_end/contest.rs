//! Throughput: jobs waiting in Redis to rows committed, published and settled, beside LOAD DATA LOCAL INFILE.

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rowcast::{
    config::{Fanout, SecretUrl},
    queue::{Admin, Keys, Link},
};

use crate::{
    figures::median,
    processes::{Usage, Way, Workers, usage},
    rows,
    servers::{QUEUE, Servers},
};

/// What one contestant did in one round.
struct Round {
    rows_per_second: f64,
    /// CPU time for each row, in microseconds: of rowcast's processes together, Redis, and the SQL server.
    cpu: [f64; 3],
    memory: u64,
}

#[derive(Clone, Copy)]
enum Contestant {
    LoadData(usize),
    Rowcast(Way),
}

const CONTESTANTS: [(&str, Contestant); 6] = [
    ("LOAD DATA LOCAL INFILE, one connection", Contestant::LoadData(1)),
    ("LOAD DATA LOCAL INFILE, two connections", Contestant::LoadData(2)),
    ("rowcast, two workers", Contestant::Rowcast(Way::Silent)),
    ("rowcast, two workers, publishing", Contestant::Rowcast(Way::Redis)),
    ("rowcast, two workers, to a gateway through Redis", Contestant::Rowcast(Way::Gateway(Fanout::Redis))),
    ("rowcast, two workers, to a gateway past Redis", Contestant::Rowcast(Way::Gateway(Fanout::Local))),
];

pub(crate) async fn run(servers: &Servers) -> Result<()> {
    let (rows, rounds) = (variable("ROWCAST_BENCH_ROWS", 200_000), variable("ROWCAST_BENCH_ROUNDS", 3));
    let file = std::env::temp_dir().join(format!("rowcast-bench-{}.tsv", std::process::id()));
    rows::write_file(&file, rows)?;
    let mut results: Vec<Vec<Round>> = CONTESTANTS.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (at, (_, contestant)) in CONTESTANTS.iter().enumerate() {
            servers.empty_table().await?;
            let round = match *contestant {
                Contestant::LoadData(connections) => load_data(servers, &file, rows, connections).await?,
                Contestant::Rowcast(way) => rowcast(servers, rows, way).await?,
            };
            results[at].push(round);
        }
    }
    std::fs::remove_file(&file)?;
    print(&results, rows, rounds);
    Ok(())
}

async fn load_data(servers: &Servers, file: &PathBuf, rows: u64, connections: usize) -> Result<Round> {
    let before = usage(servers.sql.pid().context("a server")?)?;
    let parts = split(file, rows, connections)?;
    let started = Instant::now();
    let mut clients = Vec::new();
    for part in &parts {
        let statement = format!(
            "LOAD DATA LOCAL INFILE '{}' INTO TABLE bench FIELDS ESCAPED BY '' (account, name, amount, at, note, data)",
            part.display()
        );
        let mut command = Command::new("mariadb");
        command.args([
            "--local-infile=1",
            "--default-character-set=utf8mb4",
            "-h",
            "127.0.0.1",
            "-u",
            "root",
            "-P",
        ]);
        clients.push(command.arg(servers.sql.port().to_string()).args(["app", "-e", &statement]).spawn()?);
    }
    for mut client in clients {
        ensure!(client.wait()?.success(), "LOAD DATA failed");
    }
    let took = started.elapsed();
    let after = usage(servers.sql.pid().context("a server")?)?;
    check_count(servers, rows).await?;
    for part in parts.iter().filter(|part| *part != file) {
        std::fs::remove_file(part)?;
    }
    let cpu = [0.0, 0.0, per_row(before, after, rows)];
    Ok(Round { rows_per_second: rows as f64 / took.as_secs_f64(), cpu, memory: 0 })
}

/// One file for each connection, so that they do not read the same rows.
fn split(file: &PathBuf, rows: u64, connections: usize) -> Result<Vec<PathBuf>> {
    if connections == 1 {
        return Ok(vec![file.clone()]);
    }
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().collect();
    let size = (rows as usize).div_ceil(connections);
    let parts = lines.chunks(size).enumerate().map(|(at, part)| {
        let path = file.with_extension(format!("{at}.tsv"));
        std::fs::write(&path, part.join("\n") + "\n")?;
        Ok(path)
    });
    parts.collect()
}

async fn rowcast(servers: &Servers, rows: u64, way: Way) -> Result<Round> {
    let mut redis = servers.redis().await?;
    redis::cmd("DEL").arg(Keys::new(QUEUE).totals).exec_async(&mut redis).await?;
    rows::push(&mut redis, "staged", rows).await?;
    let workers = Workers::start(servers, 2, way, "info").await?;
    let processes = [servers.redis.pid(), servers.sql.pid()].map(|pid| pid.context("a server"));
    let [redis_pid, sql_pid] = processes;
    let (redis_pid, sql_pid) = (redis_pid?, sql_pid?);
    let before = (workers.usage()?, usage(redis_pid)?, usage(sql_pid)?);
    let admin = Admin::new(QUEUE, Link::new(&SecretUrl::new(servers.redis.url()))?);

    let started = Instant::now();
    // All jobs are there at once, as after a night; the rename wakes the workers as a push does.
    redis::cmd("RENAME").arg("staged").arg(QUEUE).exec_async(&mut redis).await?;
    loop {
        let audit = admin.audit().await?;
        ensure!(audit.dead + audit.duplicate == 0, "jobs were rejected: {audit:?}");
        if audit.inserted == rows {
            break;
        }
        ensure!(started.elapsed() < Duration::from_secs(300), "not done: {audit:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = started.elapsed();

    let after = (workers.usage()?, usage(redis_pid)?, usage(sql_pid)?);
    check_count(servers, rows).await?;
    let workers_cpu =
        before.0.iter().zip(&after.0).map(|(before, after)| per_row(*before, *after, rows)).sum();
    let memory = after.0.iter().map(|usage| usage.peak_memory).max().unwrap_or(0);
    workers.stop()?;
    let cpu = [workers_cpu, per_row(before.1, after.1, rows), per_row(before.2, after.2, rows)];
    Ok(Round { rows_per_second: rows as f64 / took.as_secs_f64(), cpu, memory })
}

async fn check_count(servers: &Servers, rows: u64) -> Result<()> {
    let count: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM bench").fetch_one(&mut servers.connection().await?).await?;
    ensure!(count as u64 == rows, "{count} rows instead of {rows}");
    Ok(())
}

fn per_row(before: Usage, after: Usage, rows: u64) -> f64 {
    (after.cpu - before.cpu).as_secs_f64() * 1e6 / rows as f64
}

fn print(results: &[Vec<Round>], rows: u64, rounds: u64) {
    println!("{rows} rows, median of {rounds} alternating rounds; CPU in microseconds for each row.\n");
    println!(
        "| contestant | rows/s | ratio | CPU rowcast | CPU Redis | CPU SQL server | peak memory of a process |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let reference = median(results[0].iter().map(|round| round.rows_per_second));
    for ((name, _), rounds) in CONTESTANTS.iter().zip(results) {
        let speed = median(rounds.iter().map(|round| round.rows_per_second));
        let cpu = |at: usize| median(rounds.iter().map(|round| round.cpu[at]));
        let memory = rounds.iter().map(|round| round.memory).max().unwrap_or(0);
        let memory = if memory == 0 { "-".to_owned() } else { format!("{:.0} MB", memory as f64 / 1e6) };
        println!(
            "| {name} | {speed:.0} | {:.2} | {:.1} | {:.1} | {:.1} | {memory} |",
            speed / reference,
            cpu(0),
            cpu(1),
            cpu(2),
        );
    }
    println!();
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
