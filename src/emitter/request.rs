//! Requests to servers, which travel as JSON on a channel of their own: join, leave, disconnect, and events for the
//! servers themselves.
//!
//! They ask and never wait: an emitter has no identity that an answer could find. Servers with `socket.io-redis` 5
//! (socket.io 2) number their requests differently and do nothing with these.

use serde::Serialize;

use super::{
    EmitError, EncodeError, IntoRooms, Outgoing, RESERVED_EVENTS, Room, Target, Value,
    pack::{self, Kind},
    target::{UID, arguments, refuse_reserved, within_limit},
    unpack,
};

/// Request types of `@socket.io/redis-adapter` 6 to 8.
pub(super) const JOIN: u64 = 2;
pub(super) const LEAVE: u64 = 3;
pub(super) const DISCONNECT: u64 = 4;
pub(super) const SERVER_SIDE_EMIT: u64 = 6;
pub(super) const BROADCAST: i64 = 7;

impl Target {
    /// A request that the matching sockets join rooms.
    pub fn sockets_join(&self, rooms: impl IntoRooms) -> Result<Outgoing, EmitError> {
        self.request(&RoomsRequest { kind: JOIN, opts: self.opts(), rooms: &rooms.into_rooms() })
    }

    /// A request that the matching sockets leave rooms.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) -> Result<Outgoing, EmitError> {
        self.request(&RoomsRequest { kind: LEAVE, opts: self.opts(), rooms: &rooms.into_rooms() })
    }

    /// A request that the matching sockets are disconnected; `close` also closes the connection under them.
    pub fn disconnect_sockets(&self, close: bool) -> Result<Outgoing, EmitError> {
        self.request(&DisconnectRequest { kind: DISCONNECT, opts: self.opts(), close })
    }

    /// An event for the servers of the namespace themselves, not for their clients. Rooms and flags do not matter.
    ///
    /// Names that would crash or confuse a Node server are refused: `connection` would call its connection
    /// handler, and an `error` that nobody listens to ends the process.
    pub fn server_side_event<T: Serialize + ?Sized>(
        &self,
        event: &str,
        args: &T,
    ) -> Result<Outgoing, EmitError> {
        refuse_reserved(event, &RESERVED_EVENTS)?;
        refuse_reserved(event, &["connection", "new_namespace", "error"])?;
        let (count, args) = arguments(args)?;
        let mut packed = Vec::with_capacity(args.len() + 32);
        pack::header(&mut packed, Kind::Array, count + 1);
        pack::string(&mut packed, event);
        packed.extend_from_slice(&args);
        // Through our own value, so that the rules for numbers are the same as in broadcasts.
        let data = unpack::value(&packed).map_err(|error| EncodeError::Custom(error.to_string()))?;
        self.request(&ServerSideRequest { uid: UID, kind: SERVER_SIDE_EMIT, data })
    }

    fn request(&self, request: &impl Serialize) -> Result<Outgoing, EmitError> {
        let payload = serde_json::to_vec(request).map_err(|error| EncodeError::Custom(error.to_string()))?;
        Ok(Outgoing {
            channel: format!("{}-request#{}#", self.key, self.nsp),
            payload: within_limit(payload)?,
        })
    }

    fn opts(&self) -> RequestOpts<'_> {
        RequestOpts { rooms: &self.rooms, except: &self.except }
    }
}

#[derive(Serialize)]
struct RequestOpts<'a> {
    rooms: &'a [Room],
    except: &'a [Room],
}

#[derive(Serialize)]
struct RoomsRequest<'a> {
    #[serde(rename = "type")]
    kind: u64,
    opts: RequestOpts<'a>,
    rooms: &'a [Room],
}

#[derive(Serialize)]
struct DisconnectRequest<'a> {
    #[serde(rename = "type")]
    kind: u64,
    opts: RequestOpts<'a>,
    close: bool,
}

#[derive(Serialize)]
struct ServerSideRequest {
    uid: &'static str,
    #[serde(rename = "type")]
    kind: u64,
    data: Value,
}
