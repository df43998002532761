//! The gateway: the real program, a real Redis, and real socket.io clients.

mod admin;
mod alerts;
mod anew;
mod api;
mod assets;
mod auth;
mod bodies;
mod catch_up;
mod client;
mod cluster;
mod dashboard;
mod delays;
mod deliver;
mod forms;
mod fuzz;
mod hearing;
mod held;
mod hostile;
mod lifecycle;
mod limits;
mod local;
mod mistaken;
mod pages;
mod programs;
mod protocol;
mod python;
mod raw;
mod rooms;
mod slow;
mod storm;
mod stuck;
mod vectors;

use std::{collections::BTreeMap, process::Stdio};

use redis::aio::MultiplexedConnection;
use rowcast::emitter::Emitter;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    interop::{Node, emitter},
    support::{Env, JSON, PATIENCE, Running, eventually, json_of, post, request_of, status, within},
};

/// A running gateway.
struct Gateway {
    process: Running,
    address: String,
}

impl Gateway {
    /// Returns when it listens; it need not hear Redis yet.
    async fn listening(env: &Env, variables: &[(&str, &str)]) -> Self {
        let own = [("ROWCAST_LISTEN", "127.0.0.1:0"), ("ROWCAST_QUEUE", &*env.queue)];
        Self::running(Running::on(env, "gateway", "", &[&own, variables].concat())).await
    }

    /// Returns when it hears Redis; for the routes of a file, see [`Running::routes`].
    async fn of_routes(env: &Env, routes: &str) -> Self {
        let listen = [("ROWCAST_LISTEN", "127.0.0.1:0")];
        let gateway = Self::running(Running::on(env, "gateway", routes, &listen)).await;
        gateway.ready().await;
        gateway
    }

    async fn running(process: Running) -> Self {
        let address = process.says("listening", 1).await[0]["address"].as_str().unwrap().to_owned();
        Self { process, address }
    }

    /// Returns when it hears Redis.
    async fn start(env: &Env, variables: &[(&str, &str)]) -> Self {
        let gateway = Self::listening(env, variables).await;
        gateway.ready().await;
        gateway
    }

    async fn ready(&self) {
        eventually(PATIENCE, "the gateway is ready", async || match self.get("/readyz").await {
            answer if answer.starts_with("200 ") => Ok(()),
            answer => Err((answer, self.process.log())),
        })
        .await;
    }

    /// The status and the body of a page.
    async fn get(&self, path: &str) -> String {
        let answer = self.request(&format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        format!("{} {body}", status(&answer))
    }

    /// A number of its own among those of `/metrics`.
    async fn number(&self, name: &str) -> u64 {
        let page = self.get("/metrics").await;
        let number = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
    }

    /// How much memory it has ("VmRSS"), or the most it ever had ("VmHWM"), in megabytes.
    fn memory(&self, which: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// What a request is answered with, until the connection ends.
    async fn request(&self, request: &str) -> String {
        request_of(&self.address, request).await
    }

    /// The status and the whole answer to a POST with these lines in its head.
    async fn post(&self, path: &str, head: &str, body: &str) -> (u16, String) {
        post(&self.address, path, head, body).await
    }

    /// The status and the JSON of the answer to a POST of JSON, with these lines more in its head.
    async fn post_json(&self, path: &str, head: &str, body: &str) -> (u16, Value) {
        let (status, answer) = self.post(path, &format!("{JSON}{head}"), body).await;
        (status, json_of(&answer))
    }

    /// Clients of it, and their sockets' ids; see `clients.mjs`.
    async fn clients(&self, args: &[&str]) -> (Node, BTreeMap<String, String>) {
        clients_at(&self.address, args).await
    }
}

/// Clients of whichever gateway listens there.
pub(crate) async fn clients_at(address: &str, args: &[&str]) -> (Node, BTreeMap<String, String>) {
    let url = format!("http://{address}");
    let mut node = Node::spawn("clients.mjs", &[&[url.as_str()], args].concat());
    let ready = node.line().await;
    let ids = serde_json::from_value(ready["ready"].clone());
    (node, ids.unwrap_or_else(|_| panic!("the clients are not connected: {ready}")))
}

impl Gateway {
    /// Clients that have subscribed to the rooms in their names: "/#a,b". In a room of digits only as a number.
    async fn subscribed(&self, specs: &[&str]) -> Node {
        self.subscribed_with(&["--transport", "websocket"], specs).await
    }

    /// As [`Gateway::subscribed`], with options of `clients.mjs`.
    async fn subscribed_with(&self, options: &[&str], specs: &[&str]) -> Node {
        let (mut node, _) = self.clients(&[options, specs].concat()).await;
        for spec in specs {
            let rooms = spec.split_once('#').unwrap().1.split(',').filter(|room| !room.is_empty());
            let rooms: Vec<Value> =
                rooms.map(|room| room.parse::<i64>().map_or(room.into(), Value::from)).collect();
            if !rooms.is_empty() {
                let answer = ask(&mut node, spec, json!(["subscribe", rooms])).await;
                assert_eq!(answer["ok"], true, "{spec}: {answer}");
            }
        }
        node
    }
}

/// Waits until a client that began with polling has gone on to a WebSocket.
async fn transport_changed(node: &mut Node, client: &str) {
    eventually(PATIENCE, "the transport is changed", async || {
        node.tell(json!({"client": client, "transport": true})).await;
        let line = node.line().await;
        if line["transport"] == "websocket" { Ok(()) } else { Err(line) }
    })
    .await;
}

/// What a client's event is answered with.
async fn ask(node: &mut Node, client: &str, emit: Value) -> Value {
    node.tell(json!({"client": client, "emit": emit})).await;
    let line = node.line().await;
    assert_eq!(
        (&line["client"], line["answer"].as_array().map(Vec::len)),
        (&json!(client), Some(1)),
        "{line}"
    );
    line["answer"][0].clone()
}

/// Starts a gateway by a command of the test's own, with its log as JSON; returns it with where it listens.
async fn spawned(env: &Env, command: &mut Command) -> (Child, String) {
    let mut gateway = command
        .env_clear()
        .env("REDIS_URL", &env.redis_url)
        .envs([("ROWCAST_LISTEN", "127.0.0.1:0"), ("ROWCAST_LOG", "json")])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(gateway.stderr.take().unwrap()).lines();
    let line = within(PATIENCE, "it listens", log.next_line()).await.unwrap().unwrap();
    let address = serde_json::from_str::<Value>(&line).unwrap()["address"].as_str().unwrap().to_owned();
    (gateway, address)
}

/// A port that no connection takes while nobody listens on it: below Linux's range for those.
fn free_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(15_000..32_000)).find(free).unwrap()
}

pub(crate) async fn publisher(env: &Env) -> Emitter<MultiplexedConnection> {
    emitter(&env.redis_url).await
}

/// What one of the clients is expected to print for an event.
pub(crate) fn event(client: &str, name: &str, args: Value) -> String {
    json!({"client": client, "event": name, "args": args}).to_string()
}
