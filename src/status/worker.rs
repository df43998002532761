//! How a worker stands.

use serde::Serialize;

use super::life::{Life, number, text};
use crate::queue::Member;

/// A worker. A field that it did not write is missing.
#[derive(Debug, Serialize)]
pub struct Worker {
    /// Who it is and how it is.
    #[serde(flatten)]
    pub life: Life,
    /// The queues that it takes jobs from.
    pub queues: Option<Vec<String>>,
    /// Jobs that it has finished.
    pub jobs: Option<u64>,
    /// Rows that it has inserted.
    pub rows: Option<u64>,
    /// Rows a second over its last reports: over some seconds, a third of ROWCAST_LEASE_SECONDS.
    pub rows_per_second: Option<f64>,
}

impl Worker {
    /// What a worker says of itself, at a time in milliseconds since 1970.
    pub fn new(member: &Member, now: u64) -> Self {
        Self {
            life: Life::new(member, now),
            queues: text(member, "queues").and_then(|names| serde_json::from_str(&names).ok()),
            jobs: number(member, "jobs"),
            rows: number(member, "rows"),
            rows_per_second: text(member, "rows_per_second").and_then(|rate| rate.parse().ok()),
        }
    }

    /// Whether it holds its lease and takes jobs from this queue. One that does not say what it takes may.
    pub fn takes(&self, queue: &str) -> bool {
        let named = |queues: &Vec<String>| queues.iter().any(|name| name == queue);
        self.life.alive && self.queues.as_ref().is_none_or(named)
    }
}
