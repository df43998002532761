//! Whom a message is for, and the message's channel and bytes: the emitter without input or output.
//!
//! Every step returns a new value, as in the official emitter, so that a prepared target can be kept and shared.
//! Whatever comes out is a whole message: identity, packet of type 2, and all three options.

use serde::Serialize;

use super::{
    DEFAULT_KEY, EncodeError, IntoRooms, MAX_MESSAGE_BYTES, RESERVED_EVENTS, Room,
    pack::{self, Kind},
    ser, unpack,
};
use crate::glob::literal;

/// The identity that every official emitter sends; servers use random ones to recognise their own messages.
pub(super) const UID: &str = "emitter";

/// A message that is larger than [`MAX_MESSAGE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the message has {bytes} bytes, more than the {MAX_MESSAGE_BYTES} that subscribers can take; send a reference to \
     the data instead, for example its id"
)]
pub struct TooLarge {
    /// The size that the message had when it was given up; the whole of it may be larger.
    pub bytes: usize,
}

/// Why an event was not published. Nothing was sent, except perhaps for [`EmitError::Redis`].
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// One of [`RESERVED_EVENTS`], or a name that a Node server would take for its own.
    #[error("{0:?} is an event name that socket.io keeps for itself; choose another one")]
    Reserved(String),
    /// See [`TooLarge`].
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The data has no form on the wire.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The arguments are not a tuple or a list.
    #[error("the arguments of an event are given as a tuple, a list or (); to send one value, use `emit`")]
    NotArguments,
    /// Redis refused, or the connection is gone; whether the message was sent is then unknown.
    #[error("Redis did not take the message: {0}")]
    Redis(#[from] redis::RedisError),
}

/// One message, ready for `PUBLISH channel payload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The Redis channel.
    pub channel: String,
    /// The message.
    pub payload: Vec<u8>,
}

/// Namespace, rooms and flags of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) key: String,
    pub(super) nsp: String,
    pub(super) rooms: Vec<Room>,
    pub(super) except: Vec<Room>,
    /// In the order in which they were first set: that is the order in the official emitter's messages.
    flags: Vec<(&'static str, bool)>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            key: DEFAULT_KEY.to_owned(),
            nsp: "/".to_owned(),
            rooms: Vec::new(),
            except: Vec::new(),
            flags: Vec::new(),
        }
    }
}

impl Target {
    /// Everybody in the namespace `/`, under the default channel prefix.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same under another channel prefix; it must equal the adapter's option `key`.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// The same in another namespace; a missing leading slash is added.
    pub fn of(&self, nsp: &str) -> Self {
        Self { nsp: with_slash(nsp), ..self.clone() }
    }

    /// Only sockets in these rooms, besides those already named. With no room at all, everybody.
    pub fn to(&self, rooms: impl IntoRooms) -> Self {
        Self { rooms: union(&self.rooms, rooms.into_rooms()), ..self.clone() }
    }

    /// No socket that is in one of these rooms.
    pub fn except(&self, rooms: impl IntoRooms) -> Self {
        Self { except: union(&self.except, rooms.into_rooms()), ..self.clone() }
    }

    /// The pattern of PSUBSCRIBE that hears every event of the namespace, whatever its rooms.
    pub fn pattern(&self) -> String {
        format!("{}*", literal(&wide_channel(&self.key, &self.nsp)))
    }

    /// May be dropped for a client that is not ready to receive.
    pub fn volatile(&self) -> Self {
        self.flag("volatile", true)
    }

    /// Whether servers compress the message for their clients.
    pub fn compress(&self, compress: bool) -> Self {
        self.flag("compress", compress)
    }

    fn flag(&self, name: &'static str, value: bool) -> Self {
        let mut target = self.clone();
        match target.flags.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => target.flags.push((name, value)),
        }
        target
    }

    /// An event with one argument.
    pub fn event<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<Outgoing, EmitError> {
        self.event_args(event, &(data,))
    }

    /// An event with any number of arguments: a tuple, a list, or `()` for none.
    pub fn event_args<T: Serialize + ?Sized>(&self, event: &str, args: &T) -> Result<Outgoing, EmitError> {
        refuse_reserved(event, &RESERVED_EVENTS)?;
        let (count, args) = arguments(args)?;
        let mut out = Vec::with_capacity(args.len() + 128);
        head(&mut out, event, count);
        out.extend_from_slice(&args);
        nsp_and_rooms_key(&mut out, &self.nsp);
        rooms(&mut out, &self.rooms);
        pack::string(&mut out, "flags");
        pack::header(&mut out, Kind::Map, self.flags.len());
        for (name, value) in &self.flags {
            pack::string(&mut out, name);
            pack::boolean(&mut out, *value);
        }
        pack::string(&mut out, "except");
        rooms(&mut out, &self.except);
        Ok(Outgoing { channel: self.broadcast_channel(), payload: within_limit(out)? })
    }

    /// One room has its own channel, which spares servers without a member the decoding.
    fn broadcast_channel(&self) -> String {
        let wide = wide_channel(&self.key, &self.nsp);
        match self.rooms.as_slice() {
            [room] => format!("{wide}{room}#"),
            _ => wide,
        }
    }
}

/// The namespace's name as it stands in channels and packets: `chat` and `/chat` are the same.
pub(crate) fn with_slash(nsp: &str) -> String {
    if nsp.starts_with('/') { nsp.to_owned() } else { format!("/{nsp}") }
}

/// The channel that every server of a namespace hears.
pub(super) fn wide_channel(key: &str, nsp: &str) -> String {
    format!("{key}#{nsp}#")
}

/// The message up to and with the event's name; so many arguments follow.
pub(super) fn head(out: &mut Vec<u8>, event: &str, arguments: usize) {
    pack::header(out, Kind::Array, 3);
    pack::string(out, UID);
    pack::header(out, Kind::Map, 3);
    pack::string(out, "type");
    // EVENT. Never 5 (BINARY_EVENT), even with binary data: every client would answer it with a parse error.
    pack::uint(out, 2);
    pack::string(out, "data");
    pack::header(out, Kind::Array, arguments + 1);
    pack::string(out, event);
}

/// What stands between the arguments and the list of rooms.
pub(super) fn nsp_and_rooms_key(out: &mut Vec<u8>, nsp: &str) {
    pack::string(out, "nsp");
    pack::string(out, nsp);
    pack::header(out, Kind::Map, 3);
    pack::string(out, "rooms");
}

/// Refuses the names in the list.
pub(super) fn refuse_reserved(event: &str, reserved: &[&str]) -> Result<(), EmitError> {
    if reserved.contains(&event) { Err(EmitError::Reserved(event.to_owned())) } else { Ok(()) }
}

fn rooms(out: &mut Vec<u8>, rooms: &[Room]) {
    pack::header(out, Kind::Array, rooms.len());
    for room in rooms {
        room.pack(out);
    }
}

/// Both lists in order, each room once: the official emitter keeps sets.
fn union(known: &[Room], more: Vec<Room>) -> Vec<Room> {
    let mut all = known.to_vec();
    for room in more {
        if !all.contains(&room) {
            all.push(room);
        }
    }
    all
}

/// The number of arguments, and their bytes one after the other.
pub(super) fn arguments<T: Serialize + ?Sized>(args: &T) -> Result<(usize, Vec<u8>), EmitError> {
    let mut packed = Vec::with_capacity(128);
    ser::append(args, &mut packed)?;
    let (count, header) = unpack::arguments_header(&packed).ok_or(EmitError::NotArguments)?;
    packed.drain(..header);
    Ok((count, packed))
}

pub(super) fn within_limit(payload: Vec<u8>) -> Result<Vec<u8>, TooLarge> {
    if payload.len() > MAX_MESSAGE_BYTES { Err(TooLarge { bytes: payload.len() }) } else { Ok(payload) }
}

#[cfg(test)]
mod tests;
