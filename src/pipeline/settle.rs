//! The end of a claim: settled when it was committed, handed back when it was not.

use std::io;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    LAST_PATIENCE, Outcome, Pipeline, Prepared, Trouble, decode::Batch, doubt::Doubt, out_of_order,
    outcome::JobOutcome,
};
use crate::{
    delay::{Delays, Until},
    fanout::{ClaimName, ToGateways},
    fault,
    progress::Progress,
    queue::{Blame, Claim, Claimed, DeadLetter, Events, Limits, Queue, Raw, Settlement, When},
    store::{Checkpoint, Fault},
};

/// What ends a route's committed claims.
#[derive(Debug)]
pub(super) struct Settler {
    route: String,
    /// Where events are handed on; without it Redis publishes them in the step that ends the claim.
    gateways: Option<ToGateways>,
    progress: Progress,
    /// How long claims take.
    pub(super) delays: Delays,
}

impl Settler {
    pub(super) fn new(route: &str, gateways: Option<ToGateways>, progress: &Progress) -> Self {
        Self { route: route.to_owned(), gateways, progress: progress.clone(), delays: Delays::default() }
    }

    /// Settles the claim before and makes the next one, while the database is at work.
    pub(super) async fn beside(
        &self,
        queue: &Queue,
        worker: &str,
        behind: &mut Option<Settlement>,
        ahead: &mut Option<Claim>,
        next: Option<(u64, Limits)>,
    ) -> Result<(), Trouble> {
        let claim = async {
            if let Some((seq, limits)) = next {
                match queue.claim(seq, limits, When::Ahead).await? {
                    Claimed::Jobs(claim) => {
                        *ahead = Some(claim);
                        fault::point("ahead");
                    }
                    Claimed::Empty | Claimed::Paused => {}
                    Claimed::Stale => return Err(Fault::Fenced.into()),
                }
            }
            Ok(())
        };
        let (settled, claimed) = tokio::join!(self.settle(queue, worker, behind), claim);
        settled?;
        claimed
    }

    async fn settle(
        &self,
        queue: &Queue,
        worker: &str,
        behind: &mut Option<Settlement>,
    ) -> Result<(), Trouble> {
        let Some(settlement) = behind.as_mut() else { return Ok(()) };
        self.hand_on(worker, settlement).await?;
        let Some(settlement) = behind.take() else { return Ok(()) };
        let (jobs, made) = (settlement.claim.jobs.len(), settlement.claim.made);
        if let Err((settlement, error)) = queue.settle(settlement).await {
            *behind = Some(settlement);
            return Err(error.into());
        }
        self.delays.add(Until::Publish, jobs, made.elapsed());
        fault::point("settled");
        Ok(())
    }

    /// Hands on the events of a claim of `worker`, where they do not go through Redis: before the claim ends, so that
    /// whoever finishes it for a worker that died here does it again (see [`crate::fanout`]).
    ///
    /// # Errors
    /// They were not taken, or not all of them; the claim is to stay open.
    pub(super) async fn hand_on(&self, worker: &str, settlement: &mut Settlement) -> io::Result<()> {
        let Some(gateways) = &self.gateways else { return Ok(()) };
        let claim =
            ClaimName { queue: self.route.clone(), worker: worker.to_owned(), seq: settlement.claim.seq };
        let _wait = self.progress.wait();
        gateways.hand_on(&claim, &settlement.events).await?;
        settlement.events = Events::default();
        fault::point("handed_on");
        Ok(())
    }
}

impl Pipeline {
    /// Settles the committed claim, if there is one.
    pub(super) async fn settle(&mut self) -> Result<(), Trouble> {
        self.settler.settle(&self.queue, &self.worker, &mut self.behind).await
    }

    /// The claim in hand was committed: from here on it only has to be settled.
    pub(super) fn set_behind(&mut self, outcome: Outcome, events: Events) {
        let Some(claim) = self.in_hand.take() else { return };
        self.settler.delays.add(Until::Commit, outcome.jobs.len(), claim.made.elapsed());
        self.behind = Some(settlement(&self.route.queue, &self.worker, claim, &outcome, events));
    }

    /// Ends the worker's part in order: settles what was committed, hands back what was not, and takes the worker
    /// out of the index. Call it again after an error.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn finish(&mut self) -> Result<(), Trouble> {
        if self.in_doubt {
            // A fault of the route may have cost the plan since, and the events of a claim in doubt need it.
            self.prepare().await?;
            // What is handed back must not be committed by a request that comes late.
            self.store.fence(&self.worker, &self.route.queue).await?;
        }
        match self.look_up().await? {
            Doubt::Committed(outcome, events) => self.set_behind(outcome, events),
            Doubt::None | Doubt::Never => {}
            Doubt::NotYet => return Err(out_of_order()),
        }
        if self.asked {
            self.return_claims().await?;
            self.queue.leave().await?;
        }
        // A checkpoint that stays is tidied away by others: nothing depends on it any more, and nobody waits for it.
        let deleted = self.store.delete_checkpoint(&self.worker, &self.route.queue);
        tokio::time::timeout(LAST_PATIENCE, deleted).await.ok();
        Ok(())
    }

    /// Ends a fenced worker's part: what it never committed goes back, and it does not commit again. A claim in doubt
    /// is left to the rescuer, who reads the checkpoint.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn abandon(&mut self) -> Result<(), Trouble> {
        if self.in_doubt
            && let Some(claim) = self.in_hand.take()
        {
            claim.leave_open();
        }
        self.return_claims().await?;
        self.queue.leave().await?;
        Ok(())
    }

    /// Settles what was committed and hands the other claims back, the newest first: so they stand in order again.
    async fn return_claims(&mut self) -> Result<(), Trouble> {
        self.settle().await?;
        // The last request for a claim may have been carried out though its reply was lost.
        self.queue.hand_back_for(&self.worker, self.seq + 1, Blame::Nobody).await?;
        for place in [&mut self.ahead, &mut self.in_hand] {
            let Some(claim) = place.take() else { continue };
            if let Err((claim, error)) = self.queue.hand_back(claim, Blame::Nobody).await {
                *place = Some(claim);
                return Err(error.into());
            }
        }
        Ok(())
    }
}

impl Prepared {
    /// The outcome that a checkpoint records, with its events.
    pub(super) fn recorded(
        &self,
        jobs: &[Vec<u8>],
        checkpoint: &Checkpoint,
    ) -> Result<(Outcome, Events), Trouble> {
        let outcome = Outcome::from_text(&checkpoint.outcome).map_err(|error| {
            Fault::Server(format!(
                "a checkpoint in rowcast_checkpoints cannot be read ({error}); was it edited?"
            ))
        })?;
        let done = &jobs[..outcome.jobs.len().min(jobs.len())];
        let batch = Batch::decode(&self.plan, done);
        let both = batch.jobs.iter().zip(&outcome.jobs);
        let unread = both
            .filter(|(job, became)| job.is_err() && matches!(became, JobOutcome::Inserted { .. }))
            .count();
        if unread > 0 {
            tracing::error!(
                jobs = unread,
                "rows went in whose jobs this route no longer reads: they have no event"
            );
        }
        let events = self.events.write(&self.plan, &batch, &outcome);
        Ok((outcome, events))
    }
}

/// What settling a claim has to say: its counts, a dead letter for each rejected job, and its events.
pub(super) fn settlement(
    queue: &str,
    worker: &str,
    mut claim: Claim,
    outcome: &Outcome,
    events: Events,
) -> Settlement {
    // The jobs after those were not decoded, or reached the list later: settling sends them back.
    claim.jobs.truncate(outcome.jobs.len());
    let tally = outcome.tally();
    let mut letters = Vec::with_capacity(tally.rejected);
    for (at, (job, raw)) in outcome.jobs.iter().zip(&claim.jobs).enumerate() {
        let JobOutcome::Rejected(rejection) = job else { continue };
        let letter = DeadLetter {
            id: format!("{worker}:{}:{at}", claim.seq),
            queue: queue.to_owned(),
            raw: Raw::of(raw),
            code: rejection.code.clone(),
            column: rejection.column.clone(),
            reason: rejection.reason.clone(),
            at: now(),
            attempts: claim.crashes + 1,
        };
        letters.push(letter.to_json());
    }
    let (inserted, duplicate, rows) = (tally.inserted, tally.duplicate, tally.rows);
    Settlement { claim, inserted, duplicate, rows, ids: outcome.counted_ids(), letters, events }
}

/// The time of day, as RFC 3339 in UTC.
fn now() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default()
}
