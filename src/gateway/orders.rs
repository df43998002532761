//! `POST /api/orders`: what `rowcast scale`, `restart` and `reload` do, for programs and for the dashboard.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{
    api::{Api, No},
    operators::Asker,
};
use crate::{
    control::{Command, Role},
    orders::{self, Unheard},
};

/// What is ordered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    order: Kind,
    /// Of `scale`: how many workers, or how many more.
    workers: Option<u32>,
    by: Option<i32>,
    /// Of `restart`: the slot, and whose it is; without a slot all are meant.
    slot: Option<u32>,
    role: Option<Role>,
    /// The supervisor, by its host or its id.
    host: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Scale,
    Restart,
    Reload,
}

impl Wanted {
    fn command(&self) -> Result<Command, &'static str> {
        let Self { order, workers, by, slot, role, host: _ } = self;
        match (order, workers, by, slot, role) {
            (Kind::Scale, Some(workers), None, None, None) => Ok(Command::ScaleTo(*workers)),
            (Kind::Scale, None, Some(by), None, None) => Ok(Command::ScaleBy(*by)),
            (Kind::Scale, ..) => Err("scale takes workers, a number, or by, how many more"),
            (Kind::Restart, None, None, None, None) => Ok(Command::RestartAll),
            (Kind::Restart, None, None, Some(slot), Some(role)) => {
                Ok(Command::Restart { role: *role, slot: *slot })
            }
            (Kind::Restart, ..) => Err("restart takes a slot and its role, worker or gateway, or neither"),
            (Kind::Reload, None, None, None, None) => Ok(Command::Reload),
            (Kind::Reload, ..) => Err("reload takes nothing but a host"),
        }
    }
}

/// Gives an order, and answers with what came of it.
pub(super) async fn give(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Response, No> {
    let Json(wanted) = wanted?;
    let bad =
        |why: &str| No { status: StatusCode::BAD_REQUEST, code: "bad_request", message: why.to_owned() };
    let command = wanted.command().map_err(bad)?;
    let by = format!("{asker}, over HTTP");
    match orders::give(&api.redis, wanted.host.as_deref(), by, command, orders::WAIT).await {
        Ok(told) if told.ok => Ok(Json(told).into_response()),
        Ok(told) => Err(No { status: StatusCode::CONFLICT, code: "refused", message: told.message }),
        Err(unheard) => {
            let (status, code) = named(&unheard);
            Err(No { status, code, message: unheard.to_string() })
        }
    }
}

fn named(unheard: &Unheard) -> (StatusCode, &'static str) {
    match unheard {
        Unheard::Nobody(_) => (StatusCode::NOT_FOUND, "no_supervisor"),
        Unheard::Several { .. } => (StatusCode::CONFLICT, "several_supervisors"),
        Unheard::NotTaken(_) => (StatusCode::SERVICE_UNAVAILABLE, "not_taken"),
        Unheard::NoAnswer(_) => (StatusCode::GATEWAY_TIMEOUT, "no_answer"),
        Unheard::Redis(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(json: &str) -> Result<Command, String> {
        let wanted: Wanted = serde_json::from_str(json).map_err(|error| error.to_string())?;
        wanted.command().map_err(str::to_owned)
    }

    #[test]
    fn an_order_is_what_it_says_and_nothing_that_it_might_mean() {
        let good = [
            (r#"{"order":"scale","workers":4}"#, Command::ScaleTo(4)),
            (r#"{"order":"scale","by":-1,"host":"a"}"#, Command::ScaleBy(-1)),
            (r#"{"order":"restart"}"#, Command::RestartAll),
            (
                r#"{"order":"restart","role":"worker","slot":2}"#,
                Command::Restart { role: Role::Worker, slot: 2 },
            ),
            (
                r#"{"order":"restart","role":"gateway","slot":1}"#,
                Command::Restart { role: Role::Gateway, slot: 1 },
            ),
            (r#"{"order":"reload"}"#, Command::Reload),
        ];
        for (json, expected) in good {
            assert_eq!(command(json), Ok(expected), "{json}");
        }
        for bad in [
            r#"{"order":"scale"}"#,
            r#"{"order":"scale","workers":1,"by":1}"#,
            r#"{"order":"scale","workers":-1}"#,
            r#"{"order":"restart","role":"gateway"}"#,
            r#"{"order":"restart","slot":1}"#,
            r#"{"order":"restart","slots":2}"#,
            r#"{"order":"reload","slot":2}"#,
            r#"{"order":"stop"}"#,
        ] {
            assert!(command(bad).is_err(), "{bad}");
        }
    }
}
