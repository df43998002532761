//! What a client's token says: which rooms, and until when. No input or output but the clock.
//!
//! A token is a JWT. The key decides on the algorithm (HS256, RS256 or ES256), never the token: one that names another
//! algorithm, or none, is refused before its signature is looked at. It must have `exp` and `rooms`; `nbf` counts where
//! it is there, `aud` and `iss` where the settings name them, and `sub` goes to the log.

mod rooms;
mod signature;

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use serde::Deserialize;

use crate::config::{TokenKey, TokenSettings};
pub(super) use rooms::Rooms;

/// How far the clock of whoever signs may be from ours, in seconds: a token counts so much before its `nbf` and after
/// its `exp`.
const LEEWAY: u64 = 10;

/// What a token allows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Grant {
    /// The rooms that its bearer may join.
    pub(super) rooms: Rooms,
    /// The last second since 1970 in which it counts.
    pub(super) ends: u64,
    /// Whose it is, for the log.
    pub(super) subject: Option<String>,
}

/// Why a client may not connect: a word for programs, and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denied {
    pub(super) code: &'static str,
    pub(super) reason: String,
}

/// The library has no place for the code but the message, so it begins the message.
impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.reason)
    }
}

/// Checks tokens.
pub(super) struct Checker {
    algorithm: Algorithm,
    key: DecodingKey,
    validation: Validation,
}

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    exp: Option<serde_json::Value>,
    rooms: Option<serde_json::Value>,
    sub: Option<serde_json::Value>,
}

impl Checker {
    pub(super) fn new(settings: &TokenSettings) -> Self {
        signature::install();
        let (algorithm, key) = match &settings.key {
            TokenKey::Secret(secret) => (Algorithm::HS256, DecodingKey::from_secret(secret)),
            TokenKey::Rsa(der) => (Algorithm::RS256, DecodingKey::from_rsa_der(der)),
            TokenKey::P256(point) => (Algorithm::ES256, DecodingKey::from_ec_der(point)),
        };
        let mut validation = Validation::new(algorithm);
        let mut required = vec!["exp"];
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.validate_aud = settings.audience.is_some();
        if let Some(audience) = &settings.audience {
            required.push("aud");
            validation.set_audience(&[audience]);
        }
        if let Some(issuer) = &settings.issuer {
            required.push("iss");
            validation.set_issuer(&[issuer]);
        }
        validation.set_required_spec_claims(&required);
        Self { algorithm, key, validation }
    }

    /// What the token allows now.
    ///
    /// # Errors
    /// Why it allows nothing.
    pub(super) fn check(&self, token: Option<&str>) -> Result<Grant, Denied> {
        let Some(token) = token.filter(|token| !token.is_empty()) else {
            let reason =
                "this server asks for a token; connect with the option auth: { token }, where token is text";
            return Err(Denied { code: "no_token", reason: reason.into() });
        };
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation);
        let claims = claims.map_err(|error| self.denied(error.kind()))?.claims;
        let rooms = Rooms::read(claims.rooms.as_ref()).map_err(bad)?;
        let subject = claims.sub.map(|sub| sub.as_str().map_or_else(|| sub.to_string(), str::to_owned));
        let exp = claims.exp.and_then(|exp| exp.as_f64()).ok_or_else(no_end)?;
        // A number of seconds that no clock reaches is the last one that there is.
        Ok(Grant { rooms, ends: (exp.ceil() as u64).saturating_add(LEEWAY), subject })
    }

    fn denied(&self, error: &ErrorKind) -> Denied {
        match error {
            ErrorKind::ExpiredSignature => Denied {
                code: "expired",
                reason: "the token's time (exp) is over; connect again with a new one".into(),
            },
            ErrorKind::ImmatureSignature => {
                Denied { code: "not_yet", reason: "the token's time (nbf) has not begun".into() }
            }
            ErrorKind::InvalidSignature => {
                bad("the token's signature is not made with the key of this server")
            }
            ErrorKind::MissingRequiredClaim(claim) if claim == "exp" => no_end(),
            ErrorKind::MissingRequiredClaim(claim) => bad(format!("the token has no {claim}")),
            ErrorKind::InvalidClaimFormat(claim) => {
                bad(format!("the token's {claim} is no number of seconds"))
            }
            ErrorKind::InvalidAudience => bad("the token's aud does not name this server"),
            ErrorKind::InvalidIssuer => bad("the token's iss is not the one that this server knows"),
            _ => bad(format!("this is no JWT that is signed with {:?}", self.algorithm)),
        }
    }
}

fn no_end() -> Denied {
    bad("the token has no exp: the second since 1970, a number, after which it counts no more")
}

fn bad(reason: impl Into<String>) -> Denied {
    Denied { code: "bad_token", reason: reason.into() }
}

#[cfg(test)]
mod tests;
