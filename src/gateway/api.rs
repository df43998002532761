//! What programs ask over HTTP: to send an event, how the cluster stands, and for the numbers. The dashboard is one.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::{
        ConnectInfo, DefaultBodyLimit, Request, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    adapter::Hub,
    dashboard, letters,
    lines::{LineRef, Lines},
    login::{self, Login},
    metrics::Numbers,
    operators::{self, Asker, Refused, Wants},
    orders, queues,
    series::Series,
    sweep::{self, Pace},
};
use crate::{
    config::Operators,
    emitter::{Outgoing, Target},
    queue::{History, Link, describe},
    route::Route,
    status::{Cluster, Status},
};

/// How long Redis may take to tell how the cluster stands: less than whoever asks waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// The most that a request may hold: a job of a megabyte, as JSON that escapes much of it.
const LARGEST: usize = 8 << 20;
/// So much of what happened to processes is shown.
const SHOWN: usize = 100;

/// What the API works with.
pub(super) struct Api {
    pub(super) operators: Operators,
    pub(super) redis: Link,
    /// The prefix of the channels.
    pub(super) key: String,
    pub(super) routes: Vec<Route>,
    pub(super) hub: Arc<Hub>,
    pub(super) lines: Arc<Lines>,
    pub(super) series: Series,
    pub(super) login: Login,
    pub(super) pace: Pace,
    /// Whether a client needs a token to join a room.
    pub(super) rooms_need_token: bool,
}

/// `POST /api/emit` and `/api/orders`, `GET /api/status` and `/metrics`; and what the dashboard asks and does, with its
/// way in and out.
pub(super) fn router(api: Arc<Api>) -> Router {
    let of = |wants| (api.clone(), wants);
    let looking = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/status", get(status))
        .route("/api/dashboard", get(dashboard::told))
        .route("/api/dead", get(letters::groups))
        .route("/api/dead/letter", get(letters::letter))
        .route("/api/dead/job", get(letters::job))
        .layer(middleware::from_fn_with_state(of(Wants::Look), permitted));
    let acting = Router::new()
        .route("/api/emit", post(emit))
        .route("/api/orders", post(orders::give))
        .route("/api/queue", post(queues::change))
        .route("/api/dead/one", post(sweep::one))
        .route("/api/dead/group", post(sweep::group))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn_with_state(of(Wants::Act), permitted));
    let anybody =
        Router::new().route("/api/login", post(login::log_in)).route("/api/logout", post(login::log_out));
    looking.merge(acting).merge(anybody).with_state(api)
}

async fn permitted(
    State((api, wants)): State<(Arc<Api>, Wants)>,
    ConnectInfo(line): ConnectInfo<LineRef>,
    headers: HeaderMap,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(peer) = line.peer() else { return login::hung_up() };
    let client = api.login.client(peer, &headers);
    let cookie = api.login.right(&headers);
    match operators::check(&api.operators, wants, &headers, peer, cookie) {
        Ok(right) => {
            request.extensions_mut().insert(Asker { right, client, logged_in: cookie.is_some() });
            next.run(request).await
        }
        Err(refused) if refused.is_guess && !api.login.may_try(client) => login::too_many(),
        Err(Refused { status, why, .. }) => refuse(status, "not_permitted", why),
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

async fn emit(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    emit: Result<Json<Emit>, JsonRejection>,
) -> Response {
    // Programs send thousands of them.
    tracing::debug!(by = %asker, "an event is to be sent");
    let message = match emit {
        Ok(Json(emit)) => emit.message(&api.key),
        Err(rejection) => return refuse(rejection.status(), "bad_request", &rejection.body_text()),
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

impl Api {
    /// What Redis tells, within seconds.
    pub(super) async fn cluster(&self) -> Result<Cluster, String> {
        match timeout(PATIENCE, Cluster::read(&self.routes, &self.redis)).await {
            Ok(cluster) => cluster.map_err(|error| format!("{error:#}")),
            Err(_) => Err("Redis does not answer".to_owned()),
        }
    }

    /// What happened to the processes of late, the newest first; `None` where Redis does not say.
    pub(super) async fn happened(&self) -> Option<Vec<Value>> {
        let entries = timeout(PATIENCE, History::new(self.redis.clone()).newest(SHOWN)).await.ok()?.ok()?;
        // What another version wrote may be no JSON.
        Some(entries.iter().filter_map(|entry| serde_json::from_str(entry).ok()).collect())
    }
}

async fn status(State(api): State<Arc<Api>>) -> Response {
    match api.cluster().await {
        Ok(cluster) => {
            let mut status = Status::now(&cluster);
            api.series.tell_waiting(&mut status);
            Json(status).into_response()
        }
        Err(why) => unavailable(&why),
    }
}

async fn metrics(State(api): State<Arc<Api>>) -> Response {
    let cluster = api.cluster().await;
    let cluster = cluster.inspect_err(|why| tracing::debug!("metrics without the cluster's: {why}")).ok();
    let waiting = api.series.waiting_for();
    let numbers = Numbers { hub: api.hub.clone(), lines: api.lines.clone(), cluster, waiting };
    match numbers.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "unavailable", &error.to_string()),
    }
}

fn unavailable(why: &str) -> Response {
    refuse(StatusCode::SERVICE_UNAVAILABLE, "unavailable", why)
}

/// Why somebody cannot have what it asks for.
pub(super) struct No {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        refuse(self.status, self.code, &self.message)
    }
}

impl From<JsonRejection> for No {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), code: "bad_request", message: rejection.body_text() }
    }
}

impl From<QueryRejection> for No {
    fn from(rejection: QueryRejection) -> Self {
        Self { status: rejection.status(), code: "bad_request", message: rejection.body_text() }
    }
}

/// An answer to who cannot have what it asks for.
pub(super) fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "ok": false, "code": code, "message": message }))).into_response()
}
