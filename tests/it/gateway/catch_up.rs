//! Clients that come back, and what they missed: read back from the table, each row once.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Gateway, ask, event, publisher, raw::Socket};
use crate::{
    interop::Node,
    rows::values::{EVERY_KIND, KINDS},
    support::{Env, PATIENCE, Proxy, Running, Side, eventually, running::stopped},
};

pub(super) const ROOMS: (&str, &str) = ("ROWCAST_ROOMS", "{table},account:{accountid}");
const ACCOUNT: &str = "account:7";

/// The default table with so many rows, of accounts 7 and 8 in turn, by a worker that has ended.
pub(super) async fn with_rows(count: usize) -> Env {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[ROOMS]);
    push(&env, 0..count).await;
    env.done(count as u64).await;
    worker.stop().await;
    env
}

pub(super) async fn push(env: &Env, jobs: std::ops::Range<usize>) {
    let job = |n: usize| json!({"time": 7 + n % 2, "stamp": n.to_string()}).to_string();
    env.push_raw("", &jobs.map(job).collect::<Vec<_>>()).await;
}

/// What one client has heard of rows.
#[derive(Default)]
struct Heard {
    /// The row's numbers as the jobs had them, in the order of their arrival.
    rows: Vec<usize>,
    since: String,
    live: bool,
    bundles: usize,
}

impl Heard {
    /// Reads on until this is so.
    async fn until(&mut self, node: &mut Node, enough: impl Fn(&Self) -> bool) {
        while !enough(self) {
            self.take(&node.line().await);
        }
    }

    fn take(&mut self, line: &Value) {
        let data = &line["args"][0];
        let row = |data: &Value| data["row"]["openid"].as_str().unwrap().parse::<usize>().unwrap();
        match line["event"].as_str() {
            Some("row") => self.rows.push(row(data)),
            Some("rows") => {
                self.bundles += 1;
                self.rows.extend(data["rows"].as_array().unwrap().iter().map(row));
            }
            Some("mark") => {
                self.since = data["since"].as_str().unwrap().to_owned();
                self.live = data["live"].as_bool().unwrap();
            }
            _ => panic!("an event that nobody sent: {line}"),
        }
    }
}

async fn subscribe(node: &mut Node, client: &str, what: Value) {
    let answer = ask(node, client, json!(["subscribe", what])).await;
    assert_eq!(answer, json!({"ok": true, "rooms": [what["room"]]}));
}

const CLIENT: &str = "/#one";

#[tokio::test]
async fn a_client_gets_the_rows_of_its_room_above_an_id_in_order_and_then_the_live_ones() {
    let env = with_rows(5_000).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let worker = Running::worker(&env, &[ROOMS]);
    for (transport, every) in [("websocket", None), ("websocket", Some(20)), ("polling", None)] {
        let before = env.count("pre_qqaccount").await as usize;
        let (mut node, _) = gateway.clients(&["--transport", transport, CLIENT]).await;
        subscribe(&mut node, CLIENT, json!({"room": ACCOUNT, "since": 1_000, "every_ms": every})).await;
        let mut heard = Heard::default();
        heard.until(&mut node, |heard| heard.live).await;
        let expected: Vec<usize> = (1_000..before).filter(|n| n % 2 == 0).collect();
        assert_eq!(heard.rows, expected, "{transport} {every:?}");
        // Beyond its own rows, up to where all rows of the table are published.
        let last = before.to_string();
        heard.until(&mut node, |heard| heard.since == last).await;

        push(&env, before..before + 10).await;
        heard.until(&mut node, |heard| heard.rows.len() == expected.len() + 5).await;
        let last = (before + 10).to_string();
        heard.until(&mut node, |heard| heard.since == last).await;
        assert_eq!(heard.rows.last(), Some(&(before + 8)));
        let (bundled, rows) = (heard.bundles, heard.rows.len());
        assert!(if every.is_some() { bundled > 0 && bundled < rows / 10 } else { bundled == 0 }, "{bundled}");
        // It is a member of the room like any other, also for what is no row.
        publisher(&env).await.to(ACCOUNT).emit("note", &1).await.unwrap();
        assert_eq!(node.line().await.to_string(), event(CLIENT, "note", json!([1])));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_row_that_is_committed_late_is_above_the_mark_of_those_who_were_there_before() {
    let env = with_rows(10).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", CLIENT]).await;
    let table = json!({"room": "pre_qqaccount", "since": "now"});
    subscribe(&mut node, CLIENT, table.clone()).await;
    let mut heard = Heard::default();
    heard.until(&mut node, |heard| heard.since == "10").await;
    assert_eq!(heard.rows, [0usize; 0]);

    // It has ids for its rows, and has not committed them.
    push(&env, 10..15).await;
    let lease = ("ROWCAST_LEASE_SECONDS", "600");
    let late = Running::worker(&env, &[ROOMS, lease, ("ROWCAST_FAULT", "inserted:stop")]);
    stopped(late.pid()).await;
    let other = Running::worker(&env, &[ROOMS, lease]);
    push(&env, 15..20).await;
    heard.until(&mut node, |heard| heard.rows.len() == 5).await;
    // Two rounds of marks are asked for, and come before the next row.
    let rounds = env.subscribe("rowcast:marks:*").await;
    rounds.at_least(2, PATIENCE).await;
    push(&env, 20..21).await;
    heard.until(&mut node, |heard| heard.rows.len() == 6).await;
    assert_eq!(heard.since, "10", "rows 11 to 15 are not published");
    drop(node);

    late.signal(Signal::SIGCONT);
    env.done(21).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", CLIENT]).await;
    subscribe(&mut node, CLIENT, json!({"room": "pre_qqaccount", "since": heard.since})).await;
    let mut again = Heard::default();
    again.until(&mut node, |heard| heard.since == "21").await;
    again.rows.sort_unstable();
    assert_eq!(again.rows, (10..21).collect::<Vec<_>>());
    late.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn rows_that_were_published_while_redis_could_not_be_heard_are_read_back_for_everybody_once() {
    let env = with_rows(10).await;
    let mut proxy = Proxy::start(port(&env.redis_url)).await;
    let redis = ("REDIS_URL", &*proxy.url(&env.redis_url));
    let gateway = Gateway::start(&env, &[ROOMS, redis]).await;
    let worker = Running::worker(&env, &[ROOMS]);
    let specs = ["/#member", "/#each", "/#bundles"];
    let (mut node, _) = gateway.clients(&[&["--transport", "websocket"][..], &specs].concat()).await;
    assert_eq!(ask(&mut node, "/#member", json!(["subscribe", ACCOUNT])).await["ok"], true);
    let mut heard = [(); 3].map(|()| Heard::default());
    let each = json!({"room": "pre_qqaccount", "since": "now"});
    let bundles = json!({"room": ACCOUNT, "since": 10, "every_ms": 5});
    for (client, what) in [("/#each", each), ("/#bundles", bundles)] {
        node.tell(json!({"client": client, "emit": ["subscribe", what]})).await;
        while !next(&mut node, &specs, &mut heard).await {}
    }
    let mut jobs = 10;
    for _ in 0..3 {
        push(&env, jobs..jobs + 10).await;
        hear(&mut node, &specs, &mut heard, jobs + 10).await;
        proxy.refuse().await;
        proxy.cut_all();
        gateway.process.says("waiting for Redis", 1).await;
        push(&env, jobs + 10..jobs + 2_010).await;
        env.done(jobs as u64 + 2_010).await;
        proxy.accept().await;
        jobs += 2_010;
        hear(&mut node, &specs, &mut heard, jobs).await;
    }
    push(&env, jobs..jobs + 10).await;
    hear(&mut node, &specs, &mut heard, jobs + 10).await;
    // A mark behind them: nothing comes any more.
    let last = (jobs + 10).to_string();
    while heard[1].since != last || heard[2].since != last {
        next(&mut node, &specs, &mut heard).await;
    }
    let rows = |heard: &Heard| {
        let mut rows = heard.rows.clone();
        rows.sort_unstable();
        rows
    };
    let evens: Vec<usize> = (10..jobs + 10).filter(|n| n % 2 == 0).collect();
    assert_eq!(rows(&heard[0]), evens);
    assert_eq!(rows(&heard[1]), (10..jobs + 10).collect::<Vec<_>>());
    assert_eq!(rows(&heard[2]), evens);
    worker.stop().await;
}

/// Reads a line. Returns whether it is an answer.
async fn next(node: &mut Node, specs: &[&str; 3], heard: &mut [Heard; 3]) -> bool {
    let line = node.line().await;
    if let Some(answer) = line["answer"].as_array() {
        assert_eq!(answer[0]["ok"], true, "{line}");
        return true;
    }
    let at = specs.iter().position(|spec| line["client"] == *spec).unwrap();
    heard[at].take(&line);
    false
}

/// Reads on until all three have all rows below this one.
async fn hear(node: &mut Node, specs: &[&str; 3], heard: &mut [Heard; 3], jobs: usize) {
    let all = |heard: &[Heard; 3]| {
        let distinct = |heard: &Heard| heard.rows.iter().collect::<BTreeSet<_>>().len();
        distinct(&heard[0]) >= jobs / 2 - 5
            && distinct(&heard[1]) >= jobs - 10
            && distinct(&heard[2]) >= jobs / 2 - 5
    };
    while !all(heard) {
        next(node, specs, heard).await;
    }
}

pub(super) fn port(url: &str) -> u16 {
    url.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).unwrap()
}

#[tokio::test]
async fn what_cannot_be_caught_up_on_is_refused_with_the_reason() {
    let env = with_rows(1).await;
    let rooms = "{table},account:{accountid},open:{openid}";
    let gateway = Gateway::start(&env, &[("ROWCAST_ROOMS", rooms)]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", CLIENT]).await;
    for (room, code, reason) in [
        ("nowhere", "no_rows", "no route that this gateway has"),
        ("open:a", "cannot_catch_up", "ALTER TABLE pre_qqaccount ADD INDEX (openid)"),
    ] {
        let what = json!(["subscribe", ["pre_qqaccount", {"room": room, "since": 0}]]);
        let answer = ask(&mut node, CLIENT, what).await;
        assert_eq!((&answer["code"], &answer["room"]), (&json!(code), &json!(room)), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(reason), "{answer}");
    }
    // It was refused in full.
    publisher(&env).await.to("pre_qqaccount").emit("lost", &0).await.unwrap();
    publisher(&env).await.emit("next", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event(CLIENT, "next", json!([0])));

    let without = Gateway::start(&env, &[ROOMS, ("DATABASE_URL", "")]).await;
    let (mut node, _) = without.clients(&["--transport", "websocket", CLIENT]).await;
    let answer = ask(&mut node, CLIENT, json!(["subscribe", {"room": ACCOUNT, "since": 0}])).await;
    assert_eq!(answer["code"], "cannot_catch_up", "{answer}");
    // Bundles of what comes need no database.
    subscribe(&mut node, CLIENT, json!({"room": ACCOUNT, "every_ms": 1})).await;
    let worker = Running::worker(&env, &[ROOMS]);
    push(&env, 2..3).await;
    let line = node.line().await;
    assert_eq!((&line["event"], &line["args"][0]["room"]), (&json!("rows"), &json!(ACCOUNT)));
    worker.stop().await;
}

#[tokio::test]
async fn a_client_that_unsubscribes_is_followed_no_more() {
    let env = with_rows(3_000).await;
    let gateway = Gateway::start(&env, &[ROOMS, ("ROWCAST_ROOMS_PER_SOCKET", "1")]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", CLIENT]).await;
    for what in [json!({"room": ACCOUNT, "since": 0}), json!({"room": ACCOUNT, "since": 0, "every_ms": 0})] {
        // The same room again takes the place of the first time.
        for _ in 0..2 {
            subscribe(&mut node, CLIENT, what.clone()).await;
            let mut heard = Heard::default();
            heard.until(&mut node, |heard| heard.live).await;
            assert_eq!(heard.rows.len(), 1_500);
        }
        node.tell(json!({"client": CLIENT, "emit": ["unsubscribe", ACCOUNT]})).await;
        while node.line().await["answer"].is_null() {}
        publisher(&env).await.to(ACCOUNT).emit("lost", &0).await.unwrap();
        publisher(&env).await.emit("next", &0).await.unwrap();
        let line = node.line().await.to_string();
        assert_eq!(line, event(CLIENT, "next", json!([0])));
    }
}

#[tokio::test]
async fn a_row_that_is_read_back_says_what_its_event_said() {
    let env = Env::with_table(KINDS).await;
    let table = ("ROWCAST_TABLE", "kinds");
    let gateway = Gateway::start(&env, &[table]).await;
    let worker = Running::worker(&env, &[table]);
    let (mut node, _) = gateway.clients(&["--transport", "websocket", "/#live", "/#one", "/#bundles"]).await;
    assert_eq!(ask(&mut node, "/#live", json!(["subscribe", "kinds"])).await["ok"], true);
    let nothing = r#"{"i32":null}"#;
    let rounded = r#"{"f":16777217.25,"d":1e-7,"doc":[1.50,"\u00e9",9007199254740993],"at3":"2024-02-29T23:59:59.12Z","bin":"AA=="}"#;
    env.push(&[EVERY_KIND, nothing, rounded]).await;
    let mut live = Vec::new();
    for _ in 0..3 {
        live.push(node.line().await["args"][0].clone());
    }
    subscribe(&mut node, "/#one", json!({"room": "kinds", "since": 0})).await;
    let mut one = Vec::new();
    for _ in 0..3 {
        one.push(node.line().await["args"][0].clone());
    }
    while node.line().await["args"][0]["since"] != "3" {}
    node.tell(
        json!({"client": "/#bundles", "emit": ["subscribe", {"room": "kinds", "since": 0, "every_ms": 0}]}),
    )
    .await;
    let mut bundled = Value::Null;
    while bundled.is_null() {
        let line = node.line().await;
        if line["event"] == "rows" {
            bundled = line["args"][0]["rows"].clone();
        }
    }
    assert_eq!(bundled, json!(one));
    for (live, again) in live.iter().zip(&one) {
        assert_eq!((&live["table"], &live["id"]), (&again["table"], &again["id"]));
        for (column, value) in live["row"].as_object().unwrap() {
            assert_eq!(&again["row"][column], value, "{column}");
        }
        // What the job left out is what the table has.
        assert_eq!(again["row"]["id"], live["id"]);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_while_it_subscribes_leaves_nothing() {
    let env = with_rows(10).await;
    let proxy = Proxy::start(env.sql_port).await;
    let database = ("DATABASE_URL", &*proxy.url(&env.database_url));
    let gateway = Gateway::start(&env, &[ROOMS, database, ("ROWCAST_MAX_CONNECTIONS", "3")]).await;
    proxy.hold(Side::Server);
    for _ in 0..3 {
        let mut socket = Socket::connected(&gateway).await;
        socket.send(r#"42["subscribe",["a",{"room":"pre_qqaccount","since":0}]]"#).await;
    }
    eventually(PATIENCE, "they have gone", async || match gateway.number("rowcast_gateway_clients").await {
        0 => Ok(()),
        clients => Err(clients),
    })
    .await;
    // What they wait for comes when nobody waits any more.
    proxy.release(Side::Server);
    // What is left of one that has gone would count as a connection for ever.
    let mut inside = Vec::new();
    while inside.len() < 3 {
        let query = "EIO=4&transport=websocket";
        inside.push(eventually(PATIENCE, "a place", async || Socket::ask(&gateway, query).await).await);
    }
}

#[tokio::test]
async fn what_a_client_says_is_done_in_its_order() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", CLIENT]).await;
    // The first has to ask the database, the second has not.
    node.tell(json!({"client": CLIENT, "emit": ["subscribe", {"room": ACCOUNT, "since": 0}]})).await;
    node.tell(json!({"client": CLIENT, "emit": ["unsubscribe", ACCOUNT]})).await;
    for _ in 0..2 {
        while node.line().await["answer"].is_null() {}
    }
    publisher(&env).await.to(ACCOUNT).emit("lost", &0).await.unwrap();
    publisher(&env).await.emit("next", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event(CLIENT, "next", json!([0])));
}

#[tokio::test]
async fn a_table_that_has_changed_is_looked_at_anew_and_a_room_that_lost_its_index_is_told_so() {
    let env = with_rows(100).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let all = json!({"room": ACCOUNT, "since": 0});
    let changes = [
        "ALTER TABLE pre_qqaccount DROP KEY accountid, ADD KEY other (accountid)",
        "ALTER TABLE pre_qqaccount DROP KEY other",
    ];
    // The first is there to have the table looked at.
    let (mut node, _) = gateway.clients(&["--transport", "websocket", "/#first", CLIENT]).await;
    subscribe(&mut node, "/#first", all.clone()).await;
    Heard::default().until(&mut node, |heard| heard.live).await;
    env.execute(changes[0]).await;
    subscribe(&mut node, CLIENT, all.clone()).await;
    let mut heard = Heard::default();
    heard.until(&mut node, |heard| heard.rows.len() == 50 && heard.live).await;

    env.execute(changes[1]).await;
    let (mut node, _) = gateway.clients(&["--transport", "websocket", CLIENT]).await;
    subscribe(&mut node, CLIENT, all.clone()).await;
    let line = node.line().await;
    assert!(line["disconnected"].is_string(), "{line}");
    assert!(node.line().await["connected"].is_string());
    let refused = ask(&mut node, CLIENT, json!(["subscribe", all])).await;
    assert_eq!(refused["code"], "cannot_catch_up", "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("ADD INDEX (accountid)"), "{refused}");
}
