//! Ends in good order: nothing is left over.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use super::scene::{LIMIT, Scene};
use crate::support::eventually;

async fn at_work(scene: &Scene) {
    eventually(LIMIT, "the work has begun", async || {
        let audit = scene.audit().await;
        if audit.inserted > 50 { Ok(()) } else { Err(audit) }
    })
    .await;
}

#[tokio::test]
async fn term_under_load_leaves_no_claim_and_no_checkpoint() {
    let scene = Scene::new().await;
    scene.push(0..5_000).await;
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2")]);
    at_work(&scene).await;
    up.drain().await;
    let audit = scene.audit().await;
    assert_eq!((audit.in_flight, audit.suspects, audit.difference()), (0, 0, 0), "{audit:?}");
    assert!(audit.waiting > 0, "it ended in the middle: {audit:?}");
    assert_eq!(scene.checkpoints().await, []);
    scene.each_job_in_its_place(5_000).await;
    let left = [&scene.env.queue, &scene.keys.totals].map(String::clone);
    assert_eq!(scene.keys_left().await, BTreeSet::from(left));
    let _next = scene.run("up", &[("ROWCAST_BATCH", "500")]);
    scene.each_once(5_000).await;
}

#[tokio::test]
async fn hup_under_load_loses_and_doubles_nothing() {
    let scene = Scene::new().await;
    scene.push(0..5_000).await;
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2")]);
    up.says("online", 2).await;
    at_work(&scene).await;
    up.signal(Signal::SIGHUP);
    let exits = up.says("exit", 2).await;
    assert!(exits.iter().all(|exit| exit["code"] == 0), "{exits:?}");
    up.says("online", 4).await;
    scene.each_once(5_000).await;
    up.drain().await;
}

#[tokio::test]
async fn an_idle_worker_leaves_nothing_but_its_counts() {
    let scene = Scene::new().await;
    let mut worker = scene.run("worker", &[]);
    scene.push(0..5).await;
    scene.each_once(5).await;
    let lists = scene.places().await;
    assert!(lists.is_empty(), "{lists:?}");
    worker.drain().await;
    assert_eq!(scene.keys_left().await, BTreeSet::from([scene.keys.totals.clone()]));
    assert_eq!(scene.checkpoints().await, []);
}
