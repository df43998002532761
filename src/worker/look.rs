//! A look once a second: whether the routes move on, and whether a server owes one of them an answer for too long.
//!
//! It asks no server, so nothing holds it up. What is told of progress is for the supervisor, what is told of servers
//! is for people.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use super::Vitals;

const EVERY: Duration = Duration::from_secs(1);

/// Looks again and again, without end.
pub(super) async fn keep(vitals: Rc<Vitals>) {
    loop {
        let began = Instant::now();
        tokio::time::sleep(EVERY).await;
        vitals.look_at_progress();
        // After a pause of this process an answer may lie there unread: the silence was ours.
        if began.elapsed() < 3 * EVERY {
            vitals.look_for_silence();
        }
    }
}
