//! Failures in a row, and how long to wait before the next try. Pure: the time and the random part are handed in.

use std::time::Duration;

use super::slot::Moment;
use crate::backoff::Backoff;

/// A worker that has been ready for so long, without a failure in its slot, makes the slot well again.
pub const HEALTHY: Duration = Duration::from_secs(60);
/// A slot with more failures in a row than this is degraded: it tries on, slowly.
pub const DEGRADED_AFTER: u32 = 5;
/// The longest wait between two tries.
pub const SLOWEST: Duration = Duration::from_secs(30);

/// One failure more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setback {
    /// How long until the next try.
    pub wait: Duration,
    /// How many failures there were in a row.
    pub failures: u32,
    /// This failure is the one that degraded the slot.
    pub degrades: bool,
}

/// Failures in a row. They are forgotten after a healthy minute, and never end the tries.
#[derive(Debug, Clone)]
pub struct Troubles {
    /// How many there were since the slot was well.
    pub failures: u32,
    /// Whether the slot has been called degraded.
    pub degraded: bool,
    /// When the next worker may be spawned.
    pub retry_at: Moment,
    /// When the last failure was.
    pub last: Moment,
    backoff: Backoff,
}

impl Troubles {
    /// None yet.
    pub fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(500), SLOWEST);
        Self { failures: 0, degraded: false, retry_at: Moment::ZERO, last: Moment::ZERO, backoff }
    }

    /// Adds a failure: the first is tried again at once, the next after waits that double; bad configuration, which
    /// only a person can mend, slowly from the start.
    pub fn add(&mut self, now: Moment, bad_configuration: bool, random: f64) -> Setback {
        self.failures = self.failures.saturating_add(1);
        let slow = bad_configuration || self.failures > DEGRADED_AFTER;
        let wait = match self.failures {
            _ if slow => SLOWEST / 2 + (SLOWEST / 2).mul_f64(random.clamp(0.0, 1.0)),
            1 => Duration::ZERO,
            _ => self.backoff.next(random),
        };
        let degrades = slow && !self.degraded;
        self.degraded |= slow;
        (self.last, self.retry_at) = (now, now + wait);
        Setback { wait, failures: self.failures, degrades }
    }
}

impl Default for Troubles {
    fn default() -> Self {
        Self::new()
    }
}
