//! From a message on a Redis channel to the sockets of its rooms. One message, one decision, no waiting.

use std::{
    borrow::Cow,
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use socketioxide_core::adapter::BroadcastFlags;

use super::{
    adapter::{Adapter, Hub, whom},
    catch_up::CatchUp,
    packet,
    requests::Requests,
    slow::Slow,
};
use crate::{
    emitter::{Broadcast, Channel, ChannelKind, Message, decode, rooms_at_a_glance},
    queue::Events,
};

/// What is done with each message.
pub(super) struct Relay {
    key: String,
    hub: Arc<Hub>,
    slow: Arc<Slow>,
    requests: Requests,
    catch_up: Arc<CatchUp>,
    ignored: Ignored,
}

impl Relay {
    /// `key` is the prefix of the channels.
    pub(super) fn new(
        key: String,
        hub: Arc<Hub>,
        slow: Arc<Slow>,
        requests: Requests,
        catch_up: Arc<CatchUp>,
    ) -> Self {
        Self { key, hub, slow, requests, catch_up, ignored: Ignored::default() }
    }

    /// Takes one message. What is not understood is told in the log and ignored.
    pub(super) fn hear(&mut self, channel: &str, payload: &[u8]) {
        self.take(channel, payload, false);
    }

    fn take(&mut self, channel: &str, payload: &[u8], again: bool) {
        if channel == self.catch_up.channel {
            return self.catch_up.hear_mark(payload);
        }
        let Some(parts) = Channel::parse(&self.key, channel) else { return };
        let Some(adapter) = self.hub.of(parts.nsp) else { return };
        self.hub.counts.heard.add(1);
        // A look at the rooms spares the decoding when nobody here is in one: at that in the channel's name, and where
        // there are several, at those in the message. (So what is wrong in it is told by those alone who want it.)
        if parts.kind == ChannelKind::Broadcast {
            let several = parts.room.is_none().then(|| rooms_at_a_glance(payload)).flatten();
            let wanted = match &several {
                Some(rooms) => self.is_wanted(&adapter, parts.nsp, rooms),
                None => self.is_wanted(&adapter, parts.nsp, parts.room.as_slice()),
            };
            if !wanted {
                return;
            }
        }
        match decode(&self.key, channel, payload) {
            Ok(Message::Broadcast(broadcast)) => {
                let known = parts.room.is_some_and(|room| broadcast.rooms == [room]);
                if known || self.is_wanted(&adapter, parts.nsp, &broadcast.rooms) {
                    self.deliver(&adapter, channel, broadcast, again);
                }
            }
            Ok(Message::Request(request)) => self.requests.carry_out(&adapter, &request),
            Err(error) => {
                self.hub.counts.ignored.add(1);
                self.ignored.tell(channel, payload, &error);
            }
        }
    }

    /// Takes what was read back, as if it were heard.
    pub(super) fn hear_all(&mut self, events: &Events) {
        for (channel, payload) in events.iter() {
            if let Ok(channel) = std::str::from_utf8(channel) {
                self.take(channel, payload, true);
            }
        }
    }

    /// Whether anybody here is in one of these rooms, or follows one; with no rooms at all, everybody is meant.
    fn is_wanted(&self, adapter: &Adapter, namespace: &str, rooms: &[impl AsRef<str>]) -> bool {
        adapter.anyone_in(rooms) || self.catch_up.followers.follow(namespace, rooms)
    }

    fn deliver(&mut self, adapter: &Adapter, channel: &str, broadcast: Broadcast, again: bool) {
        self.hub.counts.wanted.add(1);
        let row = self.catch_up.row(&broadcast);
        if row.is_some_and(|(feed, id)| !feed.note(id, again)) {
            return;
        }
        // Who follows a room gets its rows one by one, and everything else like its members.
        let rooms = match row {
            Some(_) => Cow::Borrowed(broadcast.rooms.as_slice()),
            None => self.catch_up.followers.with_aside(&broadcast.nsp, &broadcast.rooms),
        };
        let except = self.catch_up.followers.with_aside(&broadcast.nsp, &broadcast.except);
        let mut options = whom(&rooms, &except);
        if broadcast.flags.volatile {
            options.add_flag(BroadcastFlags::Volatile);
        }
        let packet = match row {
            Some((_, id)) if self.catch_up.followers.follow(&broadcast.nsp, &broadcast.rooms) => {
                packet::with_item(&broadcast).map(|(packet, item)| {
                    self.catch_up.give(&broadcast, id, packet.clone(), item);
                    packet
                })
            }
            _ => packet::of(&broadcast),
        };
        let packet = match packet {
            Ok(packet) => packet,
            Err(error) => return self.ignored.tell(channel, &[], &error),
        };
        self.slow.send(adapter, packet, options);
    }
}

/// Messages that were not understood: the first is told at once, and then at most one line in [`Ignored::PAUSE`].
#[derive(Default)]
struct Ignored {
    told: Option<Instant>,
    since: u64,
}

impl Ignored {
    const PAUSE: Duration = Duration::from_secs(10);

    fn tell(&mut self, channel: &str, payload: &[u8], error: &dyn Display) {
        self.since += 1;
        if self.told.is_some_and(|told| told.elapsed() < Self::PAUSE) {
            return;
        }
        let ignored = std::mem::take(&mut self.since);
        self.told = Some(Instant::now());
        tracing::warn!(channel, bytes = payload.len(), ignored, "a message is ignored: {error}");
    }
}
