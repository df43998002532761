//! What commands reach servers with: an event loop, and Redis within seconds or a sentence that says what to do.
//! Passwords are in none of them.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use redis::{RedisError, RedisResult};

use crate::{
    config::{QueueSettings, SecretUrl},
    queue::{Admin, Link, describe, silence},
    status::{Scope, Status},
};

/// How long a person waits for a server's first word.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a command's work to its end, on a small event loop.
pub(super) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("no event loop")?;
    let result = runtime.block_on(work);
    // A name lookup that hangs in the background must not hold up the end.
    runtime.shutdown_background();
    result
}

/// Connects to Redis, and hears it answer.
pub(super) async fn redis(url: &SecretUrl) -> anyhow::Result<Link> {
    let away = |what: String| anyhow!("{what} (REDIS_URL is {url})");
    let link = Link::new(url).map_err(|error| away(describe(&error)))?;
    match tokio::time::timeout(PATIENCE, link.query::<redis::Value>(&redis::cmd("PING"))).await {
        Ok(Ok(_)) => Ok(link),
        Ok(Err(error)) => Err(away(describe(&error))),
        Err(_) => Err(away(silence(url).to_owned())),
    }
}

/// Connects to Redis, and returns the chosen queues by their names. One that Redis knows nothing of may be new, or
/// misspelt: that is said on standard error, and no failure.
pub(super) async fn queues(settings: &QueueSettings) -> anyhow::Result<Vec<(String, Admin)>> {
    let link = redis(&settings.redis_url).await?;
    let mut queues = Vec::new();
    for queue in settings.routes.iter().map(|route| route.queue.clone()) {
        let admin = Admin::new(&queue, link.clone());
        if !admin.is_known().await.in_words(|| format!("cannot look for queue {queue:?}"))? {
            let status = Status::read(Scope::Only(&settings.routes), &link).await?;
            let note = status.queues.into_iter().find(|line| line.queue == queue).and_then(|line| line.note);
            note.into_iter().for_each(|note| eprintln!("rowcast: {note}"));
        }
        queues.push((queue, admin));
    }
    Ok(queues)
}

/// An error of Redis in words for whoever must act on it.
pub(super) trait InWords<T> {
    /// Says what could not be done, and why.
    fn in_words(self, what: impl FnOnce() -> String) -> anyhow::Result<T>;
}

impl<T> InWords<T> for RedisResult<T> {
    fn in_words(self, what: impl FnOnce() -> String) -> anyhow::Result<T> {
        self.map_err(|error: RedisError| anyhow!("{}: {}", what(), describe(&error)))
    }
}
