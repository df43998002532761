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
    DeleteCheckpoint,
}

/// What is to be done about a list of the worker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Committed,
    Uncommitted,
    Landed,
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

    /// `fenced = 1`, or a new row that is fenced, if there is none. It waits for the lock of a commit in flight.
    pub(super) fn fence(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let target = self.target_at(rules, who, Rescue::Fence)?;
        let worker = &mut self.workers[target];
        when(!worker.locks_checkpoint())?;
        let seq = worker.checkpoint.map_or(0, |row| row.seq);
        worker.checkpoint = Some(Checkpoint { seq, fenced: true });
        worker.was_fenced = worker.life != Life::Gone || worker.commit != 0;
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
        let (target, seq) = self.claim_at(rules, who, Fate::Committed)?;
        let outcome = self.rescuers[who].seq;
        let counts =
            !rules.breaks(Broken::SettleWithoutCounting) && !rules.breaks(Broken::RescuerCountsTheList);
        let in_outcome = |job: &Job| job.memory[target].recorded == outcome;
        self.settle_script(rules, target, seq, in_outcome, counts);
        self.done_with(rules, who, seq);
        Some(())
    }

    /// Any other claim was not: its jobs are isolated as suspects, or become dead letters.
    pub(super) fn isolate(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let (target, seq) = self.claim_at(rules, who, Fate::Uncommitted)?;
        self.hand_back_script(rules, target, seq, true);
        self.done_with(rules, who, seq);
        Some(())
    }

    /// What landed was never claimed: it goes back plainly. The worker stays in the index.
    pub(super) fn return_landed_plainly(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        when(!rules.breaks(Broken::ForgetLandingAtOnce))?;
        self.rescuer_returns_landed(rules, who, false)
    }

    /// The same, and the worker is forgotten: its lease ran out so long ago that it is gone, and nothing that it has
    /// sent can be on its way.
    pub(super) fn return_landed_and_forget(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &self.workers[usize::from(self.rescuers[who].target)];
        let lands = worker.late_moves != Seqs::default();
        let may = match worker.life {
            Life::Gone if rules.breaks(Broken::ForgetWatermarkTooSoon) => !lands,
            Life::Gone => !worker.is_followed(),
            _ => false,
        };
        when(may || rules.breaks(Broken::ForgetLandingAtOnce))?;
        self.rescuer_returns_landed(rules, who, true)
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

    fn rescuer_returns_landed(&mut self, rules: &Rules, who: usize, forget: bool) -> Option<()> {
        let (target, list) = self.claim_at(rules, who, Fate::Landed)?;
        self.return_landed(target, forget);
        self.done_with(rules, who, list);
        Some(())
    }

    /// The next claim to finish, newest first, if its fate is the one that is asked for.
    fn claim_at(&self, rules: &Rules, who: usize, asked: Fate) -> Option<(usize, Seq)> {
        let target = self.target_at(rules, who, Rescue::FinishClaims)?;
        let rescuer = &self.rescuers[who];
        let seq = rescuer.todo.newest()?;
        let up_to = rules.breaks(Broken::SettleUpToCheckpoint);
        let fate = match seq {
            LANDING => Fate::Landed,
            seq if seq == rescuer.seq || (up_to && seq < rescuer.seq) => Fate::Committed,
            _ => Fate::Uncommitted,
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
