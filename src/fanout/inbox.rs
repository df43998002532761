//! A gateway's end of the local fan-out.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    os::unix::net::UnixStream as Socket,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::net::{
    UnixStream,
    unix::{OwnedReadHalf, OwnedWriteHalf},
};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use super::{ClaimName, Frame, QUESTION, codec, parcel::Parcel};

/// What workers of the same supervisor hand on.
#[derive(Debug)]
pub struct Inbox {
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    questions: OwnedWriteHalf,
    ended: bool,
    /// What has come and was not taken: a frame, and the parcel that is being unpacked.
    ahead: Option<Frame>,
    parcel: Option<Parcel>,
    heard: Heard,
    held: VecDeque<Vec<u8>>,
}

/// What comes out of an [`Inbox`].
#[derive(Debug, PartialEq, Eq)]
pub enum Handed {
    /// An event.
    Event {
        /// The channel that it would have been published on.
        channel: Bytes,
        /// The message.
        payload: Bytes,
    },
    /// What was held back ([`Inbox::hold`]) until all was heard that had been handed on before.
    Held(Vec<u8>),
    /// Some of what was handed on is gone: there was too much of it.
    Gap,
}

impl Inbox {
    /// Takes over a socket that the supervisor has handed down. Call it within an event loop.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (frames, questions) = UnixStream::from_std(socket)?.into_split();
        Ok(Self {
            frames: FramedRead::new(frames, codec()),
            questions,
            ended: false,
            ahead: None,
            parcel: None,
            heard: Heard::default(),
            held: VecDeque::new(),
        })
    }

    /// The next that comes; after the end none. Whoever gives up waiting for it loses none.
    pub async fn next(&mut self) -> Handed {
        loop {
            if let Some((channel, payload)) = self.unpack() {
                return Handed::Event { channel, payload };
            }
            let frame = match self.ahead.take() {
                Some(frame) => frame,
                None => self.frame().await,
            };
            match frame {
                Frame::Parcel(parcel) => self.parcel = Parcel::open(parcel),
                Frame::Gap => return Handed::Gap,
                Frame::Sofar => {
                    if let Some(held) = self.held.pop_front() {
                        return Handed::Held(held);
                    }
                }
            }
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&mut self) -> bool {
        if self.ahead.is_none() {
            self.ahead = self.frame().now_or_never();
        }
        self.ahead.is_none() && self.parcel.is_none()
    }

    /// Holds a message back until all is heard that was handed on before this call. When the supervisor does not even
    /// take the question, the message is dropped.
    pub fn hold(&mut self, message: &[u8]) {
        match self.questions.try_write(&[QUESTION]) {
            Ok(1) => self.held.push_back(message.to_vec()),
            not => tracing::debug!("the supervisor does not hear a question: {not:?}"),
        }
    }

    /// The next event of the parcel at hand that was not heard before.
    fn unpack(&mut self) -> Option<(Bytes, Bytes)> {
        let parcel = self.parcel.as_mut()?;
        let new = self.heard.new_from(&parcel.claim);
        while let (at, Some(event)) = (parcel.at, parcel.next()) {
            if at >= new {
                return Some(event);
            }
        }
        let Parcel { claim, at, .. } = self.parcel.take()?;
        self.heard.up_to(claim, at);
        None
    }

    async fn frame(&mut self) -> Frame {
        while !self.ended {
            match self.frames.next().await {
                Some(Ok(bytes)) => match Frame::from_bytes(bytes.freeze()) {
                    Some(frame) => return frame,
                    None => tracing::warn!("the supervisor hands on what this version does not know"),
                },
                // The control socket has the same end, which is where it is handled.
                Some(Err(_)) | None => self.ended = true,
            }
        }
        std::future::pending().await
    }
}

/// How much was heard of the claims of each worker. It ends them one after the other, and whoever ends one for it hands
/// on the same events in the same order: so the last is all there is to know.
#[derive(Debug, Default)]
struct Heard(BTreeMap<String, BTreeMap<String, (u64, usize)>>);

/// So many workers are remembered. Their ids are ordered by time, so the oldest go.
const MOST_WORKERS: usize = 16_384;

impl Heard {
    /// From which place on the events of a claim are new.
    fn new_from(&self, claim: &ClaimName) -> usize {
        match self.0.get(&claim.worker).and_then(|queues| queues.get(&claim.queue)) {
            Some((seq, _)) if *seq > claim.seq => usize::MAX,
            Some((seq, next)) if *seq == claim.seq => *next,
            _ => 0,
        }
    }

    /// The events of a claim before this place were heard.
    fn up_to(&mut self, claim: ClaimName, next: usize) {
        let last = self.0.entry(claim.worker).or_default().entry(claim.queue).or_default();
        *last = (*last).max((claim.seq, next));
        if self.0.len() > MOST_WORKERS {
            self.0.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(worker: &str, seq: u64) -> ClaimName {
        ClaimName { queue: "q".into(), worker: worker.into(), seq }
    }

    #[test]
    fn an_event_is_new_once_whoever_hands_its_claim_on() {
        let mut heard = Heard::default();
        heard.up_to(claim("a", 1), 2);
        // Its rescuer begins from the start, and goes on where it had ended.
        assert_eq!(heard.new_from(&claim("a", 1)), 2);
        heard.up_to(claim("a", 1), 1);
        assert_eq!(heard.new_from(&claim("a", 1)), 2);
        assert_eq!(heard.new_from(&claim("b", 1)), 0);
        heard.up_to(claim("a", 2), 1);
        // It wakes up late.
        assert_eq!(heard.new_from(&claim("a", 1)), usize::MAX);
        heard.up_to(claim("a", 1), 9);
        assert_eq!((heard.new_from(&claim("a", 2)), heard.new_from(&claim("a", 3))), (1, 0));
        let other = ClaimName { queue: "other".into(), ..claim("a", 1) };
        assert_eq!(heard.new_from(&other), 0, "a worker counts its claims for each queue");
    }

    #[test]
    fn of_very_many_workers_the_oldest_are_forgotten() {
        let mut heard = Heard::default();
        (0..=MOST_WORKERS).for_each(|number| heard.up_to(claim(&format!("{number:09}"), 1), 1));
        assert_eq!(heard.0.len(), MOST_WORKERS);
        assert_eq!(heard.new_from(&claim("000000000", 1)), 0);
        assert_eq!(heard.new_from(&claim("000000001", 1)), 1);
    }
}
