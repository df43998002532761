//! Starting, being ready, losing Redis, ending.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};

use super::{Gateway, event, publisher, spawned};
use crate::support::{Env, PATIENCE, Running, eventually, within};

#[tokio::test]
async fn an_address_that_others_reach_is_refused_before_anything_is_bound() {
    let env = Env::new().await;
    let mut refused = Running::on(&env, "gateway", "", &[("ROWCAST_LISTEN", "0.0.0.0:0")]);
    assert_eq!(refused.ended().await.code(), Some(64));
    let said = eventually(PATIENCE, "the reason", async || refused.log().last().cloned().ok_or(())).await;
    assert!(said.contains("ROWCAST_LISTEN=\"0.0.0.0:0\"") && said.contains("ROWCAST_PUBLIC=true"), "{said}");
    Gateway::start(&env, &[("ROWCAST_LISTEN", "0.0.0.0:0"), ("ROWCAST_PUBLIC", "true")]).await;
}

#[tokio::test]
async fn an_address_that_is_taken_ends_it_with_the_variable_that_names_it() {
    let env = Env::new().await;
    let first = Gateway::listening(&env, &[]).await;
    let mut second = Running::on(&env, "gateway", "", &[("ROWCAST_LISTEN", &first.address)]);
    assert_eq!(second.ended().await.code(), Some(1));
    let said = eventually(PATIENCE, "the reason", async || second.log().last().cloned().ok_or(())).await;
    assert!(said.contains("ROWCAST_LISTEN") && said.contains(&first.address), "{said}");
}

#[tokio::test]
async fn it_is_ready_only_while_it_hears_redis_and_tells_an_outage_in_two_lines() {
    let mut env = Env::new().await;
    env.redis.kill9().await.unwrap();
    let gateway = Gateway::listening(&env, &[]).await;
    gateway.process.says("waiting for Redis", 1).await;
    assert!(gateway.get("/readyz").await.starts_with("503 waiting for Redis since "));
    assert_eq!(gateway.get("/healthz").await, "200 ok\n");

    // The clients connect while Redis is away, and hear it when it comes.
    let (mut clients, _) = gateway.clients(&["/#"]).await;
    for round in 1..=2 {
        env.redis.restart().await.unwrap();
        gateway.ready().await;
        publisher(&env).await.emit("round", &round).await.unwrap();
        assert_eq!(clients.line().await.to_string(), event("/#", "round", json!([round])));
        assert_eq!(gateway.process.says("Redis is back", round).await.len(), round);
        env.redis.kill9().await.unwrap();
        eventually(PATIENCE, "it is not ready", async || match gateway.get("/readyz").await {
            answer if answer.starts_with("503 ") => Ok(()),
            answer => Err(answer),
        })
        .await;
        assert_eq!(gateway.process.says("waiting for Redis", round + 1).await.len(), round + 1);
    }
}

#[tokio::test]
async fn a_redis_that_hangs_is_noticed_before_it_counts_as_away_and_forgotten_when_it_answers() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    env.redis.sigstop().unwrap();
    let not_ready = eventually(PATIENCE, "it is not ready", async || match gateway.get("/readyz").await {
        answer if answer.starts_with("503 ") => Ok(answer),
        answer => Err(answer),
    })
    .await;
    assert_eq!(not_ready, "503 Redis has not answered for 2 s: it hangs or is slow\n");
    env.redis.sigcont().unwrap();
    gateway.ready().await;
}

#[tokio::test]
async fn told_to_end_it_closes_its_clients_connections_and_they_come_back_by_themselves() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let address = gateway.address.clone();
    let mut clients = Vec::new();
    for (version, transport) in [("4", "websocket"), ("4", "polling"), ("2", "websocket"), ("2", "polling")] {
        let options = ["--version", version, "--transport", transport, "/#"];
        clients.push(gateway.clients(&options).await.0);
    }
    // As a browser does it: polling first.
    clients.push(gateway.clients(&["/#"]).await.0);
    gateway.process.stop().await;
    // A client of whom the server had taken leave would not connect again by itself.
    for clients in &mut clients {
        let gone = clients.line().await;
        assert!(gone["disconnected"].as_str().unwrap().starts_with("transport "), "{gone}");
    }
    let _next = Gateway::start(&env, &[("ROWCAST_LISTEN", &address)]).await;
    for clients in &mut clients {
        let back = clients.line().await;
        assert!(back["connected"].is_string(), "{back}");
    }
}

#[tokio::test]
async fn told_to_end_it_is_not_ready_at_once_and_lets_nobody_in_but_hears_out_who_is_there() {
    let env = Env::new().await;
    let mut gateway = Gateway::start(&env, &[]).await;
    let mut there = TcpStream::connect(&gateway.address).await.unwrap();
    // It is let in when a later one has been answered.
    assert_eq!(gateway.get("/readyz").await, "200 ready\n");
    gateway.process.signal(Signal::SIGTERM);
    eventually(PATIENCE, "nobody is let in", async || match TcpStream::connect(&gateway.address).await {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(other),
    })
    .await;
    there.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    within(PATIENCE, "the answer", there.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("it is about to end\n"), "{answer}");
    assert!(gateway.process.ended().await.success());
}

#[tokio::test]
async fn many_clients_are_let_go_one_after_the_other_and_hear_events_until_then() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_DRAIN_SECONDS", "6")]).await;
    let names: Vec<String> = (0..150).map(|number| format!("/#{number}")).collect();
    let specs: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut node, _) = gateway.clients(&[&["--transport", "websocket"], &specs[..]].concat()).await;
    gateway.process.signal(Signal::SIGTERM);
    gateway.process.says("letting go of the clients", 1).await;
    publisher(&env).await.emit("meanwhile", &1).await.unwrap();
    let (mut heard, mut order) = (0, Vec::new());
    while order.len() < names.len() {
        let line = node.line().await;
        heard += usize::from(line["event"] == "meanwhile");
        if line["disconnected"].is_string() {
            order.push(line["client"].as_str().unwrap().to_owned());
        }
    }
    // Of 150 clients that are given 10 ms each.
    let told = gateway.process.said("letting go of the clients");
    assert_eq!((&told[0]["clients"], &told[0]["over_ms"]), (&150.into(), &1_500.into()));
    assert!(heard > 0, "the last ones were there to hear it");
    assert_ne!(order, names, "in no order");
}

#[tokio::test]
async fn a_stuck_client_does_not_hold_up_the_end() {
    let env = Env::new().await;
    let mut gateway = Gateway::start(&env, &[("ROWCAST_DRAIN_SECONDS", "15")]).await;
    let stuck = super::slow::Stuck::connect(&gateway).await;
    super::slow::fill(&env, 200).await;
    gateway.process.signal(Signal::SIGTERM);
    assert!(gateway.process.ended().await.success(), "{:#?}", gateway.process.log());
    drop(stuck);
}

#[tokio::test]
async fn it_takes_as_many_connections_as_the_system_lets_it() {
    let env = Env::new().await;
    let program = env!("CARGO_BIN_EXE_rowcast");
    let mut shell = Command::new("/bin/sh");
    let (gateway, _) =
        spawned(&env, shell.args(["-c", &format!("ulimit -Sn 64 && exec {program} gateway")])).await;
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.id().unwrap())).unwrap();
    let files: Vec<&str> = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(files[0], files[1], "the soft limit is the hard one: {files:?}");
}
