//! The wire format of the official socket.io Redis emitter: its only owner, in both directions.
//!
//! What it is for: telling every socket.io server that listens on a Redis (Node with `@socket.io/redis-adapter`) to
//! send an event to rooms of browsers, and reading what other emitters and servers say there.
//!
//! * [`Emitter`] is the public client: `emitter.of("/chat").to("room").emit("hello", &data).await`.
//! * [`Target`] is the same without input or output: it returns the [`Outgoing`] channel and bytes.
//! * [`RowEvents`] is the hot path: one message for each inserted row, into a buffer that is reused.
//! * [`Channel`] and [`decode()`] read messages of every emitter and adapter generation that is still in use.
//!
//! What it promises: the bytes equal those of `@socket.io/redis-emitter` 5.1.0 wherever both can say the same
//! thing (recorded vectors are the test), and every message is whole. That matters, because a Node server
//! dies of an uncaught exception when a message has no `opts`, has bytes behind its end, or is not MessagePack; and a
//! browser disconnects when a packet has type 5. So the three parts are always written, the type is always 2,
//! and reserved names are refused before anything is sent.
//!
//! What it does not do: speak to the sharded adapter or the streams adapter (their formats are others), wait
//! for acknowledgements, or publish dates as MessagePack extensions (Node generations disagree on
//! their meaning; an ISO string is read the same by all).

mod client;
mod decode;
mod json;
mod message;
mod pack;
mod request;
mod room;
mod rows;
mod ser;
mod target;
mod unpack;
mod value;
#[cfg(test)]
mod vectors;

pub use client::Emitter;
pub use decode::decode;
pub(crate) use decode::rooms_at_a_glance;
pub use message::{Broadcast, Channel, ChannelKind, DecodeError, Flags, Message, Request};
pub use room::{IntoRooms, Room};
pub use rows::{ColumnName, RowEvents, Scalar};
pub use ser::{EncodeError, to_bytes};
pub(crate) use target::with_slash;
pub use target::{EmitError, Outgoing, Target, TooLarge};
pub use value::Value;

/// The channel prefix that every official emitter and adapter uses unless told otherwise.
pub const DEFAULT_KEY: &str = "socket.io";

/// Names that socket.io keeps for itself: a client that receives one of them as an event misbehaves.
pub const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// The largest message that is published, in bytes.
///
/// Redis ships with `client-output-buffer-limit pubsub 32mb 8mb 60`: a subscriber that is more than 8 MiB behind for
/// a minute is cut off, and hears nothing until it is back. One message must not use up that allowance by
/// itself.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// The deepest nesting of arrays and objects inside one value that is published.
///
/// Far beyond what a table's row holds, and far below what overflows the stack of a reader that recurses, as the
/// decoders of Node servers do.
pub const MAX_DEPTH: usize = 100;
