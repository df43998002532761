//! The package in `client/`, as it is built: what it gives, and what it tells.

use serde_json::{Value, json};

use super::{
    Gateway, ask,
    catch_up::{ROOMS, push, with_rows},
    free_port,
};
use crate::{
    interop::Node,
    support::{PATIENCE, Proxy, Running, eventually},
};

/// Followers of rooms; see `follow.mjs`.
pub(super) fn follow(listen: &str, args: &[&str]) -> Node {
    Node::spawn("follow.mjs", &[&[&*format!("http://{listen}")], args].concat())
}

/// What each follower says of itself.
pub(super) async fn report(node: &mut Node) -> Vec<Value> {
    node.tell(json!({"report": true})).await;
    serde_json::from_value(node.line().await).unwrap()
}

/// Waits until the first follower has all rows up to this id, and returns what it says.
pub(super) async fn has_all(node: &mut Node, id: &str) -> Value {
    eventually(PATIENCE, "the follower has all rows", async || {
        let mut report = report(node).await;
        if report[0]["since"] == id { Ok(report.remove(0)) } else { Err(report) }
    })
    .await
}

#[tokio::test]
async fn what_a_callback_throws_is_told_and_the_rows_behind_it_come() {
    let env = with_rows(1_000).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let mut node = follow(&gateway.address, &["--throw", "100", "websocket#account:7"]);
    let report = has_all(&mut node, "1000").await;
    assert_eq!((&report["rows"], &report["replayed"]), (&json!(500), &json!([500])), "{report}");
    assert_eq!(report["errors"], json!(["callback", "callback", "callback", "callback", "callback"]));
}

#[tokio::test]
async fn a_refusal_is_told_once_and_asked_again_on_the_next_connect() {
    let env = with_rows(10).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let on = ("ROWCAST_LISTEN", &*listen);
    let mut gateway = Gateway::start(&env, &[ROOMS, on, ("DATABASE_URL", "")]).await;
    let mut node = follow(&listen, &["websocket#account:7"]);
    eventually(PATIENCE, "the refusal is told", async || match report(&mut node).await.remove(0) {
        one if one["errors"] == json!(["cannot_catch_up"]) => Ok(()),
        other => Err(other),
    })
    .await;
    gateway.process.drain().await;
    let _gateway = Gateway::start(&env, &[ROOMS, on]).await;
    let report = has_all(&mut node, "10").await;
    assert_eq!((&report["rows"], &report["errors"]), (&json!(5), &json!(["cannot_catch_up"])), "{report}");
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for_without_a_word() {
    let env = with_rows(10).await;
    let mut proxy = Proxy::start(env.sql_port).await;
    proxy.refuse().await;
    let database = ("DATABASE_URL", &*proxy.url(&env.database_url));
    let gateway = Gateway::start(&env, &[ROOMS, database]).await;
    let (mut plain, _) = gateway.clients(&["/#"]).await;
    let answer = ask(&mut plain, "/#", json!(["subscribe", {"room": "account:7", "since": 0}])).await;
    assert_eq!(answer["code"], "unavailable", "{answer}");
    let mut node = follow(&gateway.address, &["websocket#account:7"]);
    eventually(PATIENCE, "it has asked again", async || match report(&mut node).await.remove(0) {
        one if one["asked"].as_u64() > Some(1) => Ok(()),
        other => Err(other),
    })
    .await;
    proxy.accept().await;
    let report = has_all(&mut node, "10").await;
    assert_eq!((&report["rows"], &report["errors"]), (&json!(5), &json!([])), "{report}");
}

#[tokio::test]
async fn from_now_on_is_what_comes_until_it_is_closed() {
    let env = with_rows(100).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let worker = Running::worker(&env, &[ROOMS]);
    let mut node =
        follow(&gateway.address, &["--since", "now", "websocket#account:7", "websocket#pre_qqaccount"]);
    has_all(&mut node, "100").await;
    push(&env, 100..110).await;
    let report = has_all(&mut node, "110").await;
    assert_eq!((&report["rows"], &report["replayed"]), (&json!(5), &json!([0])), "{report}");
    node.tell(json!({"close": 0})).await;
    push(&env, 110..120).await;
    let report =
        eventually(PATIENCE, "the other has all rows", async || match self::report(&mut node).await {
            report if report[1]["since"] == "120" => Ok(report),
            report => Err(report),
        });
    let report = report.await;
    assert_eq!((&report[0]["rows"], &report[0]["since"]), (&json!(5), &json!("110")), "{report:#?}");
    worker.stop().await;
}

#[tokio::test]
async fn rows_of_a_table_that_was_emptied_come_though_their_ids_were_there_before() {
    let env = with_rows(100).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let mut node = follow(&gateway.address, &["websocket#pre_qqaccount"]);
    has_all(&mut node, "100").await;
    env.execute("TRUNCATE TABLE pre_qqaccount").await;
    let worker = Running::worker(&env, &[ROOMS]);
    push(&env, 0..10).await;
    let report = has_all(&mut node, "10").await;
    assert_eq!((&report["rows"], &report["errors"]), (&json!(110), &json!([])), "{report}");
    worker.stop().await;
}

#[tokio::test]
async fn who_begins_now_has_something_to_come_back_with_before_the_next_mark_comes() {
    let mut env = with_rows(10).await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let mut node = follow(&gateway.address, &["websocket#account:7"]);
    has_all(&mut node, "10").await;
    env.redis.kill9().await.unwrap();
    gateway.process.says("waiting for Redis", 1).await;
    let mut late = follow(&gateway.address, &["--since", "now", "websocket#account:7"]);
    assert_eq!(has_all(&mut late, "10").await["rows"], 0);
}
