//! What emitters and servers ask all servers to do: move clients between rooms, disconnect them.
//!
//! Nothing is answered, and that is a promise too. A Node server waits for as many answers as PUBSUB NUMSUB counts, and
//! a gateway is not among those: one answer more would end its waiting before its peers have answered.

use std::{sync::Arc, time::Duration};

use socketioxide::SocketError;
use tokio::time::sleep;

use super::{
    adapter::{Adapter, Client, Hub, Io, whom},
    slow::Slow,
    wire::Lines,
};
use crate::emitter::Request;

/// How long a client that is to be disconnected altogether may take to close its connection by itself, as the official
/// client does when it is told.
const CLOSES_ITSELF: Duration = Duration::from_secs(1);

/// Carries requests out.
pub(super) struct Requests {
    io: Io,
    hub: Arc<Hub>,
    lines: Arc<Lines>,
    slow: Arc<Slow>,
}

impl Requests {
    pub(super) fn new(io: Io, hub: Arc<Hub>, lines: Arc<Lines>, slow: Arc<Slow>) -> Self {
        Self { io, hub, lines, slow }
    }

    /// Does to the sockets of this namespace what is asked for. An event for the servers themselves finds nothing here
    /// that it could call.
    pub(super) fn carry_out(&self, adapter: &Adapter, request: &Request) {
        // The library's own way leaves an empty room behind whenever no socket matches, so each is moved by itself.
        match request {
            Request::Join { rooms, except, joined } => {
                for sid in adapter.local().sockets(whom(rooms, except)) {
                    adapter.local().add_all(sid, joined.clone());
                }
            }
            Request::Leave { rooms, except, left } => {
                for sid in adapter.local().sockets(whom(rooms, except)) {
                    adapter.local().del(sid, left.clone());
                }
            }
            Request::Disconnect { rooms, except, close } => {
                let Some(namespace) = self.io.of(adapter.local().path().as_str()) else { return };
                let sids = adapter.local().sockets(whom(rooms, except));
                for client in sids.into_iter().filter_map(|sid| namespace.get_socket(sid)) {
                    if *close { self.close(&client) } else { self.disconnect(client) }
                }
            }
            Request::ServerSideEmit { event, .. } => tracing::debug!(event, "nothing listens to it here"),
            Request::Question { kind, .. } => tracing::debug!(kind, "a question between Node servers"),
        }
    }

    /// Takes leave of a client in one namespace.
    fn disconnect(&self, client: Client) {
        if let Err(SocketError::InternalChannelFull) = client.clone().disconnect() {
            self.slow.drop_client(client);
        }
    }

    /// Takes leave of a client in all its namespaces, and sees to it that its connection ends.
    fn close(&self, client: &Client) {
        let line = self.lines.of(client);
        for namespace in self.hub.names() {
            // In this library a client's socket has the same id in every namespace.
            if let Some(client) = self.io.of(namespace).and_then(|namespace| namespace.get_socket(client.id))
            {
                self.disconnect(client);
            }
        }
        if let Some(line) = line {
            drop(tokio::spawn(async move {
                sleep(CLOSES_ITSELF).await;
                line.cut();
            }));
        }
    }
}
