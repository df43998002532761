//! Which alerts are open, and which gateway tells of them.

use std::{collections::BTreeMap, time::Duration};

use redis::RedisResult;

use super::{Link, script::Script};

const OPEN: &str = "rowcast:alerts";
const SENDER: &str = "rowcast:alerts:sender";

/// The book of alerts on this server: one for all gateways.
#[derive(Debug, Clone)]
pub struct AlertBook {
    link: Link,
}

impl AlertBook {
    /// The book on this server.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// Makes this gateway the one that tells, for so long, unless another one is. Says whether it is.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn lead(&self, gateway: &str, lease: Duration) -> RedisResult<bool> {
        static SCRIPT: Script = Script::new(include_str!("alert_lead.lua"));
        let milliseconds = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let mut call = SCRIPT.on(&self.link, &[SENDER]).await?;
        call.arg(gateway).arg(milliseconds).send().await
    }

    /// All that is in the book, each text by its name.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn read(&self) -> RedisResult<BTreeMap<String, String>> {
        self.link.query(redis::cmd("HGETALL").arg(OPEN)).await
    }

    /// Puts a text in the place of another; `None` is nothing there. Says whether the other was there.
    ///
    /// # Errors
    /// Any error of Redis; run it again.
    pub async fn replace(&self, name: &str, before: Option<&str>, after: Option<&str>) -> RedisResult<bool> {
        static SCRIPT: Script = Script::new(include_str!("alert_move.lua"));
        let mut call = SCRIPT.on(&self.link, &[OPEN]).await?;
        call.arg(name).arg(before.unwrap_or_default()).arg(after.unwrap_or_default()).send().await
    }
}
