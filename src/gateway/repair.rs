//! What the gateway missed, because Redis was away or because it took less than came: read back for everybody, as if it had been heard.
//!
//! The rows above the mark that was the last before are in the table. Those that were heard nevertheless, or are heard
//! later because they are published late, are told by their ids. Until all of it is done the mark stands, so that no
//! client believes that it has what it has not.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    catch_up::{CatchUp, Hearing, Repaired},
    feed::Feed,
    replay::{FIRST_PAGE, PAGE_BYTES, passes, values},
};
use crate::{
    backoff::Backoff,
    store::{Fault, StoredRow},
};

/// The rows of one page: few enough for the clients' writers to keep up with.
const PAGE: usize = 500;
/// Between two pages, for the same reason.
const PAUSE: Duration = Duration::from_millis(10);

/// Reads back what a feed missed, and hands it to whoever hears the channels.
pub(super) async fn fill(catch_up: Arc<CatchUp>, feed: Arc<Feed>) {
    let Hearing { times, .. } = *catch_up.hearing().borrow();
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    let (mut rows, mut told) = (0, false);
    let (mut id, mut most) = (feed.mark().unwrap_or(0), FIRST_PAGE);
    loop {
        let asked = Instant::now();
        match page(&catch_up, &feed, &mut id, &mut most).await {
            Ok(Some(read)) => {
                catch_up.reached_database();
                rows += read;
            }
            Ok(None) => break,
            Err(fault) => {
                if passes(&fault) {
                    catch_up.missed_database(asked, &fault);
                } else if !std::mem::replace(&mut told, true) {
                    let queue = &feed.route.queue;
                    tracing::warn!(queue, "rows that were missed wait: {fault}");
                }
                sleep(backoff.next(fastrand::f64())).await;
            }
        }
        // It is done anew from the mark when Redis is found again.
        if *catch_up.hearing().borrow() != (Hearing { now: true, times }) {
            return;
        }
    }
    if rows > 0 {
        tracing::info!(queue = feed.route.queue, rows, "rows that were missed were read back");
    }
    // Fails when the gateway ends.
    catch_up.repaired.send(Repaired::Filled(feed, times)).await.ok();
}

/// Hands on one page; `None` when there is none any more.
async fn page(
    catch_up: &CatchUp,
    feed: &Feed,
    id: &mut u64,
    most: &mut usize,
) -> Result<Option<usize>, Fault> {
    let (Some(pages), true) = (&catch_up.pages, catch_up.anyone(&feed.route.namespace)) else {
        return Ok(None);
    };
    let laid = feed.lay(pages, &catch_up.key).await?;
    let reader = feed.readers.acquire().await;
    let rows = pages.above(&laid.everything(), *id, *most, PAGE_BYTES).await?.rows;
    drop(reader);
    let Some(last) = rows.last() else { return Ok(None) };
    *id = last.id;
    *most = StoredRow::as_many_as(&rows, PAGE_BYTES).min(PAGE);
    let events = laid.writer.write_again(values(&rows));
    catch_up.counts().repaired.add(events.len() as u64);
    catch_up.repaired.send(Repaired::Rows(events)).await.ok();
    sleep(PAUSE).await;
    Ok(Some(rows.len()))
}
