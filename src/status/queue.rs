//! How a queue stands, by its lists and counters.

use std::time::Duration;

use serde::Serialize;

use crate::{queue::Audit, route::Route};

/// A queue.
#[derive(Debug, Serialize)]
pub struct Queue {
    /// Its name.
    pub queue: String,
    /// The table that its rows go into.
    pub table: String,
    /// Its numbers.
    #[serde(flatten)]
    pub audit: Audit,
    /// Why its lists cannot be read; the numbers then mean nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Between two looks; only while watching.
    pub rows_per_second: Option<f64>,
}

impl Queue {
    /// A route's queue with its numbers, or with the reason why it has none.
    pub fn new(route: &Route, audit: &Result<Audit, String>) -> Self {
        Self {
            queue: route.queue.clone(),
            table: route.table.to_string(),
            audit: audit.clone().unwrap_or_default(),
            problem: audit.as_ref().err().cloned(),
            rows_per_second: None,
        }
    }

    /// Counts the rows since an earlier look.
    pub fn rate_since(&mut self, before: &Self, elapsed: Duration) {
        let rows = self.audit.rows.saturating_sub(before.audit.rows);
        self.rows_per_second = Some(rows as f64 / elapsed.as_secs_f64());
    }
}
