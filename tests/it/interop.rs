//! What the emitter publishes reaches real socket.io clients of a real Node server with the Redis adapter.

#![allow(clippy::unwrap_used, reason = "in a test's own helper the panic is the report")]

mod official;

use std::process::Stdio;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rowcast::emitter::{ColumnName, Emitter, RowEvents, Scalar};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::support::{PATIENCE, own_redis, redis_connection};

pub(crate) const INTEROP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

/// Says what to install when Node, its packages or the built client are missing.
pub(crate) fn require_node() {
    let install = "the tests with real socket.io packages need Node (apt-get install nodejs npm), its packages, and \
                   the built client; run `scripts/install-tools test`";
    for needed in ["node_modules/socket.io", "node_modules/playwright-core", "../../client/dist/index.js"] {
        assert!(std::path::Path::new(INTEROP).join(needed).exists(), "{install}");
    }
    std::process::Command::new("node").arg("--version").output().expect(install);
}

/// A program of `tests/interop`: what it prints, and what it is told.
pub(crate) struct Node {
    lines: Lines<BufReader<ChildStdout>>,
    /// The Node process ends when this is closed.
    stdin: ChildStdin,
    process: Child,
}

impl Node {
    /// The server of `server.mjs`. Returns when all its clients are in their rooms.
    pub(crate) async fn start(redis_url: &str, args: &[&str]) -> Self {
        let mut node = Self::spawn("server.mjs", &[&[redis_url], args].concat());
        let ready = node.line().await;
        assert!(ready["ready"].is_u64(), "the Node server did not get ready: {ready}");
        node
    }

    /// Starts a program; what it prints first is still to be read.
    pub(crate) fn spawn(program: &str, args: &[&str]) -> Self {
        require_node();
        let mut command = Command::new("node");
        command.arg(program).args(args);
        Self::of(command)
    }

    /// Starts any command there that speaks in the same way.
    pub(crate) fn of(mut command: Command) -> Self {
        let mut process = command
            .current_dir(INTEROP)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { lines, stdin: process.stdin.take().unwrap(), process }
    }

    /// Tells the process something, on a line of its own.
    pub(crate) async fn tell(&mut self, what: impl std::fmt::Display) {
        self.stdin.write_all(format!("{what}\n").as_bytes()).await.unwrap();
    }

    /// Stops the whole process, until [`Node::go_on_reading`].
    pub(crate) fn stop_reading(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub(crate) fn go_on_reading(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().unwrap() as i32), signal).unwrap();
    }

    /// The next line that the Node process prints.
    pub(crate) async fn line(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("the Node process printed nothing")
            .unwrap();
        serde_json::from_str(&line.expect("the Node process died; its error is above")).unwrap()
    }

    /// So many lines, sorted: clients of different rooms have no order among each other.
    pub(crate) async fn sorted(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..count {
            lines.push(self.line().await.to_string());
        }
        lines.sort();
        lines
    }

    /// Exactly these clients got the event, each once, and no other line came before the marker that is sent after it.
    pub(crate) async fn only(&mut self, clients: &[&str], event: &str, args: Value) {
        let mut expected: Vec<String> = clients
            .iter()
            .map(|client| json!({"client": client, "event": event, "args": args}).to_string())
            .collect();
        expected.sort();
        assert_eq!(self.sorted(clients.len()).await, expected);
    }
}

const ALL: [&str; 5] = ["/#", "/#room1", "/#room2", "/#room1,room2", "/#42"];

pub(crate) async fn emitter(redis_url: &str) -> Emitter<redis::aio::MultiplexedConnection> {
    Emitter::new(redis_connection(redis_url).await)
}

#[tokio::test]
async fn clients_of_a_node_server_get_what_is_meant_for_their_rooms_once_and_nothing_else() {
    let redis = own_redis(&[]).await;
    let mut node = Node::start(&redis.url(), &[&ALL[..], &["/chat#room1"]].concat()).await;
    let emitter = emitter(&redis.url()).await;

    // Each client gets what comes on one connection in order, so an unexpected event would show as the next line.
    let data = json!({"id": 1, "name": "é🚀", "nested": [1.5, null, {"deep": true}], "big": 9_007_199_254_740_993_i64});
    let received =
        json!([{"id": 1, "name": "é🚀", "nested": [1.5, null, {"deep": true}], "big": "9007199254740993"}]);
    assert_eq!(emitter.emit("hello", &data).await.unwrap(), 1, "one server listens");
    node.only(&ALL, "hello", received).await;

    emitter.to("room1").emit_args("args", &(1, "two", [3, 4])).await.unwrap();
    node.only(&["/#room1", "/#room1,room2"], "args", json!([1, "two", [3, 4]])).await;

    emitter.to(["room1", "room2"]).emit("union", &0).await.unwrap();
    node.only(&["/#room1", "/#room2", "/#room1,room2"], "union", json!([0])).await;

    emitter.except("room2").emit("except", &0).await.unwrap();
    node.only(&["/#", "/#room1", "/#42"], "except", json!([0])).await;

    emitter.to("room1").except("room2").volatile().compress(false).emit("both", &0).await.unwrap();
    node.only(&["/#room1"], "both", json!([0])).await;

    emitter.to(42).emit("number", &0).await.unwrap();
    node.only(&["/#42"], "number", json!([0])).await;

    emitter.of("chat").to("room1").emit_args("chat", &()).await.unwrap();
    node.only(&["/chat#room1"], "chat", json!([])).await;

    emitter.to("nobody").emit("lost", &0).await.unwrap();
    emitter.with_key("other").emit("lost", &0).await.unwrap();
    emitter.emit("end", &0).await.unwrap();
    node.only(&ALL, "end", json!([0])).await;
}

#[tokio::test]
async fn a_node_server_joins_leaves_disconnects_and_hears_what_it_is_asked() {
    let redis = own_redis(&[]).await;
    let mut node = Node::start(&redis.url(), &["--key", "myapp", "--on", "reload", "/#a", "/#b"]).await;
    let emitter = emitter(&redis.url()).await.with_key("myapp");

    emitter.to("a").sockets_join(["new", "newer"]).await.unwrap();
    emitter.to("newer").emit("joined", &0).await.unwrap();
    node.only(&["/#a"], "joined", json!([0])).await;

    emitter.to("new").sockets_leave("newer").await.unwrap();
    emitter.to(["newer", "b"]).emit("left", &0).await.unwrap();
    node.only(&["/#b"], "left", json!([0])).await;

    emitter.server_side_emit("reload", &("cfg", json!({"n": 1.0}))).await.unwrap();
    assert_eq!(node.line().await, json!({"server": "/", "event": "reload", "args": ["cfg", {"n": 1}]}));

    emitter.except("a").disconnect_sockets(true).await.unwrap();
    let gone = node.line().await;
    assert_eq!(gone["client"], "/#b");
    assert!(gone["disconnected"].is_string(), "{gone}");
    emitter.emit("end", &0).await.unwrap();
    node.only(&["/#a"], "end", json!([0])).await;
}

#[tokio::test]
async fn rows_of_the_hot_path_reach_clients_with_every_kind_of_value() {
    let redis = own_redis(&[]).await;
    let mut node = Node::start(&redis.url(), &["/#pre_qqaccount", "/#account:7", "/#"]).await;
    let mut connection = redis_connection(&redis.url()).await;

    let events = RowEvents::new("socket.io", "/", "row", "pre_qqaccount").unwrap();
    let names = ["accountid", "price", "document", "photo", "text", "gone"].map(ColumnName::new);
    let values = [
        Scalar::UInt(u64::MAX),
        Scalar::Str("12.50"),
        Scalar::Json(r#"{"n": 12345678901234567890, "list": [1.0, "\ud83d\ude80"]}"#),
        Scalar::Bin(&[0, 255]),
        Scalar::Str("日本語"),
        Scalar::Nil,
    ];
    let mut published = async |rooms: &[&str]| {
        let mut payload = Vec::new();
        events.encode(&mut payload, Scalar::Int(5), names.iter().zip(values), rooms).unwrap();
        let channel = events.channel(rooms);
        redis::cmd("PUBLISH").arg(&*channel).arg(payload).query_async::<u64>(&mut connection).await.unwrap();
    };
    let received = json!([{"table": "pre_qqaccount", "id": 5, "row": {
        "accountid": "18446744073709551615",
        "price": "12.50",
        "document": {"n": "12345678901234567890", "list": [1, "🚀"]},
        "photo": {"type": "Buffer", "data": [0, 255]},
        "text": "日本語",
        "gone": null,
    }}]);

    published(&["account:7"]).await;
    node.only(&["/#account:7"], "row", received.clone()).await;
    published(&["pre_qqaccount", "account:7"]).await;
    node.only(&["/#pre_qqaccount", "/#account:7"], "row", received.clone()).await;
    published(&[]).await;
    node.only(&["/#pre_qqaccount", "/#account:7", "/#"], "row", received).await;
}
