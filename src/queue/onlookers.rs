//! Whether anybody looks at all gateways through one of them.

use redis::RedisResult;

use super::Link;

const ONLOOKERS: &str = "rowcast:onlookers";
/// For how long somebody counts who does not say so again, in milliseconds.
const COUNTS: u64 = 10_000;

/// Who looks, on this server.
#[derive(Debug, Clone)]
pub struct Onlookers {
    link: Link,
}

impl Onlookers {
    /// Those on this server.
    pub fn new(link: Link) -> Self {
        Self { link }
    }

    /// Says that somebody looks `here`, or asks whether anybody does elsewhere. Returns whether anybody looks.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn look(&self, here: bool) -> RedisResult<bool> {
        if here {
            let mut command = redis::cmd("SET");
            command.arg(ONLOOKERS).arg(1).arg("PX").arg(COUNTS);
            return self.link.query::<()>(&command).await.map(|()| true);
        }
        self.link.query(redis::cmd("EXISTS").arg(ONLOOKERS)).await
    }
}
