//! Free loopback ports.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Below Linux's range for outgoing connections (from 32768), so that a server that is down for a moment does not
/// lose its port to somebody's connection.
const RANGE: std::ops::Range<u16> = 15_000..32_000;

/// Whether a server could listen on this port now. It may be taken a moment later: whoever starts a server there
/// must be ready for that.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port that is free now: the preferred one, else any.
pub(super) fn choose(preferred: Option<u16>) -> Result<u16> {
    if let Some(port) = preferred.filter(|port| is_free(*port)) {
        return Ok(port);
    }
    for _ in 0..1000 {
        let port = fastrand::u16(RANGE);
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("no free port on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_chosen() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(choose(Some(port)).unwrap(), port);
        drop(taken);
        assert_eq!(choose(Some(port)).unwrap(), port);
    }
}
