//! Which rooms' channels Redis is asked for, where a gateway hears rooms one by one: those with a client here, and
//! those that one is about to join.
//!
//! What is wanted while a request is under way goes into the next one together, so that many clients at once cost few
//! requests. A room that nobody is in any more is given up a while later: whoever reloads a page costs nothing.
//!
//! Requests go out one after the other over the connection on which messages come. So a room that is wanted again while
//! it is being given up is asked for behind that, and what a mark covers was heard before it in every room.

mod asked;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::{adapter::Hub, followers::aside};
use crate::{
    config::{GatewaySettings, Hear},
    emitter::Channel,
};
use asked::Asked;

/// The rooms that are wanted, and what Redis was asked for.
pub(super) struct Interest {
    /// The prefix of the channels.
    key: String,
    /// Otherwise a pattern brings every room.
    one_by_one: bool,
    hub: Arc<Hub>,
    asked: Mutex<Asked>,
    /// So many channels were confirmed, of all that were ever asked for.
    confirmed: watch::Sender<u64>,
    news: Notify,
}

/// Rooms that stay heard, also while nobody is in them.
pub(super) struct Held {
    interest: Arc<Interest>,
    channels: Vec<Arc<str>>,
}

/// So many channels are in one request: its answers are small beside what Redis keeps for a subscriber.
const AT_ONCE: usize = 1_000;
/// All rooms are looked at once in so many looks.
const LOOKS: usize = 8;

impl Interest {
    pub(super) fn new(settings: &GatewaySettings, hub: &Arc<Hub>) -> Arc<Self> {
        Arc::new(Self {
            key: settings.publish.key.clone(),
            one_by_one: settings.hear == Hear::Rooms,
            hub: hub.clone(),
            asked: Mutex::default(),
            confirmed: watch::Sender::default(),
            news: Notify::new(),
        })
    }

    /// Whether Redis is asked for rooms at all.
    pub(super) fn is_one_by_one(&self) -> bool {
        self.one_by_one
    }

    /// Returns when these rooms are heard: what is published from then on comes, as long as what this returns is kept
    /// or a client is in the room. While Redis is away it does not wait: they are heard as soon as anything is.
    pub(super) async fn hear<'r>(
        self: &Arc<Self>,
        namespace: &str,
        rooms: impl IntoIterator<Item = &'r str>,
    ) -> Held {
        let mut held = Held { interest: self.clone(), channels: Vec::new() };
        if !self.one_by_one {
            return held;
        }
        let mut number = 0;
        {
            let mut asked = self.lock();
            for room in rooms {
                let (channel, its_number) = asked.hold(self.channel(namespace, room));
                held.channels.push(channel);
                number = number.max(its_number);
            }
        }
        self.news.notify_one();
        // It holds the other end itself.
        self.confirmed.subscribe().wait_for(|confirmed| *confirmed >= number).await.ok();
        held
    }

    /// Asks for rooms that clients have been moved to, and does not wait.
    pub(super) fn want(&self, namespace: &str, rooms: &[String]) {
        if !self.one_by_one {
            return;
        }
        let mut asked = self.lock();
        for room in rooms {
            let (channel, _) = asked.hold(self.channel(namespace, room));
            asked.release(&channel);
        }
        drop(asked);
        self.news.notify_one();
    }

    fn channel(&self, namespace: &str, room: &str) -> Arc<str> {
        format!("{}#{namespace}#{room}#", self.key).into()
    }

    /// Whether anybody here is in the room of a channel, or follows it.
    fn is_wanted(&self, channel: &str) -> bool {
        Channel::parse(&self.key, channel).is_some_and(|Channel { nsp, room, .. }| {
            let room = room.unwrap_or_default();
            let adapter = self.hub.of(nsp);
            adapter.is_some_and(|adapter| adapter.anyone_in(&[room, aside(room).as_str()]))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For whoever has the connection.
impl Interest {
    /// It is a new one: everything is asked for anew.
    pub(super) fn begin(&self) {
        self.lock().begin(|channel| self.is_wanted(channel));
    }

    /// What Redis is to be asked for next, if anything.
    pub(super) fn next(&self) -> Option<Vec<Arc<str>>> {
        let channels = self.lock().next(AT_ONCE);
        (!channels.is_empty()).then_some(channels)
    }

    /// Returns what Redis is to be asked for as soon as there is anything.
    pub(super) async fn wanted(&self) -> Vec<Arc<str>> {
        loop {
            match self.next() {
                Some(channels) => return channels,
                None => self.news.notified().await,
            }
        }
    }

    /// So many channels more are heard, in the order in which they were asked for.
    pub(super) fn confirm(&self, channels: usize) {
        let confirmed = self.lock().confirm(channels);
        self.confirmed.send_replace(confirmed);
    }

    /// From now on messages are taken, and whoever wants a room waits until it is heard.
    pub(super) fn found(&self) {
        self.lock().found();
    }

    /// Nothing is heard any more, and nobody waits for it.
    pub(super) fn lost(&self) {
        let confirmed = self.lock().lost();
        self.confirmed.send_replace(confirmed);
    }

    /// Looks at a part of the rooms, and returns the channels of those that are given up.
    pub(super) fn given_up(&self) -> Vec<Arc<str>> {
        self.lock().look(LOOKS, |channel| self.is_wanted(channel))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut asked = self.interest.lock();
        self.channels.iter().for_each(|channel| asked.release(channel));
    }
}
