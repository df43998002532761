//! The local fan-out: rows go from the workers of a supervisor to its gateways, and Redis publishes none of them.

mod crashes;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{ask, catch_up::push, clients_at, event, publisher};
use crate::{
    interop::Node,
    support::{
        Env, PATIENCE, Running, Subscriber, eventually,
        running::{empty_folder, send, stopped},
    },
};

const ROOMS: (&str, &str) = ("ROWCAST_ROOMS", "{table}");
const TABLE: &str = "pre_qqaccount";
const CLIENT: &str = "/#one";
const BESIDE: &str = "/#beside";

/// A supervisor with its gateways, and what Redis publishes meanwhile.
struct Local {
    env: Env,
    up: Running,
    addresses: Vec<String>,
    published: Subscriber,
}

impl Local {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let env = Env::new().await;
        env.migrate().await;
        Self::start_on(env, variables).await
    }

    async fn start_on(env: Env, variables: &[(&str, &str)]) -> Self {
        let own = [
            ("ROWCAST_FANOUT", "local"),
            ("ROWCAST_LISTEN", "127.0.0.1:0"),
            ("ROWCAST_GATEWAYS", "1"),
            ("ROWCAST_WORKERS", "1"),
            ("ROWCAST_QUEUE", &*env.queue),
            ROOMS,
        ];
        let published = env.subscribe("socket.io#*").await;
        let up = Running::on(&env, "up", "", &[&own, variables].concat());
        let gateways = variables.iter().find(|(name, _)| *name == "ROWCAST_GATEWAYS").map_or("1", |(_, n)| n);
        let listening = up.says("listening", gateways.parse().unwrap()).await;
        let addresses: Vec<String> =
            listening.iter().map(|line| line["address"].as_str().unwrap().to_owned()).collect();
        for address in &addresses {
            ready(address).await;
        }
        Self { env, up, addresses, published }
    }

    /// A client of a gateway that is in the room of all rows, and one beside it that hears its marks.
    async fn member(&self, gateway: usize) -> Node {
        let clients = ["--transport", "websocket", CLIENT, BESIDE];
        let (mut node, _) = clients_at(&self.addresses[gateway], &clients).await;
        assert_eq!(ask(&mut node, CLIENT, json!(["subscribe", TABLE])).await["ok"], true);
        let what = json!(["subscribe", {"room": TABLE, "since": "now"}]);
        node.tell(json!({"client": BESIDE, "emit": what})).await;
        while node.line().await["answer"].is_null() {}
        node
    }

    /// All that a member has heard when all jobs are done: the numbers of the jobs whose rows came, in order. A mark
    /// comes behind all that was handed on, so nothing is on its way any more.
    async fn heard(&self, node: &mut Node, jobs: usize) -> Vec<usize> {
        self.env.done(jobs as u64).await;
        let last: String = sqlx::query_scalar("SELECT CAST(MAX(id) AS CHAR) FROM pre_qqaccount")
            .fetch_one(&mut self.env.sql_connection().await)
            .await
            .unwrap();
        let (mut rows, mut marked) = (Vec::new(), false);
        while !marked {
            let line = node.line().await;
            match (line["client"].as_str().unwrap(), line["event"].as_str()) {
                // Of another client that has heard everything.
                (_, Some(event)) if event.starts_with("end of ") => {}
                (CLIENT, _) => rows.push(row(&line)),
                (_, Some("mark")) => marked = line["args"][0]["since"] == *last,
                (_, event) => assert_eq!(event, Some("row"), "{line}"),
            }
        }
        let end = format!("end of {last}, {}", ulid::Ulid::generate());
        publisher(&self.env).await.to(TABLE).emit(&end, &0).await.unwrap();
        let mut ends = 0;
        while ends < 2 {
            let line = node.line().await;
            ends += usize::from(line["event"] == end.as_str());
            if is_of_member(&line) {
                rows.push(row(&line));
            }
        }
        rows.sort_unstable();
        rows
    }

    /// Each of these jobs has one row, was heard once, and was never published by Redis.
    async fn each_once(&self, node: &mut Node, jobs: usize) {
        assert_eq!(self.heard(node, jobs).await, (0..jobs).collect::<Vec<_>>());
        assert_eq!(self.env.count(TABLE).await, jobs as i64);
        let published = self.published.messages();
        let rows =
            published.iter().filter(|message| String::from_utf8_lossy(&message.payload).contains("openid"));
        assert_eq!(rows.count(), 0);
    }
}

async fn ready(address: &str) {
    eventually(PATIENCE, "the gateway is ready", async || {
        let answer = crate::support::request_of(address, "GET /readyz HTTP/1.0\r\n\r\n").await;
        if answer.starts_with("HTTP/1.0 200") { Ok(()) } else { Err(answer) }
    })
    .await;
}

fn is_of_member(line: &Value) -> bool {
    line["client"] == CLIENT && !line["event"].as_str().is_some_and(|event| event.starts_with("end of "))
}

/// The number of the job whose row a line tells of.
fn row(line: &Value) -> usize {
    assert_eq!(line["event"], "row", "{line}");
    line["args"][0]["row"]["openid"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn rows_of_all_workers_reach_the_clients_of_all_gateways_once_and_redis_publishes_none() {
    let local = Local::start(&[("ROWCAST_WORKERS", "2"), ("ROWCAST_GATEWAYS", "2")]).await;
    let mut nodes = [local.member(0).await, local.member(1).await];
    push(&local.env, 0..3_000).await;
    for node in &mut nodes {
        local.each_once(node, 3_000).await;
    }
    local.up.stop().await;
}

#[tokio::test]
async fn what_emitters_publish_is_heard_as_ever() {
    let local = Local::start(&[]).await;
    let mut node = local.member(0).await;
    publisher(&local.env).await.to(TABLE).emit("note", &1).await.unwrap();
    let mut missing = [CLIENT, BESIDE].map(|client| event(client, "note", json!([1]))).to_vec();
    while !missing.is_empty() {
        let line = node.line().await.to_string();
        missing.retain(|note| *note != line);
    }
    push(&local.env, 0..1).await;
    local.each_once(&mut node, 1).await;
}

#[tokio::test]
async fn a_mark_is_told_only_after_the_rows_that_it_covers_though_redis_is_faster() {
    let local = Local::start(&[]).await;
    push(&local.env, 0..10).await;
    local.env.done(10).await;
    let (mut node, _) = clients_at(&local.addresses[0], &["--transport", "websocket", CLIENT]).await;
    let what = json!(["subscribe", {"room": TABLE, "since": "now"}]);
    assert_eq!(ask(&mut node, CLIENT, what).await["ok"], true);
    while node.line().await["args"][0]["since"] != "10" {}

    // What is handed on stays in the supervisor's socket; marks are asked for and come through Redis all the same.
    local.up.signal(Signal::SIGSTOP);
    stopped(local.up.pid()).await;
    push(&local.env, 10..20).await;
    local.env.done(20).await;
    local.env.subscribe("rowcast:marks:*").await.at_least(3, PATIENCE).await;
    // It has heard neither rows nor marks; this is heard, and comes after all that was.
    publisher(&local.env).await.to(TABLE).emit("note", &1).await.unwrap();
    loop {
        let line = node.line().await;
        if line["event"] == "note" {
            break;
        }
        assert_eq!((&line["event"], &line["args"][0]["since"]), (&json!("mark"), &json!("10")), "{line}");
    }
    local.up.signal(Signal::SIGCONT);
    let mut rows = Vec::new();
    loop {
        let line = node.line().await;
        match line["event"].as_str() {
            Some("row") => rows.push(row(&line)),
            Some("mark") if line["args"][0]["since"] == "20" => break,
            Some("mark") => assert_eq!(line["args"][0]["since"], "10", "{line}"),
            _ => panic!("{line}"),
        }
    }
    assert_eq!(rows, (10..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_gateway_that_does_not_take_what_it_is_given_reads_back_what_it_missed() {
    let env = Env::with_table("CREATE TABLE t (id BIGINT AUTO_INCREMENT PRIMARY KEY, v MEDIUMTEXT)").await;
    // The client takes them, but not all within a moment.
    let variables = [("ROWCAST_TABLE", "t"), ("ROWCAST_MAX_BEHIND_BYTES", "1073741824")];
    let local = Local::start_on(env, &variables).await;
    let (mut node, _) = clients_at(&local.addresses[0], &["--transport", "websocket", CLIENT]).await;
    assert_eq!(ask(&mut node, CLIENT, json!(["subscribe", "t"])).await["ok"], true);
    let job = |number: usize| json!({"v": format!("{number} {}", "x".repeat(500_000))}).to_string();
    let marked = local.env.subscribe("rowcast:marks:*").await;
    local.env.push_raw("", &[job(0)]).await;
    local.env.done(1).await;
    // There is a mark from then on, and so something to read back from.
    let seen = marked.messages().len();
    marked.at_least(seen + 2, PATIENCE).await;
    let gateway = local.up.slots_of("gateway", "online")[0].1;
    send(gateway, Signal::SIGSTOP);
    stopped(gateway).await;
    for first in (1..101).step_by(20) {
        local.env.push_raw("", &(first..first + 20).map(job).collect::<Vec<_>>()).await;
    }
    local.env.done(101).await;
    local.up.says("a gateway does not take the events", 1).await;
    send(gateway, Signal::SIGCONT);
    let mut rows = Vec::new();
    while rows.len() < 101 {
        let line = node.line().await;
        let text = line["args"][0]["row"]["v"].as_str().unwrap_or_else(|| panic!("{}", line["event"]));
        rows.push(text.split(' ').next().unwrap().parse::<usize>().unwrap());
    }
    rows.sort_unstable();
    assert_eq!(rows, (0..101).collect::<Vec<_>>());
    publisher(&local.env).await.emit("end", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event(CLIENT, "end", json!([0])));
}

#[tokio::test]
async fn a_reload_changes_the_way_of_rows_and_back() {
    let folder = empty_folder();
    let file = folder.join(".env");
    let way = |way: &str| std::fs::write(&file, format!("ROWCAST_FANOUT={way}\n")).unwrap();
    way("local");
    let env = Env::new().await;
    env.migrate().await;
    let published = env.subscribe("socket.io#*").await;
    let variables = [
        ("REDIS_URL", env.redis_url.as_str()),
        ("DATABASE_URL", env.database_url.as_str()),
        ("ROWCAST_LOG", "json"),
        ("ROWCAST_LISTEN", "127.0.0.1:0"),
        ("ROWCAST_WORKERS", "1"),
        ("ROWCAST_QUEUE", &*env.queue),
        ROOMS,
    ];
    let up = Running::in_folder(folder, &["up"], &variables);
    let address = up.says("listening", 1).await[0]["address"].as_str().unwrap().to_owned();
    for (round, through_redis) in [(1, false), (2, true), (3, false)] {
        ready(&address).await;
        let (mut node, _) = clients_at(&address, &["--transport", "websocket", CLIENT]).await;
        assert_eq!(ask(&mut node, CLIENT, json!(["subscribe", TABLE])).await["ok"], true);
        let before = published.messages().len();
        push(&env, round..round + 1).await;
        assert_eq!(row(&node.line().await), round);
        env.done(round as u64).await;
        let rows = published.messages().split_off(before);
        let rows = rows.iter().filter(|message| String::from_utf8_lossy(&message.payload).contains("openid"));
        assert_eq!(rows.count(), usize::from(through_redis), "round {round}");
        if round < 3 {
            way(if through_redis { "local" } else { "redis" });
            up.signal(Signal::SIGHUP);
            // A worker and a gateway are replaced, each by one that is there before the old one has gone.
            up.says("exit", 2 * round).await;
        }
    }
    up.stop().await;
}

#[tokio::test]
async fn who_has_no_supervisor_and_a_supervisor_without_gateways_are_refused() {
    let env = Env::new().await;
    for (command, said) in [
        ("worker", "this worker runs on its own"),
        ("gateway", "this gateway runs on its own"),
        ("up", "with ROWCAST_GATEWAYS=0"),
    ] {
        let variables = [("ROWCAST_FANOUT", "local"), ("ROWCAST_LISTEN", "127.0.0.1:0")];
        let mut refused = Running::on(&env, command, "", &variables);
        assert_eq!(refused.ended().await.code(), Some(64), "{command}");
        let log = refused.whole_log().await;
        let last = log.last().unwrap();
        assert!(last.contains("ROWCAST_FANOUT=\"local\": ") && last.contains(said), "{command}: {last}");
    }
}
