//! Whoever dies, wakes up late or is overtaken: each event is heard once.

use std::{collections::BTreeSet, path::PathBuf};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{CLIENT, Local, TABLE, ask, clients_at, push, row};
use crate::support::{
    PATIENCE, eventually, new_folder,
    running::{send, stopped},
};

/// A fault that happens in one process only.
fn fault(place: &str, action: &str) -> (String, PathBuf) {
    let file = new_folder("fault");
    (format!("{place}:{action}:1:{}", file.display()), file)
}

/// A worker dies at this place, in the middle of many jobs; its successor finishes what it held.
async fn killed(place: &str) {
    let (fault, file) = fault(place, "kill");
    // Of a claim so large the events are several parcels.
    let local = Local::start(&[("ROWCAST_BATCH", "1500"), ("ROWCAST_FAULT", &fault)]).await;
    let mut node = local.member(0).await;
    push(&local.env, 0..4_000).await;
    local.each_once(&mut node, 4_000).await;
    assert!(file.exists(), "the fault point {place} was not reached");
    local.up.says("exit", 1).await;
}

#[tokio::test]
async fn a_worker_killed_before_it_has_handed_on_what_it_committed_loses_no_event() {
    killed("committed").await;
}

#[tokio::test]
async fn a_worker_killed_in_the_middle_of_handing_on_has_each_event_heard_once() {
    killed("parcel").await;
}

#[tokio::test]
async fn a_worker_killed_between_handing_on_and_settling_has_each_event_heard_once() {
    killed("handed_on").await;
}

#[tokio::test]
async fn a_worker_killed_after_settling_has_each_event_heard_once() {
    killed("settled").await;
}

#[tokio::test]
async fn a_worker_that_was_rescued_and_wakes_up_has_none_of_its_events_heard_again() {
    for place in ["committed", "parcel", "handed_on"] {
        let (fault, file) = fault(place, "stop");
        let variables = [
            ("ROWCAST_WORKERS", "2"),
            ("ROWCAST_BATCH", "1500"),
            ("ROWCAST_LEASE_SECONDS", "2"),
            ("ROWCAST_FAULT", fault.as_str()),
        ];
        let local = Local::start(&variables).await;
        let mut node = local.member(0).await;
        push(&local.env, 0..4_000).await;
        eventually(
            PATIENCE,
            "the fault point is reached",
            async || if file.exists() { Ok(()) } else { Err(()) },
        )
        .await;
        let workers = local.up.workers();
        assert_eq!(local.heard(&mut node, 4_000).await, (0..4_000).collect::<Vec<_>>());
        workers.into_iter().for_each(|pid| send(pid, Signal::SIGCONT));
        local.up.says("exit", 1).await;
        // Whatever it has handed on before it found that it was fenced comes before the next mark.
        push(&local.env, 4_000..4_100).await;
        assert_eq!(local.heard(&mut node, 4_100).await, (4_000..4_100).collect::<Vec<_>>(), "{place}");
        let log = local.up.stop().await;
        assert!(log.iter().any(|line| line.contains("fenced: this worker was silent")), "{place}: {log:#?}");
    }
}

#[tokio::test]
async fn a_rescuer_that_is_heard_before_the_worker_it_finished_for_takes_none_of_its_events_away() {
    // In the fifth parcel, so that there are claims before it.
    let file = new_folder("fault");
    let fault = format!("parcel:kill:5:{}", file.display());
    let variables = [
        ("ROWCAST_WORKERS", "2"),
        ("ROWCAST_BATCH", "10"),
        ("ROWCAST_LEASE_SECONDS", "2"),
        ("ROWCAST_FAULT", fault.as_str()),
    ];
    let local = Local::start(&variables).await;
    let mut node = local.member(0).await;
    // All that is handed on stays in the sockets: the dead worker's and the survivor's.
    local.up.signal(Signal::SIGSTOP);
    stopped(local.up.pid()).await;
    push(&local.env, 0..400).await;
    local.env.done(400).await;
    assert!(file.exists(), "no worker died");
    local.up.signal(Signal::SIGCONT);
    local.each_once(&mut node, 400).await;
}

#[tokio::test]
async fn when_the_supervisor_is_killed_clients_that_come_back_have_missed_nothing() {
    let mut local = Local::start(&[]).await;
    let address = local.addresses[0].clone();
    let (mut node, _) = clients_at(&address, &["--transport", "websocket", CLIENT]).await;
    let what = |since: Value| json!(["subscribe", {"room": TABLE, "since": since}]);
    assert_eq!(ask(&mut node, CLIENT, what(json!("now"))).await["ok"], true);
    push(&local.env, 0..2_000).await;
    let (mut rows, mut since) = (Vec::new(), json!("0"));
    let mut take = |rows: &mut Vec<usize>, line: &Value| match line["event"].as_str() {
        Some("row") => rows.push(row(line)),
        Some("mark") => since = line["args"][0]["since"].clone(),
        _ => {}
    };
    while rows.is_empty() {
        let line = node.line().await;
        take(&mut rows, &line);
    }
    local.up.kill9().await;
    loop {
        let line = node.line().await;
        if line["disconnected"].is_string() {
            break;
        }
        take(&mut rows, &line);
    }
    local.up.whole_log().await;
    let again = Local::start_on(local.env, &[("ROWCAST_LISTEN", &address)]).await;
    while node.line().await["connected"].is_null() {}
    assert_eq!(ask(&mut node, CLIENT, what(since)).await["ok"], true);
    let mut all: BTreeSet<usize> = rows.into_iter().collect();
    while all.len() < 2_000 {
        let line = node.line().await;
        if line["event"] == "row" {
            all.insert(row(&line));
        }
    }
    again.env.done(2_000).await;
    assert_eq!(again.env.count(TABLE).await, 2_000);
}
