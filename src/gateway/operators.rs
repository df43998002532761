//! Who may look at the cluster, and who may act on it. Pure.
//!
//! A request brings a token: `Authorization: Bearer TOKEN`. A browser that has logged in (see `login`) has the right of
//! the token that it was let in with. Where no token is configured, programs of this machine may do both, and so may
//! the dashboard in a browser of it; a request that a proxy passes on is not theirs, whatever its address.
//!
//! No page but our own acts: a page can have a browser send neither a token nor, with a name that is not ours, an
//! `Origin` that is the request's own host. And what a form can send is no JSON.

use std::{fmt, net::IpAddr};

use axum::http::{HeaderMap, StatusCode, header};

use super::origin;
use crate::config::Operators;

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// To look.
    Look,
    /// To act.
    Act,
}

/// By what somebody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// ROWCAST_ADMIN_TOKEN.
    Admin,
    /// ROWCAST_READ_TOKEN.
    Read,
    /// No token is configured, and it is this machine.
    Machine,
}

impl Right {
    /// Whether it is for more than to look.
    pub(super) fn may_act(self) -> bool {
        self != Self::Read
    }
}

/// Who was let in, as the log has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    pub(super) right: Right,
    pub(super) client: IpAddr,
    /// Whether a cookie says so: there is something to log out of.
    pub(super) logged_in: bool,
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.right {
            Right::Admin => write!(f, "{} with ROWCAST_ADMIN_TOKEN", self.client),
            Right::Read => write!(f, "{} with ROWCAST_READ_TOKEN", self.client),
            Right::Machine => f.write_str("this machine"),
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) why: &'static str,
    /// It was tried with a token that is none of ours.
    pub(super) is_guess: bool,
}

impl Refused {
    fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, why, is_guess: false }
    }
}

/// What a proxy says of whom it asks for.
const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

const LOOKS: &str = "ROWCAST_READ_TOKEN may look, and do nothing else";
const WRONG: &str = "the token is not ROWCAST_ADMIN_TOKEN or, to look, ROWCAST_READ_TOKEN";
const WANTED: &str = "a token is wanted: Authorization: Bearer TOKEN";
const FOREIGN: &str = "only the dashboard's own page may act from a browser, and this request's Origin is not its Host; \
                       a proxy must pass the Host header on as it came";
const NO_JSON: &str = "what acts without a token of its own must be JSON: Content-Type: application/json";
const ELSEWHERE: &str = "without ROWCAST_ADMIN_TOKEN (and, to look, ROWCAST_READ_TOKEN) only this machine may do that: its \
                         programs, and the dashboard in a browser on it";

/// Whether a request may have what it wants, and by which right. `cookie` is what it has logged in with.
///
/// # Errors
/// What is missing.
pub(super) fn check(
    operators: &Operators,
    wants: Wants,
    headers: &HeaderMap,
    peer: IpAddr,
    cookie: Option<Right>,
) -> Result<Right, Refused> {
    let right = match (bearer(headers), cookie) {
        (Some(given), _) => {
            let is_guess = operators.any() && !given.is_empty();
            let wrong = Refused { is_guess, ..Refused::new(StatusCode::UNAUTHORIZED, WRONG) };
            of_token(operators, given).ok_or(wrong)?
        }
        (None, Some(right)) => own_page(wants, headers, origin::is_own_page(headers)).map(|()| right)?,
        (None, None) if operators.any() => return Err(Refused::new(StatusCode::UNAUTHORIZED, WANTED)),
        (None, None) if is_local(headers, peer) => own_page(wants, headers, true).map(|()| Right::Machine)?,
        (None, None) => return Err(Refused::new(StatusCode::FORBIDDEN, ELSEWHERE)),
    };
    match wants {
        Wants::Act if !right.may_act() => Err(Refused::new(StatusCode::FORBIDDEN, LOOKS)),
        _ => Ok(right),
    }
}

/// Which right a token gives.
pub(super) fn of_token(operators: &Operators, given: &str) -> Option<Right> {
    let tokens = [(&operators.admin, Right::Admin), (&operators.read, Right::Read)];
    let is = |token: &Option<_>| {
        token.as_ref().is_some_and(|token: &crate::config::OperatorToken| token.is(given))
    };
    tokens.into_iter().find_map(|(token, right)| is(token).then_some(right))
}

/// The token that a request brings; empty where it brings something else.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    Some(given.strip_prefix("Bearer ").unwrap_or_default())
}

/// What a browser sends along by itself must not be enough to act.
fn own_page(wants: Wants, headers: &HeaderMap, is_own: bool) -> Result<(), Refused> {
    let is_json = || {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    };
    match wants {
        Wants::Act if !is_own => Err(Refused::new(StatusCode::FORBIDDEN, FOREIGN)),
        Wants::Act if !is_json() => Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, NO_JSON)),
        _ => Ok(()),
    }
}

/// Whether a program of this machine asks, or a page that came from there.
pub(super) fn is_here(headers: &HeaderMap, peer: IpAddr) -> bool {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    match origin {
        None => is_local(headers, peer),
        Some(origin) => is_from_here(headers, peer) && origin::is_of_loopback(origin),
    }
}

fn is_local(headers: &HeaderMap, peer: IpAddr) -> bool {
    is_from_here(headers, peer) && !origin::is_other_page(headers)
}

/// Whether the connection is of this machine, and nobody passes it on.
fn is_from_here(headers: &HeaderMap, peer: IpAddr) -> bool {
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    peer.to_canonical().is_loopback()
        && PASSED_ON.iter().all(|name| !headers.contains_key(*name))
        // A name that leads here is somebody else's page.
        && host.is_none_or(origin::is_loopback)
}

#[cfg(test)]
mod tests;
