//! How a worker ends: it leaves in order, or crashes.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Claimer, Inserter, Life, Memory, State};

impl State {
    /// The worker is asked to stop. It does so between two claims or after an error: nothing that
    /// it has sent and still awaits is on its way then. A COMMIT whose reply was lost is looked up first.
    pub(super) fn stop(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &self.workers[who];
        when(worker.life == Life::Running)?;
        when(matches!(worker.claimer, Claimer::Quiet | Claimer::Ready))?;
        when(matches!(worker.inserter, Inserter::Idle | Inserter::Claimed | Inserter::LookingUp))?;
        self.give_up(rules, who, Life::Leaving);
        self.fault()
    }

    /// Drops all that is not committed out of memory, but not the numbers of its claims. A claim in doubt stays: first
    /// comes the look at the checkpoint. `settle`, `hand_back` and `leave` do the rest.
    pub(super) fn give_up(&mut self, rules: &Rules, who: usize, life: Life) {
        let worker = &mut self.workers[who];
        let drops = worker.inserter != Inserter::LookingUp || rules.breaks(Broken::HandBackInDoubt);
        (worker.life, worker.suspect_in_hand) = (life, false);
        if drops {
            worker.inserter = Inserter::Idle;
        }
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[who]) {
            memory.claiming = false;
            (memory.current, memory.inserted) = (memory.current && !drops, false);
        }
    }

    /// The checkpoint that could tell is gone. The claim in doubt stays as it is, for a rescuer, and the worker leaves.
    /// One that was about to stop keeps looking for some seconds, and then ends as if it had crashed.
    pub(super) fn abandon_in_doubt(&mut self, rules: &Rules, who: usize) {
        let worker = &mut self.workers[who];
        if worker.life == Life::Running {
            (worker.inserter, worker.current) = (Inserter::Idle, 0);
            self.give_up(rules, who, Life::Fenced);
        } else {
            self.end(who);
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
        when(worker.life == Life::Left && !worker.locks_checkpoint())?;
        worker.checkpoint = None;
        self.end(who);
        Some(())
    }

    /// The process ends at once, anywhere. What it has sent remains on its way; what it had not, never was.
    pub(super) fn crash(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(matches!(worker.life, Life::Running | Life::Leaving | Life::Fenced | Life::Left))?;
        worker.give_connection_up(rules);
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
        worker.suspect_in_hand = false;
        worker.was_fenced &= worker.commit != 0;
    }
}
