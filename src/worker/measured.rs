//! How long the claims took, told to Redis once a second: so that `rowcast status` and the dashboard show the last minute
//! of all workers, whatever has become of those.

use std::{rc::Rc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Vitals;
use crate::queue::{LastMinute, Link, describe};

const EVERY: Duration = Duration::from_secs(1);

/// Tells it again and again, and one last time when the work is `done`.
pub(super) async fn keep(vitals: Rc<Vitals>, link: Link, done: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = done.cancelled() => {}
        }
        let last = done.is_cancelled();
        tell(&vitals, &link).await;
        if last {
            return;
        }
    }
}

/// What Redis does not take is told the next time. When only its answer was lost, it is counted twice then: of shares of
/// many jobs that changes little.
async fn tell(vitals: &Vitals, link: &Link) {
    for (queue, delays) in vitals.delays() {
        let window = delays.untold();
        if window.each().next().is_none() {
            continue;
        }
        match LastMinute::new(&queue, link.clone()).add(&window).await {
            Ok(()) => delays.told(&window),
            Err(error) => tracing::debug!(queue, "how long jobs took is not told: {}", describe(&error)),
        }
    }
}
