//! The sockets that gateways accept connections from. The supervisor opens them and hands each child a duplicate, as
//! its standard output (see [`crate::control::listener`]).
//!
//! So a port is never closed between one gateway and the next: whoever connects meanwhile waits for the next one. And
//! one that is taken costs no process.
//!
//! Where all slots share a port each has a socket of its own there all the same, and the kernel shares the connections
//! among them by the clients' addresses.

mod by_address;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    sync::Arc,
};

use tokio::net::TcpSocket;

use crate::config::Address;

/// How many connections may wait until they are accepted. After a restart all clients come at once.
const WAITING: u32 = 4096;

/// A listening socket, and where it listens.
#[derive(Debug)]
struct Door {
    /// With the port that the system has chosen, where that was left to it: it stays.
    address: SocketAddr,
    /// Closed while nobody would accept.
    listener: Option<TcpListener>,
    /// The gateways that were given it and are not told to end.
    held: Hold,
}

/// While a gateway has this its door stays, wanted or not: it may be wanted again before the gateway has left it.
pub(super) type Hold = Arc<()>;

/// What a gateway is given.
pub(super) type Given = (OwnedFd, SocketAddr, Hold);

/// The sockets of all gateways, by the address that was asked for. Where the port is the system's to choose, or shared,
/// each slot has one of its own.
#[derive(Debug, Default)]
pub(super) struct Doors {
    all: BTreeMap<Key, Door>,
    /// Those that are not wanted any more.
    old: BTreeSet<Key>,
}

type Key = (Address, u32);

impl Doors {
    /// Another handle to the socket of a slot, which is opened where that is needed; and where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(&mut self, slot: u32, wanted: Address) -> io::Result<Given> {
        let key = key(slot, wanted);
        self.old.remove(&key);
        if let Some(Door { address, listener: Some(listener), held }) = self.all.get(&key) {
            return Ok((listener.try_clone()?.into(), *address, held.clone()));
        }
        let known = self.all.get(&key).or_else(|| self.others(wanted).map(|(_, door)| door).next());
        let address = known.map_or(wanted.socket, |door| door.address);
        let listener = match wanted.shared {
            false => listen(address, false)?,
            true => {
                // Another program that shares its port would be given clients of ours, and we of its.
                if self.others(wanted).all(|(_, door)| door.listener.is_none()) {
                    drop(listen(address, false)?);
                }
                listen(address, true)?
            }
        };
        let (duplicate, address, held) = (listener.try_clone()?, listener.local_addr()?, Hold::default());
        self.all.insert(key, Door { address, listener: Some(listener), held: held.clone() });
        self.share(wanted);
        Ok((duplicate.into(), address, held))
    }

    /// Nobody accepts there for a while: clients are refused, or come to the others that share the port, rather than
    /// kept waiting.
    pub(super) fn close(&mut self, slot: u32, wanted: Address) {
        if let Some(door) = self.all.get_mut(&key(slot, wanted)) {
            door.listener = None;
        }
        self.share(wanted);
    }

    /// Wants no others from now on than those of these slots, counted from 1. See [`Doors::tidy`].
    pub(super) fn retain(&mut self, wanted: &[Address]) {
        let keys: BTreeSet<Key> = (1..).zip(wanted).map(|(slot, wanted)| key(slot, *wanted)).collect();
        self.old = self.all.keys().filter(|key| !keys.contains(*key)).copied().collect();
        wanted.iter().take(1).for_each(|wanted| self.share(*wanted));
    }

    /// Closes those that are not wanted and that no gateway holds.
    pub(super) fn tidy(&mut self) {
        let Self { all, old } = self;
        old.retain(|key| {
            let is_held = all.get(key).is_some_and(|door| Hold::strong_count(&door.held) > 1);
            if !is_held {
                all.remove(key);
            }
            is_held
        });
    }

    /// Whether there is a door at this address.
    pub(super) fn has(&self, wanted: Address) -> bool {
        self.all.keys().any(|(address, _)| *address == wanted)
    }

    /// Closes all. Children keep what they were given.
    pub(super) fn close_all(&mut self) {
        *self = Self::default();
    }

    /// Those of all slots that share this address.
    fn others(&self, wanted: Address) -> impl Iterator<Item = (&Key, &Door)> {
        self.all.iter().filter(move |((address, _), _)| wanted.shared && *address == wanted)
    }

    /// Has those that are open and wanted share the clients.
    fn share(&self, wanted: Address) {
        let open = || {
            let wanted = self.others(wanted).filter(|(key, _)| !self.old.contains(*key));
            wanted.filter_map(|(_, door)| door.listener.as_ref())
        };
        let (Some(one), sockets) = (open().next(), open().count()) else { return };
        if let Err(error) = by_address::share(one, sockets as u32) {
            let address = wanted.socket;
            tracing::error!(
                %address,
                "a client may come to several gateways, and lose its session on long-polling: the kernel does not share \
                 clients by their addresses ({error})"
            );
        }
    }
}

fn key(slot: u32, wanted: Address) -> Key {
    (wanted, if wanted.shared || wanted.socket.port() == 0 { slot } else { 0 })
}

fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As everybody does: connections of the process before that are on their way out must not hold the port.
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(shared)?;
    socket.bind(address)?;
    socket.listen(WAITING)?.into_std()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn own(address: &str) -> Address {
        Address { socket: address.parse().unwrap(), shared: false }
    }

    fn is_open(address: SocketAddr) -> bool {
        std::net::TcpStream::connect(address).is_ok()
    }

    #[tokio::test]
    async fn a_slot_keeps_the_port_that_the_system_chose_and_shares_it_with_no_other() {
        let (any, mut doors) = (own("127.0.0.1:0"), Doors::default());
        let (one, two) = (doors.open(1, any).unwrap().1, doors.open(2, any).unwrap().1);
        assert!(one != two && is_open(one) && is_open(two), "{one} {two}");
        doors.close(1, any);
        assert!(!is_open(one) && is_open(two));
        assert_eq!(doors.open(1, any).unwrap().1, one);
    }

    #[tokio::test]
    async fn what_is_not_wanted_any_more_is_closed_when_its_last_gateway_goes() {
        let (any, mut doors) = (own("127.0.0.1:0"), Doors::default());
        let ((first, one, held), (second, two, held_too)) =
            (doors.open(1, any).unwrap(), doors.open(2, any).unwrap());
        drop((first, held));
        doors.retain(&[any]);
        doors.tidy();
        assert!(is_open(one) && is_open(two));
        drop((second, held_too));
        doors.tidy();
        assert!(is_open(one) && !is_open(two));
    }

    #[tokio::test]
    async fn a_door_that_a_gateway_still_holds_can_be_wanted_again() {
        for shared in [false, true] {
            let mut doors = Doors::default();
            let free = doors.open(1, own("127.0.0.1:0")).unwrap().1;
            doors.close_all();
            let here = Address { socket: free, shared };
            let (_child, _, held) = doors.open(1, here).unwrap();
            doors.retain(&[own("127.0.0.1:0")]);
            doors.tidy();
            let (_next, address, held_too) = doors.open(1, here).unwrap();
            assert_eq!(address, free);
            drop((held, held_too));
            doors.tidy();
            assert!(doors.all.contains_key(&key(1, here)), "it is wanted again");
        }
    }

    #[tokio::test]
    async fn a_port_that_another_slot_had_before_need_not_be_bound_again() {
        let mut doors = Doors::default();
        let any = own("127.0.0.1:0");
        let free = doors.open(1, any).unwrap().1;
        doors.close_all();
        drop(doors.open(2, own(&free.to_string())).unwrap());
        drop(doors.open(1, own(&free.to_string())).unwrap());
        assert!(listen(free, false).is_err());
    }

    /// Which of the doors each of these clients comes to, with as many connections as it opens.
    async fn come(
        doors: &[TcpListener],
        address: SocketAddr,
        clients: &[IpAddr],
    ) -> Vec<BTreeMap<IpAddr, u32>> {
        for client in clients.iter().cycle().take(clients.len() * 3) {
            let socket = if client.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
            socket.bind(SocketAddr::new(*client, 0)).unwrap();
            // It is accepted by the kernel when this returns.
            drop(socket.connect(address).await.unwrap());
        }
        let comers = |door: &TcpListener| {
            let mut came = BTreeMap::new();
            while let Ok((_, client)) = door.accept() {
                *came.entry(client.ip()).or_default() += 1;
            }
            came
        };
        doors.iter().map(comers).collect()
    }

    fn opened(doors: &mut Doors, slots: u32, wanted: Address) -> (Vec<TcpListener>, SocketAddr) {
        let open = |slot| doors.open(slot, wanted).unwrap();
        let given: Vec<Given> = (1..=slots).map(open).collect();
        let (sockets, addresses): (Vec<_>, Vec<_>) =
            given.into_iter().map(|(socket, address, _)| (socket, address)).unzip();
        assert!(addresses.iter().all(|address| *address == addresses[0]));
        (sockets.into_iter().map(TcpListener::from).collect(), addresses[0])
    }

    #[tokio::test]
    async fn slots_that_share_a_port_share_the_clients_and_each_client_stays_with_one() {
        let mut doors = Doors::default();
        let one = Address { shared: true, ..own("127.0.0.1:0") };
        let (mut sockets, address) = opened(&mut doors, 3, one);
        let clients: Vec<IpAddr> = (1..=60).map(|last| IpAddr::from([127, 0, 7, last])).collect();
        let came = come(&sockets, address, &clients).await;
        assert_eq!(came.iter().map(BTreeMap::len).sum::<usize>(), 60, "each to one: {came:?}");
        assert!(
            came.iter().all(|came| came.len() >= 10 && came.values().all(|&count| count == 3)),
            "{came:?}"
        );

        // One is away for a while: the others have its clients.
        sockets.remove(1);
        doors.close(2, one);
        let came = come(&sockets, address, &clients).await;
        assert_eq!(came.iter().map(BTreeMap::len).sum::<usize>(), 60, "{came:?}");
        sockets.push(doors.open(2, one).unwrap().0.into());
        let came = come(&sockets, address, &clients).await;
        assert!(
            came.iter().all(|came| came.len() >= 10 && came.values().all(|&count| count == 3)),
            "{came:?}"
        );
        // Fewer are wanted, and the third has ended.
        sockets.remove(1);
        doors.retain(&[one; 2]);
        doors.tidy();
        let came = come(&sockets, address, &clients).await;
        assert!(
            came.iter().all(|came| came.len() >= 15 && came.values().all(|&count| count == 3)),
            "{came:?}"
        );
        assert_eq!(came.iter().map(BTreeMap::len).sum::<usize>(), 60, "{came:?}");
    }

    #[tokio::test]
    async fn a_client_of_ipv6_stays_with_one_too() {
        let mut doors = Doors::default();
        let (sockets, address) = opened(&mut doors, 4, Address { shared: true, ..own("[::1]:0") });
        let client = "::1".parse().unwrap();
        let came = come(&sockets, address, &[client; 8]).await;
        assert_eq!(came.iter().filter(|came| !came.is_empty()).count(), 1, "{came:?}");
    }

    #[tokio::test]
    async fn a_port_that_another_program_shares_is_taken() {
        let (mut ours, mut theirs) = (Doors::default(), Doors::default());
        let (_sockets, address) = opened(&mut theirs, 2, Address { shared: true, ..own("127.0.0.1:0") });
        let error = ours.open(1, Address { socket: address, shared: true }).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
