//! How a browser gets in: an operator's token in, a cookie out.
//!
//! The cookie says what it is for and until when, signed with the token that it was given for. So nothing is kept here,
//! every gateway with the same tokens knows it, and it ends when the token is another one. No script can read it, and no
//! other site can have it sent along.
//!
//! What it does not do: end a cookie before its time. Who logs out has the browser forget it; a copy would count on.
//! Nor does it keep somebody with five addresses from using up the attempts that all have together.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json,
    extract::{ConnectInfo, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    allowance::Allowance,
    api::{Api, refuse},
    lines::LineRef,
    operators::{self, Right},
    proxies::Proxies,
    seats::house,
};
use crate::config::{OperatorToken, Operators};

const COOKIE: &str = "rowcast";
/// How long a browser stays logged in.
const SHIFT: Duration = Duration::from_secs(12 * 3600);
/// Attempts of one address: ten at once, then one a second. And of all addresses together.
const OF_ONE: (u32, Duration) = (1, Duration::from_secs(10));
const OF_ALL: (u32, Duration) = (5, Duration::from_secs(20));
const QUIET: Duration = Duration::from_secs(60);
/// More addresses than this are forgotten; that all of them together are held back does not depend on it.
const MOST_ADDRESSES: usize = 1_000;

/// Who knocks, and who was let in.
pub(super) struct Login {
    operators: Operators,
    proxies: Proxies,
    attempts: Mutex<Attempts>,
}

#[derive(Debug)]
struct Attempts {
    all: Allowance,
    of: HashMap<IpAddr, Allowance>,
    /// When the log was told that there are too many.
    told: Option<Instant>,
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
            cookies(headers).any(|cookie| counts(token, right, cookie, seconds_now())).then_some(right)
        };
        gives(Right::Admin).or_else(|| gives(Right::Read))
    }

    /// Whose request it is, also behind proxies.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(peer, headers)
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
    /// in the log once a minute at most.
    pub(super) fn may_try(&self, client: IpAddr) -> bool {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let may = attempts.take(house(client), now);
        if !may && attempts.told.is_none_or(|told| now.duration_since(told) >= QUIET) {
            attempts.told = Some(now);
            tracing::warn!(%client, "too many attempts with wrong tokens, or to log in; told once a minute");
        }
        may
    }
}

impl Attempts {
    fn new(now: Instant) -> Self {
        Self { all: Allowance::new(OF_ALL.0, OF_ALL.1, now), of: HashMap::new(), told: None }
    }

    fn take(&mut self, client: IpAddr, now: Instant) -> bool {
        if self.of.len() >= MOST_ADDRESSES && !self.of.contains_key(&client) {
            self.of.clear();
        }
        let of_one = self.of.entry(client).or_insert_with(|| Allowance::new(OF_ONE.0, OF_ONE.1, now));
        // In this order: one address cannot use up what all have.
        of_one.take(now) && self.all.take(now)
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
    if !login.operators.any() {
        let why = "there is no token to log in with: set ROWCAST_READ_TOKEN, or ask from this machine";
        return refuse(StatusCode::BAD_REQUEST, "no_tokens", why);
    }
    let knock = match knock {
        Ok(Json(knock)) => knock,
        Err(rejection) => return refuse(rejection.status(), "bad_request", &rejection.body_text()),
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
            with_cookie(&issue(token, right, until), SHIFT, &headers)
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
pub(super) async fn log_out(headers: HeaderMap, body: Result<Json<Value>, JsonRejection>) -> Response {
    match body {
        Ok(_) => with_cookie("", Duration::ZERO, &headers),
        Err(rejection) => refuse(rejection.status(), "bad_request", &rejection.body_text()),
    }
}

fn with_cookie(value: &str, age: Duration, headers: &HeaderMap) -> Response {
    // A proxy says whether the browser speaks TLS with it; then the cookie never goes without.
    let tls = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if tls { "; Secure" } else { "" };
    let age = age.as_secs();
    let cookie = format!("{COOKIE}={value}; Path=/api; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    ([(header::SET_COOKIE, cookie)], Json(json!({ "ok": true }))).into_response()
}

/// The values of all cookies of our name.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
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

fn issue(token: &OperatorToken, right: Right, until: u64) -> String {
    let signature = URL_SAFE_NO_PAD.encode(token.sign(&signed_text(right, until)));
    format!("{}.{until}.{signature}", word(right))
}

fn counts(token: &OperatorToken, right: Right, cookie: &str, now: u64) -> bool {
    let read = || {
        let (until, signature) = cookie.strip_prefix(word(right))?.strip_prefix('.')?.split_once('.')?;
        Some((until.parse::<u64>().ok()?, URL_SAFE_NO_PAD.decode(signature).ok()?))
    };
    read().is_some_and(|(until, signature)| {
        now < until && token.has_signed(&signed_text(right, until), &signature)
    })
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::HeaderValue;

    use super::*;

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
        assert_eq!(cookies(&headers).collect::<Vec<_>>(), ["1.x", "2.y"]);
    }

    #[test]
    fn one_address_is_held_back_without_the_others_and_all_together_are_too() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        assert_eq!((0..50).filter(|_| attempts.take(address(1), now)).count(), 10);
        assert!(attempts.take(address(2), now));
        assert!(attempts.take(address(1), now + Duration::from_secs(1)));
        let many = (3..200).map(|n| (0..10).filter(|_| attempts.take(address(n), now)).count());
        assert!(many.sum::<usize>() <= 100);
    }

    #[test]
    fn addresses_are_forgotten_before_they_fill_the_memory() {
        let now = Instant::now();
        let mut attempts = Attempts::new(now);
        for n in 0..5_000_u32 {
            attempts.take(IpAddr::from(n.to_be_bytes()), now);
        }
        assert!(attempts.of.len() <= MOST_ADDRESSES);
    }
}
