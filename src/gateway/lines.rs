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
    http::{StatusCode, Uri},
    middleware::Next,
    response::Response,
};
use nix::sys::socket::{Shutdown, shutdown};
use socketioxide::TransportType;
use tokio::net::TcpStream;

use super::{
    adapter::Client,
    debts::{Debt, Debtor, Debts},
    intake::{Freely, Intake},
    seats::Seat,
};

/// A TCP connection, shared by whoever reads and writes and whoever may cut it.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    pub(super) intake: Intake,
    carried: Mutex<Carried>,
    peer: IpAddr,
    _seat: Seat,
}

/// Whose WebSocket a connection is, once a request for one was not refused. The requests before that one may be those
/// of others, whom a proxy spoke for on the same connection.
#[derive(Default)]
struct Carried {
    /// What goes out was taken from what this client is owed.
    debt: Option<Arc<Debt>>,
    /// Whether the answer to the request went out, which was nothing of it.
    answered: bool,
    /// The session that is upgraded to WebSocket on this connection.
    session: Option<String>,
}

impl Line {
    pub(super) fn new(stream: TcpStream, peer: IpAddr, seat: Seat) -> Self {
        Self { stream, intake: Intake::default(), carried: Mutex::default(), peer, _seat: seat }
    }

    /// So many bytes were handed to the kernel.
    pub(super) fn wrote(&self, bytes: usize) {
        let carried = &mut *self.carried();
        let was_answered = std::mem::replace(&mut carried.answered, true);
        if let Some(debt) = carried.debt.as_ref().filter(|_| was_answered) {
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
    upgraded: Mutex<HashMap<String, Vec<Weak<Line>>>>,
}

impl LineRef {
    pub(super) fn to(line: &Arc<Line>) -> Self {
        Self(Arc::downgrade(line))
    }

    /// Whose connection it is; nothing when it has ended.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.0.upgrade().map(|line| line.peer)
    }

    /// Has it read without pauses, for as long as there is what this returns.
    pub(super) fn read_freely(&self) -> Option<Freely> {
        self.0.upgrade().map(Freely::of)
    }

    /// The request that came on it is answered before all of it has come.
    pub(super) fn leave_rest(&self) {
        if let Some(line) = self.0.upgrade() {
            line.intake.leave_rest();
        }
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

    /// The connections of a client that uses WebSocket: those that its session has moved to, else the one on which it
    /// was opened. It moves to one; of a client that has asked for several, the library does not say to which.
    pub(super) fn of(&self, client: &Client) -> Vec<LineRef> {
        if client.transport_type() != TransportType::Websocket {
            return Vec::new();
        }
        if let Some(moved) = self.lock().get(client.id.as_str()) {
            return moved.iter().cloned().map(LineRef).collect();
        }
        let opened = client.req_parts().extensions.get::<ConnectInfo<LineRef>>();
        opened.map(|ConnectInfo(line)| line.clone()).into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Weak<Line>>>> {
        self.upgraded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose connection is whose.
impl Lines {
    /// Before a client hears that it is connected: from now on it is counted what it is owed.
    pub(super) fn enter(&self, client: &Client) {
        // It may have changed to WebSocket already.
        let Some(debt) = self.debts.list(client) else { return };
        let moved = self.lock().get(client.id.as_str()).cloned().unwrap_or_default();
        moved.iter().filter_map(Weak::upgrade).for_each(|line| line.carries(debt));
    }

    /// This connection is nobody's WebSocket.
    fn let_go(&self, line: &Arc<Line>) {
        let Some(session) = std::mem::take(&mut *line.carried()).session else { return };
        let mut upgraded = self.lock();
        let Some(moved) = upgraded.get_mut(&session) else { return };
        moved.retain(|other| other.as_ptr() != Arc::as_ptr(line));
        if moved.is_empty() {
            upgraded.remove(&session);
        }
    }

    /// The session goes on with WebSocket on this connection.
    fn move_to(&self, line: &Arc<Line>, session: &str) {
        line.carried().session = Some(session.to_owned());
        self.lock().entry(session.to_owned()).or_default().push(Arc::downgrade(line));
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
    let line = line.0.upgrade().inspect(|line| {
        line.intake.begin();
        lines.let_go(line);
    });
    let session = value(request.uri(), "sid").map(str::to_owned);
    let debtor = Arc::<Debtor>::default();
    if session.is_none() {
        request.extensions_mut().insert(debtor.clone());
    }
    let answer = next.run(request).await;
    // Nothing but this answer has gone out on it when it becomes a WebSocket.
    if let Some(line) = line.filter(|_| answer.status() == StatusCode::SWITCHING_PROTOCOLS) {
        match session {
            Some(session) => lines.move_to(&line, &session),
            None => line.carries(&debtor.debt),
        }
    }
    answer
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
