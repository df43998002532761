//! So that a browser which drops off and comes back misses nothing: rows are read back from the table, and joined with
//! those that are heard.
//!
//! * A client that subscribes with `since` gets the rows of the room above that id, then the live ones; now and then it
//!   hears the `mark`, which is what it gives as `since` the next time.
//! * When Redis was away, or too much came, the rows that were not heard are read back for everybody: see `repair`.
//!
//! Both rest on the marks, and on telling rows by their ids: what was read back and is heard afterwards is left out.
//! Marks are heard after the events that they cover: they come on the same connection, or are held back.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use redis::RedisResult;
use socketioxide_core::packet::Packet;
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use super::{
    adapter::{Hub, whom},
    counts::Counts,
    feed::Feed,
    follow::{Outlet, Row},
    followers::Followers,
    lines::Lines,
    packet::Item,
    repair,
    slow::Slow,
};
use crate::{
    config::GatewaySettings,
    emitter::Broadcast,
    queue::{Events, Link, Mark, Marks, describe},
    store::{Fault, Pages},
    telemetry::Outage,
};

/// Whether Redis is heard, and how often it was found so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Hearing {
    pub(super) now: bool,
    pub(super) times: u64,
}

/// What was read back for everybody.
pub(super) enum Repaired {
    /// Rows, as they were published.
    Rows(Events),
    /// All that a feed missed, when Redis was found for the so manieth time.
    Filled(Arc<Feed>, u64),
}

/// How often marks are asked for.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Everything that is known of rows, of what was heard of them, and of who follows them.
pub(super) struct CatchUp {
    pub(super) feeds: Vec<Arc<Feed>>,
    pub(super) followers: Followers,
    /// What rows are read back with; without a database nothing is.
    pub(super) pages: Option<Pages>,
    /// The prefix of the channels.
    pub(super) key: String,
    /// The channel on which marks come.
    pub(super) channel: String,
    hearing: watch::Sender<Hearing>,
    /// What was read back for everybody.
    pub(super) repaired: mpsc::Sender<Repaired>,
    marks: Marks,
    /// Whether rows can be read back.
    database: Mutex<Outage>,
    pub(super) outlet: Outlet,
    pub(super) lines: Arc<Lines>,
}

impl CatchUp {
    /// Also returns where the rows come from that were read back for everybody.
    ///
    /// # Errors
    /// An address that cannot be read.
    pub(super) fn new(
        settings: &GatewaySettings,
        hub: &Arc<Hub>,
        slow: &Arc<Slow>,
        lines: &Arc<Lines>,
    ) -> anyhow::Result<(Arc<Self>, mpsc::Receiver<Repaired>)> {
        let channel = format!("rowcast:marks:{}", ulid::Ulid::generate());
        let (repaired, rows) = mpsc::channel(1);
        let catch_up = Self {
            feeds: Feed::all(&settings.routes),
            followers: Followers::default(),
            pages: settings.database_url.as_ref().map(Pages::new).transpose()?,
            key: settings.publish.key.clone(),
            marks: Marks::new(Link::new(&settings.redis_url)?, &channel),
            channel,
            hearing: watch::Sender::default(),
            database: Mutex::new(Outage::new("MySQL")),
            repaired,
            outlet: Outlet { hub: hub.clone(), slow: slow.clone() },
            lines: lines.clone(),
        };
        Ok((Arc::new(catch_up), rows))
    }

    /// Asks for marks, for ever.
    pub(super) async fn keep_asking(&self) -> Infallible {
        let mut hearing = self.hearing.subscribe();
        loop {
            // It holds the other end itself.
            hearing.wait_for(|hearing| hearing.now).await.ok();
            if self.pages.is_some()
                && let Err(error) = self.ask_all().await
            {
                // An outage is told where the channels are heard.
                tracing::debug!("no marks: {}", describe(&error));
            }
            sleep(ASK_EVERY).await;
        }
    }

    async fn ask_all(&self) -> RedisResult<()> {
        join_all(self.feeds.iter().map(|feed| self.look(feed))).await;
        for (number, feed) in self.feeds.iter().enumerate() {
            let round = feed.state().rounds.begin();
            for (queue, name) in feed.queues.iter().enumerate() {
                let token = format!("{number}:{queue}:{round}");
                self.marks.ask(name, &feed.route.table.to_string(), &token).await?;
            }
        }
        Ok(())
    }

    /// How far the table's ids are counted says whether it was emptied, and what there was before anything was settled.
    async fn look(&self, feed: &Feed) {
        let Some(pages) = &self.pages else { return };
        let look = async { if feed.wants_look().await { feed.look(pages, &self.key).await } else { Ok(()) } };
        // The marks wait for it so long at most; it is asked again in the next round.
        match timeout(ASK_EVERY, look).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::debug!(queue = feed.route.queue, "its table cannot be read: {fault}"),
            Err(_) => tracing::debug!(queue = feed.route.queue, "its table is slow"),
        }
    }

    /// Takes a message of the marks' channel.
    pub(super) fn hear_mark(&self, message: &[u8]) {
        let Some(mark) = Mark::parse(message) else { return };
        let mut numbers = mark.token.split(':').map(str::parse::<u64>);
        let (Some(Ok(feed)), Some(Ok(queue)), Some(Ok(round))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return;
        };
        let (Ok(feed), Ok(queue)) = (usize::try_from(feed), usize::try_from(queue)) else { return };
        let Some(feed) = self.feeds.get(feed) else { return };
        let mark = feed.state().rounds.hear(round, queue, &mark);
        self.set_mark(feed, mark);
    }

    fn set_mark(&self, feed: &Arc<Feed>, mark: Option<u64>) {
        if let Some(mark) = mark.and_then(|mark| feed.set_mark(mark)) {
            self.followers.mark(feed, mark);
        }
    }

    /// The feed that a row's event belongs to, and the row's id.
    pub(super) fn row(&self, broadcast: &Broadcast) -> Option<(&Arc<Feed>, u64)> {
        self.feeds.iter().find_map(|feed| feed.row_id(broadcast).map(|id| (feed, id)))
    }

    /// Gives a row to those who follow its rooms one by one.
    pub(super) fn give(&self, broadcast: &Broadcast, id: u64, packet: Packet, item: Item) {
        let row = Row { id, packet, item };
        let adapter = self.outlet.hub.of(&broadcast.nsp);
        let mut served = Vec::new();
        for follower in self.followers.of(&broadcast.nsp, &broadcast.rooms) {
            let sid = follower.client.id;
            let member = adapter.as_ref().is_some_and(|adapter| {
                let rooms = adapter.local().socket_rooms(sid);
                rooms.iter().any(|room| broadcast.rooms.iter().any(|other| other == room))
            });
            follower.take(&row, member || served.contains(&sid));
            served.push(sid);
        }
    }
}

/// Redis comes and goes.
impl CatchUp {
    /// From now on messages are heard. What was missed is read back.
    pub(super) fn found(self: &Arc<Self>) {
        self.hearing.send_modify(|hearing| *hearing = Hearing { now: true, times: hearing.times + 1 });
        for feed in self.feeds.iter().filter(|feed| feed.state().gap.is_some()) {
            drop(tokio::spawn(repair::fill(self.clone(), feed.clone())));
        }
    }

    /// Messages are heard no more. Without a mark there is nobody yet who could miss anything.
    pub(super) fn lost(&self) {
        self.hearing.send_modify(|hearing| hearing.now = false);
        let readable = self.feeds.iter().filter(|feed| self.pages.is_some() && feed.is_readable());
        readable.for_each(|feed| _ = feed.state().gap.get_or_insert(None));
    }

    /// Whether Redis is heard.
    pub(super) fn hearing(&self) -> watch::Receiver<Hearing> {
        self.hearing.subscribe()
    }

    /// All that a feed missed has been heard, unless Redis was lost again meanwhile.
    pub(super) fn filled(&self, feed: &Arc<Feed>, times: u64) {
        if *self.hearing.borrow() == (Hearing { now: true, times }) {
            let newest = feed.state().gap.take().flatten();
            self.set_mark(feed, newest);
        }
    }

    /// Rows could not be read back, though somebody waits for them. It is told once, however many wait.
    pub(super) fn missed_database(&self, since: Instant, fault: &Fault) {
        self.database.lock().unwrap_or_else(PoisonError::into_inner).down(since, fault.to_string());
    }

    /// Rows can be read back.
    pub(super) fn reached_database(&self) {
        self.database.lock().unwrap_or_else(PoisonError::into_inner).up();
    }

    /// What the gateway counts.
    pub(super) fn counts(&self) -> &Counts {
        &self.outlet.hub.counts
    }

    /// Whether a namespace has any client at all.
    pub(super) fn anyone(&self, namespace: &str) -> bool {
        let nobody: [&str; 0] = [];
        let adapter = self.outlet.hub.of(namespace);
        adapter.is_some_and(|adapter| !adapter.local().sockets(whom(&nobody, &nobody)).is_empty())
    }
}
