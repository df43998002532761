//! Servers that crash, and a supervisor that is killed.

use std::{collections::BTreeSet, time::Duration};

use super::scene::{LIMIT, Scene, marker, sorted};
use crate::support::{eventually, random, running::state};

/// Waits until some rows are in, so that a server dies in the middle.
async fn in_the_middle(scene: &Scene, rows: usize) {
    eventually(LIMIT, "some rows are in", async || {
        let there = scene.rows().await.len();
        if there >= rows { Ok(()) } else { Err(there) }
    })
    .await;
}

#[tokio::test]
async fn a_crash_of_mysql_in_the_middle_costs_no_row_and_no_restart() {
    let mut scene = Scene::own_servers().await;
    scene.push(0..3_000).await;
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2")]);
    for round in 1..3 {
        in_the_middle(&scene, 600 * round).await;
        scene.env.sql().kill9().await.unwrap();
        up.says("waiting for MySQL", round).await;
        scene.env.sql().restart().await.unwrap();
    }
    scene.each_once(3_000).await;
    assert_eq!(up.said("exit").len(), 0);
    up.drain().await;
}

#[tokio::test]
async fn a_crash_of_redis_in_the_middle_loses_and_doubles_no_row() {
    let mut scene = Scene::own_servers().await;
    scene.push(0..3_000).await;
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2")]);
    let mut events = Vec::new();
    for round in 1..3 {
        in_the_middle(&scene, 600 * round).await;
        scene.env.redis.kill9().await.unwrap();
        events.extend(scene.heard.messages());
        up.says("waiting for Redis", round).await;
        scene.env.redis.restart().await.unwrap();
        scene.listen_again().await;
    }
    let audit = scene.quiet().await;
    let rows = scene.rows().await;
    let markers: Vec<String> = rows.iter().map(|(_, marker)| marker.clone()).collect();
    assert_eq!(sorted(&markers), (0..3_000).map(marker).collect::<Vec<_>>());
    assert_eq!((audit.inserted, audit.difference()), (3_000, 0), "{audit:?}");
    // Redis keeps no events: what it published while nobody could listen is gone. But nothing comes twice.
    scene.events().await;
    events.extend(scene.heard.messages());
    events.retain(|message| message.channel.starts_with("socket.io#/#"));
    let distinct: BTreeSet<&[u8]> = events.iter().map(|message| message.payload.as_slice()).collect();
    assert_eq!(distinct.len(), events.len());
    assert_eq!(up.said("exit").len(), 0);
    up.drain().await;
}

#[tokio::test]
async fn servers_that_are_away_at_the_start_are_waited_for() {
    let mut scene = Scene::own_servers().await;
    scene.push(0..30).await;
    scene.env.sql().kill9().await.unwrap();
    scene.env.redis.kill9().await.unwrap();
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2")]);
    up.says("waiting for MySQL", 2).await;
    scene.env.sql().restart().await.unwrap();
    up.says("waiting for Redis", 2).await;
    scene.env.redis.restart().await.unwrap();
    scene.listen_again().await;
    scene.quiet().await;
    assert_eq!(scene.rows().await.len(), 30);
    scene.push(30..60).await;
    scene.quiet().await;
    assert_eq!(scene.rows().await.len(), 60);
    assert_eq!(up.said("exit").len(), 0);
    up.drain().await;
}

#[tokio::test]
async fn after_a_killed_supervisor_a_new_one_finishes_everything_once() {
    let scene = Scene::new().await;
    scene.push(0..3_000).await;
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2")]);
    in_the_middle(&scene, 100).await;
    let workers = up.workers();
    up.kill9().await;
    let mut next = scene.run("up", &[("ROWCAST_WORKERS", "2")]);
    scene.each_once(3_000).await;
    for pid in workers {
        eventually(LIMIT, "the orphans end", async || match state(pid) {
            None | Some('Z' | 'X') => Ok(()),
            other => Err(other),
        })
        .await;
    }
    next.drain().await;
    scene.each_once(3_000).await;
}

#[tokio::test]
async fn a_full_redis_is_drained_and_the_leases_in_it_are_kept() {
    let scene = Scene::new().await;
    scene.push(0..3_000).await;
    let limit = |bytes: &'static str| redis::cmd("CONFIG").arg(&["SET", "maxmemory", bytes]).to_owned();
    scene.redis::<()>(&limit("1")).await;
    let refused = scene.admin.push(&["{}"]).await.unwrap_err();
    assert_eq!(refused.code(), Some("OOM"));
    let mut workers = [0, 1].map(|_| scene.run("worker", &[]));
    scene.each_once(3_000).await;
    scene.redis::<()>(&limit("0")).await;
    scene.push(3_000..3_010).await;
    scene.each_once(3_010).await;
    for worker in &mut workers {
        worker.drain().await;
    }
}

#[tokio::test]
async fn scripts_that_redis_forgets_are_loaded_again() {
    let scene = Scene::new().await;
    let _up = scene.run("up", &[("ROWCAST_WORKERS", "2")]);
    for round in 0..30 {
        scene.push(round * 30..round * 30 + 30).await;
        scene.redis::<()>(redis::cmd("SCRIPT").arg("FLUSH")).await;
    }
    scene.each_once(900).await;
}

/// Rows of a scene whose events may have been published while nobody could listen: each job has one row, and the
/// counts say so.
async fn each_row_once(scene: &Scene, jobs: usize) {
    let audit = scene.quiet().await;
    let markers: Vec<String> = scene.rows().await.into_iter().map(|(_, marker)| marker).collect();
    assert_eq!(sorted(&markers), (0..jobs).map(marker).collect::<Vec<_>>());
    assert_eq!((audit.inserted, audit.dead, audit.difference()), (jobs as u64, 0, 0), "{audit:?}");
}

/// What says that a server is away, however it is away.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Away {
    /// It is gone, and connections are refused.
    Killed,
    /// It takes connections, and does not answer.
    Silent,
}

/// Takes servers away.
async fn go(scene: &mut Scene, away: Away, redis: bool, sql: bool) {
    match away {
        Away::Killed => {
            if redis {
                scene.env.redis.kill9().await.unwrap();
            }
            if sql {
                scene.env.sql().kill9().await.unwrap();
            }
        }
        Away::Silent => {
            if redis {
                scene.env.redis.sigstop().unwrap();
            }
            if sql {
                scene.env.sql().sigstop().unwrap();
            }
        }
    }
}

/// Brings them back.
async fn come_back(scene: &mut Scene, away: Away, redis: bool, sql: bool) {
    match away {
        Away::Killed => {
            if redis {
                scene.env.redis.restart().await.unwrap();
            }
            if sql {
                scene.env.sql().restart().await.unwrap();
            }
        }
        Away::Silent => {
            if redis {
                scene.env.redis.sigcont().unwrap();
            }
            if sql {
                scene.env.sql().sigcont().unwrap();
            }
        }
    }
}

/// The shortest limits that can be configured.
const SHORT: [(&str, &str); 4] = [
    ("ROWCAST_LEASE_SECONDS", "2"),
    ("ROWCAST_STALL_SECONDS", "1"),
    ("ROWCAST_STARTUP_SECONDS", "2"),
    ("ROWCAST_WORKERS", "2"),
];

/// Redis goes away in the middle of the work for longer than any limit, the one for an answer included.
async fn redis_is_away_beyond_every_limit(away: Away) {
    let mut scene = Scene::own_servers().await;
    scene.push(0..2_000).await;
    let mut up = scene.run("up", &SHORT);
    in_the_middle(&scene, 300).await;
    go(&mut scene, away, true, false).await;
    up.says("waiting for Redis", 2).await;
    // Nothing is to happen: the length is what is tested.
    let length = if away == Away::Killed { Duration::from_secs(6) } else { Duration::from_secs(16) };
    tokio::time::sleep(length).await;
    come_back(&mut scene, away, true, false).await;
    scene.listen_again().await;
    each_row_once(&scene, 2_000).await;
    let back = up.says("Redis is back", 2).await;
    assert_eq!((up.said("waiting for").len(), back.len()), (2, 2), "{:#?}", up.log());
    assert_eq!(up.said("exit").len(), 0, "{:#?}", up.log());
    up.drain().await;
    assert_eq!(scene.checkpoints().await, []);
}

#[tokio::test]
async fn a_redis_that_is_gone_for_longer_than_every_limit_costs_neither_a_job_nor_a_worker() {
    redis_is_away_beyond_every_limit(Away::Killed).await;
}

#[tokio::test]
async fn a_redis_that_is_silent_for_longer_than_every_limit_costs_neither_a_job_nor_a_worker() {
    redis_is_away_beyond_every_limit(Away::Silent).await;
}

/// Both servers go away at random, alone and together, killed and silent, for the time that
/// `ROWCAST_TEST_SECONDS` says; jobs are pushed whenever Redis takes them.
#[tokio::test]
#[ignore = "it takes a minute: make outages"]
async fn a_campaign_of_outages_of_both_servers_loses_and_doubles_no_row() {
    let seconds = std::env::var("ROWCAST_TEST_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut random = random();
    let mut scene = Scene::own_servers().await;
    let mut up = scene.run("up", &SHORT);
    let mut jobs = 0;
    let end = std::time::Instant::now() + Duration::from_secs(seconds);
    while std::time::Instant::now() < end {
        scene.push(jobs..jobs + 500).await;
        jobs += 500;
        tokio::time::sleep(Duration::from_millis(random.u64(0..300))).await;
        let (redis, sql) = [(true, false), (false, true), (true, true)][random.usize(0..3)];
        let away = if random.bool() { Away::Killed } else { Away::Silent };
        let length = Duration::from_millis(random.u64(100..6_000));
        eprintln!("Redis {redis}, SQL {sql}: {away:?} for {length:?}");
        go(&mut scene, away, redis, sql).await;
        tokio::time::sleep(length).await;
        come_back(&mut scene, away, redis, sql).await;
        scene.listen_again().await;
    }
    each_row_once(&scene, jobs).await;
    let (down, back) =
        (up.said("waiting for").len(), up.said("Redis is back").len() + up.said("MySQL is back").len());
    assert_eq!(down, back, "{:#?}", up.log());
    assert_eq!(up.said("exit").len(), 0, "{:#?}", up.log());
    up.drain().await;
}
