//! The same rows for everybody: about 180 bytes of JSON each.

use std::{fmt::Write as _, io::Write as _, path::Path};

use anyhow::Result;
use redis::aio::MultiplexedConnection;

/// The row of a number, as a job.
pub(crate) fn job(n: u64) -> String {
    let (account, cents, second) = (n * 7_919 % 100_000, n % 100, n % 60);
    format!(
        r#"{{"account":{account},"name":"customer {account}","amount":"{}.{cents:02}","at":"2026-11-20T10:00:{second:02}.{:03}Z","note":"order {n} of this morning","data":{{"n":{n},"tags":["a","b"],"ok":true}}}}"#,
        n % 10_000,
        n % 1000,
    )
}

/// The same rows as the bulk loader reads them.
pub(crate) fn write_file(path: &Path, rows: u64) -> Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut line = String::new();
    for n in 0..rows {
        let (account, cents, second) = (n * 7_919 % 100_000, n % 100, n % 60);
        line.clear();
        writeln!(
            line,
            "{account}\tcustomer {account}\t{}.{cents:02}\t2026-11-20 10:00:{second:02}.{:03}\torder {n} of this morning\t{{\"n\":{n},\"tags\":[\"a\",\"b\"],\"ok\":true}}",
            n % 10_000,
            n % 1000,
        )?;
        file.write_all(line.as_bytes())?;
    }
    file.flush()?;
    Ok(())
}

/// Pushes the rows to a list, as jobs.
pub(crate) async fn push(redis: &mut MultiplexedConnection, list: &str, rows: u64) -> Result<()> {
    let numbers: Vec<u64> = (0..rows).collect();
    for chunk in numbers.chunks(1_000) {
        let jobs: Vec<String> = chunk.iter().map(|&n| job(n)).collect();
        redis::cmd("LPUSH").arg(list).arg(&jobs).exec_async(redis).await?;
    }
    Ok(())
}
