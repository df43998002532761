//! python-socketio, over threads and over asyncio, as a client of the gateway.

use serde_json::json;
use tokio::process::Command;

use super::{Gateway, publisher};
use crate::{
    interop::{INTEROP, Node},
    support::{Env, Running},
};

/// Python with the package of python-socketio.
pub(super) fn python() -> Command {
    let python = format!("{INTEROP}/.venv/bin/python");
    assert!(
        std::path::Path::new(&python).exists(),
        "the tests with python-socketio need it in tests/interop/.venv; run `scripts/install-tools test`"
    );
    Command::new(python)
}

/// A client of `client.py`, connected and in its rooms.
async fn client(gateway: &Gateway, transport: &str, kind: &str, rooms: &[&str]) -> Node {
    let mut command = python();
    command.arg("client.py").args([&format!("http://{}", gateway.address), transport, kind]).args(rooms);
    let mut client = Node::of(command);
    let answer = json!({"ok": true, "rooms": rooms});
    assert_eq!(client.line().await, json!({"answer": answer, "ready": transport}));
    client
}

#[tokio::test]
async fn python_clients_get_rows_and_binary_events_of_their_rooms_by_both_transports() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut clients = Vec::new();
    for transport in ["websocket", "polling"] {
        for kind in ["threads", "asyncio"] {
            clients.push(client(&gateway, transport, kind, &["pre_qqaccount", "other"]).await);
        }
    }
    let worker = Running::worker(&env, &[]);
    env.push(&[r#"{"time":1,"stamp":"é"}"#]).await;
    let row = json!([{"table": "pre_qqaccount", "id": 1, "row": {"accountid": 1, "openid": "é"}}]);
    for client in &mut clients {
        assert_eq!(client.line().await, json!({"event": "row", "args": row}));
    }
    worker.stop().await;

    // What is published to a room that they are not in would come before what is published after it.
    let emitter = publisher(&env).await;
    emitter.to("elsewhere").emit("lost", &0).await.unwrap();
    let bytes = rowcast::emitter::Value::Bin(vec![0, 255, 7]);
    emitter.to("other").emit_args("blob", &(bytes, "and text")).await.unwrap();
    let args = json!([{"type": "Buffer", "data": [0, 255, 7]}, "and text"]);
    for client in &mut clients {
        assert_eq!(client.line().await, json!({"event": "blob", "args": args}));
    }
}
