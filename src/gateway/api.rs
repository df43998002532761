//! What programs ask over HTTP: to send an event, how the cluster stands, and for the numbers. The dashboard is one.

mod body;
mod emit;
mod guard;
mod no;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse as _, Response},
    routing::post,
};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    adapter::Hub,
    dashboard, letters,
    lines::Lines,
    login::{self, Login},
    metrics::Numbers,
    orders, queues,
    series::Series,
    sweep::{self, Pace},
};
use crate::{
    config::Operators,
    queue::{History, Link},
    route::Route,
    status::{Cluster, Scope, Status},
};
use body::{OF_ANYBODY, bounded, watch};
use emit::emit;
use guard::{acting, hosted, looking, wrong_method};
pub(super) use no::{No, refuse};

/// How long Redis may take to tell how the cluster stands: less than whoever asks waits.
const PATIENCE: Duration = Duration::from_secs(3);
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
    Router::new()
        .route("/metrics", looking(&api, metrics))
        .route("/api/status", looking(&api, status))
        .route("/api/dashboard", looking(&api, dashboard::told))
        .route("/api/dead", looking(&api, letters::groups))
        .route("/api/dead/letter", looking(&api, letters::letter))
        .route("/api/dead/job", looking(&api, letters::job))
        .route("/api/emit", acting(&api, emit))
        .route("/api/orders", acting(&api, orders::give))
        .route("/api/queue", acting(&api, queues::change))
        .route("/api/dead/one", acting(&api, sweep::one))
        .route("/api/dead/group", acting(&api, sweep::group))
        .route("/api/login", bounded(post(login::log_in), OF_ANYBODY))
        .route("/api/logout", bounded(post(login::log_out), OF_ANYBODY))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(hosted))
        .layer(middleware::from_fn(watch))
        .with_state(api)
}

impl Api {
    /// What Redis tells, within seconds.
    pub(super) async fn cluster(&self) -> Result<Cluster, String> {
        match timeout(PATIENCE, Cluster::read(Scope::All(&self.routes), &self.redis)).await {
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
