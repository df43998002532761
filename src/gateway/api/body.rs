//! The bodies of requests: how large one may be, and what becomes of one that nobody reads to its end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody as _},
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::Response,
    routing::MethodRouter,
};
use futures_util::Stream;

use super::{Api, refuse};
use crate::{gateway::lines::LineRef, status::thousands};

/// The most that an operator's request may bring: a job of a megabyte, as JSON that escapes much of it.
pub(super) const OF_OPERATORS: usize = 8 << 20;
/// The most that anybody's may: a token.
pub(super) const OF_ANYBODY: usize = 8 << 10;

/// A route that takes so many bytes at most.
pub(super) fn bounded(route: MethodRouter<Arc<Api>>, most: usize) -> MethodRouter<Arc<Api>> {
    route.layer(DefaultBodyLimit::max(most)).route_layer(middleware::from_fn_with_state(most, check))
}

/// Refuses what says that it is larger before any of it is read, and what turns out to be.
async fn check(State(most): State<usize>, request: Request, next: Next) -> Response {
    if declared(request.headers()).is_some_and(|length| length > most as u64) {
        return too_large(most);
    }
    let answer = next.run(request).await;
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE { too_large(most) } else { answer }
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(most: usize) -> Response {
    let why = format!("the request is too large: its body may have {} bytes at most", thousands(most as u64));
    let mut answer = refuse(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &why);
    // What was not read cannot be told from a next request.
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Has the connection know when a request is answered before all of it has come. Whoever sends on does not see the
/// answer on a connection that is closed at once.
pub(super) async fn watch(ConnectInfo(line): ConnectInfo<LineRef>, request: Request, next: Next) -> Response {
    let watched = |body: Body| match body.is_end_stream() {
        true => body,
        false => Body::from_stream(Watched { body: body.into_data_stream(), line, whole: false }),
    };
    next.run(request.map(watched)).await
}

/// A body, and the connection that it comes on.
struct Watched {
    body: BodyDataStream,
    line: LineRef,
    whole: bool,
}

impl Stream for Watched {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        self.whole |= next.is_none();
        Poll::Ready(next)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.whole {
            self.line.leave_rest();
        }
    }
}
