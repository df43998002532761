//! The gateway's ear: the channels of its namespaces, heard over one connection that comes back by itself; and what the
//! workers of the same supervisor hand on past Redis.

mod connection;

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use redis::aio::PubSubStream;
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use super::{
    catch_up::{CatchUp, Repaired},
    heard::{Deaf, Heard},
    interest::Interest,
    relay::Relay,
};
use crate::{
    backoff::Backoff,
    config::GatewaySettings,
    fanout::{FromWorkers, Handed},
    queue::{self, describe},
    telemetry::Outage,
};
use connection::{Standing, converse, subscribe};

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

/// What is heard beside the channels.
pub(super) struct Sources {
    /// What workers hand on. Which way they choose is for them to say: both are heard.
    pub(super) from_workers: Option<FromWorkers>,
    /// What was read back for everybody.
    pub(super) repaired: mpsc::Receiver<Repaired>,
}

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
    mut sources: Sources,
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
                    let lost = tokio::select! {
                        (since, error) = converse(sink, &interest, &state) => (since, describe(&error)),
                        deaf = take(heard, &mut sources, &mut relay, &catch_up) => {
                            (Instant::now(), in_words(deaf))
                        }
                    };
                    interest.lost();
                    catch_up.lost();
                    lost
                }
                Err(error) => (asked, describe(&error)),
            };
            outage.down(began, why);
            state.send_replace(outage.waiting());
            sleep(backoff.next(fastrand::f64())).await;
        }
    })
}

/// Returns when there is nothing more to hear.
async fn take(
    mut messages: Heard<PubSubStream>,
    Sources { from_workers, repaired }: &mut Sources,
    relay: &mut Relay,
    catch_up: &Arc<CatchUp>,
) -> Deaf {
    let (mut in_a_row, mut bytes, mut began) = (0, 0, Instant::now());
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Ok(message) => {
                    bytes += message.get_payload_bytes().len();
                    match from_workers {
                        // A mark covers events that come past Redis, and is not to be heard before them.
                        Some(from_workers) if message.get_channel_name() == catch_up.channel => {
                            from_workers.hold(message.get_payload_bytes());
                        }
                        _ => relay.hear(message.get_channel_name(), message.get_payload_bytes()),
                    }
                }
                Err(deaf) => return deaf,
            },
            handed = next_of(from_workers) => match handed {
                Handed::Event { channel, payload } => {
                    bytes += payload.len();
                    relay.hear(&String::from_utf8_lossy(&channel), &payload);
                }
                Handed::Held(mark) => catch_up.hear_mark(&mark),
                Handed::Gap => {
                    catch_up.lost();
                    catch_up.found();
                }
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
        if messages.is_empty() && from_workers.as_mut().is_none_or(FromWorkers::is_empty) {
            sleep(TOGETHER.saturating_sub(began.elapsed())).await;
            began = Instant::now();
        }
    }
}

async fn next_of(from_workers: &mut Option<FromWorkers>) -> Handed {
    match from_workers {
        Some(from_workers) => from_workers.next().await,
        None => std::future::pending().await,
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
