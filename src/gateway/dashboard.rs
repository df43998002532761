//! The dashboard: the page at `/` with its files, and what it is told.
//!
//! The page holds no data, so anybody may load it. What it shows it asks of `GET /api/dashboard`, like any program, and
//! only who may look is answered. It has no inline script and asks no other host for anything, and browsers are told to
//! hold it to that.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde::Serialize;

use super::{api::Api, assets::Embedded, lines::value, operators::Asker, series::View};
use crate::route::{Part, RoomTemplate, Route};

// The constants VERSION and FILES, of the page.
include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

const PAGE: Embedded = Embedded { version: VERSION, files: FILES };

/// What the page may do in a browser.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

const MISSING: &str = "This rowcast was built without its dashboard: run scripts/install-tools run, and build again. \
                       `rowcast status` shows the same in the terminal.\n";

/// `/`, and the files of the page.
pub(super) fn page() -> Router {
    Router::new()
        .route("/", get(async |headers: HeaderMap| file("index.html", &headers)))
        .route(
            "/dashboard/{name}",
            get(async |Path(name): Path<String>, headers: HeaderMap| file(&name, &headers)),
        )
        .layer(middleware::from_fn(restrict))
}

fn file(name: &str, headers: &HeaderMap) -> Response {
    PAGE.answer(name, headers).unwrap_or_else(|| match FILES {
        [] => (StatusCode::NOT_FOUND, MISSING).into_response(),
        _ => (StatusCode::NOT_FOUND, "the dashboard has no such file\n").into_response(),
    })
}

async fn restrict(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What the page is told.
#[derive(Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    view: View,
    routes: Vec<Shown>,
    /// Whether a client needs a token to join a room.
    rooms_need_token: bool,
    /// Whether there is something to log out of.
    logged_in: bool,
    /// Whether whoever looks may act as well.
    may_act: bool,
}

/// What the page knows of a route.
#[derive(Debug, Serialize)]
struct Shown {
    queue: String,
    table: String,
    namespace: String,
    /// The rooms' names, without those that hold a row's values in them.
    rooms: Vec<String>,
    /// The others, as they are written in the route.
    templates: Vec<String>,
    publish: bool,
}

impl Shown {
    fn of(route: &Route) -> Self {
        let mut shown = Self {
            queue: route.queue.clone(),
            table: route.table.to_string(),
            namespace: route.namespace.clone(),
            rooms: Vec::new(),
            templates: Vec::new(),
            publish: route.publish,
        };
        for room in &route.rooms {
            match room.columns().next() {
                None => shown.rooms.push(fixed_name(room, route)),
                Some(_) => shown.templates.push(room.to_string()),
            }
        }
        shown
    }
}

/// The name that a template without columns makes.
fn fixed_name(room: &RoomTemplate, route: &Route) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Table => route.table.name.clone(),
        Part::Column(_) => String::new(),
    };
    room.parts.iter().map(part).collect()
}

/// `GET /api/dashboard`; with `?after=` and the time of a point, only the points after that.
pub(super) async fn told(
    State(api): State<Arc<Api>>,
    uri: Uri,
    Extension(asker): Extension<Asker>,
) -> Response {
    let after = value(&uri, "after").and_then(|after| after.parse().ok()).unwrap_or(0);
    Json(Told {
        view: api.series.view(after),
        routes: api.routes.iter().map(Shown::of).collect(),
        rooms_need_token: api.rooms_need_token,
        logged_in: asker.logged_in,
        may_act: asker.right.may_act(),
    })
    .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rooms_of_a_route_are_names_where_no_column_is_in_them() {
        let rooms = ["{table}", "all {{{table}}}", "account:{accountid}"];
        let rooms = rooms.map(|room| RoomTemplate::parse(room).unwrap()).to_vec();
        let shown = Shown::of(&Route { rooms, ..Route::original() });
        assert_eq!(shown.rooms, ["pre_qqaccount", "all {pre_qqaccount}"]);
        assert_eq!(shown.templates, ["account:{accountid}"]);
    }

    #[test]
    fn a_build_without_the_page_says_what_to_run() {
        assert!(MISSING.contains("scripts/install-tools run"));
        assert_eq!(file("no such file", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }
}
