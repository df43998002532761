//! What happens to children: written down in the fleet, and in the log under the names of the Node cluster's events
//! (`fork`, `online`, `disconnect`, `exit`).

use ulid::Ulid;

use super::{
    Supervisor,
    fleet::Exited,
    millis,
    process::{Event, What},
    slot::{Departure, Exit, Moment},
    troubles::Setback,
};
use crate::{config::EXIT_CONFIG, control::FromChild};

impl Supervisor {
    /// Takes in one event.
    pub(super) fn happened(&mut self, Event { slot, worker, what }: Event) {
        let now = self.now();
        let pid = self.processes.get(&worker).map(|process| process.pid);
        match what {
            What::Told(FromChild::Progress(report), memory) => {
                if self.fleet.heard(slot, worker, report, memory, now) {
                    tracing::info!(slot, pid, %worker, "online");
                }
            }
            What::Told(FromChild::Bye { drained }, _) => {
                if let Some(child) = self.fleet.child(slot, worker) {
                    child.drained = drained;
                }
            }
            What::Disconnected => tracing::info!(slot, pid, %worker, "disconnect"),
            What::Exited(exit) => self.exited(slot, worker, exit, now),
        }
    }

    fn exited(&mut self, slot: u32, worker: Ulid, exit: Exit, now: Moment) {
        let pid = self.processes.remove(&worker).map(|process| process.pid);
        let Exit { code, signal } = exit;
        let Some(Exited { why, drained, departure }) =
            self.fleet.exited(slot, worker, exit, now, fastrand::f64())
        else {
            return;
        };
        if let Some((_, unfinished)) = &mut self.stopping {
            *unfinished += usize::from(!drained);
        }
        let reason = why.map(tracing::field::display);
        match departure {
            Departure::Expected => tracing::info!(slot, pid, %worker, code, signal, reason, "exit"),
            Departure::Failed(setback) => {
                let retry_ms = millis(setback.wait);
                tracing::warn!(slot, pid, %worker, code, signal, reason, retry_ms, "exit");
                if setback.degrades && code == Some(i32::from(EXIT_CONFIG)) {
                    tracing::error!(
                        slot,
                        "the worker refuses its configuration; its own line above says why"
                    );
                }
                setback.log(slot);
            }
        }
    }
}

impl Setback {
    /// One line when a slot degrades. The one when it is well again is written when its troubles are forgotten.
    pub(super) fn log(self, slot: u32) {
        let Self { wait, failures, degrades } = self;
        let retry_ms = millis(wait);
        if degrades {
            tracing::error!(
                slot,
                failures,
                retry_ms,
                "the slot is degraded: it keeps trying, slowly, until a worker stays up for a minute"
            );
        }
    }
}
