//! Whom to tell when something is wrong for long, and what counts as long.

use std::{fmt, time::Duration};

use axum::http::Uri;
use ring::hmac::{self, HMAC_SHA256};

use super::{CERTIFICATES, ConfigError, Vars, number, text_of};

const URL: &str = "ROWCAST_ALERT_URL";
const CA: &str = "ROWCAST_ALERT_CA";
const SECRET: &str = "ROWCAST_ALERT_SECRET";

/// The fewest bytes of the secret: as many as the hash has.
const SHORTEST: usize = 32;

/// What is told, and to whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertSettings {
    /// What counts as wrong; the dashboard shows it too.
    pub rules: AlertRules,
    /// Who is called; without it nobody is.
    pub hook: Option<HookSettings>,
}

/// From when on something is told. `None` is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertRules {
    /// Workers have waited for a server or for a route for so long, or this gateway for Redis.
    pub wait: Option<Duration>,
    /// A queue has had jobs waiting, and was never seen empty, for so long.
    pub queue: Option<Duration>,
    /// So many dead letters were made in a minute.
    pub dead_per_minute: Option<u64>,
    /// So many processes were started in one slot within five minutes.
    pub restarts: Option<u64>,
}

/// Who is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// Where it listens.
    pub url: HookUrl,
    /// Certificates of authorities in PEM, the only ones that the receiver's own is checked against.
    pub authorities: Option<String>,
    /// What messages are signed with.
    pub secret: Option<HookSecret>,
    /// The most beginnings that are told in a minute.
    pub per_minute: u32,
}

/// The receiver's address. It is printed without its path, which is the secret of many a receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct HookUrl(Uri);

/// What messages are signed with. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HookSecret(String);

impl AlertSettings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first variable that cannot be used. Also a secret with which nothing would be signed.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        Ok(Self { rules: AlertRules::from_vars(vars)?, hook: hook(vars)? })
    }
}

impl AlertRules {
    fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        let least = |name, default, most| {
            number(vars, name, default, 0..=most).map(|number: u64| (number > 0).then_some(number))
        };
        let seconds = |name, default| Ok(least(name, default, 86_400)?.map(Duration::from_secs));
        Ok(Self {
            wait: seconds("ROWCAST_ALERT_WAIT_SECONDS", 60)?,
            queue: seconds("ROWCAST_ALERT_QUEUE_SECONDS", 600)?,
            dead_per_minute: least("ROWCAST_ALERT_DEAD_PER_MINUTE", 10, 1_000_000)?,
            restarts: least("ROWCAST_ALERT_RESTARTS", 5, 1_000)?,
        })
    }
}

impl Default for AlertRules {
    fn default() -> Self {
        Self {
            wait: Some(Duration::from_secs(60)),
            queue: Some(Duration::from_secs(600)),
            dead_per_minute: Some(10),
            restarts: Some(5),
        }
    }
}

fn hook(vars: &dyn Vars) -> Result<Option<HookSettings>, ConfigError> {
    let per_minute = number(vars, "ROWCAST_ALERT_PER_MINUTE", 10, 1..=600)?;
    let secret = vars.get(SECRET).map(HookSecret::new).transpose()?;
    match vars.get(URL) {
        Some(url) => {
            let url = HookUrl::parse(&url)?;
            let authorities = authorities(vars, &url)?;
            Ok(Some(HookSettings { url, authorities, secret, per_minute }))
        }
        None if secret.is_some() => {
            let problem = "ROWCAST_ALERT_URL is not set, so nothing would be signed with it";
            Err(ConfigError::new(SECRET, None, problem))
        }
        None => Ok(None),
    }
}

fn authorities(vars: &dyn Vars, url: &HookUrl) -> Result<Option<String>, ConfigError> {
    let Some(file) = vars.get(CA) else { return Ok(None) };
    let wrong = |problem: String| ConfigError::new(CA, Some(&file), problem);
    if url.0.scheme_str() != Some("https") {
        return Err(wrong(format!("{URL} is not https://, so nothing would be checked against it")));
    }
    let pem = text_of(&file).map_err(wrong)?;
    match crate::alert::trusting(&pem) {
        Ok(_) => Ok(Some(pem)),
        Err(_) => Err(wrong(CERTIFICATES.to_owned())),
    }
}

impl HookUrl {
    /// # Errors
    /// What cannot be called. The text is not shown: what is secret in it cannot be told from what is not.
    fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |problem: &str| ConfigError::new(URL, None, problem);
        let expected = "expected https://host/path, or http://host:port/path";
        let uri: Uri = text.parse().map_err(|_| wrong(expected))?;
        let Some(authority) = uri.authority() else { return Err(wrong(expected)) };
        if !matches!(uri.scheme_str(), Some("http" | "https")) || authority.host().is_empty() {
            return Err(wrong(expected));
        }
        if authority.as_str().contains('@') {
            let problem = "a user and a password in it would not be sent; receivers check the signature instead, which \
                           ROWCAST_ALERT_SECRET makes";
            return Err(wrong(problem));
        }
        let port = &authority.as_str()[authority.host().len()..];
        if !port.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(wrong("expected a port from 1 to 65535 behind the host"));
        }
        Ok(Self(uri))
    }

    /// The whole address, for who calls it.
    pub fn expose(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}", self.0.scheme_str().unwrap_or_default())
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl HookSecret {
    fn new(secret: String) -> Result<Self, ConfigError> {
        if secret.len() >= SHORTEST {
            return Ok(Self(secret));
        }
        let problem = format!(
            "has {} bytes, which can be guessed from any one message; expected at least {SHORTEST} random ones, as \
             `openssl rand -base64 32` makes them",
            secret.len()
        );
        Err(ConfigError::new(SECRET, None, problem))
    }

    /// The key of HMAC-SHA256.
    pub fn key(&self) -> hmac::Key {
        hmac::Key::new(HMAC_SHA256, self.0.as_bytes())
    }
}

impl fmt::Debug for HookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const GOOD: &str = "0123456789abcdef0123456789abcdef";

    fn settings(pairs: &[(&str, &str)]) -> Result<AlertSettings, ConfigError> {
        let vars: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        AlertSettings::from_vars(&vars)
    }

    #[test]
    fn without_a_url_nobody_is_called_and_the_rules_are_the_defaults() {
        assert_eq!(settings(&[]).unwrap(), AlertSettings::default());
        let never = settings(&[("ROWCAST_ALERT_WAIT_SECONDS", "0"), ("ROWCAST_ALERT_RESTARTS", "0")]);
        let rules = never.unwrap().rules;
        assert_eq!((rules.wait, rules.restarts, rules.dead_per_minute), (None, None, Some(10)));
    }

    #[test]
    fn what_cannot_be_called_or_signed_is_refused_by_name_and_without_the_value() {
        for (name, value, problem) in [
            (URL, "ftp://hooks.example/hidden", "expected https://"),
            (URL, "hooks.example/hidden", "expected https://"),
            (URL, "/hidden", "expected https://"),
            (URL, "https://", "expected https://"),
            (URL, "https://me:hidden@hooks.example/", "would not be sent"),
            (URL, "https://hooks.example:70000/hidden", "a port from 1 to 65535"),
            (URL, "http://[::1]:0/hidden", "a port from 1 to 65535"),
            (SECRET, "hidden", "has 6 bytes"),
            ("ROWCAST_ALERT_PER_MINUTE", "0", "from 1 to 600"),
            ("ROWCAST_ALERT_WAIT_SECONDS", "soon", "from 0 to 86400"),
            ("ROWCAST_ALERT_QUEUE_SECONDS", "-1", "from 0"),
            ("ROWCAST_ALERT_DEAD_PER_MINUTE", "many", "from 0"),
            ("ROWCAST_ALERT_RESTARTS", "many", "from 0"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err();
            assert_eq!(error.variable, name, "{value}");
            let error = error.to_string();
            assert!(error.contains(problem) && !error.contains("hidden"), "{error}");
        }
        let alone = settings(&[(SECRET, GOOD)]).unwrap_err();
        assert!(
            alone.variable == SECRET && alone.to_string().contains("ROWCAST_ALERT_URL is not set"),
            "{alone}"
        );
    }

    #[test]
    fn neither_the_secret_nor_the_path_is_printed() {
        let settings =
            settings(&[(URL, "https://hooks.example:8443/services/T0/B0?k=v"), (SECRET, GOOD)]).unwrap();
        let printed = format!("{settings:?}");
        assert!(printed.contains("https://hooks.example:8443") && printed.contains("a secret"), "{printed}");
        assert!(
            !printed.contains("services") && !printed.contains("k=v") && !printed.contains("0123"),
            "{printed}"
        );
        assert_eq!(settings.hook.unwrap().url.expose().path(), "/services/T0/B0");
    }
}
