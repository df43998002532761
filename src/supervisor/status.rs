//! The state of all slots, for a person who asked.

use std::collections::BTreeMap;

use ulid::Ulid;

use super::{
    fleet::Fleet,
    millis,
    process::{Process, Who},
    slot::Moment,
};
use crate::control::Role;

/// Writes one line for each slot and process of a role.
pub(super) fn log(fleet: &Fleet, processes: &BTreeMap<Ulid, Process>, now: Moment) {
    let role = fleet.role;
    for (slot, place) in &fleet.slots {
        let (failures, degraded) = (place.troubles.failures, place.troubles.degraded);
        if place.children.is_empty() {
            let retry_ms = millis(place.troubles.retry_at.saturating_sub(now));
            let reason = place.refusal.as_deref();
            tracing::info!(%role, slot, phase = "empty", failures, degraded, retry_ms, reason, "status");
        }
        for child in &place.children {
            let who = Who { role: fleet.role, slot: *slot, id: child.id };
            let of = |role, count: u64| (fleet.role == role).then_some(count);
            tracing::info!(
                %role,
                slot,
                pid = processes.get(&child.id).map(|process| process.pid),
                worker = who.worker(),
                gateway = who.gateway(),
                phase = child.phase.name(),
                up_s = now.saturating_sub(child.started).as_secs(),
                jobs = of(Role::Worker, child.report.jobs),
                rows = of(Role::Worker, child.report.rows),
                idle_ms = of(Role::Worker, child.report.idle_ms),
                address = child.report.address.map(tracing::field::display),
                connections = of(Role::Gateway, child.report.connections),
                memory_mb = child.memory >> 20,
                waiting = child.report.waiting,
                failures,
                degraded,
                "status"
            );
        }
    }
}

/// Writes the line for the whole.
pub(super) fn log_total(workers: &Fleet, gateways: &Fleet, now: Moment) {
    tracing::info!(
        workers = workers.desired,
        live = workers.live(),
        gateways = gateways.desired,
        live_gateways = gateways.live(),
        up_s = now.as_secs(),
        "status of the supervisor"
    );
}
