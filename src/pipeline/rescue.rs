//! Finishing the claims of a dead worker, in the one order that is safe: fence, read the checkpoint, only then list
//! the open claims, and delete the checkpoint last.
//!
//! Behind the fence nothing is committed any more, so what the checkpoint says afterwards is final. The claim it names
//! was committed and is settled; no other was, and those are handed back. Two rescuers at once do no harm: each step
//! does nothing when it finds nothing to do.

use tokio_util::sync::CancellationToken;

use super::{
    Pipeline, Trouble,
    decode::Rejection,
    out_of_order,
    outcome::{JobOutcome, Outcome},
    patience_ends,
    settle::settlement,
};
use crate::{
    fault,
    queue::{Blame, Claim, Events},
    store::Checkpoint,
};

/// A job that has crashed so many workers becomes a dead letter. `claim.lua` claims suspects together only while the next
/// crash does not make them such: with one crash.
const MAX_CRASHES: u32 = 3;

/// What a rescue did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rescued {
    /// Claims that had been committed, and are settled now.
    pub settled: u64,
    /// Jobs that go back to be claimed again.
    pub handed_back: u64,
    /// Jobs that crashed one worker too many.
    pub dead: u64,
}

impl Pipeline {
    /// Rescues a dead worker's claims of this route. Call it again after an error.
    ///
    /// # Errors
    /// See [`Trouble`]; `Fault::Retry` while a commit of that worker is in flight.
    pub async fn rescue(&mut self, dead: &str) -> Result<Rescued, Trouble> {
        self.prepare().await?;
        let route = self.route.queue.clone();
        self.store.fence(dead, &route).await?;
        let checkpoint = self.store.checkpoint(dead, &route).await?;
        let committed = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.claim_seq);
        fault::point("fenced");
        let open = self.queue.list_open_claims(dead).await?;
        let mut rescued = Rescued::default();
        let first_uncommitted = open.iter().find(|&&seq| seq > 0 && seq != committed).copied();
        // The newest first, so that the oldest is the next to be taken.
        for &seq in open.iter().rev().filter(|&&seq| seq > 0) {
            let Some(claim) = self.queue.read_claim(dead, seq).await? else {
                self.queue.hand_back_for(dead, seq, Blame::Nobody).await?;
                continue;
            };
            match &checkpoint {
                Some(checkpoint) if seq == committed => {
                    self.settle_recorded(dead, claim, checkpoint).await?;
                    rescued.settled += 1;
                }
                // The worker held this claim in hand when it died, or was about to; what it held ahead of it, it had
                // not looked at.
                _ if Some(seq) == first_uncommitted => self.isolate(dead, claim, &mut rescued).await?,
                _ => rescued.handed_back += self.give_back(dead, claim, Blame::Nobody).await?,
            }
        }
        rescued.handed_back += self.queue.leave_for(dead).await?;
        fault::point("rescued");
        self.store.delete_checkpoint(dead, &route).await?;
        Ok(rescued)
    }

    /// The workers that this route's index knows.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn indexed_workers(&self) -> Result<Vec<String>, Trouble> {
        Ok(self.queue.indexed_workers().await?)
    }

    /// The workers that have a checkpoint for this route; those without a lease have died, whatever they held. None
    /// when it is time to stop and the database does not answer.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn registered_workers(&mut self, stop: &CancellationToken) -> Result<Vec<String>, Trouble> {
        tokio::select! {
            registered = self.store.registered(&self.route.queue) => Ok(registered?),
            () = patience_ends(stop) => {
                self.store.disconnect();
                Ok(Vec::new())
            }
        }
    }

    /// Settles a dead worker's committed claim with the outcome that its checkpoint records.
    async fn settle_recorded(
        &self,
        dead: &str,
        claim: Claim,
        checkpoint: &Checkpoint,
    ) -> Result<(), Trouble> {
        let Some(prepared) = &self.prepared else { return Err(out_of_order()) };
        let (outcome, events) = prepared.recorded(&claim.jobs, checkpoint)?;
        self.end(dead, claim, &outcome, events).await
    }

    /// Hands back a claim that a crash may be due to: its jobs become suspects, or a dead letter in the end.
    async fn isolate(&self, dead: &str, claim: Claim, rescued: &mut Rescued) -> Result<(), Trouble> {
        let crashes = claim.crashes + 1;
        if crashes < MAX_CRASHES || claim.jobs.len() != 1 {
            rescued.handed_back += self.give_back(dead, claim, Blame::Crashed).await?;
            return Ok(());
        }
        rescued.dead += 1;
        let outcome = Outcome { jobs: vec![JobOutcome::Rejected(Rejection::crashed(crashes))], id_step: 1 };
        self.end(dead, claim, &outcome, Events::default()).await
    }

    async fn end(&self, dead: &str, claim: Claim, outcome: &Outcome, events: Events) -> Result<(), Trouble> {
        let mut settlement = settlement(&self.route.queue, dead, claim, outcome, events);
        let settled = match self.settler.hand_on(dead, &mut settlement).await {
            Ok(()) => self.queue.settle_for(dead, &settlement).await.map(drop).map_err(Trouble::from),
            Err(error) => Err(error.into()),
        };
        settlement.claim.leave_open();
        settled
    }

    async fn give_back(&self, dead: &str, claim: Claim, blame: Blame) -> Result<u64, Trouble> {
        let seq = claim.seq;
        claim.leave_open();
        Ok(self.queue.hand_back_for(dead, seq, blame).await?)
    }
}
