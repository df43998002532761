//! Events go out, and clients that do not read as fast as they are sent to are dropped.
//!
//! The library drops a message for a socket whose queue is full, and goes on: the client would never know of the hole.
//! Here such a client loses its connection instead, and so knows that it has missed something. So does one for which
//! too many bytes are kept: a queue of a few thousand messages is no bound of memory.

use std::{sync::Arc, time::Duration};

use serde::{Serialize, Serializer, ser::Error as _};
use socketioxide::{SendError, SocketError};
use socketioxide_core::{
    adapter::{BroadcastFlags, BroadcastOptions},
    packet::Packet,
};

use super::{
    adapter::{Adapter, Client, DROPPED, Hub, Io},
    lines::{LineRef, Lines},
    packet,
};

/// Ends the connections of clients that are behind.
pub(super) struct Slow {
    io: Io,
    hub: Arc<Hub>,
    lines: Arc<Lines>,
}

impl Slow {
    pub(super) fn new(io: Io, hub: Arc<Hub>, lines: Arc<Lines>) -> Self {
        Self { io, hub, lines }
    }

    /// A client is about to be connected.
    pub(super) fn enter(&self, client: &Client) {
        self.lines.enter(client);
    }

    /// Sends an event to these clients: all events go out here, but for the one that takes leave of a client. Whoever
    /// has no place for it is dropped, and whoever was too far behind already. The library does not say for whom there
    /// was no place, but nothing else has run since: whose queue was full then is full now.
    pub(super) fn send(&self, adapter: &Adapter, packet: Packet, whom: BroadcastOptions) {
        let bytes = packet::size(&packet);
        let refused = adapter.local().broadcast(packet, whom.clone()).is_err();
        // One that is volatile has a place of its own, in which it is replaced.
        if whom.has_flag(BroadcastFlags::Volatile) {
            return;
        }
        let sids = adapter.local().sockets(whom);
        let clients = sids.len() as u64;
        self.hub.counts.sent.add(clients);
        self.hub.counts.sent_bytes.add(clients * bytes);
        let behind = self.lines.debts.owe(&sids, bytes);
        if !refused && behind.is_empty() {
            return;
        }
        let Some(namespace) = self.io.of(adapter.local().path().as_str()) else { return };
        for client in sids.into_iter().filter_map(|sid| namespace.get_socket(sid)) {
            if behind.contains(&client.id) || (refused && is_full(&client)) {
                self.drop_client(client);
            }
        }
    }

    /// Ends the connection of a client for which there was no place in its queue, or that is behind.
    pub(super) fn drop_client(&self, client: Client) {
        tracing::info!(client = %client.id, "a client that does not read is dropped");
        self.hub.counts.dropped.add(1);
        // So that it gets nothing from behind the hole, and is dropped once only.
        client.join(DROPPED);
        let lines = self.lines.of(&client);
        lines.iter().for_each(LineRef::cut);
        if lines.is_empty() {
            drop(tokio::spawn(disconnect_when_there_is_room(client)));
        }
    }
}

/// A client of long-polling has no connection to cut. It is told when it fetches its queue; should it not come, the
/// heartbeat ends it.
async fn disconnect_when_there_is_room(client: Client) {
    while client.connected() {
        if client.clone().disconnect().is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn is_full(client: &Client) -> bool {
    matches!(client.emit("", &Nothing), Err(SendError::Socket(SocketError::InternalChannelFull)))
}

/// What cannot be encoded. The library reserves a place in the queue before it encodes, so that trying to send this
/// tells whether there is a place, and sends nothing.
struct Nothing;

impl Serialize for Nothing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom("nothing is to be sent"))
    }
}
