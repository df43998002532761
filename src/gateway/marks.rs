//! The mark of a table: up to which id all its rows are published, by all queues that fill it. Pure.

use crate::queue::Mark;

/// What the queues of one table said, in the rounds in which they are asked.
#[derive(Debug)]
pub(super) struct Rounds {
    queues: usize,
    round: u64,
    /// What was said in this round, by queue.
    said: Vec<Option<(Option<u64>, Option<u64>)>>,
    /// The highest id that was settled in the round before.
    before: Option<u64>,
    /// The highest id of the table when nothing was settled yet; and whether it is wanted.
    base: Option<u64>,
    wants_base: bool,
    /// The mark so far.
    mark: Option<u64>,
}

impl Rounds {
    pub(super) fn new(queues: usize) -> Self {
        Self {
            queues,
            round: 0,
            said: vec![None; queues],
            before: None,
            base: None,
            wants_base: false,
            mark: None,
        }
    }

    /// Whether nothing was settled yet, so that the table has to be asked.
    pub(super) fn wants_base(&self) -> bool {
        self.wants_base && self.base.is_none()
    }

    /// The highest id of the table, which was read before the next round begins.
    pub(super) fn set_base(&mut self, highest: u64) {
        self.base = Some(highest);
    }

    /// Begins a round, and says its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.round += 1;
        self.said = vec![None; self.queues];
        self.round
    }

    /// Takes what a queue said in a round. Returns the mark when the round is complete and there is one.
    pub(super) fn hear(&mut self, round: u64, queue: usize, mark: &Mark<'_>) -> Option<u64> {
        if round != self.round {
            return None;
        }
        *self.said.get_mut(queue)? = Some((mark.highest, mark.lowest));
        let all: Vec<_> = self.said.iter().copied().collect::<Option<_>>()?;
        let highest = all.iter().filter_map(|(highest, _)| *highest).max();
        let lowest = all.iter().filter_map(|(_, lowest)| *lowest).min();
        // The queues are asked one after the other: between two answers a row may be claimed from the first queue, and
        // a later one be settled from the second. What was settled before the round is above no such row.
        let settled = if self.queues == 1 { highest } else { self.before };
        let counted_anew = highest < self.before;
        self.before = highest;
        self.wants_base = highest.is_none();
        // What comes of claims that are made later is above all that is in the table now.
        let settled = if highest.is_none() { self.base } else { settled };
        let mark = settled.map(|settled| lowest.map_or(settled, |lowest| lowest.min(settled)))?;
        // What is claimed after a mark gets ids above it, also from a queue in which nothing was settled for long.
        let mark = self.mark.filter(|_| !counted_anew).map_or(mark, |before| before.max(mark));
        self.mark = Some(mark);
        self.mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(highest: Option<u64>, lowest: Option<u64>) -> Mark<'static> {
        Mark { token: "", highest, lowest }
    }

    #[test]
    fn one_queue_has_its_highest_id_or_what_its_oldest_claim_was_made_at() {
        let mut rounds = Rounds::new(1);
        for (highest, lowest, mark) in [
            (None, Some(0), None),
            (None, None, None),
            (Some(9), Some(4), Some(4)),
            (Some(9), None, Some(9)),
            // Counted anew.
            (Some(3), Some(0), Some(0)),
            (Some(5), Some(3), Some(3)),
        ] {
            let round = rounds.begin();
            assert_eq!(rounds.hear(round, 0, &said(highest, lowest)), mark);
            assert_eq!(rounds.hear(round - 1, 0, &said(Some(99), None)), None, "of an older round");
        }
    }

    #[test]
    fn before_anything_was_settled_the_tables_highest_id_stands_for_it() {
        let mut rounds = Rounds::new(1);
        assert!(!rounds.wants_base());
        let round = rounds.begin();
        assert_eq!(rounds.hear(round, 0, &said(None, None)), None);
        assert!(rounds.wants_base());
        rounds.set_base(7);
        assert!(!rounds.wants_base());
        for (highest, lowest, mark) in [(None, Some(0), 0), (None, None, 7), (Some(9), None, 9)] {
            let round = rounds.begin();
            assert_eq!(rounds.hear(round, 0, &said(highest, lowest)), Some(mark));
        }
    }

    #[test]
    fn several_queues_have_what_was_settled_the_round_before() {
        let mut rounds = Rounds::new(2);
        let round = rounds.begin();
        assert_eq!(rounds.hear(round, 0, &said(Some(5), None)), None);
        assert_eq!(rounds.hear(round, 1, &said(None, None)), None, "the first round");
        let round = rounds.begin();
        assert_eq!(rounds.hear(round, 1, &said(Some(8), None)), None);
        assert_eq!(rounds.hear(round, 0, &said(Some(5), None)), Some(5));
        let round = rounds.begin();
        rounds.hear(round, 0, &said(Some(5), Some(2)));
        assert_eq!(rounds.hear(round, 1, &said(Some(8), None)), Some(5), "what is claimed later is above it");
        let round = rounds.begin();
        rounds.hear(round, 0, &said(Some(9), None));
        assert_eq!(rounds.hear(round, 1, &said(Some(8), Some(6))), Some(6));
    }
}
