//! Marks: up to which id all rows of a queue are published, told on the connection that hears the events.
//!
//! A row gets its id before it is committed, and rows of several workers are published in any order: the highest id
//! that was heard says nothing of those below. A mark does. It rests on two facts: ids are counted up, so rows of a
//! claim get higher ids than any that were settled when the claim was made; and a script is one instant, in which what
//! is settled was published and what is not stands in the index.

use redis::RedisResult;

use super::{Keys, Link, Script};

/// Asks for marks, which come on a channel of one's own.
#[derive(Debug, Clone)]
pub struct Marks {
    link: Link,
    channel: String,
}

/// What the message of one queue says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark<'a> {
    /// What the message was asked to begin with.
    pub token: &'a str,
    /// The highest counted id that was settled; `None` before the first.
    pub highest: Option<u64>,
    /// The lowest of the ids that were the highest when the claims were made which are open now.
    pub lowest: Option<u64>,
    /// How often ids were settled that are counted anew, because the table was emptied.
    pub anew: Option<u64>,
}

impl Marks {
    /// Marks that come on this channel.
    pub fn new(link: Link, channel: &str) -> Self {
        Self { link, channel: channel.to_owned() }
    }

    /// Asks for the mark of a queue whose route fills this table. The answer comes on the channel; it begins with the
    /// token, which must not hold a space.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn ask(&self, queue: &str, table: &str, token: &str) -> RedisResult<()> {
        static SCRIPT: Script = Script::new(include_str!("mark.lua"));
        let Keys { claims, highest, totals, .. } = &Keys::new(queue);
        let mut call = SCRIPT.on(&self.link, &[claims, highest, totals]).await?;
        call.arg(table).arg(&self.channel).arg(token).send().await
    }
}

impl<'a> Mark<'a> {
    /// Reads a message; `None` when it is none of ours.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(message).ok()?.split(' ');
        let token = words.next()?;
        let mut id = || match words.next()? {
            "-" => Some(None),
            digits => digits.parse().ok().map(Some),
        };
        Some(Self { token, highest: id()?, lowest: id()?, anew: id()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_token_and_three_numbers_that_may_be_missing() {
        let parsed = Mark::parse(b"7:0 18446744073709551615 - 2").unwrap();
        assert_eq!(parsed, Mark { token: "7:0", highest: Some(u64::MAX), lowest: None, anew: Some(2) });
        assert_eq!(Mark::parse(b"t - 0 -").map(|mark| (mark.highest, mark.lowest)), Some((None, Some(0))));
        for bad in
            [&b""[..], b"t", b"t 1", b"t 1 1", b"t x 1 1", b"t 1 18446744073709551616 1", b"\xff 1 1 1"]
        {
            assert_eq!(Mark::parse(bad), None, "{bad:?}");
        }
    }
}
