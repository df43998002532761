//! What a client is given when it connects, and what becomes of what it says.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;
use socketioxide::{
    SendError, SocketError,
    extract::{AckSender, Event, TryData},
    handler::ConnectHandler,
};
use socketioxide_core::adapter::Room;
use tokio::sync::Mutex;

use super::{
    access::Access,
    adapter::{Adapter, Client, Hub},
    catch_up::CatchUp,
    chatter::Chatter,
    followers::aside,
    interest::Interest,
    refusal::{Answer, Refusal},
    slow::Slow,
    subscribe::{self, Asked},
    token::Denied,
};

/// What all clients may do.
#[derive(Clone)]
pub(super) struct Rules {
    /// The most rooms that one may be in, beside the one that is named like its id.
    pub(super) rooms: usize,
    /// The clients of all namespaces.
    pub(super) hub: Arc<Hub>,
    /// What becomes of one that does not read.
    pub(super) slow: Arc<Slow>,
    /// What its token allows.
    pub(super) access: Arc<Access>,
    /// How much it may say.
    pub(super) chatter: Arc<Chatter>,
    /// Where rows come from that were missed.
    pub(super) catch_up: Arc<CatchUp>,
    /// Which rooms are heard.
    pub(super) interest: Arc<Interest>,
}

/// What a client must wait for.
#[derive(Clone, Default)]
pub(super) struct Turn {
    /// Its message before is answered.
    messages: Arc<Mutex<()>>,
    /// The page of rows that was sent to it before is taken.
    pub(super) pages: Arc<Mutex<()>>,
}

/// Takes the clients of a namespace.
pub(super) fn handler(rules: Rules) -> impl ConnectHandler<Adapter, (Client,)> {
    connected.with(async move |client: Client, TryData(auth): TryData<Value>| {
        rules.access.admit(&client, &auth.unwrap_or_default())?;
        // What is for it alone is heard before it can tell anybody its id.
        let _own = rules.interest.hear(client.ns(), [client.id.as_str()]).await;
        rules.access.remember(&client);
        admit(&client, rules);
        Ok::<_, Denied>(())
    })
}

async fn connected(client: Client) {
    tracing::debug!(client = %client.id, namespace = client.ns(), "connected");
}

/// Before the client hears that it is connected, so that nothing it says comes too early.
fn admit(client: &Client, rules: Rules) {
    rules.slow.enter(client);
    // Its own room, as on a Node server.
    client.join(client.id.to_string());
    // One handler for all events is one allocation, and a client of ours says little.
    client.on_fallback(
        async move |client: Client,
                    Event(event),
                    TryData(argument): TryData<Value>,
                    ack: AckSender<Adapter>| {
            rules.hub.counts.said.add(1);
            if !rules.chatter.permit(&client) {
                return;
            }
            let argument = argument.unwrap_or(Value::Null);
            // What it says is done in its order: a room that it leaves stays left.
            let turn = client.extensions.get::<Turn>().unwrap_or_default();
            client.extensions.insert(turn.clone());
            let _turn = turn.messages.lock().await;
            let answer = Answer::from(answer(&client, &rules, &event, &argument).await);
            if let Err(SendError::Socket(SocketError::InternalChannelFull)) = ack.send(&answer) {
                rules.slow.drop_client(client);
            }
        },
    );
}

async fn answer(
    client: &Client,
    rules: &Rules,
    event: &str,
    argument: &Value,
) -> Result<Vec<String>, Refusal> {
    let rooms = || subscribe::rooms(argument, rules.rooms, |room| rules.hub.has_client(room));
    match event {
        "subscribe" => subscribe(client, rules, rooms()?).await,
        "unsubscribe" => {
            let asked = names(rooms()?);
            client.leave(asked.clone());
            asked.iter().for_each(|room| rules.catch_up.followers.remove(client, room));
            Ok(asked)
        }
        "authenticate" => {
            let left = rules.access.renew(client, argument)?;
            left.iter().for_each(|room| rules.catch_up.followers.remove(client, room));
            Ok(left)
        }
        _ => Err(Refusal::unknown_event()),
    }
}

async fn subscribe(client: &Client, rules: &Rules, asked: Vec<Asked>) -> Result<Vec<String>, Refusal> {
    rules.access.permit(client, &asked)?;
    let mut starts = Vec::new();
    for one in asked.iter().filter(|one| one.is_followed()) {
        starts.push((one, rules.catch_up.prepare(client, one).await?));
    }
    if rooms_with(client, &asked) > rules.rooms {
        return Err(Refusal::too_many(rules.rooms));
    }
    // They stay heard until it is in them.
    let _heard = rules.interest.hear(client.ns(), asked.iter().map(|one| &*one.room)).await;
    // Its token may have been replaced meanwhile, and it may have gone: nobody would take it out again. From here on
    // nothing is waited for.
    rules.access.permit(client, &asked)?;
    if !client.connected() {
        return Err(Refusal::gone());
    }
    for one in asked.iter().filter(|one| !one.is_followed()) {
        rules.catch_up.followers.remove(client, &one.room);
        client.join(one.room.clone());
    }
    for (one, start) in starts {
        rules.catch_up.start(client, one, start);
    }
    Ok(names(asked))
}

/// In how many rooms it would be with these, its own aside.
fn rooms_with(client: &Client, asked: &[Asked]) -> usize {
    let own = client.id.to_string();
    let mut all: HashSet<Room> = client.rooms().into_iter().filter(|room| *room != own).collect();
    for one in asked {
        // Where it follows a room already, that is replaced.
        all.remove(aside(&one.room).as_str());
        all.insert(one.room.clone().into());
    }
    all.len()
}

fn names(asked: Vec<Asked>) -> Vec<String> {
    asked.into_iter().map(|one| one.room).collect()
}
