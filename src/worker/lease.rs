//! The lease: a sign of life in Redis, renewed three times before it runs out, with what the worker says of itself.

use std::{
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use redis::RedisResult;

use super::{Identity, Report, Vitals};
use crate::queue::Registry;

/// How soon it is tried again, and told when what the worker waits for has changed.
const SOON: Duration = Duration::from_secs(1);

/// Whom the account names when the lease cannot be renewed; no queue can have this name. Without a lease the routes
/// claim nothing, so nobody else might notice.
const LEASE: &str = "";

/// Keeps the lease, without end. What fails is tried again every second.
pub(super) async fn keep(registry: Registry, identity: Identity, vitals: Rc<Vitals>) {
    let every = vitals.lease_length() / 3;
    let lease = Lease::new(registry, &identity, vitals.lease_length());
    let (mut due, mut told) = (Instant::now(), None);
    loop {
        let report = vitals.report();
        if Instant::now() >= due || report.waiting != told {
            // The lease counts from before the request: Redis may have begun it later, never earlier.
            let asked = Instant::now();
            match lease.renew(&report).await {
                Ok(()) => {
                    vitals.lease_renewed(asked);
                    vitals.up(LEASE);
                    (due, told) = (asked + every, report.waiting);
                    forget_the_dead(&lease.registry).await;
                }
                Err(error) => {
                    vitals.down(LEASE, asked, &error.into());
                    due = asked + SOON;
                }
            }
        }
        tokio::time::sleep(SOON.min(every)).await;
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
        let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        let fields = vec![
            ("host", host.unwrap_or_default()),
            ("pid", std::process::id().to_string()),
            ("slot", identity.slot.map(|slot| slot.to_string()).unwrap_or_default()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("since", unix_ms().to_string()),
            ("lease", length.as_millis().to_string()),
        ];
        Self { registry, worker: identity.id.to_string(), length, identity: fields }
    }

    async fn renew(&self, report: &Report) -> RedisResult<()> {
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
            ("memory", resident_bytes().to_string()),
            ("waiting", report.waiting.clone().unwrap_or_default()),
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

/// Takes workers without a lease out of the list of those that are there. Their claims are found through the index.
async fn forget_the_dead(registry: &Registry) {
    let Ok(names) = registry.names().await else { return };
    for dead in registry.without_lease(&names).await.unwrap_or_default() {
        registry.remove(&dead).await.ok();
    }
}

fn unix_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// The resident memory of this process, as the kernel counts it; 0 where it does not.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}
