//! How much clients of the gateway may take for themselves.

use ipnet::IpNet;

use super::{ConfigError, Vars, number};

/// What clients are held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// The most clients at once.
    pub connections: usize,
    /// The most clients at once of one address.
    pub connections_per_address: usize,
    /// The most messages a second of one client, over ten seconds.
    pub messages_per_second: u32,
    /// A client for which more bytes than this are kept is dropped.
    pub bytes_behind: u64,
    /// Whose word counts for the address of a client.
    pub trusted_proxies: Vec<IpNet>,
}

impl LimitSettings {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_vars(vars: &dyn Vars) -> Result<Self, ConfigError> {
        Ok(Self {
            connections: number(vars, "ROWCAST_MAX_CONNECTIONS", 10_000, 1..=1_000_000)?,
            connections_per_address: number(
                vars,
                "ROWCAST_MAX_CONNECTIONS_PER_ADDRESS",
                1_000,
                1..=1_000_000,
            )?,
            messages_per_second: number(vars, "ROWCAST_MESSAGES_PER_SECOND", 20, 1..=100_000)?,
            bytes_behind: number(vars, "ROWCAST_MAX_BEHIND_BYTES", 16 << 20, 1 << 16..=1 << 30)?,
            trusted_proxies: trusted_proxies(vars)?,
        })
    }
}

fn trusted_proxies(vars: &dyn Vars) -> Result<Vec<IpNet>, ConfigError> {
    const PROXIES: &str = "ROWCAST_TRUSTED_PROXIES";
    let text = vars.get(PROXIES).unwrap_or_else(|| "127.0.0.0/8,::1".into());
    let network = |name: &str| {
        let address = || name.parse().map(|address: std::net::IpAddr| IpNet::from(address.to_canonical()));
        name.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
            let expected =
                format!("expected addresses or networks: 10.0.0.7,192.168.0.0/16,::1; not {name:?}");
            ConfigError::new(PROXIES, Some(&text), expected)
        })
    };
    text.split(',').map(|name| network(name.trim())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn proxies_are_addresses_and_networks() {
        let read = |text: &str| {
            let vars = BTreeMap::from([("ROWCAST_TRUSTED_PROXIES".to_owned(), text.to_owned())]);
            LimitSettings::from_vars(&vars).map(|limits| limits.trusted_proxies)
        };
        let text = |networks: Vec<IpNet>| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(text(read("").unwrap()), ["127.0.0.0/8", "::1/128"]);
        let named = read("10.0.0.7, ::ffff:10.0.0.8,192.168.0.0/16").unwrap();
        assert_eq!(text(named), ["10.0.0.7/32", "10.0.0.8/32", "192.168.0.0/16"]);
        for bad in ["nginx", "10.0.0.0/33", "10.0.0.7,", "10.0.0.7:80"] {
            assert_eq!(read(bad).unwrap_err().variable, "ROWCAST_TRUSTED_PROXIES", "{bad}");
        }
    }
}
