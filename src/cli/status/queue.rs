//! A queue, as its lists and counters stand.

use std::time::Duration;

use serde::Serialize;

use super::super::show::ago;
use crate::{queue::Audit, route::Route};

/// The titles of [`QueueLine::cells`].
pub(super) const TITLES: [&str; 12] = [
    "queue",
    "table",
    "state",
    "waiting",
    "in flight",
    "oldest claim",
    "suspects",
    "dead letters",
    "inserted",
    "duplicate",
    "rows",
    "rows/s",
];

/// A queue's line.
#[derive(Debug, Serialize)]
pub(super) struct QueueLine {
    queue: String,
    table: String,
    #[serde(flatten)]
    audit: Audit,
    /// Between two looks; only while watching.
    rows_per_second: Option<f64>,
}

impl QueueLine {
    pub(super) fn new(route: &Route, audit: Audit) -> Self {
        Self { queue: route.queue.clone(), table: route.table.to_string(), audit, rows_per_second: None }
    }

    pub(super) fn rate_since(&mut self, before: &Self, elapsed: Duration) {
        let rows = self.audit.rows.saturating_sub(before.audit.rows);
        self.rows_per_second = Some(rows as f64 / elapsed.as_secs_f64());
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let Audit { waiting, in_flight, suspects, dead_letters, inserted, duplicate, rows, .. } = self.audit;
        let mut cells = vec![
            self.queue.clone(),
            self.table.clone(),
            if self.audit.paused { "paused" } else { "open" }.to_owned(),
            waiting.to_string(),
            in_flight.to_string(),
            self.audit.oldest_claim_ms.map_or_else(|| "-".to_owned(), ago),
        ];
        cells.extend([suspects, dead_letters, inserted, duplicate, rows].map(|number| number.to_string()));
        cells.push(self.rows_per_second.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")));
        cells
    }
}
