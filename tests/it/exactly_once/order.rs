//! First in, first out, as far as one worker can keep it.

use super::scene::{Scene, marker};

async fn rows_are_in_order(scene: &Scene, jobs: usize) {
    scene.each_once(jobs).await;
    let markers: Vec<String> = scene.rows().await.into_iter().map(|(_, marker)| marker).collect();
    assert_eq!(markers, (0..jobs).map(marker).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_worker_keeps_the_order() {
    let scene = Scene::new().await;
    scene.push(0..30).await;
    let _worker = scene.run("worker", &[]);
    scene.push(30..35).await;
    for job in 35..70 {
        scene.push(job..job + 1).await;
    }
    rows_are_in_order(&scene, 70).await;
    let events: Vec<String> = scene.events().await.into_iter().map(|(_, marker)| marker).collect();
    assert_eq!(events, (0..70).map(marker).collect::<Vec<_>>());
}

/// What is handed back, from the claim in hand and from the one ahead, is taken before newer jobs.
#[tokio::test]
async fn a_kill_does_not_change_the_order() {
    for place in ["ahead", "inserted", "committed", "settled"] {
        let scene = Scene::new().await;
        scene.push(0..60).await;
        let fault = scene.fault(place, "kill", 2);
        let _up = scene.run("up", &[("ROWCAST_LEASE_SECONDS", "3600"), ("ROWCAST_FAULT", &fault)]);
        scene.fault_happened().await;
        rows_are_in_order(&scene, 60).await;
    }
}

#[tokio::test]
async fn an_orderly_end_does_not_change_the_order() {
    let scene = Scene::new().await;
    scene.push(0..1_000).await;
    for _ in 0..3 {
        let mut worker = scene.run("worker", &[]);
        let before = scene.audit().await.inserted;
        crate::support::eventually(super::scene::LIMIT, "it works", async || {
            let now = scene.audit().await.inserted;
            if now > before + 20 { Ok(()) } else { Err(now) }
        })
        .await;
        worker.drain().await;
    }
    let _last = scene.run("worker", &[("ROWCAST_BATCH", "200")]);
    rows_are_in_order(&scene, 1_000).await;
}
