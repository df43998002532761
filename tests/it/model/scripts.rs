//! What Redis does in one step: a function for each script, named like its file.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{JOBS, Job, LANDING, Seq, State};

/// What `claim.lua` replies; a pause is not modelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Claimed,
    Empty,
    Stale,
}

impl State {
    /// `claim.lua`: what the claim holds already, and what landed; else suspects of as many crashes; else from the
    /// queue, beginning with `job`, or that one alone, or none: the others were pushed a moment later. Ahead it takes
    /// nothing as long as there is a suspect.
    pub(super) fn claim_script(&mut self, rules: &Rules, at: At, ahead: bool) -> Option<Reply> {
        let At { who, seq, job } = at;
        let first = job % (JOBS + 1);
        when(job == JOBS || self.jobs[first].queued + self.jobs[first].suspected > 0)?;
        let worker = &self.workers[who];
        let ended = !worker.index.has(seq) && seq <= worker.watermark;
        if ended && !rules.breaks(Broken::ClaimWithoutWatermark) || worker.tombstone {
            return Some(Reply::Stale);
        }
        let held = self.length(who, seq);
        if held > 0 && worker.crashes[usize::from(seq)] > 0 {
            return Some(Reply::Claimed);
        }
        // Even if the claim holds something: the next request for it, not ahead, will find that.
        if ahead && self.jobs.iter().any(|job| job.suspected > 0) {
            return Some(Reply::Empty);
        }
        let crashes = self.take(rules, at);
        let length = self.length(who, seq);
        let worker = &mut self.workers[who];
        if length > held {
            worker.index.insert(seq);
            worker.crashes[usize::from(seq)] = crashes;
            let lowers = rules.breaks(Broken::LowerTheWatermark);
            worker.watermark = if lowers { seq } else { seq.max(worker.watermark) };
        } else if length == 0 && !ahead && !rules.breaks(Broken::BlockUnindexed) {
            let list = if rules.breaks(Broken::MoveStraightIntoTheClaimList) { seq } else { LANDING };
            worker.index.insert(list);
        }
        Some(if length > 0 { Reply::Claimed } else { Reply::Empty })
    }

    /// Moves jobs to the claim list. Returns how many workers have crashed on them.
    fn take(&mut self, rules: &Rules, At { who, seq, job }: At) -> u8 {
        let (first, alone) = (job % (JOBS + 1), job > JOBS);
        let landed = self.jobs.iter_mut().filter(|job| job.claimed[who].has(LANDING));
        for job in landed.take(usize::from(rules.batch)) {
            job.claimed[who].remove(LANDING);
            job.claimed[who].insert(seq);
        }
        if self.length(who, seq) == 0 && self.jobs.iter().any(|job| job.suspected > 0) {
            return self.take_suspects(rules, At { who, seq, job });
        }
        if first < JOBS {
            for at in (0..if alone { 1 } else { JOBS }).map(|n| (first + n) % JOBS) {
                let room = self.length(who, seq) < usize::from(rules.batch);
                let job = &mut self.jobs[at];
                if room && job.queued > 0 {
                    job.queued -= 1;
                    job.claimed[who].insert(seq);
                }
            }
        }
        0
    }

    /// Moves suspects of as many crashes: several at a time, unless the next crash makes them dead letters; or one,
    /// because the next is too large or has another number of crashes.
    fn take_suspects(&mut self, rules: &Rules, At { who, seq, job }: At) -> u8 {
        let (first, alone) = (job % (JOBS + 1), job > JOBS);
        let order = (0..JOBS).map(|n| (first + n) % JOBS);
        let mut suspects: Vec<usize> = order.filter(|&at| self.jobs[at].suspected > 0).collect();
        let Some(crashes) = suspects.first().map(|&at| self.jobs[at].crashes) else { return 0 };
        let condemned = crashes + 1 >= rules.crash_limit && !rules.breaks(Broken::ClaimTheCondemnedTogether);
        suspects.retain(|&at| self.jobs[at].crashes == crashes);
        suspects.truncate(if alone || condemned { 1 } else { rules.batch.into() });
        for at in suspects {
            let job = &mut self.jobs[at];
            (job.suspected, job.crashes) = (job.suspected - 1, 0);
            job.claimed[who].insert(seq);
        }
        crashes
    }

    /// `settle.lua`: if the list exists, publish the rows of the outcome, delete as many jobs as it has, and return
    /// what was added behind them. The jobs of the outcome come first in the list, if they are in it.
    pub(super) fn settle_script(
        &mut self,
        rules: &Rules,
        who: usize,
        seq: Seq,
        in_outcome: impl Fn(&Job) -> bool,
        counts: bool,
    ) {
        self.workers[who].forget(seq);
        if self.length(who, seq) == 0 && !rules.breaks(Broken::SettleWithoutExistenceCheck) {
            return;
        }
        let mut committed = self.jobs.iter().filter(|job| in_outcome(job)).count();
        for job in self.jobs.iter_mut().filter(|job| in_outcome(job)) {
            job.events += u8::from(!rules.local);
            committed -= usize::from(job.claimed[who].take(seq));
        }
        for (at, job) in self.drain(who, seq).enumerate() {
            job.queued += u8::from(counts && at >= committed);
        }
    }

    /// A gateway takes what is handed on of a claim's outcome, unless it has heard it before: of each worker it knows
    /// the newest claim. (It counts events, too, so a part of a claim is no other case.)
    pub(super) fn hear(&mut self, rules: &Rules, who: usize, seq: Seq, in_outcome: impl Fn(&Job) -> bool) {
        let heard = &mut self.workers[who].heard;
        if seq > *heard || rules.breaks(Broken::HearWithoutTheName) {
            self.jobs.iter_mut().filter(|job| in_outcome(job)).for_each(|job| job.events += 1);
        }
        *heard = seq.max(*heard);
    }

    /// `hand_back.lua`: to the queue, or to the suspects if this claim has crashed workers. Suspects that have
    /// crashed too many are settled as dead letters instead, which also asks whether the list exists. The code does so
    /// for a claim of one job only; `claim.lua` makes no other at that limit.
    pub(super) fn hand_back_script(&mut self, rules: &Rules, who: usize, seq: Seq, crashed: bool) {
        let crashes = self.workers[who].crashes[usize::from(seq)] + u8::from(crashed);
        self.condemned_together |= crashes >= rules.crash_limit && self.length(who, seq) > 1;
        for job in self.drain(who, seq) {
            match crashes {
                0 => job.queued += 1,
                n if n >= rules.crash_limit => job.dead += 1,
                n => (job.suspected, job.crashes) = (job.suspected + 1, n),
            }
        }
        self.workers[who].forget(seq);
    }

    /// `leave.lua`: what landed goes to the queue, the landing list and the watermark out of the index, and a tombstone
    /// takes the landing list's place. Open claims stay in the index.
    pub(super) fn leave_script(&mut self, rules: &Rules, who: usize) {
        for job in self.drain(who, LANDING) {
            job.queued += 1;
        }
        let worker = &mut self.workers[who];
        worker.index.remove(LANDING);
        worker.watermark = 0;
        worker.tombstone = !rules.breaks(Broken::LeaveWithoutTombstone);
    }

    fn drain(&mut self, who: usize, list: Seq) -> impl Iterator<Item = &mut Job> {
        self.jobs.iter_mut().filter_map(move |job| job.claimed[who].take(list).then_some(job))
    }

    fn length(&self, who: usize, seq: Seq) -> usize {
        self.jobs.iter().filter(|job| job.claimed[who].has(seq)).count()
    }
}
