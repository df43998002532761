//! Collects what is published, to count events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::{eventually, redis_connection, within};

/// Everything published on the channels of one pattern since it was started. It does not come back after its
/// connection is lost: subscribe again after a restart of Redis.
pub(crate) struct Subscriber {
    redis_url: String,
    pattern: String,
    heard: Arc<Mutex<Vec<Message>>>,
    task: JoinHandle<()>,
}

/// One published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) channel: String,
    pub(crate) payload: Vec<u8>,
}

impl Subscriber {
    /// PSUBSCRIBEs; when it returns, Redis has confirmed, and nothing published later is missed.
    pub(crate) async fn start(redis_url: &str, pattern: &str) -> Self {
        let client = redis::Client::open(redis_url).expect("a Redis URL");
        let connection = async {
            let mut connection = client.get_async_pubsub().await?;
            // Returns with the server's confirmation.
            connection.psubscribe(pattern).await?;
            Ok::<_, redis::RedisError>(connection)
        };
        let connection = within(Duration::from_secs(10), "PSUBSCRIBE", connection).await.expect("PSUBSCRIBE");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut messages = connection.into_on_message();
            while let Some(message) = messages.next().await {
                let channel = message.get_channel_name().to_owned();
                let payload = message.get_payload_bytes().to_vec();
                sink.lock().expect("the list of messages").push(Message { channel, payload });
            }
        });
        Self { redis_url: redis_url.to_owned(), pattern: pattern.to_owned(), heard, task }
    }

    /// What was heard so far, in order.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.heard.lock().expect("the list of messages").clone()
    }

    /// Waits until at least `count` messages were heard, and returns all that were. More may still be on their way:
    /// end with [`Subscriber::exactly`] to know that there are none.
    pub(crate) async fn at_least(&self, count: usize, deadline: Duration) -> Vec<Message> {
        let what = format!("{count} messages are heard");
        eventually(deadline, &what, async || {
            let heard = self.messages();
            if heard.len() >= count { Ok(heard) } else { Err(format!("{} messages", heard.len())) }
        })
        .await
    }

    /// Waits for `count` messages, then proves that Redis has sent no other one before this call's end: a message of
    /// our own, published after all that was published, comes right behind them.
    pub(crate) async fn exactly(&self, count: usize, deadline: Duration) -> Vec<Message> {
        self.at_least(count, deadline).await;
        let marker = ulid::Ulid::generate().to_string();
        // A channel that matches the pattern, and that nobody else uses.
        let channel = self.pattern.replace('*', &marker);
        let mut connection = redis_connection(&self.redis_url).await;
        let published =
            redis::cmd("PUBLISH").arg(channel).arg(&marker).query_async::<u64>(&mut connection).await;
        published.expect("PUBLISH");
        let heard = eventually(deadline, "the marker is heard", async || {
            let heard = self.messages();
            let end = heard.iter().position(|message| message.payload == marker.as_bytes());
            end.map(|end| heard[..end].to_vec()).ok_or(heard.len())
        })
        .await;
        self.heard
            .lock()
            .expect("the list of messages")
            .retain(|message| message.payload != marker.as_bytes());
        assert_eq!(heard.len(), count, "messages heard: {heard:?}");
        heard
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::super::Env;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn publish(env: &Env, channel: &str, payload: &[u8]) {
        let mut connection = env.redis_connection().await;
        let sent = redis::cmd("PUBLISH").arg(channel).arg(payload).query_async::<u64>(&mut connection).await;
        sent.unwrap();
    }

    #[tokio::test]
    async fn a_subscriber_hears_channel_and_bytes_in_order() {
        let env = Env::new().await;
        let subscriber = env.subscribe("rows#*").await;
        publish(&env, "rows#a", b"\xff\x00one").await;
        publish(&env, "other", b"not for us").await;
        publish(&env, "rows#b", b"two").await;
        let heard = subscriber.at_least(2, LIMIT).await;
        assert_eq!(heard[0], Message { channel: "rows#a".into(), payload: b"\xff\x00one".to_vec() });
        assert_eq!(heard[1], Message { channel: "rows#b".into(), payload: b"two".to_vec() });
        subscriber.exactly(2, LIMIT).await;
    }

    #[tokio::test]
    #[should_panic(expected = "messages heard")]
    async fn one_message_too_many_is_found() {
        let env = Env::new().await;
        let subscriber = env.subscribe("*").await;
        publish(&env, "a", b"once").await;
        publish(&env, "a", b"twice").await;
        subscriber.exactly(1, LIMIT).await;
    }
}
