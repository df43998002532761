//! Configuration: variables in, settings out, or an error that names the variable.
//!
//! Nothing here touches the process environment but [`Environment`]; tests hand in a map. A setting is read once,
//! before anything is bound or claimed.

mod addresses;
mod alerts;
#[cfg(test)]
mod example;
mod gateway;
mod limits;
mod names;
mod operators;
mod queues;
mod settings;
mod tokens;
mod up;

use std::{collections::BTreeMap, fmt, io, str::FromStr};

pub use addresses::{Address, gateway_addresses};
pub use alerts::{AlertRules, AlertSettings, HookSecret, HookSettings, HookUrl};
pub use gateway::{ADMIN_UI, GatewaySettings, Hear};
pub use limits::LimitSettings;
pub use names::{EXAMPLE, unknown};
pub use operators::{OperatorToken, Operators};
pub use queues::QueueSettings;
pub use settings::{Fanout, MOST_WORKERS, Publish, Settings, SupervisorSettings, redis_url, route_variables};
pub use tokens::{TokenKey, TokenSettings};
pub use up::UpSettings;

/// Where variables come from.
pub trait Vars {
    /// The variable's value; `None` when it is not set or empty.
    fn get(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy)]
pub struct Environment;

impl Environment {
    /// The names of all variables that are set and not empty, rowcast's or not.
    pub fn names() -> Vec<String> {
        let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
        set.filter_map(|(name, _)| name.into_string().ok()).collect()
    }
}

impl Vars for Environment {
    fn get(&self, name: &str) -> Option<String> {
        // What is no text is not taken for nothing: a secret that is not set leaves the doors open.
        let value = std::env::var_os(name)?.to_string_lossy().into_owned();
        Some(value).filter(|value| !value.is_empty())
    }
}

impl Vars for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).filter(|value| !value.is_empty()).cloned()
    }
}

/// Flags before variables: the first of the two that has a value wins.
#[derive(Debug, Clone)]
pub struct Overlay<V> {
    /// What the command line said, under the variables' names.
    pub flags: BTreeMap<String, String>,
    /// What stands behind it.
    pub vars: V,
}

impl<V: Vars> Vars for Overlay<V> {
    fn get(&self, name: &str) -> Option<String> {
        Vars::get(&self.flags, name).or_else(|| self.vars.get(name))
    }
}

/// A variable that cannot be used, and what would be right. Ends the process with [`EXIT_CONFIG`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable.
    pub variable: &'static str,
    /// Its value, unless it is missing or a secret.
    pub value: Option<String>,
    /// What is wrong, or what is expected.
    pub problem: String,
}

/// The exit code of bad configuration (`EX_USAGE` of sysexits.h).
pub const EXIT_CONFIG: u8 = 64;

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value:?}: {}", self.variable, self.problem),
            None => write!(f, "{}: {}", self.variable, self.problem),
        }
    }
}

impl ConfigError {
    pub(crate) fn new(variable: &'static str, value: Option<&str>, problem: impl Into<String>) -> Self {
        Self { variable, value: value.map(str::to_owned), problem: problem.into() }
    }
}

/// A URL that may hold a password. It is printed without it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl {
    url: String,
    /// Certificates of authorities in PEM, the only ones that the server's own is checked against.
    authorities: Option<String>,
}

impl SecretUrl {
    /// Wraps a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), authorities: None }
    }

    /// The same URL, for a server whose certificate one of these authorities has signed.
    #[must_use]
    pub fn trusting(self, authorities: String) -> Self {
        Self { authorities: Some(authorities), ..self }
    }

    /// The authorities to trust, in PEM; without them, those that the world trusts.
    pub fn authorities(&self) -> Option<&str> {
        self.authorities.as_deref()
    }

    /// The URL with its password, for the library that connects.
    pub fn expose(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.url.split_once("://") else { return f.write_str("(hidden)") };
        // A password may hold letters that should have been encoded: the last @ ends it, and where it began may be
        // unclear. A query may carry secrets too (paths of keys, passwords): it is left out.
        let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
        let host = rest.split('?').next().unwrap_or_default();
        match user {
            Some(user) if user.contains(['/', '?', '#']) => write!(f, "{scheme}://(hidden)"),
            Some(user) => match user.split_once(':') {
                Some((user, password)) if !password.is_empty() => write!(f, "{scheme}://{user}:***@{host}"),
                // Neither a password nor anything that stands for one.
                _ => write!(f, "{scheme}://{}@{host}", user.trim_end_matches(':')),
            },
            None => write!(f, "{scheme}://{host}"),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is expected of a file that names authorities.
const CERTIFICATES: &str =
    "expected a file of certificates in PEM; it holds none, or one that cannot be read";

/// Reads a file of text.
fn text_of(file: &str) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| unreadable(&error))
}

/// Why a file of text cannot be read.
pub(crate) fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => "is no text in UTF-8".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// Reads a number within bounds.
fn number<T>(
    vars: &dyn Vars,
    name: &'static str,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, ConfigError>
where
    T: FromStr + PartialOrd + fmt::Display,
{
    let Some(text) = vars.get(name) else { return Ok(default) };
    let expected = || format!("expected a number from {} to {}", range.start(), range.end());
    match text.parse::<T>() {
        Ok(value) if range.contains(&value) => Ok(value),
        _ => Err(ConfigError::new(name, Some(&text), expected())),
    }
}

/// Reads one of some words.
fn word<T: Copy>(
    vars: &dyn Vars,
    name: &'static str,
    default: T,
    words: &[(&str, T)],
) -> Result<T, ConfigError> {
    let Some(text) = vars.get(name) else { return Ok(default) };
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        ConfigError::new(name, Some(&text), format!("expected one of {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_printed_without_its_password_and_query() {
        let url = SecretUrl::new("mysql://root:p@ss:w0rd@db:3306/app?ssl-key=/secret");
        assert_eq!(format!("{url} {url:?}"), "mysql://root:***@db:3306/app mysql://root:***@db:3306/app");
        assert_eq!(SecretUrl::new("redis://localhost:6379/0").to_string(), "redis://localhost:6379/0");
        assert_eq!(SecretUrl::new("hunter2").to_string(), "(hidden)");
        for none in ["mysql://root@db:3306/app", "mysql://root:@db:3306/app"] {
            assert_eq!(SecretUrl::new(none).to_string(), "mysql://root@db:3306/app", "no password to hide");
        }
        assert_eq!(SecretUrl::new("redis://:hunter2@db").to_string(), "redis://:***@db");
        for unclear in
            ["mysql://app:12?34@db/app", "mysql://app:1/2?3@db/app", "redis://:1#2@db", "mysql://db/a?k=1@2"]
        {
            assert!(SecretUrl::new(unclear).to_string().ends_with("://(hidden)"), "{unclear}");
        }
    }

    #[test]
    fn a_file_that_is_no_text_is_told_as_such() {
        assert_eq!(unreadable(&io::ErrorKind::InvalidData.into()), "is no text in UTF-8");
        assert!(text_of("/does/not/exist").unwrap_err().starts_with("cannot be read: No such file"));
    }

    #[test]
    fn a_flag_wins_over_a_variable() {
        let vars = BTreeMap::from([("A".to_owned(), "env".to_owned()), ("B".to_owned(), "env".to_owned())]);
        let both = Overlay { flags: BTreeMap::from([("A".to_owned(), "flag".to_owned())]), vars };
        assert_eq!(both.get("A").as_deref(), Some("flag"));
        assert_eq!(both.get("B").as_deref(), Some("env"));
    }
}
