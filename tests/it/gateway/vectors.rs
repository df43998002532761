//! The recorded messages of official emitters, with a Node server beside the gateway: both must give their clients the
//! same.

use redis::{aio::MultiplexedConnection, cmd};
use rowcast::emitter::Emitter;
use serde_json::{Value, json};

use super::{Gateway, publisher};
use crate::{interop::Node, support::Env};

const FIXTURE: &str = include_str!("../../fixtures/emitter-vectors.json");

/// One client for each way to be in rooms that the messages name.
const CLIENTS: [&str; 9] =
    ["/#", "/#room1", "/#room2", "/#room1,room2", "/#room1,room3", "/#room4", "/#42", "/#a#b", "/chat#room1"];

/// Messages that the Node server of the tests cannot read, because it is not told of the emitter's own parser. They
/// would end it.
const OWN_PARSER: [&str; 1] = ["custom-parser-json"];

/// What the clients of a server get until each has got the marker, and at least so many events.
async fn until_marker(node: &mut Node, events: usize) -> Vec<String> {
    let (mut got, mut markers) = (Vec::new(), 0);
    while markers < CLIENTS.len() || got.len() < events {
        let line = node.line().await;
        if line["event"] == "marker" { markers += 1 } else { got.push(line.to_string()) }
    }
    got.sort();
    got
}

async fn mark(emitter: &Emitter<MultiplexedConnection>) {
    emitter.emit("marker", &0).await.unwrap();
    emitter.of("/chat").emit("marker", &0).await.unwrap();
}

#[tokio::test]
async fn clients_get_of_every_recorded_broadcast_what_they_get_from_a_node_server() {
    let env = Env::new().await;
    let vectors: Vec<Value> = serde_json::from_str(FIXTURE).unwrap();
    let text = |vector: &Value, field: &str| vector[field].as_str().unwrap().to_owned();
    let (mut compared, mut heard) = (0, 0);
    let all = [("socket.io", "4"), ("myapp", "4"), ("socket.io", "3"), ("socket.io", "2")];
    let modes = ["pattern", "rooms"];
    for (hear, (key, version)) in modes.into_iter().flat_map(|hear| all.map(|one| (hear, one))) {
        let variables =
            [("ROWCAST_GATEWAY_NAMESPACES", "/chat"), ("ROWCAST_EMITTER_KEY", key), ("ROWCAST_HEAR", hear)];
        let gateway = Gateway::start(&env, &variables).await;
        let options = ["--version", version, "--transport", "websocket"];
        let mut ours = gateway.subscribed_with(&options, &CLIENTS).await;
        let mut theirs = Node::start(&env.redis_url, &[&["--key", key], &CLIENTS[..]].concat()).await;
        let emitter = publisher(&env).await.with_key(key);
        let mut redis = env.redis_connection().await;
        let prefix = format!("{key}#");
        for vector in &vectors {
            let (case, channel, package) =
                (text(vector, "case"), text(vector, "channel"), text(vector, "package"));
            if !channel.starts_with(&prefix) || !package.contains("emitter@") || OWN_PARSER.contains(&&*case)
            {
                continue;
            }
            let payload = bytes(&text(vector, "payload_hex"));
            cmd("PUBLISH").arg(&channel).arg(payload).query_async::<u64>(&mut redis).await.unwrap();
            mark(&emitter).await;
            let expected = until_marker(&mut theirs, 0).await;
            // A volatile event of ours may be overtaken by the marker; then a second one proves that nothing follows.
            let got = until_marker(&mut ours, expected.len()).await;
            assert_eq!(got, expected, "{package} {case}, client {version}, {hear}");
            mark(&emitter).await;
            for server in [&mut ours, &mut theirs] {
                assert_eq!(
                    until_marker(server, 0).await,
                    Vec::<String>::new(),
                    "{package} {case} comes twice"
                );
            }
            compared += 1;
            heard += usize::from(!expected.is_empty());
        }
        assert_eq!(gateway.process.said("a message is ignored"), Vec::<Value>::new());
    }
    assert_eq!((compared, heard), (2 * (47 + 45 + 45), 2 * (47 + 45 + 45)));
}

#[tokio::test]
async fn messages_of_other_protocols_on_the_same_channels_harm_nobody() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut clients = gateway.subscribed(&["/#room1"]).await;
    let mut redis = env.redis_connection().await;
    let vectors: Vec<Value> = serde_json::from_str(FIXTURE).unwrap();
    let sharded = vectors.iter().filter(|vector| vector["channel"].as_str().unwrap().ends_with("(SPUBLISH)"));
    for vector in sharded {
        let channel = vector["channel"].as_str().unwrap().trim_end_matches("  (SPUBLISH)");
        let payload = bytes(vector["payload_hex"].as_str().unwrap());
        cmd("PUBLISH").arg(channel).arg(payload).query_async::<u64>(&mut redis).await.unwrap();
    }
    publisher(&env).await.to("room1").emit("after", &1).await.unwrap();
    assert_eq!(clients.line().await, json!({"client": "/#room1", "event": "after", "args": [1]}));
    let told = gateway.process.says("a message is ignored", 1).await;
    assert!(told[0]["message"].as_str().unwrap().contains("sharded Redis adapter"), "{told:?}");
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
