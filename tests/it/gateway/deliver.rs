//! From a channel of Redis to clients.

use redis::cmd;
use serde_json::json;

use super::{Gateway, event, publisher, transport_changed};
use crate::support::{Env, Running};

const NAMESPACES: (&str, &str) = ("ROWCAST_GATEWAY_NAMESPACES", "/chat");

#[tokio::test]
async fn over_every_transport_a_client_gets_what_is_for_everybody_and_for_its_own_room_once() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[NAMESPACES]).await;
    let emitter = publisher(&env).await;
    for transports in [&["--transport", "websocket"][..], &["--transport", "polling"], &[]] {
        let clients = ["/#one", "/#two", "/chat#one"];
        let (mut node, ids) = gateway.clients(&[transports, &clients].concat()).await;
        let data = json!({"text": "é🚀\"\\", "n": [1, -1.5, null, true, {}], "big": "9007199254740993"});
        emitter.emit("all", &data).await.unwrap();
        let expected = [event("/#one", "all", json!([data])), event("/#two", "all", json!([data]))];
        assert_eq!(node.sorted(2).await, expected, "{transports:?}");

        emitter.to(ids["/#two"].clone()).emit_args("own", &(1, "two")).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#two", "own", json!([1, "two"])));
        emitter.except(ids["/#two"].clone()).volatile().emit_args("but", &()).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#one", "but", json!([])));
        emitter.of("chat").emit("chat", &1).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/chat#one", "chat", json!([1])));
    }
}

#[tokio::test]
async fn a_client_that_begins_with_polling_goes_on_with_websocket() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (mut node, _) = gateway.clients(&["/#"]).await;
    transport_changed(&mut node, "/#").await;
    publisher(&env).await.emit("after", &1).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "after", json!([1])));
}

#[tokio::test]
async fn only_namespaces_that_are_served_can_be_connected_to() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[NAMESPACES]).await;
    let (mut node, _) = {
        let url = format!("http://{}", gateway.address);
        let mut node = crate::interop::Node::spawn("clients.mjs", &[&url, "/other#", "/chat#"]);
        assert_eq!(node.line().await, json!({"client": "/other#", "refused": "Invalid namespace"}));
        let ready = node.line().await;
        (node, ready)
    };
    publisher(&env).await.of("other").emit("lost", &0).await.unwrap();
    publisher(&env).await.of("chat").emit("heard", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/chat#", "heard", json!([0])));
}

#[tokio::test]
async fn malformed_messages_are_told_once_and_harm_nobody() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (mut node, _) = gateway.clients(&["/#"]).await;
    let mut redis = env.redis_connection().await;
    let malformed: [&[u8]; 6] =
        [b"", b"\xc1", b"\x93\xa1a\x80", b"{\"type\":4", b"[1,2", b"\x93\xa7emitter\x80\xc0"];
    for payload in malformed.iter().cycle().take(60) {
        cmd("PUBLISH").arg("socket.io#/#").arg(*payload).query_async::<u64>(&mut redis).await.unwrap();
    }
    for channel in ["socket.io#", "socket.io#/", "socket.io#//#", "socket.io#/\u{1F680}#"] {
        cmd("PUBLISH").arg(channel).arg("x").query_async::<u64>(&mut redis).await.unwrap();
    }
    publisher(&env).await.emit("after", &1).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "after", json!([1])));
    let told = gateway.process.says("a message is ignored", 1).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["channel"], "socket.io#/#");
}

#[tokio::test]
async fn a_key_with_the_letters_of_a_pattern_is_taken_by_its_letters() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_EMITTER_KEY", "my*[app]")]).await;
    let (mut node, _) = gateway.clients(&["/#"]).await;
    let emitter = publisher(&env).await;
    emitter.with_key("my-app").emit("lost", &0).await.unwrap();
    emitter.with_key("my*[app]").emit("heard", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "heard", json!([0])));
}

#[tokio::test]
async fn a_job_that_was_pushed_reaches_the_clients_of_its_room_as_its_row() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut node = gateway.subscribed(&["/#pre_qqaccount", "/#account:7", "/#account:8"]).await;
    let worker = Running::worker(&env, &[("ROWCAST_ROOMS", "{table},account:{accountid}")]);
    env.push(&[r#"{"time":7,"stamp":"a"}"#]).await;
    let row = json!([{"table": "pre_qqaccount", "id": 1, "row": {"accountid": 7, "openid": "a"}}]);
    let expected = ["/#account:7", "/#pre_qqaccount"].map(|client| event(client, "row", row.clone()));
    assert_eq!(node.sorted(2).await, expected);
    env.push(&[r#"{"time":8,"stamp":"b"}"#]).await;
    let row = json!([{"table": "pre_qqaccount", "id": 2, "row": {"accountid": 8, "openid": "b"}}]);
    let expected = ["/#account:8", "/#pre_qqaccount"].map(|client| event(client, "row", row.clone()));
    assert_eq!(node.sorted(2).await, expected, "and nothing twice before it");
    worker.stop().await;
}
