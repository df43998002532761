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

use super::{
    ClaimName, Frame, QUESTION, codec,
    parcel::{Parcel, Torn},
};

/// What workers of the same supervisor hand on.
#[derive(Debug)]
pub struct FromWorkers {
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    questions: OwnedWriteHalf,
    ended: bool,
    /// What has come and was not taken: a frame, and the parcel that is being unpacked.
    ahead: Option<Frame>,
    parcel: Option<Parcel>,
    heard: Heard,
    held: VecDeque<Vec<u8>>,
}

/// What comes out of [`FromWorkers`].
#[derive(Debug, PartialEq, Eq)]
pub enum Handed {
    /// An event.
    Event {
        /// The channel that it would have been published on.
        channel: Bytes,
        /// The message.
        payload: Bytes,
    },
    /// What was held back ([`FromWorkers::hold`]) until all was heard that had been handed on before.
    Held(Vec<u8>),
    /// Some of what was handed on is gone: there was too much of it, or it cannot be read.
    Gap,
}

impl FromWorkers {
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
            match self.unpack() {
                Some(Ok((channel, payload))) => return Handed::Event { channel, payload },
                Some(Err(Torn)) => return unreadable(),
                None => {}
            }
            let frame = match self.ahead.take() {
                Some(frame) => frame,
                None => self.frame().await,
            };
            match frame {
                Frame::Parcel(parcel) => match Parcel::open(parcel) {
                    Some(parcel) => self.parcel = Some(parcel),
                    None => return unreadable(),
                },
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
    fn unpack(&mut self) -> Option<Result<(Bytes, Bytes), Torn>> {
        let parcel = self.parcel.as_mut()?;
        let new = self.heard.new_from(&parcel.claim);
        let torn = loop {
            let at = parcel.at;
            match parcel.next() {
                Some(Ok(event)) if at >= new => return Some(Ok(event)),
                Some(Ok(_)) => {}
                Some(Err(torn)) => break Some(Err(torn)),
                None => break None,
            }
        };
        let Parcel { claim, at, .. } = self.parcel.take()?;
        self.heard.up_to(claim, at);
        torn
    }

    async fn frame(&mut self) -> Frame {
        while !self.ended {
            match self.frames.next().await {
                // What is of no kind that is known here is a parcel that cannot be read.
                Some(Ok(bytes)) => {
                    return Frame::from_bytes(bytes.freeze()).unwrap_or(Frame::Parcel(Bytes::new()));
                }
                // The control socket has the same end, which is where it is handled.
                None => self.ended = true,
                Some(Err(error)) => {
                    tracing::error!("what the supervisor hands on cannot be read any more: {error}");
                    self.ended = true;
                    return Frame::Gap;
                }
            }
        }
        std::future::pending().await
    }
}

/// Something of another version, most likely; its events are to be read back.
fn unreadable() -> Handed {
    tracing::warn!("what a worker has handed on cannot be read; its rows are read back");
    Handed::Gap
}

/// How much was heard of the last claims of each worker, by queue and number. Whoever ends a claim for a worker hands
/// on the same events in the same order, but it may be heard first: its socket is another one, which may be read
/// before that of the worker.
#[derive(Debug, Default)]
struct Heard(BTreeMap<String, BTreeMap<String, BTreeMap<u64, usize>>>);

/// So many workers are remembered. Their ids are ordered by time, so the oldest go.
const MOST_WORKERS: usize = 1_024;
/// So many claims of one worker and queue: more than a socket holds, so none is forgotten that can still be overtaken.
const MOST_CLAIMS: usize = 1_024;

impl Heard {
    /// From which place on the events of a claim are new.
    fn new_from(&self, claim: &ClaimName) -> usize {
        let Some(claims) = self.0.get(&claim.worker).and_then(|queues| queues.get(&claim.queue)) else {
            return 0;
        };
        let is_forgotten = claims.len() == MOST_CLAIMS
            && claims.first_key_value().is_some_and(|(oldest, _)| claim.seq < *oldest);
        claims.get(&claim.seq).copied().unwrap_or(if is_forgotten { usize::MAX } else { 0 })
    }

    /// The events of a claim before this place were heard.
    fn up_to(&mut self, claim: ClaimName, next: usize) {
        let claims = self.0.entry(claim.worker).or_default().entry(claim.queue).or_default();
        let heard = claims.entry(claim.seq).or_default();
        *heard = next.max(*heard);
        if claims.len() > MOST_CLAIMS {
            claims.pop_first();
        }
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
    fn an_event_is_new_once_whoever_hands_its_claim_on_and_in_whatever_order() {
        let mut heard = Heard::default();
        heard.up_to(claim("a", 2), 2);
        // Its rescuer begins from the start, and goes on where it had ended.
        assert_eq!(heard.new_from(&claim("a", 2)), 2);
        heard.up_to(claim("a", 2), 1);
        assert_eq!(heard.new_from(&claim("a", 2)), 2);
        assert_eq!(heard.new_from(&claim("b", 2)), 0);
        // The rescuer's socket was read before the worker's, which held the claim before.
        assert_eq!(heard.new_from(&claim("a", 1)), 0);
        heard.up_to(claim("a", 1), 9);
        assert_eq!((heard.new_from(&claim("a", 1)), heard.new_from(&claim("a", 3))), (9, 0));
        let other = ClaimName { queue: "other".into(), ..claim("a", 2) };
        assert_eq!(heard.new_from(&other), 0, "a worker counts its claims for each queue");
    }

    #[test]
    fn of_very_many_claims_the_oldest_count_as_heard_and_of_very_many_workers_the_oldest_are_forgotten() {
        let mut heard = Heard::default();
        (0..=MOST_CLAIMS as u64).for_each(|seq| heard.up_to(claim("0", seq), 1));
        assert_eq!((heard.new_from(&claim("0", 0)), heard.new_from(&claim("0", 1))), (usize::MAX, 1));
        (1..=MOST_WORKERS).for_each(|number| heard.up_to(claim(&format!("{number:09}"), 1), 1));
        assert_eq!(heard.0.len(), MOST_WORKERS);
        assert_eq!(heard.new_from(&claim("0", 1)), 0);
        assert_eq!(heard.new_from(&claim("000000002", 1)), 1);
    }
}
