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
    /// `claim.lua`: what the claim holds already, and what landed; else one suspect; else from the queue, beginning
    /// with `job`. Without a job it takes none from the queue: they were pushed a moment later.
    pub(super) fn claim_script(&mut self, rules: &Rules, at: At) -> Option<Reply> {
        let At { who, seq, job } = at;
        when(job == JOBS || self.jobs[job].queued + self.jobs[job].suspected > 0)?;
        let worker = &self.workers[who];
        let ended = !worker.index.has(seq) && seq <= worker.watermark;
        if ended && !rules.breaks(Broken::ClaimWithoutWatermark) {
            return Some(Reply::Stale);
        }
        let held = self.length(who, seq);
        if held > 0 && worker.crashes[usize::from(seq)] > 0 {
            return Some(Reply::Claimed);
        }
        let crashes = self.take(rules, at);
        let length = self.length(who, seq);
        let worker = &mut self.workers[who];
        if length > held {
            worker.index.insert(seq);
            worker.crashes[usize::from(seq)] = crashes;
            let lowers = rules.breaks(Broken::LowerTheWatermark);
            worker.watermark = if lowers { seq } else { seq.max(worker.watermark) };
        } else if length == 0 && !rules.breaks(Broken::BlockUnindexed) {
            let list = if rules.breaks(Broken::MoveStraightIntoTheClaimList) { seq } else { LANDING };
            worker.index.insert(list);
        }
        Some(if length > 0 { Reply::Claimed } else { Reply::Empty })
    }

    /// Moves jobs to the claim list. Returns how many workers have crashed on them.
    fn take(&mut self, rules: &Rules, At { who, seq, job: first }: At) -> u8 {
        let landed = self.jobs.iter_mut().filter(|job| job.claimed[who].has(LANDING));
        for job in landed.take(usize::from(rules.batch)) {
            job.claimed[who].remove(LANDING);
            job.claimed[who].insert(seq);
        }
        if self.length(who, seq) == 0 {
            for at in (0..JOBS).map(|n| (first + n) % JOBS) {
                let job = &mut self.jobs[at];
                if job.suspected > 0 {
                    job.suspected -= 1;
                    job.claimed[who].insert(seq);
                    return std::mem::take(&mut job.crashes);
                }
            }
        }
        if first < JOBS {
            for at in (0..JOBS).map(|n| (first + n) % JOBS) {
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
            job.events += 1;
            committed -= usize::from(job.claimed[who].take(seq));
        }
        for (at, job) in self.drain(who, seq).enumerate() {
            job.queued += u8::from(counts && at >= committed);
        }
    }

    /// `hand_back.lua`: to the queue, or to the suspects if this claim has crashed workers. Suspects that have
    /// crashed too many are settled as dead letters instead, which also asks whether the list exists.
    pub(super) fn hand_back_script(&mut self, rules: &Rules, who: usize, seq: Seq, crashed: bool) {
        let crashes = self.workers[who].crashes[usize::from(seq)] + u8::from(crashed);
        for job in self.drain(who, seq) {
            match crashes {
                0 => job.queued += 1,
                n if n >= rules.crash_limit => job.dead += 1,
                n => (job.suspected, job.crashes) = (job.suspected + 1, n),
            }
        }
        self.workers[who].forget(seq);
    }

    /// `hand_back_landed.lua`: to the queue; and out of the index, with the watermark, if told to forget the worker.
    pub(super) fn return_landed(&mut self, who: usize, forget: bool) {
        for job in self.drain(who, LANDING) {
            job.queued += 1;
        }
        if forget {
            self.workers[who].index.remove(LANDING);
            self.workers[who].watermark = 0;
        }
    }

    fn drain(&mut self, who: usize, list: Seq) -> impl Iterator<Item = &mut Job> {
        self.jobs.iter_mut().filter_map(move |job| job.claimed[who].take(list).then_some(job))
    }

    fn length(&self, who: usize, seq: Seq) -> usize {
        self.jobs.iter().filter(|job| job.claimed[who].has(seq)).count()
    }
}
