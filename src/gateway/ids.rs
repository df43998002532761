//! A set of row ids. However they are spread, it holds no more than a bit or so for each id between its lowest and its
//! highest, and of ids that come in runs next to nothing. Pure.

use roaring::RoaringTreemap;

/// The ids.
#[derive(Debug, Default, Clone)]
pub(super) struct Ids {
    set: RoaringTreemap,
    /// So many were put in since runs were last looked for.
    loose: u32,
}

/// So many ids are put in before runs are looked for.
const MOST_LOOSE: u32 = 1_024;

impl Ids {
    /// Whether the id is new; it is in the set afterwards.
    pub(super) fn insert(&mut self, id: u64) -> bool {
        let new = self.set.insert(id);
        self.loose += u32::from(new);
        if self.loose >= MOST_LOOSE {
            self.set.optimize();
            self.loose = 0;
        }
        new
    }

    /// Whether the id is in the set.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.set.contains(id)
    }

    /// Takes out all ids up to this one.
    pub(super) fn forget_up_to(&mut self, id: u64) {
        self.set.remove_range(..=id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_does_what_a_plain_set_does(steps in prop::collection::vec((any::<bool>(), 0u64..60), 0..200)) {
            let (mut ids, mut plain) = (Ids::default(), BTreeSet::new());
            for (forget, id) in steps {
                // Forgetting is rarer, and reaches less far.
                if forget && id % 5 == 0 {
                    ids.forget_up_to(id / 2);
                    plain = plain.split_off(&(id / 2 + 1));
                } else {
                    prop_assert_eq!(ids.contains(id), plain.contains(&id));
                    prop_assert_eq!(ids.insert(id), plain.insert(id));
                }
                prop_assert!(ids.set.iter().eq(plain.iter().copied()));
            }
        }
    }

    #[test]
    fn the_highest_id_is_no_exception() {
        let mut ids = Ids::default();
        assert!(ids.insert(u64::MAX) && ids.insert(u64::MAX - 1) && !ids.insert(u64::MAX));
        ids.forget_up_to(u64::MAX - 1);
        assert!(!ids.insert(u64::MAX));
        ids.forget_up_to(u64::MAX);
        assert!(ids.set.is_empty());
    }

    #[test]
    fn a_hundred_thousand_ids_in_a_row_take_next_to_nothing_and_every_other_one_few_bits_each() {
        for (step, most) in [(1, 2_500), (2, 35_000), (3, 45_000), (1_000, 250_000)] {
            let mut ids = Ids::default();
            assert!((0..100_000).all(|n| ids.insert((1 << 40) + n * step)));
            let bytes = ids.set.serialized_size();
            assert!(bytes <= most, "{bytes} bytes for every {step}th id");
        }
    }
}
