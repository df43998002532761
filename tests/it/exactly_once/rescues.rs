//! Rescuers that meet, and rescuers that die.

use std::os::unix::process::ExitStatusExt as _;

use std::collections::BTreeMap;

use rowcast::{
    config::{SecretUrl, Settings},
    pipeline::Pipeline,
    queue::Link,
};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use super::scene::{LIMIT, Scene, job, marker, sorted};
use crate::support::running::stopped;
use crate::support::within;

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
    stopped(first.pid()).await;
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

/// A pipeline in this process, and the name of its worker.
pub(super) fn pipeline(scene: &Scene, redis_url: &str) -> (Pipeline, String) {
    let variables = [
        ("REDIS_URL", redis_url),
        ("DATABASE_URL", scene.env.database_url.as_str()),
        ("ROWCAST_QUEUE", scene.env.queue.as_str()),
    ];
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = Settings::from_vars(&variables).unwrap();
    let link = Link::new(&SecretUrl::new(redis_url)).unwrap();
    let worker = Ulid::generate().to_string();
    (Pipeline::new(settings.routes[0].clone(), &worker, &settings, link, None).unwrap(), worker)
}

/// The transaction of the failed step must not hold what the rescue does: rolled back, it would undo the fence.
#[tokio::test]
async fn a_rescue_after_a_failed_step_is_not_part_of_its_transaction() {
    let scene = Scene::new().await;
    let (mut rescuer, _) = pipeline(&scene, &scene.env.redis_url);
    let (mut dead, name) = pipeline(&scene, &scene.env.redis_url);
    dead.register().await.unwrap();
    rescuer.register().await.unwrap();
    let stop = CancellationToken::new();
    scene.push(0..1).await;
    within(LIMIT, "a step", rescuer.work_one(&stop)).await.unwrap();

    // The transaction is begun before a job lands.
    let losing = async {
        let connection = scene.blocked().await;
        let () = scene.redis(redis::cmd("CLIENT").arg("KILL").arg("ID").arg(connection)).await;
        scene.push(1..2).await;
    };
    let (step, ()) = tokio::join!(within(LIMIT, "a step", rescuer.work_one(&stop)), losing);
    step.unwrap_err();
    rescuer.rescue(&name).await.unwrap();
    let left = scene.checkpoints().await;
    assert!(left.len() == 1 && left[0].0 != name, "{left:?}");
    within(LIMIT, "a step", rescuer.work_one(&stop)).await.unwrap();
    rescuer.finish().await.unwrap();
    scene.each_once(2).await;
}

/// The checkpoint says which rows a claim became, and the jobs say what was in them: read by another route, a job may
/// be unreadable, and its neighbours keep their own ids.
#[tokio::test]
async fn a_committed_claim_that_another_route_reads_has_events_of_what_it_can_read() {
    let scene = Scene::new().await;
    let jobs: Vec<Vec<u8>> = (0..10)
        .map(|number| match number % 3 {
            1 => format!(r#"{{"time":{number},"stamp":"{}","more":1}}"#, marker(number)).into_bytes(),
            _ => job(number),
        })
        .collect();
    scene.push_raw(&jobs).await;
    let mut dead = scene.run("worker", &[("ROWCAST_FAULT", "committed:kill")]);
    assert_eq!(dead.ended().await.signal(), Some(9));
    let mut other = scene.run("worker", &[("ROWCAST_UNKNOWN", "reject")]);
    let audit = scene.quiet().await;
    let rows = scene.rows().await;
    assert_eq!((rows.len(), audit.inserted, audit.dead, audit.difference()), (10, 10, 0, 0), "{audit:?}");
    let readable: Vec<_> =
        rows.into_iter().filter(|(_, marker)| marker[2..].parse::<usize>().unwrap() % 3 != 1).collect();
    assert_eq!(sorted(&scene.events().await), readable);
    let told = other.says("rows went in whose jobs this route no longer reads", 1).await.remove(0);
    assert_eq!(told["jobs"], 3, "{told}");
    other.drain().await;
}
