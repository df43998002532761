//! The protocol of claim, commit, settle and rescue as a model, checked over every interleaving.
//!
//! Read it as the specification, in this order: `state` (what the world remembers), `claiming`, `committing`,
//! `leaving`, `rescuing` (each step a function: its guard, then its effect), `scripts` (what Redis does in one step, a
//! function for each .lua file), `protocol` (all steps in one table), `properties` (what always holds, and what must
//! have been seen to happen), `rules` (the bounds, and what a test can break).
//!
//! Two workers and two rescuers take their steps in every order, breadth first, to the last state. A pause needs no
//! step of its own: a process that is not chosen rests, for as long as it takes others to fence it, rescue it and
//! delete its checkpoint; then it goes on where it was. Rescuers need no clock: they may take up any worker at any
//! time, dead, asleep or well. Crashes and lost replies are drawn from a budget, and so can hit before every step.
//! What was sent before them is still on its way: MySQL may apply a COMMIT, Redis may run a claim or a blocking move,
//! for a client that is gone. Only one thing takes a clock, and so is not in here: a tombstone stands for a day, and
//! nothing is on its way for longer.
//!
//! It does not model a lost reply to the registration, a paused queue, what is in a row (rejected jobs, duplicates),
//! the order within a list, events that wait in sockets after they were handed on and overtake each other there, or a
//! server that loses data. A queue here is a bag: any of its jobs may come next, which
//! covers every order.
//!
//! The rules count as much as the check: each is broken on purpose, and the run that follows is found; or it is shown
//! to do no harm, with the rule that makes it so.

mod claiming;
mod committing;
mod leaving;
mod properties;
mod protocol;
mod rescuing;
mod rules;
mod scripts;
mod state;

use std::collections::BTreeSet;

use properties::{CONDEMNED_ALONE, FENCED, INDEXED, KNOWN, ONE_EVENT, ONE_PLACE, ONE_ROW};
use protocol::{Protocol, Step};
use rules::{Broken, Rules};
use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// Two workers, two jobs, two rescuers: a crash or a lost reply anywhere, claims and moves that run late.
const TWO_WORKERS: Rules = Rules {
    jobs: 2,
    workers: 2,
    claims: 2,
    batch: 1,
    faults: 1,
    rescues: 2,
    crash_limit: 2,
    pipelining: true,
    local: false,
    broken: &[],
};

/// One worker with its pipeline full: one claim fetched, one inserted, one settled; claims are topped up.
const FULL_PIPELINE: Rules = Rules { jobs: 3, workers: 1, claims: 3, batch: 2, ..TWO_WORKERS };

/// One worker, small: where a broken rule is quickly found.
const ONE_WORKER: Rules = Rules { jobs: 2, workers: 1, claims: 3, faults: 2, rescues: 3, ..TWO_WORKERS };

/// Two workers, of which one takes what the other has crashed on: two suspects at a time.
const SUSPECTS: Rules = Rules { claims: 1, batch: 2, crash_limit: 3, pipelining: false, ..TWO_WORKERS };

/// Two workers and one job: one doubles what the other has done.
const ONE_JOB: Rules = Rules { jobs: 1, claims: 1, faults: 2, rescues: 3, ..TWO_WORKERS };

#[test]
fn every_interleaving_of_two_workers_keeps_each_job_in_one_place_with_one_row_and_one_event() {
    // With claims ahead the same world has twice the states: that is the campaign's. The pipeline has its own test.
    holds(Rules { pipelining: false, ..TWO_WORKERS });
}

#[test]
fn every_interleaving_of_a_full_pipeline_keeps_each_job_in_one_place_with_one_row_and_one_event() {
    holds(Rules { faults: 2, ..FULL_PIPELINE });
}

#[test]
fn every_interleaving_with_repeated_faults_and_rescues_of_one_worker_keeps_the_guarantee() {
    holds(Rules { faults: 3, ..ONE_WORKER });
}

#[test]
fn every_interleaving_keeps_the_guarantee_where_events_are_handed_on_past_redis() {
    holds(Rules { local: true, ..ONE_WORKER });
    holds(Rules { local: true, ..FULL_PIPELINE });
    holds(Rules { local: true, ..ONE_JOB });
}

#[test]
fn every_interleaving_of_suspects_that_are_claimed_together_keeps_the_guarantee() {
    holds(SUSPECTS);
}

#[test]
#[ignore = "a campaign: 22 million states, two minutes; run it when the protocol changes"]
fn every_interleaving_of_a_larger_world_keeps_the_guarantee() {
    holds(Rules { faults: 4, ..ONE_WORKER });
    holds(Rules { faults: 3, rescues: 3, ..FULL_PIPELINE });
    holds(Rules { claims: 2, ..ONE_JOB });
    holds(TWO_WORKERS);
    holds(Rules { batch: 2, ..TWO_WORKERS });
    holds(Rules { claims: 2, ..SUSPECTS });
    holds(Rules { local: true, ..TWO_WORKERS });
}

#[test]
fn suspects_that_the_next_crash_condemns_and_that_are_claimed_together_condemn_a_neighbour() {
    let rules = Rules { batch: 2, claims: 1, faults: 0, pipelining: false, ..TWO_WORKERS };
    breaks(CONDEMNED_ALONE, &[Broken::ClaimTheCondemnedTogether], rules);
}

#[test]
fn listing_before_fencing_doubles_a_row() {
    breaks(ONE_ROW, &[Broken::ListBeforeFence], Rules { faults: 0, rescues: 2, ..ONE_JOB });
}

#[test]
fn deleting_the_checkpoint_before_listing_doubles_a_row() {
    breaks(ONE_ROW, &[Broken::DeleteCheckpointBeforeListing], Rules { faults: 1, rescues: 2, ..ONE_JOB });
}

#[test]
fn it_does_not_matter_whether_a_claim_in_doubt_is_looked_up_before_it_is_tried_again_because_its_number_counts()
 {
    // The look spares the work of a second attempt, and says in the end what became of the first.
    holds(Rules { broken: &[Broken::ForgetLookup], ..ONE_WORKER });
    breaks(ONE_ROW, &[Broken::ForgetLookup, Broken::CheckpointWithoutNumberCheck], ONE_WORKER);
}

#[test]
fn a_checkpoint_that_ignores_its_number_lets_a_late_commit_double_a_row() {
    breaks(ONE_ROW, &[Broken::CheckpointWithoutNumberCheck], ONE_WORKER);
}

#[test]
fn a_settle_that_does_not_ask_for_its_claim_list_doubles_an_event() {
    breaks(ONE_EVENT, &[Broken::SettleWithoutExistenceCheck], ONE_WORKER);
}

#[test]
fn a_claim_that_is_settled_before_its_events_are_handed_on_loses_an_event() {
    breaks(ONE_PLACE, &[Broken::SettleBeforeHandingOn], Rules { local: true, ..ONE_WORKER });
}

#[test]
fn a_gateway_that_does_not_know_claims_by_their_names_hears_an_event_twice() {
    breaks(ONE_EVENT, &[Broken::HearWithoutTheName], Rules { local: true, ..ONE_WORKER });
}

#[test]
fn a_commit_before_the_settle_of_the_previous_claim_doubles_a_row() {
    breaks(ONE_ROW, &[Broken::CommitBeforeSettleOfPrevious], Rules { faults: 0, rescues: 1, ..TWO_WORKERS });
}

#[test]
fn a_commit_before_the_settle_of_the_previous_claim_loses_an_event_if_older_claims_count_as_committed() {
    let broken = &[Broken::CommitBeforeSettleOfPrevious, Broken::SettleUpToCheckpoint];
    breaks(ONE_PLACE, broken, ONE_WORKER);
}

#[test]
fn a_worker_that_leaves_and_hands_back_a_claim_in_doubt_doubles_a_row() {
    breaks(ONE_ROW, &[Broken::HandBackInDoubt], Rules { rescues: 0, ..ONE_JOB });
}

#[test]
fn a_worker_that_leaves_and_does_not_fence_itself_lets_a_late_commit_double_a_row() {
    breaks(ONE_ROW, &[Broken::LeaveWithoutFence], Rules { rescues: 0, ..ONE_JOB });
}

#[test]
fn a_checkpoint_that_ignores_the_fence_lets_a_fenced_worker_commit_and_doubles_a_row() {
    breaks(FENCED, &[Broken::CheckpointWithoutFenceCheck], ONE_WORKER);
    breaks(ONE_ROW, &[Broken::CheckpointWithoutFenceCheck], Rules { faults: 0, rescues: 1, ..ONE_JOB });
}

#[test]
fn it_does_not_matter_whether_a_worker_is_rescued_before_it_has_registered_because_it_finds_its_tombstone() {
    holds(Rules { broken: &[Broken::RescueBeforeRegister], ..ONE_WORKER });
    let broken = &[Broken::RescueBeforeRegister, Broken::LeaveWithoutTombstone];
    breaks(FENCED, broken, ONE_WORKER);
    breaks(ONE_ROW, broken, Rules { faults: 0, rescues: 2, ..ONE_JOB });
}

#[test]
fn it_does_not_matter_whether_older_claims_count_as_committed_because_none_is_ever_open() {
    // A claim is settled before the next one commits, and one that has ended cannot come back. That is a property of
    // every run here; the rescuer asks for equality all the same, and so relies on less.
    holds(Rules { broken: &[Broken::SettleUpToCheckpoint], ..FULL_PIPELINE });
}

#[test]
fn a_new_number_after_a_lost_reply_strands_the_claim_of_the_old_one() {
    breaks(KNOWN, &[Broken::NewSeqAfterLostReply], ONE_WORKER);
}

#[test]
fn a_stranded_claim_is_lost_if_older_claims_count_as_committed() {
    breaks(ONE_PLACE, &[Broken::NewSeqAfterLostReply, Broken::SettleUpToCheckpoint], ONE_WORKER);
}

#[test]
fn a_move_straight_into_the_claim_list_strands_a_job_when_it_runs_late() {
    breaks(INDEXED, &[Broken::MoveStraightIntoTheClaimList], ONE_WORKER);
}

#[test]
fn a_block_before_the_landing_list_is_indexed_strands_a_job() {
    breaks(INDEXED, &[Broken::BlockUnindexed], ONE_WORKER);
}

#[test]
fn a_late_claim_that_does_not_ask_for_the_watermark_strands_a_job_and_loses_it_at_the_next_rescue() {
    breaks(KNOWN, &[Broken::ClaimWithoutWatermark], ONE_WORKER);
    breaks(ONE_PLACE, &[Broken::ClaimWithoutWatermark], ONE_WORKER);
}

#[test]
fn a_late_claim_that_lowers_the_watermark_lets_another_one_strand_a_job_and_lose_it() {
    let rules = Rules { jobs: 3, claims: 2, batch: 2, rescues: 1, ..ONE_WORKER };
    breaks(KNOWN, &[Broken::LowerTheWatermark], rules);
    breaks(ONE_PLACE, &[Broken::LowerTheWatermark], rules);
}

#[test]
fn a_settle_that_deletes_more_jobs_than_were_committed_loses_one_that_a_late_claim_added() {
    breaks(ONE_PLACE, &[Broken::SettleWithoutCounting], Rules { batch: 2, ..ONE_WORKER });
}

#[test]
fn a_rescuer_that_counts_the_list_and_not_the_outcome_loses_a_job_that_a_late_claim_added() {
    breaks(ONE_PLACE, &[Broken::RescuerCountsTheList], Rules { batch: 2, ..ONE_WORKER });
}

#[test]
fn a_worker_taken_out_of_the_index_without_a_tombstone_strands_a_job_that_comes_late_and_loses_one() {
    breaks(INDEXED, &[Broken::LeaveWithoutTombstone], ONE_WORKER);
    breaks(ONE_PLACE, &[Broken::LeaveWithoutTombstone], Rules { faults: 3, ..ONE_WORKER });
}

/// Checks every state, and shows the run that breaks a property, if there is one.
fn holds(rules: Rules) {
    let protocol = Protocol(rules);
    let checker = protocol.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!("{} states, {} steps deep: {rules:?}", checker.unique_state_count(), checker.max_depth());
    let mut found = checker.discoveries();
    for property in protocol.properties() {
        let path = found.remove(property.name).map(stateright::Path::into_actions);
        match (property.expectation, path) {
            (Expectation::Sometimes, None) => panic!("never {}, in {rules:?}", property.name),
            (Expectation::Always, Some(run)) => panic!("broken: {}\n{}", property.name, told(&run)),
            _ => {}
        }
    }
}

/// Looks for a run that breaks this property under these broken rules, and shows it.
fn breaks(property: &'static str, broken: &'static [Broken], rules: Rules) {
    let rules = Rules { broken, ..rules };
    let enough = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = Protocol(rules).checker().finish_when(enough).spawn_bfs().join();
    let Some(path) = checker.discovery(property) else {
        panic!("{broken:?} was expected to break \"{property}\", and does not, in {rules:?}");
    };
    println!(
        "{} states; {broken:?} breaks: {property}\n{}",
        checker.unique_state_count(),
        told(&path.into_actions())
    );
}

/// A run, one step on a line.
fn told(run: &[Step]) -> String {
    run.iter().map(|step| format!("  {step:?}\n")).collect()
}
