//! A worker fetches a claim: it asks, and blocks while there is nothing.
//!
//! Every step is a function that does nothing and says `None` where it cannot be taken. What a process sends and what
//! the server does with it are two steps: between them the process may rest, crash, or lose its connection. A reply
//! that is lost after the server did its part is the same as a request that is given up and runs late, but at once.

use super::protocol::At;
use super::rules::{Broken, Rules};
use super::scripts::Reply;
use super::state::{Checkpoint, Claimer, LANDING, Life, Seq, State, Worker};

impl State {
    /// The checkpoint's row is inserted, by a plain INSERT, before anyone can know of the worker. One that is there
    /// already and fenced was written by a rescuer: the worker was given up before it began, and ends.
    pub(super) fn register(&mut self, _: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Starting)?;
        if worker.checkpoint.is_some_and(|row| row.fenced) {
            worker.life = Life::Gone;
        } else {
            worker.checkpoint = Some(Checkpoint { seq: 0, fenced: false });
            worker.life = Life::Running;
        }
        Some(())
    }

    /// The script is sent that claims what there is, under a new number.
    pub(super) fn claim(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Running && worker.claimer == Claimer::Quiet && worker.seq < rules.claims)?;
        when(rules.pipelining || worker.current + worker.settling == 0)?;
        worker.seq += 1;
        worker.claiming = worker.seq;
        worker.claimer = Claimer::Asking;
        Some(())
    }

    /// Redis runs it, and the reply arrives. After "empty" the worker blocks. "Stale" says that somebody else has
    /// ended this claim: the worker was rescued, and leaves.
    pub(super) fn redis_claims(&mut self, rules: &Rules, at: At) -> Option<()> {
        let Worker { claimer, claiming: seq, life, .. } = self.workers[at.who];
        when(claimer == Claimer::Asking)?;
        let reply = self.claim_script(rules, At { seq, ..at })?;
        let runs = life == Life::Running;
        let worker = &mut self.workers[at.who];
        worker.claimer = match reply {
            Reply::Claimed => Claimer::Ready,
            Reply::Empty if runs => Claimer::Blocking,
            Reply::Empty | Reply::Stale => Claimer::Quiet,
        };
        if worker.claimer == Claimer::Quiet {
            worker.claiming = 0;
        }
        match reply {
            Reply::Claimed if runs => {
                for job in &mut self.jobs {
                    job.memory[at.who].claiming = job.claimed[at.who].has(seq);
                }
            }
            Reply::Stale => self.give_up(rules, at.who),
            _ => {}
        }
        Some(())
    }

    /// Redis runs it for a connection that was given up. Nobody is told; by now the worker may have claimed by
    /// asking again, may have settled that claim, may be gone.
    pub(super) fn redis_claims_late(&mut self, rules: &Rules, at: At) -> Option<()> {
        when(self.workers[at.who].late_claims.take(at.seq))?;
        self.claim_script(rules, at).map(|_| ())
    }

    /// The connection ends before the reply came. The worker asks again, under the same number; one that is about to
    /// leave hands back whatever that number may hold.
    pub(super) fn claim_reply_lost(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.claimer == Claimer::Asking)?;
        worker.give_connection_up(rules);
        if worker.life == Life::Running && rules.breaks(Broken::NewSeqAfterLostReply) {
            (worker.claimer, worker.claiming) = (Claimer::Quiet, 0);
        } else if worker.life != Life::Running {
            worker.claimer = Claimer::Quiet;
        }
        self.fault()
    }

    /// Redis moves one job from the queue to the landing list, and nothing else: a blocking move cannot ask whether
    /// anyone still waits for it. The worker is told, and claims.
    pub(super) fn redis_moves(&mut self, rules: &Rules, At { who, job, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.claimer == Claimer::Blocking)?;
        let list = worker.landing(rules);
        worker.wake();
        self.move_one(who, list, job)
    }

    /// The same for a connection that was given up: the job has landed, and nobody is told.
    pub(super) fn redis_moves_late(&mut self, _: &Rules, At { who, seq: list, job }: At) -> Option<()> {
        when(self.workers[who].late_moves.take(list))?;
        self.move_one(who, list, job)
    }

    /// The blocking move ends with nothing: some seconds have passed, or the worker ends it in order to leave.
    pub(super) fn redis_moves_nothing(&mut self, _: &Rules, At { who, .. }: At) -> Option<()> {
        when(self.workers[who].claimer == Claimer::Blocking)?;
        self.workers[who].wake();
        Some(())
    }

    /// The connection ends while the worker blocks. Whatever has landed, the next claim finds it.
    pub(super) fn move_reply_lost(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.claimer == Claimer::Blocking)?;
        worker.give_connection_up(rules);
        worker.wake();
        self.fault()
    }

    /// A late request never arrives, or a late move ends with nothing.
    pub(super) fn lost_for_good(&mut self, _: &Rules, At { who, seq, job }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(job == 0 && (worker.late_moves.take(seq) || worker.late_claims.take(seq)))
    }

    fn move_one(&mut self, who: usize, list: Seq, job: usize) -> Option<()> {
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

    /// The blocking move has ended: the worker asks once more, unless it is about to leave.
    fn wake(&mut self) {
        if self.life == Life::Running {
            self.claimer = Claimer::Asking;
        } else {
            (self.claimer, self.claiming) = (Claimer::Quiet, 0);
        }
    }

    /// What was sent on this connection and was not answered runs late, or never.
    pub(super) fn give_connection_up(&mut self, rules: &Rules) {
        match self.claimer {
            Claimer::Asking => self.late_claims.insert(self.claiming),
            Claimer::Blocking => self.late_moves.insert(self.landing(rules)),
            _ => return,
        }
        self.unsure = true;
    }
}

/// A guard: the step goes on only if this holds.
pub(super) fn when(holds: bool) -> Option<()> {
    holds.then_some(())
}
