//! What is served beside socket.io: whether the process works, and whether it can do its work.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::subscription::Readiness;

/// `/healthz` and `/readyz`, which says no from `stop` on.
pub(super) fn router(readiness: watch::Receiver<Readiness>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .fallback(async || {
            (
                StatusCode::NOT_FOUND,
                "there is /, /socket.io/, /api/emit, /api/orders, /api/status, /metrics, /healthz and /readyz\n",
            )
        })
        .with_state((readiness, stop))
}

async fn ready(State((readiness, stop)): State<(watch::Receiver<Readiness>, CancellationToken)>) -> Response {
    let closing = stop.is_cancelled().then(|| "it is about to end".to_owned());
    match closing.or_else(|| readiness.borrow().clone()) {
        None => "ready\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}
