//! How a worker ends: it leaves in order, or crashes.

use super::claiming::when;
use super::protocol::At;
use super::rules::{Broken, Rules};
use super::state::{Claimer, Inserter, Life, Memory, State};

impl State {
    /// The worker cannot renew its lease, or is asked to stop: it gives up what it has not committed.
    pub(super) fn stop(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &self.workers[who];
        when(worker.life == Life::Running)?;
        self.give_up(rules, who);
        self.fault()
    }

    /// Drops all that is not committed out of memory, but not the numbers of its claims. What was sent is awaited;
    /// above all a COMMIT, or the look at the checkpoint after one. `hand_back`, `settle` and `leave` do the rest.
    pub(super) fn give_up(&mut self, rules: &Rules, who: usize) {
        let worker = &mut self.workers[who];
        let in_doubt = matches!(worker.inserter, Inserter::CommitSent | Inserter::LookingUp);
        let drops = !in_doubt || rules.breaks(Broken::HandBackInDoubt);
        worker.life = Life::Leaving;
        if drops {
            worker.inserter = Inserter::Idle;
        }
        for memory in self.jobs.iter_mut().map(|job| &mut job.memory[who]) {
            memory.claiming = false;
            (memory.current, memory.inserted) = (memory.current && !drops, false);
        }
    }

    /// A claim that it has not committed goes back, whole, and nobody is to blame. A reply that is lost needs only
    /// another try.
    pub(super) fn hand_back(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Leaving)?;
        let fetched = matches!(worker.claimer, Claimer::Quiet | Claimer::Ready) && worker.claiming != 0;
        let seq = if fetched {
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

    /// It returns what landed, and drops itself from the index; but not if it ever lost a reply: something of its
    /// own may still be on its way, and lands where a rescuer must look.
    pub(super) fn leave(&mut self, rules: &Rules, At { who, .. }: At) -> Option<()> {
        let worker = &mut self.workers[who];
        when(worker.life == Life::Leaving && worker.claimer == Claimer::Quiet)?;
        when(worker.claiming + worker.current + worker.settling == 0)?;
        worker.life = Life::Left;
        let forget = !worker.unsure || rules.breaks(Broken::LeaveUnsure);
        self.return_landed(who, forget);
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
        when(matches!(worker.life, Life::Running | Life::Leaving | Life::Left))?;
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
        worker.unsure = false;
        worker.was_fenced &= worker.commit != 0;
    }
}
