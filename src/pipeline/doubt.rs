//! A claim whose COMMIT may have gone through without our hearing of it, or may still.

use super::{Pipeline, Trouble, out_of_order, outcome::Outcome};
use crate::{queue::Events, store::Fault};

/// What the checkpoint says of the claim in hand.
pub(super) enum Doubt {
    /// There is no doubt: its COMMIT was never sent.
    None,
    /// It was committed.
    Committed(Outcome, Events),
    /// It was not, but the request may still be on its way. It does nothing if the claim is committed before.
    NotYet,
    /// It was not, and cannot be any more: this worker is fenced.
    Never,
}

impl Pipeline {
    /// Finds out what became of a claim in doubt, from the checkpoint, never by guessing.
    pub(super) async fn look_up(&mut self) -> Result<Doubt, Trouble> {
        let (true, Some(claim)) = (self.in_doubt, &self.in_hand) else { return Ok(Doubt::None) };
        // No checkpoint: a rescuer has ended this worker, and the claim with it.
        let Some(checkpoint) = self.store.checkpoint(&self.worker, &self.route.queue).await? else {
            return Err(Fault::Fenced.into());
        };
        if checkpoint.claim_seq != claim.seq {
            self.in_doubt = !checkpoint.fenced;
            return Ok(if checkpoint.fenced { Doubt::Never } else { Doubt::NotYet });
        }
        let Some(prepared) = &self.prepared else { return Err(out_of_order()) };
        let (outcome, events) = prepared.recorded(&claim.jobs, &checkpoint)?;
        self.in_doubt = false;
        Ok(Doubt::Committed(outcome, events))
    }
}
