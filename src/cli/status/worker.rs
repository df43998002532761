//! A worker's line.

use serde::Serialize;

use super::life::{Life, in_digits, number};
use crate::queue::Member;

/// The titles of [`WorkerLine::cells`].
pub(super) const TITLES: [&str; 10] =
    ["worker", "host", "pid", "slot", "state", "up", "jobs", "rows", "rows/s", "memory"];

/// A worker's line. A field that it did not write is missing.
#[derive(Debug, Serialize)]
pub(super) struct WorkerLine {
    #[serde(flatten)]
    life: Life,
    jobs: Option<u64>,
    rows: Option<u64>,
    /// The mean over its whole life.
    rows_per_second: Option<f64>,
}

impl WorkerLine {
    pub(super) fn new(member: &Member, now: u64) -> Self {
        let life = Life::new(member, now);
        let (jobs, rows) = (number(member, "jobs"), number(member, "rows"));
        let up = life.uptime_ms;
        let per_second = |rows: u64| up.map(|up| rows as f64 * 1_000.0 / up.max(1) as f64);
        Self { life, jobs, rows, rows_per_second: rows.and_then(per_second) }
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let mut cells = self.life.cells();
        cells.extend([
            in_digits(self.jobs),
            in_digits(self.rows),
            self.rows_per_second.map_or_else(String::new, |rate| format!("{rate:.1}")),
            self.life.memory(),
        ]);
        cells
    }

    /// Who it is and how it is.
    pub(super) fn life(&self) -> &Life {
        &self.life
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    #[test]
    fn a_worker_without_a_lease_is_gone_and_one_that_waits_says_for_what() {
        let member = |fields: &[(&str, &str)]| Member {
            id: "01J".into(),
            fields: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            left: Duration::from_secs(8),
        };
        let gone = Member { id: "01J".into(), fields: BTreeMap::new(), left: Duration::ZERO };
        let gone = WorkerLine::new(&gone, 5_000);
        assert!(gone.cells()[4].starts_with("gone"));
        let fields =
            [("state", "waiting"), ("waiting", "waiting for MySQL"), ("since", "1000"), ("rows", "8")];
        let waits = WorkerLine::new(&member(&fields), 5_000);
        assert_eq!([&waits.cells()[4], &waits.cells()[8]], ["waiting for MySQL", "2.0"]);
        // 8 s are left of its lease: a beat is a third of it.
        let state =
            |lease| WorkerLine::new(&member(&[("state", "working"), ("lease", lease)]), 5_000).cells();
        assert_eq!([&state("15000")[4], &state("12000")[4]], ["silent for 7 s", "working"]);
    }
}
