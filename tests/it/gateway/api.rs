//! What programs ask over HTTP.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Gateway, ask, event};
use crate::{
    commands::run::rowcast,
    support::{Env, PATIENCE, Running, eventually, request_of, running::send},
};

const ADMIN: &str = "0123456789abcdef-admin";
const READ: &str = "0123456789abcdef-read";

impl Gateway {
    /// The status and the JSON of `POST /api/emit`, with these lines in its head.
    async fn emit(&self, head: &str, body: &str) -> (u16, Value) {
        self.post_json("/api/emit", head, body).await
    }

    /// The numbers of `/metrics`, each line as it stands.
    async fn metrics(&self) -> Vec<String> {
        let page = self.get("/metrics").await;
        let text = page.strip_prefix("200 ").unwrap_or_else(|| panic!("{page}"));
        assert!(text.ends_with("# EOF\n"), "{text}");
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn an_event_that_is_posted_reaches_its_room_or_everybody() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut node = gateway.subscribed(&["/#a", "/#"]).await;
    let (status, answer) = gateway.emit("", r#"{"room":"a","event":"greet","data":{"text":"hé"}}"#).await;
    assert_eq!((status, &answer["ok"], &answer["heard"]), (200, &json!(true), &json!(1)));
    assert_eq!(node.line().await.to_string(), event("/#a", "greet", json!([{"text": "hé"}])));
    assert_eq!(gateway.emit("", r#"{"all":true,"event":"bare"}"#).await.0, 200);
    assert_eq!(node.sorted(2).await, ["/#", "/#a"].map(|client| event(client, "bare", json!([]))));

    for (body, reason) in [
        (r#"{"event":"e"}"#, "expected a room"),
        (r#"{"event":"e","room":"a","all":true}"#, "expected a room"),
        (r#"{"event":"e","room":""}"#, "expected a room"),
        (r#"{"room":"a"}"#, "event"),
        (r#"{"room":"a","event":"connect"}"#, "keeps for itself"),
        (r#"{"room":"a","event":"e","rooms":["b"]}"#, "unknown field `rooms`"),
        ("{", "EOF"),
    ] {
        let (status, answer) = gateway.emit("", body).await;
        assert!((400..=422).contains(&status), "{body}: {status}");
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!("bad_request")));
        assert!(answer["message"].as_str().unwrap().contains(reason), "{body}: {answer}");
    }
}

#[tokio::test]
async fn tokens_say_who_may_look_and_who_may_act_and_without_them_this_machine_may() {
    let env = Env::new().await;
    let tokens = [("ROWCAST_ADMIN_TOKEN", ADMIN), ("ROWCAST_READ_TOKEN", READ)];
    let gateway = Gateway::start(&env, &tokens).await;
    let body = r#"{"all":true,"event":"e"}"#;
    for (token, look, act) in [(ADMIN, "200", 200), (READ, "200", 403), ("", "401", 401)] {
        let head = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(gateway.emit(&head, body).await.0, act, "{token}");
        for path in ["/metrics", "/api/status"] {
            let answer = gateway.request(&format!("GET {path} HTTP/1.0\r\n{head}\r\n")).await;
            assert!(answer.starts_with(&format!("HTTP/1.0 {look}")), "{path}: {answer}");
        }
    }
    assert_eq!(gateway.emit("", body).await.0, 401);
    assert!(gateway.get("/api/status").await.starts_with("401 "));
    assert!(gateway.process.log().iter().all(|line| !line.contains(ADMIN) && !line.contains(READ)));

    let open = Gateway::start(&env, &[]).await;
    assert_eq!(open.emit("", body).await.0, 200);
    for head in
        ["X-Forwarded-For: 10.0.0.1\r\n", "Origin: https://evil.example\r\n", "Host: evil.example\r\n"]
    {
        assert_eq!(open.emit(head, body).await.0, 403, "{head}");
        let answer = open.request(&format!("GET /api/status HTTP/1.0\r\n{head}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.0 403 "), "{head}: {answer}");
    }
}

#[tokio::test]
async fn metrics_tell_how_the_queues_stand_and_what_the_gateway_does_also_while_redis_is_away() {
    let mut env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut node = gateway.subscribed(&["/#pre_qqaccount", "/#"]).await;
    let worker = Running::worker(&env, &[("ROWCAST_SLOT", "3")]);
    env.run(&[r#"{"time":1,"stamp":"a"}"#, r#"{"time":"x","stamp":"b"}"#, "{"]).await;
    node.line().await;
    assert_eq!(ask(&mut node, "/#", json!(["subscribe", "other"])).await["ok"], true);
    let queue = &env.queue;
    let expected = [
        "# TYPE rowcast_jobs counter".to_owned(),
        "# UNIT rowcast_worker_memory_bytes bytes".to_owned(),
        format!(r#"rowcast_jobs_total{{queue="{queue}",outcome="inserted"}} 1"#),
        format!(r#"rowcast_jobs_total{{queue="{queue}",outcome="dead"}} 2"#),
        format!(r#"rowcast_rows_total{{queue="{queue}"}} 1"#),
        format!(r#"rowcast_queue_jobs{{queue="{queue}",state="dead"}} 2"#),
        format!(r#"rowcast_queue_jobs{{queue="{queue}",state="waiting"}} 0"#),
        format!(r#"rowcast_queue_oldest_claim_age_seconds{{queue="{queue}"}} 0.0"#),
        "rowcast_gateway_clients 2".to_owned(),
        // Its own, and the one that asks.
        "rowcast_gateway_connections 3".to_owned(),
        "rowcast_gateway_rooms 2".to_owned(),
        "rowcast_gateway_messages_wanted_total 1".to_owned(),
        "rowcast_redis_up 1".to_owned(),
    ];
    let metrics = gateway.metrics().await;
    for line in expected {
        assert!(metrics.contains(&line), "{line} is missing in {metrics:#?}");
    }
    let memory = metrics.iter().find(|line| line.starts_with("rowcast_worker_memory_bytes{")).unwrap();
    let bytes: u64 = memory.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((1 << 20..1 << 30).contains(&bytes), "{memory}");
    // What a worker tells of itself is as old as its last sign of life.
    eventually(PATIENCE, "the claims' sizes are told", async || {
        let metrics = gateway.metrics().await;
        let told = |name: &str, end: &str| {
            metrics.iter().any(|line| line.starts_with(&format!("{name}{{")) && line.ends_with(end))
        };
        // The three jobs may have been one claim, or three.
        let claims = |name: &str| {
            let line = metrics.iter().find(|line| line.starts_with(&format!("{name}_count{{")))?;
            line.rsplit(' ').next()?.parse::<u64>().ok()
        };
        let committed = claims("rowcast_claim_duration_seconds");
        let all = committed > Some(0) && committed == claims("rowcast_claim_rows");
        let published = committed == claims("rowcast_claim_publish_duration_seconds");
        if told("rowcast_claim_rows_sum", " 1.0") && all && published { Ok(()) } else { Err(metrics) }
    })
    .await;
    worker.stop().await;

    env.redis.kill9().await.unwrap();
    eventually(PATIENCE, "Redis is away", async || {
        let metrics = gateway.metrics().await;
        let away = metrics.contains(&"rowcast_redis_up 0".to_owned());
        let own = metrics.contains(&"rowcast_gateway_clients 2".to_owned());
        if away && own { Ok(()) } else { Err(metrics) }
    })
    .await;
    let (status, answer) = gateway.emit("", r#"{"all":true,"event":"e"}"#).await;
    assert_eq!((status, &answer["code"]), (503, &json!("unavailable")), "{answer}");
}

impl Gateway {
    /// The status and the JSON of `/api/status`.
    pub(super) async fn status(&self) -> (u16, Value) {
        let answer = self.get("/api/status").await;
        let (status, body) = answer.split_once(' ').unwrap();
        (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}")))
    }
}

/// The same without what changes by itself from one look to the next: only the kind of it is kept.
fn at_rest(mut status: Value) -> Value {
    for process in ["workers", "gateways"].iter().flat_map(|role| status[role].as_array().unwrap().clone()) {
        assert!(process["uptime_ms"].is_u64() && process["silent_ms"].is_u64(), "{process}");
    }
    for role in ["workers", "gateways"] {
        for process in status[role].as_array_mut().unwrap() {
            for name in ["uptime_ms", "silent_ms", "memory", "rows_per_second", "connections"] {
                if let Some(number) = process.get_mut(name).filter(|value| value.is_number()) {
                    *number = json!("a number");
                }
            }
        }
    }
    status
}

#[tokio::test]
async fn the_status_over_http_is_that_of_the_command() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[]).await;
    let worker = Running::worker(&env, &[("ROWCAST_SLOT", "3"), ("ROWCAST_RESTARTS", "7")]);
    env.run(&[r#"{"time":1,"stamp":"a"}"#, "{"]).await;
    let same = eventually(PATIENCE, "both tell the same", async || {
        let of_command = at_rest(rowcast(&env, &["status", "--json"]).await.ended(0).json());
        let (status, of_gateway) = gateway.status().await;
        assert_eq!(status, 200, "{of_gateway}");
        let of_gateway = at_rest(of_gateway);
        // What a worker tells of itself is as old as its last sign of life.
        let told = of_gateway["workers"][0]["rows"] == 1 && of_gateway["gateways"][0]["state"] == "serving";
        if told && of_command == of_gateway { Ok(of_gateway) } else { Err((of_command, of_gateway)) }
    });
    let same = same.await;
    let [worker_line, gateway_line, queue] =
        ["workers", "gateways", "queues"].map(|name| same[name].as_array().unwrap()[0].clone());
    assert_eq!((&worker_line["slot"], &worker_line["restarts"]), (&json!(3), &json!(7)), "{worker_line}");
    assert_eq!(worker_line["pid"], worker.pid(), "{worker_line}");
    assert_eq!(gateway_line["address"], gateway.address, "{gateway_line}");
    assert_eq!((&queue["inserted"], &queue["dead_letters"]), (&json!(1), &json!(1)), "{queue}");
    worker.stop().await;
}

#[tokio::test]
async fn without_redis_the_status_is_an_answer_within_seconds() {
    let mut env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    assert_eq!(gateway.status().await.0, 200);
    let pid = env.redis.pid().unwrap();
    send(pid, Signal::SIGSTOP);
    let asked = Instant::now();
    let (status, answer) = gateway.status().await;
    send(pid, Signal::SIGCONT);
    assert_eq!((status, &answer["code"]), (503, &json!("unavailable")), "{answer}");
    assert_eq!(answer["message"], "Redis does not answer");
    // The connection itself would wait for 12 seconds.
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    eventually(PATIENCE, "it is told again", async || match gateway.status().await {
        (200, _) => Ok(()),
        other => Err(other),
    })
    .await;
    env.redis.kill9().await.unwrap();
    let (status, answer) = gateway.status().await;
    assert_eq!((status, &answer["ok"]), (503, &json!(false)), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("Redis cannot be reached"), "{answer}");
}

#[tokio::test]
async fn a_process_that_was_replaced_is_counted_in_its_slot() {
    let env = Env::new().await;
    env.migrate().await;
    let variables = [("ROWCAST_GATEWAYS", "1"), ("ROWCAST_LISTEN", "127.0.0.1:0"), ("ROWCAST_WORKERS", "2")];
    let up = Running::on(&env, "up", "", &[&variables[..], &[("ROWCAST_QUEUE", &env.queue)]].concat());
    let address = up.says("listening", 1).await[0]["address"].as_str().unwrap().to_owned();
    let restarts = async || {
        let page = request_of(&address, "GET /metrics HTTP/1.0\r\n\r\n").await;
        let lines = page.lines().filter_map(|line| line.strip_prefix("rowcast_restarts_total{"));
        // The host's name is the machine's.
        let host = |line: &str| {
            let (start, rest) = line.split_once(",host=\"").unwrap();
            format!("{start}{}", rest.split_once('"').unwrap().1)
        };
        lines.map(host).collect::<Vec<_>>()
    };
    let are = async |expected: &[&str]| {
        eventually(PATIENCE, "the restarts are counted", async || match restarts().await {
            lines if lines == expected => Ok(()),
            lines => Err(lines),
        })
        .await;
    };
    let gateway = r#"role="gateway",slot="1"} 0"#;
    are(&[gateway, r#"role="worker",slot="1"} 0"#, r#"role="worker",slot="2"} 0"#]).await;
    up.says("online", 3).await;
    let (slot, pid) = up.slots("online")[1];
    assert_eq!(slot, 2);
    send(pid, Signal::SIGKILL);
    are(&[gateway, r#"role="worker",slot="1"} 0"#, r#"role="worker",slot="2"} 1"#]).await;
    up.stop().await;
}
