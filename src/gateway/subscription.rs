//! The gateway's ear: the channels of its namespaces, heard over one connection that comes back by itself.
//!
//! For requests it subscribes to patterns, where Node servers subscribe to channels. Redis does not count those in PUBSUB
//! NUMSUB, which is how Node servers know whose answers to wait for: so none of them ever waits for a gateway.

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
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{
    catch_up::{CatchUp, Repaired},
    heard::{Deaf, Heard},
    interest::Interest,
    relay::Relay,
};
use crate::{
    backoff::Backoff,
    config::{GatewaySettings, Hear},
    glob::literal,
    queue::{self, describe},
    telemetry::Outage,
};

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked whether it is there: a connection that broke without a word would stay silent for ever.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often a part of the rooms is looked at, to let go of those that nobody is in any more.
const LOOK_EVERY: Duration = Duration::from_millis(250);
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
    interest: Arc<Interest>,
    mut repaired: mpsc::Receiver<Repaired>,
    state: watch::Sender<Readiness>,
) -> anyhow::Result<impl Future<Output = Infallible>> {
    let client = queue::client(&settings.redis_url).context("REDIS_URL")?;
    let standing = Standing::of(settings, &catch_up.channel);
    Ok(async move {
        let mut outage = Outage::new("Redis");
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            let asked = Instant::now();
            let (began, why) = match subscribe(&client, &standing, &interest).await {
                Ok((sink, messages)) => {
                    outage.up();
                    backoff.reset();
                    state.send_replace(None);
                    interest.found();
                    catch_up.found();
                    let heard = Heard::new(messages, MOST_WAITING);
                    let why = tokio::select! {
                        error = converse(sink, &interest) => describe(&error),
                        deaf = take(heard, &mut repaired, &mut relay, &catch_up) => in_words(deaf),
                    };
                    interest.lost();
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

/// What is heard whoever is here: requests, marks, and what goes to everybody or to several rooms, which is published on
/// the channel of the namespace.
struct Standing {
    patterns: Vec<String>,
    channels: Vec<String>,
}

impl Standing {
    fn of(settings: &GatewaySettings, marks: &str) -> Self {
        let key = &settings.publish.key;
        let (mut patterns, mut channels) = (vec![literal(marks)], Vec::new());
        for namespace in &settings.namespaces {
            patterns.push(literal(&format!("{key}-request#{namespace}#")));
            let of_all = format!("{key}#{namespace}#");
            match settings.hear {
                Hear::Pattern => patterns.push(format!("{}*", literal(&of_all))),
                Hear::Rooms => channels.push(of_all),
            }
        }
        Self { patterns, channels }
    }
}

/// Returns when all is heard that is wanted.
async fn subscribe(
    client: &Client,
    standing: &Standing,
    interest: &Interest,
) -> RedisResult<(PubSubSink, PubSubStream)> {
    let connected = async { Ok(client.get_async_pubsub().await?.split()) };
    let (mut sink, messages) = in_time(connected).await?;
    in_time(sink.psubscribe(&standing.patterns)).await?;
    if !standing.channels.is_empty() {
        in_time(sink.subscribe(&standing.channels)).await?;
    }
    interest.begin();
    while let Some(channels) = interest.next() {
        ask_for(&mut sink, interest, &channels).await?;
    }
    Ok((sink, messages))
}

async fn ask_for(sink: &mut PubSubSink, interest: &Interest, channels: &[Arc<str>]) -> RedisResult<()> {
    in_time(sink.subscribe(names(channels))).await?;
    interest.confirm(channels.len());
    Ok(())
}

/// Asks for the rooms that are wanted, lets go of those that are not any more, and asks now and then for a sign of life.
/// Returns when Redis no longer answers.
async fn converse(mut sink: PubSubSink, interest: &Interest) -> RedisError {
    let (mut look, mut ask) = (interval(LOOK_EVERY), interval(ASK_EVERY));
    for clock in [&mut look, &mut ask] {
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let answered = tokio::select! {
            channels = interest.wanted() => ask_for(&mut sink, interest, &channels).await,
            _ = look.tick(), if interest.is_one_by_one() => match interest.given_up() {
                none if none.is_empty() => Ok(()),
                channels => in_time(sink.unsubscribe(names(&channels))).await,
            },
            _ = ask.tick() => in_time(sink.ping::<redis::Value>()).await.map(drop),
        };
        if let Err(error) = answered {
            return error;
        }
    }
}

fn names(channels: &[Arc<str>]) -> Vec<&str> {
    channels.iter().map(|channel| &**channel).collect()
}

/// What Redis answers, or that it is silent.
async fn in_time<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(silent()))
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
