//! Ends in good order: nothing is left over.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::scene::{LIMIT, Scene};
use crate::support::{Env, Running, eventually, new_folder};

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
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2"), ("ROWCAST_BATCH", "3")]);
    at_work(&scene).await;
    up.drain().await;
    let audit = scene.audit().await;
    assert_eq!((audit.in_flight, audit.suspects, audit.difference()), (0, 0, 0), "{audit:?}");
    assert!(audit.waiting > 0, "it ended in the middle: {audit:?}");
    assert_eq!(scene.checkpoints().await, []);
    scene.each_job_in_its_place(5_000).await;
    let left = [&scene.env.queue, &scene.keys.totals, &scene.keys.highest].map(String::clone);
    assert_eq!(scene.keys_left().await, BTreeSet::from(left));
    let _next = scene.run("up", &[("ROWCAST_BATCH", "500")]);
    scene.each_once(5_000).await;
}

/// It waits with a transaction begun, so it is the database that owes it an answer when it is told to end.
#[tokio::test]
async fn an_idle_worker_ends_in_order_and_soon_while_the_database_hangs() {
    let env = Env::own_servers().await;
    env.migrate().await;
    let mut worker = Running::worker(&env, &[("ROWCAST_DRAIN_SECONDS", "60")]);
    env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;
    env.done(1).await;
    env.own_sql.as_ref().unwrap().sigstop().unwrap();
    let told = worker.says("waiting for MySQL", 1).await.remove(0);
    assert!(told["reason"].as_str().unwrap().contains("it hangs, or is slow"), "{told}");
    worker.signal(Signal::SIGTERM);
    let began = Instant::now();
    let status = worker.ended().await;
    let took = began.elapsed();
    env.own_sql.as_ref().unwrap().sigcont().unwrap();
    assert!(
        status.success() && took < Duration::from_secs(10),
        "{status} after {took:?}: {:#?}",
        worker.log()
    );
}

#[tokio::test]
async fn hup_under_load_loses_and_doubles_nothing() {
    let scene = Scene::new().await;
    scene.push(0..5_000).await;
    let mut up = scene.run("up", &[("ROWCAST_WORKERS", "2"), ("ROWCAST_BATCH", "3")]);
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
async fn an_idle_worker_leaves_nothing_but_its_counts_and_its_highest_id() {
    let scene = Scene::new().await;
    let mut worker = scene.run("worker", &[]);
    scene.push(0..5).await;
    scene.each_once(5).await;
    let lists = scene.places().await;
    assert!(lists.is_empty(), "{lists:?}");
    worker.drain().await;
    let left = [&scene.keys.totals, &scene.keys.highest].map(String::clone);
    assert_eq!(scene.keys_left().await, BTreeSet::from(left));
    assert_eq!(scene.checkpoints().await, []);
}

/// Workers that reach a limit are replaced one at a time; each finishes what it holds.
async fn recycled(limit: (&str, &str), reason: &str) {
    let scene = Scene::new().await;
    let variables = [limit, ("ROWCAST_WORKERS", "2"), ("ROWCAST_BATCH", "3"), ("ROWCAST_STALL_SECONDS", "4")];
    let mut up = scene.run("up", &variables);
    let mut jobs = 0;
    eventually(LIMIT, "each slot was recycled twice", async || {
        scene.push(jobs..jobs + 20).await;
        jobs += 20;
        let exits = up.said("exit");
        let of = |slot: u64| exits.iter().filter(|exit| exit["slot"] == slot).count();
        if of(1) >= 2 && of(2) >= 2 { Ok(()) } else { Err(exits) }
    })
    .await;
    scene.each_once(jobs).await;
    up.drain().await;
    for exit in up.said("exit") {
        let steps = up.lines(1, |line| line["worker"] == exit["worker"]).await;
        let steps: Vec<&str> = steps.iter().map(|line| line["message"].as_str().unwrap()).collect();
        assert_eq!(exit["code"], 0, "{exit}");
        assert!(exit["reason"] == reason || exit["reason"] == "stopping", "{exit}");
        // All are told to stop, also one that has not said yet that it is there.
        let early = exit["reason"] == "stopping" && steps == ["fork", "drain", "disconnect", "exit"];
        assert!(early || steps == ["fork", "online", "drain", "disconnect", "exit"], "{exit}: {steps:?}");
    }
    assert_eq!(scene.checkpoints().await, []);
    scene.each_once(jobs).await;
}

#[tokio::test]
async fn workers_that_have_done_their_number_of_jobs_are_replaced_without_losing_one() {
    recycled(("ROWCAST_MAX_JOBS", "100"), "job limit").await;
}

#[tokio::test]
async fn workers_that_hold_too_much_memory_are_replaced_without_losing_a_job() {
    recycled(("ROWCAST_MAX_MEMORY_MB", "1"), "memory limit").await;
}

/// The rooms that events went to, each once, in the order of the first event of each.
fn rooms(scene: &Scene) -> Vec<String> {
    let mut rooms = Vec::new();
    for message in scene.heard.messages() {
        let room = message.channel.strip_prefix("socket.io#/#").unwrap_or_default().trim_end_matches('#');
        if !room.is_empty() && !rooms.iter().any(|known| known == room) {
            rooms.push(room.to_owned());
        }
    }
    rooms
}

#[tokio::test]
async fn hup_takes_a_changed_routes_file_under_load_and_refuses_a_broken_one() {
    let scene = Scene::new().await;
    let file = new_folder("routes").with_extension("toml");
    let write = |room: &str| {
        let columns = "columns = { accountid = 'time', openid = 'stamp' }";
        let queue = &scene.env.queue;
        let text =
            format!("[[route]]\nqueue = '{queue}'\ntable = 'pre_qqaccount'\n{columns}\nrooms = ['{room}']\n");
        fs::write(&file, text).unwrap();
    };
    write("before");
    let routes = [("ROWCAST_QUEUE", ""), ("ROWCAST_ROUTES", file.to_str().unwrap())];
    let mut up = scene.run("up", &[&routes[..], &[("ROWCAST_WORKERS", "2")]].concat());
    let mut jobs = 0;
    let mut push = async |more: usize| {
        scene.push(jobs..jobs + more).await;
        jobs += more;
        jobs
    };
    up.says("online", 2).await;
    let workers = up.workers();

    fs::write(&file, "[[route]]\nqueue = ").unwrap();
    push(2_000).await;
    up.signal(Signal::SIGHUP);
    let refused = up.says("the new configuration is refused", 1).await.remove(0);
    assert!(refused["message"].as_str().unwrap().contains("ROWCAST_ROUTES"), "{refused}");
    scene.each_once(push(100).await).await;
    assert_eq!((up.workers(), rooms(&scene)), (workers, vec!["before".to_owned()]));

    write("after");
    push(5_000).await;
    up.signal(Signal::SIGHUP);
    let exits = up.says("exit", 2).await;
    assert!(exits.iter().all(|exit| exit["code"] == 0), "{exits:?}");
    up.says("online", 4).await;
    scene.quiet().await;
    let told = scene.events().await.len();
    scene.each_once(push(100).await).await;
    let events: Vec<_> =
        scene.heard.messages().into_iter().filter(|m| m.channel.starts_with("socket.io#/#")).collect();
    assert!(events[told..].iter().all(|event| event.channel == "socket.io#/#after#"), "{events:?}");
    assert_eq!(rooms(&scene), ["before", "after"]);
    up.drain().await;
    fs::remove_file(file).unwrap();
}
