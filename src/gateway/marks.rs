//! The mark of a table: up to which id all its rows are published, by all queues that fill it. Pure.
//!
//! It falls only when the table was emptied and its ids are counted anew. That shows in two ways: a queue has settled
//! such ids, or the table's next id is no higher than one that was known before it was looked at. That a number is
//! lower than it was says nothing: a gateway may be behind another one, and Redis may have lost its last second.

use crate::{queue::Mark, store::Counted};

/// What the queues of one table said, in the rounds in which they are asked.
#[derive(Debug)]
pub(super) struct Rounds {
    queues: usize,
    round: u64,
    /// What was said in this round, by queue.
    said: Vec<Option<Said>>,
    /// What was said last before.
    last: Vec<Option<Said>>,
    /// The highest id that was settled in the round before.
    before: Option<Known>,
    /// The highest id of the table before this round began, and whether it is wanted.
    base: Option<u64>,
    wants_base: bool,
    /// The mark so far.
    mark: Option<Known>,
    looks: u64,
    /// The look at the table that began last of those that have ended.
    looked: Option<(u64, Counted)>,
    anew: u64,
}

/// An id, and when it was known: before every look at the table that began later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: u64,
    /// So many looks had begun.
    look: u64,
}

/// What one queue said.
#[derive(Debug, Clone, Copy)]
struct Said {
    highest: Option<Known>,
    lowest: Option<u64>,
    anew: Option<u64>,
    /// Whether nothing was settled since the table was emptied.
    old: bool,
}

impl Said {
    fn highest(&self) -> Option<u64> {
        self.highest.filter(|_| !self.old).map(|known| known.id)
    }

    /// An open claim that was made before the table was emptied may have any rows.
    fn lowest(&self) -> Option<u64> {
        let lowest = self.lowest?;
        let old = self.old || self.highest().is_some_and(|highest| lowest > highest);
        Some(if old { 0 } else { lowest })
    }
}

impl Rounds {
    pub(super) fn new(queues: usize) -> Self {
        Self {
            queues,
            round: 0,
            said: vec![None; queues],
            last: vec![None; queues],
            before: None,
            base: None,
            wants_base: false,
            mark: None,
            looks: 0,
            looked: None,
            anew: 0,
        }
    }

    /// Whether nothing was settled yet, so that the table has to be asked.
    pub(super) fn wants_base(&self) -> bool {
        self.wants_base
    }

    /// How often ids were counted anew.
    pub(super) fn anew(&self) -> u64 {
        self.anew
    }

    /// An id that is known now.
    pub(super) fn known(&self, id: u64) -> Known {
        Known { id, look: self.looks }
    }

    /// Begins a look at the table, and says its number.
    pub(super) fn look(&mut self) -> u64 {
        self.looks += 1;
        self.looks
    }

    /// What a look has shown.
    pub(super) fn looked(&mut self, look: u64, counted: Counted) {
        if self.looked.is_some_and(|(later, _)| later > look) {
            return;
        }
        self.looked = Some((look, counted));
        let looked = self.looked;
        for said in self.said.iter_mut().chain(&mut self.last).flatten() {
            said.old |= said.highest.is_some_and(|known| is_of_old(looked, known));
        }
        self.before = self.before.filter(|known| !is_of_old(looked, *known));
        if self.mark.is_some_and(|known| is_of_old(looked, known)) {
            self.count_anew();
        }
    }

    /// Whether a look has ended that began later.
    pub(super) fn has_looked_since(&self, known: Known) -> bool {
        self.looked.is_some_and(|(look, _)| look > known.look)
    }

    /// Whether an id was counted before the table was emptied, as far as the last look has shown.
    pub(super) fn is_of_old(&self, known: Known) -> bool {
        is_of_old(self.looked, known)
    }

    fn count_anew(&mut self) {
        self.anew += 1;
        (self.mark, self.before) = (None, None);
    }

    /// Begins a round, and says its number.
    pub(super) fn begin(&mut self) -> u64 {
        self.round += 1;
        for (last, said) in self.last.iter_mut().zip(&mut self.said) {
            *last = said.take().or(*last);
        }
        self.base = self.looked.map(|(_, counted)| counted.highest);
        self.round
    }

    /// Takes what a queue said in a round. Returns the mark when the round is complete and there is one.
    pub(super) fn hear(&mut self, round: u64, queue: usize, mark: &Mark<'_>) -> Option<u64> {
        if round != self.round {
            return None;
        }
        let last = *self.last.get(queue)?;
        let id = |known: Option<Known>| known.map(|known| known.id);
        let old = last.is_some_and(|last| last.old && id(last.highest) == mark.highest);
        let highest = mark.highest.map(|id| self.known(id));
        self.said[queue] = Some(Said { highest, lowest: mark.lowest, anew: mark.anew, old });
        let all: Vec<_> = self.said.iter().copied().collect::<Option<_>>()?;
        let anew = |(now, last): (&Said, &Option<Said>)| last.is_some_and(|last| now.anew > last.anew);
        if all.iter().zip(&self.last).any(anew) {
            self.count_anew();
        }
        let highest = all.iter().filter_map(Said::highest).max();
        let lowest = all.iter().filter_map(Said::lowest).min();
        // The queues are asked one after the other: between two answers a row may be claimed from the first queue, and
        // a later one be settled from the second. What was settled before the round is above no such row.
        let settled = if self.queues == 1 { highest } else { id(self.before) };
        self.before = highest.map(|id| self.known(id));
        self.wants_base = highest.is_none();
        // What comes of claims that are made later is above all that is in the table now.
        let settled = if highest.is_none() { self.base } else { settled };
        // All rows of a table that was just emptied are above this.
        let settled = settled.or((self.anew > 0).then_some(0))?;
        let mark = lowest.map_or(settled, |lowest| lowest.min(settled));
        // What is claimed after a mark gets ids above it, also from a queue in which nothing was settled for long.
        let mark = id(self.mark).map_or(mark, |before| before.max(mark));
        self.mark = Some(self.known(mark));
        Some(mark)
    }
}

fn is_of_old(looked: Option<(u64, Counted)>, known: Known) -> bool {
    looked.is_some_and(|(look, Counted { next, .. })| {
        look > known.look && next.is_some_and(|next| next <= known.id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(highest: Option<u64>, lowest: Option<u64>) -> Mark<'static> {
        Mark { token: "", highest, lowest, anew: None }
    }

    /// One round of one queue.
    fn hear(rounds: &mut Rounds, mark: Mark<'_>) -> Option<u64> {
        let round = rounds.begin();
        rounds.hear(round, 0, &mark)
    }

    fn look(rounds: &mut Rounds, highest: u64, next: u64) {
        let look = rounds.look();
        rounds.looked(look, Counted { highest, next: Some(next) });
    }

    #[test]
    fn one_queue_has_its_highest_id_or_what_its_oldest_claim_was_made_at() {
        let mut rounds = Rounds::new(1);
        for (highest, lowest, mark) in [
            (None, Some(0), None),
            (None, None, None),
            (Some(9), Some(4), Some(4)),
            (Some(9), None, Some(9)),
            // Redis has lost its last second.
            (Some(3), Some(0), Some(9)),
            (Some(11), Some(10), Some(10)),
        ] {
            let round = rounds.begin();
            assert_eq!(rounds.hear(round, 0, &said(highest, lowest)), mark);
            assert_eq!(rounds.hear(round - 1, 0, &said(Some(99), None)), None, "of an older round");
        }
        assert_eq!(rounds.anew(), 0);
    }

    #[test]
    fn before_anything_was_settled_the_tables_highest_id_stands_for_it() {
        let mut rounds = Rounds::new(1);
        assert!(!rounds.wants_base());
        assert_eq!(hear(&mut rounds, said(None, None)), None);
        assert!(rounds.wants_base());
        look(&mut rounds, 7, 8);
        for (highest, lowest, mark) in [(None, Some(0), 0), (None, None, 7), (Some(9), None, 9)] {
            assert_eq!(hear(&mut rounds, said(highest, lowest)), Some(mark));
        }
        assert!(!rounds.wants_base());
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

    #[test]
    fn a_queue_that_has_settled_ids_which_are_counted_anew_says_so_however_high_they_are_already() {
        let mut rounds = Rounds::new(1);
        assert_eq!(hear(&mut rounds, said(Some(9), None)), Some(9));
        // A claim that was made before is still open.
        assert_eq!(hear(&mut rounds, Mark { anew: Some(1), ..said(Some(3), Some(9)) }), Some(0));
        assert_eq!(hear(&mut rounds, Mark { anew: Some(1), ..said(Some(3), None) }), Some(3));
        assert_eq!(hear(&mut rounds, Mark { anew: Some(2), ..said(Some(20), Some(2)) }), Some(2));
        assert_eq!(rounds.anew(), 2);
    }

    #[test]
    fn a_table_that_was_emptied_shows_when_it_is_looked_at_and_what_its_queues_say_of_before_counts_no_more()
    {
        let mut rounds = Rounds::new(2);
        let round = |rounds: &mut Rounds, one, other| {
            let round = rounds.begin();
            rounds.hear(round, 0, &said(one, None));
            rounds.hear(round, 1, &said(other, None))
        };
        round(&mut rounds, Some(50), Some(90));
        assert_eq!(round(&mut rounds, Some(50), Some(90)), Some(90));
        look(&mut rounds, 0, 1);
        assert_eq!(rounds.anew(), 1);
        assert_eq!(round(&mut rounds, Some(50), Some(90)), Some(0));
        look(&mut rounds, 3, 4);
        assert_eq!(round(&mut rounds, Some(3), Some(90)), Some(0));
        assert_eq!(round(&mut rounds, Some(3), Some(90)), Some(3), "the other has brought nothing yet");
        look(&mut rounds, 8, 9);
        assert_eq!(round(&mut rounds, Some(3), Some(8)), Some(3));
        assert_eq!(round(&mut rounds, Some(3), Some(8)), Some(8));
        assert_eq!(rounds.anew(), 1);
    }

    #[test]
    fn an_id_that_is_known_since_a_look_began_is_no_older_than_what_it_shows() {
        let mut rounds = Rounds::new(1);
        let before = rounds.known(9);
        let number = rounds.look();
        // What is counted while the table is looked at may be heard before the look ends.
        let meanwhile = rounds.known(9);
        assert_eq!(hear(&mut rounds, said(Some(9), None)), Some(9));
        rounds.looked(number, Counted { highest: 6, next: Some(7) });
        assert!(rounds.is_of_old(before) && !rounds.is_of_old(meanwhile));
        assert_eq!((rounds.anew(), hear(&mut rounds, said(Some(9), None))), (0, Some(9)));
        look(&mut rounds, 9, 10);
        assert!(!rounds.is_of_old(before) && !rounds.is_of_old(meanwhile));
        rounds.looked(number, Counted { highest: 6, next: Some(7) });
        assert!(!rounds.is_of_old(before), "a look that ends late is forgotten");
    }
}
