//! A connection that breaks when told to: stands before a server on 127.0.0.1, and passes everything through until
//! a test wants otherwise. It knows no protocol, only bytes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::eventually;

/// Where bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What the client sends: requests.
    Client,
    /// What the server sends: replies.
    Server,
}

/// A proxy on a port of its own. It ends with the runtime that started it, or when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

/// What is to happen to the bytes.
struct Shared {
    upstream: u16,
    orders: Mutex<Orders>,
    /// Whether each side's bytes are held back; the index is the side.
    held: [watch::Sender<bool>; 2],
    /// Whether delayed requests may go on to the server.
    delivered: watch::Sender<bool>,
    /// How many connections were cut by an order of [`Proxy::cut_after`] or a trap.
    sprung: watch::Sender<usize>,
}

#[derive(Default)]
struct Orders {
    /// Cancelling it cuts all the connections of now; then there is a new one.
    all: CancellationToken,
    open: usize,
    /// How many more bytes of each side pass.
    remaining: [Option<usize>; 2],
    trap: Option<Trap>,
}

/// What to do when a client sends certain bytes.
struct Trap {
    bytes: Vec<u8>,
    lose: Lose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lose {
    Request,
    Reply,
    /// The server gets the request, but later.
    Connection,
}

/// What becomes of bytes that came in.
enum Verdict {
    /// So many of them pass, and that is the connection's end or not.
    Pass(usize, bool),
    /// They are the connection's end for the client, and pass later.
    Delay,
}

impl Proxy {
    /// Stands before the server on this port of 127.0.0.1.
    pub(crate) async fn start(upstream: u16) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            orders: Mutex::default(),
            held: [watch::Sender::new(false), watch::Sender::new(false)],
            delivered: watch::Sender::new(false),
            sprung: watch::Sender::new(0),
        });
        let unbound = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = listen(unbound).expect("a port for the proxy");
        let address = listener.local_addr().expect("the proxy's address");
        let listening = accept_on(listener, Arc::clone(&shared));
        Self { address, shared, listening }
    }

    /// The port that clients connect to.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The server's URL with the proxy's port instead.
    pub(crate) fn url(&self, server: &str) -> String {
        let (from, to) = (format!(":{}", self.shared.upstream), format!(":{}", self.port()));
        assert!(
            server.contains(&from),
            "{server} is not the URL of the server on port {}",
            self.shared.upstream
        );
        server.replacen(&from, &to, 1)
    }

    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.shared.orders().open
    }

    /// Cuts every connection of now. New ones are taken.
    pub(crate) fn cut_all(&self) {
        std::mem::take(&mut self.shared.orders().all).cancel();
    }

    /// Lets this many more bytes of one side pass, over all connections together, then cuts the connection that
    /// would carry the next one. Once.
    pub(crate) fn cut_after(&self, side: Side, bytes: usize) {
        self.shared.orders().remaining[side as usize] = Some(bytes);
    }

    /// Holds one side's bytes back, on all connections; nothing is lost.
    pub(crate) fn hold(&self, side: Side) {
        self.shared.held[side as usize].send_replace(true);
    }

    /// Lets held bytes go on.
    pub(crate) fn release(&self, side: Side) {
        self.shared.held[side as usize].send_replace(false);
    }

    /// Stops listening: new connections are refused, as by a machine without the server. Open ones stay.
    pub(crate) async fn refuse(&mut self) {
        self.listening.abort();
        // The port is closed once the task is gone; that it was aborted is no news.
        (&mut self.listening).await.ok();
    }

    /// Listens again after [`Proxy::refuse`], on the same port.
    pub(crate) async fn accept(&mut self) {
        let listener = eventually(Duration::from_secs(10), "the proxy's port is free again", async || {
            listen(self.address)
        });
        self.listening = accept_on(listener.await, Arc::clone(&self.shared));
    }

    /// When a client has sent `bytes`, the server gets them, but its next reply is swallowed and the connection cut:
    /// what was asked for is done, and the client cannot know. Once; [`Proxy::sprung`] tells when it has happened.
    /// For the reply to COMMIT: `proxy.lose_reply_to(b"COMMIT")`.
    pub(crate) fn lose_reply_to(&self, bytes: &[u8]) {
        self.shared.orders().trap = Some(Trap { bytes: bytes.to_vec(), lose: Lose::Reply });
    }

    /// When a client sends `bytes`, the server does not get the packet that ends them, and the connection is cut:
    /// nothing is done, and the client cannot know. Once.
    pub(crate) fn lose_request(&self, bytes: &[u8]) {
        self.shared.orders().trap = Some(Trap { bytes: bytes.to_vec(), lose: Lose::Request });
    }

    /// When a client sends `bytes`, its connection is cut. The server keeps its side of it, and gets the packet when
    /// [`Proxy::deliver`] says so: as if it had been on its way all the time. Once.
    pub(crate) fn delay_request(&self, bytes: &[u8]) {
        self.shared.orders().trap = Some(Trap { bytes: bytes.to_vec(), lose: Lose::Connection });
    }

    /// Lets a delayed request arrive.
    pub(crate) fn deliver(&self) {
        self.shared.delivered.send_replace(true);
    }

    /// Waits until this many connections, since the start, were cut by [`Proxy::cut_after`] or because of certain
    /// bytes.
    pub(crate) async fn sprung(&self, count: usize, deadline: Duration) {
        let what = format!("{count} orders to cut were carried out");
        eventually(deadline, &what, async || {
            let sprung = *self.shared.sprung.borrow();
            if sprung >= count { Ok(()) } else { Err(sprung) }
        })
        .await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut_all();
    }
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().expect("the proxy's orders")
    }

    /// What becomes of these bytes.
    fn judge(&self, side: Side, chunk: &[u8], connection: &Connection, sent: &mut Vec<u8>) -> Verdict {
        let mut orders = self.orders();
        if side == Side::Server && connection.lose_reply.load(Ordering::SeqCst) {
            return Verdict::Pass(0, true);
        }
        if side == Side::Client
            && let Some(lose) = orders.trap.as_ref().and_then(|trap| trap.springs(chunk, sent))
        {
            orders.trap = None;
            match lose {
                Lose::Request => return Verdict::Pass(0, true),
                Lose::Connection => return Verdict::Delay,
                Lose::Reply => connection.lose_reply.store(true, Ordering::SeqCst),
            }
        }
        let Some(remaining) = &mut orders.remaining[side as usize] else {
            return Verdict::Pass(chunk.len(), false);
        };
        if chunk.len() <= *remaining {
            *remaining -= chunk.len();
            return Verdict::Pass(chunk.len(), false);
        }
        let pass = *remaining;
        orders.remaining[side as usize] = None;
        Verdict::Pass(pass, true)
    }
}

impl Trap {
    /// `sent` keeps the end of what came before, because the bytes may come in pieces.
    fn springs(&self, chunk: &[u8], sent: &mut Vec<u8>) -> Option<Lose> {
        sent.extend_from_slice(chunk);
        let found = sent.windows(self.bytes.len()).any(|window| window == self.bytes);
        sent.drain(..sent.len().saturating_sub(self.bytes.len() - 1));
        found.then_some(self.lose)
    }
}

/// One client's way to the server.
struct Connection {
    /// Cancelled to cut it.
    cut: CancellationToken,
    lose_reply: AtomicBool,
}

/// Carries one connection's bytes both ways until an end closes it or it is cut.
async fn carry(shared: Arc<Shared>, client: TcpStream) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream)).await else { return };
    let cut = {
        let mut orders = shared.orders();
        orders.open += 1;
        orders.all.child_token()
    };
    let connection = Connection { cut, lose_reply: AtomicBool::new(false) };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let both = async {
        tokio::join!(
            pump(&shared, &connection, Side::Client, from_client, to_server),
            pump(&shared, &connection, Side::Server, from_server, to_client),
        )
    };
    connection.cut.run_until_cancelled(both).await;
    shared.orders().open -= 1;
}

/// Carries one direction's bytes; passes the end on.
async fn pump(
    shared: &Shared,
    connection: &Connection,
    side: Side,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) {
    let (mut buffer, mut sent) = (vec![0; 64 * 1024], Vec::new());
    let mut held = shared.held[side as usize].subscribe();
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        held.wait_for(|held| !held).await.expect("the proxy outlives its connections");
        let (pass, last) = match shared.judge(side, &buffer[..length], connection, &mut sent) {
            Verdict::Pass(pass, last) => (pass, last),
            Verdict::Delay => {
                deliver_later(shared.delivered.subscribe(), to, buffer[..length].to_vec());
                shared.sprung.send_modify(|count| *count += 1);
                return connection.cut.cancel();
            }
        };
        if to.write_all(&buffer[..pass]).await.is_err() {
            break;
        }
        if last {
            shared.sprung.send_modify(|count| *count += 1);
            connection.cut.cancel();
        }
    }
    // The other side may have closed first: then there is nobody to pass the end on to.
    to.shutdown().await.ok();
}

/// Sends a request whose client is gone, and leaves the connection to the server as it is.
fn deliver_later(mut delivered: watch::Receiver<bool>, mut server: OwnedWriteHalf, request: Vec<u8>) {
    tokio::spawn(async move {
        delivered.wait_for(|delivered| *delivered).await.expect("the proxy outlives its requests");
        server.write_all(&request).await.expect("the server still has the connection");
        std::future::pending::<()>().await;
    });
}

/// Takes connections until it is aborted.
fn accept_on(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(Arc::clone(&shared), client));
        }
    })
}

/// Listens; also where a listener of ours has just been.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}
