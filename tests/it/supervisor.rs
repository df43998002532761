//! The supervisor as a person meets it: real processes, real signals, and its log.

mod stuck;
mod up;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use up::{Up, directory, eventually, is_gone, pid, says, send, variable_of};

#[test]
fn a_killed_worker_is_replaced_at_once_and_its_successor_knows_of_it() {
    let up = Up::start(&[]);
    let killed = up.line(|line| says(line, "fork") && line["slot"] == 1);
    send(pid(&killed), Signal::SIGKILL);
    let exit = up.line(|line| says(line, "exit"));
    assert_eq!((&exit["signal"], &exit["slot"], &exit["retry_ms"]), (&9.into(), &1.into(), &0.into()));
    assert_eq!(exit["worker"], killed["worker"]);
    let online = up.lines(3, |line| says(line, "online")).remove(2);
    assert_eq!(online["slot"], 1);
    let told = variable_of(pid(&online), "ROWCAST_PREDECESSORS");
    assert_eq!(told.as_deref(), killed["worker"].as_str());
}

#[test]
fn the_workers_of_a_killed_supervisor_end_by_themselves() {
    let mut up = Up::start(&[("ROWCAST_WORKERS", "3")]);
    let pids = up.pids();
    assert_eq!(pids.len(), 3);
    up.signal(Signal::SIGKILL);
    up.wait();
    for (_, pid) in pids {
        eventually(|| is_gone(pid).then_some(()));
    }
    assert!(up.whole_log().iter().any(|line| says(line, "the supervisor is gone")));
}

#[test]
fn term_lets_the_workers_drain_and_ends_with_success() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut up = Up::start(&[]);
        let pids = up.pids();
        up.signal(signal);
        assert_eq!(up.wait().code(), Some(0));
        assert!(pids.iter().all(|(_, pid)| is_gone(*pid)));
        let log = up.whole_log();
        assert!(says(log.last().unwrap(), "stopped: every worker drained"), "{log:#?}");
        let drained = |line: &&serde_json::Value| says(line, "exit") && line["code"] == 0;
        assert_eq!(log.iter().filter(drained).count(), 2);
    }
}

#[test]
fn a_worker_that_does_not_drain_is_killed_at_the_deadline() {
    let mut up = Up::start(&[("ROWCAST_DRAIN_SECONDS", "1")]);
    send(up.pids()[0].1, Signal::SIGSTOP);
    up.signal(Signal::SIGTERM);
    assert_eq!(up.wait().code(), Some(1));
    assert_eq!(up.line(|line| says(line, "kill"))["reason"], "drain deadline");
    assert_eq!(up.line(|line| says(line, "stopped: not every worker"))["unfinished"], 1);
}

#[test]
fn a_second_term_ends_at_once() {
    let mut up = Up::start(&[("ROWCAST_DRAIN_SECONDS", "3600")]);
    send(up.pids()[0].1, Signal::SIGSTOP);
    up.signal(Signal::SIGTERM);
    up.line(|line| says(line, "the supervisor stops"));
    up.signal(Signal::SIGTERM);
    assert_eq!(up.wait().code(), Some(1));
    assert_eq!(up.line(|line| says(line, "kill"))["reason"], "told twice to stop");
}

#[test]
fn ttin_and_ttou_change_the_number_but_never_below_one() {
    let up = Up::start(&[("ROWCAST_WORKERS", "1")]);
    let wanted = |count: usize| up.lines(count, |line| says(line, "another number")).remove(count - 1);
    up.signal(Signal::SIGTTIN);
    assert_eq!(wanted(1)["workers"], 2);
    up.until_pids(|pids| pids.len() == 2);
    up.signal(Signal::SIGTTOU);
    assert_eq!(wanted(2)["workers"], 1);
    let left = up.until_pids(|pids| pids.len() == 1);
    up.signal(Signal::SIGTTOU);
    assert_eq!(wanted(3)["workers"], 1);
    assert_eq!(up.pids(), left);
}

#[test]
fn hup_replaces_every_worker_and_loses_no_capacity_on_the_way() {
    let up = Up::start(&[]);
    let before = up.pids();
    up.signal(Signal::SIGHUP);
    up.lines(2, |line| says(line, "exit"));
    let after = up.until_pids(|pids| pids.len() == 2);
    assert!(after.iter().all(|worker| !before.contains(worker)), "{before:?} {after:?}");
    let steps = up.lines(1, |line| line["slot"] == 1);
    let steps: Vec<&str> = steps.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(steps, ["fork", "online", "fork", "online", "drain", "disconnect", "exit"]);
}

#[test]
fn hup_reads_the_env_file_again_and_refuses_a_bad_one() {
    let directory = directory();
    let file = directory.join(".env");
    fs::write(&file, "ROWCAST_BATCH=11\n").unwrap();
    let up = Up::spawn(directory, &["up"], &[("ROWCAST_WORKERS", "1")]);
    let first = pid(&up.line(|line| says(line, "online")));
    assert_eq!(variable_of(first, "ROWCAST_BATCH").as_deref(), Some("11"));

    fs::write(&file, "ROWCAST_BATCH=many\n").unwrap();
    up.signal(Signal::SIGHUP);
    let refused = up.line(|line| says(line, "the new configuration is refused"));
    assert!(refused["message"].as_str().unwrap().contains("ROWCAST_BATCH=\"many\""), "{refused}");
    assert_eq!(up.pids(), [(1, first)]);

    // What is refused does not reach the successor of a crashed worker either.
    send(first, Signal::SIGKILL);
    let second = pid(&up.lines(2, |line| says(line, "online"))[1]);
    assert_eq!(variable_of(second, "ROWCAST_BATCH").as_deref(), Some("11"));

    fs::write(&file, "ROWCAST_BATCH=12\n").unwrap();
    up.signal(Signal::SIGHUP);
    let third = pid(&up.lines(3, |line| says(line, "online"))[2]);
    assert_eq!(variable_of(third, "ROWCAST_BATCH").as_deref(), Some("12"));
}

#[test]
fn a_worker_that_refuses_its_configuration_is_tried_slowly_until_hup_brings_a_good_one() {
    let directory = directory();
    let routes = directory.join("routes.toml");
    let good = "[[route]]\nqueue = \"message\"\ntable = \"pre_qqaccount\"\n";
    fs::write(&routes, good).unwrap();
    let up = Up::spawn(directory, &["up", "--routes", "routes.toml"], &[("ROWCAST_WORKERS", "1")]);
    let worker = pid(&up.line(|line| says(line, "online")));
    fs::write(&routes, "[[route]]\n").unwrap();
    send(worker, Signal::SIGKILL);
    up.line(|line| says(line, "the worker refuses its configuration"));
    let degraded = up.line(|line| says(line, "the slot is degraded"));
    assert!(degraded["retry_ms"].as_u64().unwrap() >= 15_000, "{degraded}");
    up.line(|line| line.as_str().is_some_and(|line| line.contains("ROWCAST_ROUTES=\"routes.toml\"")));
    fs::write(&routes, good).unwrap();
    up.signal(Signal::SIGHUP);
    up.lines(2, |line| says(line, "online"));
}

#[test]
fn a_worker_that_is_stopped_is_killed_after_the_stall_and_replaced() {
    let up = Up::start(&[("ROWCAST_STALL_SECONDS", "2")]);
    let stopped = up.pids()[1].1;
    send(stopped, Signal::SIGSTOP);
    assert_eq!(up.line(|line| says(line, "kill"))["reason"], "no progress");
    let online = up.lines(3, |line| says(line, "online")).remove(2);
    assert_eq!(online["slot"], 2);
    assert!(is_gone(stopped));
}

#[test]
fn a_supervisor_that_was_stopped_itself_kills_nobody_for_it() {
    let up = Up::start(&[("ROWCAST_STALL_SECONDS", "2")]);
    let workers = up.pids();
    up.signal(Signal::SIGSTOP);
    // The length of the pause is what is tested.
    thread::sleep(Duration::from_millis(3_500));
    up.signal(Signal::SIGCONT);
    up.line(|line| says(line, "the supervisor was held up"));
    up.signal(Signal::SIGUSR2);
    up.line(|line| says(line, "status of the supervisor"));
    assert_eq!(up.pids(), workers);
}

#[test]
fn usr2_tells_the_state_of_every_slot() {
    let up = Up::start(&[]);
    up.signal(Signal::SIGUSR2);
    let total = up.line(|line| says(line, "status of the supervisor"));
    assert_eq!((&total["workers"], &total["live"]), (&2.into(), &2.into()));
    let slots = up.lines(2, |line| line["message"] == "status");
    for (line, (slot, pid)) in slots.iter().zip(up.pids()) {
        assert_eq!(
            (&line["slot"], &line["pid"], &line["phase"]),
            (&slot.into(), &pid.into(), &"ready".into())
        );
    }
}

#[test]
fn bad_configuration_ends_with_64_names_the_variable_and_spawns_nothing() {
    let cases = [
        ("ROWCAST_WORKERS", "few", "ROWCAST_WORKERS=\"few\""),
        ("ROWCAST_BATCH", "0", "ROWCAST_BATCH=\"0\""),
        ("DATABASE_URL", "", "DATABASE_URL"),
        ("ROWCAST_LOG", "xml", "ROWCAST_LOG=\"xml\""),
        ("RUST_LOG", "rowcast=loudly", "RUST_LOG=\"rowcast=loudly\""),
    ];
    for (name, value, expected) in cases {
        let mut up = Up::spawn(directory(), &["up"], &[(name, value)]);
        assert_eq!(up.wait().code(), Some(64), "{name}={value}");
        let log = up.whole_log();
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(log[0].as_str().unwrap().contains(expected), "{log:?}");
    }
    let mut up = Up::spawn(directory(), &["up", "--nonsense"], &[]);
    assert_eq!(up.wait().code(), Some(64));
}

#[test]
fn flags_reach_the_workers_as_variables() {
    let up = Up::spawn(directory(), &["--batch", "7", "up", "--workers", "1"], &[("ROWCAST_BATCH", "9")]);
    let worker = pid(&up.line(|line| says(line, "online")));
    assert_eq!(variable_of(worker, "ROWCAST_BATCH").as_deref(), Some("7"));
    assert_eq!(up.pids().len(), 1);
}

#[test]
fn a_worker_above_the_memory_limit_is_drained_and_replaced() {
    let up = Up::spawn(directory(), &["up"], &[("ROWCAST_WORKERS", "1"), ("ROWCAST_MAX_MEMORY_MB", "1")]);
    assert_eq!(up.line(|line| says(line, "drain"))["reason"], "memory limit");
    let exit = up.line(|line| says(line, "exit"));
    assert_eq!((&exit["code"], &exit["reason"]), (&0.into(), &"memory limit".into()));
    up.lines(2, |line| says(line, "online"));
}

#[test]
fn a_worker_without_a_supervisor_drains_on_term() {
    let mut worker = Up::spawn(directory(), &["worker"], &[("RUST_LOG", "debug")]);
    let id = worker.id();
    eventually(|| catches(id, Signal::SIGTERM).then_some(()));
    worker.signal(Signal::SIGTERM);
    let began = Instant::now();
    assert_eq!(worker.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// Whether a process has a handler for a signal, as proc(5) tells.
fn catches(pid: i32, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|mask| mask >> (signal as i32 - 1) & 1 == 1)
}
