//! A worker turns a claim into rows and events: MySQL, the worker's inserter, and settle.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Claimer, Inserter, Life, State};

impl State {
    /// A transaction begins and inserts the rows of the claim: the one that was rolled back, or the next one.
    pub(super) fn insert(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.life == Life::Running && worker.claimer != Claimer::Asking)?;
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
    /// then holds it. No row matches: this worker was fenced, rolls back and leaves. A claim ahead is awaited before.
    pub(super) fn checkpoint(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(
            worker.inserter == Inserter::Inserted && worker.claimer != Claimer::Asking && worker.commit == 0,
        )?;
        let fence_counts = !rules.breaks(Broken::CheckpointWithoutFenceCheck);
        match worker.checkpoint {
            Some(row) if !(row.fenced && fence_counts) => worker.inserter = Inserter::Checkpointed,
            _ => self.give_up(rules, at.who, Life::Fenced),
        }
        Some(())
    }

    /// A server's fault (a deadlock, a lost connection, a restart) before COMMIT: MySQL rolls back, the claim stays.
    pub(super) fn rolled_back(&mut self, _: &Rules, at: At) -> Option<()> {
        when(self.roll_back(at.who))?;
        self.fault()
    }

    /// Ends the transaction of the claim in hand before COMMIT, if there is one. Returns whether there was.
    pub(super) fn roll_back(&mut self, who: usize) -> bool {
        let worker = &mut self.workers[who];
        let open = matches!(worker.inserter, Inserter::Inserted | Inserter::Checkpointed);
        if open {
            worker.inserter = Inserter::Claimed;
            self.jobs.iter_mut().for_each(|job| job.memory[who].inserted = false);
        }
        open
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

    /// `SELECT .. FOR UPDATE` on a new connection: it waits for the end of the old connection, then it knows. No row:
    /// a rescue has ended this worker, and its claim with it.
    pub(super) fn lookup_checkpoint(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.inserter == Inserter::LookingUp && worker.settling == 0)?;
        if !rules.breaks(Broken::ForgetLookup) {
            when(worker.commit == 0 || rules.breaks(Broken::LookUpWithoutLock))?;
            match worker.checkpoint {
                Some(row) if row.seq == worker.current => {
                    self.begin_settling(at.who);
                    return Some(());
                }
                Some(_) => {}
                None => {
                    self.abandon_in_doubt(rules, at.who);
                    return Some(());
                }
            }
        }
        worker.inserter = Inserter::Claimed;
        if worker.life != Life::Running {
            self.give_up(rules, at.who, Life::Leaving);
        }
        Some(())
    }

    /// One script ends a committed claim, if its list still exists. Jobs that a late claim added go back.
    pub(super) fn settle(&mut self, rules: &Rules, at: At) -> Option<()> {
        self.run_settle(rules, at.who)?;
        self.workers[at.who].settling = 0;
        self.jobs.iter_mut().for_each(|job| job.memory[at.who].settling = false);
        Some(())
    }

    /// The same, but the reply is lost: it will be run again. The claim in hand is rolled back meanwhile.
    pub(super) fn settle_reply_lost(&mut self, rules: &Rules, at: At) -> Option<()> {
        self.run_settle(rules, at.who)?;
        self.roll_back(at.who);
        self.fault()
    }

    /// The current claim is known to be committed: the inserter is free for the next one.
    fn begin_settling(&mut self, who: usize) {
        let worker = &mut self.workers[who];
        (worker.inserter, worker.suspect_in_hand) = (Inserter::Idle, false);
        worker.settling = std::mem::take(&mut worker.current);
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[who]) {
            memory.settling = std::mem::take(&mut memory.current);
        }
    }

    fn run_settle(&mut self, rules: &Rules, who: usize) -> Option<()> {
        let seq = self.workers[who].settling;
        when(seq != 0)?;
        let counts = !rules.breaks(Broken::SettleWithoutCounting);
        self.settle_script(rules, who, seq, |job| job.memory[who].settling, counts);
        Some(())
    }
}
