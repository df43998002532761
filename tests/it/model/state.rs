//! What the protocol's world remembers: Redis lists, MySQL rows and checkpoints, and the memory of each process.
//!
//! Two workers, two rescuers and up to three jobs, in a few dozen bytes. What is on its way (a move that Redis has
//! not run yet, a COMMIT that MySQL has not applied yet) is part of the world: it outlives the process that sent it.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

pub(super) const JOBS: usize = 3;
pub(super) const WORKERS: usize = 2;
pub(super) const RESCUERS: usize = 2;

/// The number of a claim: 1, 2, 3 ... per worker; 0 is "none", or in a set of lists the landing list.
pub(super) type Seq = u8;

/// The list that blocking moves bring jobs to.
pub(super) const LANDING: Seq = 0;

/// The highest number of a claim.
pub(super) const CLAIMS: usize = 3;

/// A small set of claim numbers, with the landing list as number 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Seqs(u8);

impl Seqs {
    pub(super) fn has(self, seq: Seq) -> bool {
        self.0 & (1 << seq) != 0
    }
    pub(super) fn insert(&mut self, seq: Seq) {
        self.0 |= 1 << seq;
    }
    pub(super) fn remove(&mut self, seq: Seq) {
        self.0 &= !(1 << seq);
    }
    /// Takes `seq` out and says whether it was in.
    pub(super) fn take(&mut self, seq: Seq) -> bool {
        let had = self.has(seq);
        self.remove(seq);
        had
    }
    pub(super) fn len(self) -> u32 {
        self.0.count_ones()
    }
    pub(super) fn newest(self) -> Option<Seq> {
        (0..8).rev().find(|&seq| self.has(seq))
    }
    pub(super) fn covers(self, other: Seqs) -> bool {
        other.0 & !self.0 == 0
    }
    pub(super) fn union(self, other: Seqs) -> Seqs {
        Seqs(self.0 | other.0)
    }
}

/// Where one worker's process, or a transaction of its, still holds a job outside of Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Memory {
    /// In the claim that is being fetched, or waits for the inserter.
    pub claiming: bool,
    /// In the claim that is being inserted.
    pub current: bool,
    /// In the claim that is committed and being settled.
    pub settling: bool,
    /// In the open transaction's rows.
    pub inserted: bool,
    /// In the rows of requests to commit that were sent and not run yet: under the numbers of their claims.
    pub sent: Seqs,
    /// The claim under which this worker last committed it: what its checkpoint's outcome says of it.
    pub recorded: Seq,
}

/// One job: how often it lies in each Redis list, how many rows and events it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Job {
    pub exists: bool,
    pub queued: u8,
    pub suspected: u8,
    pub dead: u8,
    /// In which claim lists of each worker, or in its landing list.
    pub claimed: [Seqs; WORKERS],
    pub rows: u8,
    pub events: u8,
    /// Among the suspects it carries with it how many workers have crashed on it.
    pub crashes: u8,
    pub memory: [Memory; WORKERS],
}

impl Job {
    /// In how many Redis lists it lies.
    pub(super) fn lists(&self) -> u32 {
        let claims: u32 = self.claimed.iter().map(|claims| claims.len()).sum();
        self.waits() + claims
    }
    /// In how many of those that are no claim's.
    pub(super) fn waits(&self) -> u32 {
        u32::from(self.queued + self.suspected + self.dead)
    }
}

/// The life of a worker's process. A pause is no state: it is a step that is not taken for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Life {
    #[default]
    Starting,
    Running,
    /// Stopped: it settles what it has committed, hands back what it has not, and deletes its checkpoint.
    Leaving,
    /// It knows that it was fenced or rescued: the same, but the checkpoint is not its own any more.
    Fenced,
    /// It has left in order. Nothing of its own remains but its checkpoint.
    Left,
    /// Exited or crashed.
    Gone,
}

/// What fetches the next claim while the current one is being inserted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Claimer {
    #[default]
    Quiet,
    /// The script that claims was sent.
    Asking,
    /// There was nothing: the blocking move was sent.
    Blocking,
    /// Fetched; the inserter may take it.
    Ready,
}

/// What turns the current claim into rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Inserter {
    #[default]
    Idle,
    /// It has a claim and no transaction: the last attempt was rolled back.
    Claimed,
    Inserted,
    /// The request to commit was sent. Its reply is on its way once MySQL has run it.
    CommitSent,
    /// The reply: there was no checkpoint to update. The transaction is rolled back.
    Refused,
    /// After a lost reply: was it committed?
    LookingUp,
}

/// The checkpoint's row in MySQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Checkpoint {
    pub seq: Seq,
    pub fenced: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Worker {
    pub life: Life,
    /// The number of the last claim that it made.
    pub seq: Seq,
    pub claimer: Claimer,
    pub claiming: Seq,
    pub inserter: Inserter,
    pub current: Seq,
    pub settling: Seq,
    /// Whether the claim that it fetches, or has in hand, holds suspects: none is made ahead of the next one then.
    pub suspects_in_hand: bool,
    /// The claim whose events it has handed on.
    pub handed_on: Seq,
    /// Whether the current claim may have been committed, or may still be, by a request whose reply was lost.
    pub in_doubt: bool,

    // In Redis.
    /// The index: its open claims, and its landing list as soon as it has blocked.
    pub index: Seqs,
    /// In the entry of each open claim: how many workers have crashed on its job.
    pub crashes: [u8; CLAIMS + 1],
    /// In the index as well: the highest number that it has claimed with.
    pub watermark: Seq,
    /// In place of the landing list: this worker has left or was rescued, and takes no job any more.
    pub tombstone: bool,
    /// Requests for a claim that the worker has given up and Redis has not run.
    pub late_claims: Seqs,
    /// The same, for claims ahead.
    pub late_claims_ahead: Seqs,
    /// Blocking moves, the same: to which list. (Of two to one list the second is the same as the first.)
    pub late_moves: Seqs,

    // In MySQL.
    pub checkpoint: Option<Checkpoint>,
    /// A request to commit that was sent and has not been run.
    pub commit: Seq,
    /// The same, on connections that were given up. (Of two for one claim the second is the same as the first.)
    pub late_commits: Seqs,
    /// Only for the property that a fenced worker never commits.
    pub was_fenced: bool,

    // In gateways.
    /// The newest of its claims of which events were handed on, by whomever.
    pub heard: Seq,
}

impl Worker {
    /// Takes a claim out of the index.
    pub(super) fn forget(&mut self, seq: Seq) {
        self.index.remove(seq);
        self.crashes[usize::from(seq)] = 0;
    }
    /// Whether a claim is in hand, so that the next one is made ahead.
    pub(super) fn is_busy(&self) -> bool {
        self.current != 0
    }
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.life, Life::Leaving | Life::Fenced)
    }
    /// The numbers of all requests, and the lists of all moves, that are on their way and that it has given up.
    pub(super) fn late(&self) -> Seqs {
        self.late_claims.union(self.late_claims_ahead).union(self.late_moves)
    }
}

/// Whoever rescues a worker. One that crashes is replaced by one that knows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rescuer {
    /// How many steps of the rescue it has done; 0 is "at rest".
    pub step: u8,
    pub target: u8,
    /// What it read in the checkpoint.
    pub seq: Seq,
    /// What it listed and has not worked on yet.
    pub todo: Seqs,
    /// Whether it has handed on the events of the claim that it is about to settle.
    pub handed_on: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub jobs: [Job; JOBS],
    pub workers: [Worker; WORKERS],
    pub rescuers: [Rescuer; RESCUERS],
    /// How many more crashes and lost replies the world has in store.
    pub faults: u8,
    /// How many more rescues begin.
    pub rescues: u8,
    /// Only for a property: MySQL applied a commit of a worker that had been fenced.
    pub fenced_commit: bool,
    /// A crash has made more than one dead letter.
    pub condemned_together: bool,
}

impl State {
    /// Those of a worker's lists that exist (a Redis list exists while it has an element).
    pub(super) fn open_claims(&self, worker: usize) -> Seqs {
        self.jobs.iter().fold(Seqs::default(), |all, job| all.union(job.claimed[worker]))
    }

    fn with_workers_swapped(&self) -> State {
        let mut other = self.clone();
        other.workers.swap(0, 1);
        for job in &mut other.jobs {
            job.claimed.swap(0, 1);
            job.memory.swap(0, 1);
        }
        for rescuer in other.rescuers.iter_mut().filter(|rescuer| rescuer.step != 0) {
            rescuer.target = 1 - rescuer.target;
        }
        other
    }

    fn with_jobs_and_rescuers_sorted(mut self) -> State {
        self.jobs.sort_unstable();
        self.rescuers.sort_unstable();
        self
    }
}

/// Symmetry: jobs, workers and rescuers are interchangeable, so states that differ only in who is who count as one.
/// The checker knows states by their hash alone; hashing a representative therefore checks one of each kind, and
/// the paths that it prints remain real ones.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let as_is = || self.clone().with_jobs_and_rescuers_sorted();
        let swapped = || self.with_workers_swapped().with_jobs_and_rescuers_sorted();
        let first = match self.workers[0].cmp(&self.workers[1]) {
            Ordering::Less => as_is(),
            Ordering::Greater => swapped(),
            Ordering::Equal => {
                let (this, that) = (as_is(), swapped());
                if (this.jobs, this.rescuers) <= (that.jobs, that.rescuers) { this } else { that }
            }
        };
        (first.workers, first.jobs, first.rescuers).hash(hasher);
        (first.faults, first.rescues, first.fenced_commit, first.condemned_together).hash(hasher);
    }
}
