//! What happens to children: written down in the fleet, and in the log under the names of the Node cluster's events
//! (`fork`, `online`, `listening`, `disconnect`, `exit`).

use super::{
    Supervisor,
    exit::Exit,
    fleet::Exited,
    millis,
    process::{Event, What, Who},
    slot::{Departure, Moment},
    troubles::Setback,
};
use crate::{
    config::EXIT_CONFIG,
    control::{FromChild, Role},
};

impl Supervisor {
    /// Takes in one event.
    pub(super) fn happened(&mut self, Event { who, what }: Event) {
        let Who { role, slot, id } = who;
        let (worker, gateway) = (who.worker(), who.gateway());
        let now = self.now();
        let pid = self.processes.get(&id).map(|process| process.pid);
        match what {
            What::Told(FromChild::Progress(report), memory) => {
                let address = report.address;
                if self.fleet(role).heard(slot, id, report, memory, now) {
                    tracing::info!(slot, pid, worker, gateway, "online");
                    if let Some(address) = address {
                        tracing::info!(slot, pid, gateway, %address, "listening");
                    }
                }
            }
            What::Told(FromChild::Bye { drained }, _) => {
                if let Some(child) = self.fleet(role).child(slot, id) {
                    child.drained = drained;
                }
            }
            What::Disconnected => tracing::info!(slot, pid, worker, gateway, "disconnect"),
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
        if let (Role::Worker, Some((_, unfinished))) = (role, &mut self.stopping) {
            *unfinished += usize::from(!drained);
        }
        let reason = why.map(tracing::field::display);
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
