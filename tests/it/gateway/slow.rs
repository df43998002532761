//! Clients that do not read, and clients that have vanished.

use std::{
    fs,
    time::{Duration, Instant},
};

use base64::Engine as _;
use redis::cmd;
use rowcast::emitter::Target;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::{Gateway, event, publisher, raw::text_frame, transport_changed};
use crate::interop::Node;
use crate::support::{Env, PATIENCE, eventually, within};

/// A WebSocket client that reads nothing once it is connected.
pub(super) struct Stuck {
    stream: TcpStream,
}

impl Stuck {
    pub(super) async fn connect(gateway: &Gateway) -> Self {
        let mut stuck = Self::open(gateway).await;
        stuck.read_until("40{\"sid\":").await;
        stuck
    }

    /// Asks to be connected. What it is answered is still to be read.
    pub(super) async fn open(gateway: &Gateway) -> Self {
        Self::open_with(gateway, &json!({})).await
    }

    /// As [`Stuck::open`], with what it sends as its `auth`.
    pub(super) async fn open_with(gateway: &Gateway, auth: &Value) -> Self {
        let mut stuck = Self { stream: upgraded(gateway, 4).await };
        stuck.send(&text_frame(&format!("40{auth}"))).await;
        stuck
    }

    pub(super) async fn read_until(&mut self, text: &str) {
        let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
        while !heard.windows(text.len()).any(|bytes| bytes == text.as_bytes()) {
            let count = self.stream.read(&mut buffer).await.unwrap();
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&buffer[..count]);
        }
    }
}

impl Stuck {
    /// Sends bytes, as far as the server takes them.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.ok();
    }

    /// Waits for the end of the connection, and returns what came before it.
    pub(super) async fn ends(&mut self) -> String {
        let mut rest = Vec::new();
        within(PATIENCE, "the end of the connection", self.stream.read_to_end(&mut rest)).await.ok();
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// A connection that asks for WebSocket and a session of this version of engine.io.
pub(super) async fn upgraded(gateway: &Gateway, version: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Little fits into its side of the connection.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(gateway.address.parse().unwrap()).await.unwrap();
    let key = base64::engine::general_purpose::STANDARD.encode([7; 16]);
    let request = format!(
        "GET /socket.io/?EIO={version}&transport=websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Publishes so many messages of 10 kB to everybody, numbered from 0.
pub(super) async fn fill(env: &Env, count: usize) {
    let mut redis = env.redis_connection().await;
    let padding = "x".repeat(10_000);
    for first in (0..count).step_by(100) {
        let mut pipeline = redis::pipe();
        for number in first..count.min(first + 100) {
            let message = Target::new().event_args("fill", &(number, &padding)).unwrap();
            pipeline.add_command(cmd("PUBLISH").arg(message.channel).arg(message.payload).clone()).ignore();
        }
        pipeline.query_async::<()>(&mut redis).await.unwrap();
        // Redis cuts off a subscriber that is far behind; here it is the clients that shall be.
        eventually(PATIENCE, "the gateway has taken what was published", async || {
            let mut subscribers = cmd("CLIENT");
            let subscribers = subscribers.arg("LIST").arg("TYPE").arg("pubsub");
            let list: String = subscribers.query_async(&mut redis).await.unwrap();
            if list.contains(" omem=0 ") { Ok(()) } else { Err(list) }
        })
        .await;
    }
}

/// How many connections of clients the process holds open, whatever their state.
pub(super) fn connections(gateway: &Gateway) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", gateway.process.pid())).unwrap();
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let held: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    let port: u16 = gateway.address.rsplit(':').next().unwrap().parse().unwrap();
    let (port, listening) = (format!(":{port:04X}"), "0A");
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = lines.filter(|line| line[1].ends_with(&port) && line[3] != listening);
    ours.filter(|line| held.contains(&format!("socket:[{}]", line[9]))).count()
}

/// Waits until it holds so many.
pub(super) async fn has_connections(gateway: &Gateway, expected: usize) {
    eventually(PATIENCE, &format!("{expected} connections"), async || match connections(gateway) {
        now if now == expected => Ok(()),
        now => Err(now),
    })
    .await;
}

#[tokio::test]
async fn a_client_that_is_too_far_behind_is_dropped_and_the_others_miss_nothing() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", "/#"]).await;
    let mut stuck = Vec::new();
    for _ in 0..5 {
        stuck.push(Stuck::connect(&gateway).await);
    }
    has_connections(&gateway, 6).await;
    // In portions that the reading client has had before the next one, so that only the stuck ones fall behind.
    for portion in 0..5 {
        fill(&env, 1_000).await;
        for number in 0..1_000 {
            let line = node.line().await;
            assert_eq!((&line["event"], &line["args"][0]), (&json!("fill"), &json!(number)), "{portion}");
        }
    }
    let dropped = gateway.process.says("a client that does not read is dropped", 5).await;
    assert_eq!(dropped.len(), 5);
    has_connections(&gateway, 1).await;
    publisher(&env).await.emit("after", &1).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "after", json!([1])));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_gone_within_seconds_even_if_its_queue_is_not_full() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let stuck = Stuck::connect(&gateway).await;
    has_connections(&gateway, 1).await;
    fill(&env, 1_000).await;
    has_connections(&gateway, 0).await;
    assert!(gateway.process.said("a client that does not read").is_empty());
    drop(stuck);
}

#[tokio::test]
async fn a_client_that_was_upgraded_from_polling_is_dropped_as_well() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (mut node, _) = gateway.clients(&["/#"]).await;
    transport_changed(&mut node, "/#").await;
    let reason = stopped_until_dropped(&env, &gateway, &mut node).await;
    assert!(reason.starts_with("transport "), "{reason}");
    // It finds its connection gone, and connects again by itself.
    assert!(node.line().await["connected"].is_string());
    publisher(&env).await.emit("after", &1).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "after", json!([1])));
}

#[tokio::test]
async fn a_client_of_long_polling_is_told_that_it_is_dropped() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (mut node, _) = gateway.clients(&["--transport", "polling", "/#"]).await;
    assert_eq!(stopped_until_dropped(&env, &gateway, &mut node).await, "io server disconnect");
}

/// Stops the clients' process while so much is sent that it is dropped. When it goes on, what it got must have no hole;
/// returns why it was disconnected.
async fn stopped_until_dropped(env: &Env, gateway: &Gateway, node: &mut Node) -> String {
    node.stop_reading();
    fill(env, 6_000).await;
    gateway.process.says("a client that does not read is dropped", 1).await;
    eventually(PATIENCE, "nothing of it is on its way", async || {
        match gateway.number("rowcast_gateway_messages_heard_total").await {
            6_000 => Ok(()),
            heard => Err(heard),
        }
    })
    .await;
    node.go_on_reading();
    for number in 0.. {
        let line = node.line().await;
        if let Some(reason) = line["disconnected"].as_str() {
            return reason.to_owned();
        }
        assert_eq!((&line["event"], &line["args"][0]), (&json!("fill"), &json!(number)));
    }
    unreachable!("it ends with the connection")
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_gone_within_seconds_and_silent_clients_stay() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut clients = Vec::new();
    for (version, transport) in [("4", "websocket"), ("4", "polling"), ("2", "websocket"), ("2", "polling")] {
        let options = ["--version", version, "--transport", transport, "/#"];
        clients.push(gateway.clients(&options).await.0);
    }
    let mut silent = TcpStream::connect(&gateway.address).await.unwrap();
    let mut half = TcpStream::connect(&gateway.address).await.unwrap();
    half.write_all(b"GET /socket.io/?EIO=4").await.unwrap();
    let begun = Instant::now();
    for stream in [&mut silent, &mut half] {
        let mut rest = Vec::new();
        within(PATIENCE, "the end of the connection", stream.read_to_end(&mut rest)).await.unwrap();
    }
    assert!(begun.elapsed() > Duration::from_secs(10), "a slow client has some time");
    // The clients have said nothing by themselves either, but they have answered what they were asked.
    publisher(&env).await.emit("after", &1).await.unwrap();
    for client in &mut clients {
        assert_eq!(client.line().await.to_string(), event("/#", "after", json!([1])));
    }
}
