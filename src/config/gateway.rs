//! What the gateway needs to know: where it listens, whom it may show data to, and which channels it hears.

use std::{collections::BTreeSet, net::SocketAddr};

use super::{
    AlertSettings, ConfigError, LimitSettings, Operators, Publish, QueueSettings, SecretUrl, TokenSettings,
    Vars, number,
    settings::{database_url, publish, redis_url},
    word,
};
use crate::{
    emitter::with_slash,
    route::{CLUSTER, FOR_OPERATORS, Route},
};

/// What `rowcast gateway` needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// `REDIS_URL`.
    pub redis_url: SecretUrl,
    /// `DATABASE_URL`, when it is set: rows are read back from there.
    pub database_url: Option<SecretUrl>,
    /// All routes.
    pub routes: Vec<Route>,
    /// The address that it listens on.
    pub listen: SocketAddr,
    /// Whether everybody may see everything.
    pub public: bool,
    /// Which tokens say what a client may see. Without it every client may see everything.
    pub tokens: Option<TokenSettings>,
    /// The pages whose scripts may connect, by origin; without it those of this machine, or all when `public` or
    /// where tokens are asked for.
    pub origins: Option<Vec<String>>,
    /// How what it hears was published.
    pub publish: Publish,
    /// The namespaces that it serves: `/`, those of the routes, and more where they are named.
    pub namespaces: BTreeSet<String>,
    /// Which rooms' channels it hears.
    pub hear: Hear,
    /// Who may look at the cluster, and who may act on it.
    pub operators: Operators,
    /// What is told when something is wrong for long, and to whom.
    pub alerts: AlertSettings,
    /// The most rooms that one client may be in.
    pub rooms_per_socket: usize,
    /// How much clients may take for themselves.
    pub limits: LimitSettings,
}

/// The namespace that socket.io's Admin UI connects to where nothing else is said.
pub const ADMIN_UI: &str = "/admin";

/// Which rooms' channels a gateway hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hear {
    /// Of every room, by one pattern for each namespace.
    Pattern,
    /// Of the rooms that a client of its is in, each by its name.
    Rooms,
}

impl GatewaySettings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first variable that cannot be used. Also an address that others can reach, unless tokens are asked for or
    /// it is said that the data are public.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        let tokens = TokenSettings::from_vars(vars)?;
        let public = public(vars, tokens.is_some())?;
        let routes = QueueSettings::from_vars(vars)?.routes;
        Ok(Self {
            redis_url: redis_url(vars)?,
            database_url: vars.get("DATABASE_URL").map(|_| database_url(vars)).transpose()?,
            listen: listen(vars, public || tokens.is_some())?,
            public,
            tokens,
            origins: origins(vars)?,
            publish: publish(vars)?,
            namespaces: namespaces(vars, &routes)?,
            hear: word(
                vars,
                "ROWCAST_HEAR",
                Hear::Pattern,
                &[("pattern", Hear::Pattern), ("rooms", Hear::Rooms)],
            )?,
            routes,
            operators: Operators::from_vars(vars)?,
            alerts: AlertSettings::from_vars(vars)?,
            rooms_per_socket: number(vars, "ROWCAST_ROOMS_PER_SOCKET", 100, 1..=10_000)?,
            limits: LimitSettings::from_vars(vars)?,
        })
    }
}

impl GatewaySettings {
    /// The namespace of socket.io's Admin UI, unless it is one for clients.
    pub fn admin_ui(&self) -> Option<&'static str> {
        (!self.namespaces.contains(ADMIN_UI)).then_some(ADMIN_UI)
    }
}

/// Whoever has set both expects something of the other that it does not do, so neither is guessed.
fn public(vars: &dyn Vars, tokens: bool) -> Result<bool, ConfigError> {
    const PUBLIC: &str = "ROWCAST_PUBLIC";
    let public = word(vars, PUBLIC, false, &[("true", true), ("false", false)])?;
    if public && tokens {
        let problem = "everybody may see everything, but ROWCAST_JWT_SECRET or ROWCAST_JWT_PUBLIC_KEY is set, by which \
                       clients see what their tokens say; unset one of the two";
        return Err(ConfigError::new(PUBLIC, Some("true"), problem));
    }
    Ok(public)
}

/// `guarded`: whoever comes from elsewhere may see it, or is asked for a token.
fn listen(vars: &dyn Vars, guarded: bool) -> Result<SocketAddr, ConfigError> {
    const LISTEN: &str = "ROWCAST_LISTEN";
    let text = vars.get(LISTEN).unwrap_or_else(|| "127.0.0.1:8080".into());
    let Ok(address) = text.parse::<SocketAddr>() else {
        let expected = "expected an IP address and a port: 127.0.0.1:8080, [::1]:8080, 0.0.0.0:8080";
        return Err(ConfigError::new(LISTEN, Some(&text), expected));
    };
    if !address.ip().to_canonical().is_loopback() && !guarded {
        let problem = "others could reach this address, and every client may join every room; set ROWCAST_JWT_SECRET, \
                       so that tokens say who may see what; or listen on a loopback address (127.0.0.1:8080), or say \
                       that all data are public with ROWCAST_PUBLIC=true";
        return Err(ConfigError::new(LISTEN, Some(&text), problem));
    }
    Ok(address)
}

fn origins(vars: &dyn Vars) -> Result<Option<Vec<String>>, ConfigError> {
    const ORIGINS: &str = "ROWCAST_ORIGINS";
    let Some(text) = vars.get(ORIGINS) else { return Ok(None) };
    let origins: Vec<String> = text.split(',').map(|origin| origin.trim().to_owned()).collect();
    // A path, a trailing slash included, would match nothing that a browser sends.
    let is_origin = |origin: &str| {
        origin.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty() && !host.is_empty() && !host.contains(['/', ' ', '@'])
        })
    };
    match origins.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
        None => Ok(Some(origins)),
        Some(bad) => {
            let expected = format!("expected https://app.example,http://localhost:3000 or *, not {bad:?}");
            Err(ConfigError::new(ORIGINS, Some(&text), expected))
        }
    }
}

fn namespaces(vars: &dyn Vars, routes: &[Route]) -> Result<BTreeSet<String>, ConfigError> {
    const MORE: &str = "ROWCAST_GATEWAY_NAMESPACES";
    let more = vars.get(MORE).unwrap_or_default();
    let named = more.split(',').map(str::trim).filter(|name| !name.is_empty());
    let all: BTreeSet<String> = std::iter::once("/".to_owned())
        .chain(routes.iter().map(|route| route.namespace.clone()))
        .chain(named.map(with_slash))
        .collect();
    if all.contains(CLUSTER) {
        return Err(ConfigError::new(MORE, Some(&more), FOR_OPERATORS));
    }
    // A `#` would end the name in a channel, a comma or a question mark in a packet of a client.
    match all.iter().find(|name| name.contains(['#', ',', '?'])) {
        None => Ok(all),
        Some(bad) => {
            let problem =
                format!("the namespace {bad:?} cannot be served: #, comma and ? end a name on the wire");
            Err(ConfigError::new(MORE, Some(&more), problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn settings(pairs: &[(&str, &str)]) -> Result<GatewaySettings, ConfigError> {
        let vars: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        GatewaySettings::from_vars(&vars)
    }

    #[test]
    fn without_variables_it_listens_on_loopback_and_asks_for_no_database() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(Vec::from_iter(settings.namespaces), ["/"]);
    }

    #[test]
    fn an_address_that_others_reach_is_refused_unless_the_data_are_public() {
        for address in ["0.0.0.0:80", "[::]:80", "192.168.0.1:80", "[::ffff:10.0.0.1]:80"] {
            let error = settings(&[("ROWCAST_LISTEN", address)]).unwrap_err();
            assert_eq!(error.variable, "ROWCAST_LISTEN");
            let error = error.to_string();
            assert!(
                error.contains("set ROWCAST_JWT_SECRET") && error.contains("ROWCAST_PUBLIC=true"),
                "{error}"
            );
            assert!(settings(&[("ROWCAST_LISTEN", address), ("ROWCAST_PUBLIC", "false")]).is_err());
            assert!(settings(&[("ROWCAST_LISTEN", address), ("ROWCAST_PUBLIC", "true")]).is_ok());
            assert!(settings(&[("ROWCAST_LISTEN", address), ("ROWCAST_JWT_SECRET", SECRET)]).is_ok());
        }
        for address in ["127.0.0.1:0", "127.8.9.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(settings(&[("ROWCAST_LISTEN", address)]).is_ok(), "{address}");
        }
        for (name, value) in [
            ("ROWCAST_LISTEN", "8080"),
            ("ROWCAST_PUBLIC", "yes"),
            ("ROWCAST_ROOMS_PER_SOCKET", "0"),
            ("ROWCAST_HEAR", "room"),
            ("ROWCAST_ORIGINS", "https://app.example/"),
            ("ROWCAST_MAX_CONNECTIONS", "0"),
            ("ROWCAST_MAX_CONNECTIONS_PER_ADDRESS", "many"),
            ("ROWCAST_MESSAGES_PER_SECOND", "0"),
            ("ROWCAST_MAX_BEHIND_BYTES", "1000"),
        ] {
            assert_eq!(settings(&[(name, value)]).unwrap_err().variable, name);
        }
    }

    #[test]
    fn data_cannot_be_public_and_behind_tokens() {
        let error = settings(&[("ROWCAST_PUBLIC", "true"), ("ROWCAST_JWT_SECRET", SECRET)]).unwrap_err();
        assert!(error.variable == "ROWCAST_PUBLIC" && !error.to_string().contains(SECRET), "{error}");
        assert!(settings(&[("ROWCAST_PUBLIC", "false"), ("ROWCAST_JWT_SECRET", SECRET)]).is_ok());
    }

    #[test]
    fn origins_are_those_that_are_named() {
        let named =
            settings(&[("ROWCAST_ORIGINS", "https://app.example, http://localhost:3000")]).unwrap().origins;
        assert_eq!(named.unwrap(), ["https://app.example", "http://localhost:3000"]);
        for bad in ["app.example", "https://", "https://app.example/", "https://app.example,,*"] {
            assert_eq!(
                settings(&[("ROWCAST_ORIGINS", bad)]).unwrap_err().variable,
                "ROWCAST_ORIGINS",
                "{bad}"
            );
        }
    }

    #[test]
    fn namespaces_are_the_routes_and_those_that_are_named() {
        let named =
            settings(&[("ROWCAST_NAMESPACE", "rows"), ("ROWCAST_GATEWAY_NAMESPACES", "chat, /admin")]);
        let named = named.unwrap();
        assert_eq!(named.admin_ui(), None, "it is one for clients");
        assert_eq!(Vec::from_iter(named.namespaces), ["/", "/admin", "/chat", "/rows"]);
        assert_eq!(settings(&[]).unwrap().admin_ui(), Some("/admin"));
        for bad in ["a#b", "cluster", "chat,/cluster"] {
            let error = settings(&[("ROWCAST_GATEWAY_NAMESPACES", bad)]).unwrap_err();
            assert_eq!(error.variable, "ROWCAST_GATEWAY_NAMESPACES");
        }
        let error = settings(&[("ROWCAST_NAMESPACE", "/cluster")]).unwrap_err();
        assert_eq!((error.variable, error.problem.as_str()), ("ROWCAST_NAMESPACE", FOR_OPERATORS));
    }
}
