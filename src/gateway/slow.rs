//! Clients that do not read as fast as they are sent to.
//!
//! The library drops a message for a socket whose queue is full, and goes on: the client would never know of the hole.
//! Here such a client loses its connection instead. It connects again by itself, and knows that it has missed something.

use std::{sync::Arc, time::Duration};

use serde::{Serialize, Serializer, ser::Error as _};
use socketioxide::{SendError, SocketError};
use socketioxide_core::adapter::BroadcastOptions;

use super::{
    adapter::{Adapter, Client, DROPPED, Hub, Io},
    lines::Lines,
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

    /// To be called right after a broadcast to these sockets has failed for some of them. The library does not say
    /// which, but nothing else has run since: whose queue was full then is full now.
    pub(super) fn drop_those_behind(&self, adapter: &Arc<Adapter>, whom: BroadcastOptions) {
        let Some(namespace) = self.io.of(adapter.local().path().as_str()) else { return };
        for sid in adapter.local().sockets(whom) {
            if let Some(client) = namespace.get_socket(sid) {
                self.drop_if_behind(client);
            }
        }
    }

    /// To be called right after something could not be sent to a client: it may have gone, which is no matter.
    pub(super) fn drop_if_behind(&self, client: Client) {
        if is_full(&client) {
            self.drop_client(client);
        }
    }

    /// Ends the connection of a client for which there was no place in its queue.
    pub(super) fn drop_client(&self, client: Client) {
        tracing::info!(client = %client.id, "a client that does not read is dropped");
        self.hub.counts.dropped.add(1);
        // So that it gets nothing from behind the hole, and is dropped once only.
        client.join(DROPPED);
        match self.lines.of(&client) {
            Some(line) => line.cut(),
            None => drop(tokio::spawn(disconnect_when_there_is_room(client))),
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
