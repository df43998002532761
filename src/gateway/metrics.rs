//! `/metrics`: how the queues stand, who works on them, and what this gateway does, for Prometheus.
//!
//! What is of the whole cluster is read from Redis when it is asked for, so that any gateway can be asked. While Redis
//! is away only the gateway's own numbers are told, and that Redis is away.

mod family;

use std::{collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::{adapter::Hub, lines::Lines};
use crate::{
    histogram::{self, Histogram},
    queue::{Audit, Member},
    status::Cluster,
};
use family::{Family, Text};

/// All numbers of one moment.
pub(super) struct Numbers {
    pub(super) hub: Arc<Hub>,
    pub(super) lines: Arc<Lines>,
    /// `None` while Redis is away.
    pub(super) cluster: Option<Cluster>,
    /// For how long each queue has not been seen empty, in milliseconds.
    pub(super) waiting: BTreeMap<String, u64>,
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hub.counts.fmt(f)
    }
}

impl Numbers {
    /// The text, in the format OpenMetrics 1.0.
    ///
    /// # Errors
    /// None that is known.
    pub(super) fn text(self) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }

    fn encode_own(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let ((clients, rooms), counts) = (self.hub.size(), &self.hub.counts);
        for (name, help, number) in [
            ("rowcast_gateway_connections", "TCP connections that are open.", self.lines.open()),
            ("rowcast_gateway_clients", "Clients that are connected, in all namespaces.", clients),
            ("rowcast_gateway_rooms", "Rooms with a client in them, each client's own room aside.", rooms),
        ] {
            Family::new(name, help).one(encoder, ConstGauge::new(number as i64))?;
        }
        for (name, help, count) in [
            ("rowcast_gateway_messages_heard", "Messages heard on the channels.", &counts.heard),
            ("rowcast_gateway_messages_wanted", "Messages that somebody here wanted.", &counts.wanted),
            ("rowcast_gateway_messages_ignored", "Messages that were not understood.", &counts.ignored),
            (
                "rowcast_gateway_clients_dropped",
                "Clients dropped because they did not read.",
                &counts.dropped,
            ),
            ("rowcast_gateway_rows_replayed", "Rows read back for clients that caught up.", &counts.replayed),
            (
                "rowcast_gateway_rows_repaired",
                "Rows read back for all after they were missed.",
                &counts.repaired,
            ),
        ] {
            Family::new(name, help).one(encoder, ConstCounter::new(count.get()))?;
        }
        let up = ConstGauge::new(i64::from(self.cluster.is_some()));
        Family::new("rowcast_redis_up", "Whether Redis could be asked, 1 or 0.").one(encoder, up)
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfQueue {
    queue: Text,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfState {
    queue: Text,
    state: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfOutcome {
    queue: Text,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfWorker {
    host: Text,
    slot: Text,
    worker: Text,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord, EncodeLabelSet)]
struct OfSlot {
    role: &'static str,
    host: Text,
    slot: Text,
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.encode_own(&mut encoder)?;
        let Some(cluster) = &self.cluster else { return Ok(()) };
        // One whose lists cannot be read has no numbers.
        let read =
            cluster.queues.iter().filter_map(|(lane, audit)| Some((&*lane.queue, audit.as_ref().ok()?)));
        encode_queues(&mut encoder, &read.collect::<Vec<_>>())?;
        encode_waiting(&mut encoder, &self.waiting)?;
        encode_workers(&mut encoder, &cluster.workers)?;
        encode_restarts(&mut encoder, cluster)
    }
}

fn encode_queues(encoder: &mut DescriptorEncoder<'_>, queues: &[(&str, &Audit)]) -> fmt::Result {
    let text = |queue: &str| Text(queue.to_owned());
    let of = |queue: &str| OfQueue { queue: text(queue) };
    let jobs = queues.iter().flat_map(|(queue, audit)| {
        let states = [
            ("waiting", audit.waiting),
            ("in_flight", audit.in_flight),
            ("suspect", audit.suspects),
            ("dead", audit.dead_letters),
        ];
        states.map(|(state, jobs)| (OfState { queue: text(queue), state }, ConstGauge::new(jobs as i64)))
    });
    Family::new("rowcast_queue_jobs", "Jobs by where they are now.").each(encoder, jobs)?;
    let paused = queues.iter().map(|(queue, audit)| (of(queue), ConstGauge::new(i64::from(audit.paused))));
    Family::new("rowcast_queue_paused", "Whether the queue is paused, 1 or 0.").each(encoder, paused)?;
    let age = |audit: &Audit| audit.oldest_claim_ms.unwrap_or(0) as f64 / 1_000.0;
    let ages = queues.iter().map(|(queue, audit)| (of(queue), ConstGauge::new(age(audit))));
    Family::new("rowcast_queue_oldest_claim_age", "Age of the oldest open claim; 0 without one.")
        .in_unit(Unit::Seconds)
        .each(encoder, ages)?;
    let jobs = queues.iter().flat_map(|(queue, audit)| {
        let outcomes = [
            ("inserted", audit.inserted),
            ("duplicate", audit.duplicate),
            ("dead", audit.dead),
            ("handed_back", audit.handed_back),
        ];
        outcomes.map(|(outcome, jobs)| (OfOutcome { queue: text(queue), outcome }, ConstCounter::new(jobs)))
    });
    Family::new("rowcast_jobs", "Claimed jobs by what became of them.").each(encoder, jobs)?;
    let rows = queues.iter().map(|(queue, audit)| (of(queue), ConstCounter::new(audit.rows)));
    Family::new("rowcast_rows", "Rows inserted.").each(encoder, rows)
}

fn encode_waiting(encoder: &mut DescriptorEncoder<'_>, queues: &BTreeMap<String, u64>) -> fmt::Result {
    let ages = queues
        .iter()
        .map(|(queue, ms)| (OfQueue { queue: Text(queue.clone()) }, ConstGauge::new(*ms as f64 / 1_000.0)));
    let help = "For how long this gateway has seen jobs wait and the queue never empty; 0 when it was.";
    Family::new("rowcast_queue_waiting_age", help).in_unit(Unit::Seconds).each(encoder, ages)
}

fn field(member: &Member, name: &str) -> String {
    member.fields.get(name).cloned().unwrap_or_default()
}

fn label(member: &Member, name: &str) -> Text {
    Text(field(member, name))
}

fn of(member: &Member) -> OfWorker {
    OfWorker { host: label(member, "host"), slot: label(member, "slot"), worker: Text(member.id.clone()) }
}

fn encode_workers(encoder: &mut DescriptorEncoder<'_>, members: &[Member]) -> fmt::Result {
    let number = |member: &Member, name: &str| field(member, name).parse::<i64>().unwrap_or(0);
    let alive = || members.iter().filter(|member| !member.fields.is_empty());
    let waits = |member: &Member| ConstGauge::new(i64::from(!field(member, "waiting").is_empty()));
    let help = "Whether the worker waits for a server or for its table, 1 or 0; one that is gone is missing.";
    Family::new("rowcast_worker_waiting", help)
        .each(encoder, alive().map(|member| (of(member), waits(member))))?;
    let memory = alive().map(|member| (of(member), ConstGauge::new(number(member, "memory"))));
    Family::new("rowcast_worker_memory", "Resident memory.").in_unit(Unit::Bytes).each(encoder, memory)?;
    let told = |name, bounds| {
        let told = move |member| Some((of(member), Histogram::parse(bounds, &field(member, name))?));
        members.iter().filter_map(told)
    };
    Family::new("rowcast_claim_rows", "Rows of the claims that the worker has committed.")
        .each(encoder, told("claim_rows", histogram::ROWS))?;
    for (name, help, field) in [
        (
            "rowcast_claim_duration",
            "How long the worker's claims took, from the moment their jobs were claimed until the database had answered COMMIT.",
            "commit_seconds",
        ),
        (
            "rowcast_claim_publish_duration",
            "How long the worker's claims took, from the moment their jobs were claimed until they were settled and their rows published.",
            "publish_seconds",
        ),
    ] {
        Family::new(name, help).in_unit(Unit::Seconds).each(encoder, told(field, histogram::SECONDS))?;
    }
    let since = |member| ConstGauge::new(number(member, "since") as f64 / 1_000.0);
    Family::new("rowcast_worker_start_time", "When it began, since 1970.")
        .in_unit(Unit::Seconds)
        .each(encoder, alive().map(|member| (of(member), since(member))))
}

/// By slot, because a process is gone when it has been replaced. While one replaces another there are two in it: the
/// newer one knows.
fn encode_restarts(encoder: &mut DescriptorEncoder<'_>, cluster: &Cluster) -> fmt::Result {
    let of_role = |role, members: &'_ [Member]| -> Vec<(OfSlot, u64)> {
        let told = members.iter().filter_map(|member| {
            let restarts = field(member, "restarts").parse().ok()?;
            Some((OfSlot { role, host: label(member, "host"), slot: label(member, "slot") }, restarts))
        });
        told.collect()
    };
    let mut slots: BTreeMap<OfSlot, u64> = BTreeMap::new();
    for (slot, restarts) in
        of_role("worker", &cluster.workers).into_iter().chain(of_role("gateway", &cluster.gateways))
    {
        let most = slots.entry(slot).or_default();
        *most = restarts.max(*most);
    }
    let help = "Processes that a supervisor has started in a slot in the place of another, for whatever reason; told \
                by the one that is there now.";
    let restarts = slots.into_iter().map(|(slot, restarts)| (slot, ConstCounter::new(restarts)));
    Family::new("rowcast_restarts", help).each(encoder, restarts)
}
