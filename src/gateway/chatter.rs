//! How much a client may say. One that says more is told, not listened to any more, and disconnected: answering it
//! would be the work that it makes.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{adapter::Client, allowance::Allowance, dismiss::Dismiss};

/// What a client did not say for so long it may say at once: a page subscribes to all that it shows.
const SAVED: Duration = Duration::from_secs(10);

/// Holds clients to so many messages a second.
pub(super) struct Chatter {
    per_second: u32,
    dismiss: Arc<Dismiss>,
}

/// What a client may still say; nothing any more when it has said too much.
#[derive(Clone)]
struct Kept(Arc<Mutex<Option<Allowance>>>);

impl Chatter {
    pub(super) fn new(per_second: u32, dismiss: Arc<Dismiss>) -> Self {
        Self { per_second, dismiss }
    }

    /// Whether a message of a client is to be answered.
    pub(super) fn permit(&self, client: &Client) -> bool {
        let now = Instant::now();
        let kept = client.extensions.get::<Kept>().unwrap_or_else(|| {
            let kept = Kept(Arc::new(Mutex::new(Some(Allowance::new(self.per_second, SAVED, now)))));
            client.extensions.insert(kept.clone());
            kept
        });
        let mut allowance = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = &mut *allowance else { return false };
        let within = left.take(now);
        if !within {
            *allowance = None;
            let reason = "more messages than a client may send (ROWCAST_MESSAGES_PER_SECOND)";
            self.dismiss.soon(client.clone(), "too_many_messages", reason);
        }
        within
    }
}
