//! The server of socket.io's own Admin UI (<https://admin.socket.io>, npm `@socket.io/admin-ui`), at its namespace
//! `/admin`: which servers there are, how many clients each has, and how much comes and goes. The protocol is that of
//! `lib/index.ts` of `@socket.io/admin-ui` 0.5 in its mode `production`.
//!
//! Every gateway publishes its numbers like any other event, so that who is connected to one sees them all; but only
//! while somebody is connected to some gateway, which each asks Redis for. While Redis is away they see the one that
//! they are connected to.
//!
//! What it does not do: name single clients and rooms, or act on them. It counts no bytes that come in, and no event
//! that is volatile.

use std::{
    collections::HashSet,
    convert::Infallible,
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::{Value, json};
use socketioxide::{TransportType, extract::TryData, handler::ConnectHandler, socket::Sid};
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    adapter::{Adapter, Client, Io, whom},
    api::Api,
    doors::Doors,
    packet,
    watchers::{Denied, Watchers},
};
use crate::{
    config::ADMIN_UI as NAMESPACE,
    emitter::Target,
    queue::{Onlookers, host},
};

/// How often numbers are sent, as the official server does.
const EVERY: Duration = Duration::from_secs(2);

/// What it works with.
pub(super) struct Admin {
    pub(super) io: Io,
    pub(super) api: Arc<Api>,
    pub(super) doors: Arc<Doors>,
    pub(super) watchers: Arc<Watchers>,
    pub(super) onlookers: Onlookers,
    pub(super) began: Instant,
    /// Whether the namespace is the Admin UI's, and not one for clients.
    pub(super) served: bool,
}

/// What a client shows the next time instead of the token.
#[derive(Clone)]
struct Pass(String);

/// What is told of a server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    server_id: String,
    hostname: String,
    pid: u32,
    /// In seconds.
    uptime: f64,
    clients_count: u64,
    polling_clients_count: u64,
    aggregated_events: Vec<Aggregate>,
    namespaces: Vec<Namespace>,
}

#[derive(Debug, Serialize)]
struct Aggregate {
    /// In milliseconds since 1970, of a whole second.
    timestamp: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    count: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Namespace {
    name: String,
    sockets_count: u64,
}

/// What was counted up to a time, by the UI's names.
type Totals = [(&'static str, u64); 5];

impl Admin {
    /// Takes the clients of the namespace.
    pub(super) fn handler(self: Arc<Self>) -> impl ConnectHandler<Adapter, (Client,)> {
        let admin = self.clone();
        let welcome = async move |client: Client| admin.welcome(&client);
        welcome.with(async move |client: Client, TryData(auth): TryData<Value>| {
            let pass =
                self.watchers.enter(&client, &auth.unwrap_or_default()).map_err(|denied| match denied {
                    // The UI knows these words by heart.
                    Denied::Nothing | Denied::Wrong => "invalid credentials".to_owned(),
                    denied => denied.to_string(),
                })?;
            if let Some(pass) = pass {
                client.extensions.insert(Pass(pass));
            }
            Ok::<_, String>(())
        })
    }

    /// It is connected: what it is told first.
    fn welcome(&self, client: &Client) {
        let config = json!({ "supportedFeatures": ["AGGREGATED_EVENTS"] });
        let session = client.extensions.get::<Pass>().map(|Pass(pass)| ("session", json!(pass)));
        for (event, data) in session.into_iter().chain([("config", config)]) {
            self.send(event, &data, &[client.id.as_str()]);
        }
    }

    /// Sends to those of this gateway, in these rooms or all.
    fn send(&self, event: &str, data: &impl Serialize, rooms: &[&str]) {
        let nobody: [&str; 0] = [];
        match (self.api.hub.of(NAMESPACE), packet::event(NAMESPACE, event, data)) {
            (Some(adapter), Ok(packet)) => self.watchers.slow.send(&adapter, packet, whom(rooms, &nobody)),
            (_, Err(error)) => tracing::error!(event, "the Admin UI is not told: {error}"),
            (None, _) => {}
        }
    }

    /// Tells numbers, for ever.
    pub(super) async fn keep(&self) -> Infallible {
        if !self.served {
            return pending().await;
        }
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = self.totals();
        loop {
            ticks.tick().await;
            // Also while nobody looks: what is counted is that of the last two seconds.
            let now = self.totals();
            let since = std::mem::replace(&mut before, now);
            let here = self.has_clients();
            let looked = timeout(EVERY, self.onlookers.look(here)).await;
            if !here && !matches!(looked, Ok(Ok(true))) {
                continue;
            }
            let stats = self.stats(&since, &now);
            if !self.publish(&stats).await && here {
                self.send("server_stats", &stats, &[]);
            }
        }
    }

    fn has_clients(&self) -> bool {
        self.io.of(NAMESPACE).is_some_and(|namespace| !namespace.sockets().is_empty())
    }

    /// Tells those of all gateways. Says whether Redis took it.
    async fn publish(&self, stats: &Stats) -> bool {
        let target = Target::new().with_key(&self.api.key).of(NAMESPACE);
        let Ok(message) = target.event("server_stats", stats) else { return false };
        let published = self.api.redis.publish(&message.channel, &message.payload);
        matches!(timeout(EVERY, published).await, Ok(Ok(_)))
    }

    fn totals(&self) -> Totals {
        let (sessions, ever) = self.doors.sessions();
        let counts = &self.api.hub.counts;
        [
            ("rawConnection", ever),
            ("rawDisconnection", ever.saturating_sub(sessions)),
            ("packetsIn", counts.said.get()),
            ("packetsOut", counts.sent.get()),
            ("bytesOut", counts.sent_bytes.get()),
        ]
    }

    fn stats(&self, since: &Totals, now: &Totals) -> Stats {
        let second = OffsetDateTime::now_utc().unix_timestamp().max(0) as u64;
        let more = |((kind, now), (_, since)): (&(&'static str, u64), &(&'static str, u64))| {
            let count = now.saturating_sub(*since);
            (count > 0).then_some(Aggregate { timestamp: second * 1_000, kind, count })
        };
        let (hostname, pid) = (host(), std::process::id());
        let namespaces = self.api.hub.namespaces().into_iter();
        Stats {
            server_id: format!("{hostname}#{pid}"),
            hostname,
            pid,
            uptime: self.began.elapsed().as_secs_f64(),
            clients_count: self.doors.sessions().0,
            polling_clients_count: self.polling(),
            aggregated_events: now.iter().zip(since).filter_map(more).collect(),
            namespaces: namespaces.map(|(name, sockets_count)| Namespace { name, sockets_count }).collect(),
        }
    }

    /// How many clients are on long-polling.
    fn polling(&self) -> u64 {
        let namespaces = self.api.hub.names().into_iter().filter_map(|name| self.io.of(name));
        let all = namespaces.flat_map(|namespace| namespace.sockets());
        let polling = all.filter(|client| client.transport_type() == TransportType::Polling);
        // A client's socket has the same id in every namespace.
        polling.map(|client| client.id).collect::<HashSet<Sid>>().len() as u64
    }
}
