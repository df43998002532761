//! Servers that crash, and a supervisor that is killed.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use super::{
    process::state,
    scene::{LIMIT, Scene, marker, sorted},
};
use crate::support::eventually;

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
    events.retain(|message| message.channel.starts_with("socket.io#/"));
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
    up.signal(Signal::SIGKILL);
    up.ended().await;
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
