//! Rescuers that meet, and rescuers that die.

use std::os::unix::process::ExitStatusExt as _;

use super::scene::Scene;

/// A worker that died with two claims and a committed one.
async fn dead_worker(scene: &Scene, place: &str) {
    scene.push(0..45).await;
    let mut dead = scene.run("worker", &[("ROWCAST_FAULT", &format!("{place}:kill:2"))]);
    assert_eq!(dead.ended().await.signal(), Some(9));
}

#[tokio::test]
async fn two_rescuers_at_once_do_no_harm() {
    for place in ["inserted", "committed"] {
        let scene = Scene::new().await;
        dead_worker(&scene, place).await;
        let mut rescuers = [0, 1, 2].map(|_| scene.run("worker", &[]));
        scene.each_once(45).await;
        for rescuer in &mut rescuers {
            rescuer.drain().await;
        }
        assert_eq!(scene.checkpoints().await, []);
    }
}

/// The first rescuer stops in the middle of its rescue, the second does it all, and then the first goes on.
async fn overtaken(place: &str, died_at: &str) {
    let scene = Scene::new().await;
    dead_worker(&scene, died_at).await;
    let first = scene.run("worker", &[("ROWCAST_FAULT", &scene.fault(place, "stop", 1))]);
    super::process::stopped(first.pid()).await;
    let _second = scene.run("worker", &[]);
    scene.each_once(45).await;
    first.signal(nix::sys::signal::Signal::SIGCONT);
    for job in 45..80 {
        scene.push(job..job + 1).await;
        scene.quiet().await;
    }
    scene.each_once(80).await;
}

#[tokio::test]
async fn a_rescuer_that_is_overtaken_after_its_fence_does_no_harm() {
    tokio::join!(overtaken("fenced", "inserted"), overtaken("fenced", "committed"));
}

#[tokio::test]
async fn a_rescuer_that_is_overtaken_before_its_last_step_does_no_harm() {
    tokio::join!(overtaken("rescued", "inserted"), overtaken("rescued", "committed"));
}

/// A worker and its successor die; whoever comes next finishes for both.
async fn the_successor_dies_too(place: &str, died_at: &str) {
    let scene = Scene::new().await;
    scene.push(0..45).await;
    let faults =
        format!("{},{}", scene.fault(died_at, "kill", 2), format_args!("{place}:kill:1:{}", scene.second()));
    let up = scene.run("up", &[("ROWCAST_LEASE_SECONDS", "3600"), ("ROWCAST_FAULT", &faults)]);
    scene.each_once(45).await;
    let exits = up.said("exit");
    assert!(exits.len() == 2 && exits.iter().all(|exit| exit["signal"] == 9), "{exits:?}");
}

#[tokio::test]
async fn a_successor_that_dies_in_its_rescue_is_succeeded_as_well() {
    tokio::join!(
        the_successor_dies_too("fenced", "inserted"),
        the_successor_dies_too("fenced", "committed"),
        the_successor_dies_too("rescued", "inserted"),
        the_successor_dies_too("rescued", "committed")
    );
}
