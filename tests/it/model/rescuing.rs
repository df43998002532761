//! A rescuer finishes the claims of a worker that it takes for dead. The worker may be alive, or asleep.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Checkpoint, Rescuer, Seq, Seqs, State};

/// What a rescue does, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rescue {
    Fence,
    ReadCheckpoint,
    ListOpenClaims,
    FinishClaims,
    DeleteCheckpoint,
}

/// The order of a rescue, and no other.
fn order(rules: &Rules) -> [Rescue; 5] {
    use Rescue::{DeleteCheckpoint, Fence, FinishClaims, ListOpenClaims, ReadCheckpoint};
    if rules.breaks(Broken::ListBeforeFence) {
        [ListOpenClaims, Fence, ReadCheckpoint, FinishClaims, DeleteCheckpoint]
    } else if rules.breaks(Broken::DeleteCheckpointBeforeListing) {
        [Fence, ReadCheckpoint, DeleteCheckpoint, ListOpenClaims, FinishClaims]
    } else {
        [Fence, ReadCheckpoint, ListOpenClaims, FinishClaims, DeleteCheckpoint]
    }
}

impl State {
    /// A lease has run out, or a supervisor names a dead predecessor. Any worker with an entry in the index may be
    /// taken up at any time: that covers every pause and every clock.
    pub(super) fn take_up(&mut self, rules: &Rules, At { who, seq: target, .. }: At) -> Option<()> {
        let target = usize::from(target).checked_sub(1)?;
        when(target < rules.workers && self.rescuers[who].step == 0)?;
        let announced = !self.workers[target].index.is_empty();
        when(announced || rules.breaks(Broken::RescueBeforeRegister))?;
        self.rescues = self.rescues.checked_sub(1)?;
        self.rescuers[who] = Rescuer { step: 1, target: target as u8, ..Rescuer::default() };
        Some(())
    }

    /// `fenced = 1`, or a new row that is fenced, if there is none. It waits for the lock of a commit in flight.
    pub(super) fn fence(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::Fence)?;
        let worker = &mut self.workers[target];
        when(!worker.locks_checkpoint())?;
        let seq = worker.checkpoint.map_or(0, |row| row.seq);
        worker.checkpoint = Some(Checkpoint { seq, fenced: true });
        worker.was_fenced = true;
        self.next(rules, who);
        Some(())
    }

    /// Which claim was committed last, and with what outcome. No row: all that was committed is settled.
    pub(super) fn read_checkpoint(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::ReadCheckpoint)?;
        self.rescuers[who].seq = self.workers[target].checkpoint.map_or(0, |row| row.seq);
        self.next(rules, who);
        Some(())
    }

    /// The worker's entries in the index.
    pub(super) fn list_open_claims(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::ListOpenClaims)?;
        self.rescuers[who].todo = self.workers[target].index;
        self.next(rules, who);
        Some(())
    }

    /// The claim that the checkpoint names was committed: it is settled with the recorded outcome.
    pub(super) fn rescuer_settles(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let (target, seq) = self.claim_at(rules, who, true)?;
        let outcome = self.rescuers[who].seq;
        self.settle_script(rules, target, seq, |job| seq == outcome && job.memory[target].recorded == seq);
        self.done_with(rules, who, seq);
        Some(())
    }

    /// Any other claim was not: one script, if its list still exists, hands its jobs back as suspects, each with one
    /// more crash on its account, or makes a dead letter of one that has crashed too many workers.
    /// An entry without a list stays in the index: its move may be on its way.
    pub(super) fn rescuer_hands_back(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let (target, seq) = self.claim_at(rules, who, false)?;
        let exists = self.open_claims(target).has(seq);
        for job in self.jobs.iter_mut().filter(|job| job.claimed[target].has(seq)) {
            job.claimed[target].remove(seq);
            job.crashes += 1;
            let list = if job.crashes < rules.crash_limit { &mut job.suspected } else { &mut job.dead };
            *list += 1;
        }
        if exists || rules.breaks(Broken::DropIntents) {
            self.workers[target].index.remove(seq);
        }
        self.done_with(rules, who, seq);
        Some(())
    }

    /// Last: nothing of the worker's is open that the checkpoint knows of.
    pub(super) fn delete_checkpoint(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::DeleteCheckpoint)?;
        when(!self.workers[target].locks_checkpoint())?;
        self.workers[target].checkpoint = None;
        self.next(rules, who);
        Some(())
    }

    /// The rescuer's process ends at once, anywhere.
    pub(super) fn rescuer_crashes(&mut self, _: &Rules, At { who, .. }: At) -> Option<()> {
        when(self.rescuers[who].step != 0)?;
        self.rescuers[who] = Rescuer::default();
        self.fault()
    }

    fn target_at(&self, rules: &Rules, who: usize, step: Rescue) -> Option<usize> {
        let rescuer = &self.rescuers[who];
        let done = usize::from(rescuer.step).checked_sub(1)?;
        when(order(rules)[done] == step)?;
        Some(usize::from(rescuer.target))
    }

    /// The next claim to finish, newest first, if it is a committed one, or not, as asked.
    fn claim_at(&self, rules: &Rules, who: usize, committed: bool) -> Option<(usize, Seq)> {
        let target = self.target_at(rules, who, Rescue::FinishClaims)?;
        let rescuer = &self.rescuers[who];
        let seq = rescuer.todo.newest()?;
        let is_committed = match rules.breaks(Broken::SettleUpToCheckpoint) {
            true => seq <= rescuer.seq,
            false => seq == rescuer.seq,
        };
        when(is_committed == committed)?;
        Some((target, seq))
    }

    fn done_with(&mut self, rules: &Rules, who: usize, seq: Seq) {
        self.rescuers[who].todo.remove(seq);
        self.skip_when_finished(rules, who);
    }

    fn next(&mut self, rules: &Rules, who: usize) {
        self.rescuers[who].step += 1;
        self.skip_when_finished(rules, who);
    }

    /// When no claim is left to finish the rescue goes on; after its last step the rescuer is at rest.
    fn skip_when_finished(&mut self, rules: &Rules, who: usize) {
        let rescuer = &mut self.rescuers[who];
        let steps = order(rules);
        if steps.get(usize::from(rescuer.step) - 1) == Some(&Rescue::FinishClaims)
            && rescuer.todo == Seqs::default()
        {
            rescuer.step += 1;
        }
        if usize::from(rescuer.step) > steps.len() {
            *rescuer = Rescuer::default();
        }
    }
}
