//! A job that crashes every worker that takes it.

use super::scene::{Scene, job, marker, sorted};

#[tokio::test]
async fn a_job_that_crashes_workers_becomes_a_dead_letter_and_those_around_it_go_in() {
    let scene = Scene::new().await;
    scene.push(0..14).await;
    let poison = br#"{"time":14,"stamp":"arsenic"}"#.to_vec();
    scene.push_raw(std::slice::from_ref(&poison)).await;
    scene.push(14..45).await;
    let variables = [("ROWCAST_LEASE_SECONDS", "3600"), ("ROWCAST_FAULT_POISON", "arsenic")];
    let mut up = scene.run("up", &variables);
    let audit = scene.quiet().await;
    let rows = scene.rows().await;
    let markers: Vec<String> = rows.iter().map(|(_, marker)| marker.clone()).collect();
    assert_eq!(sorted(&markers), (0..45).map(marker).collect::<Vec<_>>());
    assert_eq!(sorted(&scene.events().await), rows);
    let dead = scene.dead_letters().await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!((dead[0].code.as_str(), dead[0].attempts), ("crashed", 3));
    assert_eq!(dead[0].raw_bytes(), poison);
    assert_eq!((audit.inserted, audit.dead, audit.difference()), (45, 1, 0));
    assert_eq!(up.said("exit").len(), 3);
    up.drain().await;
}

#[tokio::test]
async fn two_poisonous_jobs_in_one_claim_are_told_from_their_neighbours() {
    let scene = Scene::new().await;
    let jobs: Vec<Vec<u8>> = (0..8)
        .map(|n| {
            if n == 2 || n == 5 {
                format!(r#"{{"time":{n},"stamp":"arsenic"}}"#).into_bytes()
            } else {
                job(n)
            }
        })
        .collect();
    scene.push_raw(&jobs).await;
    let mut workers = Vec::new();
    // Two of them die of both jobs, which they hold together, and then one of each alone.
    for _ in 0..4 {
        let mut worker = scene.run("worker", &[("ROWCAST_FAULT_POISON", "arsenic")]);
        worker.ended().await;
        workers.push(worker);
    }
    let _last = scene.run("worker", &[("ROWCAST_FAULT_POISON", "arsenic")]);
    let audit = scene.quiet().await;
    assert_eq!((audit.inserted, audit.dead, audit.difference()), (6, 2, 0));
    let dead = scene.dead_letters().await;
    assert!(dead.iter().all(|letter| letter.code == "crashed" && letter.attempts == 3), "{dead:?}");
    assert_eq!(scene.events().await.len(), 6);
}
