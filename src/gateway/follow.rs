//! Clients that get the rows of a room one by one from us, not as members of it: because they are catching up, or
//! because they want bundles.
//!
//! A follower that catches up is silent until its replay reaches the end; then it takes live rows, but for those that
//! the replay has sent. When the mark has passed all of these it is settled: nothing that it has can come again. One
//! without bundles then becomes a plain member of its room, which costs nothing.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use socketioxide_core::packet::Packet;
use tokio_util::sync::CancellationToken;

use super::{
    adapter::{Client, Hub, whom},
    feed::Feed,
    ids::Ids,
    marks::Known,
    packet::{self, Item},
    slow::Slow,
};

/// How a room is followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Follow {
    /// Rows come in bundles, at most so often.
    pub(super) every: Option<Duration>,
    /// It is told the marks, so that it can come back.
    pub(super) marks: bool,
    /// It takes live rows at once, and nothing is replayed.
    pub(super) live: bool,
}

/// A client and a room that it follows.
pub(super) struct Follower {
    pub(super) client: Client,
    pub(super) room: String,
    pub(super) feed: Arc<Feed>,
    every: Option<Duration>,
    /// Whether it is told the marks.
    pub(super) marks: bool,
    /// Ends what is done for it.
    pub(super) gone: CancellationToken,
    state: Mutex<State>,
    to: Outlet,
}

struct State {
    /// Whether live rows are for it.
    live: bool,
    /// Whether all is sent that was there before it was live.
    complete: bool,
    /// Whether no row that was sent can come again.
    settled: bool,
    /// The rows above what it was told that were sent until the replay was over.
    sent: Ids,
    /// The highest id that the replay has sent.
    replayed: u64,
    /// It was told that it has all rows up to here.
    told: Option<Told>,
    bundle: Vec<Item>,
    /// So many bytes were sent, not counting what frames them.
    given: u64,
    /// Whether a bundle's time is running.
    running: bool,
}

/// Up to where a client has all rows.
#[derive(Clone, Copy)]
struct Told {
    known: Known,
    /// How often ids were counted anew when it was told this here. Without it, it has been told so elsewhere: by a
    /// gateway that may be ahead of this one.
    anew: Option<u64>,
}

/// A row on its way to followers, in the forms in which they want it.
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) packet: Packet,
    pub(super) item: Item,
}

/// The way to one client.
#[derive(Clone)]
pub(super) struct Outlet {
    pub(super) hub: Arc<Hub>,
    pub(super) slow: Arc<Slow>,
}

/// A bundle of so many rows does not wait for its time.
const LARGEST_BUNDLE: usize = 1_000;

impl Told {
    /// By this gateway.
    fn here(feed: &Feed, id: u64) -> Self {
        let state = feed.state();
        Self { known: state.rounds.known(id), anew: Some(state.rounds.anew()) }
    }

    /// Whether the table was emptied since.
    fn is_of_old(&self, feed: &Feed) -> bool {
        self.anew.is_some_and(|anew| anew != feed.anew()) || feed.is_of_old(self.known)
    }
}

impl Outlet {
    fn send(&self, client: &Client, packet: Packet) {
        let Some(adapter) = self.hub.of(client.ns()) else { return };
        let nobody: [&str; 0] = [];
        // Each client is in the room of its own id.
        self.slow.send(&adapter, packet, whom(&[client.id.as_str()], &nobody));
    }
}

impl Follower {
    /// One that has all rows up to `since`.
    pub(super) fn new(
        client: &Client,
        room: &str,
        feed: &Arc<Feed>,
        follow: Follow,
        since: Option<u64>,
        to: Outlet,
    ) -> Arc<Self> {
        let Follow { every, marks, live } = follow;
        let state = State {
            live,
            complete: live,
            settled: live,
            sent: Ids::default(),
            replayed: 0,
            told: since.map(|id| Told { known: feed.known(id), anew: None }),
            bundle: Vec::new(),
            given: 0,
            running: false,
        };
        Arc::new(Self {
            client: client.clone(),
            room: room.to_owned(),
            feed: feed.clone(),
            every,
            marks,
            gone: CancellationToken::new(),
            state: Mutex::new(state),
            to,
        })
    }

    /// Takes a live row, unless the client has it through another room. In bundles each room is for itself.
    pub(super) fn take(self: &Arc<Self>, row: &Row, has_it: bool) {
        let mut state = self.lock();
        let has_it = has_it && self.every.is_none();
        if !state.live && !has_it {
            return;
        }
        // When the replay is over, what is live is for nobody to know again: however long the mark stands, nothing
        // grows.
        let new = match (state.settled, state.complete) {
            (true, _) => true,
            (false, true) => !state.sent.contains(row.id),
            (false, false) => state.sent.insert(row.id),
        };
        if new && !has_it {
            self.give(&mut state, row);
        }
    }

    /// Takes a row of the replay.
    pub(super) fn replay(self: &Arc<Self>, row: &Row) {
        let mut state = self.lock();
        state.replayed = state.replayed.max(row.id);
        if state.sent.insert(row.id) {
            self.give(&mut state, row);
        }
    }

    /// Whether it is no more than a member of its room that is told the marks.
    pub(super) fn is_member(&self) -> bool {
        self.every.is_none() && self.lock().settled
    }

    /// From now on live rows are for it; those before are being read once more.
    pub(super) fn go_live(&self) {
        self.lock().live = true;
    }

    /// The replay has come to the end.
    pub(super) fn complete(&self) {
        let mut state = self.lock();
        state.complete = true;
        if let Some(told) = state.told {
            self.tell(&mut state, told);
        }
    }

    /// Whether the table was emptied since the client was told what it has.
    pub(super) fn is_of_old(&self) -> bool {
        self.lock().told.is_some_and(|told| told.is_of_old(&self.feed))
    }

    /// All rows of the table are to be replayed: it was emptied. Before that nothing is live.
    pub(super) fn begin_anew(&self) {
        self.restart(&mut self.lock());
    }

    /// It has all rows up to here.
    pub(super) fn told(&self) -> Option<u64> {
        self.lock().told.map(|told| told.known.id)
    }

    /// So many bytes were sent to it.
    pub(super) fn given(&self) -> u64 {
        self.lock().given
    }

    /// The replay has sent all rows up to this id.
    pub(super) fn advance(&self, id: u64) {
        let mut state = self.lock();
        if state.told.is_none_or(|told| told.known.id < id) {
            self.tell(&mut state, Told::here(&self.feed, id));
        }
    }

    /// Its table's mark has moved. Returns whether it has just become one that a plain member of the room could be.
    pub(super) fn mark(&self, mark: u64) -> bool {
        let mut state = self.lock();
        if !state.complete {
            return false;
        }
        if state.told.is_some_and(|told| told.is_of_old(&self.feed)) {
            self.restart(&mut state);
        }
        let told = state.told.map(|told| told.known.id);
        if told.is_some_and(|told| mark < told) {
            // Another gateway was ahead of this one.
            return false;
        }
        let here = Told::here(&self.feed, mark);
        if told == Some(mark) {
            state.told = Some(here);
        } else {
            self.tell(&mut state, here);
        }
        let settles = !state.settled && mark >= state.replayed;
        if settles {
            state.settled = true;
            state.sent = Ids::default();
        }
        settles && self.every.is_none()
    }

    /// It is told its table's mark as it is now.
    pub(super) fn tell_mark(&self) {
        if let Some(mark) = self.feed.mark().filter(|_| !self.gone.is_cancelled()) {
            self.mark(mark);
        }
    }

    /// Its table was emptied: it hears of it by a mark that is lower, however far ids are counted anew already.
    fn restart(&self, state: &mut State) {
        (state.sent, state.replayed) = (Ids::default(), 0);
        self.tell(state, Told::here(&self.feed, 0));
    }

    /// It is told that it has all rows up to this id, behind those rows.
    fn tell(&self, state: &mut State, told: Told) {
        let id = told.known.id;
        state.sent.forget_up_to(id);
        state.told = Some(told);
        self.flush(state);
        if self.marks {
            self.send(state, packet::mark(self.client.ns(), &self.room, id, state.complete));
        }
    }

    fn give(self: &Arc<Self>, state: &mut State, row: &Row) {
        let Some(every) = self.every else { return self.send(state, row.packet.clone()) };
        state.bundle.push(row.item.clone());
        if state.bundle.len() >= LARGEST_BUNDLE {
            self.flush(state);
        } else if !std::mem::replace(&mut state.running, true) {
            let follower = self.clone();
            drop(tokio::spawn(async move {
                tokio::time::sleep(every).await;
                let mut state = follower.lock();
                state.running = false;
                follower.flush(&mut state);
            }));
        }
    }

    /// Sends what is bundled.
    pub(super) fn flush_now(&self) {
        self.flush(&mut self.lock());
    }

    fn flush(&self, state: &mut State) {
        if state.bundle.is_empty() {
            return;
        }
        let items = std::mem::take(&mut state.bundle);
        match packet::rows(self.client.ns(), &self.room, items) {
            Ok(packet) => self.send(state, packet),
            Err(error) => tracing::error!(room = self.room, "a bundle is lost: {error}"),
        }
    }

    fn send(&self, state: &mut State, packet: Packet) {
        if self.gone.is_cancelled() {
            return;
        }
        state.given += packet::size(&packet);
        self.to.send(&self.client, packet);
    }

    /// Whether it is this client that follows.
    pub(super) fn is_of(&self, client: &Client) -> bool {
        self.client.id == client.id && self.client.ns() == client.ns()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
