//! Who may see what: a client's token is asked for when it connects, kept with it, looked at for every room, and ends
//! its connection when its time is over.
//!
//! Without a key in the settings nothing is asked for, and everybody may join every room. Rooms that an emitter or a
//! server moves a client to are theirs to decide on: no token is asked for.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::Uri;
use serde_json::Value;
use socketioxide::ProtocolVersion;
use time::OffsetDateTime;
use tokio::time::sleep;

use super::{
    adapter::{Client, Hub, Io},
    dismiss::Dismiss,
    followers,
    refusal::Refusal,
    subscribe::Asked,
    token::{Checker, Denied, Grant},
};
use crate::config::TokenSettings;

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What tokens decide.
pub(super) struct Access {
    checker: Option<Checker>,
    /// No token of a client ends before this second since 1970. It may be far too early, never too late.
    earliest: AtomicU64,
}

/// What a client's latest token allows.
#[derive(Clone)]
struct Held(Arc<Grant>);

impl Access {
    pub(super) fn new(tokens: Option<&TokenSettings>) -> Self {
        Self { checker: tokens.map(Checker::new), earliest: AtomicU64::new(u64::MAX) }
    }

    /// Lets a client into a namespace, or says why not. `auth` is what it sent with its request to connect.
    ///
    /// # Errors
    /// Why it may not connect.
    pub(super) fn admit(&self, client: &Client, auth: &Value) -> Result<(), Denied> {
        let Some(checker) = &self.checker else { return Ok(()) };
        let token = match client.protocol() {
            ProtocolVersion::V5 => auth["token"].as_str(),
            // Clients of socket.io 2 send nothing when they connect to a namespace.
            ProtocolVersion::V4 => token_in(&client.req_parts().uri),
        };
        let (id, namespace) = (client.id, client.ns());
        let grant = checker.check(token).inspect_err(|denied| {
            tracing::debug!(client = %id, namespace, "a client may not connect: {denied}");
        })?;
        tracing::debug!(client = %id, namespace, sub = grant.subject, "a client has a token");
        self.keep(client, grant);
        Ok(())
    }

    /// Whether a client of socket.io 2 may open a connection. It would not be closed when it is refused later.
    ///
    /// # Errors
    /// Why it may not.
    pub(super) fn admit_old(&self, uri: &Uri) -> Result<(), Denied> {
        self.checker.as_ref().map_or(Ok(()), |checker| checker.check(token_in(uri)).map(drop))
    }

    /// Whether a client may join these rooms.
    ///
    /// # Errors
    /// The refusal of the first that it may not join.
    pub(super) fn permit(&self, client: &Client, rooms: &[Asked]) -> Result<(), Refusal> {
        if self.checker.is_none() {
            return Ok(());
        }
        let held = client.extensions.get::<Held>();
        let may_join = |room: &str| held.as_ref().is_some_and(|held| held.0.rooms.hold(room));
        let mut rooms = rooms.iter().map(|asked| &*asked.room);
        rooms.find(|room| !may_join(room)).map_or(Ok(()), |room| Err(Refusal::forbidden(room)))
    }

    /// Takes a client's new token. The old one counts until the new one is accepted. Returns the rooms that the client
    /// had joined with the old one and may not be in with the new one; it is out of them.
    ///
    /// # Errors
    /// Why the token is not accepted.
    pub(super) fn renew(&self, client: &Client, argument: &Value) -> Result<Vec<String>, Refusal> {
        let Some(checker) = &self.checker else { return Err(Refusal::unknown_event()) };
        let new = checker.check(argument["token"].as_str()).map_err(Refusal::denied)?;
        let Some(held) = client.extensions.get::<Held>() else { return Err(Refusal::unknown_event()) };
        let lost = |room: &String| held.0.rooms.hold(room) && !new.rooms.hold(room);
        let own = client.id.to_string();
        let rooms = client.rooms().into_iter().map(|room| followers::followed(&room).to_owned());
        let lost: Vec<String> =
            rooms.filter(|room| *room != own && !room.contains(char::is_control) && lost(room)).collect();
        client.leave(lost.clone());
        self.keep(client, new);
        Ok(lost)
    }

    fn keep(&self, client: &Client, grant: Grant) {
        self.earliest.fetch_min(grant.ends, Ordering::Relaxed);
        client.extensions.insert(Held(Arc::new(grant)));
    }

    /// Looks at the clock for a client whose token was accepted a while ago: [`Access::watch`] knows of none that is
    /// not connected yet.
    pub(super) fn remember(&self, client: &Client) {
        if let Some(Held(grant)) = client.extensions.get::<Held>() {
            self.earliest.fetch_min(grant.ends, Ordering::Relaxed);
        }
    }

    /// Ends the connections of clients whose token's time is over, for ever. Nothing is kept for a client beside what
    /// is kept with it: there is nothing that could outlive it, and no timer for each.
    pub(super) async fn watch(&self, io: &Io, hub: &Hub, dismiss: &Dismiss) -> Infallible {
        loop {
            sleep(LOOK_EVERY).await;
            let now = OffsetDateTime::now_utc().unix_timestamp().max(0) as u64;
            if self.earliest.load(Ordering::Relaxed) < now {
                self.earliest.store(u64::MAX, Ordering::Relaxed);
                let namespaces = hub.names().into_iter().filter_map(|name| io.of(name));
                for client in namespaces.flat_map(|namespace| namespace.sockets()) {
                    self.look_at(client, now, dismiss);
                }
            }
        }
    }

    fn look_at(&self, client: Client, now: u64, dismiss: &Dismiss) {
        match client.extensions.get::<Held>() {
            Some(Held(grant)) if grant.ends < now => {
                let reason = "the token's time (exp) is over; connect again with a new one";
                dismiss.now(client, "expired", reason);
            }
            Some(Held(grant)) => drop(self.earliest.fetch_min(grant.ends, Ordering::Relaxed)),
            None => {}
        }
    }
}

/// The `token` of a query. A JWT has no letter that a query would encode.
fn token_in(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}
