//! What emitters and servers ask all servers to do: move clients between rooms, disconnect them.
//!
//! Nothing is answered, and that is a promise too. A Node server waits for as many answers as PUBSUB NUMSUB counts, and
//! a gateway is not among those: one answer more would end its waiting before its peers have answered.

use std::{sync::Arc, time::Duration};

use socketioxide::SocketError;
use tokio::time::sleep;

use super::{
    adapter::{Adapter, Client, Hub, Io, whom},
    catch_up::CatchUp,
    lines::Lines,
    slow::Slow,
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
    catch_up: Arc<CatchUp>,
}

impl Requests {
    pub(super) fn new(
        io: Io,
        hub: Arc<Hub>,
        lines: Arc<Lines>,
        slow: Arc<Slow>,
        catch_up: Arc<CatchUp>,
    ) -> Self {
        Self { io, hub, lines, slow, catch_up }
    }

    /// Does to the sockets of this namespace what is asked for. An event for the servers themselves finds nothing here
    /// that it could call.
    pub(super) fn carry_out(&self, adapter: &Adapter, request: &Request) {
        match request {
            // The library's own way leaves an empty room behind whenever no socket matches, so each is moved by itself.
            Request::Join { rooms, except, joined } => {
                for client in self.meant(adapter, rooms, except) {
                    client.join(joined.clone());
                }
            }
            Request::Leave { rooms, except, left } => {
                for client in self.meant(adapter, rooms, except) {
                    client.leave(left.clone());
                    left.iter().for_each(|room| self.catch_up.followers.remove(&client, room));
                }
            }
            Request::Disconnect { rooms, except, close } => {
                for client in self.meant(adapter, rooms, except) {
                    if *close { self.close(&client) } else { self.disconnect(client) }
                }
            }
            Request::ServerSideEmit { event, .. } => tracing::debug!(event, "nothing listens to it here"),
            Request::Question { kind, .. } => tracing::debug!(kind, "a question between Node servers"),
        }
    }

    /// The clients in these rooms, those who follow them included.
    fn meant(&self, adapter: &Adapter, rooms: &[String], except: &[String]) -> Vec<Client> {
        let path = adapter.local().path().as_str();
        let Some(namespace) = self.io.of(path) else { return Vec::new() };
        let with_aside = |rooms| self.catch_up.followers.with_aside(path, rooms);
        let sids = adapter.local().sockets(whom(&with_aside(rooms), &with_aside(except)));
        sids.into_iter().filter_map(|sid| namespace.get_socket(sid)).collect()
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
