//! A queue's line.

use super::super::show::{ago, took};
use crate::{delay::Delay, queue::Audit, status::Queue};

/// The titles of [`cells`].
pub(super) const TITLES: [&str; 14] = [
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
    "commit p50/p99",
    "publish p50/p99",
];

pub(super) fn cells(line: &Queue) -> Vec<String> {
    let Audit { waiting, in_flight, suspects, dead_letters, inserted, duplicate, rows, .. } = line.audit;
    if line.problem.is_some() {
        let mut cells = vec![line.queue.clone(), line.table.clone(), "unreadable".to_owned()];
        cells.resize(TITLES.len(), "-".to_owned());
        return cells;
    }
    let mut cells = vec![
        line.queue.clone(),
        line.table.clone(),
        state(line).to_owned(),
        waiting.to_string(),
        in_flight.to_string(),
        line.audit.oldest_claim_ms.map_or_else(|| "-".to_owned(), ago),
    ];
    cells.extend([suspects, dead_letters, inserted, duplicate, rows].map(|number| number.to_string()));
    cells.push(line.rows_per_second.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}")));
    cells.extend([line.commit_delay, line.publish_delay].map(in_words));
    cells
}

fn in_words(delay: Option<Delay>) -> String {
    delay.map_or_else(|| "-".to_owned(), |delay| format!("{} / {}", took(delay.p50_ms), took(delay.p99_ms)))
}

fn state(line: &Queue) -> &'static str {
    match line.workers {
        _ if line.audit.paused => "paused",
        0 => "no worker",
        _ => "open",
    }
}
