//! The tokens of those who look after the cluster. They are never printed.

use std::fmt;

use ring::hmac::{self, HMAC_SHA256, Tag};
use subtle::ConstantTimeEq as _;

use super::{ConfigError, Vars};

/// Who may see the cluster's state, and who may act on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operators {
    /// `ROWCAST_ADMIN_TOKEN`: everything.
    pub admin: Option<OperatorToken>,
    /// `ROWCAST_READ_TOKEN`: to look.
    pub read: Option<OperatorToken>,
}

/// A secret that a request brings along.
#[derive(Clone, PartialEq, Eq)]
pub struct OperatorToken(String);

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

impl Operators {
    /// Reads both.
    ///
    /// # Errors
    /// A token that is too short, or both alike.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        const READ: &str = "ROWCAST_READ_TOKEN";
        let operators = Self { admin: token(vars, "ROWCAST_ADMIN_TOKEN")?, read: token(vars, READ)? };
        if operators.read.is_some() && operators.read == operators.admin {
            let problem = "is the same as ROWCAST_ADMIN_TOKEN, so that whoever may look may do everything";
            return Err(ConfigError::new(READ, None, problem));
        }
        Ok(operators)
    }

    /// Whether there is a token at all.
    pub fn any(&self) -> bool {
        self.admin.is_some() || self.read.is_some()
    }
}

fn token(vars: &dyn Vars, name: &'static str) -> Result<Option<OperatorToken>, ConfigError> {
    match vars.get(name) {
        None => Ok(None),
        Some(token) if token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(OperatorToken(token)))
        }
        Some(_) => {
            let expected = "expected 16 or more letters, digits and signs without spaces; \
                            `openssl rand -hex 32` makes a good one";
            Err(ConfigError::new(name, None, expected))
        }
    }
}

impl OperatorToken {
    /// Whether this is the token; how long it takes to say so tells nothing of where they differ.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// A signature of a text that only who has the token can make.
    pub fn sign(&self, text: &str) -> Tag {
        hmac::sign(&self.key(), text.as_bytes())
    }

    /// Whether this is the text's signature, in constant time.
    pub fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        hmac::verify(&self.key(), text.as_bytes(), signature).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(HMAC_SHA256, self.0.as_bytes())
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn operators(pairs: &[(&str, &str)]) -> Result<Operators, ConfigError> {
        let vars: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Operators::from_vars(&vars)
    }

    #[test]
    fn a_token_is_long_enough_and_never_shown() {
        let both = operators(&[("ROWCAST_ADMIN_TOKEN", "0123456789abcdef")]).unwrap();
        let admin = both.admin.clone().unwrap();
        assert!(admin.is("0123456789abcdef") && !admin.is("0123456789abcdeF") && !admin.is(""));
        assert!(!format!("{both:?}").contains("0123"));
        for bad in ["short", "0123456789 abcdef", "0123456789abcdé0"] {
            let error = operators(&[("ROWCAST_READ_TOKEN", bad)]).unwrap_err();
            assert_eq!(error.variable, "ROWCAST_READ_TOKEN");
            assert!(!error.to_string().contains(bad), "{error}");
        }
        let same = [("ROWCAST_ADMIN_TOKEN", "0123456789abcdef"), ("ROWCAST_READ_TOKEN", "0123456789abcdef")];
        assert_eq!(operators(&same).unwrap_err().variable, "ROWCAST_READ_TOKEN");
        assert_eq!(operators(&[]).unwrap(), Operators::default());
    }
}
