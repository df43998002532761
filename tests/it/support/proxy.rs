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
    /// How many connections were cut by an order of [`Proxy::cut_after`] or a trap.
    sprung: watch::Sender<usize>,
    /// Whether a delayed request may go on, and whether the server has answered it.
    delayed: watch::Sender<Delayed>,
}

/// A request of [`Proxy::delay_request`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delayed {
    Waits,
    Goes,
    Answered,
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
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The request is lost.
    Request,
    Reply,
    /// The reply, and for the time being the request.
    Delay,
    /// Nothing is lost; replies are held back from here on.
    Hold,
}

impl Proxy {
    /// Stands before the server on this port of 127.0.0.1.
    pub(crate) async fn start(upstream: u16) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            orders: Mutex::default(),
            held: [watch::Sender::new(false), watch::Sender::new(false)],
            sprung: watch::Sender::new(0),
            delayed: watch::Sender::new(Delayed::Waits),
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

    /// When a client sends `bytes`, the server gets them, and from then on its side is held back, as by
    /// [`Proxy::hold`]. Once.
    pub(crate) fn hold_replies_from(&self, bytes: &[u8]) {
        self.shared.orders().trap = Some(Trap { bytes: bytes.to_vec(), fate: Fate::Hold });
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
        self.shared.orders().trap = Some(Trap { bytes: bytes.to_vec(), fate: Fate::Reply });
    }

    /// When a client sends `bytes`, the server does not get the packet that ends them, and the connection is cut:
    /// nothing is done, and the client cannot know. Once.
    pub(crate) fn lose_request(&self, bytes: &[u8]) {
        self.shared.orders().trap = Some(Trap { bytes: bytes.to_vec(), fate: Fate::Request });
    }

    /// When a client sends `bytes`, it is hung up on, but the server will get the packet that ends them at
    /// [`Proxy::deliver`]. Once.
    pub(crate) fn delay_request(&self, bytes: &[u8]) {
        self.shared.delayed.send_replace(Delayed::Waits);
        self.shared.orders().trap = Some(Trap { bytes: bytes.to_vec(), fate: Fate::Delay });
    }

    /// Lets the delayed request go on, and waits until the server has answered it, to nobody.
    pub(crate) async fn deliver(&self, deadline: Duration) {
        self.shared.delayed.send_replace(Delayed::Goes);
        let mut delayed = self.shared.delayed.subscribe();
        let answered = delayed.wait_for(|delayed| *delayed == Delayed::Answered);
        tokio::time::timeout(deadline, answered).await.expect("an answer in time").expect("a proxy");
    }

    /// Waits until this many connections, since the start, were cut by [`Proxy::cut_after`], [`Proxy::lose_reply_to`],
    /// [`Proxy::lose_request`] or [`Proxy::delay_request`].
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

    /// How many of these bytes may pass, and whether that was the connection's end.
    fn judge(&self, side: Side, chunk: &[u8], connection: &Connection, sent: &mut Vec<u8>) -> (usize, bool) {
        let mut orders = self.orders();
        if side == Side::Server && connection.lose_reply.load(Ordering::SeqCst) {
            return (0, true);
        }
        if side == Side::Client
            && let Some(fate) = orders.trap.as_ref().and_then(|trap| trap.springs(chunk, sent))
        {
            orders.trap = None;
            match fate {
                Fate::Request => return (0, true),
                Fate::Reply => connection.lose_reply.store(true, Ordering::SeqCst),
                Fate::Delay => connection.hung_up.cancel(),
                Fate::Hold => {
                    self.held[Side::Server as usize].send_replace(true);
                }
            }
        }
        let Some(remaining) = &mut orders.remaining[side as usize] else { return (chunk.len(), false) };
        if chunk.len() <= *remaining {
            *remaining -= chunk.len();
            return (chunk.len(), false);
        }
        let pass = *remaining;
        orders.remaining[side as usize] = None;
        (pass, true)
    }
}

impl Trap {
    /// `sent` keeps the end of what came before, because the bytes may come in pieces.
    fn springs(&self, chunk: &[u8], sent: &mut Vec<u8>) -> Option<Fate> {
        sent.extend_from_slice(chunk);
        let found = sent.windows(self.bytes.len()).any(|window| window == self.bytes);
        sent.drain(..sent.len().saturating_sub(self.bytes.len() - 1));
        found.then_some(self.fate)
    }
}

/// One client's way to the server.
struct Connection {
    /// Cancelled to cut it.
    cut: CancellationToken,
    lose_reply: AtomicBool,
    /// Cancelled to close the client's side alone; what it sent last is delayed.
    hung_up: CancellationToken,
}

/// Carries one connection's bytes both ways until an end closes it or it is cut.
async fn carry(shared: Arc<Shared>, client: TcpStream) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream)).await else { return };
    let cut = {
        let mut orders = shared.orders();
        orders.open += 1;
        orders.all.child_token()
    };
    let connection =
        Connection { cut, lose_reply: AtomicBool::new(false), hung_up: CancellationToken::new() };
    let ((mut from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let both = async {
        tokio::join!(
            pump(&shared, &connection, Side::Client, &mut from_client, to_server),
            answer(&shared, &connection, from_server, to_client),
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
    from: &mut OwnedReadHalf,
    mut to: OwnedWriteHalf,
) {
    let (mut buffer, mut sent) = (vec![0; 64 * 1024], Vec::new());
    let mut held = shared.held[side as usize].subscribe();
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        held.wait_for(|held| !held).await.expect("the proxy outlives its connections");
        let (pass, last) = shared.judge(side, &buffer[..length], connection, &mut sent);
        if side == Side::Client && connection.hung_up.is_cancelled() {
            shared.sprung.send_modify(|count| *count += 1);
            let mut delayed = shared.delayed.subscribe();
            delayed.wait_for(|delayed| *delayed == Delayed::Goes).await.expect("the proxy outlives it");
            to.write_all(&buffer[..length]).await.expect("a server that still listens");
            break;
        }
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

/// Carries the server's bytes; once the client was hung up on, to nobody.
async fn answer(shared: &Shared, connection: &Connection, mut from: OwnedReadHalf, to: OwnedWriteHalf) {
    tokio::select! {
        () = pump(shared, connection, Side::Server, &mut from, to) => return,
        () = connection.hung_up.cancelled() => {}
    }
    let mut reply = [0; 1024];
    while let Ok(1..) = from.read(&mut reply).await {}
    shared.delayed.send_replace(Delayed::Answered);
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
