//! A claim that stays open for long: the mark stands, and what is remembered above it stays small.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{
    Gateway,
    catch_up::{ROOMS, push, with_rows},
    client::{follow, report},
};
use crate::{
    interop::Node,
    support::{PATIENCE, Running, eventually, running::stopped},
};

const FOLLOWERS: usize = 30;

/// Waits until each follower was given so many rows, and returns what they say.
async fn all_have(node: &mut Node, rows: usize) -> Vec<Value> {
    eventually(PATIENCE, "all followers have their rows", async || {
        let said = report(node).await;
        if said.iter().all(|one| one["rows"] == rows) { Ok(said) } else { Err(said) }
    })
    .await
}

#[tokio::test]
async fn a_claim_that_is_held_open_during_a_hundred_thousand_rows_costs_next_to_nothing() {
    let env = with_rows(10).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    push(&env, 10..14).await;
    let lease = ("ROWCAST_LEASE_SECONDS", "600");
    let late = Running::worker(&env, &[ROOMS, lease, ("ROWCAST_FAULT", "inserted:stop")]);
    stopped(late.pid()).await;
    let other = Running::worker(&env, &[ROOMS, lease]);
    push(&env, 14..1_014).await;
    eventually(PATIENCE, "the later rows are there", async || match env.count("pre_qqaccount").await {
        1_010 => Ok(()),
        rows => Err(rows),
    })
    .await;
    // What they have read back may be published once more. Their rows are every other one.
    let mut node = follow(&gateway.address, &["websocket#account:7"; FOLLOWERS]);
    all_have(&mut node, 505).await;
    let before = gateway.memory("VmRSS");
    for portion in 1..=10 {
        let pushed = 1_014 + portion * 10_000;
        push(&env, pushed - 10_000..pushed).await;
        all_have(&mut node, (pushed - 4) / 2).await;
    }
    let after = gateway.memory("VmRSS");
    assert!(after < before + 20, "{before} MB before, and {after} MB now");

    late.signal(Signal::SIGCONT);
    for said in all_have(&mut node, 101_014 / 2).await {
        assert_eq!(said["twice"], 0, "{said}");
    }
    late.stop().await;
    other.stop().await;
}
