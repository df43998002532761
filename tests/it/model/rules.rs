//! The bounds of a run, and the rules of the protocol that a test can break on purpose.

/// How large a world is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub jobs: usize,
    pub workers: usize,
    /// How many claims one worker makes at most.
    pub claims: u8,
    /// How many jobs one claim takes at most (1 or 2).
    pub batch: u8,
    /// Crashes and lost replies in one run. Pauses cost nothing: any process may rest before any step.
    pub faults: u8,
    /// Rescues begun in one run, by two rescuers.
    pub rescues: u8,
    /// How many crashes make a suspect a dead letter.
    pub crash_limit: u8,
    /// Whether the next claim is made, and the last one settled, while one is being inserted.
    pub pipelining: bool,
    /// Whether a claim's events are handed on before it is settled, and not published by the script that settles it.
    pub local: bool,
    /// The rules that this run breaks.
    pub broken: &'static [Broken],
}

/// One rule of the protocol, broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The rescuer lists the open claims before it fences.
    ListBeforeFence,
    /// The rescuer deletes the checkpoint before it has listed and finished the claims.
    DeleteCheckpointBeforeListing,
    /// After a lost reply to COMMIT the worker runs the transaction again without a look at the checkpoint.
    ForgetLookup,
    /// The checkpoint is updated without `AND claim_seq < ?`.
    CheckpointWithoutNumberCheck,
    /// Settle publishes whether or not the claim list still exists.
    SettleWithoutExistenceCheck,
    /// The worker commits a claim while the one before it is not settled.
    CommitBeforeSettleOfPrevious,
    /// A worker that leaves hands back a claim in doubt without a look at the checkpoint.
    HandBackInDoubt,
    /// A worker that leaves looks a claim in doubt up without fencing itself before.
    LeaveWithoutFence,
    /// The checkpoint is updated without `AND fenced = 0`.
    CheckpointWithoutFenceCheck,
    /// After a lost reply to a claim the worker claims under a new number.
    NewSeqAfterLostReply,
    /// Blocking moves go to the list of the claim that is being fetched; it is indexed instead of the landing list.
    MoveStraightIntoTheClaimList,
    /// A claim that finds nothing does not put the landing list into the index.
    BlockUnindexed,
    /// A claim does not ask whether a claim of its number has ended.
    ClaimWithoutWatermark,
    /// A claim sets the watermark to its number, even if that is lower.
    LowerTheWatermark,
    /// Suspects that the next crash makes dead letters are claimed with others.
    ClaimTheCondemnedTogether,
    /// Settle deletes whatever the claim list holds.
    SettleWithoutCounting,
    /// The rescuer gives settle the number of jobs that it found in the list, not the number in the outcome.
    RescuerCountsTheList,
    /// The rescuer takes every claim up to the checkpoint's number for committed, not only that very one.
    SettleUpToCheckpoint,
    /// Whoever takes a worker out of the index sets no tombstone.
    LeaveWithoutTombstone,
    /// Whoever has committed a claim settles it without having handed on its events.
    SettleBeforeHandingOn,
    /// A gateway hears what is handed on without a look at the claim's name.
    HearWithoutTheName,
    /// Rescuers take up workers that have not registered.
    RescueBeforeRegister,
}

impl Rules {
    pub(super) fn breaks(&self, rule: Broken) -> bool {
        self.broken.contains(&rule)
    }
}
