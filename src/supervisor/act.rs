//! What the policy decided, done: processes are spawned and sent off, and the log says so.

use ulid::Ulid;

use super::{
    Supervisor,
    policy::Action,
    process::Process,
    slot::{Phase, Why},
};
use crate::worker::Identity;

impl Supervisor {
    /// Does one thing, and writes it down in the fleet.
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { slot } => self.spawn(slot),
            Action::Drain { slot, worker, why } => self.drain(slot, worker, why),
            Action::Kill { slot, worker, why } => self.kill(slot, worker, why),
            Action::Recover { slot } => self.recover(slot),
            Action::Remove { slot } => {
                self.fleet.slots.remove(&slot);
            }
        }
    }

    fn spawn(&mut self, slot: u32) {
        let predecessors =
            self.fleet.slots.get(&slot).map(|slot| slot.predecessors.clone()).unwrap_or_default();
        let identity = Identity { id: Ulid::generate(), slot: Some(slot), predecessors };
        let now = self.now();
        match Process::spawn(&self.launch, &identity, self.events.clone()) {
            Ok(process) => {
                tracing::info!(slot, pid = process.pid, worker = %identity.id, "fork");
                self.processes.insert(identity.id, process);
                self.fleet.spawned(slot, identity.id, now);
            }
            Err(error) => {
                tracing::error!(slot, "cannot start {}: {error}", self.launch.program.display());
                if let Some(place) = self.fleet.slots.get_mut(&slot) {
                    place.troubles.add(now, false, fastrand::f64()).log(slot);
                }
            }
        }
    }

    fn drain(&mut self, slot: u32, worker: Ulid, why: Why) {
        let Some(process) = self.processes.get(&worker) else { return };
        tracing::info!(slot, pid = process.pid, %worker, reason = %why, "drain");
        process.drain();
        let until = self.now() + self.launch.settings.drain;
        self.fleet.sent_off(slot, worker, Phase::Draining { until, why });
    }

    fn kill(&mut self, slot: u32, worker: Ulid, why: Why) {
        let Some(process) = self.processes.get(&worker) else { return };
        tracing::warn!(slot, pid = process.pid, %worker, reason = %why, "kill");
        process.kill();
        self.fleet.sent_off(slot, worker, Phase::Killed { why });
    }

    fn recover(&mut self, slot: u32) {
        let now = self.now();
        if self.fleet.slots.get_mut(&slot).is_some_and(|place| place.forget_old_troubles(now)) {
            tracing::info!(slot, "the slot is well again: its worker has run for a minute");
        }
    }
}
