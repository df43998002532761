//! The guarantee, as invariants over every state; and what must be seen to happen, or the check proves nothing.

use stateright::Property;

use super::protocol::Protocol;
use super::rules::Rules;
use super::state::{Claimer, Inserter, Job, LANDING, Life, Seqs, State, Worker};

pub(super) const ONE_PLACE: &str =
    "a job is in exactly one Redis list until its event is out, and in none after";
pub(super) const ONE_ROW: &str = "a job has at most one row";
pub(super) const ONE_EVENT: &str = "a job has at most one event";
pub(super) const ROW_FIRST: &str = "no event comes before its row";
pub(super) const INDEXED: &str = "every claim list and every landing list with a job in it is in the index";
pub(super) const FENCED: &str = "a fenced worker never commits";
pub(super) const CONDEMNED_ALONE: &str = "a crash makes one dead letter at most";
pub(super) const DEAD: &str = "a dead letter has neither row nor event";
pub(super) const DRAINED: &str =
    "once all lists are drained every job has one row and one event, or is a dead letter";
pub(super) const OLDEST: &str = "no open claim is older than the last committed one";
pub(super) const KNOWN: &str = "a running worker knows every open claim of its own, or was rescued";

/// Seen at least once, in a world that is large enough for it.
const SEEN_ALL_DONE: &str = "seen: every job is done";
const SEEN_DEAD: &str = "seen: a job that crashed too many workers is a dead letter";
const SEEN_TWO_RESCUERS: &str = "seen: two rescuers at work on one worker";
const SEEN_ZOMBIE: &str = "seen: a worker claims after its fence";
const SEEN_LATE_COMMIT: &str = "seen: a request to commit on its way whose sender is gone";
const SEEN_OVERTAKEN: &str = "seen: an attempt to commit that is refused because the one before came late";
const SEEN_LATE_MOVE: &str = "seen: a job that landed for a worker that is gone";
const SEEN_LATE_CLAIM: &str = "seen: a late claim has added a job to one that is being settled";
const SEEN_TOMBSTONE: &str = "seen: a request on its way that will find the tombstone of its worker";
const SEEN_AHEAD: &str = "seen: a rescuer at work on a claim in hand and one made ahead";
const SEEN_TOGETHER: &str = "seen: two suspects in one claim";
const SEEN_PIPELINE: &str = "seen: one claim fetched, one being inserted, one being settled";

pub(super) fn all(rules: &Rules) -> Vec<Property<Protocol>> {
    let mut all = vec![
        Property::always(ONE_PLACE, |protocol: &Protocol, state: &State| {
            // Events that are handed on are out before their claim has ended, and nowhere else may their jobs be then.
            let ends = |job: &Job| protocol.0.local && job.lists() == 1 && job.waits() == 0;
            each(state, |job| job.lists() + u32::from(job.events > 0) == 1 || ends(job))
        }),
        Property::always(ONE_ROW, |_, state: &State| each(state, |job| job.rows <= 1)),
        Property::always(ONE_EVENT, |_, state: &State| each(state, |job| job.events <= 1)),
        Property::always(ROW_FIRST, |_, state: &State| each(state, |job| job.events == 0 || job.rows > 0)),
        Property::always(INDEXED, |_, state: &State| {
            (0..state.workers.len()).all(|who| state.workers[who].index.covers(state.open_claims(who)))
        }),
        Property::always(KNOWN, |_, state: &State| {
            (0..state.workers.len()).all(|who| state.knows_its_claims(who))
        }),
        Property::always(OLDEST, |_, state: &State| {
            (0..state.workers.len()).all(|who| state.has_no_open_claim_before_a_committed_one(who))
        }),
        Property::always(FENCED, |_, state: &State| !state.fenced_commit),
        Property::always(CONDEMNED_ALONE, |_, state: &State| !state.condemned_together),
        Property::always(DEAD, |_, state: &State| {
            each(state, |job| job.dead == 0 || job.rows + job.events == 0)
        }),
        Property::always(DRAINED, |_, state: &State| {
            let waits = |job: &Job| job.lists() > u32::from(job.dead);
            !each(state, |job| !waits(job))
                || each(state, |job| job.dead == 1 || (job.rows, job.events) == (1, 1))
        }),
    ];
    if rules.broken.is_empty() {
        all.extend(seen(rules));
    }
    all
}

fn seen(rules: &Rules) -> Vec<Property<Protocol>> {
    let mut seen =
        vec![Property::sometimes(SEEN_ALL_DONE, |_, state: &State| each(state, |job| job.events == 1))];
    if rules.faults > 0 {
        seen.push(Property::sometimes(SEEN_LATE_COMMIT, |_, state: &State| {
            let gone = |worker: &&Worker| worker.life == Life::Gone;
            state.workers.iter().filter(gone).any(|worker| worker.late_commits != Seqs::default())
        }));
        seen.push(Property::sometimes(SEEN_OVERTAKEN, |_, state: &State| {
            state.workers.iter().any(|worker| {
                let recorded = worker.checkpoint.is_some_and(|row| row.seq == worker.current);
                worker.inserter == Inserter::Refused && worker.in_doubt && recorded
            })
        }));
    }
    if rules.faults > 0 {
        seen.push(Property::sometimes(SEEN_LATE_MOVE, |_, state: &State| {
            let gone = |who: &usize| state.workers[*who].life == Life::Gone;
            (0..state.workers.len()).filter(gone).any(|who| state.open_claims(who).has(LANDING))
        }));
    }
    if rules.faults > 0 {
        seen.push(Property::sometimes(SEEN_TOMBSTONE, |_, state: &State| {
            state.workers.iter().any(|worker| worker.tombstone && worker.late() != Seqs::default())
        }));
    }
    if rules.rescues > 0 && rules.pipelining && rules.jobs >= 2 {
        seen.push(Property::sometimes(SEEN_AHEAD, |_, state: &State| {
            state.rescuers.iter().any(|rescuer| {
                let uncommitted = (1..8).filter(|&seq| seq != rescuer.seq && rescuer.todo.has(seq));
                uncommitted.count() > 1
            })
        }));
    }
    if rules.faults > 0 && rules.batch > 1 {
        seen.push(Property::sometimes(SEEN_LATE_CLAIM, |_, state: &State| {
            (0..state.workers.len()).any(|who| state.has_a_late_job(who))
        }));
    }
    if rules.rescues > 0 {
        seen.push(Property::sometimes(SEEN_ZOMBIE, |_, state: &State| {
            state.workers.iter().any(|worker| worker.was_fenced && worker.claimer == Claimer::Asking)
        }));
    }
    if rules.rescues >= 2 {
        seen.push(Property::sometimes(SEEN_TWO_RESCUERS, |_, state: &State| {
            let [one, two] = &state.rescuers;
            one.step > 0 && two.step > 0 && one.target == two.target
        }));
    }
    // A worker that was rescued claims nothing any more: so it takes a worker for each crash.
    if rules.rescues.min(rules.workers as u8) >= rules.crash_limit {
        seen.push(Property::sometimes(SEEN_DEAD, |_, state: &State| {
            state.jobs.iter().any(|job| job.dead == 1)
        }));
    }
    let several = rules.jobs > 1 && rules.batch > 1;
    if several && rules.rescues > 0 && rules.workers > 1 && rules.crash_limit > 2 {
        seen.push(Property::sometimes(SEEN_TOGETHER, |_, state: &State| {
            (0..state.workers.len()).any(|who| state.holds_suspects_together(who))
        }));
    }
    if rules.pipelining && rules.claims >= 3 && rules.jobs >= 3 {
        seen.push(Property::sometimes(SEEN_PIPELINE, |_, state: &State| {
            state
                .workers
                .iter()
                .any(|worker| worker.claimer == Claimer::Ready && worker.current != 0 && worker.settling != 0)
        }));
    }
    seen
}

fn each(state: &State, holds: impl Fn(&Job) -> bool) -> bool {
    state.jobs.iter().filter(|job| job.exists).all(holds)
}

impl State {
    /// A worker that runs has no open claim but those that it is fetching, inserting or settling, and at most one of
    /// the number that it will ask for next.
    fn knows_its_claims(&self, who: usize) -> bool {
        let Worker { life, seq, claiming, current, settling, .. } = self.workers[who];
        let mut known = Seqs::default();
        [LANDING, seq + 1, claiming, current, settling].iter().for_each(|&seq| known.insert(seq));
        life != Life::Running || known.covers(self.open_claims(who))
    }

    /// Neither before the one in its checkpoint nor before the one that a rescuer has read there.
    fn has_no_open_claim_before_a_committed_one(&self, who: usize) -> bool {
        let rescuers = self.rescuers.iter().filter(|rescuer| usize::from(rescuer.target) == who);
        let read = rescuers.map(|rescuer| rescuer.seq).max().unwrap_or(0);
        let committed = self.workers[who].checkpoint.map_or(0, |row| row.seq).max(read);
        let open = self.open_claims(who);
        (LANDING + 1..committed).all(|seq| !open.has(seq))
    }

    fn holds_suspects_together(&self, who: usize) -> bool {
        (1..).zip(&self.workers[who].crashes[1..]).any(|(seq, &crashes)| {
            crashes > 0 && self.jobs.iter().filter(|job| job.claimed[who].has(seq)).count() > 1
        })
    }

    /// A late claim has added a job to a claim that the worker has read before.
    fn has_a_late_job(&self, who: usize) -> bool {
        let Worker { settling, .. } = self.workers[who];
        settling != 0
            && self.jobs.iter().any(|job| job.claimed[who].has(settling) && !job.memory[who].settling)
    }
}
