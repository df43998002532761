//! Where the gateways of a supervisor listen: each on a port of its own, or all on one.

use std::net::SocketAddr;

use super::{ConfigError, GatewaySettings, Vars, number, word};

/// Where a gateway listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The IP address, and the port; 0 is a free one.
    pub socket: SocketAddr,
    /// Whether those of all slots listen there, and share their clients by the clients' addresses.
    pub shared: bool,
}

/// The addresses of all gateways, in the order of their slots: ROWCAST_LISTEN, and the ports after it, unless all are to
/// share one. With port 0 each is given a free one.
///
/// # Errors
/// The first variable that cannot be used, as a gateway would read it; and more gateways than there are ports. Without
/// gateways nothing of theirs is read.
pub fn gateway_addresses(vars: &dyn Vars) -> Result<Vec<Address>, ConfigError> {
    const GATEWAYS: &str = "ROWCAST_GATEWAYS";
    let count: u16 = number(vars, GATEWAYS, 1, 0..=64)?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let first = GatewaySettings::from_vars(vars)?.listen;
    let shared = word(vars, "ROWCAST_GATEWAY_PORTS", false, &[("each", false), ("one", true)])?;
    if shared || first.port() == 0 {
        return Ok(vec![Address { socket: first, shared }; count.into()]);
    }
    let port = |number: u16| first.port().checked_add(number);
    let address = |number| Some(Address { socket: SocketAddr::new(first.ip(), port(number)?), shared });
    (0..count).map(address).collect::<Option<_>>().ok_or_else(|| {
        let problem =
            format!("each gateway has a port of its own, and after {} there are fewer", first.port());
        ConfigError::new(GATEWAYS, Some(&count.to_string()), problem)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn addresses(gateways: &str, listen: &str) -> Result<Vec<String>, String> {
        let vars = [("ROWCAST_GATEWAYS", gateways), ("ROWCAST_LISTEN", listen)];
        let vars: BTreeMap<String, String> =
            vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let addresses = gateway_addresses(&vars).map_err(|error| error.to_string())?;
        assert!(addresses.iter().all(|address| !address.shared));
        Ok(addresses.iter().map(|address| address.socket.to_string()).collect())
    }

    #[test]
    fn each_gateway_has_the_next_port_or_a_free_one() {
        assert_eq!(addresses("", "").unwrap(), ["127.0.0.1:8080"]);
        assert_eq!(addresses("2", "[::1]:80").unwrap(), ["[::1]:80", "[::1]:81"]);
        assert_eq!(addresses("2", "127.0.0.1:0").unwrap(), ["127.0.0.1:0", "127.0.0.1:0"]);
        assert_eq!(addresses("2", "127.0.0.1:65534").unwrap()[1], "127.0.0.1:65535");
    }

    #[test]
    fn all_gateways_share_one_port_where_that_is_said() {
        let vars = [("ROWCAST_GATEWAYS", "2"), ("ROWCAST_LISTEN", "127.0.0.1:65535")];
        let mut vars: BTreeMap<String, String> =
            vars.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        vars.insert("ROWCAST_GATEWAY_PORTS".to_owned(), "one".to_owned());
        let shared = Address { socket: "127.0.0.1:65535".parse().unwrap(), shared: true };
        assert_eq!(gateway_addresses(&vars).unwrap(), [shared; 2]);
        vars.insert("ROWCAST_GATEWAY_PORTS".to_owned(), "two".to_owned());
        assert_eq!(gateway_addresses(&vars).unwrap_err().variable, "ROWCAST_GATEWAY_PORTS");
    }

    #[test]
    fn more_gateways_than_ports_and_addresses_that_no_gateway_would_take_are_refused() {
        for (gateways, listen, expected) in [
            ("2", "127.0.0.1:65535", "ROWCAST_GATEWAYS=\"2\": each gateway has a port of its own"),
            ("65", "", "ROWCAST_GATEWAYS=\"65\": expected a number from 0 to 64"),
            ("1", "0.0.0.0:80", "ROWCAST_LISTEN=\"0.0.0.0:80\""),
        ] {
            let error = addresses(gateways, listen).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(
            addresses("0", "0.0.0.0:80").unwrap().is_empty(),
            "without gateways nothing of theirs is read"
        );
    }
}
