//! How long to wait before the next attempt: doubling, capped, with jitter. Pure: the random part is handed in.

use std::time::Duration;

/// A schedule of waits between attempts at the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    attempts: u32,
}

impl Backoff {
    /// Waits from `first` on, doubling up to `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, attempts: 0 }
    }

    /// The next wait. `random` from 0 to 1 spreads it between half and the whole of the step, so that workers
    /// which failed together do not come back together.
    pub fn next(&mut self, random: f64) -> Duration {
        let step = self.first.saturating_mul(1 << self.attempts.min(20)).min(self.most);
        self.attempts = self.attempts.saturating_add(1);
        step / 2 + (step / 2).mul_f64(random.clamp(0.0, 1.0))
    }

    /// How many waits there were since the last success.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_is_never_zero_nor_above_the_cap(
            first in 1u64..10_000,
            most in 1u64..100_000,
            random in 0.0f64..1.0,
            n in 1usize..200,
        ) {
            let most = most.max(first);
            let mut backoff = Backoff::new(Duration::from_millis(first), Duration::from_millis(most));
            for _ in 0..n {
                let wait = backoff.next(random);
                prop_assert!(wait > Duration::ZERO && wait <= Duration::from_millis(most));
            }
        }

        #[test]
        fn the_least_wait_doubles_until_the_cap(n in 1u32..12) {
            let mut backoff = Backoff::new(Duration::from_millis(2), Duration::from_secs(3_600));
            let waits: Vec<_> = (0..=n).map(|_| backoff.next(0.0)).collect();
            for pair in waits.windows(2) {
                prop_assert_eq!(pair[1], pair[0] * 2);
            }
        }
    }

    #[test]
    fn a_success_begins_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        let first = backoff.next(0.5);
        backoff.next(0.5);
        backoff.reset();
        assert_eq!(backoff.next(0.5), first);
    }
}
