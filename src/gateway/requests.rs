//! What emitters and servers ask all servers to do: move clients between rooms, disconnect them.
//!
//! Nothing is answered, and that is a promise too. A Node server waits for as many answers as PUBSUB NUMSUB counts, and
//! a gateway is not among those: one answer more would end its waiting before its peers have answered.

use std::sync::Arc;

use super::{
    adapter::{Adapter, Client, Io, whom},
    catch_up::CatchUp,
    dismiss::Dismiss,
    interest::Interest,
};
use crate::emitter::Request;

/// Carries requests out.
pub(super) struct Requests {
    io: Io,
    dismiss: Arc<Dismiss>,
    catch_up: Arc<CatchUp>,
    interest: Arc<Interest>,
}

impl Requests {
    pub(super) fn new(
        io: Io,
        dismiss: Arc<Dismiss>,
        catch_up: Arc<CatchUp>,
        interest: Arc<Interest>,
    ) -> Self {
        Self { io, dismiss, catch_up, interest }
    }

    /// Does to the sockets of this namespace what is asked for. An event for the servers themselves finds nothing here
    /// that it could call.
    pub(super) fn carry_out(&self, adapter: &Adapter, request: &Request) {
        match request {
            // The library's own way leaves an empty room behind whenever no socket matches, so each is moved by itself.
            Request::Join { rooms, except, joined } => {
                let clients = self.meant(adapter, rooms, except);
                if !clients.is_empty() {
                    self.interest.want(adapter.local().path(), joined);
                }
                for client in clients {
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
                    if *close { self.dismiss.close(&client) } else { self.dismiss.disconnect(client) }
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
}
