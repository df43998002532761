//! How long jobs take, in the page.

use serde_json::json;

use super::{Page, with_worker};
use crate::support::{Env, PATIENCE, eventually};

/// Whether this is a length of time: a number, and its unit.
fn is_time(text: &str) -> bool {
    let (number, unit) = text.trim().split_once(' ').unwrap_or_default();
    number.parse::<f64>().is_ok() && ["ms", "s", "min"].contains(&unit)
}

#[tokio::test]
async fn both_delays_stand_in_the_overview_and_in_the_queues_line_once_there_was_a_job() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.sees("Nothing is wrong.").await;
    const TILES: &str = ".delays dd .share";
    const CELLS: &str = "td[data-title$='p50 / p99']";
    assert_eq!(page.texts(TILES).await, ["p50 –", "p99 –", "p50 –", "p99 –"]);
    assert_eq!(page.texts(CELLS).await, ["–", "–"]);
    page.sees("until MySQL had answered COMMIT").await;
    env.push(&[r#"{"time":1,"stamp":"a"}"#, r#"{"time":2,"stamp":"b"}"#]).await;
    page.sees("2 were committed.").await;
    eventually(PATIENCE, "all of them are lengths of time", async || {
        let (tiles, cells) = (page.texts(TILES).await, page.texts(CELLS).await);
        let names = ["p50", "p99", "p50", "p99"];
        let are = tiles.iter().zip(names).all(|(tile, name)| tile.strip_prefix(name).is_some_and(is_time));
        let both = cells.len() == 2
            && cells.iter().all(|cell| cell.split('/').filter(|&one| is_time(one)).count() == 2);
        if are && tiles.len() == 4 && both { Ok(()) } else { Err((tiles, cells)) }
    })
    .await;
    assert_eq!(page.complaints("").await, [""; 0]);
    worker.stop().await;
}
