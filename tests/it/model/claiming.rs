//! A worker fetches a claim: it asks, and blocks while there is nothing.
//!
//! Every step is a function that does nothing and says `None` where it cannot be taken. What a process sends and what
//! the server does with it are two steps: between them the process may rest, crash, or lose its connection. A reply
//! that is lost after the server did its part is the same as a request that is given up and runs late, but at once.

use super::protocol::At;
use super::rules::{Broken, Rules};
use super::scripts::Reply;
use super::state::{Checkpoint, Claimer, Inserter, LANDING, Life, Seq, State, Worker};

impl State {
    /// The checkpoint's row is inserted, by a plain INSERT, before anyone can know of the worker. One that is there
    /// already and fenced was written by a rescuer: the worker was given up before it began, and leaves.
    pub(super) fn register(&mut self, _: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Starting)?;
        if worker.checkpoint.is_some_and(|row| row.fenced) {
            worker.life = Life::Fenced;
        } else {
            worker.checkpoint = Some(Checkpoint { seq: 0, fenced: false });
            worker.life = Life::Running;
        }
        Some(())
    }

    /// The script is sent that claims what there is, under the next number: because nothing is in hand; or ahead, while
    /// the claim in hand is being inserted, unless that holds suspects, which may crash.
    pub(super) fn claim(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Running && worker.claimer == Claimer::Quiet && worker.seq < rules.claims)?;
        if worker.is_busy() {
            when(rules.pipelining && worker.inserter == Inserter::Inserted && !worker.suspects_in_hand)?;
        } else {
            when(worker.settling == 0)?;
        }
        worker.claiming = worker.seq + 1;
        worker.claimer = Claimer::Asking;
        Some(())
    }

    /// Redis runs it, and the reply arrives. After "empty" the worker blocks, or has none ahead. "Stale" says that this
    /// claim has ended, or this worker, and not by itself: it was rescued, and leaves.
    pub(super) fn redis_claims(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = self.workers[at.who];
        when(worker.claimer == Claimer::Asking)?;
        let (seq, ahead) = (worker.claiming, worker.is_busy());
        let reply = self.claim_script(rules, At { seq, ..at }, ahead)?;
        let worker = &mut self.workers[at.who];
        match reply {
            Reply::Claimed => {
                (worker.claimer, worker.seq) = (Claimer::Ready, seq);
                worker.suspects_in_hand |= worker.crashes[usize::from(seq)] > 0;
                for job in &mut self.jobs {
                    job.memory[at.who].claiming = job.claimed[at.who].has(seq);
                }
            }
            Reply::Empty if ahead => worker.fall_quiet(),
            Reply::Empty => worker.claimer = Claimer::Blocking,
            Reply::Stale => {
                worker.fall_quiet();
                self.give_up(rules, at.who, Life::Fenced);
            }
        }
        Some(())
    }

    /// Redis runs it for a connection that was given up. Nobody is told; by now the worker may have claimed by
    /// asking again, may have settled that claim, may be gone.
    pub(super) fn redis_claims_late(&mut self, rules: &Rules, at: At) -> Option<()> {
        when(self.workers[at.who].late_claims.take(at.seq))?;
        self.claim_script(rules, at, false).map(|_| ())
    }

    /// The same for a claim that was made ahead.
    pub(super) fn redis_claims_ahead_late(&mut self, rules: &Rules, at: At) -> Option<()> {
        when(self.workers[at.who].late_claims_ahead.take(at.seq))?;
        self.claim_script(rules, at, true).map(|_| ())
    }

    /// The connection ends before the reply came. The number is not used up: the worker will ask again under the same
    /// one. A claim in hand is rolled back meanwhile. A worker that stops before it has asked again leaves what that
    /// number may hold to a rescuer.
    pub(super) fn claim_reply_lost(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.claimer == Claimer::Asking)?;
        worker.give_connection_up(rules);
        if rules.breaks(Broken::NewSeqAfterLostReply) {
            worker.seq = worker.claiming;
        }
        worker.fall_quiet();
        self.roll_back(who);
        self.fault()
    }

    /// Redis moves one job from the queue to the landing list, and nothing else: a blocking move cannot ask whether
    /// anyone still waits for it. The worker is told, and claims.
    pub(super) fn redis_moves(&mut self, rules: &Rules, At { who, job, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.claimer == Claimer::Blocking)?;
        worker.claimer = Claimer::Asking;
        let list = worker.landing(rules);
        self.move_one(who, list, job)
    }

    /// The same for a connection that was given up: the job has landed, and nobody is told.
    pub(super) fn redis_moves_late(&mut self, _: &Rules, At { who, seq: list, job }: At) -> Option<()> {
        when(self.workers[who].late_moves.take(list))?;
        self.move_one(who, list, job)
    }

    /// The blocking move ends with nothing: some seconds have passed, the worker ends it in order to stop, or it fails
    /// because there is a tombstone. If the worker does not stop it asks again.
    pub(super) fn redis_moves_nothing(&mut self, _: &Rules, At { who, .. }: At) -> Option<()> {
        when(self.workers[who].claimer == Claimer::Blocking)?;
        self.workers[who].fall_quiet();
        Some(())
    }

    /// The connection ends while the worker blocks. Whatever has landed, the next claim finds it.
    pub(super) fn move_reply_lost(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.claimer == Claimer::Blocking)?;
        worker.give_connection_up(rules);
        worker.fall_quiet();
        self.fault()
    }

    /// Onto a tombstone no move is possible: the job stays in the queue.
    fn move_one(&mut self, who: usize, list: Seq, job: usize) -> Option<()> {
        when(list != LANDING || !self.workers[who].tombstone)?;
        let job = self.jobs.get_mut(job)?;
        job.queued = job.queued.checked_sub(1)?;
        job.claimed[who].insert(list);
        Some(())
    }

    /// Takes one of the faults that the world has in store.
    pub(super) fn fault(&mut self) -> Option<()> {
        self.faults = self.faults.checked_sub(1)?;
        Some(())
    }
}

impl Worker {
    /// Where its blocking move goes.
    pub(super) fn landing(&self, rules: &Rules) -> Seq {
        if rules.breaks(Broken::MoveStraightIntoTheClaimList) { self.claiming } else { LANDING }
    }

    /// Nothing is being fetched.
    fn fall_quiet(&mut self) {
        (self.claimer, self.claiming) = (Claimer::Quiet, 0);
    }

    /// What was sent on this connection and was not answered runs late, or never.
    pub(super) fn give_connection_up(&mut self, rules: &Rules) {
        match self.claimer {
            Claimer::Asking if self.is_busy() => self.late_claims_ahead.insert(self.claiming),
            Claimer::Asking => self.late_claims.insert(self.claiming),
            Claimer::Blocking => self.late_moves.insert(self.landing(rules)),
            Claimer::Quiet | Claimer::Ready => {}
        }
    }
}

/// A guard: the step goes on only if this holds.
pub(super) fn when(holds: bool) -> Option<()> {
    holds.then_some(())
}
