//! Messages that were heard and are not handed on yet. The library keeps as many of them as come; here they have a
//! bound.

use std::collections::VecDeque;

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use redis::Msg;

/// The messages of one connection, in order.
pub(super) struct Heard<S> {
    messages: S,
    waiting: VecDeque<Msg>,
    /// Of those that wait.
    bytes: usize,
    most: usize,
    ended: bool,
}

/// Why there is no next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deaf {
    /// The connection has ended.
    Ended,
    /// More bytes wait than may.
    Behind,
}

/// What a message takes beside its payload.
const OVERHEAD: usize = 256;

impl<S: Stream<Item = Msg> + Unpin> Heard<S> {
    /// At most so many bytes wait.
    pub(super) fn new(messages: S, most: usize) -> Self {
        Self { messages, waiting: VecDeque::new(), bytes: 0, most, ended: false }
    }

    /// The next message. Whoever gives up waiting for it loses none.
    ///
    /// # Errors
    /// When there is no further one.
    pub(super) async fn next(&mut self) -> Result<Msg, Deaf> {
        self.fill();
        if self.bytes > self.most {
            return Err(Deaf::Behind);
        }
        let next = match self.waiting.pop_front() {
            Some(message) => {
                self.bytes -= size(&message);
                Some(message)
            }
            None if self.ended => None,
            None => self.messages.next().await,
        };
        next.ok_or(Deaf::Ended)
    }

    /// Whether none waits.
    pub(super) fn is_empty(&mut self) -> bool {
        self.fill();
        self.waiting.is_empty()
    }

    /// Takes over what has come.
    fn fill(&mut self) {
        while !self.ended
            && let Some(message) = self.messages.next().now_or_never()
        {
            match message {
                Some(message) => {
                    self.bytes += size(&message);
                    self.waiting.push_back(message);
                }
                None => self.ended = true,
            }
        }
    }
}

fn size(message: &Msg) -> usize {
    message.get_payload_bytes().len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use redis::Value;

    use super::*;

    fn messages(count: usize) -> impl Stream<Item = Msg> + Unpin {
        let text = |text: String| Value::BulkString(text.into_bytes());
        stream::iter((0..count).filter_map(move |number| {
            let parts = ["message".to_owned(), "channel".to_owned(), number.to_string()];
            Msg::from_owned_value(Value::Array(parts.map(text).to_vec()))
        }))
    }

    #[tokio::test]
    async fn messages_come_in_order_and_the_last_before_the_end() {
        let mut heard = Heard::new(messages(300), 300 * 2 * OVERHEAD);
        for number in 0..300 {
            assert!(!heard.is_empty());
            assert_eq!(heard.next().await.unwrap().get_payload_bytes(), number.to_string().as_bytes());
        }
        assert_eq!(heard.bytes, 0);
        assert_eq!(heard.next().await.unwrap_err(), Deaf::Ended);
    }

    #[tokio::test]
    async fn more_than_may_wait_is_the_end() {
        let mut heard = Heard::new(messages(300), 100 * OVERHEAD);
        assert_eq!(heard.next().await.unwrap_err(), Deaf::Behind);
    }

    #[tokio::test]
    async fn who_waits_hears_what_comes() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let come = stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        let mut heard = Heard::new(Box::pin(come), 2 * OVERHEAD);
        assert!(heard.is_empty());
        let mut waiting = Box::pin(heard.next());
        assert!(waiting.as_mut().now_or_never().is_none());
        sender.send(messages(1).next().await.unwrap()).unwrap();
        assert_eq!(waiting.await.unwrap().get_channel_name(), "channel");
    }
}
