//! Alerts: real gateways, real outages, and a receiver that is called over HTTP.

mod receiver;
mod trial;

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Gateway, ask, event, publisher};
use crate::support::{Env, PATIENCE, Running, eventually, running::send};
use receiver::{Answer, Receiver};

const SECRET: (&str, &str) = ("ROWCAST_ALERT_SECRET", "a secret of the tests: long enough to be one");
/// What takes longer than a second counts.
const SOON: (&str, &str) = ("ROWCAST_ALERT_WAIT_SECONDS", "1");
const EACH_LETTER: (&str, &str) = ("ROWCAST_ALERT_DEAD_PER_MINUTE", "1");

async fn gateway(env: &Env, receiver: &Receiver, variables: &[(&str, &str)]) -> Gateway {
    let url = ("ROWCAST_ALERT_URL", &*receiver.url);
    Gateway::start(env, &[&[url, SECRET], variables].concat()).await
}

#[tokio::test]
async fn a_mysql_that_is_away_is_told_once_by_two_gateways_and_once_more_when_it_is_back() {
    let mut env = Env::own_servers().await;
    env.migrate().await;
    let receiver = Receiver::start().await;
    // While it is tried again the other gateway sees that nobody has told it yet.
    receiver.will([Answer::Status(500); 3]);
    let one = gateway(&env, &receiver, &[SOON, EACH_LETTER]).await;
    let two = gateway(&env, &receiver, &[SOON, EACH_LETTER]).await;
    let worker = Running::worker(&env, &[]);
    env.sql().kill9().await.unwrap();
    env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;
    let begun = receiver.hears_calls(4).await.remove(3).body;
    let senders: BTreeSet<u64> =
        receiver.told("waiting").iter().map(|body| body["sender"]["pid"].as_u64().unwrap()).collect();
    assert_eq!((senders.len(), &begun["state"]), (1, &json!("begins")), "{:#?}", receiver.calls());
    let text = begun["text"].as_str().unwrap();
    let safe = format!(" UTC: 1 job of queue {:?} is safe in Redis. ", env.queue);
    assert!(text.starts_with("Waiting for MySQL since ") && text.contains(&safe), "{text}");
    assert_eq!((&begun["server"], &begun["lasted_seconds"]), (&json!("MySQL"), &json!(null)), "{begun}");
    assert!(begun["advice"].as_str().unwrap().contains("do not restart rowcast"), "{begun}");
    let shown = one.get("/api/dashboard").await;
    let sentence = text.split(" UTC").next().unwrap();
    assert!(shown.contains(sentence), "the dashboard says the same: {shown}");

    env.sql().restart().await.unwrap();
    let ended = receiver.hears("waiting", "ends").await;
    assert_eq!((&ended["alert"], &ended["since"]), (&begun["alert"], &begun["since"]), "{ended}");
    assert_ne!(ended["id"], begun["id"]);
    let lasted = ended["lasted_seconds"].as_u64().unwrap();
    let text = ended["text"].as_str().unwrap();
    assert!((1..600).contains(&lasted) && text.starts_with("No longer waiting for MySQL, after "), "{ended}");

    // What comes after it: nobody has told anything twice until then.
    env.push(&["no job"]).await;
    receiver.hears("dead_letters", "begins").await;
    assert_eq!(receiver.told("waiting").len(), 5, "{:#?}", receiver.calls());
    for gateway in [one, two] {
        let log = gateway.process.stop().await;
        assert!(log.iter().all(|line| !line.contains(SECRET.1) && !line.contains("/hook")), "{log:#?}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_message_that_is_not_taken_is_sent_again_with_the_same_id_and_no_redirect_is_followed() {
    let env = Env::new().await;
    env.migrate().await;
    let receiver = Receiver::start().await;
    receiver.will([Answer::Status(500), Answer::Redirect, Answer::Status(204)]);
    let gateway = gateway(&env, &receiver, &[EACH_LETTER]).await;
    let worker = Running::worker(&env, &[]);
    env.push(&[r#"{"time":"raw job","stamp":"raw job"}"#]).await;
    let calls = receiver.hears_calls(3).await;
    let ids: Vec<&Value> = calls.iter().map(|call| &call.body["id"]).collect();
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{calls:#?}");
    assert_eq!(
        (&calls[0].body["kind"], &calls[0].body["queue"]),
        (&json!("dead_letters"), &json!(env.queue))
    );
    let expected = format!("Queue {:?}: 1 job became a dead letter within a minute.", env.queue);
    assert_eq!(calls[0].body["text"], expected);
    assert!(calls.iter().all(|call| call.path == "/hook" && !call.body.to_string().contains("raw job")));
    gateway.process.says("an alert was taken after all", 1).await;
    let refused = gateway.process.said("an alert was not taken, and is tried again: ");
    assert_eq!(refused.len(), 1, "once for all tries: {refused:#?}");
    assert!(refused[0]["message"].as_str().unwrap().ends_with("answers 500 Internal Server Error"));
    worker.stop().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_nothing_up() {
    let env = Env::new().await;
    env.migrate().await;
    let receiver = Receiver::start().await;
    receiver.will([Answer::Hang]);
    let gateway = gateway(&env, &receiver, &[EACH_LETTER]).await;
    let worker = Running::worker(&env, &[]);
    let mut node = gateway.subscribed(&["/#a"]).await;
    env.push(&["no job"]).await;
    receiver.hears_calls(1).await;
    publisher(&env).await.to("a").emit("greet", &1).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#a", "greet", json!([1])));
    assert_eq!(ask(&mut node, "/#a", json!(["subscribe", "b"])).await["ok"], true);
    let read_at = async || {
        let told = gateway.get("/api/dashboard").await;
        serde_json::from_str::<Value>(told.strip_prefix("200 ").unwrap()).unwrap()["read_at"].clone()
    };
    let before = read_at().await;
    eventually(PATIENCE, "Redis is read on", async || match read_at().await {
        same if same == before => Err(same),
        _ => Ok(()),
    })
    .await;
    assert_eq!(receiver.calls().len(), 1, "all of that while it hangs");
    gateway.process.stop().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_gateway_that_comes_after_another_tells_no_second_beginning_and_tells_the_end() {
    let mut env = Env::own_servers().await;
    env.migrate().await;
    let receiver = Receiver::start().await;
    let mut first = gateway(&env, &receiver, &[SOON]).await;
    let worker = Running::worker(&env, &[]);
    env.sql().kill9().await.unwrap();
    env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;
    let begun = receiver.hears("waiting", "begins").await;
    // What it told is written down before it dies.
    told(&env, begun["alert"].as_str().unwrap()).await;
    first.process.signal(Signal::SIGKILL);
    first.process.ended().await;
    let second = gateway(&env, &receiver, &[SOON]).await;
    leads(&env).await;
    env.sql().restart().await.unwrap();
    let ended = receiver.hears("waiting", "ends").await;
    assert_eq!((&ended["alert"], &ended["since"]), (&begun["alert"], &begun["since"]), "{ended}");
    assert_eq!(receiver.told("waiting").len(), 2, "{:#?}", receiver.calls());
    second.process.stop().await;
    worker.stop().await;
}

/// Waits until it stands in Redis that an alert was told.
async fn told(env: &Env, alert: &str) {
    let mut connection = env.redis_connection().await;
    eventually(PATIENCE, "it is written down", async || {
        let open: Vec<String> =
            redis::cmd("HVALS").arg("rowcast:alerts").query_async(&mut connection).await.unwrap();
        let is_told = |text: &&String| text.contains(alert) && text.contains("\"told\":true");
        if open.iter().any(|text| is_told(&text)) { Ok(()) } else { Err(open) }
    })
    .await;
}

/// Waits until the sender is another one than it was.
async fn leads(env: &Env) {
    let mut connection = env.redis_connection().await;
    let mut sender = async || -> Option<String> {
        redis::cmd("GET").arg("rowcast:alerts:sender").query_async(&mut connection).await.unwrap()
    };
    let before = sender().await;
    eventually(PATIENCE, "another gateway sends", async || match sender().await {
        Some(now) if before.as_ref() != Some(&now) => Ok(()),
        same => Err(same),
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_is_away_is_told_by_the_gateway_itself() {
    let mut env = Env::new().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&env, &receiver, &[SOON]).await;
    eventually(PATIENCE, "Redis was read", async || match gateway.get("/api/dashboard").await {
        told if told.contains("\"read_at\":null") => Err(told),
        _ => Ok(()),
    })
    .await;
    env.redis.kill9().await.unwrap();
    let begun = receiver.hears("redis_away", "begins").await;
    let text = begun["text"].as_str().unwrap();
    assert!(
        text.starts_with("Waiting for Redis since ") && text.contains("Redis cannot be reached"),
        "{begun}"
    );
    env.redis.restart().await.unwrap();
    let ended = receiver.hears("redis_away", "ends").await;
    assert_eq!(ended["alert"], begun["alert"]);
    assert!(ended["text"].as_str().unwrap().starts_with("Redis is back, after "), "{ended}");
    assert_eq!(receiver.calls().len(), 2, "{:#?}", receiver.calls());
    gateway.process.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_killed_again_and_again_is_told_by_its_slot() {
    let env = Env::new().await;
    env.migrate().await;
    let receiver = Receiver::start().await;
    let variables = [
        ("ROWCAST_GATEWAYS", "1"),
        ("ROWCAST_LISTEN", "127.0.0.1:0"),
        ("ROWCAST_WORKERS", "1"),
        ("ROWCAST_QUEUE", &env.queue),
        ("ROWCAST_ALERT_URL", &receiver.url),
        ("ROWCAST_ALERT_RESTARTS", "3"),
    ];
    let up = Running::on(&env, "up", "", &variables);
    let mut connection = env.redis_connection().await;
    let mut known = async |restarts: usize| {
        // It counts from what it sees.
        eventually(PATIENCE, "the gateway leads, and the worker is listed", async || {
            let mut queries = redis::pipe();
            queries.cmd("GET").arg("rowcast:alerts:sender").cmd("SMEMBERS").arg("rowcast:workers");
            let (sender, workers): (Option<String>, Vec<String>) =
                queries.query_async(&mut connection).await.unwrap();
            let mut listed = Vec::new();
            for worker in &workers {
                let key = format!("rowcast:worker:{worker}");
                let query = redis::cmd("HGET").arg(key).arg("restarts").to_owned();
                listed.push(query.query_async::<Option<String>>(&mut connection).await.unwrap());
            }
            let is_there = listed.contains(&Some(restarts.to_string()));
            if sender.is_some() && is_there { Ok(()) } else { Err((sender, listed)) }
        })
        .await;
    };
    // How soon the gateway sees the first of them depends on the machine.
    for restarts in 0..10 {
        known(restarts).await;
        if restarts > 3 && !receiver.told("crash_loop").is_empty() {
            break;
        }
        let (slot, pid) = up.slots("online")[0];
        assert_eq!(slot, 1);
        send(pid, Signal::SIGKILL);
        up.says("exit", restarts + 1).await;
    }
    let begun = receiver.hears("crash_loop", "begins").await;
    assert_eq!((&begun["role"], &begun["slot"]), (&json!("worker"), &json!(1)), "{begun}");
    let text = begun["text"].as_str().unwrap();
    let host = begun["host"].as_str().unwrap();
    assert!(text.starts_with(&format!("The worker in slot 1 on {host} was replaced ")), "{begun}");
    up.stop().await;
}

#[tokio::test]
async fn a_queue_that_does_not_empty_is_shown_from_the_first_and_told_when_it_lasts() {
    let env = Env::new().await;
    let receiver = Receiver::start().await;
    let gateway = gateway(&env, &receiver, &[("ROWCAST_ALERT_QUEUE_SECONDS", "3")]).await;
    env.push(&["{}", "{}"]).await;
    let begun = receiver.hears("queue_not_empty", "begins").await;
    let text = begun["text"].as_str().unwrap();
    let start = format!("Queue {:?} has not been empty since ", env.queue);
    assert!(text.starts_with(&start) && text.ends_with(" UTC: 2 jobs wait."), "{begun}");
    let answer = gateway.get("/api/dashboard").await;
    let told: Value = serde_json::from_str(answer.strip_prefix("200 ").unwrap()).unwrap();
    let since = told["status"]["queues"][0]["waiting_since"].as_u64().unwrap();
    assert!(told["now"].as_u64().unwrap() - since >= 3_000, "{told}");
    assert!(told["troubles"].as_array().unwrap().iter().any(|one| one["what"] == text), "{told}");
    let status = gateway.get("/api/status").await;
    assert!(status.contains(&format!("\"waiting_since\":{since}")), "{status}");
    let age = format!("rowcast_queue_waiting_age_seconds{{queue={:?}}} ", env.queue);
    let metrics = gateway.get("/metrics").await;
    let shown =
        metrics.lines().find_map(|line| line.strip_prefix(&*age)).unwrap_or_else(|| panic!("{metrics}"));
    assert!(shown.parse::<f64>().unwrap() >= 3.0, "{shown}");

    let mut connection = env.redis_connection().await;
    redis::cmd("DEL").arg(&env.queue).query_async::<u64>(&mut connection).await.unwrap();
    let ended = receiver.hears("queue_not_empty", "ends").await;
    assert!(ended["text"].as_str().unwrap().contains(" was empty again, after "), "{ended}");
    eventually(PATIENCE, "its age is nothing", async || match gateway.get("/metrics").await {
        metrics if metrics.contains(&format!("{age}0.0")) => Ok(()),
        metrics => Err(metrics),
    })
    .await;
    gateway.process.stop().await;
}

#[tokio::test]
async fn too_many_beginnings_are_left_out_and_the_next_message_says_so() {
    let env = Env::new().await;
    let receiver = Receiver::start().await;
    let many =
        ["a", "b", "c"].map(|name| format!("[[route]]\nqueue = \"{{q}}{name}\"\ntable = \"t\"\n")).concat();
    let variables = [
        ("ROWCAST_LISTEN", "127.0.0.1:0"),
        ("ROWCAST_ALERT_URL", &*receiver.url),
        ("ROWCAST_ALERT_PER_MINUTE", "2"),
        ("ROWCAST_ALERT_QUEUE_SECONDS", "1"),
    ];
    let gateway = Running::on(&env, "gateway", &many, &variables);
    gateway.says("listening", 1).await;
    let mut connection = env.redis_connection().await;
    for name in ["a", "b", "c"] {
        let key = format!("{}{name}", env.queue);
        redis::cmd("LPUSH").arg(key).arg("{}").query_async::<u64>(&mut connection).await.unwrap();
    }
    gateway.says("an alert is not sent: they are too many", 1).await;
    assert_eq!(receiver.calls().len(), 2);
    for name in ["a", "b", "c"] {
        let key = format!("{}{name}", env.queue);
        redis::cmd("DEL").arg(key).query_async::<u64>(&mut connection).await.unwrap();
    }
    let next = receiver.hears("queue_not_empty", "ends").await;
    assert_eq!(next["left_out"], 1, "{next}");
    assert!(next["text"].as_str().unwrap().ends_with(" (One alert before this one was left out.)"), "{next}");
    // Who heard of a beginning hears of its end, and nobody of the end of what was left out.
    let all = receiver.hears_calls(4).await;
    assert_eq!(all[3].body["state"], "ends");
    let mut open = async || -> u64 {
        redis::cmd("HLEN").arg("rowcast:alerts").query_async(&mut connection).await.unwrap()
    };
    eventually(PATIENCE, "nothing is open", async || match open().await {
        0 => Ok(()),
        open => Err(open),
    })
    .await;
    assert_eq!(receiver.calls().len(), 4);
    gateway.stop().await;
}
