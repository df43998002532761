//! How much somebody may do in a time. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// A bucket that fills by itself, up to what can be saved up.
#[derive(Debug)]
pub(super) struct Allowance {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Allowance {
    /// So much a second, of which so many seconds can be saved up, and are.
    pub(super) fn new(per_second: u32, saved: Duration, now: Instant) -> Self {
        let per_second = f64::from(per_second);
        let most = per_second * saved.as_secs_f64();
        Self { per_second, most, left: most, at: now }
    }

    /// So much a minute, all of which may be taken at once.
    pub(super) fn per_minute(most: u32, now: Instant) -> Self {
        let most = f64::from(most);
        Self { per_second: most / 60.0, most, left: most, at: now }
    }

    /// Takes one, when one is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        let within = self.left >= 1.0;
        if within {
            self.left -= 1.0;
        }
        within
    }

    /// Takes what was done already, be there so much left or not.
    pub(super) fn owe(&mut self, amount: usize, now: Instant) {
        self.fill(now);
        self.left -= amount as f64;
    }

    /// How long it takes until nothing is owed any more.
    pub(super) fn pause(&mut self, now: Instant) -> Duration {
        self.fill(now);
        // A little more than nothing, so that rounding makes no pause that ends too early.
        let owed = (-self.left).max(0.0);
        if owed > 0.0 { Duration::from_secs_f64((owed + 1.0) / self.per_second) } else { Duration::ZERO }
    }

    fn fill(&mut self, now: Instant) {
        let grown = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + grown).min(self.most);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn what_was_saved_up_can_be_taken_at_once_and_then_one_at_a_time() {
        let start = Instant::now();
        let mut allowance = Allowance::new(5, TEN, start);
        assert!((0..50).all(|_| allowance.take(start)));
        assert!(!allowance.take(start));
        assert!(!allowance.take(start + Duration::from_millis(190)));
        assert!(allowance.take(start + Duration::from_millis(210)));
        assert!(!allowance.take(start + Duration::from_millis(210)));
        assert!((0..50).all(|_| allowance.take(start + Duration::from_secs(3600))));
        assert!(!allowance.take(start + Duration::from_secs(3600)), "no more is saved up");
    }

    proptest! {
        #[test]
        fn never_more_than_the_rate_and_what_was_saved(
            rate in 1..50u32, pauses in prop::collection::vec(0..2_000u64, 1..300),
        ) {
            let start = Instant::now();
            let (mut now, mut allowance, mut taken) = (start, Allowance::new(rate, TEN, start), 0u32);
            for pause in pauses {
                now += Duration::from_millis(pause);
                taken += u32::from(allowance.take(now));
                let most = f64::from(rate) * (now - start + TEN).as_secs_f64();
                prop_assert!(f64::from(taken) <= most + 1e-6, "{taken} of {most}");
            }
        }

        #[test]
        fn whoever_keeps_to_the_rate_is_never_stopped(rate in 1..50u32, count in 1..500u32) {
            let start = Instant::now();
            let mut allowance = Allowance::new(rate, TEN, start);
            let pause = Duration::from_secs(1) / rate + Duration::from_nanos(1);
            prop_assert!((0..count).all(|number| allowance.take(start + pause * number)));
        }

        #[test]
        fn whoever_waits_for_the_pauses_keeps_to_the_rate(
            rate in 1..100_000u32, amounts in prop::collection::vec(0..200_000usize, 1..50),
        ) {
            let start = Instant::now();
            let (mut now, mut allowance, mut done) = (start, Allowance::new(rate, TEN, start), 0.0);
            for amount in amounts {
                now += allowance.pause(now);
                prop_assert_eq!(allowance.pause(now), Duration::ZERO);
                let most = f64::from(rate) * (now - start + TEN).as_secs_f64();
                prop_assert!(done <= most + 1e-3, "{done} of {most}");
                allowance.owe(amount, now);
                done += amount as f64;
            }
        }
    }
}
