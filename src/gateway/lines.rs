//! The connections that are open, which of them belongs to which client, and what goes out on them.
//!
//! A session that began with long-polling and went on with WebSocket is on another connection than the one on which it
//! was opened: its request says so, and is noted here.

use std::{
    collections::HashMap,
    net::IpAddr,
    os::fd::AsRawFd as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::Uri,
    middleware::Next,
    response::Response,
};
use nix::sys::socket::{Shutdown, shutdown};
use socketioxide::TransportType;
use tokio::net::TcpStream;

use super::{
    adapter::Client,
    debts::{Debt, Debtor, Debts},
    seats::Seat,
};

/// A TCP connection, shared by whoever reads and writes and whoever may cut it.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    carried: Mutex<Carried>,
    peer: IpAddr,
    _seat: Seat,
}

/// Whose WebSocket a connection is, by the last request on it. The requests before that one were refused, perhaps those
/// of others, whom a proxy spoke for on the same connection.
#[derive(Default)]
struct Carried {
    /// What goes out was taken from what this client is owed.
    debt: Option<Arc<Debt>>,
    /// The session that is upgraded to WebSocket on this connection.
    session: Option<String>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, peer: IpAddr, seat: Seat) -> Self {
        Self { stream, carried: Mutex::default(), peer, _seat: seat }
    }

    /// So many bytes were handed to the kernel.
    pub(super) fn wrote(&self, bytes: usize) {
        if let Some(debt) = &self.carried().debt {
            debt.pay(bytes as u64);
        }
    }

    /// It is the WebSocket of whom this is owed.
    fn carries(&self, debt: &Arc<Debt>) {
        self.carried().debt = Some(debt.clone());
    }

    fn carried(&self) -> MutexGuard<'_, Carried> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that may have ended.
#[derive(Clone)]
pub(super) struct LineRef(Weak<Line>);

/// The connections: how many there are, and those of sessions that began with long-polling and went on with WebSocket,
/// by the session's id.
pub(super) struct Lines {
    /// What their clients are owed.
    pub(super) debts: Arc<Debts>,
    open: AtomicU64,
    /// Of these, the ones on which nothing has come yet.
    fresh: AtomicU64,
    upgraded: Mutex<HashMap<String, Weak<Line>>>,
}

impl LineRef {
    pub(super) fn to(line: &Arc<Line>) -> Self {
        Self(Arc::downgrade(line))
    }

    /// Whose connection it is; nothing when it has ended.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.0.upgrade().map(|line| line.peer)
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
    /// A client with more bytes than this before it is behind.
    pub(super) fn new(most_behind: u64) -> Self {
        let (open, fresh) = Default::default();
        Self { debts: Debts::new(most_behind), open, fresh, upgraded: Mutex::default() }
    }

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
        self.let_go(line);
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

/// Whose connection is whose.
impl Lines {
    /// Before a client hears that it is connected: from now on it is counted what it is owed.
    pub(super) fn enter(&self, client: &Client) {
        // It may have changed to WebSocket already.
        let line = self.lock().get(client.id.as_str()).and_then(Weak::upgrade);
        if let (Some(debt), Some(line)) = (self.debts.list(client), line) {
            line.carries(debt);
        }
    }

    /// This connection is nobody's WebSocket.
    fn let_go(&self, line: &Arc<Line>) {
        let Some(session) = std::mem::take(&mut *line.carried()).session else { return };
        let mut upgraded = self.lock();
        // Another connection may have taken the session over.
        if upgraded.get(&session).is_some_and(|other| other.as_ptr() == Arc::as_ptr(line)) {
            upgraded.remove(&session);
        }
    }

    /// The session goes on with WebSocket on this connection.
    fn move_to(&self, line: &Arc<Line>, session: &str) {
        line.carried().session = Some(session.to_owned());
        self.lock().insert(session.to_owned(), Arc::downgrade(line));
        if let Some(debt) = session.parse().ok().and_then(|session| self.debts.of(session)) {
            line.carries(&debt);
        }
    }
}

/// Notes of a session which connection carries it, and what it is owed.
pub(super) async fn note(
    State(lines): State<Arc<Lines>>,
    ConnectInfo(line): ConnectInfo<LineRef>,
    mut request: Request,
    next: Next,
) -> Response {
    let line = line.0.upgrade().inspect(|line| lines.let_go(line));
    let line = line.filter(|_| transport(request.uri()) == Some("websocket"));
    match (value(request.uri(), "sid"), line) {
        (Some(session), Some(line)) => lines.move_to(&line, session),
        (Some(_), None) => {}
        (None, line) => {
            let debtor = Arc::<Debtor>::default();
            if let Some(line) = line {
                line.carries(&debtor.debt);
            }
            request.extensions_mut().insert(debtor);
        }
    }
    next.run(request).await
}

/// The transport that a request is for. The library reads no further than a second `=`.
pub(super) fn transport(uri: &Uri) -> Option<&str> {
    value(uri, "transport")?.split('=').next()
}

/// What a request's query says of this, by the library's own reading.
pub(super) fn value<'u>(uri: &'u Uri, name: &str) -> Option<&'u str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_what_stands_behind_a_name_in_whichever_order() {
        for query in ["EIO=4&transport=websocket&sid=abc", "sid=abc&EIO=4&transport=websocket&t=1&sid=d"] {
            let uri: Uri = format!("/socket.io/?{query}").parse().unwrap();
            assert_eq!((value(&uri, "sid"), value(&uri, "transport")), (Some("abc"), Some("websocket")));
        }
        assert_eq!(transport(&"/socket.io/?transport=polling=else".parse().unwrap()), Some("polling"));
        assert_eq!(value(&"/socket.io/?asid=1&sid".parse().unwrap(), "sid"), None);
        assert_eq!(value(&"/socket.io/".parse().unwrap(), "sid"), None);
    }
}
