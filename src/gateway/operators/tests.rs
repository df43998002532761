//! Who is let in by what a request says of itself.

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
    assert_eq!(status(Right::Admin, Wants::Act, &[host, own, JSON, ("sec-fetch-site", "same-origin")]), 200);
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
            assert_eq!(status(false, wants, &[(header, "http://127.0.0.1"), JSON], LOCAL), 403, "{header}");
        }
        assert_eq!(status(false, wants, &[("host", "evil.example"), JSON], LOCAL), 403);
        assert_eq!(status(false, wants, &[("authorization", "Bearer x"), JSON], LOCAL), 401);
    }
    assert_eq!(status(false, Wants::Act, &[("content-type", "text/plain")], LOCAL), 415);
}

#[test]
fn a_page_that_came_from_this_machine_is_here_and_no_other() {
    let is_here = |origin: &'static str, peer: &str| {
        let headers = [(header::ORIGIN, origin), (HeaderName::from_static("sec-fetch-site"), "same-site")];
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
        assert_eq!(status(false, Wants::Look, &headers, LOCAL), 403, "a page that hides its origin: {site}");
    }
}

#[test]
fn the_log_is_told_who_without_the_token() {
    let who = |right| Asker { right, client: "192.0.2.7".parse().unwrap(), logged_in: true }.to_string();
    assert_eq!(who(Right::Admin), "192.0.2.7 with ROWCAST_ADMIN_TOKEN");
    assert_eq!(who(Right::Machine), "this machine");
}
