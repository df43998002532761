//! How often somebody may try to log in: those of one address, and all together. The time is an argument.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use super::super::{allowance::Allowance, seats::house};

/// Attempts of one address: ten at once, then one a second. And of all addresses together.
const OF_ONE: (u32, Duration) = (1, Duration::from_secs(10));
const OF_ALL: (u32, Duration) = (5, Duration::from_secs(20));
const QUIET: Duration = Duration::from_secs(60);
/// More addresses than this are forgotten; that all of them together are held back does not depend on it.
const MOST_ADDRESSES: usize = 1_000;

/// Who has tried how often of late.
#[derive(Debug)]
pub(super) struct Attempts {
    all: Allowance,
    of: HashMap<IpAddr, Allowance>,
    /// When the log was told that there are too many.
    told: Option<Instant>,
}

impl Attempts {
    pub(super) fn new(now: Instant) -> Self {
        Self { all: Allowance::new(OF_ALL.0, OF_ALL.1, now), of: HashMap::new(), told: None }
    }

    /// Takes another attempt, when one is left. That none is stands in the log once a minute at most.
    pub(super) fn permit(&mut self, client: IpAddr, now: Instant) -> bool {
        let may = self.take(house(client), now);
        if !may && self.told.is_none_or(|told| now.duration_since(told) >= QUIET) {
            self.told = Some(now);
            tracing::warn!(%client, "too many attempts with wrong tokens, or to log in; told once a minute");
        }
        may
    }

    fn take(&mut self, client: IpAddr, now: Instant) -> bool {
        if self.of.len() >= MOST_ADDRESSES && !self.of.contains_key(&client) {
            self.of.clear();
        }
        let of_one = self.of.entry(client).or_insert_with(|| Allowance::new(OF_ONE.0, OF_ONE.1, now));
        // In this order: one address cannot use up what all have.
        of_one.take(now) && self.all.take(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_held_back_without_the_others_and_all_together_are_too() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        assert_eq!((0..50).filter(|_| attempts.take(address(1), now)).count(), 10);
        assert!(attempts.take(address(2), now));
        assert!(attempts.take(address(1), now + Duration::from_secs(1)));
        let many = (3..200).map(|n| (0..10).filter(|_| attempts.take(address(n), now)).count());
        assert!(many.sum::<usize>() <= 100);
    }

    #[test]
    fn addresses_are_forgotten_before_they_fill_the_memory() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        for n in 0..5_000_u32 {
            attempts.take(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(attempts.of.len() <= MOST_ADDRESSES);
    }
}
