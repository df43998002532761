//! Where the library keeps which socket is in which room, one for each namespace; and the list of all of them.
//!
//! It only ever acts on its own sockets. What other servers should hear is published by whoever wants them to.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use socketioxide::{SocketIo, adapter::Emitter, extract::SocketRef};
use socketioxide_core::{
    adapter::{
        BroadcastFlags, BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, SocketEmitter,
    },
    packet::Packet,
};

use super::counts::Counts;

/// The server with our adapter.
pub(super) type Io = SocketIo<Adapter>;
/// One client in one namespace.
pub(super) type Client = SocketRef<Adapter>;

/// The sockets and rooms of one namespace.
pub(super) struct Adapter {
    hub: Arc<Hub>,
    local: CoreLocalAdapter<Emitter>,
}

/// The adapters of all namespaces, by name; and what is counted of all of them.
#[derive(Default)]
pub(super) struct Hub {
    adapters: RwLock<HashMap<String, Arc<Adapter>>>,
    pub(super) counts: Counts,
}

impl Hub {
    /// The namespace's adapter, when it is served.
    pub(super) fn of(&self, namespace: &str) -> Option<Arc<Adapter>> {
        self.read().get(namespace).cloned()
    }

    /// Whether this is the id of a client, in whichever namespace.
    pub(super) fn has_client(&self, id: &str) -> bool {
        let Ok(sid) = id.parse() else { return false };
        let adapters = self.read();
        // Each is in its own room from the first moment on.
        adapters.values().any(|adapter| !adapter.local.socket_rooms(sid).is_empty())
    }

    /// How many clients there are, and in how many rooms that are not a client's own, nor one of ours.
    pub(super) fn size(&self) -> (u64, u64) {
        let adapters = self.read();
        let nobody: [&str; 0] = [];
        let (mut clients, mut rooms) = (0, 0);
        for Adapter { local, .. } in adapters.values().map(|adapter| &**adapter) {
            let all = local.sockets(whom(&nobody, &nobody)).len();
            clients += all;
            let named = local.rooms(whom(&nobody, &nobody));
            rooms += named.iter().filter(|room| !room.starts_with('\0')).count().saturating_sub(all);
        }
        (clients as u64, rooms as u64)
    }

    /// The namespaces with how many clients are in each.
    pub(super) fn namespaces(&self) -> Vec<(String, u64)> {
        let nobody: [&str; 0] = [];
        let clients = |adapter: &Adapter| adapter.local.sockets(whom(&nobody, &nobody)).len() as u64;
        self.read().iter().map(|(name, adapter)| (name.clone(), clients(adapter))).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Arc<Adapter>>> {
        self.adapters.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The namespaces that are served.
    pub(super) fn names(&self) -> Vec<String> {
        self.read().keys().cloned().collect()
    }
}

impl Adapter {
    /// The sockets and rooms.
    pub(super) fn local(&self) -> &CoreLocalAdapter<Emitter> {
        &self.local
    }

    /// Whether any socket is in one of these rooms; with no rooms at all, everybody is meant.
    pub(super) fn anyone_in(&self, rooms: &[impl AsRef<str>]) -> bool {
        let nobody: [&str; 0] = [];
        let anyone = |room| !self.local.sockets(whom(std::slice::from_ref(room), &nobody)).is_empty();
        rooms.is_empty() || rooms.iter().any(anyone)
    }
}

/// The room of clients that are being dropped: whatever is sent to anybody is not for them any more. Its name begins
/// with a letter that nobody types.
pub(super) const DROPPED: &str = "\0dropped";

/// The sockets in `rooms`, or all of them when there are none, but for those in `except`.
pub(super) fn whom(rooms: &[impl AsRef<str>], except: &[impl AsRef<str>]) -> BroadcastOptions {
    let mut whom = BroadcastOptions::default();
    whom.rooms.extend(rooms.iter().map(|room| room.as_ref().to_owned().into()));
    whom.except.push(DROPPED.into());
    whom.except.extend(except.iter().map(|room| room.as_ref().to_owned().into()));
    // Without it no room would mean nobody.
    whom.add_flag(BroadcastFlags::Broadcast);
    whom
}

impl CoreAdapter<Emitter> for Adapter {
    type Error = Infallible;
    type State = Arc<Hub>;
    type AckStream = <Emitter as SocketEmitter>::AckStream;
    type InitRes = ();

    fn new(hub: &Arc<Hub>, local: CoreLocalAdapter<Emitter>) -> Self {
        Self { hub: hub.clone(), local }
    }

    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) {
        let namespace = self.local.path().as_str().to_owned();
        let hub = self.hub.clone();
        hub.adapters.write().unwrap_or_else(PoisonError::into_inner).insert(namespace, self);
        on_success();
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        whom: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<Self::AckStream, Infallible> {
        Ok(self.local.broadcast_with_ack(packet, whom, timeout).0)
    }

    fn get_local(&self) -> &CoreLocalAdapter<Emitter> {
        &self.local
    }
}

impl DefinedAdapter for Adapter {}
