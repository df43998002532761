//! The life of a job, on one page: claim, decode, insert, commit, settle.
//!
//! A [`Pipeline`] works on one route for one worker. [`Pipeline::work_one`] takes one claim through all its steps and
//! returns a fact; when it is called again after an error it goes on where it stopped. It promises that rows and
//! checkpoint commit together, that nothing is published before COMMIT, and that a claim is settled before the next
//! one commits. It does not decide when to go on, nor what to tell people of a trouble: the worker does.

mod claim;
pub mod decode;
mod doubt;
pub mod events;
pub mod insert;
pub mod outcome;
mod rescue;
mod settle;

use std::{
    io,
    time::{Duration, Instant},
};

use redis::RedisError;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    delay::Delays,
    fanout::ToGateways,
    fault,
    progress::Progress,
    queue::{Claim, Events, Link, Queue, Settlement},
    route::Route,
    store::{Fault, Store},
};
use decode::{Batch, Plan};
use doubt::Doubt;
use events::EventWriter;
use outcome::{Outcome, Tally};
pub use rescue::Rescued;
use settle::Settler;

/// One route, as one worker works on it.
#[derive(Debug)]
pub struct Pipeline {
    route: Route,
    worker: String,
    settings: Settings,
    queue: Queue,
    store: Store,
    progress: Progress,
    settler: Settler,
    /// The route laid over the live schema; read at the first use, again after a fault of the route, and when it is
    /// old.
    prepared: Option<Prepared>,
    /// Whether a claim was ever asked for: until then nothing in Redis is this worker's.
    asked: bool,
    /// The number of the last claim that was made.
    seq: u64,
    /// The claim that is worked on; it stays here when a step fails.
    in_hand: Option<Claim>,
    /// Whether the claim in hand may have been committed without our hearing of it, or may still be.
    in_doubt: bool,
    /// The next claim, made while the database was at work.
    ahead: Option<Claim>,
    /// The committed claim that is not settled yet.
    behind: Option<Settlement>,
}

#[derive(Debug)]
struct Prepared {
    plan: Plan,
    events: EventWriter,
    read: Instant,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A claim was committed: what became of its jobs.
    Did(Tally),
    /// The queue was empty for as long as a blocking move lasts.
    Idle,
    /// The queue is paused.
    Paused,
}

/// Why a step stopped. Nothing is lost: it goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Redis.
    #[error("{}", crate::queue::describe(.0))]
    Redis(#[from] RedisError),
    /// The database, or the route's table in it.
    #[error(transparent)]
    Store(#[from] Fault),
    /// The supervisor takes no events: it is gone, and this worker is to end. What it holds is for a rescuer.
    #[error("the supervisor does not take events: {0}")]
    Supervisor(#[from] io::Error),
}

/// How old what is known of the table may be; it is read anew before a job is rejected by it.
const SCHEMA_AGE: Duration = Duration::from_secs(60);
/// The most values of one claim, some tens of megabytes in memory, and the most rows: their events are published at
/// once, and Redis ends the connection of a subscriber who has 32 MB to read. Jobs that would pass them go back.
const MOST_VALUES: usize = 1 << 20;
const MOST_ROWS: usize = 1 << 15;

impl Pipeline {
    /// The pipeline of one route. Nothing is connected yet. Events go the way `to_gateways` where there is
    /// one, otherwise Redis publishes them.
    ///
    /// # Errors
    /// An address that cannot be read.
    pub fn new(
        route: Route,
        worker: &str,
        settings: &Settings,
        link: Link,
        to_gateways: Option<ToGateways>,
    ) -> anyhow::Result<Self> {
        let progress = Progress::default();
        Ok(Self {
            queue: Queue::new(&route.queue, &route.table.to_string(), worker, link.watched(&progress)),
            store: Store::new(&settings.database_url)?.watched(&progress),
            settler: Settler::new(&route.queue, to_gateways, &progress),
            progress,
            route,
            worker: worker.to_owned(),
            settings: settings.clone(),
            prepared: None,
            asked: false,
            seq: 0,
            in_hand: None,
            in_doubt: false,
            ahead: None,
            behind: None,
        })
    }

    /// Registers the worker's checkpoint: before its lease, and before its first claim.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn register(&mut self) -> Result<(), Trouble> {
        Ok(self.store.register(&self.worker, &self.route.queue).await?)
    }

    /// Takes one claim from the queue to the end, waiting for a job if there is none until `stop`.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn work_one(&mut self, stop: &CancellationToken) -> Result<Step, Trouble> {
        let step = self.try_one(stop).await;
        // No step leaves a transaction open: what comes next, a rescue's fence above all, must stand by itself.
        if !matches!(step, Ok(Step::Did(..))) {
            tokio::select! {
                () = self.store.rollback() => {}
                // The end of the connection does the same.
                () = patience_ends(stop) => self.store.disconnect(),
            }
        }
        if let Err(Trouble::Store(Fault::Route(_))) = step {
            self.prepared = None;
        }
        step
    }

    async fn try_one(&mut self, stop: &CancellationToken) -> Result<Step, Trouble> {
        let prepared = tokio::select! {
            prepared = self.prepare() => prepared,
            () = patience_ends(stop), if self.in_hand.is_none() => {
                self.store.disconnect();
                return Ok(Step::Idle);
            }
        };
        if let Err(trouble) = prepared {
            // What is committed needs the table no more.
            self.settle().await?;
            return Err(trouble);
        }
        if self.in_hand.is_none() {
            self.in_hand = match self.next_claim(stop).await? {
                Ok(claim) => Some(claim),
                Err(step) => return Ok(step),
            };
        }
        let (outcome, events) = match self.look_up().await? {
            Doubt::Committed(outcome, events) => (outcome, events),
            Doubt::None | Doubt::NotYet => self.commit().await?,
            Doubt::Never => return Err(Fault::Fenced.into()),
        };
        let tally = outcome.tally();
        tracing::debug!(
            claim.seq = self.in_hand.as_ref().map(|claim| claim.seq),
            rows = tally.rows,
            first_id = outcome.first_id(),
            "committed"
        );
        self.set_behind(outcome, events);
        // Under load the settling overlaps the next insert; on a quiet queue nobody should wait for it.
        if self.ahead.is_none() {
            self.settle().await?;
        }
        Ok(Step::Did(tally))
    }

    /// Inserts the claim in hand and commits. Meanwhile the claim before is settled, and the next one made.
    async fn commit(&mut self) -> Result<(Outcome, Events), Trouble> {
        let wants_more = self.wants_more().then(|| (self.seq + 1, self.limits()));
        let batch = loop {
            let Some(claim) = &self.in_hand else { return Err(out_of_order()) };
            let Some(Prepared { plan, read, .. }) = &self.prepared else { return Err(out_of_order()) };
            fault::poison(&claim.jobs);
            let most = MOST_VALUES.min(MOST_ROWS * plan.width().max(1));
            let batch = Batch::decode_until(plan, &claim.jobs, most);
            if *read > claim.made || batch.jobs.iter().all(Result::is_ok) {
                break batch;
            }
            // Nothing is rejected by a table of before: people mend one, and send its dead letters back at once.
            drop(batch);
            self.prepared = None;
            self.prepare().await?;
        };
        let Some(claim) = &self.in_hand else { return Err(out_of_order()) };
        let Some(Prepared { plan, events, .. }) = &self.prepared else { return Err(out_of_order()) };
        // What goes back is older than what the next claim would take.
        let next = wants_more.filter(|_| batch.jobs.len() == claim.jobs.len());

        self.store.begin().await?;
        let inserting = insert::insert(&mut self.store, plan, self.route.on_duplicate, &batch);
        let beside = self.settler.beside(&self.queue, &self.worker, &mut self.behind, &mut self.ahead, next);
        let (outcome, beside) = tokio::join!(inserting, beside);
        self.seq = self.ahead.as_ref().map_or(self.seq, |ahead| ahead.seq);
        let outcome = outcome?;
        beside?;
        fault::point("inserted");
        let retried = std::mem::replace(&mut self.in_doubt, true);
        let recorded = outcome.to_text();
        let committing = self.store.commit(&self.worker, &self.route.queue, claim.seq, &recorded);
        // The request leaves first; the events are written while the server commits.
        let (committed, events) =
            tokio::join!(biased; committing, async { events.write(plan, &batch, &outcome) });
        match committed {
            Err(Fault::Fenced) if retried => {
                // The checkpoint says which.
                let refused = "a claim was refused: an attempt before has arrived, or this worker is fenced";
                return Err(Fault::Retry(refused.into()).into());
            }
            Err(Fault::Fenced) => {
                // It was not committed, and is not any more.
                self.in_doubt = false;
                self.store.rollback().await;
                let checkpoint = self.store.checkpoint(&self.worker, &self.route.queue).await?;
                // MariaDB may say of a statement that somebody ends (KILL QUERY) that it has changed no row.
                if checkpoint.is_some_and(|found| !found.fenced && found.claim_seq < claim.seq) {
                    return Err(Fault::Retry("somebody has ended the statement that commits".into()).into());
                }
            }
            _ => {}
        }
        committed?;
        self.in_doubt = false;
        fault::point("committed");
        Ok((outcome, events))
    }

    /// Lays the route over the live schema, unless that was done of late: a table may change in ways that no statement
    /// fails of, to an engine without transactions for one.
    async fn prepare(&mut self) -> Result<(), Trouble> {
        if self.prepared.as_ref().is_none_or(|prepared| prepared.read.elapsed() > SCHEMA_AGE) {
            let read = Instant::now();
            let schema = self.store.schema(&self.route.table).await?;
            let plan = Plan::new(&self.route, &schema, self.settings.max_job_bytes).map_err(Fault::Route)?;
            let events = EventWriter::new(&self.settings.publish.key, &self.route, &plan)
                .map_err(|error| Fault::Route(error.to_string()))?;
            self.prepared = Some(Prepared { plan, events, read });
        }
        Ok(())
    }

    /// Whether it moves on.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How long its claims take.
    pub fn delays(&self) -> &Delays {
        &self.settler.delays
    }

    /// The route's name: its queue.
    pub fn route(&self) -> &str {
        &self.route.queue
    }

    /// Keeps the database's connection from being closed while the queue is quiet.
    pub async fn keep_alive(&mut self, stop: &CancellationToken) {
        tokio::select! {
            // When it is closed nevertheless, the next transaction connects anew.
            _ = self.store.keep_alive() => {}
            () = patience_ends(stop) => self.store.disconnect(),
        }
    }
}

/// How long a worker that is told to end waits for an answer of the database that nothing depends on.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// Returns soon after `stop`: whoever holds nothing waits no longer for a database that hangs.
pub async fn patience_ends(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_PATIENCE).await;
}

/// Only a mistake in the order of the steps above leads here.
fn out_of_order() -> Trouble {
    Fault::Server("a step was taken out of order".into()).into()
}
