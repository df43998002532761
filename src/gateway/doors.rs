//! Who may still come in: connections, and the sessions that are opened on them, are counted in total and for each
//! address.
//!
//! A session counts from the request that opens it until the library has forgotten it, whether or not it ever connects
//! to a namespace. Its seat travels in its request, which the library keeps for as long as the session.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, Uri},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{
    access::Access,
    lines::LineRef,
    operators,
    proxies::Proxies,
    seats::{Full, Seat, Seats},
};
use crate::config::LimitSettings;

/// Files that are not for clients: the log, Redis, the poller, what is being accepted.
const OWN_FILES: usize = 32;
/// A line in the log about those that are refused comes at most so often.
const PAUSE: Duration = Duration::from_secs(10);

/// From where a session was opened, which its request does not say any more when its client connects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whence {
    /// Whose session it is.
    pub(super) client: IpAddr,
    /// Whether a program of this machine opened it, or a page from there.
    pub(super) here: bool,
}

/// Counts who comes in.
pub(super) struct Doors {
    settings: LimitSettings,
    sessions: Arc<Seats>,
    connections: Arc<Seats>,
    proxies: Proxies,
    told: Mutex<Option<Instant>>,
    told_of_proxy: AtomicBool,
}

impl Doors {
    /// `files` is how many the system lets this process open.
    pub(super) fn new(settings: LimitSettings, files: usize) -> Self {
        let most = files.saturating_sub(OWN_FILES).max(1);
        if most < settings.connections {
            tracing::warn!(
                files,
                "the system lets this process open too few files for ROWCAST_MAX_CONNECTIONS"
            );
        }
        // A client of long-polling has a connection that waits and one that sends, and may be moving to a third.
        let each = settings.connections_per_address.saturating_mul(3);
        Self {
            sessions: Seats::new(settings.connections, settings.connections_per_address),
            connections: Seats::new(most, each),
            proxies: Proxies::new(settings.trusted_proxies.clone()),
            told: Mutex::default(),
            told_of_proxy: AtomicBool::default(),
            settings,
        }
    }

    /// A seat for a connection, before anything is read from it. Without one it can only be closed.
    pub(super) fn connection(&self, peer: IpAddr) -> Option<Seat> {
        // A proxy has as many as it needs for all of its clients.
        let address = Some(peer).filter(|peer| !self.proxies.trust(*peer));
        let seat = self.connections.take(address);
        seat.inspect_err(|full| {
            self.tell(
                peer,
                match full {
                    Full::All => "the system lets this process open no more files",
                    Full::Address => {
                        "the address has too many connections (ROWCAST_MAX_CONNECTIONS_PER_ADDRESS)"
                    }
                },
            );
        })
        .ok()
    }

    /// A seat for the session that a request opens.
    fn session(&self, peer: IpAddr, headers: &HeaderMap) -> Result<Seat, Full> {
        let client = self.proxies.client(peer, headers);
        if client == peer
            && headers.contains_key("x-forwarded-for")
            && !self.proxies.trust(peer)
            && !self.told_of_proxy.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                %peer,
                "X-Forwarded-For of this address is not believed, and its clients count as one; if it is a proxy of \
                 yours, name it in ROWCAST_TRUSTED_PROXIES"
            );
        }
        self.sessions.take(Some(client)).inspect_err(|full| self.tell(client, &self.reason(*full)))
    }

    /// How many sessions there are, and how many there ever were.
    pub(super) fn sessions(&self) -> (u64, u64) {
        self.sessions.taken()
    }

    fn tell(&self, address: IpAddr, reason: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= PAUSE) {
            *told = Some(Instant::now());
            tracing::warn!(%address, "clients are refused: {reason}");
        }
    }

    fn reason(&self, full: Full) -> String {
        let LimitSettings { connections, connections_per_address, .. } = self.settings;
        match full {
            Full::All => format!("{connections} connections are open already (ROWCAST_MAX_CONNECTIONS)"),
            Full::Address => format!(
                "{connections_per_address} connections of this address are open already \
                 (ROWCAST_MAX_CONNECTIONS_PER_ADDRESS)"
            ),
        }
    }
}

/// What requests are looked at with.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) doors: Arc<Doors>,
    pub(super) access: Arc<Access>,
}

/// Refuses requests that would open a session for which there is no place, or to which nobody has a token.
pub(super) async fn check(
    State(guard): State<Guard>,
    ConnectInfo(line): ConnectInfo<LineRef>,
    mut request: Request,
    next: Next,
) -> Response {
    if !opens_a_session(request.uri()) {
        return next.run(request).await;
    }
    if is_version_2(request.uri())
        && let Err(denied) = guard.access.admit_old(request.uri())
    {
        return (StatusCode::UNAUTHORIZED, format!("{denied}\n")).into_response();
    }
    // A connection that is gone asks for nothing.
    let Some(peer) = line.peer() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    match guard.doors.session(peer, request.headers()) {
        Ok(seat) => {
            let headers = request.headers();
            let client = guard.doors.proxies.client(peer, headers);
            let whence = Whence { client, here: operators::is_here(headers, peer) };
            request.extensions_mut().insert(whence);
            request.extensions_mut().insert(Arc::new(seat));
            next.run(request).await
        }
        Err(full) => {
            let status = match full {
                Full::All => StatusCode::SERVICE_UNAVAILABLE,
                Full::Address => StatusCode::TOO_MANY_REQUESTS,
            };
            (status, format!("{}\n", guard.doors.reason(full))).into_response()
        }
    }
}

/// The library opens a session for whatever names none. Its own words decide: what it takes for a name is one.
fn opens_a_session(uri: &Uri) -> bool {
    let named = |query: &str| query.split('&').any(|pair| pair.starts_with("sid="));
    uri.path().starts_with("/socket.io") && !uri.query().is_some_and(named)
}

/// Whether a client of socket.io 2 asks, by the library's own reading.
fn is_version_2(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    let version = query.split('&').find(|pair| pair.starts_with("EIO="));
    version.and_then(|pair| pair.split('=').nth(1)) == Some("3")
}
