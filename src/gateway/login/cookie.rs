//! The cookie: what it says, and its signature. Pure, but for the time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    Json,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::Right;
use crate::config::OperatorToken;

const COOKIE: &str = "rowcast";

/// An answer that gives a browser this cookie for so long.
pub(super) fn give(value: &str, age: Duration, headers: &HeaderMap) -> Response {
    // A proxy says whether the browser speaks TLS with it; then the cookie never goes without.
    let tls = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if tls { "; Secure" } else { "" };
    let age = age.as_secs();
    let cookie = format!("{COOKIE}={value}; Path=/api; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    ([(header::SET_COOKIE, cookie)], Json(json!({ "ok": true }))).into_response()
}

/// The values of all cookies of our name.
pub(super) fn all(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
    let pairs = lists.flat_map(|list| list.split(';')).map(str::trim);
    pairs.filter_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('='))
}

/// What a cookie of a right says of it.
fn word(right: Right) -> &'static str {
    if right.may_act() { "act" } else { "look" }
}

/// What is signed: a signature for anything else does not count here.
fn signed_text(right: Right, until: u64) -> String {
    format!("rowcast dashboard, to {} until {until}", word(right))
}

/// A cookie for who has the token, that counts until this second.
pub(super) fn issue(token: &OperatorToken, right: Right, until: u64) -> String {
    let signature = URL_SAFE_NO_PAD.encode(token.sign(&signed_text(right, until)));
    format!("{}.{until}.{signature}", word(right))
}

/// Whether a cookie was given for this token and this right, and still counts.
pub(super) fn counts(token: &OperatorToken, right: Right, cookie: &str, now: u64) -> bool {
    let read = || {
        let (until, signature) = cookie.strip_prefix(word(right))?.strip_prefix('.')?.split_once('.')?;
        Some((until.parse::<u64>().ok()?, URL_SAFE_NO_PAD.decode(signature).ok()?))
    };
    read().is_some_and(|(until, signature)| {
        now < until && token.has_signed(&signed_text(right, until), &signature)
    })
}

/// Since 1970.
pub(super) fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::HeaderValue;

    use super::*;
    use crate::config::Operators;

    fn token(text: &str) -> OperatorToken {
        let vars = BTreeMap::from([("ROWCAST_READ_TOKEN".to_owned(), text.to_owned())]);
        Operators::from_vars(&vars).unwrap().read.unwrap()
    }

    #[test]
    fn a_cookie_counts_until_its_time_with_its_token_and_for_its_right() {
        let (read, other) = (token("read-read-read-read"), token("read-read-read-reaD"));
        let cookie = issue(&read, Right::Read, 1_000);
        assert!(counts(&read, Right::Read, &cookie, 999) && !counts(&read, Right::Read, &cookie, 1_000));
        assert!(!counts(&other, Right::Read, &cookie, 999));
        assert!(!counts(&read, Right::Admin, &cookie, 999));
        let (_, signature) = cookie.rsplit_once('.').unwrap();
        for forged in [
            format!("look.2000.{signature}"),
            format!("act.1000.{signature}"),
            "look.1000.".into(),
            format!("1000.{signature}"),
            "".into(),
            format!("{cookie}A"),
        ] {
            for right in [Right::Read, Right::Admin] {
                assert!(!counts(&read, right, &forged, 999), "{forged}");
            }
        }
    }

    #[test]
    fn our_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; rowcast=1.x; rowcaster=no"));
        headers.append(header::COOKIE, HeaderValue::from_static("rowcast=2.y"));
        assert_eq!(all(&headers).collect::<Vec<_>>(), ["1.x", "2.y"]);
    }
}
