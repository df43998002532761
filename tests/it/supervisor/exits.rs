//! How the end of a worker is told: in the log with its slot and what it means, and by `rowcast status` at once.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{spawn, start};
use crate::{
    commands::run::rowcast,
    support::{
        Env, PATIENCE, Running, eventually,
        running::{empty_folder, pid, says, send, stopped},
    },
};

/// Waits until the pids of the workers, or of the gateways, that `rowcast status` shows are these.
async fn shown(env: &Env, what: &str, expected: &[i32]) {
    let mut expected: Vec<i64> = expected.iter().copied().map(i64::from).collect();
    expected.sort_unstable();
    eventually(PATIENCE, "the status shows these", async || {
        let status = rowcast(env, &["status", "--json"]).await.ended(0).json();
        let members = status[what].as_array().unwrap();
        let mut pids: Vec<i64> = members.iter().filter_map(|member| member["pid"].as_i64()).collect();
        pids.sort_unstable();
        if pids == expected && members.len() == pids.len() { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn workers_that_have_ended_are_not_shown_until_their_leases_run_out() {
    let env = Env::new().await;
    env.migrate().await;
    // Nothing but what is tested ends a lease within the test.
    let up = Running::on(&env, "up", "", &[("ROWCAST_LEASE_SECONDS", "3600"), ("ROWCAST_WORKERS", "2")]);
    up.says("online", 2).await;
    let [first, second] = up.workers()[..] else { panic!("{:?}", up.workers()) };
    shown(&env, "workers", &[first, second]).await;

    send(first, Signal::SIGKILL);
    let successor = pid(&up.says("online", 3).await[2]);
    shown(&env, "workers", &[second, successor]).await;

    up.signal(Signal::SIGTTOU);
    let left = up.lines(1, |line| says(line, "exit") && line["reason"] == "fewer workers wanted").await;
    let left = if pid(&left[0]) == second { successor } else { second };
    shown(&env, "workers", &[left]).await;
    up.stop().await;
    shown(&env, "workers", &[]).await;
}

#[tokio::test]
async fn a_killed_gateway_is_not_shown_until_its_lease_runs_out() {
    let env = Env::new().await;
    let up = Running::on(&env, "up", "", &[("ROWCAST_GATEWAYS", "1"), ("ROWCAST_LISTEN", "127.0.0.1:0")]);
    let killed = &up.says("listening", 1).await[0];
    shown(&env, "gateways", &[pid(killed)]).await;
    // It cannot run out within the test.
    let lease = format!("rowcast:gateway:{}", killed["gateway"].as_str().unwrap());
    send(pid(killed), Signal::SIGSTOP);
    let mut redis = env.redis_connection().await;
    let prolonged: i32 =
        redis::cmd("PEXPIRE").arg(lease).arg(3_600_000).query_async(&mut redis).await.unwrap();
    assert_eq!(prolonged, 1);
    send(pid(killed), Signal::SIGKILL);
    let successor = pid(&up.says("listening", 2).await[1]);
    shown(&env, "gateways", &[successor]).await;
    up.stop().await;
}

#[tokio::test]
async fn a_fenced_worker_says_so_in_words_and_so_does_its_supervisor() {
    let env = Env::new().await;
    env.migrate().await;
    let limits = [("ROWCAST_LEASE_SECONDS", "2"), ("ROWCAST_STALL_SECONDS", "600"), ("ROWCAST_WORKERS", "2")];
    let up = Running::on(&env, "up", "", &[&limits[..], &[("ROWCAST_QUEUE", env.queue.as_str())]].concat());
    up.says("online", 2).await;
    env.run(&[r#"{"time":1,"stamp":"a"}"#, r#"{"time":2,"stamp":"b"}"#]).await;
    let paused = up.workers()[0];
    send(paused, Signal::SIGSTOP);
    stopped(paused).await;
    // The other one has taken its checkpoint away.
    let checkpoints = async || match env.count("rowcast_checkpoints").await {
        1 => Ok(()),
        other => Err(other),
    };
    eventually(PATIENCE, "it is rescued", checkpoints).await;
    send(paused, Signal::SIGCONT);
    let mut jobs = 2;
    let exit = eventually(PATIENCE, "it has noticed", async || {
        // It notices when it is to commit.
        env.push(&[r#"{"time":3,"stamp":"c"}"#]).await;
        jobs += 1;
        let exits = up.said("exit");
        exits.first().cloned().ok_or(exits.len())
    });
    let exit = exit.await;
    assert_eq!((&exit["code"], pid(&exit)), (&75.into(), paused), "{exit}");
    assert!(exit["meaning"].as_str().unwrap().starts_with("fenced: it was silent for longer"), "{exit}");
    let own = up.line(|line| says(line, "fenced: this worker was silent")).await;
    assert_eq!(own["spans"][0]["slot"], exit["slot"], "{own}");
    up.says("online", 3).await;
    env.done(jobs).await;
    up.stop().await;
}

#[tokio::test]
async fn every_line_of_a_worker_names_its_slot_and_an_outage_is_one_line_of_each() {
    let up = start(&[]).await;
    let lines = up.says("waiting for Redis", 2).await;
    let mut slots: Vec<&Value> = lines.iter().map(|line| &line["spans"][0]["slot"]).collect();
    slots.sort_by_key(|slot| slot.as_u64());
    assert_eq!(slots, [1, 2], "{lines:#?}");
    up.signal(Signal::SIGKILL);
    // What its control thread says is its own as well.
    let lines = up.says("the supervisor is gone", 2).await;
    assert!(lines.iter().all(|line| line["spans"][0]["slot"].is_u64()), "{lines:#?}");

    let variables = [("ROWCAST_LOG", "text"), ("RUST_LOG", "warn"), ("ROWCAST_WORKERS", "1")];
    let up = spawn(empty_folder(), &["up"], &variables);
    up.line(|line| line.as_str().is_some_and(|line| line.contains("worker{slot=1}:"))).await;
}

#[tokio::test]
async fn an_exit_that_nobody_asked_for_says_what_it_may_have_been_and_what_comes_next() {
    let up = start(&[("ROWCAST_WORKERS", "1")]).await;
    send(up.workers()[0], Signal::SIGKILL);
    let exit = up.line(|line| says(line, "exit")).await;
    let meaning = exit["meaning"].as_str().unwrap();
    assert!(
        meaning.contains("for its memory") && meaning.ends_with("what it held will be rescued"),
        "{exit}"
    );
}
