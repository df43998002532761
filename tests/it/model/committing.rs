//! A worker turns a claim into rows and events: MySQL, the worker's inserter, and settle.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Claimer, Inserter, Job, Life, Seq, State};

impl State {
    /// A transaction begins and inserts the rows of the claim: the one that was rolled back, or the next one.
    pub(super) fn insert(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.life == Life::Running)?;
        if worker.inserter == Inserter::Idle {
            when(worker.claimer == Claimer::Ready)?;
            worker.claimer = Claimer::Quiet;
            worker.current = std::mem::take(&mut worker.claiming);
            for memory in self.jobs.iter_mut().map(|job| &mut job.memory[at.who]) {
                memory.current = std::mem::take(&mut memory.claiming);
            }
        } else {
            when(worker.inserter == Inserter::Claimed)?;
        }
        self.workers[at.who].inserter = Inserter::Inserted;
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[at.who]) {
            memory.inserted = memory.current;
        }
        Some(())
    }

    /// `UPDATE checkpoint SET claim_seq = ? .. WHERE worker_id = ? AND fenced = 0`: it waits for the row's lock, and
    /// then holds it. No row matches: this worker was fenced, rolls back and leaves.
    pub(super) fn checkpoint(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.inserter == Inserter::Inserted && worker.commit == 0)?;
        let fence_counts = !rules.breaks(Broken::CheckpointWithoutFenceCheck);
        match worker.checkpoint {
            Some(row) if !(row.fenced && fence_counts) => worker.inserter = Inserter::Checkpointed,
            _ => self.leave(at.who),
        }
        Some(())
    }

    /// A server's fault (a deadlock, a lost connection, a restart) before COMMIT: MySQL rolls back, the claim stays.
    pub(super) fn rolled_back(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(matches!(worker.inserter, Inserter::Inserted | Inserter::Checkpointed))?;
        worker.inserter = Inserter::Claimed;
        self.jobs.iter_mut().for_each(|job| job.memory[at.who].inserted = false);
        self.fault()
    }

    /// COMMIT is sent, but only when the claim before it is settled: its outcome is about to be overwritten.
    pub(super) fn commit(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.inserter == Inserter::Checkpointed)?;
        when(worker.settling == 0 || rules.breaks(Broken::CommitBeforeSettleOfPrevious))?;
        worker.inserter = Inserter::CommitSent;
        worker.commit = worker.current;
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[at.who]) {
            memory.sent = std::mem::take(&mut memory.inserted);
        }
        Some(())
    }

    /// MySQL applies a COMMIT that it was sent, whether or not its sender still lives.
    pub(super) fn mysql_commits(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.commit != 0)?;
        let seq = std::mem::take(&mut worker.commit);
        self.fenced_commit |= worker.was_fenced;
        if let Some(row) = &mut worker.checkpoint {
            row.seq = seq;
        }
        for job in self.jobs.iter_mut().filter(|job| job.memory[at.who].sent) {
            job.rows += 1;
            job.memory[at.who].sent = false;
            job.memory[at.who].recorded = seq;
        }
        Some(())
    }

    /// MySQL never got the COMMIT, notices that its client is gone, and rolls back.
    pub(super) fn mysql_rolls_back(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.commit != 0 && worker.inserter != Inserter::CommitSent)?;
        worker.commit = 0;
        self.jobs.iter_mut().for_each(|job| job.memory[at.who].sent = false);
        Some(())
    }

    /// The reply to COMMIT arrives.
    pub(super) fn commit_replied(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &self.workers[at.who];
        when(worker.inserter == Inserter::CommitSent && worker.commit == 0 && worker.settling == 0)?;
        self.begin_settling(at.who);
        Some(())
    }

    /// The connection ends before the reply to COMMIT came; whether MySQL has applied it, or will, is unknown.
    pub(super) fn commit_reply_lost(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.inserter == Inserter::CommitSent)?;
        worker.inserter = Inserter::LookingUp;
        self.fault()
    }

    /// `SELECT .. FOR UPDATE` on a new connection: it waits for the end of the old connection, then it knows.
    pub(super) fn lookup_checkpoint(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.inserter == Inserter::LookingUp && worker.settling == 0)?;
        if rules.breaks(Broken::ForgetLookup) {
            worker.inserter = Inserter::Claimed;
            return Some(());
        }
        when(worker.commit == 0 || rules.breaks(Broken::LookUpWithoutLock))?;
        let (committed, fenced) = match worker.checkpoint {
            Some(row) => (row.seq == worker.current, row.fenced),
            None => (false, true),
        };
        if committed {
            self.begin_settling(at.who);
        }
        if fenced {
            self.leave(at.who);
        } else if !committed {
            self.workers[at.who].inserter = Inserter::Claimed;
        }
        Some(())
    }

    /// One script ends a committed claim, if its list still exists: publish the rows, delete the list, out of the
    /// index.
    pub(super) fn settle(&mut self, rules: &Rules, at: At) -> Option<()> {
        self.run_settle(rules, at.who)?;
        self.workers[at.who].settling = 0;
        self.jobs.iter_mut().for_each(|job| job.memory[at.who].settling = false);
        Some(())
    }

    /// The same, but the reply is lost: it will be run again.
    pub(super) fn settle_reply_lost(&mut self, rules: &Rules, at: At) -> Option<()> {
        self.run_settle(rules, at.who)?;
        self.fault()
    }

    /// The process ends at once, anywhere. What it has sent remains on its way; what it had not, never was.
    pub(super) fn crash(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(matches!(worker.life, Life::Running | Life::Leaving))?;
        worker.abandon_connection(rules);
        self.leave(at.who);
        self.workers[at.who].settling = 0;
        self.jobs.iter_mut().for_each(|job| job.memory[at.who].settling = false);
        self.workers[at.who].life = Life::Gone;
        self.fault()
    }

    /// The worker cannot renew its lease, or is asked to stop: it gives up what it has not committed.
    pub(super) fn stop(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &self.workers[at.who];
        when(worker.life == Life::Running)?;
        when(matches!(worker.inserter, Inserter::Idle | Inserter::Claimed))?;
        self.leave(at.who);
        self.fault()
    }

    /// Drops all that is not committed, out of memory; `hand_back` and `settle` do the rest.
    fn leave(&mut self, who: usize) {
        let worker = &mut self.workers[who];
        worker.life = Life::Leaving;
        (worker.claimer, worker.claiming) = (Claimer::Quiet, 0);
        (worker.inserter, worker.current) = (Inserter::Idle, 0);
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[who]) {
            (memory.claiming, memory.current, memory.inserted) = (false, false, false);
        }
    }

    /// The current claim is known to be committed: the inserter is free for the next one.
    fn begin_settling(&mut self, who: usize) {
        let worker = &mut self.workers[who];
        worker.inserter = Inserter::Idle;
        worker.settling = std::mem::take(&mut worker.current);
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[who]) {
            memory.settling = std::mem::take(&mut memory.current);
        }
    }

    fn run_settle(&mut self, rules: &Rules, who: usize) -> Option<()> {
        let seq = self.workers[who].settling;
        when(seq != 0)?;
        self.settle_script(rules, who, seq, |job| job.memory[who].settling);
        Some(())
    }

    /// What the script does: for a worker with the outcome that it remembers, for a rescuer with the recorded one.
    pub(super) fn settle_script(
        &mut self,
        rules: &Rules,
        who: usize,
        seq: Seq,
        inserted: impl Fn(&Job) -> bool,
    ) {
        let exists = self.open_claims(who).has(seq);
        if !exists && !rules.breaks(Broken::SettleWithoutExistenceCheck) {
            return;
        }
        for job in &mut self.jobs {
            if inserted(job) {
                job.events += 1;
            }
            job.claimed[who].remove(seq);
        }
        self.workers[who].index.remove(seq);
    }
}
