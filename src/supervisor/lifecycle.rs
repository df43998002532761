//! What happens to children: written down in the fleet, in the chronicle, and in the log under the names of the Node
//! cluster's events (`fork`, `online`, `listening`, `disconnect`, `exit`).

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    Launch, Supervisor,
    exit::Exit,
    fleet::Exited,
    millis,
    process::{Event, What, Who},
    slot::{Departure, Moment},
    troubles::Setback,
};
use crate::{
    config::{ConfigError, EXIT_CONFIG},
    control::{FromChild, Happening, Kind, Role},
};

impl Supervisor {
    /// Takes in one event.
    pub(super) fn happened(
        &mut self,
        Event { who, what }: Event,
        reload: &impl Fn() -> Result<Launch, ConfigError>,
    ) {
        let Who { role, slot, id } = who;
        let (worker, gateway) = (who.worker(), who.gateway());
        let now = self.now();
        let pid = self.processes.get(&id).map(|process| process.pid);
        match what {
            What::Told(FromChild::Progress(report), memory) => {
                let address = report.address;
                if self.fleet(role).heard(slot, id, report, memory, now) {
                    tracing::info!(slot, pid, worker, gateway, "online");
                    self.note(who, pid, Kind::Online, None, None);
                    if let Some(address) = address {
                        tracing::info!(slot, pid, gateway, %address, "listening");
                        self.note(who, pid, Kind::Listening, None, Some(address));
                    }
                }
            }
            What::Told(FromChild::Bye { drained }, _) => {
                if let Some(child) = self.fleet(role).child(slot, id) {
                    child.drained = drained;
                }
            }
            What::Told(FromChild::Order { order, until }, _) => self.ordered(who, order, until, reload),
            What::Told(FromChild::Written { upto }, _) => self.chronicle.written(id, upto),
            What::Disconnected => {
                tracing::info!(slot, pid, worker, gateway, "disconnect");
                self.note(who, pid, Kind::Disconnect, None, None);
            }
            What::Exited(exit) => self.exited(who, exit, now),
        }
    }

    fn exited(&mut self, who: Who, exit: Exit, now: Moment) {
        let Who { role, slot, id } = who;
        let (worker, gateway) = (who.worker(), who.gateway());
        let pid = self.processes.remove(&id).map(|process| process.pid);
        let Exit { code, signal } = exit;
        let Some(Exited { why, drained, departure }) =
            self.fleet(role).exited(slot, id, exit, now, fastrand::f64())
        else {
            return;
        };
        self.chronicle.gone(id);
        self.note(who, pid, Kind::Exit, Some(exit.reason(role, why)), None);
        if let (Role::Worker, Some((_, unfinished))) = (role, &mut self.stopping) {
            *unfinished += usize::from(!drained);
        }
        let reason = why.map(|why| why.of(role));
        let meaning = exit.meaning(role, why);
        match departure {
            Departure::Expected => {
                tracing::info!(slot, pid, worker, gateway, code, signal, reason, meaning, "exit")
            }
            Departure::Failed(setback) => {
                let retry_ms = millis(setback.wait);
                tracing::warn!(slot, pid, worker, gateway, code, signal, reason, meaning, retry_ms, "exit");
                if setback.degrades && code == Some(i32::from(EXIT_CONFIG)) {
                    tracing::error!(
                        slot,
                        "the {role} refuses its configuration; its own line above says why"
                    );
                }
                setback.log(role, slot);
                if role == Role::Gateway && !setback.wait.is_zero() {
                    self.shut(slot);
                }
            }
        }
    }

    /// Keeps what happened, for a child to write it to Redis.
    pub(super) fn note(
        &mut self,
        who: Who,
        pid: Option<u32>,
        what: Kind,
        why: Option<String>,
        address: Option<SocketAddr>,
    ) {
        let Who { role, slot, id } = who;
        let at = millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        self.chronicle.add(Happening { seq: 0, at, what, role, slot, id, pid, why, address });
    }

    /// Closes the port of a slot that is empty for a while.
    pub(super) fn shut(&mut self, slot: u32) {
        let is_empty = self.gateways.slots.get(&slot).is_some_and(|place| place.children.is_empty());
        if let Some(wanted) = self.listens_on(slot).filter(|_| is_empty) {
            self.doors.close(slot, wanted);
        }
    }
}

impl Setback {
    /// One line when a slot degrades. The one when it is well again is written when its troubles are forgotten.
    pub(super) fn log(self, role: Role, slot: u32) {
        let Self { wait, failures, degrades } = self;
        let retry_ms = millis(wait);
        if degrades {
            tracing::error!(
                slot,
                failures,
                retry_ms,
                "the slot is degraded: it keeps trying, slowly, until a {role} stays up for a minute"
            );
        }
    }
}
