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
    free_ports(preferred, 1)
}

/// The first of so many ports in a row that are free now: the preferred ones, else any.
///
/// # Errors
/// When there are none.
pub fn free_ports(preferred: Option<u16>, count: usize) -> Result<u16> {
    let last = u16::try_from(count.saturating_sub(1)).unwrap_or(u16::MAX);
    let are_free = |first: u16| (first..=first.saturating_add(last)).all(is_free);
    if let Some(first) = preferred.filter(|first| are_free(*first)) {
        return Ok(first);
    }
    for _ in 0..1000 {
        let first = fastrand::u16(RANGE);
        if are_free(first) {
            return Ok(first);
        }
    }
    bail!("not {count} free port(s) in a row on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_chosen() {
        // Not one that the system chooses: that may be somebody's connection a moment later.
        let port = free_ports(None, 2).unwrap() + 1;
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert_ne!(choose(Some(port)).unwrap(), port);
        assert_ne!(free_ports(Some(port - 1), 2).unwrap(), port - 1);
        drop(taken);
        assert_eq!(choose(Some(port)).unwrap(), port);
    }
}
