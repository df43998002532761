//! Ten thousand jobs, good and bad, while workers are killed at random.

use std::{collections::BTreeMap, time::Duration};

use nix::sys::signal::Signal;

use super::scene::{LIMIT, Scene, job, marker, sorted};
use crate::support::{eventually, random, running::send};

/// A job that cannot become a row, each in a way of its own; its bytes are like no other's.
fn bad(number: usize, random: &mut fastrand::Rng) -> Vec<u8> {
    let long = "x".repeat(200);
    match random.u8(0..8) {
        0 => format!("not json {number}").into_bytes(),
        1 => format!(r#"{{"time":{number},"stamp":"cut"#).into_bytes(),
        2 => format!(r#"{{"time":{number}}}"#).into_bytes(),
        3 => format!(r#"{{"time":"t{number}","stamp":"a"}}"#).into_bytes(),
        4 => format!(r#"{{"time":{number},"stamp":"{long}"}}"#).into_bytes(),
        5 => format!(r#"{{"time":{number},"time":1,"stamp":"a"}}"#).into_bytes(),
        6 => format!("{number}").into_bytes(),
        _ => [b"\xff\xfe", format!("{number}").as_bytes()].concat(),
    }
}

#[tokio::test]
async fn ten_thousand_jobs_under_random_kills_add_up() {
    const JOBS: usize = 10_000;
    let mut random = random();
    let scene = Scene::new().await;
    let mut good = Vec::new();
    let mut jobs = BTreeMap::new();
    for number in 0..JOBS {
        let is_good = random.u8(0..10) > 0;
        jobs.insert(if is_good { job(number) } else { bad(number, &mut random) }, is_good);
        if is_good {
            good.push(marker(number));
        }
    }
    let mut all: Vec<Vec<u8>> = jobs.keys().cloned().collect();
    random.shuffle(&mut all);

    let up = scene.run("up", &[("ROWCAST_WORKERS", "2"), ("ROWCAST_BATCH", "100")]);
    let alone = scene.run("worker", &[("ROWCAST_BATCH", "100")]);
    let kills = async {
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(random.u64(50..700))).await;
            let workers = eventually(LIMIT, "a worker to kill", async || {
                Some(up.workers()).filter(|workers| !workers.is_empty()).ok_or("none")
            });
            send(random.choice(workers.await).unwrap(), Signal::SIGKILL);
        }
        drop(alone);
    };
    let pushes = async {
        for chunk in all.chunks(250) {
            scene.push_raw(chunk).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(kills, pushes);

    let audit = scene.quiet().await;
    let rows = scene.rows().await;
    assert_eq!(sorted(&scene.events().await), rows);
    assert_eq!(audit.difference(), 0, "{audit:?}");
    assert_eq!((audit.inserted, audit.rows), (rows.len() as u64, rows.len() as u64), "{audit:?}");
    // Whoever was in hand at three of the kills is a dead letter without being bad.
    let (crashed, dead): (Vec<_>, Vec<_>) =
        scene.dead_letters().await.into_iter().partition(|letter| letter.code == "crashed");
    assert!(crashed.iter().all(|letter| letter.attempts == 3), "{crashed:?}");
    assert_eq!(audit.dead as usize, dead.len() + crashed.len(), "{audit:?}");
    let bad: Vec<Vec<u8>> = jobs.iter().filter(|(_, good)| !**good).map(|(job, _)| job.clone()).collect();
    let crashed: Vec<Vec<u8>> = crashed.iter().map(|letter| letter.raw_bytes()).collect();
    let dead: Vec<Vec<u8>> = dead.iter().map(|letter| letter.raw_bytes()).collect();
    assert_eq!(
        sorted(&[dead, crashed.iter().filter(|job| !jobs[*job]).cloned().collect()].concat()),
        sorted(&bad)
    );
    let mut markers: Vec<String> = rows.into_iter().map(|(_, marker)| marker).collect();
    good.retain(|marker| !crashed.contains(&job(marker[2..].parse().unwrap())));
    markers.sort_unstable();
    assert_eq!(markers, good);
}
