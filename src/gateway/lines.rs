//! The connections that are open, and which of them belongs to which client.
//!
//! A session that began with long-polling and went on with WebSocket is on another connection than the one on which it
//! was opened: its request says so, and is noted here.

use std::{
    collections::HashMap,
    net::IpAddr,
    os::fd::AsRawFd as _,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use nix::sys::socket::{Shutdown, shutdown};
use socketioxide::TransportType;
use tokio::net::TcpStream;

use super::{adapter::Client, seats::Seat};

/// A TCP connection, shared by whoever reads and writes and whoever may cut it.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    /// So many bytes were handed to the kernel.
    written: AtomicU64,
    /// The session that was upgraded to WebSocket on this connection.
    session: OnceLock<String>,
    peer: IpAddr,
    _seat: Seat,
}

impl Line {
    pub(super) fn new(stream: TcpStream, peer: IpAddr, seat: Seat) -> Self {
        Self { stream, written: AtomicU64::new(0), session: OnceLock::new(), peer, _seat: seat }
    }

    /// So many bytes were handed to the kernel.
    pub(super) fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }
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
    pub(super) fn to(line: &Arc<Line>) -> Self {
        Self(Arc::downgrade(line))
    }

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
    /// A connection more, on which nothing has come yet.
    pub(super) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
        self.fresh.fetch_add(1, Ordering::Relaxed);
    }

    /// On one of those something has come, or nothing will.
    pub(super) fn used(&self) {
        self.fresh.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, line: &Arc<Line>) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(session) = line.session.get() {
            let mut upgraded = self.lock();
            // Another connection may have taken the session over.
            if upgraded.get(session).is_some_and(|other| other.as_ptr() == Arc::as_ptr(line)) {
                upgraded.remove(session);
            }
        }
    }

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
pub(super) async fn note(
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
