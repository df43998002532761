//! How long a queue's jobs took in the last minute: counted by all its workers together, and the same for whoever asks.
//!
//! It is kept here, and not with what a worker says of itself, so that a worker which ends takes nothing of it along.

use std::collections::BTreeMap;

use redis::RedisResult;

use super::{Keys, Link, script::Script};
use crate::delay::{Until, Window};

/// The minute goes by in parts of so many seconds. The last of them is not over: it and the six before are between 60
/// and 70 seconds.
const PART: u64 = 10;
const PARTS: u64 = 7;

/// The last minute of one queue.
#[derive(Debug, Clone)]
pub struct LastMinute {
    key: String,
    link: Link,
}

impl LastMinute {
    /// That of a queue by its name.
    pub fn new(queue: &str, link: Link) -> Self {
        Self { key: Keys::new(queue).delays, link }
    }

    /// Adds what has happened since the last time.
    ///
    /// # Errors
    /// Any error of Redis; it may have been added nevertheless.
    pub async fn add(&self, window: &Window) -> RedisResult<()> {
        static SCRIPT: Script = Script::new(include_str!("delays.lua"));
        let mut call = SCRIPT.on(&self.link, &[&self.key]).await?;
        call.arg(PART).arg(PARTS);
        for (until, bucket, jobs) in window.each() {
            call.arg(format!("{}:{bucket}", until.name())).arg(jobs);
        }
        call.send().await
    }

    /// What all workers have added.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn read(&self) -> RedisResult<Window> {
        let mut both = redis::pipe();
        both.cmd("TIME").hgetall(&self.key);
        let ((seconds, _), counts): ((u64, u64), BTreeMap<String, String>) =
            self.link.pipeline(&both).await?;
        Ok(window(seconds / PART, &counts))
    }
}

/// The sum of the parts up to this one.
fn window(now: u64, counts: &BTreeMap<String, String>) -> Window {
    let mut window = Window::default();
    for (field, jobs) in counts {
        let mut words = field.split(':');
        let part = words.next().and_then(|part| part.parse::<u64>().ok());
        let until = words.next().and_then(|name| Until::BOTH.into_iter().find(|until| until.name() == name));
        let bucket = words.next().and_then(|bucket| bucket.parse().ok());
        let (Some(part), Some(until), Some(bucket), Ok(jobs)) = (part, until, bucket, jobs.parse()) else {
            continue;
        };
        if part <= now && part + PARTS > now {
            window.add(until, bucket, jobs);
        }
    }
    window
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minute_is_that_of_the_last_parts_and_what_is_not_understood_is_no_job() {
        let fields = [
            ("99:commit:3", "1"),
            ("100:commit:3", "2"),
            ("106:commit:3", "4"),
            ("106:publish:3", "7"),
            ("107:commit:3", "8"),
            ("106:commit:900", "16"),
            ("106:later:3", "32"),
            ("commit", "64"),
            ("106:commit:4", "many"),
        ];
        let counts = fields.map(|(field, jobs)| (field.to_owned(), jobs.to_owned())).into();
        let window = window(106, &counts);
        assert_eq!(window.each().collect::<Vec<_>>(), [(Until::Commit, 3, 6), (Until::Publish, 3, 7)]);
        assert_eq!(super::window(114, &counts).each().count(), 0);
    }
}
