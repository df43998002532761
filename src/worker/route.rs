//! One route's loop: register, rescue the predecessors, then step after step until the end.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use ulid::Ulid;

use super::{
    Ended,
    vitals::{Vitals, peer},
};
use crate::{
    backoff::Backoff,
    control::Identity,
    pipeline::{Pipeline, Step, Trouble, patience_ends},
    progress::Peer,
    queue::Registry,
    store::Fault,
    telemetry::Outage,
};

/// One route's work.
pub(super) struct Work {
    pipeline: Pipeline,
    worker: String,
    predecessors: Vec<Ulid>,
    /// Whether there is anything of this worker's to be ended.
    registered: bool,
    registry: Registry,
    vitals: Rc<Vitals>,
    /// What keeps this route alone from going on.
    outage: Outage,
    backoff: Backoff,
    /// Whether a connection to Redis that had died was passed over since the last success.
    passed_over: bool,
    /// When to look next for workers that died elsewhere.
    sweep: Instant,
    /// When to look next for checkpoints that nobody needs any more.
    tidy: Instant,
    /// When to tell next of dead letters, and how many there are to tell of.
    dead: (Instant, usize),
}

/// How long a paused queue is left alone before it is asked again.
const PAUSE: Duration = Duration::from_secs(1);
/// A transaction that loses its race so often is worth a line in the log.
const RACES: u32 = 6;
/// How often forgotten checkpoints are looked for.
const TIDY: Duration = Duration::from_secs(60);
/// How often rejected jobs are told of at most; the dead list has them all.
const DEAD: Duration = Duration::from_secs(5);
/// How long ending in order is tried before what is left is left to a rescuer.
const FINISH: Duration = Duration::from_secs(10);

impl Work {
    pub(super) fn new(
        pipeline: Pipeline,
        identity: &Identity,
        registry: Registry,
        vitals: Rc<Vitals>,
    ) -> Self {
        Self {
            pipeline,
            worker: identity.id.to_string(),
            predecessors: identity.predecessors.clone(),
            registered: false,
            registry,
            vitals,
            outage: Outage::new("the route"),
            backoff: Backoff::new(Duration::from_millis(20), Duration::from_secs(5)),
            passed_over: false,
            sweep: Instant::now(),
            tidy: Instant::now() + TIDY,
            dead: (Instant::now(), 0),
        }
    }

    /// Works until `stop`, or until it is fenced.
    pub(super) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<Ended> {
        let span = tracing::info_span!("route", queue = self.pipeline.route());
        self.vitals.watch(self.pipeline.route(), self.pipeline.progress(), self.pipeline.delays());
        async {
            let ended = match self.work(&stop).await {
                Ok(()) => self.end(false).await,
                Err(Stopped::Fenced) => self.end(true).await,
                Err(Stopped::Unheard(trouble)) => Err(left_open(trouble)),
            };
            self.vitals.ended(self.pipeline.route());
            ended
        }
        .instrument(span)
        .await
    }

    /// Goes from step to step.
    async fn work(&mut self, stop: &CancellationToken) -> Result<(), Stopped> {
        let mut started = false;
        while !stop.is_cancelled() {
            let step = if started { self.step(stop).await } else { self.start(stop).await };
            match step {
                // Told to stop before there was a lease: nothing says that the servers are there.
                Ok(None) => return Ok(()),
                Ok(Some(step)) => {
                    started = true;
                    self.succeeded();
                    if step == Step::Paused {
                        self.rest(PAUSE, stop).await;
                    }
                }
                Err(Trouble::Store(Fault::Fenced)) => return Err(Stopped::Fenced),
                Err(trouble @ Trouble::Supervisor(_)) => return Err(Stopped::Unheard(trouble)),
                Err(trouble) => self.wait_for(&trouble, stop).await,
            }
        }
        Ok(())
    }

    /// What comes before the first claim. When it has succeeded, both servers are there; none when it is time to stop.
    async fn start(&mut self, stop: &CancellationToken) -> Result<Option<Step>, Trouble> {
        tokio::select! {
            registered = self.pipeline.register() => registered?,
            () = patience_ends(stop) => return Ok(None),
        }
        self.registered = true;
        while let Some(&predecessor) = self.predecessors.first() {
            self.rescue(&predecessor.to_string()).await?;
            self.vitals.rescued(predecessor);
            self.predecessors.remove(0);
        }
        Ok(self.lease_or(stop).await.then_some(Step::Idle))
    }

    /// Waits for the lease: without one others may take this worker for dead, so it claims nothing until it has one.
    /// Returns whether it has; otherwise it is time to stop.
    async fn lease_or(&self, stop: &CancellationToken) -> bool {
        let _wait = self.pipeline.progress().wait();
        tokio::select! {
            () = self.vitals.lease_held() => true,
            () = stop.cancelled() => false,
        }
    }

    /// One step of the pipeline, with what has to be done between steps; none when it is time to stop.
    async fn step(&mut self, stop: &CancellationToken) -> Result<Option<Step>, Trouble> {
        if !self.lease_or(stop).await {
            return Ok(None);
        }
        self.sweep(stop).await?;
        let step = self.pipeline.work_one(stop).await?;
        match step {
            Step::Did(tally) => {
                self.vitals.count(tally.inserted + tally.duplicate + tally.rejected, tally.rows);
                self.tell_dead(tally.rejected);
            }
            Step::Idle | Step::Paused => {
                self.tell_dead(0);
                self.pipeline.keep_alive(stop).await;
            }
        }
        Ok(Some(step))
    }

    /// Rescues workers whose lease has run out, wherever they ran.
    async fn sweep(&mut self, stop: &CancellationToken) -> Result<(), Trouble> {
        // After an outage of Redis every lease has run out. Who has had one for its whole length knows that the
        // others had the time to renew theirs.
        let lease = self.vitals.lease_length();
        if Instant::now() < self.sweep || self.vitals.lease_held_for().is_none_or(|held| held < lease) {
            return Ok(());
        }
        self.sweep = Instant::now() + lease / 3;
        let mut candidates = self.pipeline.indexed_workers().await?;
        if Instant::now() >= self.tidy {
            self.tidy = Instant::now() + TIDY;
            candidates.extend(self.pipeline.registered_workers(stop).await?);
        }
        candidates.retain(|worker| *worker != self.worker);
        for dead in self.registry.without_lease(&candidates).await? {
            match self.rescue(&dead).await {
                // A commit of it is in flight; it is looked at again in the next round.
                Err(Trouble::Store(Fault::Retry(_))) => {}
                rescued => rescued?,
            }
        }
        Ok(())
    }

    async fn rescue(&mut self, dead: &str) -> Result<(), Trouble> {
        let rescued = self.pipeline.rescue(dead).await?;
        if rescued.settled + rescued.handed_back + rescued.dead > 0 {
            tracing::warn!(
                worker = dead,
                claims.settled = rescued.settled,
                jobs.handed_back = rescued.handed_back,
                jobs.dead = rescued.dead,
                "rescued the claims of a dead worker"
            );
        }
        Ok(())
    }

    /// Tells of rejected jobs, at most once in a while however many there are.
    fn tell_dead(&mut self, rejected: usize) {
        self.dead.1 += rejected;
        if self.dead.1 > 0 && Instant::now() >= self.dead.0 {
            tracing::warn!(jobs.dead = self.dead.1, "jobs became dead letters; `rowcast dead list` says why");
            self.dead = (Instant::now() + DEAD, 0);
        }
    }

    fn succeeded(&mut self) {
        self.backoff.reset();
        self.passed_over = false;
        self.outage.up();
        self.vitals.up(self.pipeline.route());
    }

    /// Tells of a trouble once, and waits before the next attempt.
    async fn wait_for(&mut self, trouble: &Trouble, stop: &CancellationToken) {
        if is_stale(trouble) && !self.passed_over {
            self.passed_over = true;
            return;
        }
        let lost_a_race = matches!(trouble, Trouble::Store(Fault::Retry(_)));
        if Vitals::is_route_fault(trouble) {
            self.outage.down(Instant::now(), trouble.to_string());
            let route = self.pipeline.route();
            self.vitals.waits(route, trouble, self.outage.waiting_of(&format!("queue {route:?}")));
        } else if !lost_a_race || self.backoff.attempts() == RACES {
            let silent = peer(trouble).and_then(|peer| self.pipeline.progress().silent(peer));
            let since = silent.unwrap_or_else(Instant::now);
            self.vitals.down(self.pipeline.route(), since, trouble);
        }
        let length = self.backoff.next(fastrand::f64());
        tokio::select! {
            () = self.rest(length, stop) => {}
            // Whoever keeps the lease tries more often. When Redis takes that, it may take this as well.
            () = self.vitals.lease_renewed_again(), if peer(trouble) == Some(Peer::Redis) => {}
        }
    }

    /// Does nothing for some time, unless it is time to stop.
    async fn rest(&self, length: Duration, stop: &CancellationToken) {
        let _wait = self.pipeline.progress().wait();
        tokio::select! {
            () = tokio::time::sleep(length) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Ends in order; what cannot be ended in time is left to a rescuer.
    async fn end(&mut self, mut fenced: bool) -> anyhow::Result<Ended> {
        if !self.registered {
            return Ok(if fenced { Ended::Fenced } else { Ended::Drained });
        }
        let deadline = Instant::now() + FINISH;
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            let ended = if fenced { self.pipeline.abandon().await } else { self.pipeline.finish().await };
            match ended {
                Ok(()) if fenced => return Ok(Ended::Fenced),
                Ok(()) => return Ok(Ended::Drained),
                Err(Trouble::Store(Fault::Fenced)) => fenced = true,
                Err(trouble @ Trouble::Supervisor(_)) => return Err(left_open(trouble)),
                Err(trouble) if Instant::now() > deadline => return Err(left_open(trouble)),
                Err(_) => tokio::time::sleep(backoff.next(fastrand::f64())).await,
            }
        }
    }
}

/// Whether a connection to Redis was found dead. It may have died while the route had no need of it, and Redis be back
/// long since.
fn is_stale(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Redis(error) if error.is_connection_dropped() && !error.is_connection_refusal())
}

fn left_open(trouble: Trouble) -> anyhow::Error {
    anyhow::anyhow!(trouble).context("claims are left to be rescued")
}

/// Why a route does not go on.
enum Stopped {
    /// The worker can never commit again.
    Fenced,
    /// Nobody takes its events.
    Unheard(Trouble),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::sync::watch;

    use super::*;
    use crate::{config::Settings, control::Report, queue::Link};

    /// A worker's one route, with what it tells its worker.
    fn work() -> (Work, Rc<Vitals>) {
        let vars = [("DATABASE_URL", "mysql://a@127.0.0.1:1/b"), ("REDIS_URL", "redis://127.0.0.1:1")];
        let vars: BTreeMap<String, String> = vars.map(|(name, value)| (name.into(), value.into())).into();
        let settings = Settings::from_vars(&vars).unwrap();
        let identity = Identity {
            id: Ulid::generate(),
            supervisor: None,
            slot: None,
            restarts: None,
            predecessors: Vec::new(),
        };
        let link = Link::new(&settings.redis_url).unwrap();
        let vitals = Rc::new(Vitals::new(watch::channel(Report::default()).0, 1, settings.lease));
        let route = settings.routes[0].clone();
        let pipeline = Pipeline::new(route, &identity.id.to_string(), &settings, link.clone(), None).unwrap();
        (Work::new(pipeline, &identity, Registry::new(link), vitals.clone()), vitals)
    }

    #[tokio::test]
    async fn a_connection_that_is_found_dead_is_an_outage_only_when_the_next_one_fails_too() {
        let (mut work, vitals) = work();
        let stop = CancellationToken::new();
        let dead = || Trouble::Redis(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        let away = || Trouble::Store(Fault::Server("away".into()));
        let waits_for = || {
            let waiting = vitals.reports().borrow().waiting.clone();
            waiting.map(|waiting| waiting.split(' ').nth(2).unwrap().to_owned())
        };
        work.wait_for(&away(), &stop).await;
        assert_eq!(waits_for().as_deref(), Some("MySQL"));
        // While it waited for MySQL, Redis was away and came back.
        work.wait_for(&dead(), &stop).await;
        assert_eq!(waits_for().as_deref(), Some("MySQL"));
        work.succeeded();
        assert_eq!(waits_for(), None);
        work.wait_for(&dead(), &stop).await;
        assert_eq!(waits_for(), None);
        work.wait_for(&dead(), &stop).await;
        assert_eq!(waits_for().as_deref(), Some("Redis"));
    }

    #[tokio::test]
    async fn a_route_that_waits_for_redis_goes_on_as_soon_as_the_lease_is_renewed() {
        let (mut work, vitals) = work();
        let stop = CancellationToken::new();
        let mut waited = async |trouble: Trouble, length: Duration| {
            // As after a long outage: the next attempt is seconds away.
            work.backoff = Backoff::new(length, length);
            let began = Instant::now();
            let renewed = vitals.lease_renewed_by(async { Ok::<_, Trouble>(()) });
            tokio::join!(work.wait_for(&trouble, &stop), renewed).1.unwrap();
            began.elapsed()
        };
        let away = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(
            waited(Trouble::Redis(away.into()), Duration::from_secs(600)).await < Duration::from_secs(100)
        );
        // What Redis takes says nothing of MySQL.
        let length = Duration::from_millis(40);
        assert!(waited(Trouble::Store(Fault::Server("away".into())), length).await >= length / 2);
    }
}
