//! The lease: a sign of life in Redis, renewed three times before it runs out, with what the worker says of itself.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use redis::RedisResult;

use super::Vitals;
use crate::{
    control::{Identity, Report},
    histogram::Histogram,
    memory::resident_bytes,
    queue::{Registry, about},
};

/// How soon it is tried again.
const SOON: Duration = Duration::from_secs(1);

/// Whom the account names when the lease cannot be renewed; no queue can have this name. Without a lease the routes
/// claim nothing, so nobody else might notice.
const LEASE: &str = "";

/// Keeps the lease, without end. What fails is tried again every second; what the worker waits for is told at once.
pub(super) async fn keep(registry: Registry, identity: Identity, vitals: Rc<Vitals>) {
    let every = vitals.lease_length() / 3;
    let lease = Lease::new(registry, &identity, vitals.lease_length());
    let mut reports = vitals.reports();
    // What was told last, while Redis takes it.
    let (mut due, mut told) = (Instant::now(), None);
    let mut dead = identity.predecessors;
    loop {
        let report = reports.borrow_and_update().clone();
        let is_news = told.as_ref().is_some_and(|told| *told != report.waiting);
        if Instant::now() >= due || is_news {
            // The lease counts from before the request: Redis may have begun it later, never earlier.
            let asked = Instant::now();
            match lease.renew(&report, vitals.claims()).await {
                Ok(()) => {
                    vitals.lease_renewed(asked);
                    vitals.up(LEASE);
                    (due, told) = (asked + every, Some(report.waiting));
                    let buried = lease.registry.bury(&dead).await;
                    dead.retain(|one| !buried.contains(one));
                    lease.registry.forget_the_dead().await;
                }
                Err(error) => {
                    vitals.down(LEASE, asked, &error.into());
                    (due, told) = (asked + SOON, None);
                }
            }
        }
        tokio::time::timeout_at(due.into(), reports.changed()).await.ok();
    }
}

struct Lease {
    registry: Registry,
    worker: String,
    length: Duration,
    /// What stays the same as long as the worker lives.
    identity: Vec<(&'static str, String)>,
}

impl Lease {
    fn new(registry: Registry, identity: &Identity, length: Duration) -> Self {
        let fields = about(identity.slot, identity.restarts, length);
        Self { registry, worker: identity.id.to_string(), length, identity: fields }
    }

    async fn renew(&self, report: &Report, (rows, seconds): (Histogram, Histogram)) -> RedisResult<()> {
        let mut fields = self.identity.clone();
        let state = match (&report.waiting, report.ready) {
            (Some(_), _) => "waiting",
            (None, true) => "working",
            (None, false) => "starting",
        };
        fields.extend([
            ("state", state.to_owned()),
            ("jobs", report.jobs.to_string()),
            ("rows", report.rows.to_string()),
            ("memory", resident_bytes(std::process::id()).to_string()),
            ("waiting", report.waiting.clone().unwrap_or_default()),
            ("claim_rows", rows.to_string()),
            ("claim_seconds", seconds.to_string()),
        ]);
        match self.registry.renew(&self.worker, &fields, self.length).await {
            // The connection may have died long before, when nobody needed it: that is no outage.
            Err(error) if !error.is_timeout() => {
                self.registry.renew(&self.worker, &fields, self.length).await
            }
            renewed => renewed,
        }
    }
}
