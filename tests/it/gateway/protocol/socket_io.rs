//! Those of socket.io: namespaces, events and acknowledgements.

use rowcast::emitter::Target;
use serde_json::json;

use super::{
    super::{
        Gateway, publisher,
        raw::{Frame, Socket},
    },
    REFUSED, emit_bytes, publish,
};
use crate::support::Env;

const CUSTOM: (&str, &str) = ("ROWCAST_GATEWAY_NAMESPACES", "/custom");

#[tokio::test]
async fn clients_connect_to_namespaces_that_are_served_with_a_payload_or_without() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[CUSTOM]).await;
    for (packet, answer) in [
        ("40", "40{\"sid\":\""),
        ("40{\"token\":\"123\"}", "40{\"sid\":\""),
        ("40/custom,", "40/custom,{\"sid\":\""),
        ("40/custom,{\"token\":\"abc\"}", "40/custom,{\"sid\":\""),
        ("40/random", "44/random,{\"message\":\"Invalid namespace\"}"),
    ] {
        let (mut socket, _) = Socket::open(&gateway).await;
        socket.send(packet).await;
        let said = socket.text().await;
        assert!(said.starts_with(answer), "{packet}: {said}");
    }
    let (mut socket, _) = Socket::open(&gateway).await;
    socket.send("4abc").await;
    socket.ends().await;
}

#[tokio::test]
async fn a_client_disconnects_from_one_namespace_and_its_connection_stays() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[CUSTOM]).await;
    let mut socket = Socket::connected(&gateway).await;
    socket.send("40/custom,").await;
    assert!(socket.text().await.starts_with("40/custom,"));
    socket.send("41/custom,").await;
    socket.send(r#"421["hello"]"#).await;
    assert!(socket.text().await.starts_with("431"));
    socket.send("41").await;
    socket.send("40/random").await;
    assert!(socket.text().await.starts_with("44/random,"), "what it has said before is done");
    // It is nowhere, and may connect again.
    let mut witness = Socket::connected(&gateway).await;
    publisher(&env).await.emit("lost", &0).await.unwrap();
    assert_eq!(witness.text().await, r#"42["lost",0]"#);
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40{\"sid\":"));
    publisher(&env).await.emit("next", &0).await.unwrap();
    assert_eq!(socket.text().await, r#"42["next",0]"#);
}

#[tokio::test]
async fn events_come_as_plain_text_and_with_binary_and_are_acknowledged_both_ways() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[CUSTOM]).await;
    let mut socket = Socket::connected(&gateway).await;
    publish(&env, Target::new().event_args("message", &(1, "2", json!({"3": [true]}))).unwrap()).await;
    assert_eq!(socket.text().await, r#"42["message",1,"2",{"3":[true]}]"#);
    emit_bytes(&env, "two", &[&[1, 2, 3], &[4, 5, 6]]).await;
    let packets = [socket.next().await, socket.next().await, socket.next().await];
    let text = "452-[\"two\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]";
    assert_eq!(
        packets,
        [Frame::Text(text.into()), Frame::Binary(vec![1, 2, 3]), Frame::Binary(vec![4, 5, 6])]
    );
    socket.send(r#"42456["subscribe","a"]"#).await;
    assert_eq!(socket.text().await, r#"43456[{"ok":true,"rooms":["a"]}]"#);
    let placeholders = "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}";
    socket.send(&format!("452-789[\"message\",{placeholders}]")).await;
    socket.send_binary(&[1, 2, 3]).await;
    socket.send_binary(&[4, 5, 6]).await;
    assert!(socket.text().await.starts_with(&format!("43789{REFUSED}")));
    socket.send("40/custom,").await;
    assert!(socket.text().await.starts_with("40/custom,"));
    socket.send(r#"42/custom,7["subscribe","a"]"#).await;
    assert_eq!(socket.text().await, r#"43/custom,7[{"ok":true,"rooms":["a"]}]"#);
}

#[tokio::test]
async fn a_packet_of_no_known_format_ends_the_connection() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    for packet in ["4abc", "42{}", "42abc[\"subscribe\",\"a\"]", "43[1]", "45[\"a\"]", "47"] {
        let mut socket = Socket::connected(&gateway).await;
        socket.send(packet).await;
        socket.ends().await;
    }
}
