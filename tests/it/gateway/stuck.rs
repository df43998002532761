//! What clients hold back is bounded in bytes, and many of them cost no more than that.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    Gateway, event, publisher,
    raw::{Polling, Socket, http},
    slow::{Stuck, connections, fill},
};
use crate::{
    interop::Node,
    support::{Env, PATIENCE, eventually, within},
};

/// Half of what is published here: the kernel keeps no more for a client than it counts.
const LITTLE: (&str, &str) = ("ROWCAST_MAX_BEHIND_BYTES", "1000000");
const ROOM: (&str, &str) = ("ROWCAST_MAX_CONNECTIONS_PER_ADDRESS", "5000");

/// Publishes so much in portions that a client which reads has had before the next one.
async fn fill_a_reader(env: &Env, node: &mut Node, portions: usize) {
    for portion in 0..portions {
        fill(env, 50).await;
        for number in 0..50 {
            let line = node.line().await;
            assert_eq!((&line["event"], &line["args"][0]), (&json!("fill"), &json!(number)), "{portion}");
        }
    }
}

#[tokio::test]
async fn a_thousand_clients_that_take_nothing_are_soon_gone_and_cost_little_and_who_reads_misses_nothing() {
    const EACH: usize = 500;
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[LITTLE, ROOM]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", "/#"]).await;
    let (mut stuck, mut absent) = (Vec::new(), Vec::new());
    for _ in 0..EACH {
        stuck.push(Stuck::connect(&gateway).await);
        absent.push(Polling::connected(&gateway).await);
    }
    assert_eq!(gateway.number("rowcast_gateway_clients").await, 1 + 2 * EACH as u64);
    let before = gateway.memory("VmRSS");

    let begun = Instant::now();
    fill_a_reader(&env, &mut node, 4).await;
    gateway.process.says("a client that does not read is dropped", 2 * EACH).await;
    eventually(PATIENCE, "only the one that reads is left", async || {
        match (gateway.number("rowcast_gateway_clients").await, connections(&gateway)) {
            // It asks on a connection of its own.
            (1, 1 | 2) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(40), "{took:?}");
    // The library writes up to 128 kB ahead for each that has a connection; what waits is shared.
    let (peak, after) = (gateway.memory("VmHWM"), gateway.memory("VmRSS"));
    assert!(peak - before < 150, "{before} MB before, {peak} MB at the peak");
    assert!(after.saturating_sub(before) < 100, "{before} MB before, {after} MB after");
    publisher(&env).await.emit("after", &1).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "after", json!([1])));
}

#[tokio::test]
async fn few_messages_are_enough_to_be_behind_when_they_are_large_and_one_is_not() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[LITTLE]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", "/#"]).await;
    let mut stuck = Stuck::connect(&gateway).await;
    let large = "x".repeat(3_000_000);
    let publisher = publisher(&env).await;
    for number in 0..2 {
        assert!(gateway.process.said("a client that does not read").is_empty());
        publisher.emit("large", &(number, &large)).await.unwrap();
        let data = &node.line().await["args"][0];
        assert!(data[0] == number && data[1] == *large, "message {number}");
    }
    gateway.process.says("a client that does not read is dropped", 1).await;
    stuck.ends().await;
}

#[tokio::test]
async fn a_client_of_long_polling_that_comes_for_its_messages_is_never_behind() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[LITTLE]).await;
    let session = Polling::connected(&gateway).await;
    for _ in 0..10 {
        fill(&env, 60).await;
        let mut heard = 0;
        while heard < 60 {
            heard += session.until("42").await.len();
        }
    }
    assert!(gateway.process.said("a client that does not read").is_empty());
}

#[tokio::test]
async fn a_client_that_goes_on_with_websocket_while_much_is_queued_misses_nothing() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let session = Polling::connected(&gateway).await;
    fill(&env, 30).await;
    let mut packets = session.until("42").await;
    let mut socket = session.upgrade().await;
    publisher(&env).await.emit("after", &0).await.unwrap();
    while packets.last().is_none_or(|last| !last.contains("after")) {
        packets.push(socket.text().await);
    }
    let begins = |number: usize| format!("42[\"fill\",{number},");
    let whole =
        packets.iter().enumerate().take(30).all(|(number, packet)| packet.starts_with(&begins(number)));
    assert!(
        whole && packets.len() == 31,
        "{:?}",
        packets.iter().map(|packet| &packet[..16]).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn long_polling_tells_a_client_how_much_it_may_send_and_takes_no_more() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (session, greeting) = Polling::open(&gateway).await;
    assert_eq!(greeting["maxPayload"], 100_000);
    let body = format!("4{}", "x".repeat(100_000));
    assert_eq!(session.post(&body).await.0, 413);
    // The library reads no further than this.
    let query = session.web_socket_query().replace("websocket", "polling=else");
    assert_eq!(http(&gateway, "POST", &query, &body).await.0, 413);
    let request =
        "GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = gateway.request(request).await;
    let (length, greeting) = answer.split_once("\r\n\r\n").unwrap().1.split_once(':').unwrap();
    // The greeting, and behind it that the client is connected.
    assert_eq!(&greeting[length.parse::<usize>().unwrap() - 1..][..1], "}", "{answer}");
}

/// A connection on which a WebSocket was refused, as a proxy keeps it for whoever comes next.
async fn refused(gateway: &Gateway, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
    let request = format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(PATIENCE, "the head of the answer", stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 400 ") && head.contains("content-length: 0\r\n"), "{head}");
    stream
}

/// More than what may wait for a client, which it takes in portions.
async fn takes_all(env: &Env, socket: &mut Socket) {
    for _ in 0..4 {
        fill(env, 50).await;
        for number in 0..50 {
            let text = socket.text().await;
            assert!(text.starts_with(&format!("42[\"fill\",{number},")), "{}", &text[..20]);
        }
    }
}

#[tokio::test]
async fn what_a_client_takes_counts_as_taken_on_a_connection_that_somebody_was_refused_on_before() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[LITTLE]).await;
    let stream = refused(&gateway, "EIO=4&transport=websocket").await;
    takes_all(&env, &mut Socket::connected_on(stream).await).await;
    // Another session's upgrade.
    let other = Polling::connected(&gateway).await;
    let stream = refused(&gateway, &other.web_socket_query()).await;
    let session = Polling::connected(&gateway).await;
    takes_all(&env, &mut session.upgrade_on(stream).await).await;
}

/// Asks so often, each on a connection of its own.
async fn asks(gateway: &Gateway, times: usize, request: &str) {
    for _ in 0..times {
        let answer = gateway.request(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_takes_nothing_of_what_waits() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[LITTLE]).await;
    let session = Polling::connected(&gateway).await;
    // A little more than may wait.
    fill(&env, 100).await;
    let request = |query: &str| {
        format!("GET /socket.io/?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    };
    let web_socket = session.web_socket_query();
    // A session does not change its version; a WebSocket needs a key.
    asks(
        &gateway,
        300,
        &request(&web_socket.replace("EIO=4&transport=websocket", "EIO=9&transport=polling")),
    )
    .await;
    asks(&gateway, 300, &request(&web_socket)).await;
    fill(&env, 1).await;
    gateway.process.says("a client that does not read is dropped", 1).await;
}

#[tokio::test]
async fn a_client_that_asks_for_a_second_websocket_is_cut_off_its_first_when_it_does_not_read() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[LITTLE]).await;
    let session = Polling::connected(&gateway).await;
    let mut first = session.upgrade().await;
    let mut second = session.web_socket().await.unwrap();
    assert_eq!(second.frame().await, None, "there is one already");
    fill(&env, 400).await;
    gateway.process.says("a client that does not read is dropped", 1).await;
    // Sooner than for pings that it does not answer.
    within(Duration::from_secs(5), "its end", first.ends()).await;
}
