//! What the gateway tells of itself: to its supervisor, and to `rowcast status` through the registry in Redis.
//!
//! Nothing depends on the registry: a gateway holds no claims, and without Redis it is only not listed.

use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{lines::Lines, subscription::Readiness};
use crate::{
    control::{Identity, Report},
    memory::resident_bytes,
    queue::{Registry, about, describe},
};

/// How long it is listed after its last sign of life, and how often it gives one.
const LEASE: Duration = Duration::from_secs(15);
const EVERY: Duration = Duration::from_secs(5);
/// How soon it looks again at what changes without notice, and tries again what has failed.
const SOON: Duration = Duration::from_secs(1);

/// What it tells, and whom.
pub(super) struct Presence {
    pub(super) identity: Identity,
    pub(super) address: SocketAddr,
    pub(super) reports: watch::Sender<Report>,
    pub(super) registry: Registry,
    pub(super) readiness: watch::Receiver<Readiness>,
    /// The supervisor's slots in which nothing is ready.
    pub(super) unready: watch::Receiver<String>,
    pub(super) lines: Arc<Lines>,
    pub(super) stop: CancellationToken,
}

impl Presence {
    /// Tells it, for ever.
    pub(super) async fn keep(&self) -> Infallible {
        tokio::join!(self.report(), self.register()).0
    }

    /// It is ready when it knows whether Redis is heard, and not before: in a rolling restart its predecessor would
    /// send clients to a gateway that hears nothing.
    async fn report(&self) -> Infallible {
        let mut readiness = self.readiness.clone();
        loop {
            let known = timeout(SOON, readiness.changed()).await.is_ok();
            let waiting = readiness.borrow().clone();
            self.reports.send_if_modified(|report| {
                let news = (known && !report.ready) || (report.ready && report.waiting != waiting);
                report.ready |= known;
                report.address = Some(self.address);
                report.connections = self.lines.open();
                report.waiting = waiting.filter(|_| report.ready);
                news
            });
        }
    }

    async fn register(&self) -> Infallible {
        let same = about(self.identity.supervisor, self.identity.slot, self.identity.restarts, LEASE);
        let mut reports = self.reports.subscribe();
        loop {
            let mut fields = same.clone();
            fields.extend(self.now());
            match self.registry.renew(&self.identity.id.to_string(), &fields, &BTreeMap::new(), LEASE).await {
                Ok(()) => {
                    self.bury_predecessors().await;
                    self.registry.forget_the_dead().await;
                    // Earlier, when there is news.
                    timeout(EVERY, reports.changed()).await.ok();
                }
                Err(error) => {
                    // An outage is told where messages are heard.
                    tracing::debug!("cannot be listed: {}", describe(&error));
                    sleep(SOON).await;
                }
            }
        }
    }

    /// Takes out those that ended in its place, whom the supervisor has seen end, and says so.
    async fn bury_predecessors(&self) {
        let mut dead = self.identity.predecessors.clone();
        dead.retain(|one| !self.reports.borrow().rescued.contains(one));
        let buried = self.registry.bury(&dead).await;
        if !buried.is_empty() {
            self.reports.send_modify(|report| report.rescued.extend(buried));
        }
    }

    fn now(&self) -> [(&'static str, String); 6] {
        let report = self.reports.borrow();
        let state = match (&report.waiting, report.ready) {
            _ if self.stop.is_cancelled() => "closing",
            (Some(_), _) => "waiting",
            (None, true) => "serving",
            (None, false) => "starting",
        };
        [
            ("state", state.to_owned()),
            ("address", self.address.to_string()),
            ("connections", report.connections.to_string()),
            ("memory", resident_bytes(std::process::id()).to_string()),
            ("waiting", report.waiting.clone().unwrap_or_default()),
            ("unready", self.unready.borrow().clone()),
        ]
    }

    /// It leaves. It would be forgotten by itself; this only tells sooner.
    pub(super) async fn leave(&self, most: Duration) {
        timeout(SOON.min(most), self.registry.remove(&self.identity.id.to_string())).await.ok();
    }
}
