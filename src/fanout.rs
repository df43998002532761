//! The local fan-out: rows' events on their way from the workers of a supervisor, through it, to its gateways. Redis
//! has no part in it.
//!
//! Each child has a socket pair with the supervisor for this, beside the one for control. A worker hands on the events
//! of a claim that is committed, in parcels, and only when the supervisor's side of the kernel has all of them does it
//! settle the claim. So a claim whose worker died in between is still open, and whoever rescues it hands its events on
//! again; a gateway knows by the claim's name which of them it has heard. That is how each event comes once: Redis,
//! which otherwise publishes in the very step that ends a claim, is not there to do it.
//!
//! `parcel` is the form, pure. `to_gateways` is a worker's end, `from_workers` a gateway's. What lies between is
//! `supervisor::fanout`, which looks into no parcel.
//!
//! What it does not do: reach another host, or a Node server. And where nobody reads back what was missed, it is lost:
//! a gateway that is far behind is told that it has missed something ([`Frame::Gap`]), as when Redis drops it.

mod from_workers;
mod parcel;
mod to_gateways;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio_util::codec::LengthDelimitedCodec;

use crate::emitter::MAX_MESSAGE_BYTES;
pub use from_workers::{FromWorkers, Handed};
pub use parcel::ClaimName;
pub use to_gateways::ToGateways;

/// What goes over the sockets, each with its length before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Events of one claim.
    Parcel(Bytes),
    /// The answer to a gateway's question: whatever was handed on before it was asked came before this.
    Sofar,
    /// This gateway did not take what it was given; some of it is gone.
    Gap,
}

/// The first byte of each kind of frame.
const PARCEL: u8 = 1;
const SOFAR: u8 = 2;
const GAP: u8 = 3;

/// What a gateway writes to ask a question: one byte, which cannot be torn.
pub const QUESTION: u8 = b'?';

/// So many bytes of events are put into one parcel; a larger event has one for itself.
const PARCEL_BYTES: usize = 64 << 10;

impl Frame {
    /// The frame as it is sent.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Parcel(parcel) => {
                let mut bytes = BytesMut::with_capacity(parcel.len() + 1);
                bytes.put_u8(PARCEL);
                bytes.put(parcel);
                bytes.freeze()
            }
            Self::Sofar => Bytes::from_static(&[SOFAR]),
            Self::Gap => Bytes::from_static(&[GAP]),
        }
    }

    /// Reads what was sent; nothing of a kind that this version does not know.
    pub fn from_bytes(mut bytes: Bytes) -> Option<Self> {
        let kind = *bytes.first()?;
        match kind {
            PARCEL => Some(Self::Parcel(bytes.split_off(1))),
            SOFAR => Some(Self::Sofar),
            GAP => Some(Self::Gap),
            _ => None,
        }
    }
}

/// How frames follow each other on a socket.
pub fn codec() -> LengthDelimitedCodec {
    // The largest parcel is that of one event: its payload, its channel, which repeats a room of it, and its head.
    LengthDelimitedCodec::builder().max_frame_length(2 * MAX_MESSAGE_BYTES + PARCEL_BYTES).new_codec()
}
