//! A worker turns a claim into rows and events: MySQL, the worker's inserter, and settle.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Checkpoint, Claimer, Inserter, Life, Seq, State, Worker};

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

    /// A server's fault (a deadlock, a lost connection, a restart) before COMMIT: MySQL rolls back, the claim stays.
    pub(super) fn rolled_back(&mut self, _: &Rules, at: At) -> Option<()> {
        when(self.roll_back(at.who))?;
        self.fault()
    }

    /// Ends the transaction of the claim in hand before COMMIT, if there is one. Returns whether there was.
    pub(super) fn roll_back(&mut self, who: usize) -> bool {
        let worker = &mut self.workers[who];
        let open = worker.inserter == Inserter::Inserted;
        if open {
            worker.inserter = if worker.in_doubt { Inserter::LookingUp } else { Inserter::Claimed };
            self.jobs.iter_mut().for_each(|job| job.memory[who].inserted = false);
        }
        open
    }

    /// One request is sent: `UPDATE checkpoint SET claim_seq = ? .. WHERE worker_id = ? AND fenced = 0 AND
    /// claim_seq < ?`, and COMMIT if that has changed a row. But only when a claim ahead has been awaited and the claim
    /// before is settled: its outcome is about to be overwritten.
    pub(super) fn commit(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.inserter == Inserter::Inserted && worker.claimer != Claimer::Asking)?;
        when(worker.settling == 0 || rules.breaks(Broken::CommitBeforeSettleOfPrevious))?;
        worker.inserter = Inserter::CommitSent;
        worker.commit = worker.current;
        let seq = worker.current;
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[at.who]) {
            if std::mem::take(&mut memory.inserted) {
                memory.sent.insert(seq);
            }
        }
        Some(())
    }

    /// MySQL runs it in one step: whoever wants the checkpoint meanwhile waits for its lock.
    pub(super) fn mysql_commits(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.commit != 0)?;
        let seq = std::mem::take(&mut worker.commit);
        if !self.commit_request(rules, at.who, seq) {
            self.workers[at.who].inserter = Inserter::Refused;
        }
        Some(())
    }

    /// The same for a connection that was given up: nobody is told. Its sender may be gone, or may have asked again.
    pub(super) fn mysql_commits_late(&mut self, rules: &Rules, at: At) -> Option<()> {
        when(self.workers[at.who].late_commits.take(at.seq))?;
        self.commit_request(rules, at.who, at.seq);
        Some(())
    }

    /// Returns whether there was a checkpoint to update, and so something to commit.
    fn commit_request(&mut self, rules: &Rules, who: usize, seq: Seq) -> bool {
        let worker = &mut self.workers[who];
        let fence_counts = !rules.breaks(Broken::CheckpointWithoutFenceCheck);
        let number_counts = !rules.breaks(Broken::CheckpointWithoutNumberCheck);
        let matches = |row: &Checkpoint| !(row.fenced && fence_counts) && (row.seq < seq || !number_counts);
        let updated = worker.checkpoint.filter(matches);
        let again = worker.commit == seq || worker.late_commits.has(seq);
        if let Some(row) = updated {
            worker.checkpoint = Some(Checkpoint { seq, ..row });
            self.fenced_commit |= worker.was_fenced;
        }
        for job in self.jobs.iter_mut().filter(|job| job.memory[who].sent.has(seq)) {
            if updated.is_some() {
                job.rows += 1;
                job.memory[who].recorded = seq;
            }
            if !again {
                job.memory[who].sent.remove(seq);
            }
        }
        updated.is_some()
    }

    /// The reply arrives: committed.
    pub(super) fn commit_replied(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &self.workers[at.who];
        when(worker.inserter == Inserter::CommitSent && worker.commit == 0 && worker.settling == 0)?;
        self.begin_settling(at.who);
        Some(())
    }

    /// The reply arrives: refused. An attempt before may have come late, so a claim in doubt is looked up; otherwise
    /// this worker was fenced, and leaves.
    pub(super) fn commit_refused(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.inserter == Inserter::Refused && worker.settling == 0)?;
        if worker.in_doubt {
            worker.inserter = Inserter::LookingUp;
        } else {
            self.give_up(rules, at.who, Life::Fenced);
        }
        Some(())
    }

    /// The connection ends before the reply came; whether MySQL has run the request, or will, is unknown.
    pub(super) fn commit_reply_lost(&mut self, _: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(matches!(worker.inserter, Inserter::CommitSent | Inserter::Refused))?;
        worker.give_commit_up();
        (worker.inserter, worker.in_doubt) = (Inserter::LookingUp, true);
        self.fault()
    }

    /// What the checkpoint says of the claim in doubt. "Not committed" is final only behind a fence, which a worker
    /// that is leaving has set itself. No row: a rescue has ended this worker, and its claim with it.
    pub(super) fn look_up(&mut self, rules: &Rules, at: At) -> Option<()> {
        let worker = &mut self.workers[at.who];
        when(worker.inserter == Inserter::LookingUp && worker.settling == 0)?;
        let leaving = worker.life != Life::Running;
        match worker.checkpoint {
            _ if rules.breaks(Broken::ForgetLookup) && !leaving => worker.inserter = Inserter::Claimed,
            None => self.give_up(rules, at.who, Life::Fenced),
            Some(row) if row.seq == worker.current => self.begin_settling(at.who),
            Some(row) if row.fenced || rules.breaks(Broken::LeaveWithoutFence) && leaving => {
                (worker.inserter, worker.in_doubt) = (Inserter::Claimed, false);
                self.give_up(rules, at.who, if leaving { Life::Leaving } else { Life::Fenced });
            }
            Some(_) => {
                when(!leaving)?;
                worker.inserter = Inserter::Claimed;
            }
        }
        Some(())
    }

    /// The events of a committed claim leave the process. What ends it comes after that.
    pub(super) fn hand_on(&mut self, rules: &Rules, at: At) -> Option<()> {
        let Worker { settling, handed_on, .. } = self.workers[at.who];
        when(rules.local && settling != 0 && settling != handed_on)?;
        self.hear(rules, at.who, settling, |job| job.memory[at.who].settling);
        self.workers[at.who].handed_on = settling;
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
        (worker.inserter, worker.suspects_in_hand, worker.in_doubt) = (Inserter::Idle, false, false);
        worker.settling = std::mem::take(&mut worker.current);
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[who]) {
            memory.settling = std::mem::take(&mut memory.current);
        }
    }

    fn run_settle(&mut self, rules: &Rules, who: usize) -> Option<()> {
        let seq = self.workers[who].settling;
        when(seq != 0)?;
        let may = self.workers[who].handed_on == seq || rules.breaks(Broken::SettleBeforeHandingOn);
        when(may || !rules.local)?;
        let counts = !rules.breaks(Broken::SettleWithoutCounting);
        self.settle_script(rules, who, seq, |job| job.memory[who].settling, counts);
        Some(())
    }
}

impl Worker {
    /// What was sent on this connection and was not answered runs late, or never.
    pub(super) fn give_commit_up(&mut self) {
        if self.commit != 0 {
            self.late_commits.insert(std::mem::take(&mut self.commit));
        }
    }
}
