//! Marks that are lower than others: those of a gateway that is behind, and those of a table that was emptied.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{
    Gateway,
    catch_up::{push, with_rows},
    client::{follow, has_all, report},
    free_port,
};
use crate::{
    interop::Node,
    support::{
        Env, PATIENCE, Running, eventually,
        running::{empty_folder, stopped},
    },
};

fn route(suffix: &str) -> String {
    format!(
        "[[route]]\nqueue = \"{{q}}{suffix}\"\ntable = \"pre_qqaccount\"\n\
         columns = {{ accountid = \"time\", openid = \"stamp\" }}\nrooms = [\"{{table}}\"]\n"
    )
}

/// A gateway of both queues, and where it listens.
async fn gateway(env: &Env, listen: &str) -> Gateway {
    let file = empty_folder().join("routes.toml");
    std::fs::write(&file, (route("") + &route(":two")).replace("{q}", &env.queue)).unwrap();
    let routes = [("ROWCAST_QUEUE", ""), ("ROWCAST_ROUTES", file.to_str().unwrap())];
    Gateway::start(env, &[&routes[..], &[("ROWCAST_LISTEN", listen)]].concat()).await
}

async fn push_to(env: &Env, suffix: &str, count: usize) {
    let job = |n: usize| json!({"time": n, "stamp": n.to_string()}).to_string();
    env.push_raw(suffix, &(0..count).map(job).collect::<Vec<_>>()).await;
}

/// Waits until the follower has been given so many rows, and returns what it says.
async fn has_rows(node: &mut Node, rows: u64) -> Value {
    eventually(PATIENCE, "the follower has its rows", async || match report(node).await.remove(0) {
        one if one["rows"] == rows => Ok(one),
        other => Err(other),
    })
    .await
}

#[tokio::test]
async fn marks_that_are_behind_those_of_another_gateway_are_no_emptied_table() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::routes(&env, &route(":two"), &[]);
    push_to(&env, ":two", 1).await;
    env.done_in(":two", 1).await;
    worker.stop().await;

    let listen = format!("127.0.0.1:{}", free_port());
    let mut ahead = gateway(&env, &listen).await;
    let mut node = follow(&listen, &["websocket#pre_qqaccount"]);
    let worker = Running::routes(&env, &route(""), &[]);
    push_to(&env, "", 100).await;
    has_all(&mut node, "101").await;
    // What is known of its rows is that they are above the first one: a gateway that begins now has no higher mark.
    let fault = [("ROWCAST_FAULT", "inserted:stop"), ("ROWCAST_LEASE_SECONDS", "600")];
    let late = Running::routes(&env, &route(":two"), &fault);
    push_to(&env, ":two", 1).await;
    stopped(late.pid()).await;
    ahead.process.kill9().await;

    let _behind = gateway(&env, &listen).await;
    has_connects(&mut node, 2).await;
    let rounds = env.subscribe("rowcast:marks:*").await;
    rounds.at_least(12, PATIENCE).await;
    push_to(&env, "", 1).await;
    let said = has_rows(&mut node, 102).await;
    assert_eq!(said["since"], "101", "{said}");
    node.tell(json!({"cut": 0})).await;
    has_connects(&mut node, 3).await;
    late.signal(Signal::SIGCONT);
    let said = has_all(&mut node, "103").await;
    assert_eq!((&said["rows"], &said["twice"]), (&json!(103), &json!(0)), "{said}");
    late.stop().await;
    worker.stop().await;
}

/// Waits until the follower was live so often.
async fn has_connects(node: &mut Node, times: usize) {
    eventually(PATIENCE, "the follower is live again", async || match report(node).await.remove(0) {
        one if one["replayed"].as_array().map(Vec::len) >= Some(times) => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test]
async fn a_table_of_several_queues_that_was_emptied_shows_before_each_of_them_has_brought_a_row() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = gateway(&env, "127.0.0.1:0").await;
    let worker = Running::routes(&env, &(route("") + &route(":two")), &[]);
    let mut node = follow(&gateway.address, &["websocket#pre_qqaccount"]);
    push_to(&env, "", 60).await;
    env.done(60).await;
    push_to(&env, ":two", 60).await;
    has_all(&mut node, "120").await;
    env.execute("TRUNCATE TABLE pre_qqaccount").await;
    has_all(&mut node, "0").await;
    push_to(&env, "", 10).await;
    let said = has_all(&mut node, "10").await;
    assert_eq!((&said["rows"], &said["errors"]), (&json!(130), &json!([])), "{said}");
    push_to(&env, "", 200).await;
    assert_eq!(has_all(&mut node, "210").await["rows"], 330);
    push_to(&env, ":two", 5).await;
    assert_eq!(has_all(&mut node, "215").await["rows"], 335);
    worker.stop().await;
}

#[tokio::test]
async fn a_table_that_was_emptied_and_has_more_rows_than_before_a_moment_later_loses_none() {
    let env = with_rows(100).await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut node = follow(&gateway.address, &["websocket#pre_qqaccount"]);
    has_all(&mut node, "100").await;
    let worker = Running::worker(&env, &[]);
    // Between two looks at the table, most of the time.
    let rounds = env.subscribe("rowcast:marks:*").await;
    rounds.at_least(1, PATIENCE).await;
    env.execute("TRUNCATE TABLE pre_qqaccount").await;
    push(&env, 0..300).await;
    let said = has_all(&mut node, "300").await;
    assert_eq!((&said["rows"], &said["errors"]), (&json!(400), &json!([])), "{said}");
    worker.stop().await;
}

#[tokio::test]
async fn who_comes_back_to_a_table_that_was_emptied_meanwhile_gets_all_its_rows() {
    let env = with_rows(100).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let mut before = Gateway::start(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    let mut node = follow(&listen, &["websocket#pre_qqaccount"]);
    has_all(&mut node, "100").await;
    before.process.kill9().await;
    env.execute("TRUNCATE TABLE pre_qqaccount").await;
    let worker = Running::worker(&env, &[]);
    push(&env, 0..10).await;
    env.done(110).await;
    let _gateway = Gateway::start(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    let said = has_all(&mut node, "10").await;
    assert_eq!((&said["rows"], &said["errors"]), (&json!(110), &json!([])), "{said}");
    worker.stop().await;
}
