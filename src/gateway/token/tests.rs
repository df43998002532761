//! Tokens that are made by hand, so that nothing here agrees with the library by accident.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

fn checker() -> Checker {
    with(None, None)
}

fn with(audience: Option<&str>, issuer: Option<&str>) -> Checker {
    let [audience, issuer] = [audience, issuer].map(|name| name.map(str::to_owned));
    Checker::new(&TokenSettings { key: TokenKey::Secret(SECRET.into()), audience, issuer })
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

fn signed(header: &Value, claims: &Value, secret: &[u8], hash: hmac::Algorithm) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let signature = hmac::sign(&hmac::Key::new(hash, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn token(claims: &Value) -> String {
    signed(&json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET, hmac::HMAC_SHA256)
}

fn code(checker: &Checker, token: &str) -> &'static str {
    checker.check(Some(token)).map_or_else(|denied| denied.code, |_| "accepted")
}

#[test]
fn a_good_token_says_rooms_time_and_subject() {
    let exp = now() + 60;
    let claims = json!({"exp": exp, "rooms": ["a", "b:*"], "sub": "user 7", "iat": exp - 60, "more": [1]});
    let grant = checker().check(Some(&token(&claims))).unwrap();
    assert_eq!((grant.ends, grant.subject.as_deref()), (exp as u64 + LEEWAY, Some("user 7")));
    assert!(grant.rooms.hold("a") && grant.rooms.hold("b:1") && !grant.rooms.hold("c"));
}

#[test]
fn no_token_is_told_from_a_bad_one() {
    let checker = checker();
    for none in [None, Some("")] {
        assert_eq!(checker.check(none).unwrap_err().code, "no_token");
    }
    for text in ["x", "a.b.c", "..", "....", "eyJhbGciOiJIUzI1NiJ9.e30.", "é.é.é"] {
        assert_eq!(code(&checker, text), "bad_token", "{text}");
    }
}

#[test]
fn time_counts_with_ten_seconds_of_leeway() {
    let checker = checker();
    let at = |exp: Value, nbf: Value| token(&json!({"exp": exp, "nbf": nbf, "rooms": []}));
    for (exp, nbf, expected) in [
        (60, -60, "accepted"),
        (-5, -60, "accepted"),
        (-15, -60, "expired"),
        (60, 5, "accepted"),
        (60, 15, "not_yet"),
    ] {
        assert_eq!(code(&checker, &at(json!(now() + exp), json!(now() + nbf))), expected, "{exp} {nbf}");
    }
    for exp in [json!(null), json!("9999999999"), json!(-1), json!(true), json!([9999999999u64])] {
        assert_eq!(code(&checker, &at(exp.clone(), json!(0))), "bad_token", "{exp}");
        assert_eq!(code(&checker, &at(json!(now() + 60), exp.clone())), "bad_token", "nbf {exp}");
    }
    let denied = checker.check(Some(&token(&json!({"rooms": []})))).unwrap_err();
    assert!(denied.to_string().starts_with("bad_token: the token has no exp"), "{denied}");
    let far = checker.check(Some(&at(json!(1e300), json!(0))));
    assert_eq!(far.map(|grant| grant.ends), Err(no_end()));
    let far = checker.check(Some(&at(json!(1e18), json!(0)))).unwrap();
    assert!(far.ends > 1 << 50);
}

#[test]
fn only_the_algorithm_of_the_key_counts() {
    let checker = checker();
    let claims = json!({"exp": now() + 60, "rooms": ["*"]});
    for algorithm in ["none", "None", "NONE", "", "HS512", "HS384", "RS256", "ES256", "hs256"] {
        for hash in [hmac::HMAC_SHA256, hmac::HMAC_SHA512] {
            let token = signed(&json!({"alg": algorithm}), &claims, SECRET, hash);
            assert_eq!(code(&checker, &token), "bad_token", "{algorithm}");
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            assert_eq!(code(&checker, &unsigned), "bad_token", "{algorithm} without a signature");
        }
    }
    let denied = checker.check(Some(&signed(&json!({"alg": "HS512"}), &claims, SECRET, hmac::HMAC_SHA512)));
    assert_eq!(denied.unwrap_err().to_string(), "bad_token: this is no JWT that is signed with HS256");
}

#[test]
fn a_public_key_is_no_secret() {
    // The oldest trick: a token signed with the public key as if it were a secret.
    let public = b"\x04 everybody knows this key, whatever it is; it has sixty-five bytes";
    for key in [TokenKey::P256(public.to_vec()), TokenKey::Rsa(public.to_vec())] {
        let checker = Checker::new(&TokenSettings { key, audience: None, issuer: None });
        let claims = json!({"exp": now() + 60, "rooms": ["*"]});
        for algorithm in ["HS256", "RS256", "ES256", "none"] {
            let token = signed(&json!({"alg": algorithm}), &claims, public, hmac::HMAC_SHA256);
            assert_eq!(code(&checker, &token), "bad_token", "{algorithm}");
        }
    }
}

#[test]
fn audience_and_issuer_count_where_they_are_asked_for() {
    let claims =
        |aud: Value, iss: Value| token(&json!({"exp": now() + 60, "rooms": [], "aud": aud, "iss": iss}));
    let any = claims(json!("other"), json!("other"));
    assert_eq!(code(&checker(), &any), "accepted");
    let strict = with(Some("rowcast"), Some("shop"));
    for (aud, iss, expected) in [
        (json!("rowcast"), json!("shop"), "accepted"),
        (json!(["a", "rowcast"]), json!("shop"), "accepted"),
        (json!("other"), json!("shop"), "bad_token"),
        (json!("rowcast"), json!("other"), "bad_token"),
        (json!(null), json!("shop"), "bad_token"),
        (json!("rowcast"), json!(null), "bad_token"),
        (json!({"rowcast": 1}), json!("shop"), "bad_token"),
    ] {
        assert_eq!(code(&strict, &claims(aud.clone(), iss.clone())), expected, "{aud} {iss}");
    }
}

proptest! {
    #[test]
    fn a_token_that_was_changed_anywhere_is_refused(place: prop::sample::Index, letter in "[A-Za-z0-9_.-]") {
        let good = token(&json!({"exp": 4_000_000_000u64, "rooms": ["a"], "sub": "x"}));
        let mut bytes = good.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = letter.as_bytes()[0];
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(code(&checker(), &changed) == "accepted", changed == good, "{}", changed);
    }
}
