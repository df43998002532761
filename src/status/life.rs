//! What a worker or a gateway says of itself in its registry, whichever it is.

use serde::Serialize;

use crate::queue::Member;

/// Who it is, where it runs and how it is. A field that it did not write is missing.
#[derive(Debug, Serialize)]
pub struct Life {
    /// Its id.
    pub id: String,
    /// Whether it holds its lease.
    pub alive: bool,
    /// The host that it runs on.
    pub host: Option<String>,
    /// Its process id there.
    pub pid: Option<u64>,
    /// The id of its supervisor, by which orders can name it.
    pub supervisor: Option<String>,
    /// Its supervisor's place for it.
    pub slot: Option<u64>,
    /// How many processes that supervisor has started in this place before it.
    pub restarts: Option<u64>,
    /// The version of rowcast.
    pub version: Option<String>,
    /// What it does: `starting`, `working`, `serving`, `waiting`, `closing`.
    pub state: Option<String>,
    /// When it started, in milliseconds since 1970.
    pub since: Option<u64>,
    /// For how long it has run.
    pub uptime_ms: Option<u64>,
    /// Its resident memory in bytes.
    pub memory: Option<u64>,
    /// What it waits for, since when and why.
    pub waiting: Option<String>,
    /// How long ago it gave its last sign of life.
    pub silent_ms: Option<u64>,
    /// Whether it should have given another one since.
    pub silent: bool,
}

/// Signs of life come three times in the length of a lease, and may be late by so much.
const LATE_MS: u64 = 1_500;

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
            supervisor: text("supervisor"),
            slot: number("slot"),
            restarts: number("restarts"),
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

    /// What people look for it by: its host, and its slot there. A process that was replaced has its line where the one
    /// before it had it. Those of which that is not known come last.
    pub(super) fn place(&self) -> impl Ord + '_ {
        (self.host.is_none(), &self.host, self.slot.is_none(), self.slot, &self.id)
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
