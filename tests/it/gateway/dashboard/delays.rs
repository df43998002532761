//! How long jobs take, in the page.

use serde_json::json;

use super::{super::Gateway, Page};
use crate::support::{Env, PATIENCE, Running, eventually};

/// Whether this is a length of time: a number, and its unit.
fn is_time(text: &str) -> bool {
    let (number, unit) = text.trim().split_once(' ').unwrap_or_default();
    number.parse::<f64>().is_ok() && ["ms", "s", "min"].contains(&unit)
}

#[tokio::test]
async fn both_delays_stand_in_the_overview_for_all_queues_and_for_each_once_there_was_a_job() {
    let env = Env::new().await;
    env.migrate().await;
    let columns = "columns = { accountid = 'time', openid = 'stamp' }";
    let route = |queue| format!("[[route]]\nqueue = '{queue}'\ntable = 'pre_qqaccount'\n{columns}\n");
    let routes = route("{q}") + &route("{q}-quiet");
    let gateway = Gateway::of_routes(&env, &routes).await;
    let worker = Running::routes(&env, &routes, &[]);
    let mut page = Page::open(&gateway, json!({})).await;
    page.sees("Nothing is wrong.").await;
    const ALL: &str = ".delays dd .share";
    const EACH: &str = "[aria-label='Delays of each queue'] td.number";
    assert_eq!(page.texts(ALL).await, ["p50 –", "p99 –", "p50 –", "p99 –"]);
    assert_eq!(page.texts(EACH).await, ["–"; 8]);
    page.sees("until MySQL had answered COMMIT").await;
    env.push(&[r#"{"time":1,"stamp":"a"}"#, r#"{"time":2,"stamp":"b"}"#]).await;
    page.sees("Committed: 2.").await;
    eventually(PATIENCE, "lengths of time are shown", async || {
        let (all, each) = (page.texts(ALL).await, page.texts(EACH).await);
        let names = ["p50", "p99", "p50", "p99"];
        let are = all.iter().zip(names).all(|(one, name)| one.strip_prefix(name).is_some_and(is_time));
        // That of the quiet queue stays empty.
        let told = each[..4].iter().all(|one| is_time(one)) && each[4..] == ["–"; 4];
        if are && all.len() == 4 && told { Ok(()) } else { Err((all, each)) }
    })
    .await;
    assert_eq!(page.complaints("").await, [""; 0]);
    worker.stop().await;
}
