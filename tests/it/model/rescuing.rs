//! A rescuer finishes the claims of a worker that it takes for dead. The worker may be alive, or asleep.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Checkpoint, Job, LANDING, Life, Rescuer, Seq, Seqs, State};

/// What a rescue does, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rescue {
    Fence,
    ReadCheckpoint,
    ListOpenClaims,
    FinishClaims,
    Leave,
    DeleteCheckpoint,
}

/// What became of a claim of the worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    /// The oldest that was not committed: the worker held it in hand, or was about to.
    InHand,
    /// Made ahead: the worker had not looked at it.
    Ahead,
}

/// The order of a rescue, and no other.
fn order(rules: &Rules) -> [Rescue; 6] {
    use Rescue::{DeleteCheckpoint, Fence, FinishClaims, Leave, ListOpenClaims, ReadCheckpoint};
    if rules.breaks(Broken::ListBeforeFence) {
        [ListOpenClaims, Fence, ReadCheckpoint, FinishClaims, Leave, DeleteCheckpoint]
    } else if rules.breaks(Broken::DeleteCheckpointBeforeListing) {
        [Fence, ReadCheckpoint, DeleteCheckpoint, ListOpenClaims, FinishClaims, Leave]
    } else {
        [Fence, ReadCheckpoint, ListOpenClaims, FinishClaims, Leave, DeleteCheckpoint]
    }
}

impl State {
    /// A lease has run out, or a supervisor names a dead predecessor. Any worker that has registered may be taken up
    /// at any time, which covers every pause and every clock; one that is gone, as long as something of it is left.
    pub(super) fn take_up(&mut self, rules: &Rules, At { who, seq: target, .. }: At) -> Option<()> {
        let target = usize::from(target).checked_sub(1)?;
        when(target < rules.workers && self.rescuers[who].step == 0)?;
        let known = match self.workers[target].life {
            Life::Starting => rules.breaks(Broken::RescueBeforeRegister),
            Life::Gone => self.is_known(target),
            _ => true,
        };
        when(known)?;
        self.rescues = self.rescues.checked_sub(1)?;
        self.rescuers[who] = Rescuer { step: 1, target: target as u8, ..Rescuer::default() };
        // Whom to rescue is nobody's business until the first step is done.
        let at = At { who, ..At::default() };
        self.fence(rules, at).or_else(|| self.list_open_claims(rules, at))
    }

    /// `fenced = 1`, or a new row that is fenced, if there is none.
    pub(super) fn fence(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::Fence)?;
        self.set_fence(target);
        self.next(rules, who);
        Some(())
    }

    pub(super) fn set_fence(&mut self, target: usize) {
        let worker = &mut self.workers[target];
        let seq = worker.checkpoint.map_or(0, |row| row.seq);
        worker.checkpoint = Some(Checkpoint { seq, fenced: true });
        worker.was_fenced = worker.life != Life::Gone || worker.late_commits != Seqs::default();
    }

    /// Which claim was committed last, and with what outcome. No row: all that was committed is settled.
    pub(super) fn read_checkpoint(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::ReadCheckpoint)?;
        self.rescuers[who].seq = self.workers[target].checkpoint.map_or(0, |row| row.seq);
        self.next(rules, who);
        Some(())
    }

    /// The claims of the worker in the index. Its landing list is for the end.
    pub(super) fn list_open_claims(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::ListOpenClaims)?;
        self.rescuers[who].todo = self.workers[target].index;
        self.rescuers[who].todo.remove(LANDING);
        self.next(rules, who);
        Some(())
    }

    /// The events of the claim that the checkpoint names, before it is settled.
    pub(super) fn rescuer_hands_on(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let (target, seq) = self.claim_at(rules, who, Fate::Committed)?;
        when(rules.local && !self.rescuers[who].handed_on)?;
        let outcome = self.rescuers[who].seq;
        self.hear(rules, target, seq, |job| job.memory[target].recorded == outcome);
        self.rescuers[who].handed_on = true;
        Some(())
    }

    /// The claim that the checkpoint names was committed: it is settled with the recorded outcome. Its list is cut to
    /// the jobs of that; what a late claim added goes back.
    pub(super) fn rescuer_settles(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let (target, seq) = self.claim_at(rules, who, Fate::Committed)?;
        let may = self.rescuers[who].handed_on || rules.breaks(Broken::SettleBeforeHandingOn);
        when(may || !rules.local)?;
        let outcome = self.rescuers[who].seq;
        let counts =
            !rules.breaks(Broken::SettleWithoutCounting) && !rules.breaks(Broken::RescuerCountsTheList);
        let in_outcome = |job: &Job| job.memory[target].recorded == outcome;
        self.settle_script(rules, target, seq, in_outcome, counts);
        self.done_with(rules, who, seq);
        Some(())
    }

    /// Any other claim was not. The oldest was in hand: its jobs are isolated as suspects, or become dead letters.
    pub(super) fn isolate(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let (target, seq) = self.claim_at(rules, who, Fate::InHand)?;
        self.hand_back_script(rules, target, seq, true);
        self.done_with(rules, who, seq);
        Some(())
    }

    /// A claim that was made ahead goes back plainly.
    pub(super) fn give_back(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let (target, seq) = self.claim_at(rules, who, Fate::Ahead)?;
        self.hand_back_script(rules, target, seq, false);
        self.done_with(rules, who, seq);
        Some(())
    }

    /// The worker is taken out of the index, whether or not it is dead, and its tombstone is set.
    pub(super) fn leave_for(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::Leave)?;
        self.leave_script(rules, target);
        self.next(rules, who);
        Some(())
    }

    /// Last: nothing of the worker's is open that the checkpoint knows of.
    pub(super) fn delete_checkpoint(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::DeleteCheckpoint)?;
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

    /// The next claim to finish, newest first, if its fate is the one that is asked for.
    fn claim_at(&self, rules: &Rules, who: usize, asked: Fate) -> Option<(usize, Seq)> {
        let target = self.target_at(rules, who, Rescue::FinishClaims)?;
        let rescuer = &self.rescuers[who];
        let seq = rescuer.todo.newest()?;
        let up_to = rules.breaks(Broken::SettleUpToCheckpoint);
        let committed = |seq| seq == rescuer.seq || (up_to && seq < rescuer.seq);
        // The newest is finished first: so all that are older are still to do.
        let is_oldest = |seq| (LANDING + 1..seq).all(|older| !rescuer.todo.has(older) || committed(older));
        let fate = match seq {
            seq if committed(seq) => Fate::Committed,
            seq if is_oldest(seq) => Fate::InHand,
            _ => Fate::Ahead,
        };
        when(fate == asked)?;
        Some((target, seq))
    }

    /// Whether the registry or the index still has this worker, or MySQL its checkpoint.
    fn is_known(&self, who: usize) -> bool {
        let worker = &self.workers[who];
        worker.checkpoint.is_some() || worker.index != Seqs::default() || worker.watermark > 0
    }

    fn done_with(&mut self, rules: &Rules, who: usize, seq: Seq) {
        self.rescuers[who].todo.remove(seq);
        self.rescuers[who].handed_on = false;
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
