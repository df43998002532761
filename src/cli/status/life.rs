//! What a worker or a gateway says of itself in its registry, whichever it is.

use serde::Serialize;

use super::super::show::{ago, shown};
use crate::queue::Member;

/// Who it is, where it runs and how it is. A field that it did not write is missing.
#[derive(Debug, Serialize)]
pub(super) struct Life {
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
    pub(super) uptime_ms: Option<u64>,
    memory: Option<u64>,
    waiting: Option<String>,
    /// How long ago it gave its last sign of life.
    silent_ms: Option<u64>,
    /// Whether it should have given another one since.
    silent: bool,
}

/// Signs of life come three times in the length of a lease, and may be late by so much.
const LATE_MS: u64 = 1_500;

/// What parts an outage from its reason in what is written: `waiting for MySQL since 12:03:04, it is full`.
const REASON: &str = ", ";

impl Life {
    pub(super) fn new(member: &Member, now: u64) -> Self {
        let (text, number) = (|name| text(member, name), |name| number(member, name));
        let left = u64::try_from(member.left.as_millis()).unwrap_or(u64::MAX);
        let lease = number("lease");
        let silent_ms = lease.map(|lease| lease.saturating_sub(left));
        Self {
            id: member.id.clone(),
            alive: !member.fields.is_empty(),
            host: text("host"),
            pid: number("pid"),
            slot: number("slot"),
            version: text("version"),
            state: text("state"),
            since: number("since"),
            uptime_ms: number("since").map(|since| now.saturating_sub(since)),
            memory: number("memory"),
            waiting: text("waiting"),
            silent: silent_ms.zip(lease).is_some_and(|(silent, lease)| silent > lease / 3 + LATE_MS),
            silent_ms,
        }
    }

    /// The cells that both tables begin with: id, host, pid, slot, state, up.
    pub(super) fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            shown(self.host.as_deref().unwrap_or_default(), 60),
            in_digits(self.pid),
            in_digits(self.slot),
            self.state_in_words(),
            self.uptime_ms.map_or_else(String::new, ago),
        ]
    }

    /// The cell that both tables end with.
    pub(super) fn memory(&self) -> String {
        self.memory.map_or_else(String::new, |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0))
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
            // The reason stands below the tables.
            (Some(waiting), _) => shown(waiting.split_once(REASON).map_or(waiting, |(what, _)| what), 70),
            (None, Some(state)) => shown(state, 20),
            (None, None) => String::new(),
        }
    }
}

/// A field that was written, and is not empty.
pub(super) fn text(member: &Member, name: &str) -> Option<String> {
    member.fields.get(name).filter(|text| !text.is_empty()).cloned()
}

/// A field that is a number.
pub(super) fn number(member: &Member, name: &str) -> Option<u64> {
    text(member, name)?.parse().ok()
}

/// A number's cell.
pub(super) fn in_digits(number: Option<u64>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}
