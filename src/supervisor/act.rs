//! What the policy decided, done: processes are spawned and sent off, and the log says so.

use std::{io, os::unix::net::UnixStream};

use anyhow::{Context as _, anyhow};
use ulid::Ulid;

use super::{
    Supervisor,
    doors::Given,
    policy::Action,
    process::{Process, Who},
    slot::{Phase, Why},
};
use crate::control::{Identity, Kind, Role};

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
                self.note(who, Some(process.pid), Kind::Fork, None, None);
                if !self.unready.is_empty() {
                    process.say(self.what_is_not_ready());
                }
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
        let identity = Identity {
            id,
            supervisor: Some(self.id),
            slot: Some(slot),
            restarts: Some(restarts),
            predecessors,
        };
        let door = match role {
            Role::Worker => None,
            Role::Gateway => Some(self.door(slot)?),
        };
        let process = self.spawn_on(role, &identity, door);
        if process.is_err() && role == Role::Gateway {
            // Whoever connected meanwhile would wait for a process that is not there.
            self.shut(slot);
        }
        process.with_context(|| format!("cannot run {}", self.launch.program.display()))
    }

    fn spawn_on(&self, role: Role, identity: &Identity, door: Option<Given>) -> io::Result<Process> {
        let (ours, theirs) = UnixStream::pair()?;
        // Where no process comes of it, the other end closes with `theirs`.
        self.fanout.attend(role, identity.id, ours)?;
        Process::spawn(&self.launch, role, identity, &theirs, door, self.events.clone())
    }

    /// The socket that the gateway of a slot accepts from, and where it listens.
    fn door(&mut self, slot: u32) -> anyhow::Result<Given> {
        let wanted = self.listens_on(slot).ok_or_else(|| anyhow!("it has no address"))?;
        let door = self.doors.open(slot, wanted);
        door.with_context(|| format!("cannot listen on {}, which ROWCAST_LISTEN leads to", wanted.socket))
    }

    fn drain(&mut self, who: Who, why: Why) {
        let until = self.now() + self.launch.settings.drain;
        self.send_off(who, Phase::Draining { until, why }, why);
    }

    fn kill(&mut self, who: Who, why: Why) {
        self.send_off(who, Phase::Killed { why }, why);
    }

    /// Sends a child away, gently or not, as its new phase says.
    fn send_off(&mut self, who: Who, phase: Phase, why: Why) {
        let Some(process) = self.processes.get_mut(&who.id) else { return };
        let Who { slot, .. } = who;
        let (pid, worker, gateway, reason) = (process.pid, who.worker(), who.gateway(), why.of(who.role));
        if let Phase::Killed { .. } = phase {
            tracing::warn!(slot, pid, worker, gateway, reason, "kill");
            process.kill();
        } else {
            tracing::info!(slot, pid, worker, gateway, reason, "drain");
            process.drain();
        }
        self.fleet(who.role).sent_off(slot, who.id, phase);
    }

    fn recover(&mut self, role: Role, slot: u32) {
        let now = self.now();
        if self.fleet(role).slots.get_mut(&slot).is_some_and(|place| place.forget_old_troubles(now)) {
            tracing::info!(slot, "the slot is well again: its {role} has run for a minute");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        net::{SocketAddr, TcpStream},
    };

    use tokio::sync::mpsc;

    use super::{super::Launch, *};
    use crate::{
        config::{Address, SupervisorSettings},
        sandbox::free_ports,
    };

    #[tokio::test]
    async fn a_gateway_that_cannot_be_spawned_leaves_no_port_open_behind_which_nobody_is() {
        let address = SocketAddr::from(([127, 0, 0, 1], free_ports(None, 1).unwrap()));
        let settings = SupervisorSettings::from_vars(&BTreeMap::new()).unwrap();
        let (program, environment) = ("/does/not/exist".into(), BTreeMap::new());
        let gateways = vec![Address { socket: address, shared: false }];
        let launch = Launch { program, environment, settings, gateways };
        let mut supervisor = Supervisor::new(launch, mpsc::unbounded_channel().0);
        supervisor.reconcile();
        let refusal = supervisor.gateways.slots[&1].refusal.as_deref().unwrap_or_default();
        assert!(refusal.starts_with("cannot run /does/not/exist"), "{refusal}");
        assert!(TcpStream::connect(address).is_err());
    }
}
