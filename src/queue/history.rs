//! What has happened to the processes of all hosts of late, the newest first.

use redis::RedisResult;

use super::{Link, script::Script};

/// So many entries are kept, of all supervisors together, and for a week after the last of them.
const KEPT: usize = 500;
const KEPT_MS: u64 = 7 * 24 * 3_600 * 1_000;

const HISTORY: &str = "rowcast:history";

/// The history on one server.
#[derive(Debug, Clone)]
pub struct History {
    link: Link,
}

/// Something that has happened, as it is kept and as it is published.
#[derive(Debug)]
pub struct Entry {
    /// Its number among those of its supervisor, counting up.
    pub number: u64,
    /// What is kept: JSON.
    pub text: String,
    /// The channel that it is published on.
    pub channel: String,
    /// What is published there.
    pub payload: Vec<u8>,
}

impl History {
    /// The one on this server.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// Adds entries of a supervisor, in the order of their numbers. What was written before is neither written nor
    /// published again.
    ///
    /// # Errors
    /// Any error of Redis; it may be tried again.
    pub async fn add(&self, supervisor: &str, entries: &[Entry]) -> RedisResult<()> {
        static SCRIPT: Script = Script::new(include_str!("history.lua"));
        let far = format!("{HISTORY}:{supervisor}");
        let mut call = SCRIPT.on(&self.link, &[HISTORY, &far]).await?;
        call.arg(KEPT).arg(KEPT_MS);
        for Entry { number, text, channel, payload } in entries {
            call.arg(*number).arg(text).arg(channel).arg(payload);
        }
        call.send().await
    }

    /// The newest entries, so many at most.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn newest(&self, most: usize) -> RedisResult<Vec<String>> {
        self.link.query(redis::cmd("LRANGE").arg(HISTORY).arg(0).arg(most.saturating_sub(1))).await
    }
}
