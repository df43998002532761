//! What a client is given when it connects, and what becomes of what it says.

use std::{collections::HashSet, sync::Arc};

use serde_json::Value;
use socketioxide::{
    SendError, SocketError,
    extract::{AckSender, Event, TryData},
    handler::ConnectHandler,
};
use socketioxide_core::adapter::Room;

use super::{
    access::Access,
    adapter::{Adapter, Client, Hub},
    chatter::Chatter,
    slow::Slow,
    subscribe::{self, Answer, Refusal},
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
}

/// Takes the clients of a namespace.
pub(super) fn handler(rules: Rules) -> impl ConnectHandler<Adapter, (Client,)> {
    connected.with(async move |client: Client, TryData(auth): TryData<Value>| {
        rules.access.admit(&client, &auth.unwrap_or_default())?;
        admit(&client, rules);
        Ok::<_, Denied>(())
    })
}

async fn connected(client: Client) {
    tracing::debug!(client = %client.id, namespace = client.ns(), "connected");
}

/// Before the client hears that it is connected, so that nothing it says comes too early.
fn admit(client: &Client, rules: Rules) {
    // Its own room, as on a Node server.
    client.join(client.id.to_string());
    // One handler for all events is one allocation, and a client of ours says little.
    client.on_fallback(
        async move |client: Client,
                    Event(event),
                    TryData(argument): TryData<Value>,
                    ack: AckSender<Adapter>| {
            if !rules.chatter.permit(&client) {
                return;
            }
            let answer = Answer::from(answer(&client, &rules, &event, &argument.unwrap_or(Value::Null)));
            if let Err(SendError::Socket(SocketError::InternalChannelFull)) = ack.send(&answer) {
                rules.slow.drop_client(client);
            }
        },
    );
}

fn answer(client: &Client, rules: &Rules, event: &str, argument: &Value) -> Result<Vec<String>, Refusal> {
    let rooms = || subscribe::rooms(argument, rules.rooms, |room| rules.hub.has_client(room));
    match event {
        "subscribe" => {
            let asked = rooms()?;
            rules.access.permit(client, &asked)?;
            let own = client.id.to_string();
            let mut all: HashSet<Room> = client.rooms().into_iter().filter(|room| *room != own).collect();
            all.extend(asked.iter().cloned().map(Room::from));
            if all.len() > rules.rooms {
                return Err(Refusal::too_many(rules.rooms));
            }
            client.join(asked.clone());
            Ok(asked)
        }
        "unsubscribe" => {
            let asked = rooms()?;
            client.leave(asked.clone());
            Ok(asked)
        }
        "authenticate" => rules.access.renew(client, argument),
        _ => Err(Refusal::unknown_event()),
    }
}
