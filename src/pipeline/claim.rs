//! The next claim: made ahead while the database is at work, or waited for while the queue is empty.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Pipeline, Step, Trouble, patience_ends};
use crate::{
    fault,
    queue::{Claim, Claimed, Limits, Queue, When},
    store::Fault,
};

/// How long a blocking move that was ended may take to say so, before it is ended again.
const WAKE: Duration = Duration::from_millis(100);
/// The most bytes of one claim, so that a worker stays small.
const CLAIM_BYTES: usize = 4 << 20;
/// What a rejection takes in the request that commits at most, but for reasons full of quotes.
const REASON_BYTES: usize = 2048;

impl Pipeline {
    /// The next claim, or why there is none.
    pub(super) async fn next_claim(
        &mut self,
        stop: &CancellationToken,
    ) -> Result<Result<Claim, Step>, Trouble> {
        if let Some(claim) = self.ahead.take() {
            return Ok(Ok(claim));
        }
        self.asked = true;
        self.settle().await?;
        let mut claimed = self.queue.claim(self.seq + 1, self.limits(), When::Next).await?;
        if let Claimed::Empty = claimed {
            // A lone job should wait for nothing: the transaction is begun before it comes. Where it cannot begin, the
            // insert says so.
            let (limits, Self { queue, store, seq, .. }) = (self.limits(), &mut *self);
            let begin = async {
                tokio::select! {
                    _ = store.begin() => {}
                    () = patience_ends(stop) => store.disconnect(),
                }
            };
            let ((), waited) = tokio::join!(begin, wait_and_claim(queue, *seq + 1, limits, stop));
            claimed = waited?;
        }
        match claimed {
            Claimed::Jobs(claim) => {
                self.seq = claim.seq;
                fault::point("claimed");
                Ok(Ok(claim))
            }
            Claimed::Empty => Ok(Err(Step::Idle)),
            Claimed::Paused => Ok(Err(Step::Paused)),
            Claimed::Stale => Err(Fault::Fenced.into()),
        }
    }

    /// Whether the next claim should be made ahead: under load, and not while suspects are in hand, which may crash.
    pub(super) fn wants_more(&self) -> bool {
        let loaded = |claim: &Claim| claim.crashes == 0 && is_load(&claim.jobs, self.limits());
        self.ahead.is_none() && self.in_hand.as_ref().is_some_and(loaded)
    }

    /// The most that one claim takes: what one request can commit.
    pub(super) fn limits(&self) -> Limits {
        // In the worst case every job is rejected, and all the reasons are one value of the checkpoint.
        let reasons = self.store.packet() / REASON_BYTES;
        Limits { jobs: self.settings.batch.min(reasons).max(1), bytes: CLAIM_BYTES }
    }
}

/// Whether a claim has half of what one may have, or more: then others most likely wait.
fn is_load(jobs: &[Vec<u8>], limits: Limits) -> bool {
    jobs.len() >= limits.jobs / 2 || jobs.iter().map(Vec::len).sum::<usize>() >= limits.bytes / 2
}

/// Claims as soon as a job lands, or when some seconds have passed or `stop` comes: then most likely nothing.
async fn wait_and_claim(
    queue: &Queue,
    seq: u64,
    limits: Limits,
    stop: &CancellationToken,
) -> Result<Claimed, Trouble> {
    let waiting = queue.wait_and_claim(seq, limits);
    tokio::pin!(waiting);
    let claimed = tokio::select! {
        claimed = &mut waiting => claimed?,
        () = stop.cancelled() => loop {
            // A job may be on its way to us: the move is ended, not dropped.
            queue.wake().await?;
            // It may not have begun to block when it was woken.
            if let Ok(claimed) = tokio::time::timeout(WAKE, &mut waiting).await {
                break claimed?;
            }
        },
    };
    match claimed {
        Some(claimed) => Ok(claimed),
        None => Ok(queue.claim(seq, limits, When::Next).await?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_load_by_its_jobs_or_by_their_bytes() {
        let limits = Limits { jobs: 4_096, bytes: 4 << 20 };
        assert!(is_load(&vec![Vec::new(); 2_048], limits));
        assert!(!is_load(&vec![Vec::new(); 2_047], limits));
        assert!(is_load(&vec![vec![b'x'; 100 << 10]; 21], limits));
        assert!(!is_load(&vec![vec![b'x'; 100 << 10]; 20], limits));
    }
}
