//! Orders on their way to a supervisor, and its answers on their way back. Both end by themselves.

use std::time::Duration;

use redis::RedisResult;
use ulid::Ulid;

use super::{Link, script::Script};

/// How long an answer is kept for whoever asked.
const ANSWER: Duration = Duration::from_secs(60);

/// Where orders and answers are left and found.
#[derive(Debug, Clone)]
pub struct Orders {
    link: Link,
}

impl Orders {
    /// Those on this server.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// Leaves an order for a supervisor. After so long nobody takes it any more.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn give(&self, supervisor: &str, order: &str, counts: Duration) -> RedisResult<()> {
        static SCRIPT: Script = Script::new(include_str!("order.lua"));
        let mut call = SCRIPT.on(&self.link, &[&orders_of(supervisor)]).await?;
        call.arg(order).arg(millis(counts)).send().await
    }

    /// Takes the next order for a supervisor, with the time for which it still counts. Nobody else gets it.
    ///
    /// # Errors
    /// Any error of Redis. When its reply was lost so is the order: whoever gave it is told that there is no answer.
    pub async fn take(&self, supervisor: &str) -> RedisResult<Option<(String, Duration)>> {
        static SCRIPT: Script = Script::new(include_str!("take_order.lua"));
        let call = SCRIPT.on(&self.link, &[&orders_of(supervisor)]).await?;
        let order: Option<(String, u64)> = call.send().await?;
        Ok(order.map(|(order, left)| (order, Duration::from_millis(left))))
    }

    /// Takes an order back. Says whether it was still there: then nobody has taken it, and nobody will.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn take_back(&self, supervisor: &str, order: &str) -> RedisResult<bool> {
        self.link.query(redis::cmd("ZREM").arg(orders_of(supervisor)).arg(order)).await
    }

    /// Leaves the answer to an order.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn answer(&self, order: Ulid, answer: &str) -> RedisResult<()> {
        self.link
            .query(redis::cmd("SET").arg(answer_to(order)).arg(answer).arg("PX").arg(millis(ANSWER)))
            .await
    }

    /// The answer to an order, once there is one.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn answer_to(&self, order: Ulid) -> RedisResult<Option<String>> {
        self.link.query(redis::cmd("GET").arg(answer_to(order))).await
    }
}

fn orders_of(supervisor: &str) -> String {
    format!("rowcast:orders:{supervisor}")
}

fn answer_to(order: Ulid) -> String {
    format!("rowcast:answer:{order}")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
