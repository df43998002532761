//! The form of a parcel: which claim it belongs to, which of the claim's events these are, and they. Pure.
//!
//! A line of JSON, and for each event its channel and its payload, each behind its length in four bytes, big-endian.
//! The length [`SAME`] in place of a channel is the channel of the event before.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::PARCEL_BYTES;
use crate::queue::Events;

/// The name of a claim among all that there ever are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimName {
    /// Its queue.
    pub queue: String,
    /// The worker that made it, whoever ends it.
    pub worker: String,
    /// Its number among those of this worker and queue.
    pub seq: u64,
}

/// What a parcel begins with.
#[derive(Serialize, Deserialize)]
struct Head {
    claim: ClaimName,
    /// The place of its first event among those of the claim.
    first: usize,
}

const SAME: u32 = u32::MAX;

/// The events of a claim, in order, as parcels.
pub(super) fn parcels(claim: &ClaimName, events: &Events) -> Vec<Bytes> {
    let mut parcels = Vec::new();
    let (mut parcel, mut last): (BytesMut, Option<&[u8]>) = (BytesMut::new(), None);
    for (at, (channel, payload)) in events.iter().enumerate() {
        if parcel.len() + payload.len() > PARCEL_BYTES && !parcel.is_empty() {
            parcels.push(std::mem::take(&mut parcel).freeze());
        }
        if parcel.is_empty() {
            parcel.put(head(claim, at).as_slice());
            last = None;
        }
        if last.replace(channel) == Some(channel) {
            parcel.put_u32(SAME);
        } else {
            put(&mut parcel, channel);
        }
        put(&mut parcel, payload);
    }
    if !parcel.is_empty() {
        parcels.push(parcel.freeze());
    }
    parcels
}

fn head(claim: &ClaimName, first: usize) -> Vec<u8> {
    let head = Head { claim: claim.clone(), first };
    // Three texts and numbers: there is nothing in it that JSON could not hold.
    let mut line = serde_json::to_vec(&head).unwrap_or_default();
    line.push(b'\n');
    line
}

/// No message is longer than a few megabytes.
fn put(parcel: &mut BytesMut, bytes: &[u8]) {
    parcel.put_u32(u32::try_from(bytes.len()).unwrap_or(SAME));
    parcel.put(bytes);
}

/// A parcel that is being unpacked.
#[derive(Debug)]
pub(super) struct Parcel {
    /// The claim.
    pub(super) claim: ClaimName,
    /// The place of the next event among those of the claim.
    pub(super) at: usize,
    channel: Bytes,
    rest: Bytes,
}

impl Parcel {
    /// Nothing when it is none.
    pub(super) fn open(mut bytes: Bytes) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let line = bytes.split_to(end);
        bytes.advance(1);
        let Head { claim, first } = serde_json::from_slice(&line).ok()?;
        Some(Self { claim, at: first, channel: Bytes::new(), rest: bytes })
    }

    /// The channel and the payload of the next event; nothing at its end.
    pub(super) fn next(&mut self) -> Option<Result<(Bytes, Bytes), Torn>> {
        (!self.rest.is_empty()).then(|| self.event().ok_or(Torn))
    }

    fn event(&mut self) -> Option<(Bytes, Bytes)> {
        match self.rest.try_get_u32().ok()? {
            SAME => {}
            length => self.channel = self.take(length)?,
        }
        let length = self.rest.try_get_u32().ok()?;
        let payload = self.take(length)?;
        self.at += 1;
        Some((self.channel.clone(), payload))
    }

    fn take(&mut self, length: u32) -> Option<Bytes> {
        let length = usize::try_from(length).ok()?;
        (length <= self.rest.len()).then(|| self.rest.split_to(length))
    }
}

/// A parcel ends in the middle of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Torn;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> ClaimName {
        ClaimName { queue: "q\n\"".into(), worker: "w".into(), seq: u64::MAX }
    }

    fn unpacked(parcels: Vec<Bytes>) -> Vec<(usize, Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        for bytes in parcels {
            let mut parcel = Parcel::open(bytes).unwrap();
            assert_eq!(parcel.claim, name());
            while let (at, Some(event)) = (parcel.at, parcel.next()) {
                let (channel, payload) = event.unwrap();
                all.push((at, channel.to_vec(), payload.to_vec()));
            }
        }
        all
    }

    proptest! {
        #[test]
        fn events_come_out_as_they_went_in_each_with_its_place(
            sent in prop::collection::vec(("[ab]{1,2}", prop::collection::vec(any::<u8>(), 1..40_000)), 0..20)
        ) {
            let mut events = Events::default();
            for (channel, payload) in &sent {
                events.push(channel, |out| out.extend_from_slice(payload));
            }
            let parcels = parcels(&name(), &events);
            for parcel in &parcels {
                prop_assert!(parcel.len() < 2 * PARCEL_BYTES, "{}", parcel.len());
            }
            let expected: Vec<_> = sent.into_iter().enumerate()
                .map(|(at, (channel, payload))| (at, channel.into_bytes(), payload)).collect();
            prop_assert_eq!(unpacked(parcels), expected);
        }

        #[test]
        fn what_is_no_parcel_is_read_to_its_end_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut whole = head(&name(), 3);
            whole.extend(&bytes);
            let mut parcel = Parcel::open(Bytes::from(whole)).unwrap();
            while let Some(Ok(_)) = parcel.next() {}
            prop_assert!(parcel.at <= 3 + bytes.len() / 8);
            prop_assert!(Parcel::open(Bytes::from(bytes)).is_none());
        }
    }
}
