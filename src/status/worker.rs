//! How a worker stands.

use serde::Serialize;

use super::life::{Life, number};
use crate::queue::Member;

/// A worker. A field that it did not write is missing.
#[derive(Debug, Serialize)]
pub struct Worker {
    /// Who it is and how it is.
    #[serde(flatten)]
    pub life: Life,
    /// Jobs that it has finished.
    pub jobs: Option<u64>,
    /// Rows that it has inserted.
    pub rows: Option<u64>,
    /// The mean over its whole life.
    pub rows_per_second: Option<f64>,
}

impl Worker {
    /// What a worker says of itself, at a time in milliseconds since 1970.
    pub fn new(member: &Member, now: u64) -> Self {
        let life = Life::new(member, now);
        let (jobs, rows) = (number(member, "jobs"), number(member, "rows"));
        let up = life.uptime_ms;
        let per_second = |rows: u64| up.map(|up| rows as f64 * 1_000.0 / up.max(1) as f64);
        Self { life, jobs, rows, rows_per_second: rows.and_then(per_second) }
    }
}
