//! Who may look at the cluster, and who may act on it. Pure.
//!
//! A request brings a token: `Authorization: Bearer TOKEN`. Where none is configured, programs of this machine may do
//! both; a request that a proxy passes on is not theirs, whatever its address. A browser that has logged in (see
//! `login`) may look.

use std::net::IpAddr;

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

/// What a proxy says of whom it asks for.
const PASSED_ON: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// Whether the request comes from a browser that has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LoggedIn(pub(super) bool);

/// Whether a request may have what it wants.
///
/// # Errors
/// The status, and a sentence that says what is missing.
pub(super) fn check(
    operators: &Operators,
    wants: Wants,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    LoggedIn(logged_in): LoggedIn,
) -> Result<(), (StatusCode, &'static str)> {
    let needed = match wants {
        Wants::Look => [&operators.admin, &operators.read],
        Wants::Act => [&operators.admin, &operators.admin],
    };
    let given = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    match given.map(|given| given.strip_prefix("Bearer ").unwrap_or_default()) {
        Some(given) if needed.iter().any(|token| token.as_ref().is_some_and(|token| token.is(given))) => {
            Ok(())
        }
        Some(given) if operators.read.as_ref().is_some_and(|token| token.is(given)) => {
            Err((StatusCode::FORBIDDEN, "ROWCAST_READ_TOKEN may look, and do nothing else"))
        }
        Some(_) => Err((
            StatusCode::UNAUTHORIZED,
            "the token is not ROWCAST_ADMIN_TOKEN or, to look, ROWCAST_READ_TOKEN",
        )),
        None if logged_in && wants == Wants::Look => Ok(()),
        None if operators.admin.is_some() || operators.read.is_some() => {
            Err((StatusCode::UNAUTHORIZED, "a token is wanted: Authorization: Bearer TOKEN"))
        }
        None if is_local(headers, peer) => Ok(()),
        None => Err((
            StatusCode::FORBIDDEN,
            "without ROWCAST_ADMIN_TOKEN (and, to look, ROWCAST_READ_TOKEN) only programs of this machine may do that",
        )),
    }
}

/// Whether a program of this machine asks, or a page that came from there.
pub(super) fn is_here(headers: &HeaderMap, peer: IpAddr) -> bool {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    is_from_here(headers, Some(peer)) && origin.is_none_or(origin::is_of_loopback)
}

fn is_local(headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
    is_from_here(headers, peer) && !headers.contains_key(header::ORIGIN)
}

/// Whether the connection is of this machine, and nobody passes it on.
fn is_from_here(headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    peer.is_some_and(|peer| peer.to_canonical().is_loopback())
        && PASSED_ON.iter().all(|name| !headers.contains_key(*name))
        // A name that leads here is somebody else's page.
        && host.is_none_or(origin::is_loopback)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const LOCAL: &str = "127.0.0.1";
    const ADMIN: &str = "admin-admin-admin";
    const READ: &str = "read-read-read-read";

    fn status(tokens: bool, wants: Wants, headers: &[(&'static str, &str)], peer: &str) -> u16 {
        status_of(LoggedIn(false), tokens, wants, headers, peer)
    }

    fn status_of(
        logged_in: LoggedIn,
        tokens: bool,
        wants: Wants,
        headers: &[(&'static str, &str)],
        peer: &str,
    ) -> u16 {
        let pairs = [("ROWCAST_ADMIN_TOKEN", ADMIN), ("ROWCAST_READ_TOKEN", READ)];
        let pairs = pairs.iter().filter(|_| tokens);
        let vars: BTreeMap<String, String> =
            pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let operators = Operators::from_vars(&vars).unwrap();
        let outcome = check(&operators, wants, &headers.collect(), Some(peer.parse().unwrap()), logged_in);
        outcome.map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn with_tokens_each_opens_what_it_is_for() {
        for (token, look, act) in [(ADMIN, 200, 200), (READ, 200, 403), ("wrong", 401, 401), ("", 401, 401)] {
            let header = format!("Bearer {token}");
            let headers = [("authorization", header.as_str())];
            assert_eq!(status(true, Wants::Look, &headers, LOCAL), look, "{token}");
            assert_eq!(status(true, Wants::Act, &headers, LOCAL), act, "{token}");
        }
        assert_eq!(status(true, Wants::Look, &[], LOCAL), 401);
        assert_eq!(status(true, Wants::Look, &[("authorization", ADMIN)], LOCAL), 401);
    }

    #[test]
    fn whoever_has_logged_in_may_look_and_not_act() {
        let status = |wants, headers: &[_]| status_of(LoggedIn(true), true, wants, headers, "10.0.0.1");
        assert_eq!([status(Wants::Look, &[]), status(Wants::Act, &[])], [200, 401]);
        assert_eq!(status(Wants::Look, &[("authorization", "Bearer wrong")]), 401);
    }

    #[test]
    fn without_tokens_this_machine_may_and_what_is_passed_on_may_not() {
        for wants in [Wants::Look, Wants::Act] {
            assert_eq!(status(false, wants, &[("host", "localhost:8080")], LOCAL), 200);
            assert_eq!(status(false, wants, &[], "::ffff:127.0.0.1"), 200);
            assert_eq!(status(false, wants, &[], "10.0.0.1"), 403);
            for header in ["x-forwarded-for", "forwarded", "origin", "via"] {
                assert_eq!(status(false, wants, &[(header, "http://127.0.0.1")], LOCAL), 403, "{header}");
            }
            assert_eq!(status(false, wants, &[("host", "evil.example")], LOCAL), 403);
            let page = |origin: &'static str, peer: &str| {
                let headers = [(header::ORIGIN, header::HeaderValue::from_static(origin))];
                is_here(&headers.into_iter().collect(), peer.parse().unwrap())
            };
            assert!(page("http://localhost:3000", LOCAL) && !page("http://localhost:3000", "10.0.0.1"));
            assert!(!page("https://evil.example", LOCAL) && !page("null", LOCAL));
            assert_eq!(status(false, wants, &[("authorization", "Bearer x")], LOCAL), 401);
        }
    }
}
