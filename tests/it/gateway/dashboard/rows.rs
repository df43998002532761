//! Live rows in the page.

use serde_json::json;

use super::{
    super::{Gateway, catch_up::ROOMS, free_port, programs::node},
    Page, with_worker,
};
use crate::support::{Env, PATIENCE, Running, eventually};

#[tokio::test]
async fn live_rows_are_filtered_paused_looked_at_and_caught_up_on_after_a_cut() {
    let env = Env::new().await;
    let listen = format!("127.0.0.1:{}", free_port());
    let (gateway, worker) = with_worker(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#rows", json!({})).await;
    page.sees("No row of pre_qqaccount came yet.").await;
    page.shows(".link", "live").await;
    env.push(&[r#"{"time":1,"stamp":"one"}"#, r#"{"time":2,"stamp":"two"}"#]).await;
    page.sees("2 rows came").await;
    page.fill("Only rows that hold", "TWO").await;
    page.sees("Rows that hold “TWO”: 1 of 2.").await;
    assert_eq!(page.texts(".live tbody td:last-child").await, ["two"]);
    page.fill("Only rows that hold", "").await;

    page.press("Pause").await;
    env.push(&[r#"{"time":3,"stamp":"three"}"#]).await;
    page.sees("1 row came since").await;
    assert_eq!(page.texts(".live tbody td:last-child").await.len(), 2);
    page.press("Go on").await;
    page.sees("three").await;
    page.order(json!({"click": ".live tbody button"})).await;
    let shown = page.sees("\"openid\": \"three\"").await;
    assert!(shown.contains("pre_qqaccount, row 3"), "{shown}");
    page.press("Close").await;

    gateway.process.stop().await;
    page.sees("cut off since ").await;
    env.push(&[r#"{"time":4,"stamp":"four"}"#, r#"{"time":5,"stamp":"five"}"#]).await;
    eventually(PATIENCE, "both are in the table", async || match env.count("pre_qqaccount").await {
        5 => Ok(()),
        rows => Err(rows),
    })
    .await;
    let _gateway = Gateway::start(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    page.sees("2 rows were fetched after the cut").await;
    page.sees("5 rows came").await;
    assert_eq!(page.texts(".live tbody tr").await.len(), 5, "each once");
    assert_eq!(page.complaints("ERR_").await, [""; 0]);
    worker.stop().await;
}

#[tokio::test]
async fn where_tokens_say_who_sees_what_a_room_is_followed_with_the_one_that_is_pasted_in() {
    let env = Env::new().await;
    let secret = ("ROWCAST_JWT_SECRET", "a secret of the tests: long enough to be one");
    env.migrate().await;
    let gateway = Gateway::start(&env, &[ROOMS, secret]).await;
    let worker = Running::worker(&env, &[ROOMS]);
    let token = node("SignJWT", &gateway.address, secret).line().await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#rows", json!({})).await;
    page.fill("Token for rooms", "no token").await;
    page.press("Use it").await;
    page.sees("refused: bad_token").await;
    page.fill("Token for rooms", token["token"].as_str().unwrap()).await;
    page.press("Use another").await;
    page.sees("refused: the token's rooms do not hold this one").await;
    page.fill("Room", "account:7").await;
    page.press("Follow").await;
    page.shows(".link", "live").await;
    env.push(&[r#"{"time":8,"stamp":"not ours"}"#, r#"{"time":7,"stamp":"ours"}"#]).await;
    page.sees("1 row came").await;
    assert_eq!(page.texts(".live tbody td:last-child").await, ["ours"]);
    assert_eq!(page.complaints("").await, [""; 0]);
    worker.stop().await;
}

#[tokio::test]
async fn a_gateway_that_cannot_read_rows_back_shows_those_of_now_and_says_so() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[("DATABASE_URL", "")]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#rows", json!({})).await;
    page.sees("What a cut makes miss is not fetched: this server knows no DATABASE_URL").await;
    env.push(&[r#"{"time":1,"stamp":"one"}"#]).await;
    page.sees("1 row came").await;
    worker.stop().await;
}

#[tokio::test]
async fn ten_thousand_rows_a_second_leave_the_page_awake() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#rows", json!({})).await;
    page.shows(".link", "live").await;
    let mut seconds = tokio::time::interval(std::time::Duration::from_secs(1));
    for second in 0..5_u64 {
        seconds.tick().await;
        let jobs = (0..10_000).map(|n| format!(r#"{{"time":{second},"stamp":"row {second}-{n}"}}"#));
        let jobs: Vec<String> = jobs.collect();
        env.push(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    page.sees("50,000 rows came").await;
    // Of the thousand that are kept, those that are to be seen are in the page.
    assert!(page.texts(".live tbody tr").await.len() < 60);
    page.fill("Only rows that hold", "row 4-").await;
    page.sees("Rows that hold “row 4-”: 1,000 of 1,000.").await;
    let mut tasks: Vec<f64> = serde_json::from_value(page.order(json!({"tasks": true})).await).unwrap();
    assert!(tasks.pop().is_some_and(|made| made >= 200.0), "long tasks are noted: {tasks:?}");
    let longest = tasks.iter().copied().fold(0.0, f64::max);
    eprintln!(
        "long tasks of the page: {} of {:.0} ms, at most {longest:.0}",
        tasks.len(),
        tasks.iter().sum::<f64>()
    );
    assert!(longest < 500.0, "{tasks:?}");
    assert_eq!(page.complaints("").await, [""; 0]);
    worker.stop().await;
}
