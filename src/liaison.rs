//! Between the supervisor, which knows no server, and Redis: what each of its children does beside its work.
//!
//! It takes orders to the supervisor and answers back, writes down what has happened to the children when the
//! supervisor asks it to, and hands on which slots are not ready to where the child tells of itself. Every child does,
//! whatever its role, so a supervisor can be reached as long as one lives.
//!
//! Orders are asked for once a second. They are not waited for with a command that blocks, because Redis would hand an
//! order to a process that is stopped; and not only when the lease is renewed, because that may be as seldom as people
//! configure it.
//!
//! What it does not do: decide anything. Nor does its work depend on it: without Redis it tries again, and is silent,
//! because others tell of that.

use std::{convert::Infallible, time::Duration};

use serde::Serialize;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use crate::{
    control::{Answer, FromChild, FromSupervisor, Happening, Order, Talk, machine_ms},
    emitter::{EmitError, Target},
    queue::{Entry, History, Link, Orders, describe, host},
    route::CLUSTER,
};

/// How often orders are asked for, and how soon what has failed is tried again.
const EVERY: Duration = Duration::from_secs(1);

/// The event by which it is published what happens to processes. The Node cluster's own names stand
/// in its data: socket.io keeps one of them for itself.
const EVENT: &str = "process";

/// One child's talk with its supervisor, and its link to Redis.
pub struct Liaison {
    supervisor: String,
    orders: Orders,
    history: History,
    host: String,
    /// Whom the events of processes are published to.
    cluster: Target,
    talk: Talk,
    /// The supervisor's slots in which nothing is ready, as JSON, for whoever tells of this child in the registry.
    unready: watch::Sender<String>,
}

/// What has happened, with what its supervisor does not say of itself.
#[derive(Debug, Serialize)]
struct Told<'a> {
    host: &'a str,
    supervisor: &'a str,
    #[serde(flatten)]
    happening: &'a Happening,
}

impl Liaison {
    /// For a child of this supervisor, that publishes under this prefix of channels, and tells in the registry what
    /// `unready` says.
    pub fn new(supervisor: Ulid, talk: Talk, link: Link, key: &str, unready: watch::Sender<String>) -> Self {
        Self {
            supervisor: supervisor.to_string(),
            orders: Orders::new(link.clone()),
            history: History::new(link),
            host: host(),
            cluster: Target::new().with_key(key).of(CLUSTER),
            talk,
            unready,
        }
    }

    /// Does it for ever. A child that is to end takes no more orders: it might not live to bring back the answer.
    pub async fn keep(self, stop: CancellationToken) -> Infallible {
        let Self { supervisor, orders, history, host, cluster, talk: Talk { heard, told }, unready } = self;
        let bring = bring(&supervisor, &orders, told.clone(), stop);
        let write =
            Scribe { supervisor: &supervisor, host: &host, cluster, orders: &orders, history, unready };
        tokio::join!(bring, write.keep(heard, told)).1
    }
}

/// Brings orders to the supervisor until `stop`.
async fn bring(supervisor: &str, orders: &Orders, told: mpsc::Sender<FromChild>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // From before the request: what this process is held up for counts.
        let asked = machine_ms();
        match orders.take(supervisor).await {
            Ok(None) => {}
            Ok(Some((order, left))) => match serde_json::from_str::<Order>(&order) {
                Ok(order) => {
                    let until = asked + u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
                    told.send(FromChild::Order { order, until }).await.ok();
                    // There may be more.
                    ticks.reset_immediately();
                }
                Err(error) => tracing::warn!("an order that this version does not know is dropped: {error}"),
            },
            Err(error) => tracing::debug!("cannot ask for orders: {}", describe(&error)),
        }
    }
}

/// Writes to Redis what the supervisor says.
struct Scribe<'a> {
    supervisor: &'a str,
    host: &'a str,
    cluster: Target,
    orders: &'a Orders,
    history: History,
    unready: watch::Sender<String>,
}

impl Scribe<'_> {
    async fn keep(
        &self,
        mut heard: mpsc::Receiver<FromSupervisor>,
        told: mpsc::Sender<FromChild>,
    ) -> Infallible {
        while let Some(word) = heard.recv().await {
            match word {
                FromSupervisor::Answer(answer) => self.answer(&answer).await,
                FromSupervisor::Happened { events } => {
                    self.write(&events).await;
                    let upto = events.last().map_or(0, |last| last.seq);
                    told.send(FromChild::Written { upto }).await.ok();
                }
                FromSupervisor::Unready { slots } => {
                    self.unready.send_replace(serde_json::json!(slots).to_string());
                }
                // That is for the thread that hears it.
                FromSupervisor::Drain => {}
            }
        }
        std::future::pending().await
    }

    /// Whoever asked does not wait for long, so neither does this.
    async fn answer(&self, answer: &Answer) {
        let text = serde_json::json!(answer).to_string();
        for _ in 0..3 {
            match self.orders.answer(answer.order, &text).await {
                Ok(()) => return,
                Err(error) => tracing::debug!("cannot leave an answer: {}", describe(&error)),
            }
            sleep(EVERY).await;
        }
    }

    async fn write(&self, events: &[Happening]) {
        let entries: Vec<Entry> = events.iter().filter_map(|event| self.entry(event)).collect();
        while let Err(error) = self.history.add(self.supervisor, &entries).await {
            tracing::debug!("cannot write what happened: {}", describe(&error));
            sleep(EVERY).await;
        }
    }

    fn entry(&self, happening: &Happening) -> Option<Entry> {
        let told = Told { host: self.host, supervisor: self.supervisor, happening };
        let entry = || -> Result<Entry, EmitError> {
            let message = self.cluster.event(EVENT, &told)?;
            let text = serde_json::json!(told).to_string();
            Ok(Entry { number: happening.seq, text, channel: message.channel, payload: message.payload })
        };
        entry().inspect_err(|error| tracing::warn!("what happened cannot be told: {error}")).ok()
    }
}
