//! The gateway's ear: the channels of its namespaces, heard over one connection that comes back by itself.
//!
//! It subscribes to patterns, for requests too, where Node servers subscribe to channels. Redis does not count those in
//! PUBSUB NUMSUB, which is how Node servers know whose answers to wait for: so none of them ever waits for a gateway.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use redis::{
    Client, RedisError, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{
    catch_up::{CatchUp, Repaired},
    heard::{Deaf, Heard},
    relay::Relay,
};
use crate::{
    backoff::Backoff,
    config::GatewaySettings,
    glob::literal,
    queue::{self, describe},
    telemetry::Outage,
};

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked whether it is there: a connection that broke without a word would stay silent for ever.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// From when on it does not count as there: whoever sends clients here is to know soon.
const SLOW: Duration = Duration::from_secs(2);
/// So many messages are taken before the clients' writers have their turn. Far below what a client's queue holds, so
/// that a burst does not fill it before anybody could write.
const IN_A_ROW: usize = 64;
/// And so many bytes, or a burst of large ones would find everybody behind.
const BYTES_IN_A_ROW: usize = 1 << 20;
/// Messages that come closer than this are taken together, so that a client is written to once for several of them:
/// most of what a delivery costs is the write. A message that comes by itself does not wait.
const TOGETHER: Duration = Duration::from_millis(4);

/// So many bytes of messages may wait for this gateway to hand them on. Then it gives up the connection, as Redis would
/// if they waited there, and what it has missed is read back.
const MOST_WAITING: usize = 64 << 20;

/// Whether messages are heard; otherwise why not.
pub(super) type Readiness = Option<String>;

/// Hears, and hands everything to `relay`, for ever.
///
/// # Errors
/// An address that cannot be read.
pub(super) fn keep(
    settings: &GatewaySettings,
    mut relay: Relay,
    catch_up: Arc<CatchUp>,
    mut repaired: mpsc::Receiver<Repaired>,
    state: watch::Sender<Readiness>,
) -> anyhow::Result<impl Future<Output = Infallible>> {
    let client = queue::client(&settings.redis_url).context("REDIS_URL")?;
    let mut patterns = patterns(settings);
    patterns.push(literal(&catch_up.channel));
    Ok(async move {
        let mut outage = Outage::new("Redis");
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            let asked = Instant::now();
            let (began, why) = match subscribe(&client, &patterns).await {
                Ok((sink, messages)) => {
                    outage.up();
                    backoff.reset();
                    state.send_replace(None);
                    catch_up.found();
                    let heard = Heard::new(messages, MOST_WAITING);
                    let why = tokio::select! {
                        error = answers(sink, &state) => describe(&error),
                        deaf = take(heard, &mut repaired, &mut relay, &catch_up) => in_words(deaf),
                    };
                    catch_up.lost();
                    (Instant::now(), why)
                }
                Err(error) => (asked, describe(&error)),
            };
            outage.down(began, why);
            state.send_replace(outage.waiting());
            sleep(backoff.next(fastrand::f64())).await;
        }
    })
}

/// The channels of broadcasts and of requests in each namespace.
fn patterns(settings: &GatewaySettings) -> Vec<String> {
    let key = literal(&settings.publish.key);
    let of = |namespace: &String| {
        let namespace = literal(namespace);
        [format!("{key}#{namespace}#*"), format!("{key}-request#{namespace}#")]
    };
    settings.namespaces.iter().flat_map(of).collect()
}

async fn subscribe(client: &Client, patterns: &[String]) -> RedisResult<(PubSubSink, PubSubStream)> {
    let subscribed = timeout(PATIENCE, async {
        let (mut sink, messages) = client.get_async_pubsub().await?.split();
        sink.psubscribe(patterns).await?;
        Ok((sink, messages))
    });
    subscribed.await.unwrap_or_else(|_| Err(silent()))
}

/// Returns when Redis no longer answers. Before that it is told when an answer is late, and when it has come.
async fn answers(mut sink: PubSubSink, state: &watch::Sender<Readiness>) -> RedisError {
    loop {
        sleep(ASK_EVERY).await;
        let answer = timeout(PATIENCE, sink.ping::<redis::Value>());
        tokio::pin!(answer);
        let answer = tokio::select! {
            answer = &mut answer => answer,
            () = sleep(SLOW) => {
                let late = format!("Redis has not answered for {} s: it hangs or is slow", SLOW.as_secs());
                state.send_replace(Some(late));
                answer.await
            }
        };
        match answer {
            Ok(Ok(_)) => state.send_if_modified(|state| state.take().is_some()),
            Ok(Err(error)) => return error,
            Err(_) => return silent(),
        };
    }
}

/// Returns when there is nothing more to hear.
async fn take(
    mut messages: Heard<PubSubStream>,
    repaired: &mut mpsc::Receiver<Repaired>,
    relay: &mut Relay,
    catch_up: &Arc<CatchUp>,
) -> Deaf {
    let (mut in_a_row, mut bytes, mut began) = (0, 0, Instant::now());
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Ok(message) => {
                    bytes += message.get_payload_bytes().len();
                    relay.hear(message.get_channel_name(), message.get_payload_bytes());
                }
                Err(deaf) => return deaf,
            },
            Some(repaired) = repaired.recv() => match repaired {
                Repaired::Rows(events) => relay.hear_all(&events),
                Repaired::Filled(feed, times) => catch_up.filled(&feed, times),
            },
        }
        in_a_row += 1;
        if in_a_row == IN_A_ROW || bytes >= BYTES_IN_A_ROW {
            (in_a_row, bytes) = (0, 0);
            tokio::task::yield_now().await;
        }
        if messages.is_empty() {
            sleep(TOGETHER.saturating_sub(began.elapsed())).await;
            began = Instant::now();
        }
    }
}

fn in_words(deaf: Deaf) -> String {
    match deaf {
        Deaf::Ended => "the connection has ended".to_owned(),
        Deaf::Behind => format!(
            "more is published than this gateway can hand on: {} MB waited for it; run more gateways, \
             or let clients subscribe to fewer rows",
            MOST_WAITING >> 20
        ),
    }
}

fn silent() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
