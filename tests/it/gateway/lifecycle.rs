//! Starting, being ready, losing Redis, ending.

use std::{fs, process::Stdio};

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{Gateway, event, publisher};
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
async fn told_to_end_it_closes_its_clients_connections_and_ends_in_order() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (mut websocket, _) = gateway.clients(&["--transport", "websocket", "/#"]).await;
    let (mut polling, _) = gateway.clients(&["--transport", "polling", "/#"]).await;
    gateway.process.stop().await;
    // A client of whom the server had taken leave would not connect again by itself.
    for clients in [&mut websocket, &mut polling] {
        let gone = clients.line().await;
        assert!(gone["disconnected"].as_str().unwrap().starts_with("transport "), "{gone}");
    }
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
    let mut gateway = Command::new("/bin/sh")
        .args(["-c", &format!("ulimit -Sn 64 && exec {program} gateway")])
        .env_clear()
        .envs([("REDIS_URL", env.redis_url.as_str()), ("ROWCAST_LISTEN", "127.0.0.1:0")])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(gateway.stderr.take().unwrap()).lines();
    let line = within(PATIENCE, "it listens", log.next_line()).await.unwrap().unwrap();
    assert!(line.contains("listening"), "{line}");
    let limits = fs::read_to_string(format!("/proc/{}/limits", gateway.id().unwrap())).unwrap();
    let files: Vec<&str> = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(files[0], files[1], "the soft limit is the hard one: {files:?}");
}
