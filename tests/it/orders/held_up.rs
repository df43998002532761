//! Orders that nobody takes, or that are held up on their way: they are told of in time, and never carried out later.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use redis::aio::MultiplexedConnection;
use rowcast::{
    config::SecretUrl,
    control::Command,
    orders::{Unheard, give},
    queue::Link,
};

use super::{order, start};
use crate::{
    commands::run::{on, rowcast},
    support::{
        Env, PATIENCE, Running, eventually,
        running::{send, stopped},
    },
};

async fn signal_all(up: &Running, signal: Signal) {
    for pid in up.workers() {
        send(pid, signal);
        if signal == Signal::SIGSTOP {
            stopped(pid).await;
        }
    }
}

/// Waits until so many orders are there, and returns until when the first of them counts, by Redis' clock.
async fn given(redis: &mut MultiplexedConnection, count: usize) -> u64 {
    eventually(PATIENCE, "the orders are given", async || {
        let keys: Vec<String> = redis::cmd("KEYS").arg("rowcast:orders:*").query_async(redis).await.unwrap();
        let Some(key) = keys.first() else { return Err(Vec::new()) };
        let mut orders = redis::cmd("ZRANGE");
        orders.arg(key).arg(0).arg(-1).arg("WITHSCORES");
        let orders: Vec<(String, u64)> = orders.query_async(redis).await.unwrap();
        if orders.len() == count { Ok(orders[0].1) } else { Err(orders) }
    })
    .await
}

#[tokio::test]
async fn without_a_supervisor_that_is_said_at_once_with_what_may_be_the_reason() {
    let env = Env::new().await;
    env.migrate().await;
    let alone = Running::worker(&env, &[]);
    eventually(PATIENCE, "the worker is listed", async || {
        let status = rowcast(&env, &["status", "--json"]).await.ended(0).json();
        if status["workers"][0]["state"] == "working" { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    for arguments in ["restart", "restart 1", "scale 2", "reload", "scale 2 --host elsewhere"] {
        let said = order(&env, &format!("{arguments} --wait 300"))
            .await
            .ended(1)
            .complains("no supervisor is there to take the order");
        assert!(said.took < PATIENCE, "{said:?}");
    }
    let json = order(&env, "reload --json").await.ended(1).json();
    assert_eq!(json["ok"], false, "{json}");
    alone.stop().await;
}

#[tokio::test]
async fn an_order_that_no_process_took_in_time_is_taken_back_and_not_carried_out_when_they_wake_up() {
    let env = Env::new().await;
    env.migrate().await;
    // They are stopped for longer than they could be without being replaced, or losing their leases.
    let limits = [("ROWCAST_STALL_SECONDS", "3600"), ("ROWCAST_LEASE_SECONDS", "600")];
    let up = start(&env, 2, &limits).await;
    let workers = up.slots("fork");
    signal_all(&up, Signal::SIGSTOP).await;
    let said = order(&env, "scale 3 --wait 1").await.ended(1);
    said.complains("took the order within 1 s, and it is taken back: nothing was done");

    // Nor when whoever gave it was killed, and could not take it back: then it counts no more when its time is over,
    // whatever else is ordered.
    let mut redis = env.redis_connection().await;
    let asker = |arguments: &[&str]| on(&env).args(arguments).spawn().unwrap();
    let mut patient = asker(&["scale", "2", "--wait", "300"]);
    given(&mut redis, 1).await;
    let mut killed = asker(&["restart", "1", "--wait", "10"]);
    let until = given(&mut redis, 2).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    eventually(PATIENCE, "its time is over", async || {
        let now: (u64, u64) = redis::cmd("TIME").query_async(&mut redis).await.unwrap();
        if now.0 * 1_000 > until { Ok(()) } else { Err(now) }
    })
    .await;

    signal_all(&up, Signal::SIGCONT).await;
    let ended = eventually(PATIENCE, "the next one is answered", async || {
        patient.try_wait().unwrap().ok_or_else(|| up.log())
    });
    assert!(ended.await.success());
    let ordered = up.said("ordered");
    assert_eq!(ordered.len(), 1, "{ordered:#?}");
    assert_eq!(up.slots("fork"), workers);
    up.stop().await;
}

#[tokio::test]
async fn an_order_that_a_stopped_supervisor_hears_too_late_is_refused() {
    let env = Env::new().await;
    env.migrate().await;
    let up = start(&env, 1, &[]).await;
    let workers = up.slots("fork");
    up.signal(Signal::SIGSTOP);
    stopped(up.pid()).await;
    let said = order(&env, "restart 1 --wait 10").await.ended(1);
    said.complains("took the order, and no answer came");
    up.signal(Signal::SIGCONT);
    let refused = up.says("ordered and refused: restart worker 1", 1).await.remove(0);
    assert_eq!(refused["answer"], "it came too late", "{refused}");
    assert_eq!(up.slots("fork"), workers);
    up.stop().await;
}

#[tokio::test]
async fn an_order_that_redis_refuses_is_known_not_to_be_given() {
    let env = Env::new().await;
    let link = Link::new(&SecretUrl::new(&env.redis_url)).unwrap();
    let mut redis = env.redis_connection().await;
    let mut members = redis::pipe();
    members.sadd("rowcast:workers", "01W").hset("rowcast:worker:01W", "supervisor", "01S");
    members.cmd("SET").arg("rowcast:orders:01S").arg("somebody else's");
    members.query_async::<()>(&mut redis).await.unwrap();
    let told = give(&link, None, "a test".to_owned(), Command::Reload, Duration::from_secs(9)).await;
    assert!(matches!(told, Err(Unheard::Redis(_))), "{told:?}");
}

#[tokio::test]
async fn whoever_orders_is_answered_within_four_seconds_more_than_they_gave_when_redis_hangs() {
    let env = Env::new().await;
    let link = Link::new(&SecretUrl::new(&env.redis_url)).unwrap();
    let mut redis = env.redis_connection().await;
    let mut members = redis::pipe();
    members.sadd("rowcast:workers", "01W").hset("rowcast:worker:01W", "supervisor", "01S");
    members.query_async::<()>(&mut redis).await.unwrap();
    let asked = async |within: u64| {
        let began = Instant::now();
        let told = give(&link, None, "a test".to_owned(), Command::Reload, Duration::from_secs(1)).await;
        let most = Duration::from_secs(within);
        assert!(began.elapsed() < most, "{:?} after {:?}", told, began.elapsed());
        told.unwrap_err()
    };
    // With the order given, and the answer looked for.
    let (told, ()) = tokio::join!(asked(1 + 4 + 1), async {
        given(&mut redis, 1).await;
        env.redis.sigstop().unwrap();
    });
    assert!(matches!(told, Unheard::NoAnswer(_)), "{told:?}");
    let words = "was sent, and then Redis does not answer; see in its log";
    assert!(told.to_string().contains(words), "{told}");
    // Before it is.
    let told = asked(1 + 1).await;
    assert!(matches!(&told, Unheard::Redis(_)), "{told:?}");
    assert_eq!(told.to_string(), "Redis does not answer");
    env.redis.sigcont().unwrap();
}
