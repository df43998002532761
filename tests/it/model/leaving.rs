//! How a worker ends: it leaves in order, or crashes.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Claimer, Inserter, Life, Memory, Seqs, State};

impl State {
    /// The worker is asked to stop. It does so between two claims or after an error: nothing that
    /// it has sent and still awaits is on its way then. A claim in doubt is looked up first.
    pub(super) fn stop(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &self.workers[who];
        when(worker.life == Life::Running)?;
        when(matches!(worker.claimer, Claimer::Quiet | Claimer::Ready))?;
        when(matches!(worker.inserter, Inserter::Idle | Inserter::Claimed | Inserter::LookingUp))?;
        self.give_up(rules, who, Life::Leaving);
        self.fault()
    }

    /// Before it looks a claim in doubt up it fences itself: what it hands back afterwards, no request that comes late
    /// can commit.
    pub(super) fn fence_itself(&mut self, _: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Leaving && worker.inserter == Inserter::LookingUp)?;
        when(worker.checkpoint.is_none_or(|row| !row.fenced))?;
        self.set_fence(who);
        Some(())
    }

    /// Drops all that is not committed out of memory, but not the numbers of its claims. A claim in doubt stays: to
    /// leave, the worker looks at the checkpoint first; when it was fenced, the claim is left open for a rescuer.
    /// `settle`, `hand_back` and `leave` do the rest.
    pub(super) fn give_up(&mut self, rules: &Rules, who: usize, life: Life) {
        let worker = &mut self.workers[who];
        if worker.in_doubt && life == Life::Fenced {
            (worker.current, worker.in_doubt) = (0, false);
            worker.inserter = Inserter::Idle;
        }
        let drops = !worker.in_doubt || rules.breaks(Broken::HandBackInDoubt);
        (worker.life, worker.suspects_in_hand) = (life, false);
        worker.inserter = if drops { Inserter::Idle } else { Inserter::LookingUp };
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[who]) {
            memory.claiming = false;
            (memory.current, memory.inserted) = (memory.current && !drops, false);
        }
    }

    /// A claim that it has not committed goes back, whole, and nobody is to blame: after the committed one is settled,
    /// the newest first. A reply that is lost needs only another try.
    pub(super) fn hand_back(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.is_leaving() && worker.settling == 0)?;
        let seq = if worker.claiming != 0 {
            worker.claimer = Claimer::Quiet;
            std::mem::take(&mut worker.claiming)
        } else {
            when(worker.inserter == Inserter::Idle)?;
            std::mem::take(&mut worker.current)
        };
        when(seq != 0)?;
        self.hand_back_script(rules, who, seq, false);
        Some(())
    }

    /// It takes itself out of the index, and sets its tombstone: whatever it has on its way takes no job any more. A
    /// fenced worker ends here; its checkpoint belongs to the rescuer.
    pub(super) fn leave(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.is_leaving() && worker.claiming + worker.current + worker.settling == 0)?;
        let fenced = worker.life == Life::Fenced;
        worker.life = Life::Left;
        self.leave_script(rules, who);
        if fenced {
            self.end(who);
        }
        Some(())
    }

    /// Last, its checkpoint is deleted, and it ends.
    pub(super) fn exit(&mut self, _: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Left)?;
        worker.checkpoint = None;
        self.end(who);
        Some(())
    }

    /// The process ends at once, anywhere. What it has sent remains on its way; what it had not, never was.
    pub(super) fn crash(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(matches!(worker.life, Life::Running | Life::Leaving | Life::Fenced | Life::Left))?;
        worker.give_connection_up(rules);
        worker.give_commit_up();
        self.end(who);
        self.fault()
    }

    /// Whatever the process knew is gone with it.
    fn end(&mut self, who: usize) {
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[who]) {
            *memory = Memory { sent: memory.sent, recorded: memory.recorded, ..Memory::default() };
        }
        let worker = &mut self.workers[who];
        (worker.life, worker.claimer, worker.inserter) = (Life::Gone, Claimer::Quiet, Inserter::Idle);
        (worker.seq, worker.claiming, worker.current, worker.settling) = (0, 0, 0, 0);
        (worker.suspects_in_hand, worker.in_doubt) = (false, false);
        worker.was_fenced &= worker.late_commits != Seqs::default();
    }
}
