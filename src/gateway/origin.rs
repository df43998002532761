//! Which pages' scripts may connect. Pure, but for the middleware at the end.
//!
//! A browser lets any page open a WebSocket to any address, 127.0.0.1 included, and says only from where the page came.
//! Without a look at that, every site that somebody visits could read what is meant for this machine alone. A name of
//! the attacker's that leads to 127.0.0.1 is no way around: the page's origin has that name, and where a browser sends
//! no origin, the host has it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::config::GatewaySettings;

/// The origins that are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origins {
    /// All of them.
    All,
    /// Those of this machine.
    Loopback,
    /// These.
    Named(Vec<String>),
}

impl Origins {
    pub(super) fn of(settings: &GatewaySettings) -> Self {
        match &settings.origins {
            Some(named) if named.iter().any(|origin| origin == "*") => Self::All,
            Some(named) => Self::Named(named.clone()),
            None if settings.public => Self::All,
            None => Self::Loopback,
        }
    }

    /// Whether a request with these headers may be served.
    fn permit(&self, headers: &HeaderMap) -> bool {
        let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        match (self, text(header::ORIGIN), text(header::HOST)) {
            (Self::All, ..) => true,
            (Self::Loopback, Some(origin), _) => host_of(origin).is_some_and(is_loopback),
            (Self::Loopback, None, host) => host.is_none_or(is_loopback),
            (Self::Named(named), Some(origin), _) => {
                named.iter().any(|name| name.eq_ignore_ascii_case(origin))
            }
            (Self::Named(named), None, host) => host.is_none_or(|host| {
                is_loopback(host)
                    || named
                        .iter()
                        .any(|name| host_of(name).is_some_and(|name| name.eq_ignore_ascii_case(host)))
            }),
        }
    }
}

/// `host:port` of an origin.
fn host_of(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, host)| host)
}

/// Whether a host, with or without a port, is this machine by any of its usual names.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Refuses requests from pages that may not connect, and tells browsers which may.
pub(super) async fn check(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    if !origins.permit(request.headers()) {
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

    fn permits(origins: &Origins, origin: Option<&str>, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        origins.permit(&headers)
    }

    #[test]
    fn on_loopback_only_pages_of_this_machine_are_let_in() {
        for origin in
            ["http://localhost:3000", "https://LOCALHOST", "http://127.0.0.1:8080", "http://[::1]:1"]
        {
            assert!(permits(&Origins::Loopback, Some(origin), "127.0.0.1:8080"), "{origin}");
        }
        for origin in [
            "http://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "null",
            "",
        ] {
            assert!(!permits(&Origins::Loopback, Some(origin), "127.0.0.1:8080"), "{origin}");
        }
    }

    #[test]
    fn a_foreign_name_that_leads_to_this_machine_is_no_way_in() {
        for origins in [Origins::Loopback, Origins::Named(vec!["https://app.example".into()])] {
            assert!(!permits(&origins, Some("http://evil.example:8080"), "evil.example:8080"));
            assert!(!permits(&origins, None, "evil.example:8080"), "a GET of the same origin names none");
            for host in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "localhost"] {
                assert!(permits(&origins, None, host), "{host}");
            }
        }
    }

    #[test]
    fn those_that_are_named_are_let_in_and_no_others() {
        let origins = Origins::Named(vec!["https://app.example".into()]);
        assert!(permits(&origins, Some("https://APP.example"), "127.0.0.1:8080"));
        assert!(permits(&origins, None, "app.example"), "behind a proxy that keeps the name");
        for origin in ["http://app.example", "https://app.example:444", "http://localhost:3000"] {
            assert!(!permits(&origins, Some(origin), "127.0.0.1:8080"), "{origin}");
        }
        assert!(permits(&Origins::All, Some("http://evil.example"), "anything"));
    }
}
