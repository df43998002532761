//! `/metrics`: how the queues stand, who works on them, and what this gateway does, for Prometheus.
//!
//! What is of the whole cluster is read from Redis when it is asked for, so that any gateway can be asked. While Redis
//! is away only the gateway's own numbers are told, and that Redis is away.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use tokio::time::timeout;

use super::adapter::Hub;
use crate::{
    histogram::{self, Histogram},
    queue::{self, Admin, Audit, Link, Member},
};

/// How long Redis may take: less than whoever asks waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the numbers come from.
pub(super) struct Metrics {
    pub(super) redis: Link,
    pub(super) queues: Vec<String>,
    pub(super) hub: Arc<Hub>,
}

/// All numbers of one moment.
#[derive(Debug)]
struct Numbers {
    gateway: Own,
    /// `None` while Redis is away.
    cluster: Option<Cluster>,
}

/// What is of all hosts.
#[derive(Debug)]
struct Cluster {
    queues: Vec<(String, Audit)>,
    workers: Vec<Member>,
}

struct Own {
    hub: Arc<Hub>,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hub.counts.fmt(f)
    }
}

impl Metrics {
    /// The text, in the format OpenMetrics 1.0.
    ///
    /// # Errors
    /// None that is known.
    pub(super) async fn text(&self) -> Result<String, fmt::Error> {
        let cluster = match timeout(PATIENCE, self.cluster()).await {
            Ok(Ok(cluster)) => Some(cluster),
            Ok(Err(error)) => {
                tracing::debug!("metrics without the cluster's: {}", queue::describe(&error));
                None
            }
            Err(_) => None,
        };
        let gateway = Own { hub: self.hub.clone() };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Numbers { gateway, cluster }));
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }

    async fn cluster(&self) -> redis::RedisResult<Cluster> {
        let mut queues = Vec::new();
        for name in &self.queues {
            queues.push((name.clone(), Admin::new(name, self.redis.clone()).audit().await?));
        }
        Ok(Cluster { queues, workers: queue::Registry::new(self.redis.clone()).members().await? })
    }
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfQueue {
    queue: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfState {
    queue: String,
    state: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfOutcome {
    queue: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfWorker {
    host: String,
    slot: String,
    worker: String,
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.gateway.encode(&mut encoder)?;
        let up = i64::from(self.cluster.is_some());
        single_gauge(&mut encoder, "rowcast_redis_up", "Whether Redis could be asked, 1 or 0.", up)?;
        let Some(Cluster { queues, workers }) = &self.cluster else { return Ok(()) };
        encode_queues(&mut encoder, queues)?;
        encode_workers(&mut encoder, workers)
    }
}

impl Own {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let ((clients, rooms), counts) = (self.hub.size(), &self.hub.counts);
        let help = "Clients that are connected, in all namespaces.";
        single_gauge(encoder, "rowcast_gateway_clients", help, clients as i64)?;
        let help = "Rooms with a client in them, each client's own room aside.";
        single_gauge(encoder, "rowcast_gateway_rooms", help, rooms as i64)?;
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
                "Rows read back for all after Redis was away.",
                &counts.repaired,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count.get()).encode(metric)?;
        }
        Ok(())
    }
}

fn encode_queues(encoder: &mut DescriptorEncoder<'_>, queues: &[(String, Audit)]) -> fmt::Result {
    let of = |queue: &String| OfQueue { queue: queue.clone() };
    let jobs = queues.iter().flat_map(|(queue, audit)| {
        let states = [
            ("waiting", audit.waiting),
            ("in_flight", audit.in_flight),
            ("suspect", audit.suspects),
            ("dead", audit.dead_letters),
        ];
        states.map(|(state, jobs)| (OfState { queue: queue.clone(), state }, jobs as i64))
    });
    gauge(encoder, "rowcast_queue_jobs", "Jobs by where they are now.", None, jobs)?;
    let paused = queues.iter().map(|(queue, audit)| (of(queue), i64::from(audit.paused)));
    gauge(encoder, "rowcast_queue_paused", "Whether the queue is paused, 1 or 0.", None, paused)?;
    let ages =
        queues.iter().map(|(queue, audit)| (of(queue), audit.oldest_claim_ms.unwrap_or(0) as f64 / 1_000.0));
    let help = "Age of the oldest open claim; 0 without one.";
    gauge(encoder, "rowcast_queue_oldest_claim_age", help, Some(&Unit::Seconds), ages)?;
    let jobs = queues.iter().flat_map(|(queue, audit)| {
        let outcomes = [
            ("inserted", audit.inserted),
            ("duplicate", audit.duplicate),
            ("dead", audit.dead),
            ("handed_back", audit.handed_back),
        ];
        outcomes.map(|(outcome, jobs)| (OfOutcome { queue: queue.clone(), outcome }, jobs))
    });
    counter(encoder, "rowcast_jobs", "Claimed jobs by what became of them.", jobs)?;
    counter(
        encoder,
        "rowcast_rows",
        "Rows inserted.",
        queues.iter().map(|(queue, audit)| (of(queue), audit.rows)),
    )
}

fn field(member: &Member, name: &str) -> String {
    member.fields.get(name).cloned().unwrap_or_default()
}

fn of(member: &Member) -> OfWorker {
    OfWorker { host: field(member, "host"), slot: field(member, "slot"), worker: member.id.clone() }
}

/// What the workers tell of themselves in a histogram.
fn told(members: &[Member], name: &str, bounds: &'static [f64]) -> Vec<(OfWorker, Histogram)> {
    let of = |member| Some((of(member), Histogram::parse(bounds, &field(member, name))?));
    members.iter().filter_map(of).collect()
}

fn encode_workers(encoder: &mut DescriptorEncoder<'_>, members: &[Member]) -> fmt::Result {
    let number = |member: &Member, name: &str| field(member, name).parse::<i64>().unwrap_or(0);
    let alive = || members.iter().filter(|member| !member.fields.is_empty());
    let waits = alive().map(|member| (of(member), i64::from(!field(member, "waiting").is_empty())));
    let help = "Whether the worker waits for a server or for its table, 1 or 0; one that is gone is missing.";
    gauge(encoder, "rowcast_worker_waiting", help, None, waits)?;
    let memory = alive().map(|member| (of(member), number(member, "memory")));
    gauge(encoder, "rowcast_worker_memory", "Resident memory.", Some(&Unit::Bytes), memory)?;
    let sizes = "Rows of the claims that the worker has committed.";
    histogram(encoder, "rowcast_claim_rows", sizes, None, told(members, "claim_rows", histogram::ROWS))?;
    let times = "How long the worker had its claims in hand until they were committed.";
    let seconds = told(members, "claim_seconds", histogram::SECONDS);
    histogram(encoder, "rowcast_claim_duration", times, Some(&Unit::Seconds), seconds)?;
    let since = alive().map(|member| (of(member), number(member, "since") as f64 / 1_000.0));
    gauge(encoder, "rowcast_worker_start_time", "When it began, since 1970.", Some(&Unit::Seconds), since)
}

trait Number: prometheus_client::encoding::EncodeGaugeValue + Copy + Send + Sync + fmt::Debug + 'static {}
impl Number for i64 {}
impl Number for f64 {}

fn single_gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn gauge<L: EncodeLabelSet, N: Number>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    values: impl IntoIterator<Item = (L, N)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn histogram<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    values: Vec<(L, Histogram)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
    for (labels, value) in values {
        let mut metric = metric.encode_family(&labels)?;
        metric.encode_histogram::<[(&str, &str); 0]>(value.sum(), value.count(), &value.buckets(), None)?;
    }
    Ok(())
}

fn counter<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (L, u64)>,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
