//! How many clients there may be, and how much one may say.

use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Gateway, event, publisher,
    raw::text_frame,
    slow::{Stuck, upgraded},
};
use crate::support::{Env, PATIENCE, eventually, within};

/// What a request to open a session is answered with, when it comes with these headers.
async fn opened(gateway: &Gateway, headers: &str) -> String {
    let request =
        "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    gateway.request(&format!("{request}{headers}\r\n")).await
}

/// Ends a connection without a word: what is on its way is thrown away.
fn reset(stream: TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&stream, sockopt::Linger, &linger).unwrap();
}

#[tokio::test]
async fn over_the_most_connections_nobody_comes_in_and_those_inside_stay() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_MAX_CONNECTIONS", "3")]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", "/#one", "/#two"]).await;
    // One that never connects to a namespace counts too.
    assert!(opened(&gateway, "").await.starts_with("HTTP/1.1 200 "));
    for _ in 0..3 {
        let refused = opened(&gateway, "").await;
        assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
        assert!(refused.contains("3 connections are open already (ROWCAST_MAX_CONNECTIONS)"), "{refused}");
    }
    assert_eq!(gateway.process.says("clients are refused", 1).await.len(), 1, "it is told once");
    assert_eq!(gateway.get("/healthz").await, "200 ok\n");
    publisher(&env).await.emit("after", &0).await.unwrap();
    assert_eq!(node.sorted(2).await, ["/#one", "/#two"].map(|client| event(client, "after", json!([0]))));
}

#[tokio::test]
async fn every_seat_comes_back_however_a_connection_ends() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_MAX_CONNECTIONS", "12")]).await;
    for round in 0..40 {
        for version in [3, 4] {
            // Before its request was read, before it was answered, and after.
            reset(TcpStream::connect(&gateway.address).await.unwrap());
            reset(upgraded(&gateway, version).await);
            let mut answered = upgraded(&gateway, version).await;
            within(PATIENCE, "an answer", answered.read_u8()).await.unwrap();
            match round % 3 {
                0 => reset(answered),
                1 => answered.write_all(b"\x88\x80\x00\x00\x00\x00").await.unwrap(),
                _ => drop(answered),
            }
        }
        if round % 20 == 0 {
            opened(&gateway, "").await;
            gateway.clients(&["/#"]).await.0.stop_reading();
        }
    }
    // All are there again: so many come in together, as soon as the server has noticed, and not one more.
    let clients: Vec<String> = (0..12).map(|number| format!("/#{number}")).collect();
    let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
    let inside = gateway.clients(&[&["--transport", "websocket"], &clients[..]].concat()).await;
    assert_eq!(inside.1.len(), 12);
    let more = opened(&gateway, "").await;
    assert!(more.starts_with("HTTP/1.1 503 "), "{more}");
}

#[tokio::test]
async fn an_address_has_its_own_limit_and_a_trusted_proxy_says_whose_it_is() {
    let env = Env::new().await;
    let most = ("ROWCAST_MAX_CONNECTIONS_PER_ADDRESS", "2");
    let gateway = Gateway::listening(&env, &[most]).await;
    for client in ["192.0.2.1", "192.0.2.2", "203.0.113.9, 192.0.2.3", "2001:db8::1"] {
        let header = format!("X-Forwarded-For: {client}\r\n");
        for _ in 0..2 {
            assert!(opened(&gateway, &header).await.starts_with("HTTP/1.1 200 "), "{client}");
        }
        let refused = opened(&gateway, &header).await;
        assert!(refused.starts_with("HTTP/1.1 429 "), "{refused}");
        assert!(refused.contains("(ROWCAST_MAX_CONNECTIONS_PER_ADDRESS)"), "{refused}");
    }
    // What a client claims for itself counts for nothing.
    let claimed = "X-Forwarded-For: 198.51.100.1, 192.0.2.1\r\n";
    assert!(opened(&gateway, claimed).await.starts_with("HTTP/1.1 429 "));

    let gateway = Gateway::listening(&env, &[most, ("ROWCAST_TRUSTED_PROXIES", "192.0.2.0/24")]).await;
    for (client, status) in [("192.0.2.1", "200"), ("192.0.2.2", "200"), ("192.0.2.3", "429")] {
        let answer = opened(&gateway, &format!("X-Forwarded-For: {client}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let told = gateway.process.says("X-Forwarded-For of this address is not believed", 1).await;
    assert_eq!((told.len(), &told[0]["peer"]), (1, &json!("127.0.0.1")));
}

#[tokio::test]
async fn an_address_opens_so_many_connections_whatever_it_does_on_them() {
    let env = Env::new().await;
    let limits = [("ROWCAST_MAX_CONNECTIONS_PER_ADDRESS", "2"), ("ROWCAST_TRUSTED_PROXIES", "192.0.2.1")];
    let gateway = Gateway::listening(&env, &limits).await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(&gateway.address).await.unwrap());
    }
    let mut more = TcpStream::connect(&gateway.address).await.unwrap();
    let ended = within(PATIENCE, "the end of one more", more.read_u8()).await;
    assert!(ended.is_err());
    gateway.process.says("clients are refused: the address has too many connections", 1).await;
    drop(silent);
    eventually(PATIENCE, "another one is served", async || {
        let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.ok();
        stream.read_u8().await
    })
    .await;
}

#[tokio::test]
async fn a_client_that_says_too_much_is_told_and_disconnected_and_others_are_served() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_MESSAGES_PER_SECOND", "2")]).await;
    let mut witness = gateway.subscribed(&["/#room1"]).await;
    for transport in ["websocket", "polling"] {
        let (mut node, _) = gateway.clients(&["--transport", transport, "/#"]).await;
        // What can be saved up is allowed.
        for _ in 0..20 {
            assert_eq!(super::ask(&mut node, "/#", json!(["subscribe", "a"])).await["ok"], true);
        }
        for _ in 0..20 {
            node.tell(json!({"client": "/#", "emit": ["subscribe", "a"]})).await;
        }
        let mut line = node.line().await;
        // The allowance grows while it is used.
        while line["answer"].is_array() {
            line = node.line().await;
        }
        assert_eq!(
            (&line["event"], &line["args"][0]["code"]),
            (&json!("rowcast:closing"), &json!("too_many_messages"))
        );
        let gone = node.line().await;
        // What it goes on sending may end the connection before it has read that it is disconnected.
        let reasons = ["io server disconnect", "transport error", "transport close"];
        assert!(reasons.iter().any(|reason| gone["disconnected"] == *reason), "{gone}");
    }
    // One that does not stop, and does not listen.
    let mut raw = Stuck::connect(&gateway).await;
    raw.send(&text_frame("42[\"subscribe\",\"a\"]").repeat(20_000)).await;
    let rest = raw.ends().await;
    assert!(
        rest.contains("\"code\":\"too_many_messages\"") && rest.matches("closing").count() == 1,
        "{rest}"
    );
    // One that stops then, and does not close the connection.
    let mut raw = Stuck::connect(&gateway).await;
    raw.send(&text_frame("42[\"subscribe\",\"a\"]").repeat(21)).await;
    raw.ends().await;
    publisher(&env).await.to("room1").emit("after", &0).await.unwrap();
    assert_eq!(witness.line().await.to_string(), event("/#room1", "after", json!([0])));
    let told: Vec<Value> = gateway.process.said("a client is disconnected");
    assert_eq!(told.len(), 4, "{told:?}");
}

#[tokio::test]
async fn what_is_no_event_is_read_no_faster_than_a_client_may_talk() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut witness = gateway.subscribed(&["/#room1"]).await;
    let (reading, mut writing) = upgraded(&gateway, 4).await.into_split();
    // Whatever it is answered is read.
    let reader = tokio::spawn(async move {
        let mut reading = tokio::io::BufReader::new(reading);
        tokio::io::copy(&mut reading, &mut tokio::io::sink()).await
    });
    // Each is a namespace that is not served, and is answered.
    let flood = text_frame("40/x,").repeat(2_000_000);
    let all = tokio::time::timeout(Duration::from_secs(3), writing.write_all(&flood)).await;
    // It may also lose its connection: it may be behind in reading the answers.
    assert!(!matches!(all, Ok(Ok(()))), "22 MB were read within three seconds");
    assert_eq!(super::ask(&mut witness, "/#room1", json!(["subscribe", "room2"])).await["ok"], true);
    publisher(&env).await.to("room1").emit("after", &0).await.unwrap();
    assert_eq!(witness.line().await.to_string(), event("/#room1", "after", json!([0])));
    reader.abort();
}
