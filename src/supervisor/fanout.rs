//! The middle of the local fan-out: what a worker hands on goes to each gateway. The form stands in [`crate::fanout`];
//! here no parcel is opened.
//!
//! It waits for no gateway: one that does not take what it is given loses what waits for it, and is told so. And it
//! answers a gateway's question only when it has taken out of the workers' sockets all that was in them when it heard
//! the question.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, ErrorKind, Read as _},
    os::unix::net::UnixStream as Socket,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use futures_util::SinkExt;
use rustix::io::ioctl_fionread;
use tokio::{
    io::{AsyncReadExt as _, Interest},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
};
use tokio_util::codec::{Decoder as _, FramedWrite, LengthDelimitedCodec};
use ulid::Ulid;

use crate::{
    control::Role,
    fanout::{Frame, codec},
};

/// What a supervisor knows of it; its clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Switch(Arc<Mutex<Hub>>);

#[derive(Debug, Default)]
struct Hub {
    workers: BTreeMap<Ulid, Worker>,
    gateways: BTreeMap<Ulid, Gateway>,
}

/// What a worker hands on is read here.
#[derive(Debug)]
struct Worker {
    socket: Socket,
    codec: LengthDelimitedCodec,
    /// The beginning of a frame whose end has not come.
    begun: BytesMut,
}

/// What a gateway is given.
#[derive(Debug)]
struct Gateway {
    id: Ulid,
    waiting: VecDeque<Bytes>,
    /// Of those that wait.
    bytes: usize,
    news: Arc<Notify>,
}

/// So many bytes may wait for a gateway: as many as Redis lets wait for a subscriber.
const MOST_WAITING: usize = 32 << 20;
/// What a frame takes beside its bytes.
const OVERHEAD: usize = 64;
/// So much is read of one worker before others have their turn.
const TURN: usize = 1 << 20;

/// What came of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drained {
    /// There may be more.
    Partly,
    /// Nothing is left.
    Dry,
    /// It was closed.
    Ended,
}

impl Switch {
    /// Takes over our end of a child's socket, until the child closes its own.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn attend(&self, role: Role, id: Ulid, socket: Socket) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let switch = self.clone();
        match role {
            Role::Worker => {
                let ready = UnixStream::from_std(socket.try_clone()?)?;
                self.lock().workers.insert(id, Worker { socket, codec: codec(), begun: BytesMut::new() });
                tokio::spawn(async move { switch.listen(id, &ready).await });
            }
            Role::Gateway => {
                let (questions, sink) = UnixStream::from_std(socket)?.into_split();
                self.lock().gateways.insert(id, Gateway::new(id));
                tokio::spawn(async move {
                    tokio::select! {
                        () = switch.answer(id, questions) => {}
                        () = switch.supply(id, sink) => {}
                    }
                    switch.lock().gateways.remove(&id);
                });
            }
        }
        Ok(())
    }

    /// Takes what a worker hands on, when there is some.
    async fn listen(&self, id: Ulid, ready: &UnixStream) {
        while ready.readable().await.is_ok() {
            let drained = ready.try_io(Interest::READABLE, || match self.lock().drain(id, TURN) {
                Drained::Dry => Err(ErrorKind::WouldBlock.into()),
                drained => Ok(drained),
            });
            match drained {
                Ok(Drained::Ended) => break,
                Ok(_) => tokio::task::yield_now().await,
                Err(_) => {}
            }
        }
        self.lock().workers.remove(&id);
    }

    /// Answers a gateway's questions, each a byte.
    async fn answer(&self, id: Ulid, mut questions: OwnedReadHalf) {
        let mut asked = [0; 64];
        while let Ok(count @ 1..) = questions.read(&mut asked).await {
            let mut hub = self.lock();
            hub.drain_all();
            if let Some(gateway) = hub.gateways.get_mut(&id) {
                (0..count).for_each(|_| gateway.give(Frame::Sofar.into_bytes()));
            }
        }
    }

    /// Sends a gateway what it is given.
    async fn supply(&self, id: Ulid, sink: OwnedWriteHalf) {
        let mut sink = FramedWrite::new(sink, codec());
        let Some(news) = self.lock().gateways.get(&id).map(|gateway| gateway.news.clone()) else { return };
        loop {
            loop {
                let next = self.lock().gateways.get_mut(&id).and_then(Gateway::take);
                let Some(frame) = next else { break };
                if sink.feed(frame).await.is_err() {
                    return;
                }
            }
            if SinkExt::<Bytes>::flush(&mut sink).await.is_err() {
                return;
            }
            news.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Hub> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Takes out of all workers' sockets what is in them now.
    fn drain_all(&mut self) {
        let workers: Vec<Ulid> = self.workers.keys().copied().collect();
        for id in workers {
            let pending = self.workers.get(&id).and_then(|worker| ioctl_fionread(&worker.socket).ok());
            // What cannot be asked is read to its end, which is as good.
            let pending = pending.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
            self.drain(id, pending);
        }
    }

    /// Gives each gateway what a worker has handed on, and stops when it has read so many bytes or more.
    fn drain(&mut self, id: Ulid, most: usize) -> Drained {
        let Some(worker) = self.workers.get_mut(&id) else { return Drained::Ended };
        let mut chunk = [0; 64 << 10];
        let mut read = 0;
        while read < most {
            // Not through the event loop, which may not have been told yet of what is there.
            match worker.socket.read(&mut chunk) {
                Ok(0) => return Drained::Ended,
                Ok(count) => {
                    read += count;
                    worker.begun.extend_from_slice(&chunk[..count]);
                    loop {
                        let frame = match worker.codec.decode(&mut worker.begun) {
                            Ok(Some(frame)) => frame.freeze(),
                            Ok(None) => break,
                            Err(error) => {
                                tracing::error!(worker = %id, "what a worker hands on cannot be read: {error}");
                                self.gateways.values_mut().for_each(|gateway| _ = gateway.forget());
                                return Drained::Ended;
                            }
                        };
                        self.gateways.values_mut().for_each(|gateway| gateway.give(frame.clone()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Drained::Dry,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Drained::Ended,
            }
        }
        Drained::Partly
    }
}

impl Gateway {
    fn new(id: Ulid) -> Self {
        Self { id, waiting: VecDeque::new(), bytes: 0, news: Arc::default() }
    }

    fn give(&mut self, frame: Bytes) {
        self.bytes += frame.len() + OVERHEAD;
        self.waiting.push_back(frame);
        if self.bytes > MOST_WAITING && self.forget() {
            tracing::warn!(
                gateway = %self.id,
                "a gateway does not take the events that workers hand on: what waits for it is dropped from now on, \
                 and it reads back what it can when it takes them again"
            );
        }
        self.news.notify_one();
    }

    fn take(&mut self) -> Option<Bytes> {
        let frame = self.waiting.pop_front()?;
        self.bytes -= frame.len() + OVERHEAD;
        Some(frame)
    }

    /// Forgets what it has not taken, but for answers: those it counts. Returns whether it knew everything before.
    fn forget(&mut self) -> bool {
        let (answer, gap) = (Frame::Sofar.into_bytes(), Frame::Gap.into_bytes());
        let was_whole = !self.waiting.contains(&gap);
        self.waiting.retain(|frame| *frame == answer);
        self.waiting.push_front(gap);
        self.bytes = self.waiting.iter().map(|frame| frame.len() + OVERHEAD).sum();
        self.news.notify_one();
        was_whole
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn parcel(text: &str) -> Bytes {
        Frame::Parcel(Bytes::copy_from_slice(text.as_bytes())).into_bytes()
    }

    fn taken(gateway: &mut Gateway) -> Vec<Option<Frame>> {
        std::iter::from_fn(|| gateway.take()).map(Frame::from_bytes).collect()
    }

    #[test]
    fn a_gateway_that_takes_nothing_keeps_its_answers_behind_one_gap() {
        let mut gateway = Gateway::new(Ulid::generate());
        let large = parcel(&"x".repeat(MOST_WAITING / 2 - OVERHEAD));
        for _ in 0..5 {
            gateway.give(Frame::Sofar.into_bytes());
            gateway.give(large.clone());
        }
        gateway.give(parcel("last"));
        let frames = taken(&mut gateway);
        let gaps = frames.iter().filter(|frame| **frame == Some(Frame::Gap)).count();
        let answers = frames.iter().filter(|frame| **frame == Some(Frame::Sofar)).count();
        assert_eq!((gaps, answers, gateway.bytes), (1, 5, 0));
        assert_eq!(frames[0], Some(Frame::Gap));
        assert_eq!(frames.last(), Some(&Frame::from_bytes(parcel("last"))));
    }

    #[test]
    fn what_is_in_the_sockets_is_given_whole_and_in_order_and_half_a_frame_waits_for_its_end() {
        let (mut worker, ours) = Socket::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (id, gateway) = (Ulid::generate(), Ulid::generate());
        let mut hub = Hub::default();
        hub.workers.insert(id, Worker { socket: ours, codec: codec(), begun: BytesMut::new() });
        hub.gateways.insert(gateway, Gateway::new(gateway));
        let frame = |text: &str| {
            let bytes = parcel(text);
            [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat()
        };
        let last = frame("c");
        worker.write_all(&[&frame("a")[..], &frame("b"), &last[..3]].concat()).unwrap();
        hub.drain_all();
        let frames = taken(hub.gateways.get_mut(&gateway).unwrap());
        assert_eq!(frames, [parcel("a"), parcel("b")].map(Frame::from_bytes));
        worker.write_all(&last[3..]).unwrap();
        assert_eq!(hub.drain(id, TURN), Drained::Dry);
        assert_eq!(taken(hub.gateways.get_mut(&gateway).unwrap()), [Frame::from_bytes(parcel("c"))]);
        worker.write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert_eq!(hub.drain(id, TURN), Drained::Ended, "no frame is so long");
        assert_eq!(taken(hub.gateways.get_mut(&gateway).unwrap()), [Some(Frame::Gap)]);
    }
}
