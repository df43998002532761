//! The TCP side: connections that can be cut off, and that end by themselves when the other side takes nothing or says
//! nothing.
//!
//! The library does not stop a writer that waits for a client which does not read, not even when it has given the
//! client up. So the kernel is told to end a connection whose data is not taken for a while, and a connection can be
//! cut from outside. Nor does anybody else end one on which no request ever comes.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsRawFd as _,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    http::Method,
    middleware::Next,
    response::Response,
    serve::{self, IncomingStream},
};
use nix::sys::socket::{Shutdown, setsockopt, shutdown, sockopt};
use socketioxide::TransportType;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{adapter::Client, allowance::Allowance, doors::Doors, seats::Seat};

/// A connection on which nothing arrives for so long ends. A client that is connected answers a ping every ten seconds.
const SILENCE: Duration = Duration::from_secs(20);
/// Data that the other side has not taken for so long ends the connection, in milliseconds.
const NOT_TAKEN: u32 = 10_000;

/// So many bytes a second are read of a connection, whatever they are; what is more waits with the sender. The library
/// answers some packets by itself, so that it is not enough to count events.
const READ: u32 = 64 << 10;
/// What was not read for so long may come at once.
const SAVED: Duration = Duration::from_secs(4);

/// A TCP connection, shared by whoever reads and writes and whoever may cut it.
struct Line {
    stream: TcpStream,
    /// So many bytes were handed to the kernel.
    written: AtomicU64,
    /// The session that was upgraded to WebSocket on this connection.
    session: OnceLock<String>,
    peer: IpAddr,
    _seat: Seat,
}

/// A connection that may have ended.
#[derive(Clone)]
pub(super) struct LineRef(Weak<Line>);

/// The connections: how many there are, and those of sessions that began with long-polling and went on with WebSocket,
/// by the session's id.
#[derive(Default)]
pub(super) struct Lines {
    open: AtomicU64,
    /// Of these, the ones on which nothing has come yet.
    fresh: AtomicU64,
    upgraded: Mutex<HashMap<String, Weak<Line>>>,
    /// How often those sessions have come for what is queued, with long-polling, of which somebody wants to know it.
    fetched: Mutex<HashMap<String, u64>>,
}

impl LineRef {
    /// Whose connection it is; nothing when it has ended.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.0.upgrade().map(|line| line.peer)
    }

    /// How many bytes were handed to the kernel so far; `None` when the connection has ended.
    pub(super) fn written(&self) -> Option<u64> {
        self.0.upgrade().map(|line| line.written.load(Ordering::Relaxed))
    }

    /// Ends it, whatever is still to be written.
    pub(super) fn cut(&self) {
        self.shut(Shutdown::Both);
    }

    /// Ends it in order: what is still to be written is, and then the library takes leave as of a client that has gone.
    pub(super) fn end(&self) {
        self.shut(Shutdown::Read);
    }

    fn shut(&self, how: Shutdown) {
        if let Some(line) = self.0.upgrade()
            && let Err(error) = shutdown(line.stream.as_raw_fd(), how)
        {
            tracing::debug!("the connection has ended already: {error}");
        }
    }
}

impl Lines {
    /// How many connections are open.
    pub(super) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Whether somebody who was let in has not said anything yet.
    pub(super) fn expect_more(&self) -> bool {
        self.fresh.load(Ordering::Relaxed) > 0
    }

    /// The connection of a client that uses WebSocket: the one that its session has moved to, else the one on which it
    /// was opened.
    pub(super) fn of(&self, client: &Client) -> Option<LineRef> {
        if client.transport_type() != TransportType::Websocket {
            return None;
        }
        let moved = self.lock().get(&client.id.to_string()).cloned().map(LineRef);
        moved.or_else(|| {
            let ConnectInfo(line) = client.req_parts().extensions.get::<ConnectInfo<LineRef>>()?;
            Some(line.clone())
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Line>>> {
        self.upgraded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How fast clients of long-polling take what they are sent.
impl Lines {
    /// From now on it is counted how often this client comes for what is queued.
    pub(super) fn watch_fetching(&self, client: &Client) {
        self.fetches().entry(client.id.to_string()).or_default();
    }

    pub(super) fn forget_fetching(&self, client: &Client) {
        self.fetches().remove(client.id.as_str());
    }

    /// How often it has come so far. Whoever comes takes all that is queued.
    pub(super) fn fetched(&self, client: &Client) -> u64 {
        self.fetches().get(client.id.as_str()).copied().unwrap_or_default()
    }

    fn fetches(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes on which connection a session goes on with WebSocket, and that one comes for what is queued.
pub(super) async fn note_upgrade(
    State(lines): State<Arc<Lines>>,
    ConnectInfo(line): ConnectInfo<LineRef>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(session) = upgraded(request.uri().query().unwrap_or_default())
        && let Some(line) = line.0.upgrade()
        && line.session.set(session.to_owned()).is_ok()
    {
        lines.lock().insert(session.to_owned(), Arc::downgrade(&line));
    }
    if let Some(session) = fetching(request.method(), request.uri().query().unwrap_or_default())
        && let Some(times) = lines.fetches().get_mut(session)
    {
        *times += 1;
    }
    next.run(request).await
}

/// The session that a request of long-polling comes for.
fn fetching<'q>(method: &Method, query: &'q str) -> Option<&'q str> {
    value(query, "sid").filter(|_| method == Method::GET && value(query, "transport") == Some("polling"))
}

/// The session that a request wants to go on with WebSocket.
fn upgraded(query: &str) -> Option<&str> {
    value(query, "sid").filter(|_| value(query, "transport") == Some("websocket"))
}

fn value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// Accepts connections, until `stop`. From then on the port is closed, or whoever else holds it accepts them.
pub(super) struct Listener {
    inner: Option<TcpListener>,
    lines: Arc<Lines>,
    doors: Arc<Doors>,
    stop: CancellationToken,
}

impl Listener {
    pub(super) fn new(
        inner: TcpListener,
        lines: Arc<Lines>,
        doors: Arc<Doors>,
        stop: CancellationToken,
    ) -> Self {
        Self { inner: Some(inner), lines, doors, stop }
    }

    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(inner) = &mut self.inner {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => self.inner = None,
                accepted = serve::Listener::accept(inner) => return accepted,
            }
        }
        std::future::pending().await
    }
}

impl serve::Listener for Listener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address, seat) = loop {
            let (stream, address) = self.next().await;
            if let Some(seat) = self.doors.connection(address.ip()) {
                break (stream, address, seat);
            }
        };
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| setsockopt(&stream, sockopt::TcpUserTimeout, &NOT_TAKEN).map_err(io::Error::from));
        if let Err(error) = prepared {
            // It may have ended already, which shows as soon as it is read.
            tracing::debug!("a connection cannot be prepared: {error}");
        }
        let line = Line {
            stream,
            written: AtomicU64::new(0),
            session: OnceLock::new(),
            peer: address.ip(),
            _seat: seat,
        };
        let line = Arc::new(line);
        (Wire::new(line, self.lines.clone()), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.as_ref().ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }
}

impl Connected<IncomingStream<'_, Listener>> for LineRef {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(Arc::downgrade(&stream.io().line))
    }
}

/// The end of a connection that is read and written.
pub(super) struct Wire {
    line: Arc<Line>,
    lines: Arc<Lines>,
    heard: Instant,
    /// Nothing has come yet.
    fresh: bool,
    /// Runs out no later than the silence does, and is set anew when it does.
    silence: Pin<Box<Sleep>>,
    reading: Allowance,
}

impl Wire {
    fn new(line: Arc<Line>, lines: Arc<Lines>) -> Self {
        lines.open.fetch_add(1, Ordering::Relaxed);
        lines.fresh.fetch_add(1, Ordering::Relaxed);
        let heard = Instant::now();
        let reading = Allowance::new(READ, SAVED, heard.into_std());
        Self { line, lines, heard, fresh: true, silence: Box::pin(sleep(SILENCE)), reading }
    }

    /// Something has come, or nothing will.
    fn is_used(&mut self) {
        if std::mem::take(&mut self.fresh) {
            self.lines.fresh.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn count(&self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &done {
            self.line.written.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        done
    }

    /// Ready when something may be read.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        match self.reading.pause(now.into_std()) {
            Duration::ZERO => Poll::Ready(()),
            pause => {
                self.silence.as_mut().reset(now + pause);
                self.silence.as_mut().poll(cx)
            }
        }
    }

    /// Ready when nothing has arrived for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.silence.as_mut().poll(cx).is_ready() {
            if self.heard.elapsed() >= SILENCE {
                return Poll::Ready(());
            }
            self.silence.as_mut().reset(self.heard + SILENCE);
        }
        Poll::Pending
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.is_used();
        self.lines.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(session) = self.line.session.get() {
            let mut lines = self.lines.lock();
            // Another connection may have taken the session over.
            if lines.get(session).is_some_and(|line| line.as_ptr() == Arc::as_ptr(&self.line)) {
                lines.remove(session);
            }
        }
    }
}

/// Tries until it is done or the system says when to try again.
fn attempt<T>(
    mut ready: impl FnMut() -> Poll<io::Result<()>>,
    mut work: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(ready())?;
        match work() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

/// A write that fails is told as one that was done: that the connection has ended shows when it is read. The library
/// keeps a session that it could not greet, for ever, when a write says so.
fn untold(written: Poll<io::Result<usize>>, all: usize) -> Poll<io::Result<usize>> {
    written.map(|written| {
        Ok(written.unwrap_or_else(|error| {
            tracing::debug!("a connection has ended: {error}");
            all
        }))
    })
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_pause(cx));
        let stream = &self.line.stream;
        let read = attempt(|| stream.poll_read_ready(cx), || stream.try_read(buf.initialize_unfilled()));
        if let Poll::Ready(read) = read {
            self.heard = Instant::now();
            self.is_used();
            let now = self.heard.into_std();
            return Poll::Ready(read.map(|count| {
                self.reading.owe(count, now);
                buf.advance(count);
            }));
        }
        self.poll_silence(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = &self.line.stream;
        let done = attempt(|| stream.poll_write_ready(cx), || stream.try_write(bytes));
        self.count(untold(done, bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = &self.line.stream;
        let all = slices.iter().map(|slice| slice.len()).sum();
        let done = attempt(|| stream.poll_write_ready(cx), || stream.try_write_vectored(slices));
        self.count(untold(done, all))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = shutdown(self.line.stream.as_raw_fd(), Shutdown::Write);
        Poll::Ready(done.map_err(io::Error::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_that_changes_the_transport_names_a_session() {
        assert_eq!(upgraded("EIO=4&transport=websocket&sid=abc"), Some("abc"));
        assert_eq!(upgraded("sid=abc&EIO=4&transport=websocket&t=1"), Some("abc"));
        assert_eq!(upgraded("EIO=4&transport=polling&sid=abc"), None);
        assert_eq!(upgraded("EIO=4&transport=websocket"), None);
        assert_eq!(fetching(&Method::GET, "EIO=4&transport=polling&sid=abc"), Some("abc"));
        assert_eq!(fetching(&Method::POST, "EIO=4&transport=polling&sid=abc"), None);
        assert_eq!(fetching(&Method::GET, "EIO=4&transport=websocket&sid=abc"), None);
    }
}
