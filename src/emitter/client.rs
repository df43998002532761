//! The public client: a [`Target`] together with a connection to publish on.

use std::future::Future;

use redis::aio::ConnectionLike;
use serde::Serialize;

use super::{EmitError, IntoRooms, Outgoing, Target};

/// Sends events to the clients of every socket.io server that listens on a Redis.
///
/// Each step returns a new emitter and leaves the old one as it was. What is to be sent is encoded at the call;
/// only the sending is awaited. The result is the number of subscribers that Redis handed the message to: 0
/// says that no server hears this namespace.
///
/// ```no_run
/// # async fn example(connection: redis::aio::MultiplexedConnection) -> Result<(), rowcast::emitter::EmitError> {
/// use rowcast::emitter::Emitter;
///
/// let emitter = Emitter::new(connection);
/// emitter.of("/chat").to("room1").except("muted").emit("hello", &"world").await?;
/// emitter.to(["room1", "room2"]).volatile().emit_args("tick", &(1, "two", [3, 4])).await?;
/// emitter.to("room1").sockets_leave("room1").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Emitter<C> {
    connection: C,
    target: Target,
}

impl<C: ConnectionLike + Clone> Emitter<C> {
    /// Everybody in the namespace `/`, under the channel prefix `socket.io`. The connection is cloned for
    /// each message, so take one that multiplexes.
    pub fn new(connection: C) -> Self {
        Self { connection, target: Target::new() }
    }

    fn with(&self, target: Target) -> Self {
        Self { connection: self.connection.clone(), target }
    }

    /// See [`Target::with_key`].
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        self.with(self.target.with_key(key))
    }

    /// See [`Target::of`].
    #[must_use]
    pub fn of(&self, nsp: &str) -> Self {
        self.with(self.target.of(nsp))
    }

    /// See [`Target::to`].
    #[must_use]
    pub fn to(&self, rooms: impl IntoRooms) -> Self {
        self.with(self.target.to(rooms))
    }

    /// See [`Target::except`].
    #[must_use]
    pub fn except(&self, rooms: impl IntoRooms) -> Self {
        self.with(self.target.except(rooms))
    }

    /// See [`Target::volatile`].
    #[must_use]
    pub fn volatile(&self) -> Self {
        self.with(self.target.volatile())
    }

    /// See [`Target::compress`].
    #[must_use]
    pub fn compress(&self, compress: bool) -> Self {
        self.with(self.target.compress(compress))
    }

    /// Sends an event with one argument.
    pub fn emit<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
    ) -> impl Future<Output = Receivers> + use<C, T> {
        self.publish(self.target.event(event, data))
    }

    /// Sends an event with any number of arguments: a tuple, a list, or `()` for none.
    pub fn emit_args<T: Serialize + ?Sized>(
        &self,
        event: &str,
        args: &T,
    ) -> impl Future<Output = Receivers> + use<C, T> {
        self.publish(self.target.event_args(event, args))
    }

    /// Makes the matching sockets join rooms.
    pub fn sockets_join<R: IntoRooms>(&self, rooms: R) -> impl Future<Output = Receivers> + use<C, R> {
        self.publish(self.target.sockets_join(rooms))
    }

    /// Makes the matching sockets leave rooms.
    pub fn sockets_leave<R: IntoRooms>(&self, rooms: R) -> impl Future<Output = Receivers> + use<C, R> {
        self.publish(self.target.sockets_leave(rooms))
    }

    /// Disconnects the matching sockets; `close` also closes the connections under them.
    pub fn disconnect_sockets(&self, close: bool) -> impl Future<Output = Receivers> + use<C> {
        self.publish(self.target.disconnect_sockets(close))
    }

    /// Sends an event to the servers of the namespace themselves; see [`Target::server_side_event`].
    pub fn server_side_emit<T: Serialize + ?Sized>(
        &self,
        event: &str,
        args: &T,
    ) -> impl Future<Output = Receivers> + use<C, T> {
        self.publish(self.target.server_side_event(event, args))
    }

    fn publish(&self, message: Result<Outgoing, EmitError>) -> impl Future<Output = Receivers> + use<C> {
        let mut connection = self.connection.clone();
        async move {
            let Outgoing { channel, payload } = message?;
            Ok(redis::cmd("PUBLISH").arg(channel).arg(payload).query_async(&mut connection).await?)
        }
    }
}

/// The number of subscribers, or why nothing was sent.
type Receivers = Result<u64, EmitError>;
