//! Which pages' scripts may connect. Pure, but for the middleware at the end,
//! which tells the log of those that it refuses: a browser hides the reason from the page.
//!
//! A browser lets any page open a WebSocket to any address, 127.0.0.1 included, and says only from where the page came.
//! Without a look at that, every site that somebody visits could read what is meant for this machine alone. A name of
//! the attacker's that leads to 127.0.0.1 is no way around: the page's origin has that name, and where a browser sends
//! no origin, the host has it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::config::GatewaySettings;

/// The origins that are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origins {
    /// These; without them those of this machine, or all with `public`.
    named: Option<Vec<String>>,
    /// Nothing is to be protected by where somebody comes from: everybody may see everything, or a token is asked for.
    /// A browser sends that for no page by itself, as it does with a cookie: a page must have been given one.
    public: bool,
}

impl Origins {
    pub(super) fn of(settings: &GatewaySettings) -> Self {
        Self { named: settings.origins.clone(), public: settings.public || settings.tokens.is_some() }
    }

    /// Whether a request with these headers may be served.
    fn permit(&self, headers: &HeaderMap) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let named = self.named.as_deref().unwrap_or_default();
        if self.named.as_ref().map_or(self.public, |named| named.iter().any(|origin| origin == "*")) {
            return true;
        }
        if let Some(origin) = text(header::ORIGIN) {
            return match self.named {
                Some(_) => named.iter().any(|name| name.eq_ignore_ascii_case(origin)),
                None => host_of(origin).is_some_and(is_loopback),
            };
        }
        let is_named = |host: &str| {
            named.iter().filter_map(|name| host_of(name)).any(|name| name.eq_ignore_ascii_case(host))
        };
        self.public || text(header::HOST).is_none_or(|host| is_loopback(host) || is_named(host))
    }
}

/// `host:port` of an origin.
fn host_of(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, host)| host)
}

/// Whether a browser says that it is a page of this very host that asks. A name of somebody else's that leads here is
/// the host of its own pages: whether the host is ours is another question.
pub(super) fn is_own_page(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().and_then(|origin| host_of(origin.to_str().ok()?));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let is_own = origin.is_some_and(|origin| host.is_some_and(|host| origin.eq_ignore_ascii_case(host)));
    is_own && origins.next().is_none() && site(headers).is_none_or(|site| site == "same-origin")
}

/// Whether a browser says that another page asks.
pub(super) fn is_other_page(headers: &HeaderMap) -> bool {
    match headers.contains_key(header::ORIGIN) {
        true => !is_own_page(headers),
        // With GET a browser names no origin of a page's own requests; `none` is what a person has typed.
        false => site(headers).is_some_and(|site| !["same-origin", "none"].contains(&site)),
    }
}

/// How the page that asks stands to this host, which no page can make up.
fn site(headers: &HeaderMap) -> Option<&str> {
    headers.get("sec-fetch-site").map(|site| site.to_str().unwrap_or_default())
}

/// Whether a host, with or without a port, is this machine by any of its usual names.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Who is let in, and who was refused so far.
#[derive(Debug)]
pub(super) struct Gate {
    origins: Origins,
    told: Mutex<Told>,
}

impl Gate {
    pub(super) fn of(settings: &GatewaySettings) -> Self {
        Self { origins: Origins::of(settings), told: Mutex::default() }
    }

    /// Tells the log once of each origin, or of each name of the server where there was no origin.
    fn tell(&self, headers: &HeaderMap) {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("(no text)"));
        let (what, name) = match text(header::ORIGIN) {
            Some(origin) => ("a page's origin", origin),
            None => ("a request to the server's name", text(header::HOST).unwrap_or_default()),
        };
        match self.told.lock().unwrap_or_else(PoisonError::into_inner).news(name) {
            News::Old => {}
            News::New(origin) => {
                tracing::warn!(origin, "{what} is refused; ROWCAST_ORIGINS names those that are let in");
            }
            News::TooMany => tracing::warn!("more origins are refused, and none of them is named any more"),
        }
    }
}

/// The names that the log was told of.
#[derive(Debug, Default)]
struct Told(BTreeSet<String>);

/// So many are named, and whoever makes up more of them fills neither the memory nor the log.
const MOST_TOLD: usize = 100;
/// So much of each, for the same reason.
const LONGEST: usize = 200;

#[derive(Debug, PartialEq, Eq)]
enum News {
    Old,
    New(String),
    TooMany,
}

impl Told {
    fn news(&mut self, name: &str) -> News {
        let name: String = name.chars().take(LONGEST).collect();
        if self.0.len() > MOST_TOLD || !self.0.insert(name.clone()) {
            News::Old
        } else if self.0.len() > MOST_TOLD {
            News::TooMany
        } else {
            News::New(name)
        }
    }
}

/// Refuses requests from pages that may not connect, and tells browsers which may.
pub(super) async fn check(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    // Whether it works is no secret.
    if !request.uri().path().starts_with("/socket.io") {
        return next.run(request).await;
    }
    if !gate.origins.permit(request.headers()) {
        gate.tell(request.headers());
        let reason = "this page, or this name of the server, is not in ROWCAST_ORIGINS\n";
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return next.run(request).await };
    let mut response = if request.method() == Method::OPTIONS {
        let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let mut response = StatusCode::NO_CONTENT.into_response();
        let methods = HeaderValue::from_static("GET, POST");
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        if let Some(asked) = asked {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        response
    } else {
        next.run(request).await
    };
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: Origins = Origins { named: None, public: false };

    fn named(origin: &str, public: bool) -> Origins {
        Origins { named: Some(vec![origin.to_owned()]), public }
    }

    fn permits(origins: &Origins, origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        origins.permit(&headers)
    }

    #[test]
    fn each_name_is_news_once_and_so_many_of_them_are_told() {
        let mut told = Told::default();
        for n in 0..MOST_TOLD {
            assert_eq!(told.news(&n.to_string()), News::New(n.to_string()));
            assert_eq!(told.news(&n.to_string()), News::Old);
        }
        assert_eq!([told.news("more"), told.news("and more")], [News::TooMany, News::Old]);
        assert_eq!(Told::default().news(&"x".repeat(1_000)), News::New("x".repeat(LONGEST)));
    }

    #[test]
    fn on_loopback_only_pages_of_this_machine_are_let_in() {
        for origin in
            ["http://localhost:3000", "https://LOCALHOST", "http://127.0.0.1:8080", "http://[::1]:1"]
        {
            assert!(permits(&LOOPBACK, Some(origin), "127.0.0.1:8080"), "{origin}");
        }
        for name in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "localhost:80@evil.example"]
        {
            assert!(!permits(&LOOPBACK, Some(&format!("http://{name}")), "127.0.0.1:8080"), "{name}");
        }
        for origin in ["null", "", "localhost"] {
            assert!(!permits(&LOOPBACK, Some(origin), "127.0.0.1:8080"), "{origin}");
        }
    }

    #[test]
    fn a_foreign_name_that_leads_to_this_machine_is_no_way_in() {
        for origins in [LOOPBACK, named("https://app.example", false)] {
            assert!(!permits(&origins, Some("http://evil.example:8080"), "evil.example:8080"));
            assert!(!permits(&origins, None, "evil.example:8080"), "a GET of the same origin names none");
            for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "localhost"] {
                assert!(permits(&origins, None, host), "{host}");
            }
        }
    }

    #[test]
    fn those_that_are_named_are_let_in_and_no_others() {
        for public in [false, true] {
            let origins = named("https://app.example", public);
            assert!(permits(&origins, Some("https://APP.example"), "127.0.0.1:8080"));
            assert!(permits(&origins, None, "app.example"), "behind a proxy that keeps the name");
            for origin in ["http://app.example", "https://app.example:444", "http://localhost:3000"] {
                assert!(!permits(&origins, Some(origin), "127.0.0.1:8080"), "{origin}");
            }
            assert_eq!(permits(&origins, None, "10.0.0.7:8080"), public, "a program that is no browser");
        }
    }

    #[test]
    fn all_are_let_in_where_everything_is_public_or_a_star_says_so() {
        for origins in [Origins { named: None, public: true }, named("*", false), named("*", true)] {
            assert!(permits(&origins, Some("http://evil.example"), "anything"));
            assert!(permits(&origins, None, "anything"));
        }
    }
}
