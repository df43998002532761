//! Windows above the page: what Escape does, and what is behind them.

use serde_json::json;

use super::{
    super::{Gateway, free_port},
    Page,
    dead::LOOK,
};
use crate::{
    moves::dead::{bury, dead_key, letter, list},
    support::{Env, PATIENCE, eventually},
};

/// The button of a letter's window that opens its job to be changed.
const EDIT: &str = "dialog .bar button:nth-child(4)";

#[tokio::test]
async fn no_key_loses_a_text_that_was_changed_and_the_list_behind_goes_on_being_counted() {
    let env = Env::new().await;
    bury(&env, &[letter(&env, 0, "1406", b"{}")]).await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#dead", json!({})).await;
    page.sees("1 letter").await;
    page.order(json!({"click": LOOK})).await;
    page.press("Edit…").await;
    page.focused("dialog textarea").await;
    // Nothing was changed yet.
    page.key("Escape").await;
    page.misses("The job, edited").await;
    page.focused(EDIT).await;
    page.key("Enter").await;
    page.focused("dialog textarea").await;
    page.order(json!({"type": "changed"})).await;
    let text = page.order(json!({"value": "dialog textarea"})).await;
    assert!(text.as_str().unwrap().contains("changed"), "{text}");
    // Each other one answers the question with no.
    for _ in 0..3 {
        page.key("Escape").await;
        page.sees("Discard what you changed?").await;
        page.focused("dialog[role=alertdialog] .bar button").await;
        page.key("Escape").await;
        page.has_none("dialog[role=alertdialog]").await;
        page.focused("dialog textarea").await;
    }
    assert_eq!(page.order(json!({"value": "dialog textarea"})).await, text);
    bury(&env, &[letter(&env, 1, "1406", b"{}")]).await;
    page.shows(".groups b", "2 letters").await;
    page.key("Escape").await;
    page.press("Discard").await;
    page.misses("The job, edited").await;
    page.focused(EDIT).await;
    assert_eq!(list(&env, &dead_key(&env)).await.len(), 2);
    assert_eq!(page.complaints("").await, [""; 0]);
}

const TEXT: &str = r#"{"time":1,"stamp":"written by hand"}"#;

#[tokio::test]
async fn a_gateway_that_is_replaced_and_has_not_read_redis_yet_closes_no_window() {
    let mut env = Env::own_servers().await;
    bury(&env, &[letter(&env, 0, "1406", b"{}")]).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let variables = [("ROWCAST_LISTEN", listen.as_str())];
    let mut gateway = Gateway::start(&env, &variables).await;
    let mut page = Page::open(&gateway, json!({})).await;
    for (view, buttons, label, sends, sent) in [
        ("#dead", &[LOOK, EDIT][..], "The job, edited", "Retry edited", "The edited job is in"),
        ("", &["[aria-label^=Push]"], "The job", "Push", "The job is in"),
    ] {
        page.go(&gateway, view, json!({})).await;
        for button in buttons {
            page.order(json!({"click": button})).await;
        }
        page.fill(label, TEXT).await;
        gateway.process.kill9().await;
        env.redis.kill9().await.unwrap();
        gateway = Gateway::listening(&env, &variables).await;
        // Whoever asks again has drawn what was answered before.
        for _ in 0..2 {
            page.order(json!({"answered": "/api/dashboard"})).await;
        }
        let answer = gateway.get("/api/dashboard").await;
        assert!(answer.contains(r#""status":null"#), "{answer}");
        assert_eq!(page.order(json!({"value": "dialog textarea"})).await, TEXT, "{view}");
        if view.is_empty() {
            page.sees("What is shown below is of before.").await;
        }
        env.redis.restart().await.unwrap();
        eventually(PATIENCE, "Redis is read", async || match gateway.get("/api/dashboard").await {
            answer if answer.contains(r#""status":null"#) => Err(answer),
            _ => Ok(()),
        })
        .await;
        page.press(sends).await;
        page.sees(sent).await;
    }
    assert_eq!(list(&env, &env.queue).await, [TEXT.as_bytes(); 2]);
    assert!(list(&env, &dead_key(&env)).await.is_empty());
}

#[tokio::test]
async fn a_job_that_is_written_outlives_its_queue() {
    let env = Env::new().await;
    let listen = format!("127.0.0.1:{}", free_port());
    let mut gateway = Gateway::start(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.order(json!({"click": "[aria-label^=Push]"})).await;
    page.fill("The job", TEXT).await;
    gateway.process.kill9().await;
    let other = format!("{}:other", env.queue);
    let _gateway = Gateway::start(&env, &[("ROWCAST_LISTEN", &listen), ("ROWCAST_QUEUE", &other)]).await;
    page.shows("td[data-title=Queue] b", &other).await;
    assert_eq!(page.order(json!({"value": "dialog textarea"})).await, TEXT);
    page.press("Push").await;
    page.sees(&format!("Not done: push the job to {}. The reason: ", env.queue)).await;
    assert_eq!(page.order(json!({"value": "dialog textarea"})).await, TEXT);
    assert!(list(&env, &env.queue).await.is_empty() && list(&env, &other).await.is_empty());
}
