//! The lease: a sign of life in Redis, renewed three times before it runs out, with what the worker says of itself.

use std::{
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use redis::RedisResult;
use tokio::sync::watch;

use super::Vitals;
use crate::{
    control::{Identity, Report},
    delay::Until,
    memory::resident_bytes,
    queue::{Registry, about},
};

/// How soon it is tried again.
const SOON: Duration = Duration::from_secs(1);

/// Whom the account names when the lease cannot be renewed; no queue can have this name. Without a lease the routes
/// claim nothing, so nobody else might notice.
const LEASE: &str = "";

/// Keeps the lease, without end, and has it known which queues there are, each with its table, and which slots of its
/// supervisor are not ready. What fails is tried again every second; what the worker waits for is told at once.
pub(super) async fn keep(
    registry: Registry,
    identity: Identity,
    queues: BTreeMap<String, String>,
    mut unready: watch::Receiver<String>,
    vitals: Rc<Vitals>,
) {
    let every = vitals.lease_length() / 3;
    let mut lease = Lease::new(registry, &identity, queues, vitals.lease_length());
    let mut reports = vitals.reports();
    // What was told last, while Redis takes it.
    let (mut due, mut told) = (Instant::now(), None);
    let mut dead = identity.predecessors;
    loop {
        let report = reports.borrow_and_update().clone();
        let news = (report.waiting.clone(), unready.borrow_and_update().clone());
        let is_news = told.as_ref().is_some_and(|told| *told != news);
        if Instant::now() >= due || is_news {
            let asked = Instant::now();
            match vitals.lease_renewed_by(lease.renew(&report, &news.1, &vitals)).await {
                Ok(()) => {
                    vitals.up(LEASE);
                    (due, told) = (asked + every, Some(news));
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
        let changed = async {
            tokio::select! {
                _ = reports.changed() => {}
                // Without a supervisor nobody tells of slots.
                Ok(()) = unready.changed() => {}
            }
        };
        tokio::time::timeout_at(due.into(), changed).await.ok();
    }
}

struct Lease {
    registry: Registry,
    worker: String,
    length: Duration,
    /// What stays the same as long as the worker lives.
    identity: Vec<(&'static str, String)>,
    queues: BTreeMap<String, String>,
    rate: Rate,
}

/// How many rows a second there were of late.
#[derive(Debug)]
struct Rate {
    /// What is counted from: the rows at a time, at least as long ago as the last report but one.
    from: (Instant, u64),
    per_second: f64,
}

impl Rate {
    /// Counts from one report to the next. Those that come early, because there is news, are too short a time for it:
    /// what was said last is said again.
    fn at(&mut self, now: Instant, rows: u64, least: Duration) -> f64 {
        let (since, before) = self.from;
        let elapsed = now.duration_since(since);
        if elapsed >= least {
            self.per_second = rows.saturating_sub(before) as f64 / elapsed.as_secs_f64();
            self.from = (now, rows);
        }
        self.per_second
    }
}

impl Lease {
    fn new(
        registry: Registry,
        identity: &Identity,
        queues: BTreeMap<String, String>,
        length: Duration,
    ) -> Self {
        let mut fields = about(identity.supervisor, identity.slot, identity.restarts, length);
        fields.push(("queues", serde_json::json!(queues.keys().collect::<Vec<_>>()).to_string()));
        let rate = Rate { from: (Instant::now(), 0), per_second: 0.0 };
        Self { registry, worker: identity.id.to_string(), length, identity: fields, queues, rate }
    }

    async fn renew(&mut self, report: &Report, unready: &str, vitals: &Vitals) -> RedisResult<()> {
        let mut fields = self.identity.clone();
        // Half of the time between two reports: what comes on time always counts.
        let per_second = self.rate.at(Instant::now(), report.rows, self.length / 6);
        let state = match (&report.waiting, report.ready) {
            (Some(_), _) => "waiting",
            (None, true) => "working",
            (None, false) => "starting",
        };
        fields.extend([
            ("state", state.to_owned()),
            ("jobs", report.jobs.to_string()),
            ("rows", report.rows.to_string()),
            ("rows_per_second", format!("{per_second:.1}")),
            ("memory", resident_bytes(std::process::id()).to_string()),
            ("waiting", report.waiting.clone().unwrap_or_default()),
            ("unready", unready.to_owned()),
            ("claim_rows", vitals.sizes().to_string()),
            ("commit_seconds", vitals.times(Until::Commit).to_string()),
            ("publish_seconds", vitals.times(Until::Publish).to_string()),
        ]);
        let renew = async || self.registry.renew(&self.worker, &fields, &self.queues, self.length).await;
        match renew().await {
            // The connection may have died long before, when nobody needed it: that is no outage.
            Err(error) if !error.is_timeout() => renew().await,
            renewed => renewed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_report_and_news_between_leave_it_as_it_is() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut rate = Rate { from: (began, 0), per_second: 0.0 };
        let least = Duration::from_secs(2);
        assert_eq!(rate.at(at(1), 1_000, least), 0.0, "too soon to tell");
        assert_eq!(rate.at(at(5), 5_000, least), 1_000.0);
        assert_eq!(rate.at(at(6), 5_000, least), 1_000.0);
        assert_eq!(rate.at(at(10), 5_000, least), 0.0, "not the mean since its start");
    }
}
