//! What happens to processes, as Redis keeps and publishes it: all of it, once, in order, whoever of them dies.

use nix::sys::signal::Signal;
use rowcast::{
    config::SecretUrl,
    queue::{Entry, History, Link},
};
use serde_json::{Value, json};

use super::{start, text};
use crate::support::{
    Env, PATIENCE, Running, eventually,
    running::{said, send},
};

/// What is kept, the oldest first.
async fn history(env: &Env) -> Vec<Value> {
    let history = History::new(Link::new(&SecretUrl::new(&env.redis_url)).unwrap());
    let entries = history.newest(1_000).await.unwrap();
    entries.iter().rev().map(|entry| serde_json::from_str(entry).unwrap()).collect()
}

const EVENTS: [&str; 5] = ["fork", "online", "listening", "disconnect", "exit"];

/// The same as the supervisor's own log tells it.
fn logged(up: &Running) -> Vec<Value> {
    let lines = said(&up.log(), "").into_iter().filter(|line| EVENTS.contains(&text(&line["message"])));
    lines.map(|line| json!([line["message"], line["slot"], line["pid"]])).collect()
}

fn as_logged(history: &[Value]) -> Vec<Value> {
    history.iter().map(|entry| json!([entry["what"], entry["slot"], entry["pid"]])).collect()
}

/// Waits until all that was logged is kept, and nothing else.
async fn kept(env: &Env, up: &Running) -> Vec<Value> {
    eventually(PATIENCE, "what was logged is kept", async || {
        let (logged, kept) = (logged(up), history(env).await);
        if logged == as_logged(&kept) { Ok(kept) } else { Err((logged, as_logged(&kept))) }
    })
    .await
}

async fn online(up: &Running, times: usize) {
    up.says("online", times).await;
}

#[tokio::test]
async fn whoever_is_killed_each_event_is_kept_and_published_once_and_in_order() {
    let env = Env::new().await;
    env.migrate().await;
    let heard = env.subscribe("socket.io#/cluster#*").await;
    let up = start(&env, 2, &[]).await;
    for round in 0..6 {
        // One of the two is the one that writes.
        let (_, pid) = up.slots("online")[round % 2];
        send(pid, Signal::SIGKILL);
        online(&up, 3 + round).await;
    }
    let kept = kept(&env, &up).await;
    let exit = kept.iter().find(|entry| entry["what"] == "exit").unwrap();
    assert!(text(&exit["why"]).starts_with("killed by somebody with -9"), "{exit}");
    assert_eq!((&exit["role"], &exit["slot"]), (&json!("worker"), &json!(1)), "{exit}");
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert!(kept.iter().all(|entry| entry["host"] == host && entry["at"].as_u64() > Some(1_700_000_000_000)));

    let published = heard.broadcasts(kept.len()).await;
    let events: Vec<Value> =
        published.iter().map(|event| serde_json::to_value(&event.args[0]).unwrap()).collect();
    assert_eq!(events, kept);
    assert!(published.iter().all(|event| event.event == "process" && event.rooms.is_empty()));
    up.stop().await;
}

#[tokio::test]
async fn what_happens_while_redis_is_away_or_the_writer_is_stopped_is_kept_afterwards() {
    let mut env = Env::new().await;
    env.migrate().await;
    // The one that is stopped is to come back: neither its supervisor nor another worker may take it for dead.
    let patient = [("ROWCAST_STALL_SECONDS", "3600"), ("ROWCAST_LEASE_SECONDS", "3600")];
    let up = start(&env, 2, &patient).await;
    kept(&env, &up).await;
    env.redis.kill9().await.unwrap();
    send(up.workers()[0], Signal::SIGKILL);
    online(&up, 3).await;
    env.redis.restart().await.unwrap();
    kept(&env, &up).await;

    // Whichever would write, one of the two that are left does.
    up.signal(Signal::SIGTTIN);
    online(&up, 4).await;
    kept(&env, &up).await;
    let (slots, workers) = (up.slots("online"), up.workers());
    send(workers[0], Signal::SIGSTOP);
    send(slots[2].1, Signal::SIGKILL);
    online(&up, 5).await;
    kept(&env, &up).await;
    send(workers[0], Signal::SIGCONT);
    send(slots[1].1, Signal::SIGKILL);
    online(&up, 6).await;
    kept(&env, &up).await;
    up.stop().await;
}

#[tokio::test]
async fn who_may_not_publish_writes_what_has_happened_once() {
    let env = Env::new().await;
    let mut redis = env.redis_connection().await;
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg(&["default", "resetchannels", "-publish"]);
    user.query_async::<()>(&mut redis).await.unwrap();
    let written = History::new(Link::new(&SecretUrl::new(&env.redis_url)).unwrap());
    let entry = |number: u64| Entry {
        number,
        text: json!({ "number": number }).to_string(),
        channel: "socket.io#/cluster#".to_owned(),
        payload: b"x".to_vec(),
    };
    written.add("01S", &[entry(1), entry(2)]).await.unwrap();
    // As one that had no answer asks again.
    written.add("01S", &[entry(1), entry(2), entry(3)]).await.unwrap();
    assert_eq!(history(&env).await, [1, 2, 3].map(|number| json!({ "number": number })));
}
