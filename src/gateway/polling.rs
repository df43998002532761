//! Requests of long-polling: what they bring, and what they take away.
//!
//! A client that goes on to WebSocket loses what the library has put aside because the last answer would have become
//! too large with it. So an answer has no limit, and always takes along all that is queued: that is bounded already.
//! The library has one number for answers and for what clients send, and tells it to them; theirs is held to here.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, Uri, header::CONTENT_LENGTH},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use socketioxide::socket::Sid;

use super::lines::{Lines, transport, value};

/// The most bytes that a client may send at once.
pub(super) const FROM_CLIENT: usize = 100_000;
/// More bytes than can ever be queued for a client.
pub(super) const ALL: u64 = 9_999_999_999;
/// The bytes of the library's greeting; it has some 120.
const GREETING: usize = 1_024;

/// Holds clients to [`FROM_CLIENT`], tells them so, and counts what they have come for.
pub(super) async fn check(State(lines): State<Arc<Lines>>, request: Request, next: Next) -> Response {
    if !is_polling(request.uri()) {
        return next.run(request).await;
    }
    let (method, session) = (request.method().clone(), session(request.uri()));
    match (method, session) {
        (Method::POST, _) => match limited(request).await {
            Some(request) => next.run(request).await,
            None => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        },
        (Method::GET, None) => greeted(next.run(request).await).await,
        (_, session) => {
            let answer = next.run(request).await;
            // A refusal takes nothing of what waits.
            let session = session.filter(|_| answer.status() == StatusCode::OK);
            if let Some(debt) = session.and_then(|session| lines.debts.of(session)) {
                debt.pay(length(&answer));
            }
            answer
        }
    }
}

fn is_polling(uri: &Uri) -> bool {
    uri.path().starts_with("/socket.io") && transport(uri) == Some("polling")
}

/// The session that a request is of.
fn session(uri: &Uri) -> Option<Sid> {
    value(uri, "sid")?.parse().ok()
}

/// The request, when it brings no more than it may.
async fn limited(request: Request) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, FROM_CLIENT).await.ok()?;
    Some(Request::from_parts(parts, Body::from(body)))
}

/// The greeting of a session, with the number that is meant for the client. Where the number is shorter there are
/// spaces: the greeting says its own length to clients of socket.io 2.
async fn greeted(answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    // Nothing else of the library has no session to be of.
    let Ok(body) = to_bytes(body, GREETING).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let text = String::from_utf8_lossy(&body);
    let (theirs, ours) = (format!("\"maxPayload\":{ALL}"), format!("\"maxPayload\":{FROM_CLIENT}"));
    let ours = format!("{ours:width$}", width = theirs.len());
    Response::from_parts(parts, Body::from(text.replace(&theirs, &ours)))
}

fn length(answer: &Response) -> u64 {
    let length = answer.headers().get(CONTENT_LENGTH);
    length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_greeting_keeps_its_length_and_says_what_a_client_may_send() {
        let text = format!("0{{\"sid\":\"a\",\"maxPayload\":{ALL},\"upgrades\":[]}}");
        let greeted = greeted(Response::new(Body::from(text.clone()))).await;
        let said = to_bytes(greeted.into_body(), GREETING).await.unwrap();
        assert_eq!(said.len(), text.len());
        let said: serde_json::Value = serde_json::from_slice(&said[1..]).unwrap();
        assert_eq!((&said["maxPayload"], &said["sid"]), (&FROM_CLIENT.into(), &"a".into()));
    }

    #[test]
    fn only_what_is_of_long_polling_is_looked_at() {
        let is = |uri: &str| is_polling(&uri.parse().unwrap());
        assert!(is("/socket.io/?EIO=4&transport=polling") && is("/socket.io/?sid=a&transport=polling&t=1"));
        assert!(!is("/socket.io/?EIO=4&transport=websocket&sid=a") && !is("/api/emit?transport=polling"));
        assert!(session(&"/socket.io/?sid=%00".parse().unwrap()).is_none());
    }
}
