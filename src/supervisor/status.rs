//! The state of all slots, for a person who asked.

use std::collections::BTreeMap;

use ulid::Ulid;

use super::{fleet::Fleet, millis, process::Process, slot::Moment};

/// Writes one line for each slot and process, and one for the whole.
pub(super) fn log(fleet: &Fleet, processes: &BTreeMap<Ulid, Process>, now: Moment) {
    for (slot, place) in &fleet.slots {
        let (failures, degraded) = (place.troubles.failures, place.troubles.degraded);
        if place.children.is_empty() {
            let retry_ms = millis(place.troubles.retry_at.saturating_sub(now));
            tracing::info!(slot, phase = "empty", failures, degraded, retry_ms, "status");
        }
        for child in &place.children {
            tracing::info!(
                slot,
                pid = processes.get(&child.id).map(|process| process.pid),
                worker = %child.id,
                phase = child.phase.name(),
                up_s = now.saturating_sub(child.started).as_secs(),
                jobs = child.report.jobs,
                rows = child.report.rows,
                memory_mb = child.memory >> 20,
                idle_ms = child.report.idle_ms,
                waiting = child.report.waiting,
                failures,
                degraded,
                "status"
            );
        }
    }
    tracing::info!(
        workers = fleet.desired,
        live = fleet.live(),
        up_s = now.as_secs(),
        "status of the supervisor"
    );
}
