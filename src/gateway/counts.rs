//! What a gateway counts of its own work.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts, since the process began.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Messages that were heard on the channels.
    pub(super) heard: Count,
    /// Of these, messages that somebody here wanted.
    pub(super) wanted: Count,
    /// Of these, messages that were not understood.
    pub(super) ignored: Count,
    /// Messages of clients.
    pub(super) said: Count,
    /// Events that were sent, to each client by itself, and the bytes of their data; without those that are volatile.
    pub(super) sent: Count,
    pub(super) sent_bytes: Count,
    /// Clients that did not read, and were dropped.
    pub(super) dropped: Count,
    /// Rows that were read back for a client that catches up.
    pub(super) replayed: Count,
    /// Rows that were read back for everybody.
    pub(super) repaired: Count,
}

/// A number that grows.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
