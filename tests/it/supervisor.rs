//! The supervisor as a person meets it: real processes, real signals, and its log.

mod exits;
mod gateways;
mod load;
mod stuck;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use crate::support::{
    PATIENCE, Running, eventually,
    running::{empty_folder, is_gone, pid, said, says, send},
};

#[tokio::test]
async fn a_killed_worker_is_replaced_at_once_and_its_successor_knows_of_it() {
    let up = start(&[]).await;
    let killed = up.line(|line| says(line, "fork") && line["slot"] == 1).await;
    send(pid(&killed), Signal::SIGKILL);
    let exit = up.line(|line| says(line, "exit")).await;
    assert_eq!((&exit["signal"], &exit["slot"], &exit["retry_ms"]), (&9.into(), &1.into(), &0.into()));
    assert_eq!(exit["worker"], killed["worker"]);
    let online = up.lines(3, |line| says(line, "online")).await.remove(2);
    assert_eq!(online["slot"], 1);
    let told = variable_of(pid(&online), "ROWCAST_PREDECESSORS");
    assert_eq!(told.as_deref(), killed["worker"].as_str());
}

#[tokio::test]
async fn the_workers_of_a_killed_supervisor_end_by_themselves() {
    let mut up = start(&[("ROWCAST_WORKERS", "3")]).await;
    let pids = up.slots("fork");
    assert_eq!(pids.len(), 3);
    up.kill9().await;
    for (_, pid) in pids {
        let gone = async || if is_gone(pid) { Ok(()) } else { Err(pid) };
        eventually(PATIENCE, "the worker ends", gone).await;
    }
    assert!(!said(&up.whole_log().await, "the supervisor is gone").is_empty());
}

#[tokio::test]
async fn term_lets_the_workers_drain_and_ends_with_success() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut up = start(&[]).await;
        let pids = up.slots("fork");
        up.signal(signal);
        assert_eq!(up.ended().await.code(), Some(0));
        assert!(pids.iter().all(|(_, pid)| is_gone(*pid)));
        let log = up.whole_log().await;
        assert!(log.last().unwrap().contains("stopped: every worker drained"), "{log:#?}");
        assert_eq!(said(&log, "exit").iter().filter(|line| line["code"] == 0).count(), 2);
    }
}

#[tokio::test]
async fn a_worker_that_does_not_drain_is_killed_at_the_deadline() {
    let mut up = start(&[("ROWCAST_DRAIN_SECONDS", "1")]).await;
    send(up.slots("fork")[0].1, Signal::SIGSTOP);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ended().await.code(), Some(1));
    assert_eq!(up.line(|line| says(line, "kill")).await["reason"], "drain deadline");
    assert_eq!(up.line(|line| says(line, "stopped: not every worker")).await["unfinished"], 1);
}

#[tokio::test]
async fn a_second_term_ends_at_once() {
    let mut up = start(&[("ROWCAST_DRAIN_SECONDS", "3600")]).await;
    send(up.slots("fork")[0].1, Signal::SIGSTOP);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.line(|line| says(line, "the supervisor stops")).await["signal"], "SIGTERM");
    up.signal(Signal::SIGTERM);
    assert_eq!(up.ended().await.code(), Some(1));
    assert_eq!(up.line(|line| says(line, "kill")).await["reason"], "told twice to stop");
}

#[tokio::test]
async fn ttin_and_ttou_change_the_number_but_never_below_one() {
    let up = start(&[("ROWCAST_WORKERS", "1")]).await;
    let wanted = async |count: usize| up.says("another number", count).await.remove(count - 1);
    up.signal(Signal::SIGTTIN);
    assert_eq!(wanted(1).await["workers"], 2);
    forked(&up, 2).await;
    up.signal(Signal::SIGTTOU);
    assert_eq!(wanted(2).await["workers"], 1);
    let left = forked(&up, 1).await;
    up.signal(Signal::SIGTTOU);
    assert_eq!(wanted(3).await["workers"], 1);
    assert_eq!(up.slots("fork"), left);
}

#[tokio::test]
async fn hup_replaces_every_worker_and_loses_no_capacity_on_the_way() {
    let up = start(&[]).await;
    let before = up.slots("fork");
    up.signal(Signal::SIGHUP);
    up.lines(2, |line| says(line, "exit")).await;
    let after = forked(&up, 2).await;
    assert!(after.iter().all(|worker| !before.contains(worker)), "{before:?} {after:?}");
    let steps = up.lines(1, |line| line["slot"] == 1).await;
    let steps: Vec<&str> = steps.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(steps, ["fork", "online", "fork", "online", "drain", "disconnect", "exit"]);
}

#[tokio::test]
async fn hup_reads_the_env_file_again_and_refuses_a_bad_one() {
    let folder = empty_folder();
    let file = folder.join(".env");
    fs::write(&file, "ROWCAST_BATCH=11\n").unwrap();
    let up = spawn(folder, &["up"], &[("ROWCAST_WORKERS", "1")]);
    let first = pid(&up.line(|line| says(line, "online")).await);
    assert_eq!(variable_of(first, "ROWCAST_BATCH").as_deref(), Some("11"));

    fs::write(&file, "ROWCAST_BATCH=many\n").unwrap();
    up.signal(Signal::SIGHUP);
    let refused = up.line(|line| says(line, "the new configuration is refused")).await;
    assert!(refused["message"].as_str().unwrap().contains("ROWCAST_BATCH=\"many\""), "{refused}");
    assert_eq!(up.slots("fork"), [(1, first)]);

    // What is refused does not reach the successor of a crashed worker either.
    send(first, Signal::SIGKILL);
    let second = pid(&up.lines(2, |line| says(line, "online")).await[1]);
    assert_eq!(variable_of(second, "ROWCAST_BATCH").as_deref(), Some("11"));

    fs::write(&file, "ROWCAST_BATCH=12\n").unwrap();
    up.signal(Signal::SIGHUP);
    let third = pid(&up.lines(3, |line| says(line, "online")).await[2]);
    assert_eq!(variable_of(third, "ROWCAST_BATCH").as_deref(), Some("12"));
}

#[tokio::test]
async fn a_worker_that_refuses_its_configuration_is_tried_slowly_until_hup_brings_a_good_one() {
    let folder = empty_folder();
    let routes = folder.join("routes.toml");
    let good = "[[route]]\nqueue = \"message\"\ntable = \"pre_qqaccount\"\n";
    fs::write(&routes, good).unwrap();
    let up = spawn(folder, &["up", "--routes", "routes.toml"], &[("ROWCAST_WORKERS", "1")]);
    let worker = pid(&up.line(|line| says(line, "online")).await);
    fs::write(&routes, "[[route]]\n").unwrap();
    send(worker, Signal::SIGKILL);
    up.line(|line| says(line, "the worker refuses its configuration")).await;
    let degraded = up.line(|line| says(line, "the slot is degraded")).await;
    assert!(degraded["retry_ms"].as_u64().unwrap() >= 15_000, "{degraded}");
    up.line(|line| line.as_str().is_some_and(|line| line.contains("ROWCAST_ROUTES=\"routes.toml\""))).await;
    fs::write(&routes, good).unwrap();
    up.signal(Signal::SIGHUP);
    up.lines(2, |line| says(line, "online")).await;
}

#[tokio::test]
async fn a_worker_that_is_stopped_is_killed_after_the_stall_and_replaced() {
    let up = start(&[("ROWCAST_STALL_SECONDS", "2")]).await;
    let stopped = up.slots("fork")[1].1;
    send(stopped, Signal::SIGSTOP);
    assert_eq!(up.line(|line| says(line, "kill")).await["reason"], "no progress");
    let online = up.lines(3, |line| says(line, "online")).await.remove(2);
    assert_eq!(online["slot"], 2);
    assert!(is_gone(stopped));
}

#[tokio::test]
async fn a_supervisor_that_was_stopped_itself_kills_nobody_for_it() {
    let up = start(&[("ROWCAST_STALL_SECONDS", "2")]).await;
    let workers = up.slots("fork");
    up.signal(Signal::SIGSTOP);
    // The length of the pause is what is tested.
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    up.signal(Signal::SIGCONT);
    up.line(|line| says(line, "the supervisor was held up")).await;
    up.signal(Signal::SIGUSR2);
    up.line(|line| says(line, "status of the supervisor")).await;
    assert_eq!(up.slots("fork"), workers);
}

#[tokio::test]
async fn usr2_tells_the_state_of_every_slot() {
    let up = start(&[]).await;
    up.signal(Signal::SIGUSR2);
    let total = up.line(|line| says(line, "status of the supervisor")).await;
    assert_eq!((&total["workers"], &total["live"]), (&2.into(), &2.into()));
    let slots = up.lines(2, |line| line["message"] == "status").await;
    for (line, (slot, pid)) in slots.iter().zip(up.slots("fork")) {
        assert_eq!(
            (&line["slot"], &line["pid"], &line["phase"]),
            (&slot.into(), &pid.into(), &"ready".into())
        );
    }
}

#[tokio::test]
async fn bad_configuration_ends_with_64_names_the_variable_and_spawns_nothing() {
    let cases = [
        ("ROWCAST_WORKERS", "few", "ROWCAST_WORKERS=\"few\""),
        ("ROWCAST_BATCH", "0", "ROWCAST_BATCH=\"0\""),
        ("DATABASE_URL", "", "DATABASE_URL"),
        ("ROWCAST_LOG", "xml", "ROWCAST_LOG=\"xml\""),
        ("RUST_LOG", "rowcast=loudly", "RUST_LOG=\"rowcast=loudly\""),
    ];
    for (name, value, expected) in cases {
        let mut up = spawn(empty_folder(), &["up"], &[(name, value)]);
        assert_eq!(up.ended().await.code(), Some(64), "{name}={value}");
        let log = up.whole_log().await;
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(log[0].contains(expected), "{log:?}");
    }
    let mut up = spawn(empty_folder(), &["up", "--nonsense"], &[]);
    assert_eq!(up.ended().await.code(), Some(64));
}

#[tokio::test]
async fn flags_reach_the_workers_as_variables() {
    let up = spawn(empty_folder(), &["--batch", "7", "up", "--workers", "1"], &[("ROWCAST_BATCH", "9")]);
    let worker = pid(&up.line(|line| says(line, "online")).await);
    assert_eq!(variable_of(worker, "ROWCAST_BATCH").as_deref(), Some("7"));
    assert_eq!(up.slots("fork").len(), 1);
}

#[tokio::test]
async fn a_worker_without_a_supervisor_drains_on_term() {
    let mut worker = spawn(empty_folder(), &["worker"], &[("RUST_LOG", "debug")]);
    let id = worker.pid();
    caught(id, Signal::SIGTERM).await;
    worker.signal(Signal::SIGTERM);
    let began = Instant::now();
    assert_eq!(worker.ended().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// A supervisor for which no server is there, once all its workers are online.
async fn start(variables: &[(&str, &str)]) -> Running {
    let up = spawn(empty_folder(), &["up"], variables);
    let workers = up.says("the supervisor starts", 1).await[0]["workers"].as_u64().unwrap();
    up.says("online", workers as usize).await;
    up
}

/// Starts `rowcast` in a folder, and nothing more.
fn spawn(folder: PathBuf, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
    let defaults = [
        ("ROWCAST_LOG", "json"),
        ("DATABASE_URL", "mysql://root@127.0.0.1:1/app"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("ROWCAST_WORKERS", "2"),
        ("ROWCAST_GATEWAYS", "0"),
        ("ROWCAST_DRAIN_SECONDS", "10"),
    ];
    Running::in_folder(folder, arguments, &[&defaults, variables].concat())
}

/// Waits until so many workers run, as the log tells.
async fn forked(up: &Running, workers: usize) -> Vec<(u64, i32)> {
    eventually(PATIENCE, "so many workers run", async || {
        let slots = up.slots("fork");
        if slots.len() == workers { Ok(slots) } else { Err(slots) }
    })
    .await
}

/// A variable in the environment that a process was started with.
fn variable_of(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let value =
        |entry: &str| entry.split_once('=').filter(|(key, _)| *key == name).map(|(_, v)| v.to_owned());
    environment.split('\0').find_map(value)
}

/// Waits until a process has a handler for a signal, as proc(5) tells.
async fn caught(pid: i32, signal: Signal) {
    eventually(PATIENCE, "the signal is caught", async || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
        let mask = u64::from_str_radix(caught.trim(), 16).unwrap_or(0);
        if mask >> (signal as i32 - 1) & 1 == 1 { Ok(()) } else { Err(status) }
    })
    .await;
}
