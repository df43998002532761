//! A worker fetches a claim: Redis and the worker's claimer.
//!
//! Every step is a function that does nothing and says `None` where it cannot be taken. What a process sends and what
//! the server does with it are two steps: between them the process may rest, crash, or lose its connection.

use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Checkpoint, Claimer, Inserter, Life, Seq, State, Worker};

impl State {
    /// The checkpoint's row is inserted before the first claim. One that is there already was written by a rescuer:
    /// the worker was given up before it began, and ends.
    pub(super) fn register(&mut self, _: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Starting)?;
        if worker.checkpoint.is_some() {
            worker.life = Life::Gone;
        } else {
            worker.checkpoint = Some(Checkpoint { seq: 0, fenced: false });
            worker.life = Life::Running;
        }
        Some(())
    }

    /// The claim is announced in the index under a new number; then the blocking move is sent.
    pub(super) fn claim(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        let seq = worker.new_claim(rules)?;
        worker.claimer = Claimer::Moving;
        worker.index.insert(seq);
        worker.moves.insert(seq);
        Some(())
    }

    /// Redis moves one job from the queue to the claim list, and nothing else: a blocking move cannot ask whether
    /// anyone still waits for it.
    pub(super) fn redis_moves(&mut self, _: &Rules, at: At) -> Option<()> {
        let At { who, seq, job } = at;
        when(self.jobs[job].queued > 0 && self.workers[who].moves.take(seq))?;
        self.jobs[job].queued -= 1;
        self.jobs[job].claimed[who].insert(seq);
        self.reply_carries(at, Claimer::Moving);
        Some(())
    }

    /// The same, for a connection whose other end has given it up: the job lies in the list, and nobody is told.
    pub(super) fn redis_moves_late(&mut self, _: &Rules, at: At) -> Option<()> {
        let At { who, seq, job } = at;
        when(self.jobs[job].queued > 0 && self.workers[who].late_moves.take(seq))?;
        self.jobs[job].queued -= 1;
        self.jobs[job].claimed[who].insert(seq);
        Some(())
    }

    /// The script is sent that claims one suspect alone.
    pub(super) fn isolate(&mut self, rules: &Rules, at: At) -> Option<()> {
        when(self.jobs.iter().any(|job| job.suspected > 0))?;
        let worker = &mut self.workers[at.who];
        let seq = worker.new_claim(rules)?;
        worker.claimer = Claimer::Isolating;
        worker.isolations.insert(seq);
        Some(())
    }

    /// Redis moves one suspect to a claim list and writes the index, in one script.
    pub(super) fn redis_isolates(&mut self, _: &Rules, at: At) -> Option<()> {
        let At { who, seq, job } = at;
        when(self.jobs[job].suspected > 0 && self.workers[who].isolations.take(seq))?;
        self.jobs[job].suspected -= 1;
        self.jobs[job].claimed[who].insert(seq);
        self.workers[who].index.insert(seq);
        self.reply_carries(at, Claimer::Isolating);
        Some(())
    }

    /// The reply to the move arrives. A claim from the queue is then topped up; a suspect stays alone.
    pub(super) fn claim_replied(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        let seq = worker.claiming;
        match worker.claimer {
            Claimer::Moving if !worker.moves.has(seq) && rules.batch > 1 => {
                worker.claimer = Claimer::ToppingUp;
                worker.top_ups.insert(seq);
            }
            Claimer::Moving if !worker.moves.has(seq) => worker.claimer = Claimer::Ready,
            Claimer::Isolating if !worker.isolations.has(seq) => worker.claimer = Claimer::Ready,
            Claimer::ToppingUp if !worker.top_ups.has(seq) => worker.claimer = Claimer::Ready,
            _ => return None,
        }
        Some(())
    }

    /// Redis moves one more job to the claim list, if that list still exists.
    pub(super) fn redis_tops_up(&mut self, rules: &Rules, at: At) -> Option<()> {
        let At { who, seq, job } = at;
        let exists = self.open_claims(who).has(seq) || rules.breaks(Broken::TopUpWithoutExistenceCheck);
        when(exists && self.jobs[job].queued > 0 && self.workers[who].top_ups.take(seq))?;
        self.jobs[job].queued -= 1;
        self.jobs[job].claimed[who].insert(seq);
        self.reply_carries(at, Claimer::ToppingUp);
        Some(())
    }

    /// The blocking move ends with nothing, or a script finds nothing to move, or its claim list gone. A worker that
    /// hears of it is certain: a number for which nothing was moved, and nothing can be, may be announced once more.
    pub(super) fn redis_finds_nothing(&mut self, _: &Rules, at: At) -> Option<()> {
        let At { who, seq, job } = at;
        when(job == 0)?;
        let worker = &mut self.workers[who];
        if worker.late_moves.take(seq) || worker.top_ups.take(seq) {
            return Some(());
        }
        when(worker.moves.take(seq) || worker.isolations.take(seq))?;
        if worker.claiming == seq && worker.awaits_move() {
            worker.claimer = Claimer::Quiet;
            worker.claiming = 0;
            worker.seq = seq - 1;
        }
        Some(())
    }

    /// The connection ends before the reply came: the worker knows nothing of this claim any more.
    pub(super) fn claim_reply_lost(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(matches!(worker.claimer, Claimer::Moving | Claimer::Isolating | Claimer::ToppingUp))?;
        let seq = worker.claiming;
        worker.abandon_connection(rules);
        if rules.breaks(Broken::ReuseSeqAfterLostReply) {
            worker.seq = seq - 1;
        }
        worker.claimer =
            if rules.breaks(Broken::ClaimWithoutLookup) { Claimer::Quiet } else { Claimer::LookingUp };
        worker.claiming = 0;
        self.jobs.iter_mut().for_each(|job| job.memory[at.who].claiming = false);
        self.fault()
    }

    /// The worker asks the index for its open claims: after every error of Redis, and, because a lost move may run
    /// late, once more whenever it renews its lease. It goes on once none is there that it does not know.
    pub(super) fn lookup_open_claims(&mut self, rules: &Rules, at: At) -> Option<()> {
        let forgotten = self.forgotten_claim(at.who);
        let worker = &mut self.workers[at.who];
        when(worker.life == Life::Running)?;
        match (worker.claimer, forgotten) {
            (Claimer::LookingUp, None) => worker.claimer = Claimer::Quiet,
            (Claimer::Quiet, Some(_)) if !rules.breaks(Broken::ClaimWithoutLookup) => {
                worker.claimer = Claimer::LookingUp;
            }
            _ => return None,
        }
        Some(())
    }

    /// A worker gives back an open claim that it will not commit: one that it found by its look-up, or, when it
    /// leaves, any that is not committed. One script: does the list exist? Then back to the queue, out of the index.
    /// Its number is never used again, so a reply that is lost needs only another try.
    pub(super) fn hand_back(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = self.workers[at.who];
        let looking = worker.life == Life::Running && worker.claimer == Claimer::LookingUp;
        when(looking || worker.life == Life::Leaving)?;
        let seq = self.forgotten_claim(at.who)?;
        for job in self.jobs.iter_mut().filter(|job| job.claimed[at.who].has(seq)) {
            job.claimed[at.who].remove(seq);
            job.queued += 1;
        }
        self.workers[at.who].index.remove(seq);
        Some(())
    }

    /// A worker that has nothing left to hand back or to settle exits.
    pub(super) fn exit(&mut self, _: &Rules, at: At) -> Option<()> {
        let none_left = self.forgotten_claim(at.who).is_none();
        let worker = &mut self.workers[at.who];
        when(worker.life == Life::Leaving && worker.settling == 0 && none_left)?;
        worker.life = Life::Gone;
        Some(())
    }

    /// The newest of a worker's open claims that it is neither inserting nor settling.
    pub(super) fn forgotten_claim(&self, who: usize) -> Option<Seq> {
        let mut open = self.open_claims(who);
        open.remove(self.workers[who].current);
        open.remove(self.workers[who].settling);
        open.newest()
    }

    /// What Redis has moved is on its way to the worker, if the worker still waits for it.
    fn reply_carries(&mut self, At { who, seq, job }: At, awaited_by: Claimer) {
        let worker = &self.workers[who];
        if worker.claimer == awaited_by && worker.claiming == seq {
            self.jobs[job].memory[who].claiming = true;
        }
    }

    /// Takes one of the faults that the world has in store.
    pub(super) fn fault(&mut self) -> Option<()> {
        self.faults = self.faults.checked_sub(1)?;
        Some(())
    }
}

impl Worker {
    fn new_claim(&mut self, rules: &Rules) -> Option<Seq> {
        when(self.life == Life::Running && self.claimer == Claimer::Quiet && self.seq < rules.claims)?;
        when(rules.pipelining || (self.inserter == Inserter::Idle && self.settling == 0))?;
        self.seq += 1;
        self.claiming = self.seq;
        Some(self.seq)
    }

    /// What was sent for the claim that is being fetched, and has not run, runs late or never.
    pub(super) fn abandon_connection(&mut self, rules: &Rules) {
        let seq = self.claiming;
        if !rules.late_moves {
            self.moves.remove(seq);
            self.isolations.remove(seq);
            self.top_ups.remove(seq);
        } else if self.moves.take(seq) {
            self.late_moves.insert(seq);
        }
    }
}

/// A guard: the step goes on only if this holds.
pub(super) fn when(holds: bool) -> Option<()> {
    holds.then_some(())
}
