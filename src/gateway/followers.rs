//! All who follow rooms: who is given a row of a room, and who is told a mark.
//!
//! Whoever is given rows one by one is no member of the room, but of one beside it: so the room's other events reach
//! it, and its rows do not reach it twice.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{adapter::Client, feed::Feed, follow::Follower};

/// The room in which those are who follow a room: what is no row reaches them there.
pub(super) fn aside(room: &str) -> String {
    format!("{ASIDE}{room}")
}

/// The room that those follow who are in this one; a room that nobody follows is itself.
pub(super) fn followed(room: &str) -> &str {
    room.strip_prefix(ASIDE).unwrap_or(room)
}

const ASIDE: &str = "\0follow:";

/// All followers.
#[derive(Default)]
pub(super) struct Followers(Mutex<Registry>);

#[derive(Default)]
struct Registry {
    /// Those to whom rows are given one by one, by namespace and room.
    rooms: HashMap<String, HashMap<String, Vec<Arc<Follower>>>>,
    /// Those who are told the marks.
    told: Vec<Arc<Follower>>,
}

impl Followers {
    pub(super) fn add(&self, follower: Arc<Follower>) {
        self.remove(&follower.client, &follower.room);
        let is_member = follower.is_member();
        if is_member {
            follower.client.join(follower.room.clone());
        } else {
            follower.client.leave(follower.room.clone());
            follower.client.join(aside(&follower.room));
        }
        let mut registry = self.lock();
        if follower.marks {
            registry.told.push(follower.clone());
        }
        if is_member {
            return;
        }
        let namespace = registry.rooms.entry(follower.client.ns().to_owned()).or_default();
        namespace.entry(follower.room.clone()).or_default().push(follower);
    }

    /// The client follows the room no more.
    pub(super) fn remove(&self, client: &Client, room: &str) {
        self.lock().take_out(|one| one.is_of(client) && one.room == room);
        client.leave(aside(room));
    }

    /// The client has gone.
    pub(super) fn remove_all(&self, client: &Client) {
        self.lock().take_out(|one| one.is_of(client));
    }

    /// Whether anybody follows any of these rooms.
    pub(super) fn follow(&self, namespace: &str, rooms: &[impl AsRef<str>]) -> bool {
        let registry = self.lock();
        let Some(followed) = registry.rooms.get(namespace).filter(|followed| !followed.is_empty()) else {
            return false;
        };
        rooms.iter().any(|room| followed.contains_key(room.as_ref()))
    }

    /// These rooms, and those in which their followers are.
    pub(super) fn with_aside<'r>(&self, namespace: &str, rooms: &'r [String]) -> Cow<'r, [String]> {
        let registry = self.lock();
        let Some(followed) = registry.rooms.get(namespace) else { return rooms.into() };
        let mut asides =
            rooms.iter().filter(|room| followed.contains_key(*room)).map(|room| aside(room)).peekable();
        if asides.peek().is_none() { rooms.into() } else { rooms.iter().cloned().chain(asides).collect() }
    }

    /// Those who follow any of these rooms.
    pub(super) fn of(&self, namespace: &str, rooms: &[impl AsRef<str>]) -> Vec<Arc<Follower>> {
        let registry = self.lock();
        let Some(namespace) = registry.rooms.get(namespace) else { return Vec::new() };
        rooms.iter().filter_map(|room| namespace.get(room.as_ref())).flatten().cloned().collect()
    }

    /// Tells the mark of a feed to those who follow it.
    pub(super) fn mark(&self, feed: &Arc<Feed>, mark: u64) {
        let told: Vec<_> =
            self.lock().told.iter().filter(|one| Arc::ptr_eq(&one.feed, feed)).cloned().collect();
        for follower in told.into_iter().filter(|follower| follower.mark(mark)) {
            follower.client.join(follower.room.clone());
            follower.client.leave(aside(&follower.room));
            self.lock().leave_room(|other| std::ptr::eq(other, &raw const *follower));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn take_out(&mut self, is_it: impl Fn(&Follower) -> bool) {
        let all = self.rooms.values().flat_map(HashMap::values).flatten().chain(&self.told);
        all.filter(|follower| is_it(follower)).for_each(|follower| follower.gone.cancel());
        self.told.retain(|follower| !is_it(follower));
        self.leave_room(is_it);
    }

    fn leave_room(&mut self, is_it: impl Fn(&Follower) -> bool) {
        for rooms in self.rooms.values_mut() {
            rooms.retain(|_, followers| {
                followers.retain(|follower| !is_it(follower));
                !followers.is_empty()
            });
        }
    }
}
