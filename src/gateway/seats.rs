//! How many are here at once, in total and of each address. A seat is free again when its holder is dropped: nobody has
//! to remember to give it back.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Places for so many.
pub(super) struct Seats {
    most: usize,
    most_of_an_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    ever: u64,
    of: HashMap<IpAddr, usize>,
}

/// One place.
pub(super) struct Seat {
    seats: Arc<Seats>,
    house: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All are taken.
    All,
    /// Those for the address are taken.
    Address,
}

impl Seats {
    pub(super) fn new(most: usize, most_of_an_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_an_address, taken: Mutex::default() })
    }

    /// Takes a place for a client of this address, or for somebody whose address does not count.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Seat, Full> {
        let house = address.map(house);
        let mut taken = self.lock();
        if taken.all >= self.most {
            return Err(Full::All);
        }
        if let Some(house) = house {
            if taken.of.get(&house).is_some_and(|of| *of >= self.most_of_an_address) {
                return Err(Full::Address);
            }
            *taken.of.entry(house).or_default() += 1;
        }
        taken.all += 1;
        taken.ever += 1;
        Ok(Seat { seats: self.clone(), house })
    }

    /// How many are taken, and how many ever were.
    pub(super) fn taken(&self) -> (u64, u64) {
        let taken = self.lock();
        (taken.all as u64, taken.ever)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.all -= 1;
        if let Some(house) = self.house
            && let Some(of) = taken.of.get_mut(&house)
        {
            *of -= 1;
            if *of == 0 {
                taken.of.remove(&house);
            }
        }
    }
}

/// What counts as one address: of IPv6 the network of 64 bits that a single house is given.
pub(super) fn house(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_of_ipv6_is_its_network_and_a_mapped_one_is_ipv4() {
        let seats = Seats::new(10, 1);
        let _first = seats.take(address("2001:db8::1")).ok().unwrap();
        assert_eq!(seats.take(address("2001:db8:0:0:9:9:9:9")).err(), Some(Full::Address));
        let _other = seats.take(address("2001:db8:0:1::1")).ok().unwrap();
        let _mapped = seats.take(address("::ffff:10.0.0.1")).ok().unwrap();
        assert_eq!(seats.take(address("10.0.0.1")).err(), Some(Full::Address));
        let _proxies = [seats.take(None).ok().unwrap(), seats.take(None).ok().unwrap()];
        drop(_first);
        assert_eq!(seats.taken(), (4, 5));
    }

    proptest! {
        #[test]
        fn never_more_than_there_are_and_all_come_back(
            most in 1..6usize, each in 1..4usize,
            steps in prop::collection::vec((0..4u8, any::<bool>()), 1..100),
        ) {
            let seats = Seats::new(most, each);
            let mut held: Vec<(u8, Seat)> = Vec::new();
            for (last, come) in steps {
                let of = held.iter().filter(|(other, _)| *other == last).count();
                if !come {
                    held.retain(|(other, _)| *other != last);
                } else {
                    let expected = if held.len() >= most {
                        Some(Full::All)
                    } else if of >= each {
                        Some(Full::Address)
                    } else {
                        None
                    };
                    match seats.take(Some(IpAddr::from([10, 0, 0, last]))) {
                        Ok(seat) => {
                            prop_assert_eq!(expected, None);
                            held.push((last, seat));
                        }
                        Err(full) => prop_assert_eq!(expected, Some(full)),
                    }
                }
            }
            drop(held);
            let taken = seats.lock();
            prop_assert!(taken.all == 0 && taken.of.is_empty());
        }
    }
}
