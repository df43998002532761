//! A set of row ids. Ids come in runs, so it holds runs. Pure.

use std::collections::BTreeMap;

/// The runs, each by its first id with its last.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Ids(BTreeMap<u64, u64>);

impl Ids {
    /// Whether the id is new; it is in the set afterwards.
    pub(super) fn insert(&mut self, id: u64) -> bool {
        let before = self.0.range(..=id).next_back().map(|(first, last)| (*first, *last));
        let (mut first, mut last) = (id, id);
        if let Some((start, end)) = before {
            if end >= id {
                return false;
            }
            if end + 1 == id {
                first = start;
            }
        }
        if let Some(end) = id.checked_add(1).and_then(|next| self.0.remove(&next)) {
            last = end;
        }
        self.0.insert(first, last);
        true
    }

    /// Whether the id is in the set.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.0.range(..=id).next_back().is_some_and(|(_, last)| *last >= id)
    }

    /// Takes out all ids up to this one.
    pub(super) fn forget_up_to(&mut self, id: u64) {
        while let Some(run) = self.0.first_entry()
            && *run.key() <= id
        {
            let last = run.remove();
            if last > id {
                self.0.insert(id + 1, last);
            }
        }
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
                prop_assert_eq!(ids.0.is_empty(), plain.is_empty());
                let runs = plain.iter().filter(|id| !plain.contains(&(*id + 1))).count();
                prop_assert_eq!(ids.0.len(), runs, "runs that touch are one");
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
        assert!(ids.0.is_empty());
    }
}
