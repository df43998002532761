//! Where the rows of a room come from: the route that publishes them, and the table that they can be read back from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};

use super::{
    ids::Ids,
    laid::Laid,
    marks::{Known, Rounds},
};
use crate::{
    emitter::{Broadcast, Value},
    route::Route,
    store::{Fault, Pages},
};

/// One table's rows as one event in one namespace.
#[derive(Debug)]
pub(super) struct Feed {
    /// Its route; all that feed it differ in their queues alone.
    pub(super) route: Route,
    /// All queues that fill its table.
    pub(super) queues: Vec<String>,
    /// Why it cannot be read back, when a look at the routes shows it.
    pub(super) unreadable: Option<String>,
    laid: tokio::sync::Mutex<Option<Arc<Laid>>>,
    looking: tokio::sync::Mutex<()>,
    /// So many read its table at the same time: one that is locked must not hold up those of others.
    pub(super) readers: Semaphore,
    /// All rows up to this id were heard, or came before the first mark.
    mark: watch::Sender<Option<u64>>,
    state: Mutex<State>,
}

/// What has been heard of a feed.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rounds: Rounds,
    /// The rows above the mark that were heard, where anybody here wanted them.
    heard: Ids,
    /// Those that were read back for everybody: each of them may still be heard, because it is published late.
    repaired: Ids,
    /// How often ids were counted anew before those.
    anew: u64,
    /// Since Redis was lost: what was missed is still to be read. The mark stands meanwhile; the newest waits here.
    pub(super) gap: Option<Option<u64>>,
}

/// Far fewer than there are connections.
const READERS: usize = 2;

impl Feed {
    /// The feeds of all routes that publish.
    pub(super) fn all(routes: &[Route]) -> Vec<Arc<Self>> {
        let mut feeds: Vec<Self> = Vec::new();
        for route in routes.iter().filter(|route| route.publish) {
            let same = |feed: &Self| {
                let (one, other) = (&feed.route, route);
                (&one.namespace, &one.event, &one.table) == (&other.namespace, &other.event, &other.table)
            };
            if !feeds.iter().any(same) {
                feeds.push(Self::of(route, routes));
            }
        }
        feeds.into_iter().map(Arc::new).collect()
    }

    pub(super) fn of(route: &Route, routes: &[Route]) -> Self {
        let filling = routes.iter().filter(|other| other.table == route.table);
        let queues: Vec<String> = filling.map(|route| route.queue.clone()).collect();
        let rounds = Rounds::new(queues.len());
        // Nobody may read back what another route has put there for others, or for nobody.
        let differs = |other: &Route| *route != Route { queue: route.queue.clone(), ..other.clone() };
        let mixed = routes.iter().any(|other| may_be_same(route, other) && differs(other));
        let why = || format!("routes that differ fill tables of the name {}", route.table.name);
        Self {
            route: route.clone(),
            queues,
            unreadable: mixed.then(why),
            laid: tokio::sync::Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            readers: Semaphore::new(READERS),
            mark: watch::Sender::default(),
            state: Mutex::new(State {
                rounds,
                heard: Ids::default(),
                repaired: Ids::default(),
                anew: 0,
                gap: None,
            }),
        }
    }

    /// Whether its rows may go to a room.
    pub(super) fn feeds(&self, namespace: &str, room: &str) -> bool {
        let made = |ways: Option<Vec<_>>| ways.is_none_or(|ways: Vec<_>| !ways.is_empty());
        let table = &self.route.table.name;
        self.route.namespace == namespace
            && self.route.rooms.iter().any(|template| made(template.read(table, room)))
    }

    /// The counted id of the row in an event, when it is one of this feed's.
    pub(super) fn row_id(&self, broadcast: &Broadcast) -> Option<u64> {
        let Route { namespace, event, table, .. } = &self.route;
        let [data] = broadcast.args.as_slice() else { return None };
        let ours = (&broadcast.nsp, &broadcast.event) == (namespace, event)
            && data.get("table").and_then(Value::as_str) == Some(&table.name);
        match data.get("id").filter(|_| ours)? {
            Value::Int(id) => u64::try_from(*id).ok(),
            Value::UInt(id) => Some(*id),
            Value::Str(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Whether there is a mark to read back from, and nothing in the routes against it.
    pub(super) fn is_readable(&self) -> bool {
        self.unreadable.is_none() && self.mark().is_some()
    }

    /// What was learnt of the table is no longer so.
    pub(super) async fn forget_schema(&self) {
        *self.laid.lock().await = None;
    }

    /// The mark; it moves.
    pub(super) fn marks(&self) -> watch::Receiver<Option<u64>> {
        self.mark.subscribe()
    }

    /// The mark as it is now.
    pub(super) fn mark(&self) -> Option<u64> {
        *self.mark.borrow()
    }

    /// Whether a row is new that is heard, or that is read back `again` for everybody. Who publishes twice is heard
    /// twice: only what was read back and is heard, or the other way round, is one row.
    pub(super) fn note(&self, id: u64, again: bool) -> bool {
        let state = &mut *self.state();
        if self.unreadable.is_some() {
            return true;
        }
        if again {
            return !state.heard.contains(id) && state.repaired.insert(id);
        }
        // What is below the mark was heard long since; a table that counts anew has such ids again.
        if state.gap.is_some() || self.mark().is_none_or(|mark| id > mark) {
            state.heard.insert(id);
        }
        !state.repaired.contains(id)
    }

    /// An id that somebody knows now.
    pub(super) fn known(&self, id: u64) -> Known {
        self.state().rounds.known(id)
    }

    /// How often its ids were counted anew.
    pub(super) fn anew(&self) -> u64 {
        self.state().rounds.anew()
    }

    /// Whether an id was counted before the table was emptied, as far as the last look at it has shown.
    pub(super) fn is_of_old(&self, known: Known) -> bool {
        self.state().rounds.is_of_old(known)
    }

    /// Looks at how far the table's ids are counted; however many ask for it, once.
    ///
    /// # Errors
    /// As [`Feed::lay`].
    pub(super) async fn look(&self, pages: &Pages, key: &str) -> Result<(), Fault> {
        let asked = self.known(0);
        // Whoever waits here for another look has one that began later than this.
        let _looking = self.looking.lock().await;
        if self.state().rounds.has_looked_since(asked) {
            return Ok(());
        }
        let everything = self.lay(pages, key).await?.everything();
        let look = self.state().rounds.look();
        let counted = pages.counted(&everything).await?;
        self.state().rounds.looked(look, counted);
        Ok(())
    }

    /// Whether it is known, or wanted, how far its table's ids are counted.
    pub(super) async fn wants_look(&self) -> bool {
        self.laid.lock().await.is_some() || self.state().rounds.wants_base()
    }

    /// Sets the mark, unless a gap is still to be filled. Returns it when it stands.
    pub(super) fn set_mark(&self, mark: u64) -> Option<u64> {
        let mut state = self.state();
        if let Some(newest) = &mut state.gap {
            *newest = Some(mark);
            return None;
        }
        let anew = state.rounds.anew();
        let up_to = if std::mem::replace(&mut state.anew, anew) == anew { mark } else { u64::MAX };
        state.heard.forget_up_to(up_to);
        state.repaired.forget_up_to(up_to);
        self.mark.send_replace(Some(mark));
        Some(mark)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The route laid over the schema, as it was a minute ago at most.
    ///
    /// # Errors
    /// [`Fault::Route`] when the table's rows cannot be read back, otherwise as the server says.
    pub(super) async fn lay(&self, pages: &Pages, key: &str) -> Result<Arc<Laid>, Fault> {
        if let Some(why) = &self.unreadable {
            return Err(Fault::Route(why.clone()));
        }
        let mut laid = self.laid.lock().await;
        if let Some(laid) = laid.as_ref().filter(|laid| laid.is_fresh()) {
            return Ok(laid.clone());
        }
        let _reader = self.readers.acquire().await;
        let (schema, indexes) = pages.schema(&self.route.table).await?;
        let new = Arc::new(Laid::new(&self.route, schema, indexes, key).map_err(Fault::Route)?);
        *laid = Some(new.clone());
        Ok(new)
    }
}

/// Whether two routes may fill the same table, or tables that events do not tell apart: those say no database.
fn may_be_same(one: &Route, other: &Route) -> bool {
    one.table.name.eq_ignore_ascii_case(&other.table.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{RoomTemplate, Table};

    fn route(rooms: &[&str]) -> Route {
        let rooms = rooms.iter().map(|room| RoomTemplate::parse(room).unwrap()).collect();
        Route { rooms, ..Route::new("q", Table::parse("orders").unwrap()) }
    }

    #[test]
    fn a_table_that_other_routes_fill_otherwise_is_not_read_back() {
        let one = route(&["{table}"]);
        let queue = |queue: &str, route: &Route| Route { queue: queue.into(), ..route.clone() };
        let readable = |other: Route| Feed::all(&[one.clone(), other])[0].unreadable.is_none();
        assert!(readable(queue("other", &one)), "only the queue differs");
        let database = Table::parse("db.orders").unwrap();
        for other in [
            Route { publish: false, ..queue("other", &one) },
            Route { namespace: "/private".into(), ..queue("other", &one) },
            // Events do not say which database.
            Route { table: database, ..queue("other", &one) },
            queue("other", &route(&["secret"])),
        ] {
            assert!(!readable(other.clone()), "{other:?}");
        }
        assert!(readable(Route { table: Table::parse("others").unwrap(), ..queue("other", &one) }));
    }

    #[test]
    fn a_row_that_was_read_back_is_not_new_when_it_is_heard() {
        let feed = Feed::all(&[route(&["{table}"])]).remove(0);
        assert!(feed.note(5, false) && feed.note(5, false), "whoever publishes it twice is heard twice");
        assert!(!feed.note(5, true), "it was heard");
        assert_eq!(feed.set_mark(9), Some(9));
        feed.state().gap = Some(None);
        assert_eq!(feed.set_mark(12), None);
        assert!(feed.note(11, true) && !feed.note(11, true) && !feed.note(11, false));
        assert_eq!((feed.mark(), feed.state().gap), (Some(9), Some(Some(12))));
    }
}
