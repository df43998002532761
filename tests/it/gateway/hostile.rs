//! Pages that may not connect, and clients that send anything at all.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use redis::cmd;
use serde_json::json;

use super::{Gateway, event, publisher, slow::Stuck};
use crate::support::Env;

const HANDSHAKE: &str = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nConnection: close\r\n";
const UPGRADE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nConnection: Upgrade, close\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

#[tokio::test]
async fn a_page_from_elsewhere_gets_in_only_where_it_is_named() {
    let env = Env::new().await;
    let gateway = Gateway::listening(&env, &[]).await;
    for request in [HANDSHAKE, UPGRADE] {
        for headers in ["Host: localhost\r\nOrigin: https://evil.example\r\n", "Host: evil.example:8080\r\n"]
        {
            let answer = gateway.request(&format!("{request}{headers}\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("ROWCAST_ORIGINS"), "{answer}");
        }
    }
    // The browser hides the reason from the page: the log has it, once for each.
    let told = gateway.process.says("a page's origin is refused; ROWCAST_ORIGINS names", 1).await;
    assert_eq!((told.len(), &told[0]["origin"]), (1, &"https://evil.example".into()));
    let told = gateway.process.says("a request to the server's name is refused; ROWCAST_ORIGINS", 1).await;
    assert_eq!((told.len(), &told[0]["origin"]), (1, &"evil.example:8080".into()));
    let page = "Host: localhost\r\nOrigin: http://localhost:3000\r\n\r\n";
    let answer = gateway.request(&format!("{HANDSHAKE}{page}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"sid\""), "{answer}");
    assert!(answer.contains("access-control-allow-origin: http://localhost:3000\r\n"), "{answer}");
    let health =
        gateway.request("GET /healthz HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n").await;
    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");

    let gateway = Gateway::listening(&env, &[("ROWCAST_ORIGINS", "https://app.example")]).await;
    let answer = gateway.request(&format!("{HANDSHAKE}{page}")).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let named =
        "Host: app.example\r\nOrigin: https://app.example\r\nAccess-Control-Request-Headers: x-a\r\n\r\n";
    let answer = gateway.request(&format!("{HANDSHAKE}{named}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let preflight = HANDSHAKE.replace("GET", "OPTIONS");
    let answer = gateway.request(&format!("{preflight}{named}")).await;
    assert!(
        answer.starts_with("HTTP/1.1 204 ") && answer.contains("access-control-allow-headers: x-a\r\n"),
        "{answer}"
    );
}

/// Text that looks like packets of engine.io and socket.io, and text that does not.
fn packet() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-6]{0,2}[-0-9]{0,3}(/[a-z]{0,4},)?[0-9]{0,20}[\\[\\]{}\":,a-z0-9]{0,40}",
        "4[0-6][0-9]{0,2}-?\\[\"(subscribe|unsubscribe|x)\",[\\[\\]{}\":,a-z0-9]{0,20}\\]",
        "4[23]9?\\[\"subscribe\",(\\[|\\{\"room\":){0,200}",
        any::<String>(),
    ]
}

/// A WebSocket frame that a client may send, or whatever bytes.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let masked = |first: u8, payload: Vec<u8>| {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(long as u16).to_be_bytes());
            }
        }
        // A mask of zeros.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(&payload);
        frame
    };
    prop_oneof![
        6 => packet().prop_map(move |text| masked(0x81, text.into_bytes())),
        2 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(move |(first, bytes)| masked(first, bytes)),
        1 => prop::collection::vec(any::<u8>(), 0..60),
    ]
}

/// So many of them, the same in every run.
fn some<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test]
async fn whatever_clients_and_redis_send_nothing_dies_and_others_are_served() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut witness = gateway.subscribed(&["/#room1"]).await;
    for frames in some(prop::collection::vec(frame(), 1..12), 600) {
        Stuck::connect(&gateway).await.send(&frames.concat()).await;
    }
    let mut redis = env.redis_connection().await;
    let channel = prop_oneof![
        Just("socket.io#/#".to_owned()),
        Just("socket.io#/#room1#".to_owned()),
        Just("socket.io-request#/#".to_owned()),
    ];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "\\{\"type\":[0-9],[\\[\\]{}\":,a-z0-9]{0,30}".prop_map(String::into_bytes),
    ];
    for (channel, payload) in some((channel, payload), 2_000) {
        cmd("PUBLISH").arg(channel).arg(payload).query_async::<u64>(&mut redis).await.unwrap();
    }
    publisher(&env).await.to("room1").emit("after", &0).await.unwrap();
    assert_eq!(witness.line().await.to_string(), event("/#room1", "after", json!([0])));
    let (mut late, _) = gateway.clients(&["/#"]).await;
    publisher(&env).await.emit("late", &0).await.unwrap();
    assert_eq!(late.line().await.to_string(), event("/#", "late", json!([0])));
    let log = gateway.process.log();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:#?}");
}
