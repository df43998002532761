//! How following a room begins: what it takes, or why it cannot be.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    adapter::Client,
    catch_up::CatchUp,
    feed::Feed,
    follow::{Follow, Follower},
    laid::Laid,
    refusal::Refusal,
    replay::{FIRST_PAGE, Replay},
    subscribe::{Asked, Since},
};
use crate::store::{Fault, Selection};

/// How long a client that subscribes waits for the table's schema.
const PATIENCE: Duration = Duration::from_secs(5);

/// How following a room begins.
pub(super) enum Start {
    /// With what comes now.
    Live { feed: Arc<Feed>, marks: bool },
    /// With what is in the table; without a selection no row of it can be in the room.
    Replay { feed: Arc<Feed>, laid: Arc<Laid>, selection: Option<Box<Selection>>, since: u64 },
}

impl CatchUp {
    /// What following a room takes, before anything is done.
    ///
    /// # Errors
    /// The refusal of what cannot be.
    pub(super) async fn prepare(self: &Arc<Self>, client: &Client, asked: &Asked) -> Result<Start, Refusal> {
        let refusal = |code, message: &str| Refusal::of_room(code, message.to_owned(), &asked.room);
        let feeds = self.feeds.iter().filter(|feed| feed.feeds(client.ns(), &asked.room));
        let feeds: Vec<&Arc<Feed>> = feeds.collect();
        let [feed] = feeds.as_slice() else {
            let message = match feeds.len() {
                0 => {
                    "no route that this gateway has brings rows to this room; subscribe to it without since and every_ms, or give the gateway the route"
                }
                _ => "the rows of several tables go to this room; name rooms of one table",
            };
            return Err(refusal("no_rows", message));
        };
        let now = |marks| Start::Live { feed: (*feed).clone(), marks };
        let Some(since) = asked.since else { return Ok(now(false)) };
        let Some(pages) = &self.pages else {
            return Err(refusal(
                "cannot_catch_up",
                "this server knows no DATABASE_URL to read rows back from",
            ));
        };
        let laid = match timeout(PATIENCE, feed.lay(pages, &self.key)).await {
            Ok(Ok(laid)) => laid,
            Ok(Err(Fault::Route(why))) => return Err(refusal("cannot_catch_up", &why)),
            Ok(Err(_)) | Err(_) => {
                return Err(refusal("unavailable", "the database cannot be reached; try again"));
            }
        };
        let selection = laid.of_room(&feed.route, &asked.room);
        let selection = selection.map_err(|why| refusal("cannot_catch_up", &why))?;
        Ok(match since {
            Since::Now => now(true),
            Since::Id(since) => {
                Start::Replay { feed: (*feed).clone(), laid, selection: selection.map(Box::new), since }
            }
        })
    }

    /// Begins what was prepared.
    pub(super) fn start(self: &Arc<Self>, client: &Client, asked: &Asked, start: Start) {
        let follower = |feed: &Arc<Feed>, since, marks, live| {
            let follow = Follow { every: asked.every, marks, live };
            Follower::new(client, &asked.room, feed, follow, since, self.outlet.clone())
        };
        let catch_up = self.clone();
        client.on_disconnect(async move |client: Client| {
            catch_up.followers.remove_all(&client);
        });
        match start {
            Start::Live { feed, marks } => {
                let follower = follower(&feed, None, marks, true);
                self.followers.add(follower.clone());
                if marks {
                    // Right behind the acknowledgement: should it lose its connection before the next mark, it has
                    // something to come back with.
                    drop(tokio::spawn(async move { follower.tell_mark() }));
                }
            }
            Start::Replay { feed, laid, selection, since } => {
                let follower = follower(&feed, Some(since), true, false);
                self.followers.add(follower.clone());
                let replay =
                    Replay { catch_up: self.clone(), follower, laid, selection, since, most: FIRST_PAGE };
                drop(tokio::spawn(replay.run()));
            }
        }
    }
}
