//! What programs ask over HTTP: to send an event, and for the numbers.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{ConnectInfo, Request, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    lines::LineRef,
    metrics::Metrics,
    operators::{self, Wants},
};
use crate::{
    config::Operators,
    emitter::Target,
    queue::{Link, describe},
};

/// What the API works with.
pub(super) struct Api {
    pub(super) operators: Operators,
    pub(super) redis: Link,
    /// The prefix of the channels.
    pub(super) key: String,
    pub(super) metrics: Metrics,
}

/// `POST /api/emit` and `GET /metrics`.
pub(super) fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let of = |wants| (api.clone(), wants);
    let looking = Router::new()
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(of(Wants::Look), permitted));
    let acting = Router::new()
        .route("/api/emit", post(emit))
        .layer(middleware::from_fn_with_state(of(Wants::Act), permitted));
    looking.merge(acting).with_state(api)
}

async fn permitted(
    State((api, wants)): State<(Arc<Api>, Wants)>,
    ConnectInfo(line): ConnectInfo<LineRef>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    match operators::check(&api.operators, wants, &headers, line.peer()) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => refuse(status, "not_permitted", why),
    }
}

/// An event to send, as `rowcast emit` takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Emit {
    /// The room; without it everybody in the namespace is meant, which must be said.
    room: Option<String>,
    #[serde(default)]
    all: bool,
    event: String,
    /// The event's one argument; without it the event has none.
    data: Option<Value>,
    namespace: Option<String>,
}

async fn emit(State(api): State<Arc<Api>>, emit: Result<Json<Emit>, JsonRejection>) -> Response {
    let emit = match emit {
        Ok(Json(emit)) => emit,
        Err(rejection) => return refuse(rejection.status(), "bad_request", &rejection.body_text()),
    };
    let rooms: Vec<String> = match (emit.room, emit.all) {
        (Some(room), false) if !room.is_empty() => vec![room],
        (None, true) => Vec::new(),
        _ => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "bad_request",
                "expected a room, or \"all\": true without one",
            );
        }
    };
    let target = Target::new().with_key(&api.key).of(emit.namespace.as_deref().unwrap_or("/")).to(rooms);
    let message = match &emit.data {
        Some(data) => target.event(&emit.event, data),
        None => target.event_args(&emit.event, &()),
    };
    let message = match message {
        Ok(message) => message,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, "bad_request", &error.to_string()),
    };
    let mut publish = redis::cmd("PUBLISH");
    publish.arg(message.channel).arg(message.payload);
    match api.redis.query::<u64>(&publish).await {
        Ok(heard) => Json(json!({ "ok": true, "heard": heard })).into_response(),
        Err(error) => refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &describe(&error)),
    }
}

async fn metrics(State(api): State<Arc<Api>>) -> Response {
    match api.metrics.text().await {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "unavailable", &error.to_string()),
    }
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "ok": false, "code": code, "message": message }))).into_response()
}
