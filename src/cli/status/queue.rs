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
    /// Why its lists cannot be read; the numbers then mean nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Between two looks; only while watching.
    rows_per_second: Option<f64>,
}

impl QueueLine {
    pub(super) fn new(route: &Route, audit: Audit) -> Self {
        let (queue, table) = (route.queue.clone(), route.table.to_string());
        Self { queue, table, audit, problem: None, rows_per_second: None }
    }

    /// The line of a queue whose lists cannot be read.
    pub(super) fn unreadable(route: &Route, problem: String) -> Self {
        Self { problem: Some(problem), ..Self::new(route, Audit::default()) }
    }

    /// Why its lists cannot be read.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    pub(super) fn rate_since(&mut self, before: &Self, elapsed: Duration) {
        let rows = self.audit.rows.saturating_sub(before.audit.rows);
        self.rows_per_second = Some(rows as f64 / elapsed.as_secs_f64());
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let Audit { waiting, in_flight, suspects, dead_letters, inserted, duplicate, rows, .. } = self.audit;
        if self.problem.is_some() {
            let mut cells = vec![self.queue.clone(), self.table.clone(), "unreadable".to_owned()];
            cells.resize(TITLES.len(), "-".to_owned());
            return cells;
        }
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
