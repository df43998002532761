//! A gateway and a Node server on one Redis: requests reach the clients of both, and neither disturbs the other.

use redis::cmd;
use serde_json::{Value, json};

use super::{Gateway, event, hearing::moved_to, publisher};
use crate::{interop::Node, support::Env};

const CLIENTS: [&str; 4] = ["/#", "/#room1", "/#room1,room2", "/chat#room1"];
const NAMESPACES: (&str, &str) = ("ROWCAST_GATEWAY_NAMESPACES", "/chat");

/// A gateway and a Node server with clients in the same rooms.
struct Cluster {
    env: Env,
    gateway: Gateway,
    ours: Node,
    theirs: Node,
}

impl Cluster {
    async fn start() -> Self {
        let env = Env::new().await;
        let gateway = Gateway::start(&env, &[NAMESPACES]).await;
        let ours = gateway.subscribed(&CLIENTS).await;
        let theirs = Node::start(&env.redis_url, &[&["--on", "reload"], &CLIENTS[..]].concat()).await;
        Self { env, gateway, ours, theirs }
    }

    /// What an expression of the Node process gives.
    async fn node(&mut self, expression: &str) -> Value {
        self.theirs.tell(expression).await;
        let line = self.theirs.line().await;
        line.get("result").unwrap_or_else(|| panic!("{expression}: {line}")).clone()
    }

    /// Sends an event to rooms of `/`: exactly these clients of both servers get it.
    async fn reaches(&mut self, rooms: &[&str], clients: &[&str]) {
        let emitter = publisher(&self.env).await;
        if let ([room], false) = (rooms, clients.is_empty()) {
            moved_to(&self.env, room).await;
        }
        emitter.to(rooms.to_vec()).emit("probe", &0).await.unwrap();
        emitter.emit("marker", &0).await.unwrap();
        emitter.of("/chat").emit("marker", &0).await.unwrap();
        let mut expected: Vec<String> =
            clients.iter().map(|client| event(client, "probe", json!([0]))).collect();
        expected.extend(CLIENTS.map(|client| event(client, "marker", json!([0]))));
        expected.sort();
        assert_eq!(self.theirs.sorted(expected.len()).await, expected, "of the Node server, for {rooms:?}");
        assert_eq!(self.ours.sorted(expected.len()).await, expected, "of the gateway, for {rooms:?}");
    }
}

#[tokio::test]
async fn the_official_emitter_moves_the_clients_of_both_between_rooms() {
    let mut cluster = Cluster::start().await;
    cluster.reaches(&["new"], &[]).await;
    cluster.node("emitter.to('room1').except('room2').socketsJoin(['new', 'other'])").await;
    cluster.reaches(&["new"], &["/#room1"]).await;
    cluster.node("emitter.socketsJoin('all')").await;
    cluster.reaches(&["all"], &["/#", "/#room1", "/#room1,room2"]).await;
    cluster.node("emitter.in(['new', 'room2']).socketsLeave(['all', 'other', 'never'])").await;
    cluster.reaches(&["all"], &["/#"]).await;
    cluster.reaches(&["other"], &[]).await;
    cluster.node("emitter.of('/chat').socketsLeave('room1')").await;
    cluster.reaches(&["room1"], &["/#room1", "/#room1,room2"]).await;
    // A server moves them in the same way.
    cluster.node("io.in('new').socketsJoin('again')").await;
    cluster.reaches(&["again"], &["/#room1"]).await;
    assert_eq!(cluster.gateway.process.said("a message is ignored"), Vec::<Value>::new());
}

#[tokio::test]
async fn the_official_emitter_disconnects_the_clients_of_both() {
    for close in ["false", "true"] {
        let mut cluster = Cluster::start().await;
        cluster.theirs.tell(format!("emitter.in('room1').except('room2').disconnectSockets({close})")).await;
        let gone = json!({"client": "/#room1", "disconnected": "io server disconnect"}).to_string();
        assert_eq!(cluster.ours.line().await.to_string(), gone);
        let result = json!({"result": null}).to_string();
        assert_eq!(cluster.theirs.sorted(2).await, [gone, result]);
        publisher(&cluster.env).await.emit("after", &0).await.unwrap();
        let expected = ["/#", "/#room1,room2"].map(|client| event(client, "after", json!([0])));
        assert_eq!(cluster.ours.sorted(2).await, expected);
        assert_eq!(cluster.theirs.sorted(2).await, expected);
    }
}

#[tokio::test]
async fn a_client_that_is_to_be_closed_is_even_if_it_does_not_do_it_itself() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut client = super::slow::Stuck::connect(&gateway).await;
    publisher(&env).await.disconnect_sockets(true).await.unwrap();
    client.read_until("41").await;
    client.ends().await;
}

#[tokio::test]
async fn node_servers_reach_the_clients_of_a_gateway() {
    let mut cluster = Cluster::start().await;
    for (target, client) in [("io.to('room2')", "/#room1,room2"), ("io.of('/chat')", "/chat#room1")] {
        let probe = event(client, "probe", json!([1, "two"]));
        cluster.theirs.tell(format!("{target}.emit('probe', 1, 'two') && null")).await;
        assert_eq!(cluster.ours.line().await.to_string(), probe);
        assert_eq!(cluster.theirs.sorted(2).await, [probe, json!({"result": null}).to_string()]);
    }
}

#[tokio::test]
async fn an_event_with_acknowledgements_reaches_the_gateways_clients_too() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut ours = gateway.subscribed(&["/#room1", "/#room2"]).await;
    let mut theirs = Node::start(&env.redis_url, &["/#other"]).await;
    theirs.tell("io.in('room1').timeout(5000).emitWithAck('probe', 1, 'two')").await;
    assert_eq!(ours.line().await.to_string(), event("/#room1", "probe", json!([1, "two"])));
    assert_eq!(theirs.line().await, json!({"result": []}), "no client of the Node server is in the room");
    publisher(&env).await.emit("after", &0).await.unwrap();
    assert_eq!(ours.sorted(2).await, ["/#room1", "/#room2"].map(|client| event(client, "after", json!([0]))));
}

#[tokio::test]
async fn node_servers_never_wait_for_a_gateway() {
    let mut cluster = Cluster::start().await;
    let mut redis = cluster.env.redis_connection().await;
    let mut ask = cmd("PUBSUB");
    ask.arg("NUMSUB").arg("socket.io-request#/#");
    let (_, counted): (String, u64) = ask.query_async(&mut redis).await.unwrap();
    assert_eq!(counted, 1, "the Node server");
    // Each would be an error after five seconds if an answer were missing, or lack some with one too many.
    assert_eq!(cluster.node("io.fetchSockets().then((sockets) => sockets.length)").await, 3);
    assert_eq!(cluster.node("io.of('/').adapter.serverCount()").await, 1);
    assert_eq!(cluster.node("io.of('/').adapter.allRooms().then((rooms) => rooms.has('room2'))").await, true);

    let mut second = Node::start(&cluster.env.redis_url, &["--on", "reload", "/#room5"]).await;
    assert_eq!(cluster.node("io.fetchSockets().then((sockets) => sockets.length)").await, 4);
    assert_eq!(cluster.node("io.in('room5').fetchSockets().then((sockets) => sockets.length)").await, 1);
    assert_eq!(cluster.node("io.of('/').adapter.serverCount()").await, 2);
    cluster.node("io.serverSideEmit('reload', 1)").await;
    assert_eq!(second.line().await, json!({"server": "/", "event": "reload", "args": [1]}));
    cluster.theirs.tell("emitter.serverSideEmit('reload', 2)").await;
    let heard = json!({"server": "/", "event": "reload", "args": [2]}).to_string();
    assert_eq!(cluster.theirs.sorted(2).await, [heard, json!({"result": null}).to_string()]);
    assert_eq!(second.line().await, json!({"server": "/", "event": "reload", "args": [2]}));
}

#[tokio::test]
async fn requests_that_are_malformed_are_ignored_and_move_nobody() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut clients = gateway.subscribed(&["/#room1"]).await;
    let mut redis = env.redis_connection().await;
    let malformed = [
        "{\"type\":4}",
        "{\"type\":4,\"opts\":null}",
        "{\"type\":",
        "{}",
        "\u{0}",
        "",
        "{\"type\":3,\"opts\":{},\"rooms\":[{}]}",
        "{\"type\":7,\"packet\":{}}",
        "{\"type\":99,\"requestId\":\"x\"}",
    ];
    for payload in malformed {
        let publish =
            cmd("PUBLISH").arg("socket.io-request#/#").arg(payload).query_async::<u64>(&mut redis).await;
        assert_eq!(publish.unwrap(), 1);
    }
    publisher(&env).await.to("room1").emit("after", &0).await.unwrap();
    assert_eq!(clients.line().await.to_string(), event("/#room1", "after", json!([0])));
    assert_eq!(gateway.process.says("a message is ignored", 1).await.len(), 1);
}
