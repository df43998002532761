//! A worker's line.

use super::life;
use crate::status::Worker;

/// The titles of [`cells`].
pub(super) const TITLES: [&str; 10] =
    ["worker", "host", "pid", "slot", "state", "up", "jobs", "rows", "rows/s", "memory"];

pub(super) fn cells(worker: &Worker) -> Vec<String> {
    let mut cells = life::cells(&worker.life);
    cells.extend([
        life::in_digits(worker.jobs),
        life::in_digits(worker.rows),
        worker.rows_per_second.map_or_else(String::new, |rate| format!("{rate:.1}")),
        life::memory(&worker.life),
    ]);
    cells
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::queue::Member;

    #[test]
    fn a_worker_without_a_lease_is_gone_and_one_that_waits_says_for_what() {
        let member = |fields: &[(&str, &str)]| Member {
            id: "01J".into(),
            fields: fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            left: Duration::from_secs(8),
        };
        let gone = Member { id: "01J".into(), fields: BTreeMap::new(), left: Duration::ZERO };
        let gone = Worker::new(&gone, 5_000);
        assert!(cells(&gone)[4].starts_with("gone"));
        let fields = [
            ("state", "waiting"),
            ("waiting", "waiting for MySQL"),
            ("since", "1000"),
            ("rows_per_second", "2.04"),
        ];
        let waits = cells(&Worker::new(&member(&fields), 5_000));
        assert_eq!([&waits[4], &waits[8]], ["waiting for MySQL", "2.0"]);
        // 8 s are left of its lease: a beat is a third of it.
        let state = |lease| cells(&Worker::new(&member(&[("state", "working"), ("lease", lease)]), 5_000));
        assert_eq!([&state("15000")[4], &state("12000")[4]], ["silent for 7 s", "working"]);
    }
}
