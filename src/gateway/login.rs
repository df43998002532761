//! How a browser gets in: an operator's token in, a cookie out.
//!
//! The cookie says what it is for and until when, signed with the token that it was given for. So nothing is kept here,
//! every gateway with the same tokens knows it, and it ends when the token is another one. No script can read it, and no
//! other site can have it sent along.
//!
//! What it does not do: end a cookie before its time. Who logs out has the browser forget it; a copy would count on.
//! Nor does it keep somebody with five addresses from using up the attempts that all have together.

mod attempts;
mod cookie;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{ConnectInfo, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;

use super::{
    api::{Api, No, refuse},
    lines::LineRef,
    operators::{self, Right},
    proxies::Proxies,
};
use crate::config::{OperatorToken, Operators};
use attempts::Attempts;
use cookie::{counts, issue, seconds_now};

/// How long a browser stays logged in.
const SHIFT: Duration = Duration::from_secs(12 * 3600);

/// Who knocks, and who was let in.
pub(super) struct Login {
    operators: Operators,
    proxies: Proxies,
    attempts: Mutex<Attempts>,
}

impl Login {
    pub(super) fn new(operators: &Operators, proxies: &[IpNet]) -> Self {
        let attempts = Attempts::new(Instant::now());
        Self {
            operators: operators.clone(),
            proxies: Proxies::new(proxies.to_vec()),
            attempts: Mutex::new(attempts),
        }
    }

    /// The right that a request's cookie gives, if it brings one that counts.
    pub(super) fn right(&self, headers: &HeaderMap) -> Option<Right> {
        let gives = |right| {
            let token = self.token(right)?;
            cookie::all(headers).any(|cookie| counts(token, right, cookie, seconds_now())).then_some(right)
        };
        gives(Right::Admin).or_else(|| gives(Right::Read))
    }

    /// Whether this was given for a token, to look, and counts.
    pub(super) fn is_pass(&self, pass: &str) -> bool {
        self.tokens().any(|token| counts(token, Right::Read, pass, seconds_now()))
    }

    /// What is shown instead of this token from now on, to look; nothing where it is none.
    pub(super) fn pass_for(&self, given: &str) -> Option<String> {
        let token = self.tokens().find(|token| token.is(given))?;
        Some(issue(token, Right::Read, seconds_now() + SHIFT.as_secs()))
    }

    /// Whether there is a token to log in with.
    pub(super) fn has_tokens(&self) -> bool {
        self.operators.any()
    }

    /// Whose request it is, also behind proxies.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(peer, headers)
    }

    fn tokens(&self) -> impl Iterator<Item = &OperatorToken> {
        [Right::Admin, Right::Read].into_iter().filter_map(|right| self.token(right))
    }

    /// What a cookie of this right is signed with.
    fn token(&self, right: Right) -> Option<&OperatorToken> {
        match right {
            Right::Admin => self.operators.admin.as_ref(),
            Right::Read => self.operators.read.as_ref(),
            Right::Machine => None,
        }
    }

    /// Whether another attempt is allowed, with the form or with a wrong token in a request's head. That none is stands
    /// in the log.
    pub(super) fn may_try(&self, client: IpAddr) -> bool {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        attempts.permit(client, Instant::now())
    }
}

/// What the form sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Knock {
    token: String,
}

/// `POST /api/login`. Being JSON, it cannot come from another site's form.
pub(super) async fn log_in(
    State(api): State<Arc<Api>>,
    ConnectInfo(line): ConnectInfo<LineRef>,
    headers: HeaderMap,
    knock: Result<Json<Knock>, JsonRejection>,
) -> Response {
    let login = &api.login;
    if !login.has_tokens() {
        let why = "there is no token to log in with: set ROWCAST_READ_TOKEN, or ask from this machine";
        return refuse(StatusCode::BAD_REQUEST, "no_tokens", why);
    }
    let knock = match knock {
        Ok(Json(knock)) => knock,
        Err(rejection) => return No::from(rejection).into_response(),
    };
    let Some(client) = line.peer().map(|peer| login.client(peer, &headers)) else { return hung_up() };
    if !login.may_try(client) {
        return too_many();
    }
    let right = operators::of_token(&login.operators, &knock.token);
    match right.and_then(|right| Some((right, login.token(right)?))) {
        Some((right, token)) => {
            tracing::info!(%client, may_act = right.may_act(), "somebody has logged in to the dashboard");
            let until = seconds_now() + SHIFT.as_secs();
            cookie::give(&issue(token, right, until), SHIFT, &headers)
        }
        None => {
            tracing::warn!(%client, "a wrong token was given to log in to the dashboard");
            let why = "that is neither ROWCAST_READ_TOKEN nor ROWCAST_ADMIN_TOKEN of this gateway";
            refuse(StatusCode::UNAUTHORIZED, "wrong_token", why)
        }
    }
}

/// The answer to who has tried too often.
pub(super) fn too_many() -> Response {
    let why = "too many attempts; wait a little, and try again";
    refuse(StatusCode::TOO_MANY_REQUESTS, "too_many", why)
}

/// The answer to nobody.
pub(super) fn hung_up() -> Response {
    refuse(StatusCode::BAD_REQUEST, "bad_request", "the connection has ended")
}

/// `POST /api/logout`, with any JSON: so no other site's form can do it.
pub(super) async fn log_out(
    headers: HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Response, No> {
    let Json(_) = body?;
    Ok(cookie::give("", Duration::ZERO, &headers))
}
