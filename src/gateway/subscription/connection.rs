//! What is said on the connection to Redis: what is to be heard on it, and now and then whether anybody is there.
//!
//! For requests it subscribes to patterns, where Node servers subscribe to channels. Redis does not count those in
//! PUBSUB NUMSUB, which is how Node servers know whose answers to wait for: so none of them ever waits for a gateway.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{
    Client, RedisError, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{super::interest::Interest, Readiness};
use crate::{
    config::{GatewaySettings, Hear},
    glob::literal,
    route::CLUSTER,
};

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked whether it is there: a connection that broke without a word would stay silent for ever.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// From when on it does not count as there: whoever sends clients here is to know soon.
const SLOW: Duration = Duration::from_secs(2);
/// How often a part of the rooms is looked at, to let go of those that nobody is in any more.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is heard whoever is here: requests, marks, and what goes to everybody or to several rooms, which is published
/// on the channel of the namespace.
pub(super) struct Standing {
    patterns: Vec<String>,
    channels: Vec<String>,
}

impl Standing {
    pub(super) fn of(settings: &GatewaySettings, marks: &str) -> Self {
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
        // What is for those who look after the cluster is for everybody in the namespace.
        let of_all = |namespace| literal(&format!("{key}#{namespace}#"));
        patterns.extend(settings.admin_ui().into_iter().chain([CLUSTER]).map(of_all));
        Self { patterns, channels }
    }
}

/// Returns when all is heard that is wanted.
pub(super) async fn subscribe(
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

/// Asks for the rooms that are wanted, lets go of those that are not any more, and asks now and then for a sign of
/// life. Returns when Redis no longer answers, with the time since when.
pub(super) async fn converse(
    mut sink: PubSubSink,
    interest: &Interest,
    state: &watch::Sender<Readiness>,
) -> (Instant, RedisError) {
    let (mut look, mut ask) = (interval(LOOK_EVERY), interval(ASK_EVERY));
    for clock in [&mut look, &mut ask] {
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    loop {
        let answered = tokio::select! {
            channels = interest.wanted() => noticed(state, ask_for(&mut sink, interest, &channels)).await,
            _ = look.tick(), if interest.is_one_by_one() => match interest.given_up() {
                none if none.is_empty() => Ok(()),
                channels => noticed(state, sink.unsubscribe(names(&channels))).await,
            },
            _ = ask.tick() => noticed(state, sink.ping::<redis::Value>()).await.map(drop),
        };
        if let Err(lost) = answered {
            return lost;
        }
    }
}

/// What Redis answers; when it does not, with the time of the question. It is told when the answer is late, and when it
/// has come.
async fn noticed<T>(
    state: &watch::Sender<Readiness>,
    answer: impl Future<Output = RedisResult<T>>,
) -> Result<T, (Instant, RedisError)> {
    let asked = Instant::now();
    let answer = in_time(answer);
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        () = sleep(SLOW) => {
            let late = format!("Redis has not answered for {} s: it hangs or is slow", SLOW.as_secs());
            state.send_replace(Some(late));
            answer.await
        }
    };
    if answer.is_ok() {
        state.send_if_modified(|state| state.take().is_some());
    }
    answer.map_err(|error| (asked, error))
}

fn names(channels: &[Arc<str>]) -> Vec<&str> {
    channels.iter().map(|channel| &**channel).collect()
}

/// What Redis answers, or that it is silent.
async fn in_time<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(silent()))
}

fn silent() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
