//! What a worker knows of itself: progress of each route, outages, and whether its lease is held.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tokio::sync::watch;
use ulid::Ulid;

use crate::{
    control::Report,
    delay::{Delays, Until},
    histogram::{self, Histogram},
    pipeline::Trouble,
    progress::{Peer, Progress},
    queue,
    store::{self, Fault},
    telemetry::Outage,
};

/// The account that a worker keeps of itself; its tasks share it.
#[derive(Debug)]
pub(super) struct Vitals {
    reports: watch::Sender<Report>,
    /// Whether each route moves on.
    progress: RefCell<BTreeMap<String, Progress>>,
    /// How many routes have rescued each predecessor.
    rescued: RefCell<BTreeMap<Ulid, usize>>,
    routes: usize,
    redis: RefCell<Server>,
    mysql: RefCell<Server>,
    /// Routes that wait for something of their own, and what for.
    waiting: RefCell<BTreeMap<String, String>>,
    /// How long each route's claims take. They stay when it has ended: what was not told yet is to be.
    delays: RefCell<BTreeMap<String, Delays>>,
    /// How many rows each claim had.
    sizes: RefCell<Histogram>,
    lease: Lease,
}

/// A server, and who misses it: it is back when everyone who missed it has reached it again. What others do meanwhile
/// proves nothing: an idle route never asks the database.
#[derive(Debug)]
struct Server {
    outage: Outage,
    missed_by: BTreeSet<String>,
}

/// The lease as it was last renewed.
#[derive(Debug)]
struct Lease {
    length: Duration,
    held: Cell<Option<Held>>,
    renewed: watch::Sender<()>,
}

/// A lease as far as this worker may believe in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    /// Since when at the latest it has been held without a gap.
    since: Instant,
    /// Until when at the earliest.
    until: Instant,
}

impl Vitals {
    pub(super) fn new(reports: watch::Sender<Report>, routes: usize, lease: Duration) -> Self {
        Self {
            reports,
            progress: RefCell::default(),
            rescued: RefCell::default(),
            routes,
            redis: RefCell::new(Server::new("Redis")),
            mysql: RefCell::new(Server::new("MySQL")),
            waiting: RefCell::default(),
            delays: RefCell::default(),
            sizes: RefCell::new(Histogram::new(histogram::ROWS)),
            lease: Lease { length: lease, held: Cell::new(None), renewed: watch::Sender::new(()) },
        }
    }

    /// What stands in the report, now and whenever that changes.
    pub(super) fn reports(&self) -> watch::Receiver<Report> {
        self.reports.subscribe()
    }

    pub(super) fn set_ready(&self) {
        self.reports.send_modify(|report| report.ready = true);
    }

    /// Watches over a route's progress, and keeps its delays.
    pub(super) fn watch(&self, route: &str, progress: &Progress, delays: &Delays) {
        self.progress.borrow_mut().insert(route.to_owned(), progress.clone());
        self.delays.borrow_mut().insert(route.to_owned(), delays.clone());
    }

    /// A route is at its end: it stands still from now on, and rightly so.
    pub(super) fn ended(&self, route: &str) {
        self.progress.borrow_mut().remove(route);
    }

    /// A claim was committed.
    pub(super) fn count(&self, jobs: usize, rows: usize) {
        self.sizes.borrow_mut().add(rows as f64);
        self.reports.send_if_modified(|report| {
            report.jobs += jobs as u64;
            report.rows += rows as u64;
            // The beat reads it; nobody needs to be woken for every claim.
            false
        });
    }

    /// How many rows each claim had.
    pub(super) fn sizes(&self) -> Histogram {
        self.sizes.borrow().clone()
    }

    /// How many seconds each claim took, of whichever route.
    pub(super) fn times(&self, until: Until) -> Histogram {
        let mut times = Histogram::new(histogram::SECONDS);
        self.delays.borrow().values().for_each(|delays| times.add_all(&delays.claims(until)));
        times
    }

    /// The delays of each route.
    pub(super) fn delays(&self) -> Vec<(String, Delays)> {
        self.delays.borrow().iter().map(|(route, delays)| (route.clone(), delays.clone())).collect()
    }

    /// A route has finished a predecessor's claims.
    pub(super) fn rescued(&self, predecessor: Ulid) {
        let mut rescued = self.rescued.borrow_mut();
        let routes = rescued.entry(predecessor).or_default();
        *routes += 1;
        if *routes == self.routes {
            self.reports.send_modify(|report| report.rescued.push(predecessor));
        }
    }

    /// Brings up to date how long the route that has stood still for longest has done so.
    pub(super) fn look_at_progress(&self) {
        let idle = self.progress.borrow().values().map(Progress::idle).max().unwrap_or_default();
        self.reports.send_if_modified(|report| {
            report.idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
            false
        });
    }

    /// Looks for servers that have owed a route an answer for so long that people should know. The request goes on:
    /// what is slow may still succeed.
    pub(super) fn look_for_silence(&self) {
        for (who, progress) in self.progress.borrow().iter() {
            for (peer, slow) in [(Peer::Redis, queue::SLOW), (Peer::MySql, store::SLOW)] {
                if let Some(since) = progress.owed(peer).filter(|since| since.elapsed() > slow) {
                    self.server(peer).borrow_mut().missed(
                        who,
                        since,
                        "no answer yet: it hangs, or is slow".into(),
                    );
                }
            }
        }
        self.tell_waiting();
    }

    /// `who` has missed a server since then: said once, however many notice.
    pub(super) fn down(&self, who: &str, since: Instant, trouble: &Trouble) {
        if let Some(peer) = peer(trouble) {
            self.server(peer).borrow_mut().missed(who, since, trouble.to_string());
        }
        self.tell_waiting();
    }

    /// `who` has made a step. A server that was silent when it was last asked is not back for that: the step had no
    /// need of it.
    pub(super) fn up(&self, who: &str) {
        for of in [Peer::Redis, Peer::MySql] {
            if self.progress.borrow().get(who).is_none_or(|progress| progress.silent(of).is_none()) {
                self.server(of).borrow_mut().reached(who);
            }
        }
        self.waiting.borrow_mut().remove(who);
        self.tell_waiting();
    }

    /// A route waits for something of its own, of which a server told it: so that server is there.
    pub(super) fn waits(&self, route: &str, trouble: &Trouble, waiting: Option<String>) {
        if let Some(peer) = peer(trouble) {
            self.server(peer).borrow_mut().reached(route);
        }
        self.waiting.borrow_mut().extend(waiting.map(|waiting| (route.to_owned(), waiting)));
        self.tell_waiting();
    }

    /// Whether a single route cannot go on, while the servers can serve.
    pub(super) fn is_route_fault(trouble: &Trouble) -> bool {
        match trouble {
            Trouble::Store(fault) => matches!(fault, Fault::Route(_)),
            // Something else under the queue's name, or no right to it.
            Trouble::Redis(error) => queue::has_code(error, "WRONGTYPE") || queue::has_code(error, "NOPERM"),
            Trouble::Supervisor(_) => false,
        }
    }

    fn server(&self, of: Peer) -> &RefCell<Server> {
        match of {
            Peer::Redis => &self.redis,
            Peer::MySql => &self.mysql,
        }
    }

    /// Brings into the report what is waited for: a server before what a single route waits for.
    fn tell_waiting(&self) {
        let servers =
            [&self.redis, &self.mysql].into_iter().find_map(|server| server.borrow().outage.waiting());
        let waiting = servers.or_else(|| together(self.waiting.borrow().values()));
        self.reports.send_if_modified(|report| {
            let news = report.waiting != waiting;
            report.waiting = waiting;
            news
        });
    }

    /// Has the lease renewed by a request to Redis.
    pub(super) async fn lease_renewed_by<E>(
        &self,
        request: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let asked = Instant::now();
        request.await?;
        let Lease { length, held, renewed } = &self.lease;
        held.set(Some(Held::renewed(held.get(), asked, Instant::now(), *length)));
        renewed.send_replace(());
        Ok(())
    }

    pub(super) fn lease_length(&self) -> Duration {
        self.lease.length
    }

    /// How long the lease has been held without a gap; `None` when it is not held.
    pub(super) fn lease_held_for(&self) -> Option<Duration> {
        let Held { since, until } = self.lease.held.get()?;
        (Instant::now() < until).then(|| since.elapsed())
    }

    /// Waits until the lease is renewed the next time: Redis takes commands then.
    pub(super) async fn lease_renewed_again(&self) {
        // It cannot be closed: the sender is here.
        self.lease.renewed.subscribe().changed().await.ok();
    }

    /// Waits until the lease is held.
    pub(super) async fn lease_held(&self) {
        let mut renewed = self.lease.renewed.subscribe();
        while self.lease_held_for().is_none() {
            if renewed.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Held {
    /// When between the question and the answer Redis began the lease is not known, so whatever promises less counts:
    /// it ends as if Redis had begun it before the question left, and it is held since the answer only, unless the one
    /// before had not run out by then.
    fn renewed(before: Option<Self>, asked: Instant, answered: Instant, length: Duration) -> Self {
        let since = before.filter(|before| answered < before.until).map_or(answered, |before| before.since);
        Self { since, until: asked + length }
    }
}

/// What several routes wait for, in one sentence; of very many the first.
fn together<'a>(mut waiting: impl ExactSizeIterator<Item = &'a String>) -> Option<String> {
    const MOST: usize = 5;
    let mut told = waiting.next()?.clone();
    for other in waiting.by_ref().take(MOST - 1) {
        told.push_str("; ");
        told.push_str(other.strip_prefix("waiting for the route ").unwrap_or(other));
    }
    if waiting.len() > 0 {
        told.push_str(&format!("; and {} more routes", waiting.len()));
    }
    Some(told)
}

/// The server that a trouble came from, if it is one's.
pub(super) fn peer(trouble: &Trouble) -> Option<Peer> {
    match trouble {
        Trouble::Redis(_) => Some(Peer::Redis),
        Trouble::Store(_) => Some(Peer::MySql),
        Trouble::Supervisor(_) => None,
    }
}

impl Server {
    fn new(name: &'static str) -> Self {
        Self { outage: Outage::new(name), missed_by: BTreeSet::new() }
    }

    fn missed(&mut self, who: &str, since: Instant, reason: String) {
        self.missed_by.insert(who.to_owned());
        self.outage.down(since, reason);
    }

    fn reached(&mut self, who: &str) {
        if self.missed_by.remove(who) && self.missed_by.is_empty() {
            self.outage.up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_counted_from_the_question_and_is_held_since_the_answer() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let length = Duration::from_secs(15);
        let held = |since, until| Held { since: at(since), until: at(until) };
        let first = Held::renewed(None, at(0), at(9), length);
        assert_eq!(first, held(9, 15), "Redis may have begun it at once");
        let on_time = Held::renewed(Some(first), at(10), at(14), length);
        assert_eq!(on_time, held(9, 25), "the one before was not over when the answer came");
        let late = Held::renewed(Some(on_time), at(20), at(25), length);
        assert_eq!(late, held(25, 35), "it may have been over before Redis renewed it");
    }

    #[tokio::test]
    async fn a_lease_whose_renewal_took_its_whole_length_is_not_held() {
        let length = Duration::from_millis(200);
        let vitals = Vitals::new(watch::channel(Report::default()).0, 1, length);
        // How long the request takes is what is tested.
        let slow = async {
            tokio::time::sleep(length).await;
            Ok::<_, ()>(())
        };
        vitals.lease_renewed_by(slow).await.unwrap();
        assert_eq!(vitals.lease_held_for(), None);
    }

    #[test]
    fn a_server_that_was_silent_is_back_when_it_answers_and_not_when_a_step_did_without_it() {
        let vitals = Vitals::new(watch::channel(Report::default()).0, 1, Duration::from_secs(15));
        let progress = Progress::default();
        vitals.watch("q", &progress, &Delays::default());
        drop(progress.ask(Peer::MySql));
        let since = progress.silent(Peer::MySql).unwrap();
        vitals.down("q", since, &Trouble::Store(Fault::Server("no answer".into())));
        vitals.up("q");
        assert!(vitals.reports().borrow().waiting.as_ref().unwrap().starts_with("waiting for MySQL since "));
        progress.ask(Peer::MySql).answered();
        vitals.up("q");
        assert_eq!(vitals.reports().borrow().waiting, None);
    }

    #[test]
    fn what_each_of_several_routes_waits_for_is_told() {
        let waiting = |names: &[&str]| -> Vec<String> {
            names
                .iter()
                .map(|name| format!("waiting for the route since 1:02:03, queue {name:?}: no"))
                .collect()
        };
        let told = |names: &[&str]| together(waiting(names).iter()).unwrap_or_default();
        assert_eq!(told(&[]), "");
        assert_eq!(
            told(&["a", "b"]),
            "waiting for the route since 1:02:03, queue \"a\": no; since 1:02:03, queue \"b\": no"
        );
        assert!(told(&["a", "b", "c", "d", "e", "f", "g"]).ends_with("queue \"e\": no; and 2 more routes"));
    }
}
