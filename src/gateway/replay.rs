//! A client catches up: the rows of its room above an id, read back page by page, and then the live ones.
//!
//! 1. Pages are read until there is nothing behind one. What is heard meanwhile is left out: it is in a page still to
//!    come, or above what the client was told.
//! 2. Should the table have been emptied since the client was told its id, all of it is read. From here on the client
//!    takes live rows. What lies between what it was told and this moment is read once more, and given where it was not
//!    given yet.
//! 3. When Redis was heard all the while, it is complete; else the second step is taken again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    catch_up::CatchUp,
    follow::{Follower, Row},
    laid::Laid,
    lines::LineRef,
    packet,
    sockets::Turn,
};
use crate::{
    backoff::Backoff,
    emitter::{Broadcast, Message, decode},
    store::{Fault, Page, Selection, StoredRow, Value},
};

/// What one client is owed.
pub(super) struct Replay {
    pub(super) catch_up: Arc<CatchUp>,
    pub(super) follower: Arc<Follower>,
    pub(super) laid: Arc<Laid>,
    /// The rows of the room, as the table was when it was last looked at; without it no row of the table can be in the
    /// room, or the table is to be looked at anew.
    pub(super) selection: Option<Box<Selection>>,
    pub(super) since: u64,
    /// The rows of the next page.
    pub(super) most: usize,
}

/// The most rows of one page: far fewer than a client's queue takes, live ones beside them.
const PAGE: usize = 1_000;
/// The rows of the first page, when it is not known yet how large they are.
pub(super) const FIRST_PAGE: usize = 16;
/// The bytes of one page, but for its last row.
pub(super) const PAGE_BYTES: usize = 1 << 20;
/// How often it is looked whether a page was taken.
const LOOK: Duration = Duration::from_millis(5);

impl Replay {
    /// Replays to the end, or until the client has gone.
    pub(super) async fn run(mut self) {
        let gone = self.follower.gone.clone();
        let client = self.follower.client.id;
        tokio::select! {
            () = gone.cancelled() => {}
            () = self.replay() => tracing::debug!(%client, "caught up"),
        }
    }

    async fn replay(&mut self) {
        self.read_above(self.since).await;
        let mut hearing = self.catch_up.hearing();
        loop {
            // What is missed while Redis is away is known from the mark on. It lives as long as we do.
            let Ok(heard) = hearing.wait_for(|hearing| hearing.now).await.map(|hearing| *hearing) else {
                return;
            };
            if self.follower.feed.marks().wait_for(Option::is_some).await.is_err() {
                return;
            }
            self.look().await;
            if self.follower.is_of_old() {
                self.follower.begin_anew();
            }
            self.follower.go_live();
            self.read_above(self.follower.told().unwrap_or(self.since)).await;
            if *hearing.borrow() == heard {
                break;
            }
        }
        self.follower.complete();
    }

    /// Looks at how far the table's ids are counted; while the database is away it waits.
    async fn look(&self) {
        let Some(pages) = &self.catch_up.pages else { return };
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let feed = &self.follower.feed;
        loop {
            let asked = Instant::now();
            match feed.look(pages, &self.catch_up.key).await {
                Err(trouble) if passes(&trouble) => self.catch_up.missed_database(asked, &trouble),
                // What cannot be read back is told when it is read.
                Ok(()) | Err(_) => return,
            }
            feed.forget_schema().await;
            sleep(backoff.next(fastrand::f64())).await;
        }
    }

    /// Gives the rows above an id, until there is nothing behind a page.
    async fn read_above(&mut self, mut id: u64) {
        // All rows up to it are there for every page that is read from now on. Above it a row may be committed behind
        // our back, when the page in which it would have been is read already.
        let mark = self.follower.feed.mark();
        loop {
            // One page at a time, of however many rooms.
            let turn = self.follower.client.extensions.get::<Turn>().unwrap_or_default();
            let _turn = turn.pages.lock().await;
            let Page { rows, more } = self.page(id).await;
            let Some(last) = rows.last().map(|row| row.id) else { return };
            self.most = StoredRow::as_many_as(&rows, PAGE_BYTES).min(PAGE);
            let before = self.follower.given();
            let paid = self.paid();
            let events = self.events(&rows);
            self.catch_up.counts().replayed.add(events.len() as u64);
            for row in events {
                self.follower.replay(&row);
            }
            self.follower.flush_now();
            id = last;
            if let Some(mark) = mark {
                self.follower.advance(mark.min(id));
            }
            if !more {
                return;
            }
            self.taken(paid.saturating_add(self.follower.given() - before)).await;
        }
    }

    /// The next page; while the database is away it waits, and where the table has changed it looks at it anew.
    async fn page(&mut self, id: u64) -> Page {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        loop {
            let asked = Instant::now();
            let trouble = match self.try_page(id).await {
                Ok(page) => {
                    self.catch_up.reached_database();
                    return page;
                }
                Err(fault) => fault,
            };
            self.follower.feed.forget_schema().await;
            let laid_anew = self.selection.take().is_none();
            if passes(&trouble) {
                self.catch_up.missed_database(asked, &trouble);
            } else if laid_anew {
                let lines = self.catch_up.lines.of(&self.follower.client);
                if !lines.is_empty() {
                    // It comes back by itself, and is then refused with the reason.
                    tracing::info!(room = self.follower.room, "a client cannot catch up any more: {trouble}");
                }
                lines.iter().for_each(LineRef::cut);
            }
            sleep(backoff.next(fastrand::f64())).await;
        }
    }

    async fn try_page(&mut self, id: u64) -> Result<Page, Fault> {
        let Some(pages) = &self.catch_up.pages else { return Ok(Page::default()) };
        if self.selection.is_none() {
            let Follower { feed, room, .. } = &*self.follower;
            self.laid = feed.lay(pages, &self.catch_up.key).await?;
            self.selection = self.laid.of_room(&feed.route, room).map_err(Fault::Route)?.map(Box::new);
        }
        match &self.selection {
            Some(selection) => {
                let _reader = self.follower.feed.readers.acquire().await;
                pages.above(selection, id, self.most, PAGE_BYTES).await
            }
            // No row can be in the room.
            None => Ok(Page::default()),
        }
    }

    /// The rows as they were published, as far as they are the room's: the condition may have fitted some more.
    fn events(&self, rows: &[StoredRow]) -> Vec<Row> {
        let broadcasts = read_back(&self.laid, &self.catch_up.key, rows);
        let broadcasts = broadcasts.into_iter().filter(|one| one.rooms.contains(&self.follower.room));
        broadcasts
            .filter_map(|broadcast| {
                let id = self.follower.feed.row_id(&broadcast)?;
                let (packet, item) = packet::with_item(&broadcast).ok()?;
                Some(Row { id, packet, item })
            })
            .collect()
    }

    /// Waits until the client has taken so many bytes altogether: its next page would only lie here.
    async fn taken(&self, bytes: u64) {
        while self.paid() < bytes {
            sleep(LOOK).await;
        }
    }

    /// All that the client has taken so far.
    fn paid(&self) -> u64 {
        let debt = self.catch_up.lines.debts.of(self.follower.client.id);
        debt.map_or(u64::MAX, |debt| debt.paid())
    }
}

/// Rows as the broadcasts that they were: through the same encoding, so that they do not differ.
fn read_back(laid: &Laid, key: &str, rows: &[StoredRow]) -> Vec<Broadcast> {
    let events = laid.writer.write_again(values(rows));
    let broadcasts = events.iter().filter_map(|(channel, payload)| {
        match decode(key, std::str::from_utf8(channel).ok()?, payload).ok()? {
            Message::Broadcast(broadcast) => Some(broadcast),
            Message::Request(_) => None,
        }
    });
    broadcasts.collect()
}

/// The rows in the form that their events are written from.
pub(super) fn values(rows: &[StoredRow]) -> impl Iterator<Item = (u64, &[Value<'static>])> {
    rows.iter().map(|row| (row.id, row.values.as_slice()))
}

/// Whether waiting helps.
pub(super) fn passes(fault: &Fault) -> bool {
    !matches!(fault, Fault::Route(_))
}
