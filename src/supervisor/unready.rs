//! Slots in which nothing is ready: each child is told of them, and tells of them beside itself in the registry in Redis.
//! So `rowcast status` and the dashboard know of a gateway that cannot start, as long as one child lives.

use std::time::UNIX_EPOCH;

use super::{Supervisor, fleet::Fleet, millis};
use crate::control::{FromSupervisor, Unready};

impl Supervisor {
    /// Tells all children when something has changed. It is said once, and not whenever another try has failed for the
    /// same reason: a child that does not read would have its socket filled.
    pub(super) fn tell_what_is_not_ready(&mut self) {
        let now: Vec<Unready> =
            [&self.workers, &self.gateways].into_iter().flat_map(|fleet| self.of_fleet(fleet)).collect();
        if now != self.unready {
            self.unready = now;
            self.processes.values().for_each(|process| process.say(self.what_is_not_ready()));
        }
    }

    /// What a child is told of.
    pub(super) fn what_is_not_ready(&self) -> FromSupervisor {
        FromSupervisor::Unready { slots: self.unready.clone() }
    }

    fn of_fleet(&self, fleet: &Fleet) -> Vec<Unready> {
        let began = self.began_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let told = fleet.unready().map(|(slot, since, why)| Unready {
            role: fleet.role,
            slot,
            since: millis(began + since),
            why: why.to_owned(),
        });
        told.collect()
    }
}
