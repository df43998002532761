//! The gateway: a socket.io server that delivers what is published through Redis to browsers.
//!
//! * `subscription` hears Redis, and connects anew when it was away.
//! * `relay` decides for one message: decode it once, encode it once, hand it to the sockets of its rooms.
//! * `requests` moves and disconnects clients where emitters ask for it.
//! * `packet` is the encoding, pure. `adapter` is where the library keeps sockets and rooms.
//! * `sockets` is what a client may do, `subscribe` what it asks for, pure. `slow` is what becomes of one that does not
//!   read.
//! * `access` is what tokens decide, `token` what one says, pure. `doors`, `seats` and `proxies` count who is here,
//!   `chatter` and `allowance` what a client says, `dismiss` takes leave of it.
//! * `wire` is the TCP side, `http` what is served beside socket.io, `origin` which pages may connect.
//!
//! What it promises: an event reaches the clients that a Node server with the Redis adapter would give it to, in the
//! same form. A client misses an event only when its connection ends or Redis is away: one whose queue is full is
//! dropped, and never left with a hole. Nothing that comes over Redis or from a client ends it.
//!
//! What it does not do: run on more than one thread. More gateways are more processes. That one thread is also why
//! what `slow` sees after a broadcast is what the broadcast saw.

mod access;
mod adapter;
mod allowance;
mod chatter;
mod dismiss;
mod doors;
mod http;
mod origin;
mod packet;
mod proxies;
mod relay;
mod requests;
mod seats;
mod slow;
mod sockets;
mod subscribe;
mod subscription;
mod token;
mod wire;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{middleware, serve::Listener as _};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socketioxide::{SocketIo, SocketIoBuilder};
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::config::GatewaySettings;
use access::Access;
use adapter::{Adapter, Hub, Io};
use chatter::Chatter;
use dismiss::Dismiss;
use doors::{Doors, Guard};
use origin::Origins;
use relay::Relay;
use requests::Requests;
use slow::Slow;
use sockets::Rules;
use wire::{Lines, Listener};

/// How long closing connections may take, of clients and of requests, each.
const CLOSING: Duration = Duration::from_secs(5);

/// Serves until `stop`.
///
/// # Errors
/// An address that cannot be listened on, or an address of Redis that cannot be read.
pub async fn run(settings: GatewaySettings, stop: CancellationToken) -> anyhow::Result<()> {
    let doors = Arc::new(Doors::new(settings.limits.clone(), allow_many_connections()));
    let lines = Arc::new(Lines::default());
    let listener = bind(&settings, &lines, &doors).await?;
    let hub = Arc::new(Hub::default());
    let (layer, io) = limits(SocketIo::builder()).with_adapter::<Adapter>(hub.clone()).build_layer();
    let slow = Arc::new(Slow::new(io.clone(), lines.clone()));
    let access = Arc::new(Access::new(settings.tokens.as_ref()));
    let dismiss = Arc::new(Dismiss::new(hub.clone(), lines.clone(), slow.clone()));
    let rules = Rules {
        rooms: settings.rooms_per_socket,
        hub: hub.clone(),
        slow: slow.clone(),
        access: access.clone(),
        chatter: Arc::new(Chatter::new(settings.limits.messages_per_second, dismiss.clone())),
    };
    for namespace in &settings.namespaces {
        io.ns(namespace.clone(), sockets::handler(rules.clone()));
    }
    let requests = Requests::new(io.clone(), hub.clone(), lines.clone(), slow.clone());
    let (state, readiness) = watch::channel(Some("it has not heard Redis yet".to_owned()));
    let upgrades = middleware::from_fn_with_state(lines, wire::note_upgrade);
    let origins = middleware::from_fn_with_state(Arc::new(Origins::of(&settings)), origin::check);
    let guard = middleware::from_fn_with_state(Guard { doors, access: access.clone() }, doors::check);
    let app = http::router(readiness).layer(layer).layer(upgrades).layer(guard).layer(origins);

    let relay = Relay::new(settings.publish.key.clone(), hub.clone(), slow, requests);
    let hearing = subscription::keep(&settings, relay, state)?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    let server = axum::serve(listener, app.into_make_service_with_connect_info::<wire::LineRef>())
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    let server = tokio::spawn(server.into_future());
    tokio::select! {
        () = stop.cancelled() => {}
        never = hearing => match never {},
        never = access.watch(&io, &hub, &dismiss) => match never {},
    }
    close(&io, server).await;
    Ok(())
}

async fn bind(
    settings: &GatewaySettings,
    lines: &Arc<Lines>,
    doors: &Arc<Doors>,
) -> anyhow::Result<Listener> {
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener
        .with_context(|| format!("cannot listen on {}, which ROWCAST_LISTEN names", settings.listen))?;
    Ok(Listener::new(listener, lines.clone(), doors.clone()))
}

/// Every connection is an open file, and most systems allow a process 1,024 of them until it asks for more. Returns how
/// many it may have.
fn allow_many_connections() -> usize {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1_024, 1_024));
    let files = match setrlimit(Resource::RLIMIT_NOFILE, most, most) {
        Ok(()) => most,
        Err(error) => {
            tracing::warn!("the limit of open files stays as it is: {error}");
            now
        }
    };
    tracing::debug!(files, "so many files may be open");
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// What a client may cost. Clients of ours send small things and are sent much.
fn limits(builder: SocketIoBuilder) -> SocketIoBuilder {
    const FROM_CLIENT: usize = 100_000;
    builder
        // A client that is this many messages behind is dropped: see `slow`. The messages are shared.
        .max_buffer_size(4096)
        .max_payload(FROM_CLIENT as u64)
        .ws_max_message_size(FROM_CLIENT)
        .ws_max_frame_size(FROM_CLIENT)
        .ws_read_buffer_size(1024)
        // Whoever has vanished is noticed within 18 seconds.
        .ping_interval(Duration::from_secs(10))
        .ping_timeout(Duration::from_secs(8))
        .connect_timeout(Duration::from_secs(20))
}

/// Closes the clients' connections, and waits for requests that are under way.
async fn close(io: &Io, server: tokio::task::JoinHandle<std::io::Result<()>>) {
    if timeout(CLOSING, io.close()).await.is_err() {
        tracing::warn!("some clients did not let themselves be closed; they are cut off");
    }
    if timeout(CLOSING, server).await.is_err() {
        tracing::warn!("some requests did not end; they are cut off");
    }
}
