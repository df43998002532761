//! The tokens of those who look after the cluster. They are never printed.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::{ConfigError, Vars};

/// Who may see the cluster's state, and who may act on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// `ROWCAST_ADMIN_TOKEN`: everything.
    pub admin: Option<AccessToken>,
    /// `ROWCAST_READ_TOKEN`: to look.
    pub read: Option<AccessToken>,
}

/// A secret that a request brings along.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

impl Access {
    /// Reads both.
    ///
    /// # Errors
    /// A token that is too short, or both alike.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        const READ: &str = "ROWCAST_READ_TOKEN";
        let access = Self { admin: token(vars, "ROWCAST_ADMIN_TOKEN")?, read: token(vars, READ)? };
        if access.read.is_some() && access.read == access.admin {
            let problem = "is the same as ROWCAST_ADMIN_TOKEN, so that whoever may look may do everything";
            return Err(ConfigError::new(READ, None, problem));
        }
        Ok(access)
    }
}

fn token(vars: &dyn Vars, name: &'static str) -> Result<Option<AccessToken>, ConfigError> {
    match vars.get(name) {
        None => Ok(None),
        Some(token) if token.len() >= SHORTEST && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Some(AccessToken(token)))
        }
        Some(_) => {
            let expected = "expected 16 or more letters, digits and signs without spaces; \
                            `openssl rand -hex 32` makes a good one";
            Err(ConfigError::new(name, None, expected))
        }
    }
}

impl AccessToken {
    /// Whether this is the token; how long it takes to say so tells nothing of where they differ.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn access(pairs: &[(&str, &str)]) -> Result<Access, ConfigError> {
        let vars: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Access::from_vars(&vars)
    }

    #[test]
    fn a_token_is_long_enough_and_never_shown() {
        let access_of = access(&[("ROWCAST_ADMIN_TOKEN", "0123456789abcdef")]).unwrap();
        let admin = access_of.admin.clone().unwrap();
        assert!(admin.is("0123456789abcdef") && !admin.is("0123456789abcdeF") && !admin.is(""));
        assert!(!format!("{access_of:?}").contains("0123"));
        for bad in ["short", "0123456789 abcdef", "0123456789abcdé0"] {
            let error = access(&[("ROWCAST_READ_TOKEN", bad)]).unwrap_err();
            assert_eq!(error.variable, "ROWCAST_READ_TOKEN");
            assert!(!error.to_string().contains(bad), "{error}");
        }
        let same = [("ROWCAST_ADMIN_TOKEN", "0123456789abcdef"), ("ROWCAST_READ_TOKEN", "0123456789abcdef")];
        assert_eq!(access(&same).unwrap_err().variable, "ROWCAST_READ_TOKEN");
        assert_eq!(access(&[]).unwrap(), Access::default());
    }
}
