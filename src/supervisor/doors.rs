//! The sockets that gateways accept connections from. The supervisor opens them and hands each child a duplicate, as
//! its standard output (see [`crate::control::listener`]).
//!
//! So a port is never closed between one gateway and the next: whoever connects meanwhile waits for the next one. And
//! one that is taken costs no process.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
};

use tokio::net::TcpSocket;

/// How many connections may wait until they are accepted. After a restart all clients come at once.
const WAITING: u32 = 4096;

/// A listening socket, and where it listens.
#[derive(Debug)]
struct Door {
    /// With the port that the system has chosen, where that was left to it: it stays.
    address: SocketAddr,
    /// Closed while nobody would accept.
    listener: Option<TcpListener>,
}

/// The sockets of all gateways, by the address that was asked for. Where the port is the system's to choose, each slot
/// has one of its own.
#[derive(Debug, Default)]
pub(super) struct Doors(BTreeMap<(SocketAddr, u32), Door>);

impl Doors {
    /// Another handle to the socket of a slot, which is opened where that is needed; and where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(&mut self, slot: u32, wanted: SocketAddr) -> io::Result<(OwnedFd, SocketAddr)> {
        let key = key(slot, wanted);
        let known = self.0.get(&key);
        if let Some(Door { address, listener: Some(listener) }) = known {
            return Ok((listener.try_clone()?.into(), *address));
        }
        let listener = listen(known.map_or(wanted, |door| door.address))?;
        let (duplicate, address) = (listener.try_clone()?, listener.local_addr()?);
        self.0.insert(key, Door { address, listener: Some(listener) });
        Ok((duplicate.into(), address))
    }

    /// Nobody accepts there for a while: clients are refused, rather than kept waiting.
    pub(super) fn close(&mut self, slot: u32, wanted: SocketAddr) {
        if let Some(door) = self.0.get_mut(&key(slot, wanted)) {
            door.listener = None;
        }
    }

    /// Closes all but those that these slots want, counted from 1. Children keep what they were given.
    pub(super) fn retain(&mut self, wanted: &[SocketAddr]) {
        let keys: Vec<_> = (1..).zip(wanted).map(|(slot, wanted)| key(slot, *wanted)).collect();
        self.0.retain(|key, _| keys.contains(key));
    }
}

fn key(slot: u32, wanted: SocketAddr) -> (SocketAddr, u32) {
    (wanted, if wanted.port() == 0 { slot } else { 0 })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As everybody does: connections of the process before that are on their way out must not hold the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)?.into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_open(address: SocketAddr) -> bool {
        std::net::TcpStream::connect(address).is_ok()
    }

    #[tokio::test]
    async fn a_slot_keeps_the_port_that_the_system_chose_and_shares_it_with_no_other() {
        let (any, mut doors) = ("127.0.0.1:0".parse().unwrap(), Doors::default());
        let (one, two) = (doors.open(1, any).unwrap().1, doors.open(2, any).unwrap().1);
        assert!(one != two && is_open(one) && is_open(two), "{one} {two}");
        doors.close(1, any);
        assert!(!is_open(one) && is_open(two));
        assert_eq!(doors.open(1, any).unwrap().1, one);
    }

    #[tokio::test]
    async fn what_is_not_wanted_any_more_is_closed_when_its_last_gateway_goes() {
        let (any, mut doors) = ("127.0.0.1:0".parse().unwrap(), Doors::default());
        let ((first, one), (second, two)) = (doors.open(1, any).unwrap(), doors.open(2, any).unwrap());
        drop(first);
        doors.retain(&[any]);
        assert!(is_open(one) && is_open(two));
        drop(second);
        assert!(is_open(one) && !is_open(two));
    }

    #[tokio::test]
    async fn a_port_that_another_slot_had_before_need_not_be_bound_again() {
        let mut doors = Doors::default();
        let any = "127.0.0.1:0".parse().unwrap();
        let free = doors.open(1, any).unwrap().1;
        doors.retain(&[]);
        drop(doors.open(2, free).unwrap());
        drop(doors.open(1, free).unwrap());
        assert!(listen(free).is_err());
    }
}
