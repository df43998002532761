//! Clients that catch up are sent page by page, and who does not take a page is read no more.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    Gateway, ask,
    catch_up::{ROOMS, port, push, with_rows},
    event, publisher,
    raw::{Polling, text_frame},
    slow::Stuck,
};
use crate::{
    interop::Node,
    support::{
        Env, PATIENCE, Proxy, Running, eventually,
        running::{empty_folder, stopped},
    },
};

const REPLAYED: &str = "rowcast_gateway_rows_replayed_total";

/// Has a client catch up with a room from the beginning, and returns the ids of the rows up to where it is live.
async fn caught_up(gateway: &Gateway, room: &str) -> Vec<u64> {
    let (mut node, _) = gateway.clients(&["--transport", "websocket", "/#"]).await;
    let answer = ask(&mut node, "/#", json!(["subscribe", {"room": room, "since": 0}])).await;
    assert_eq!(answer["ok"], true, "{answer}");
    let mut ids = Vec::new();
    loop {
        let line = node.line().await;
        match line["event"].as_str() {
            Some("row") => ids.push(line["args"][0]["id"].as_u64().unwrap()),
            Some("mark") if line["args"][0]["live"] == true => return ids,
            Some("mark") => {}
            _ => panic!("{line}"),
        }
    }
}

/// Waits until more rows were replayed than these, and returns how many more.
async fn more_replayed(gateway: &Gateway, before: u64) -> u64 {
    let read = eventually(PATIENCE, "a page is read", async || match gateway.number(REPLAYED).await {
        same if same == before => Err(same),
        more => Ok(more),
    });
    read.await - before
}

#[tokio::test]
async fn a_client_of_long_polling_that_never_comes_for_its_rows_is_read_no_more_than_a_page() {
    let env = with_rows(5_000).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    // From then on there is a mark, and nothing has to be read twice.
    caught_up(&gateway, "account:7").await;
    let before = gateway.number(REPLAYED).await;
    let session = Polling::connected(&gateway).await;
    let rooms = ["account:7", "account:8", "pre_qqaccount"].map(|room| json!({"room": room, "since": 0}));
    session.say(&format!("42{}", json!(["subscribe", rooms]))).await;
    more_replayed(&gateway, before).await;
    assert_eq!(caught_up(&gateway, "pre_qqaccount").await, (1..=5_000).collect::<Vec<_>>());
    let replayed = gateway.number(REPLAYED).await - before;
    assert!((5_001..=5_016).contains(&replayed), "a first page is of 16 rows, of whichever room: {replayed}");
}

#[tokio::test]
async fn a_page_of_large_rows_has_few_of_them() {
    let table =
        "CREATE TABLE big (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, body MEDIUMTEXT NOT NULL)";
    let env = Env::with_table(table).await;
    // Small ones first, so that what was seen of them says nothing of those that follow.
    let small = ["('x')"; 1_000].join(",");
    env.execute(&format!("INSERT INTO big (body) VALUES {small}")).await;
    let large = ["(REPEAT('y', 300000))"; 10].join(",");
    for _ in 0..4 {
        env.execute(&format!("INSERT INTO big (body) VALUES {large}")).await;
    }
    let gateway = Gateway::start(&env, &[("ROWCAST_TABLE", "big")]).await;
    let begun = gateway.memory("VmRSS");
    let ids = caught_up(&gateway, "big").await;
    assert!(ids.len() == 1_040 && ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    // A page that began with small rows is cut where its bytes are full.
    let peak = gateway.memory("VmHWM");
    assert!(peak - begun < 40, "{begun} MB before, {peak} MB at the peak");
    let before = gateway.number(REPLAYED).await;
    let mut stuck = Stuck::connect(&gateway).await;
    stuck.send(&text_frame(r#"42["subscribe",{"room":"big","since":1000}]"#)).await;
    let read = more_replayed(&gateway, before).await;
    assert!(read <= 4, "{read} rows of 300 kB are in a page of 1 MiB");
    caught_up(&gateway, "big").await;
    let replayed = gateway.number(REPLAYED).await - before;
    assert!((1_041..=1_044).contains(&replayed), "{replayed}");
}

#[tokio::test]
async fn a_row_that_is_committed_late_behind_a_page_reaches_whoever_is_catching_up() {
    let env = with_rows(10).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    // From then on there is a mark.
    caught_up(&gateway, "pre_qqaccount").await;
    // It has ids for five rows, and has not committed them.
    push(&env, 10..15).await;
    let lease = ("ROWCAST_LEASE_SECONDS", "600");
    let late = Running::worker(&env, &[ROOMS, lease, ("ROWCAST_FAULT", "inserted:stop")]);
    stopped(late.pid()).await;
    let other = Running::worker(&env, &[ROOMS, lease]);
    push(&env, 15..3_000).await;
    eventually(PATIENCE, "the later rows are there", async || match env.count("pre_qqaccount").await {
        2_995 => Ok(()),
        rows => Err(rows),
    })
    .await;
    let before = gateway.number(REPLAYED).await;
    let session = Polling::connected(&gateway).await;
    session.say(r#"42["subscribe",{"room":"pre_qqaccount","since":0}]"#).await;
    more_replayed(&gateway, before).await;
    late.signal(Signal::SIGCONT);
    env.done(3_000).await;
    let mut packets: Vec<String> = Vec::new();
    while !packets.iter().any(|packet| packet.contains("\"since\":\"3000\",\"live\":true")) {
        packets.extend(session.until("42").await);
    }
    let id = |packet: &String| {
        let [_, data]: [Value; 2] = serde_json::from_str(packet.strip_prefix("42")?).ok()?;
        data["id"].as_u64()
    };
    let mut ids: Vec<u64> = packets.iter().filter_map(id).collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(1..=3_000), "{} rows", ids.len());
    late.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_one_namespace_catches_up_in_the_other() {
    const ROUTES: &str = r#"
        [[route]]
        queue = "{q}"
        table = "pre_qqaccount"
        columns = { accountid = "time", openid = "stamp" }

        [[route]]
        queue = "{q}:two"
        table = "elsewhere"
        namespace = "/two"
    "#;
    let env = with_rows(5_000).await;
    let gateway = Gateway::of_routes(&env, ROUTES).await;
    let session = Polling::connected(&gateway).await;
    session.say("40/two,").await;
    session.until("40/two,{").await;
    session.say(r#"42/two,7["subscribe",{"room":"elsewhere","every_ms":0}]"#).await;
    session.until("43/two,7[{\"ok\":true").await;
    session.say(r#"42["subscribe",{"room":"pre_qqaccount","since":0}]"#).await;
    let mut packets = session.until("42[\"row\"").await;
    session.say("41/two,").await;
    while !packets.iter().any(|packet| packet.starts_with("42[\"mark\"") && packet.contains("\"live\":true"))
    {
        packets.extend(session.until("42").await);
    }
    let rows = packets.iter().filter(|packet| packet.starts_with("42[\"row\""));
    assert_eq!(rows.count(), 5_000);
}

#[tokio::test]
async fn tables_of_one_name_in_two_databases_keep_all_events_of_both() {
    let table = "orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, account INT)";
    let env = Env::with_table(&format!("CREATE TABLE {table}")).await;
    let other = format!("{}_b", env.database);
    env.execute(&format!("CREATE DATABASE {other}")).await;
    env.execute(&format!("CREATE TABLE {other}.{table}")).await;
    let route = |queue: &str, table: &str| {
        format!("[[route]]\nqueue = \"{{q}}{queue}\"\ntable = \"{table}\"\nrooms = [\"all\"]\n")
    };
    let routes = route("", "orders") + &route(":b", &format!("{other}.orders"));
    let mut proxy = Proxy::start(port(&env.redis_url)).await;
    let file = empty_folder().join("routes.toml");
    std::fs::write(&file, routes.replace("{q}", &env.queue)).unwrap();
    let named = [
        ("ROWCAST_QUEUE", ""),
        ("ROWCAST_ROUTES", file.to_str().unwrap()),
        ("REDIS_URL", &*proxy.url(&env.redis_url)),
    ];
    let gateway = Gateway::start(&env, &named).await;
    let worker = Running::routes(&env, &routes, &[]);
    let mut node = gateway.subscribed(&["/#all"]).await;
    let jobs = |accounts: std::ops::Range<u64>| {
        accounts.map(|n| json!({"account": n}).to_string()).collect::<Vec<_>>()
    };
    for round in 0..2 {
        let first = round * 20;
        for (suffix, accounts) in [("", first..first + 10), (":b", first + 10..first + 20)] {
            env.push_raw(suffix, &jobs(accounts)).await;
        }
        let mut heard = accounts(&mut node, 20).await;
        heard.sort_unstable();
        assert_eq!(heard, (first..first + 20).collect::<Vec<_>>());
        // What comes after Redis was away is told by ids where it can be: not where two rows have the same.
        proxy.refuse().await;
        proxy.cut_all();
        gateway.process.says("waiting for Redis", round as usize + 1).await;
        proxy.accept().await;
        gateway.ready().await;
    }
    publisher(&env).await.emit("after", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#all", "after", json!([0])));
    worker.stop().await;
    env.execute(&format!("DROP DATABASE {other}")).await;
}

/// The accounts of so many rows.
async fn accounts(node: &mut Node, count: usize) -> Vec<u64> {
    let mut accounts = Vec::new();
    for _ in 0..count {
        let line = node.line().await;
        let row: &Value = &line["args"][0]["row"];
        accounts.push(row["account"].as_u64().unwrap_or_else(|| panic!("{line}")));
    }
    accounts
}
