//! A worker, as it says of itself in the registry.

use serde::Serialize;

use super::super::show::{ago, shown};
use crate::queue::Member;

/// The titles of [`WorkerLine::cells`].
pub(super) const TITLES: [&str; 10] =
    ["worker", "host", "pid", "slot", "state", "up", "jobs", "rows", "rows/s", "memory"];

/// A worker's line. A field that it did not write is missing.
#[derive(Debug, Serialize)]
pub(super) struct WorkerLine {
    id: String,
    /// Whether it holds its lease.
    alive: bool,
    host: Option<String>,
    pid: Option<u64>,
    slot: Option<u64>,
    version: Option<String>,
    state: Option<String>,
    /// When it started, in milliseconds since 1970.
    since: Option<u64>,
    uptime_ms: Option<u64>,
    jobs: Option<u64>,
    rows: Option<u64>,
    /// The mean over its whole life.
    rows_per_second: Option<f64>,
    memory: Option<u64>,
    waiting: Option<String>,
    /// How long ago it gave its last sign of life.
    silent_ms: Option<u64>,
    /// Whether it should have given another one since.
    silent: bool,
}

/// Signs of life come three times in the length of a lease, and may be late by so much.
const LATE_MS: u64 = 1_500;

/// What parts an outage from its reason in what a worker writes: `waiting for MySQL since 12:03:04, it is full`.
const REASON: &str = ", ";

impl WorkerLine {
    pub(super) fn new(member: &Member, now: u64) -> Self {
        let text = |name: &str| member.fields.get(name).filter(|text| !text.is_empty()).cloned();
        let number = |name: &str| text(name).and_then(|text| text.parse::<u64>().ok());
        let uptime_ms = number("since").map(|since| now.saturating_sub(since));
        let left = u64::try_from(member.left.as_millis()).unwrap_or(u64::MAX);
        let lease = number("lease");
        let silent_ms = lease.map(|lease| lease.saturating_sub(left));
        let per_second = |rows: u64| uptime_ms.map(|up| rows as f64 * 1_000.0 / up.max(1) as f64);
        Self {
            id: member.id.clone(),
            alive: !member.fields.is_empty(),
            host: text("host"),
            pid: number("pid"),
            slot: number("slot"),
            version: text("version"),
            state: text("state"),
            since: number("since"),
            uptime_ms,
            jobs: number("jobs"),
            rows: number("rows"),
            rows_per_second: number("rows").and_then(per_second),
            memory: number("memory"),
            waiting: text("waiting"),
            silent: silent_ms.zip(lease).is_some_and(|(silent, lease)| silent > lease / 3 + LATE_MS),
            silent_ms,
        }
    }

    pub(super) fn cells(&self) -> Vec<String> {
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        let text = |text: &Option<String>| shown(text.as_deref().unwrap_or_default(), 60);
        vec![
            self.id.clone(),
            text(&self.host),
            number(self.pid),
            number(self.slot),
            self.state_in_words(),
            self.uptime_ms.map_or_else(String::new, ago),
            number(self.jobs),
            number(self.rows),
            self.rows_per_second.map_or_else(String::new, |rate| format!("{rate:.1}")),
            self.memory.map_or_else(String::new, |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0)),
        ]
    }

    /// What it waits for, in all its words; `None` while it works, is silent or gone.
    pub(super) fn reason(&self) -> Option<String> {
        let waiting = self.waiting.as_ref().filter(|_| self.alive && !self.silent)?;
        Some(shown(waiting.split_once(REASON)?.1, 10_000))
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    fn state_in_words(&self) -> String {
        match (&self.waiting, &self.state) {
            _ if !self.alive => "gone: its lease has run out".to_owned(),
            _ if self.silent => format!("silent for {}", ago(self.silent_ms.unwrap_or_default())),
            // The reason stands below the table.
            (Some(waiting), _) => shown(waiting.split_once(REASON).map_or(waiting, |(what, _)| what), 70),
            (None, Some(state)) => shown(state, 20),
            (None, None) => String::new(),
        }
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
