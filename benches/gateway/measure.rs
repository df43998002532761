//! What is measured of a server, each time of a new one.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use redis::aio::MultiplexedConnection;
use rowcast::{emitter::Target, memory::resident_bytes};
use serde::Serialize;

use crate::{
    crowd::Crowd,
    figures::{cpu, percentile},
    server::{Kind, Server},
};

const ROOM: &str = "account:7";
/// How long the load is held before it counts: what is compiled at run time is compiled then.
const WARM_UP: Duration = Duration::from_secs(2);
/// Connections that wait, and how long until memory is at rest.
const IDLE: usize = 5_000;
const REST: Duration = Duration::from_secs(3);
/// Messages a second that no client wants.
const UNWANTED: u64 = 10_000;

/// The Redis that all are on, and how long each load is held.
pub(crate) struct Bench {
    pub(crate) redis: String,
    pub(crate) length: Duration,
}

/// What deliveries cost, and how long they took.
pub(crate) struct Delivery {
    /// Microseconds of the server's CPU time for each.
    pub(crate) cpu: f64,
    /// Milliseconds from PUBLISH to the client.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// CPU time of the clients and the publisher, of a core's.
    pub(crate) clients_busy: f64,
}

/// About what a worker publishes for a row.
#[derive(Serialize)]
struct Row {
    /// Microseconds since the clock began.
    at: u64,
    table: &'static str,
    id: u64,
    row: Columns,
}

#[derive(Serialize)]
struct Columns {
    accountid: u64,
    openid: &'static str,
    total: &'static str,
    placed_at: &'static str,
}

impl Bench {
    /// All clients are in the room that is published to.
    pub(crate) async fn deliver(&self, kind: Kind, clients: usize, rate: u64) -> Result<Delivery> {
        let mut publisher = Publisher::new(&self.redis).await?;
        let server = Server::start(kind, &self.redis)?;
        let crowd = Crowd::gather(&server.address, ROOM, clients, publisher.started)?;
        publisher.is_heard().await?;
        let warm = publisher.publish(ROOM, rate, WARM_UP).await?;
        crowd.hears(warm * clients as u64).await?;
        crowd.delays();
        let (pid, own) = (server.pid(), std::process::id());
        let (before, clients_before, began) = (cpu(pid)?, cpu(own)?, Instant::now());
        let sent = publisher.publish(ROOM, rate, self.length).await?;
        crowd.hears((warm + sent) * clients as u64).await?;
        let (after, clients_after, took) = (cpu(pid)?, cpu(own)?, began.elapsed());
        let delays = crowd.delays();
        ensure!(delays.len() as u64 == sent * clients as u64, "not every delay was measured");
        Ok(Delivery {
            cpu: (after - before).as_secs_f64() * 1e6 / delays.len() as f64,
            p50: percentile(&delays, 50),
            p99: percentile(&delays, 99),
            clients_busy: (clients_after - clients_before).as_secs_f64() / took.as_secs_f64(),
        })
    }

    /// Microseconds of CPU time for each message to a room that nobody is in. One client is in another.
    pub(crate) async fn unwanted(&self, kind: Kind) -> Result<f64> {
        let mut publisher = Publisher::new(&self.redis).await?;
        let server = Server::start(kind, &self.redis)?;
        let crowd = Crowd::gather(&server.address, ROOM, 1, publisher.started)?;
        publisher.is_heard().await?;
        publisher.publish("nobody", UNWANTED, WARM_UP).await?;
        // Messages come in order: when it hears this one, those before are done.
        publisher.publish_one(ROOM).await?;
        crowd.hears(1).await?;
        let before = cpu(server.pid())?;
        let sent = publisher.publish("nobody", UNWANTED, self.length).await?;
        publisher.publish_one(ROOM).await?;
        crowd.hears(2).await?;
        let after = cpu(server.pid())?;
        Ok((after - before).as_secs_f64() * 1e6 / sent as f64)
    }

    /// Kilobytes of resident memory for each connection that waits for messages of one room.
    pub(crate) async fn memory(&self, kind: Kind) -> Result<f64> {
        let server = Server::start(kind, &self.redis)?;
        // The first ones bring what is made once.
        let _few = Crowd::gather(&server.address, ROOM, 100, Instant::now())?;
        tokio::time::sleep(REST).await;
        let before = resident_bytes(server.pid());
        let _many = Crowd::gather(&server.address, ROOM, IDLE, Instant::now())?;
        tokio::time::sleep(REST).await;
        let more = resident_bytes(server.pid()).saturating_sub(before);
        Ok(more as f64 / IDLE as f64 / 1e3)
    }
}

struct Publisher {
    redis: MultiplexedConnection,
    started: Instant,
    next: u64,
}

impl Publisher {
    async fn new(url: &str) -> Result<Self> {
        let redis = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        Ok(Self { redis, started: Instant::now(), next: 0 })
    }

    /// Waits until the server hears Redis.
    async fn is_heard(&mut self) -> Result<()> {
        let began = Instant::now();
        // What is for several rooms, whichever rooms the server hears.
        while self.send(&["nobody", "nowhere"], 1).await? == 0 {
            ensure!(began.elapsed() < Duration::from_secs(20), "the server does not hear Redis");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Publishes at a steady pace, and returns how many messages.
    async fn publish(&mut self, room: &str, rate: u64, length: Duration) -> Result<u64> {
        // No finer than a thousandth of a second.
        let each = rate.div_ceil(1_000);
        let ticks = length.as_secs() * rate / each;
        let mut clock = tokio::time::interval(Duration::from_secs(1) * each as u32 / rate as u32);
        for _ in 0..ticks {
            clock.tick().await;
            self.send(&[room], each).await?;
        }
        Ok(ticks * each)
    }

    async fn publish_one(&mut self, room: &str) -> Result<()> {
        self.send(&[room], 1).await?;
        Ok(())
    }

    /// How many servers heard the last of them.
    async fn send(&mut self, rooms: &[&str], count: u64) -> Result<u64> {
        let mut messages = redis::pipe();
        for _ in 0..count {
            self.next += 1;
            let columns = Columns {
                accountid: 7,
                openid: "stamp of this one",
                total: "12.50",
                placed_at: "2026-11-20T10:00:00Z",
            };
            let at = u64::try_from(self.started.elapsed().as_micros())?;
            let row = Row { at, table: "pre_qqaccount", id: self.next, row: columns };
            let message = Target::new().to(rooms.to_vec()).event("row", &row)?;
            messages.cmd("PUBLISH").arg(message.channel).arg(message.payload);
        }
        let heard: Vec<u64> = messages.query_async(&mut self.redis).await?;
        Ok(heard.last().copied().unwrap_or(0))
    }
}
