//! Windows above the page: what Escape does, and what is behind them.

use serde_json::json;

use super::{super::Gateway, Page, dead::LOOK};
use crate::{
    moves::dead::{bury, dead_key, letter, list},
    support::Env,
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
