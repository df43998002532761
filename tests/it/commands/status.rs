//! `rowcast status`: what workers wrote about themselves, and the queues.

use std::{collections::BTreeMap, net::TcpListener, time::Duration};

use rowcast::queue::{Registry, host};
use serde_json::Value;

use super::{
    queues::link,
    run::{bare, rowcast, run},
};
use crate::support::{Env, PATIENCE, Running, eventually, new_folder};

#[tokio::test]
async fn status_shows_workers_and_queues_as_a_table_and_as_json() {
    let env = Env::new().await;
    rowcast(&env, &["status"]).await.ended(0).says("No worker runs");
    let registry = Registry::new(link(&env));
    let fields = [
        ("host", "box".to_owned()),
        ("pid", "4711".to_owned()),
        ("slot", "1".to_owned()),
        ("version", "0.1.0".to_owned()),
        ("state", "waiting".to_owned()),
        ("since", "1000".to_owned()),
        ("jobs", "20".to_owned()),
        ("rows", "21".to_owned()),
        ("memory", (3 << 20).to_string()),
        ("waiting", "waiting for MySQL since 12:00:00".to_owned()),
    ];
    registry.renew("01ALIVE", &fields, &BTreeMap::new(), Duration::from_secs(60)).await.unwrap();
    registry.renew("01GONE", &fields, &BTreeMap::new(), Duration::from_millis(1)).await.unwrap();
    env.push(&["a", "b"]).await;

    let wait = async || registry.without_lease(&["01GONE".to_owned()]).await.unwrap().pop().ok_or("leased");
    eventually(Duration::from_secs(10), "the lease has run out", wait).await;
    let text = rowcast(&env, &["status"]).await.ended(0).says("3.0 MiB").says("waiting for MySQL").out;
    assert!(text.lines().any(|line| line.starts_with("01GONE") && line.contains("gone")), "{text}");
    let json = rowcast(&env, &["status", "--json"]).await.ended(0).json();
    let [alive, gone] = [&json["workers"][0], &json["workers"][1]];
    assert_eq!((&alive["pid"], &alive["rows"], &alive["alive"]), (&4711.into(), &21.into(), &true.into()));
    assert_eq!((&gone["id"], &gone["alive"]), (&"01GONE".into(), &false.into()));
    let queue = &json["queues"][0];
    assert_eq!((&queue["queue"], &queue["waiting"]), (&env.queue.as_str().into(), &2.into()));
}

#[tokio::test]
async fn why_workers_wait_stands_whole_below_them_once_for_each_reason() {
    let env = Env::new().await;
    let registry = Registry::new(link(&env));
    let reason = format!("the server cannot be reached, {}, and so on", "x".repeat(300));
    for (id, since) in [("01A", "12:00:00"), ("01B", "12:00:01")] {
        let fields = [
            ("state", "waiting".to_owned()),
            ("waiting", format!("waiting for MySQL since {since}, {reason}")),
        ];
        registry.renew(id, &fields, &BTreeMap::new(), Duration::from_secs(60)).await.unwrap();
    }
    let fields = [("state", "waiting"), ("waiting", "waiting for Redis since 12:00:02, it is silent")];
    let fields = fields.map(|(name, value)| (name, value.to_owned()));
    let gateways = Registry::of_gateways(link(&env));
    gateways.renew("01G", &fields, &BTreeMap::new(), Duration::from_secs(60)).await.unwrap();
    let text = rowcast(&env, &["status"]).await.ended(0).says("waiting for MySQL since 12:00:01\n").out;
    let tables: Vec<&str> = text.split("\n\n").collect();
    let below = |table: usize, lines: usize| tables[table].lines().skip(lines).collect::<Vec<_>>();
    assert_eq!(below(0, 3), [format!("01A and 1 more: {reason}")], "{text}");
    assert_eq!(below(1, 2), ["01G: it is silent"], "{text}");
    assert!(text.lines().take(3).all(|line| line.chars().count() < 120), "{text}");
}

#[tokio::test]
async fn a_killed_worker_is_silent_before_its_lease_ends() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[("ROWCAST_LEASE_SECONDS", "9")]);
    let state = async || rowcast(&env, &["status"]).await.ended(0).out;
    let shows = async |text: &str| {
        eventually(PATIENCE, &format!("a worker that is {text}"), async || {
            let status = state().await;
            if status.contains(text) { Ok(()) } else { Err(status) }
        })
        .await;
    };
    shows("working").await;
    worker.signal(nix::sys::signal::Signal::SIGSTOP);
    shows("silent for").await;
    let json = rowcast(&env, &["status", "--json"]).await.ended(0).json();
    let [line] = json["workers"].as_array().unwrap().as_slice() else { panic!("{json}") };
    assert!(line["alive"] == true && line["silent"] == true, "{json}");
    assert!(line["silent_ms"].as_u64().unwrap() > 4_500, "{json}");
    worker.signal(nix::sys::signal::Signal::SIGCONT);
    shows("working").await;
}

#[tokio::test]
async fn a_queue_that_no_worker_takes_is_told_by_status_and_check_with_what_to_do() {
    let env = Env::new().await;
    rowcast(&env, &["migrate"]).await.ended(0);
    let worker = Running::worker(&env, &[]);
    eventually(PATIENCE, "the worker is at work", async || {
        let json = rowcast(&env, &["status", "--json"]).await.ended(0).json();
        if json["queues"][0]["workers"] == 1 { Ok(()) } else { Err(json) }
    })
    .await;
    let text = rowcast(&env, &["status"]).await.ended(0).out;
    assert!(text.contains("open") && !text.contains("no worker"), "{text}");

    let other = format!("{}x", env.queue);
    let told = format!("Redis knows nothing of queue {other:?}");
    let ran = rowcast(&env, &["status", "--queue", &other]).await.ended(0);
    ran.says(&told).says(&format!("did you mean {}?", env.queue));
    for command in ["pause", "resume"] {
        let ran = rowcast(&env, &[command, "--queue", &other]).await.ended(0);
        assert_eq!(ran.err.contains(&format!("did you mean {}?", env.queue)), command == "pause", "{ran:?}");
    }
    let mut redis = env.redis_connection().await;
    redis::cmd("LPUSH").arg(&other).arg(r#"{"time":1,"stamp":"a"}"#).exec_async(&mut redis).await.unwrap();
    let told =
        format!("queue {other:?}: 1 job waits and no worker takes it; start `rowcast up` with its route");
    rowcast(&env, &["status", "--queue", &other]).await.ended(0).says("no worker").says(&told);
    let json = rowcast(&env, &["status", "--queue", &other, "--json"]).await.ended(0).json();
    assert_eq!(json["queues"][0]["workers"], 0, "{json}");
    rowcast(&env, &["check", "--queue", &other]).await.ended(0).says(&format!("warning  {other}: {told}"));
    worker.stop().await;
}

#[tokio::test]
async fn queues_of_others_are_shown_as_long_as_somebody_works_on_them_or_something_is_in_them() {
    let env = Env::new().await;
    let registry = Registry::new(link(&env));
    let queues = BTreeMap::from([("elsewhere".to_owned(), "shop.orders".to_owned())]);
    let fields = [("state", "working".to_owned()), ("queues", r#"["elsewhere"]"#.to_owned())];
    registry.renew("01ELSEWHERE", &fields, &queues, Duration::from_secs(60)).await.unwrap();
    let shown = async |arguments: &[&str]| -> Vec<Value> {
        let json = rowcast(&env, &[&["status", "--json"], arguments].concat()).await.ended(0).json();
        json["queues"].as_array().unwrap().clone()
    };
    let all = shown(&[]).await;
    assert_eq!((&all[0]["queue"], &all[1]["queue"]), (&env.queue.as_str().into(), &"elsewhere".into()));
    assert_eq!((&all[1]["table"], &all[1]["workers"]), (&"shop.orders".into(), &1.into()));
    assert_eq!(shown(&["--queue", &env.queue]).await.len(), 1, "only what is asked for");
    let mut redis = env.redis_connection().await;
    redis::cmd("LPUSH").arg("elsewhere").arg("{}").exec_async(&mut redis).await.unwrap();
    registry.remove("01ELSEWHERE").await.unwrap();
    let told = "queue \"elsewhere\": 1 job waits and no worker takes it; start `rowcast up` with its route";
    rowcast(&env, &["status"]).await.ended(0).says(told);
    redis::cmd("DEL").arg("elsewhere").exec_async(&mut redis).await.unwrap();
    assert_eq!(shown(&[]).await.len(), 1);
}

#[tokio::test]
async fn a_gateway_that_cannot_start_is_told_with_the_reason_until_it_has_started() {
    let env = Env::new().await;
    env.migrate().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let variables =
        [("ROWCAST_WORKERS", "1"), ("ROWCAST_GATEWAYS", "1"), ("ROWCAST_LISTEN", address.as_str())];
    let up = Running::on(&env, "up", "", &variables);
    let shows = async |text: &str, is_there: bool| {
        eventually(PATIENCE, text, async || {
            let status = rowcast(&env, &["status"]).await.ended(0).out;
            if status.contains(text) == is_there { Ok(status) } else { Err(status) }
        })
        .await
    };
    let told = format!("the gateway in slot 1 on {} has not been ready since ", host());
    let status = shows(&told, true).await;
    assert!(
        status.contains(&format!("cannot listen on {address}, which ROWCAST_LISTEN leads to")),
        "{status}"
    );
    let json = rowcast(&env, &["status", "--json"]).await.ended(0).json();
    assert_eq!((&json["unready"][0]["role"], &json["unready"][0]["slot"]), (&"gateway".into(), &1.into()));
    drop(taken);
    rowcast(&env, &["restart", "1", "--gateway"]).await.ended(0);
    shows("serving", true).await;
    shows(&told, false).await;
    up.stop().await;
}

#[tokio::test]
async fn a_workers_rate_is_that_of_its_last_reports_and_not_the_mean_since_its_start() {
    let env = Env::new().await;
    env.migrate().await;
    // It reports every second.
    let worker = Running::worker(&env, &[("ROWCAST_LEASE_SECONDS", "3")]);
    let rate = |json: &Value| json["workers"][0]["rows_per_second"].as_f64();
    let status = async || rowcast(&env, &["status", "--json"]).await.ended(0).json();
    eventually(PATIENCE, "there is a rate while jobs come", async || {
        env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;
        let json = status().await;
        if rate(&json) > Some(0.0) { Ok(()) } else { Err(json) }
    })
    .await;
    eventually(PATIENCE, "there is none when they end", async || {
        let json = status().await;
        if rate(&json) == Some(0.0) { Ok(()) } else { Err(json) }
    })
    .await;
    assert!(status().await["workers"][0]["rows"].as_u64() > Some(0));
    worker.stop().await;
}

/// One queue's trouble hides neither the workers nor the other queues.
#[tokio::test]
async fn a_queue_of_another_type_is_one_line_of_the_status() {
    let env = Env::new().await;
    let other = format!("{}-other", env.queue);
    let mut redis = env.redis_connection().await;
    redis::cmd("SET").arg(&other).arg("text").exec_async(&mut redis).await.unwrap();
    env.push(&["a"]).await;
    let folder = new_folder("status");
    std::fs::create_dir_all(&folder).unwrap();
    let routes = folder.join("routes.toml");
    let route = |queue: &str| format!("[[route]]\nqueue='{queue}'\ntable='t'\n");
    std::fs::write(&routes, route(&env.queue) + &route(&other)).unwrap();
    let routes = routes.to_str().unwrap();
    let status = async |json: &[&str]| {
        let mut command = bare();
        command.env("REDIS_URL", &env.redis_url).args(["status", "--routes", routes]).args(json);
        run(command).await.ended(0)
    };
    let text = status(&[]).await.says("is of another type").out;
    let line = |name: &str| text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    assert!(line(&env.queue).contains("no worker") && line(&other).contains("unreadable"), "{text}");
    let json = status(&["--json"]).await.json();
    assert_eq!(json["queues"][0]["waiting"], 1);
    assert!(json["queues"][1]["problem"].as_str().unwrap().contains(&other), "{json}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn status_shows_gateways_until_they_have_left() {
    let env = Env::new().await;
    let gateway = Running::on(&env, "gateway", "", &[("ROWCAST_LISTEN", "127.0.0.1:0")]);
    let address = gateway.says("listening", 1).await[0]["address"].as_str().unwrap().to_owned();
    let text = eventually(PATIENCE, "the gateway serves", async || {
        let text = rowcast(&env, &["status"]).await.ended(0).out;
        if text.contains("serving") { Ok(text) } else { Err(text) }
    });
    let text = text.await;
    let pid = gateway.pid();
    let is_it = |line: &str| line.contains(&address) && line.contains(&pid.to_string());
    assert!(text.starts_with("No worker runs") && text.lines().any(is_it), "{text}");
    let json = rowcast(&env, &["status", "--json"]).await.ended(0).json();
    let told = &json["gateways"][0];
    assert_eq!((&told["pid"], &told["connections"]), (&pid.into(), &0.into()), "{told}");
    gateway.stop().await;
    let json = rowcast(&env, &["status", "--json"]).await.ended(0).json();
    assert_eq!(json["gateways"].as_array().map(Vec::len), Some(0));
}
