//! What the policy decided, done: processes are spawned and sent off, and the log says so.

use anyhow::{Context as _, anyhow};
use ulid::Ulid;

use super::{
    Supervisor,
    policy::Action,
    process::{Process, Who},
    slot::{Phase, Why},
};
use crate::control::{Identity, Role};

impl Supervisor {
    /// Does one thing to the children of a role, and writes it down in their fleet.
    pub(super) fn act(&mut self, role: Role, action: Action) {
        match action {
            Action::Spawn { slot } => self.spawn(Who { role, slot, id: Ulid::generate() }),
            Action::Drain { slot, id, why } => self.drain(Who { role, slot, id }, why),
            Action::Kill { slot, id, why } => self.kill(Who { role, slot, id }, why),
            Action::Recover { slot } => self.recover(role, slot),
            Action::Remove { slot } => {
                self.fleet(role).slots.remove(&slot);
            }
        }
    }

    fn spawn(&mut self, who: Who) {
        let Who { role, slot, id } = who;
        let now = self.now();
        match self.start(who) {
            Ok(process) => {
                tracing::info!(
                    slot,
                    pid = process.pid,
                    worker = who.worker(),
                    gateway = who.gateway(),
                    "fork"
                );
                self.processes.insert(id, process);
                self.fleet(role).spawned(slot, id, now);
            }
            Err(error) => {
                let reason = format!("{error:#}");
                let (setback, news) =
                    self.fleet(role).not_spawned(slot, reason.clone(), now, fastrand::f64());
                if news {
                    tracing::error!(slot, "the {role} cannot be started, which is tried again: {reason}");
                }
                setback.log(role, slot);
            }
        }
    }

    fn start(&mut self, Who { role, slot, id }: Who) -> anyhow::Result<Process> {
        let place = self.fleet(role).slots.get(&slot);
        let (predecessors, restarts) =
            place.map(|place| (place.predecessors.clone(), place.spawned)).unwrap_or_default();
        let identity = Identity { id, slot: Some(slot), restarts: Some(restarts), predecessors };
        let door =
            match role {
                Role::Worker => None,
                Role::Gateway => {
                    let wanted = self.listens_on(slot).ok_or_else(|| anyhow!("it has no address"))?;
                    let door = self.doors.open(slot, wanted);
                    Some(door.with_context(|| {
                        format!("cannot listen on {wanted}, which ROWCAST_LISTEN leads to")
                    })?)
                }
            };
        let process = Process::spawn(&self.launch, role, &identity, door, self.events.clone());
        process.with_context(|| format!("cannot run {}", self.launch.program.display()))
    }

    fn drain(&mut self, who: Who, why: Why) {
        let Some(process) = self.processes.get(&who.id) else { return };
        let pid = process.pid;
        tracing::info!(
            slot = who.slot,
            pid,
            worker = who.worker(),
            gateway = who.gateway(),
            reason = %why,
            "drain"
        );
        process.drain();
        let until = self.now() + self.launch.settings.drain;
        self.fleet(who.role).sent_off(who.slot, who.id, Phase::Draining { until, why });
    }

    fn kill(&mut self, who: Who, why: Why) {
        let Some(process) = self.processes.get(&who.id) else { return };
        let pid = process.pid;
        tracing::warn!(
            slot = who.slot,
            pid,
            worker = who.worker(),
            gateway = who.gateway(),
            reason = %why,
            "kill"
        );
        process.kill();
        self.fleet(who.role).sent_off(who.slot, who.id, Phase::Killed { why });
    }

    fn recover(&mut self, role: Role, slot: u32) {
        let now = self.now();
        if self.fleet(role).slots.get_mut(&slot).is_some_and(|place| place.forget_old_troubles(now)) {
            tracing::info!(slot, "the slot is well again: its {role} has run for a minute");
        }
    }
}
