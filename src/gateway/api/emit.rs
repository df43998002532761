//! `POST /api/emit`: what `rowcast emit` does, for programs.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, No, refuse, unavailable};
use crate::{
    emitter::{Outgoing, Target},
    gateway::operators::Asker,
    queue::{Link, describe},
};

/// An event to send, as `rowcast emit` takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Emit {
    /// The room; without it everybody in the namespace is meant, which must be said.
    room: Option<String>,
    #[serde(default)]
    all: bool,
    event: String,
    /// The event's one argument; without it the event has none.
    data: Option<Value>,
    namespace: Option<String>,
}

impl Emit {
    /// The message for the channels with this prefix, or why there can be none.
    fn message(self, key: &str) -> Result<Outgoing, String> {
        let rooms: Vec<String> = match (self.room, self.all) {
            (Some(room), false) if !room.is_empty() => vec![room],
            (None, true) => Vec::new(),
            _ => return Err("expected a room, or \"all\": true without one".to_owned()),
        };
        let target = Target::new().with_key(key).of(self.namespace.as_deref().unwrap_or("/")).to(rooms);
        let message = match &self.data {
            Some(data) => target.event(&self.event, data),
            None => target.event_args(&self.event, &()),
        };
        message.map_err(|error| error.to_string())
    }
}

/// Sends it.
pub(super) async fn emit(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    emit: Result<Json<Emit>, JsonRejection>,
) -> Response {
    // Programs send thousands of them.
    tracing::debug!(by = %asker, "an event is to be sent");
    let message = match emit {
        Ok(Json(emit)) => emit.message(&api.key),
        Err(rejection) => return No::from(rejection).into_response(),
    };
    match message {
        Ok(message) => publish(&api.redis, &message).await,
        Err(why) => refuse(StatusCode::BAD_REQUEST, "bad_request", &why),
    }
}

async fn publish(redis: &Link, message: &Outgoing) -> Response {
    match redis.publish(&message.channel, &message.payload).await {
        Ok(heard) => Json(json!({ "ok": true, "heard": heard })).into_response(),
        Err(error) => unavailable(&describe(&error)),
    }
}
