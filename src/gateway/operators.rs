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
mod tests {
    use std::collections::BTreeMap;

    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const LOCAL: &str = "127.0.0.1";
    const ADMIN: &str = "admin-admin-admin";
    const READ: &str = "read-read-read-read";
    const JSON: (&str, &str) = ("content-type", "application/json");

    type Headers<'a> = &'a [(&'static str, &'a str)];

    fn outcome(
        cookie: Option<Right>,
        tokens: bool,
        wants: Wants,
        headers: Headers<'_>,
        peer: &str,
    ) -> Result<Right, Refused> {
        let pairs = [("ROWCAST_ADMIN_TOKEN", ADMIN), ("ROWCAST_READ_TOKEN", READ)];
        let pairs = pairs.iter().filter(|_| tokens);
        let vars: BTreeMap<String, String> =
            pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let operators = Operators::from_vars(&vars).unwrap();
        check(&operators, wants, &headers.collect(), peer.parse().unwrap(), cookie)
    }

    fn status(tokens: bool, wants: Wants, headers: Headers<'_>, peer: &str) -> u16 {
        outcome(None, tokens, wants, headers, peer).map_or_else(|refused| refused.status.as_u16(), |_| 200)
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
    fn a_wrong_token_is_a_guess_and_none_is_not() {
        let guess = |tokens, headers: Headers<'_>| {
            outcome(None, tokens, Wants::Look, headers, LOCAL).unwrap_err().is_guess
        };
        assert!(guess(true, &[("authorization", "Bearer wrong")]));
        assert!(!guess(true, &[]) && !guess(true, &[("authorization", "Basic eDp5")]));
        assert!(!guess(false, &[("authorization", "Bearer wrong")]), "there is nothing to find");
        let read = format!("Bearer {READ}");
        let refused = outcome(None, true, Wants::Act, &[("authorization", &read)], LOCAL).unwrap_err();
        assert!(!refused.is_guess);
    }

    #[test]
    fn whoever_has_logged_in_has_the_right_of_the_token_and_acts_from_the_own_page_alone() {
        let host = ("host", "rows.example");
        let own = ("origin", "https://rows.example");
        let status = |cookie, wants, headers: Headers<'_>| {
            let outcome = outcome(Some(cookie), true, wants, headers, "10.0.0.1");
            outcome.map_or_else(|refused| refused.status.as_u16(), |_| 200)
        };
        assert_eq!(status(Right::Read, Wants::Look, &[host]), 200);
        assert_eq!(status(Right::Read, Wants::Act, &[host, own, JSON]), 403);
        assert_eq!(status(Right::Admin, Wants::Act, &[host, own, JSON]), 200);
        assert_eq!(
            status(Right::Admin, Wants::Act, &[host, own, JSON, ("sec-fetch-site", "same-origin")]),
            200
        );
        assert_eq!(status(Right::Admin, Wants::Act, &[host, JSON]), 403, "a browser always says where from");
        assert_eq!(status(Right::Admin, Wants::Act, &[host, own]), 415);
        assert_eq!(status(Right::Admin, Wants::Act, &[host, own, ("content-type", "text/plain")]), 415);
        let site = [host, own, JSON, ("sec-fetch-site", "same-site")];
        assert_eq!(status(Right::Admin, Wants::Act, &site), 403);
        for origin in ["https://evil.example", "https://rows.example:444", "https://a.rows.example", "null"] {
            assert_eq!(status(Right::Admin, Wants::Act, &[host, ("origin", origin), JSON]), 403, "{origin}");
        }
        assert_eq!(status(Right::Admin, Wants::Look, &[("authorization", "Bearer wrong")]), 401);
    }

    #[test]
    fn without_tokens_this_machine_may_and_what_is_passed_on_may_not() {
        for wants in [Wants::Look, Wants::Act] {
            assert_eq!(status(false, wants, &[("host", "localhost:8080"), JSON], LOCAL), 200);
            assert_eq!(status(false, wants, &[JSON], "::ffff:127.0.0.1"), 200);
            assert_eq!(status(false, wants, &[JSON], "10.0.0.1"), 403);
            for header in ["x-forwarded-for", "forwarded", "origin", "via"] {
                assert_eq!(
                    status(false, wants, &[(header, "http://127.0.0.1"), JSON], LOCAL),
                    403,
                    "{header}"
                );
            }
            assert_eq!(status(false, wants, &[("host", "evil.example"), JSON], LOCAL), 403);
            assert_eq!(status(false, wants, &[("authorization", "Bearer x"), JSON], LOCAL), 401);
        }
        assert_eq!(status(false, Wants::Act, &[("content-type", "text/plain")], LOCAL), 415);
    }

    #[test]
    fn a_page_that_came_from_this_machine_is_here_and_no_other() {
        let is_here = |origin: &'static str, peer: &str| {
            let headers =
                [(header::ORIGIN, origin), (HeaderName::from_static("sec-fetch-site"), "same-site")];
            let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
            is_here(&headers.into_iter().collect(), peer.parse().unwrap())
        };
        assert!(is_here("http://localhost:3000", LOCAL) && !is_here("http://localhost:3000", "10.0.0.1"));
        assert!(!is_here("https://evil.example", LOCAL) && !is_here("null", LOCAL));
    }

    #[test]
    fn without_tokens_the_page_of_this_machine_acts_and_no_other_page() {
        let act = |host: &str, origin: &str, site: &str| {
            let headers = [("host", host), ("origin", origin), ("sec-fetch-site", site), JSON];
            status(false, Wants::Act, &headers, LOCAL)
        };
        for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:8080"] {
            assert_eq!(act(host, &format!("http://{}", host.to_lowercase()), "same-origin"), 200, "{host}");
        }
        let host = "localhost:8080";
        for (origin, site) in [
            ("http://localhost:3000", "same-site"),
            ("http://127.0.0.1:8080", "cross-site"),
            ("https://evil.example", "cross-site"),
            ("null", "cross-site"),
            // What no browser sends together.
            ("http://localhost:8080", "same-site"),
            ("http://localhost:3000", "same-origin"),
        ] {
            assert_eq!(act(host, origin, site), 403, "{origin}, {site}");
        }
        let rebound = "evil.example:8080";
        assert_eq!(act(rebound, &format!("http://{rebound}"), "same-origin"), 403);
        for site in ["cross-site", "same-site"] {
            let headers = [("host", host), ("sec-fetch-site", site), JSON];
            assert_eq!(
                status(false, Wants::Look, &headers, LOCAL),
                403,
                "a page that hides its origin: {site}"
            );
        }
    }

    #[test]
    fn the_log_is_told_who_without_the_token() {
        let who = |right| Asker { right, client: "192.0.2.7".parse().unwrap(), logged_in: true }.to_string();
        assert_eq!(who(Right::Admin), "192.0.2.7 with ROWCAST_ADMIN_TOKEN");
        assert_eq!(who(Right::Machine), "this machine");
    }
}
