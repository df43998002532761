//! Whole groups of dead letters in the page.

use nix::sys::signal::Signal;
use serde_json::json;

use super::{
    super::{Gateway, free_port},
    Page,
};
use crate::{
    moves::dead::{bury, dead_key, letter, list},
    support::Env,
};

const RETRY: &str = ".groups li:first-child button:nth-child(2)";
const PURGE: &str = ".groups li:first-child button:nth-child(3)";

async fn page_of(gateway: &Gateway) -> Page {
    let mut page = Page::open(gateway, json!({})).await;
    page.go(gateway, "#dead", json!({})).await;
    page
}

#[tokio::test]
async fn a_group_is_purged_and_another_retried_when_their_number_was_confirmed() {
    let env = Env::new().await;
    let mut letters: Vec<_> = (0..1_234).map(|n| letter(&env, n, "1406", b"{}")).collect();
    letters.extend((2_000..2_003).map(|n| letter(&env, n, "not_json", n.to_string().as_bytes())));
    letters.push(letter(&env, 3_000, "wrong_type", b"{}"));
    bury(&env, &letters).await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut page = page_of(&gateway).await;
    page.sees("1,238 letters.").await;
    page.order(json!({"click": PURGE})).await;
    page.sees("Purge 1,234 dead letters?").await;
    page.sees("They are deleted with their jobs").await;
    // The answer that does nothing has the keyboard.
    page.focused("dialog .bar button").await;
    page.press("Cancel").await;
    page.focused(PURGE).await;
    assert_eq!(list(&env, &dead_key(&env)).await.len(), 1_238);
    page.order(json!({"click": PURGE})).await;
    page.press("Purge 1,234 letters").await;
    page.sees("Done: 1,234 letters were deleted.").await;
    page.focused("dialog .bar button").await;
    // The list behind the window knows, too.
    page.sees("4 letters.").await;
    page.press("Close").await;
    page.order(json!({"click": RETRY})).await;
    page.sees("Their jobs go behind those that wait in").await;
    page.press("Retry 3 letters").await;
    page.sees("Done: 3 letters were sent back.").await;
    page.press("Close").await;
    page.sees("1 letter.").await;
    page.order(json!({"click": PURGE})).await;
    page.sees("It is deleted with its job").await;
    page.key("Tab").await;
    page.key("Enter").await;
    page.sees("Done: 1 letter was deleted.").await;
    page.press("Close").await;
    page.sees("No dead letters.").await;
    // What had the keyboard has gone with the letters.
    page.focused("main").await;
    assert_eq!(list(&env, &env.queue).await, [b"2000", b"2001", b"2002"]);
    assert_eq!(page.complaints("").await, [""; 0]);
}

#[tokio::test]
async fn a_retry_that_is_interrupted_says_how_far_it_came_and_goes_on() {
    let env = Env::new().await;
    let job = |n: usize| n.to_string().into_bytes();
    let letters: Vec<_> = (0..4_000).map(|n| letter(&env, n, "1406", &job(n))).collect();
    bury(&env, &letters).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let mut gateway = Gateway::start(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    let mut page = page_of(&gateway).await;
    page.sees("4,000 letters.").await;
    page.order(json!({"click": RETRY})).await;
    page.press("Retry 4,000 letters").await;
    page.sees("of 4,000 dead letters sent back…").await;
    gateway.process.signal(Signal::SIGKILL);
    gateway.process.ended().await;
    let shown = page.sees("Interrupted after ").await;
    assert!(shown.contains("The others are dead letters as before."), "{shown}");
    let (queued, dead) = (list(&env, &env.queue).await.len(), list(&env, &dead_key(&env)).await.len());
    assert!(queued + dead == 4_000 && dead > 0, "{queued} in the queue, {dead} dead");
    let _gateway = Gateway::start(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    page.press("Go on").await;
    page.sees("Done: ").await;
    assert_eq!(list(&env, &env.queue).await, (0..4_000).map(job).collect::<Vec<_>>());
    assert!(list(&env, &dead_key(&env)).await.is_empty());
}
