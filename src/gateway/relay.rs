//! From a message on a Redis channel to the sockets of its rooms. One message, one decision, no waiting.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use socketioxide_core::adapter::BroadcastFlags;

use super::{
    adapter::{Adapter, Hub, whom},
    packet,
    requests::Requests,
    slow::Slow,
};
use crate::emitter::{Broadcast, Channel, ChannelKind, Message, decode};

/// What is done with each message.
pub(super) struct Relay {
    key: String,
    hub: Arc<Hub>,
    slow: Arc<Slow>,
    requests: Requests,
    ignored: Ignored,
}

impl Relay {
    /// `key` is the prefix of the channels.
    pub(super) fn new(key: String, hub: Arc<Hub>, slow: Arc<Slow>, requests: Requests) -> Self {
        Self { key, hub, slow, requests, ignored: Ignored::default() }
    }

    /// Takes one message. What is not understood is told in the log and ignored.
    pub(super) fn hear(&mut self, channel: &str, payload: &[u8]) {
        let Some(parts) = Channel::parse(&self.key, channel) else { return };
        let Some(adapter) = self.hub.of(parts.nsp) else { return };
        // The room in the channel's name spares the decoding when nobody here is in it.
        if parts.kind == ChannelKind::Broadcast && !adapter.anyone_in(parts.room.as_slice()) {
            return;
        }
        match decode(&self.key, channel, payload) {
            Ok(Message::Broadcast(broadcast)) => {
                let known = parts.room.is_some_and(|room| broadcast.rooms == [room]);
                if known || adapter.anyone_in(&broadcast.rooms) {
                    self.deliver(&adapter, channel, broadcast);
                }
            }
            Ok(Message::Request(request)) => self.requests.carry_out(&adapter, &request),
            Err(error) => self.ignored.tell(channel, payload, &error),
        }
    }

    fn deliver(&mut self, adapter: &Arc<Adapter>, channel: &str, broadcast: Broadcast) {
        let mut options = whom(&broadcast.rooms, &broadcast.except);
        if broadcast.flags.volatile {
            options.add_flag(BroadcastFlags::Volatile);
        }
        let packet = match packet::of(broadcast) {
            Ok(packet) => packet,
            Err(error) => return self.ignored.tell(channel, &[], &error),
        };
        if adapter.local().broadcast(packet, options.clone()).is_err() {
            self.slow.drop_those_behind(adapter, options);
        }
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
