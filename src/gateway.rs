//! The gateway: a socket.io server that delivers what is published to browsers, through Redis or past it.
//!
//! * `subscription` hears Redis and what workers hand on, and connects anew when it was away. `heard` is what waits of that, `interest` which
//!   rooms are asked for.
//! * `relay` decides for one message: decode it once, encode it once, hand it to the sockets of its rooms.
//! * `requests` moves and disconnects clients where emitters ask for it.
//! * `packet` is the encoding, pure. `adapter` is where the library keeps sockets and rooms.
//! * `sockets` is what a client may do, `subscribe` what it asks for, pure, and `refusal` why it does not get it.
//!   `slow` is how events go out, and what becomes of a client that does not read; `debts` counts what each has not
//!   taken.
//! * `catch_up` reads back what was missed: for one client in `replay`, for everybody in `repair`. `feed` knows which
//!   table the rows of a room come from, `laid` how they are read back, `readable` which cannot be, `marks` up to where
//!   all of them are published. `start` is how following a room begins, `follow` one who is given rows one by one,
//!   `followers` all of them, `ids` which rows.
//! * `access` is what tokens decide, `token` what one says, pure. `doors`, `seats` and `proxies` count who is here,
//!   `chatter` and `allowance` what a client says, `dismiss` takes leave of it.
//! * `close` lets go of the clients at the end, `presence` is what it tells of itself, `counts` what it has counted.
//! * `wire` is the TCP side, `lines` knows whose connection is whose, `intake` how it is read, `polling` is for clients
//!   that have none, `heads` is what a session keeps of its request. `http` is what is served beside
//!   socket.io, `origin` which pages may connect. `assets` is socket.io's client for browsers. `api`, `orders` and
//!   `metrics` are for programs, `operators` says for which.
//! * `dashboard` is the page at `/` and what it is told, `series` the last quarter of an hour, `login` the way in.
//!   `letters` shows it dead letters, `sweep` and `queues` are what it does.
//! * `admin` is for socket.io's Admin UI, `watchers` lets those in who look after the cluster.
//! * `alerts` sends what is told to whoever is configured.
//!
//! What it promises: an event reaches the clients that a Node server with the Redis adapter would give it to, in the
//! same form. A client misses an event only when its connection ends or Redis is away: one whose queue is full is
//! dropped, and never left with a hole. Nothing that comes over Redis or from a client ends it.
//!
//! What it does not do: run on more than one thread. More gateways are more processes. That one thread is also why
//! what `slow` sees after a broadcast is what the broadcast saw.

mod access;
mod admin;
mod adapter;
mod alerts;
mod allowance;
mod api;
mod assets;
mod catch_up;
mod chatter;
mod close;
mod counts;
mod dashboard;
mod debts;
mod dismiss;
mod doors;
mod feed;
mod follow;
mod followers;
mod heads;
mod heard;
mod http;
mod ids;
mod intake;
mod interest;
mod laid;
mod letters;
mod lines;
mod login;
mod marks;
mod metrics;
mod operators;
mod orders;
mod origin;
mod packet;
mod polling;
mod presence;
mod proxies;
mod queues;
mod readable;
mod refusal;
mod relay;
mod repair;
mod replay;
mod requests;
mod seats;
mod series;
mod slow;
mod sockets;
mod start;
mod subscribe;
mod subscription;
mod sweep;
mod token;
mod watchers;
mod wire;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use axum::{Router, middleware, serve::Listener as _};
use futures_util::future::OptionFuture;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socketioxide::{SocketIo, SocketIoBuilder};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    config::GatewaySettings,
    control::{Identity, Report, Talk},
    fanout::FromWorkers,
    liaison::Liaison,
    queue::{Link, Onlookers, Registry},
    route::CLUSTER,
};
use access::Access;
use adapter::{Adapter, Hub};
use admin::Admin;
use alerts::Alerts;
use api::Api;
use catch_up::CatchUp;
use chatter::Chatter;
use close::{Server, close};
use dismiss::Dismiss;
use doors::{Doors, Guard};
use interest::Interest;
use lines::{LineRef, Lines};
use login::Login;
use origin::Gate;
use polling::FROM_CLIENT;
use presence::Presence;
pub use readable::not_caught_up_on;
use relay::Relay;
use requests::Requests;
use series::Series;
use slow::Slow;
use sockets::Rules;
use subscription::Sources;
use sweep::Pace;
use watchers::Watchers;
use wire::Listener;

/// What a gateway is given by whoever runs it.
#[derive(Debug)]
pub struct Place {
    /// Who it is.
    pub identity: Identity,
    /// The socket to accept connections from; without it one is opened on the address of the settings.
    pub listener: Option<std::net::TcpListener>,
    /// How long its end may take.
    pub drain: Duration,
    /// Where it tells about itself.
    pub reports: watch::Sender<Report>,
    /// Its talk with its supervisor, where it has one.
    pub talk: Option<Talk>,
    /// What the workers of that supervisor hand on.
    pub from_workers: Option<FromWorkers>,
}

/// Serves until `stop`.
///
/// # Errors
/// An address that cannot be listened on, or an address of Redis that cannot be read.
pub async fn run(settings: GatewaySettings, place: Place, stop: CancellationToken) -> anyhow::Result<()> {
    let doors = Arc::new(Doors::new(settings.limits.clone(), allow_many_connections()));
    let Place { identity, listener, drain, reports, talk, from_workers } = place;
    let lines = Arc::new(Lines::new(settings.limits.bytes_behind));
    let listener = listen(&settings, listener).await?;
    let listener = Listener::new(listener, lines.clone(), doors.clone(), stop.clone());
    let hub = Arc::new(Hub::default());
    let (layer, io) = limits(SocketIo::builder()).with_adapter::<Adapter>(hub.clone()).build_layer();
    let slow = Arc::new(Slow::new(io.clone(), hub.clone(), lines.clone()));
    let (catch_up, repaired) = CatchUp::new(&settings, &hub, &slow, &lines)?;
    let access = Arc::new(Access::new(settings.tokens.as_ref()));
    let dismiss = Arc::new(Dismiss::new(io.clone(), hub.clone(), lines.clone(), slow.clone()));
    let interest = Interest::new(&settings, &hub);
    let chatter = Arc::new(Chatter::new(settings.limits.messages_per_second, dismiss.clone()));
    let rules = Rules {
        rooms: settings.rooms_per_socket,
        hub: hub.clone(),
        slow: slow.clone(),
        access: access.clone(),
        chatter: chatter.clone(),
        catch_up: catch_up.clone(),
        interest: interest.clone(),
    };
    for namespace in &settings.namespaces {
        io.ns(namespace.clone(), sockets::handler(rules.clone()));
    }
    let requests = Requests::new(io.clone(), dismiss.clone(), catch_up.clone(), interest.clone());
    let (state, readiness) = watch::channel(Some("it has not heard Redis yet".to_owned()));
    let redis = Link::new(&settings.redis_url).context("REDIS_URL")?;
    let api = for_programs(&settings, &redis, &hub, &lines);
    let watchers = Arc::new(Watchers { api: api.clone(), slow: slow.clone(), chatter });
    io.ns(CLUSTER, watchers.clone().handler());
    let admin = Arc::new(Admin {
        io: io.clone(),
        api: api.clone(),
        doors: doors.clone(),
        watchers: watchers.clone(),
        onlookers: Onlookers::new(redis.clone()),
        began: Instant::now(),
        served: settings.admin_ui().is_some(),
    });
    if let Some(namespace) = settings.admin_ui() {
        io.ns(namespace, admin.clone().handler());
    }
    let app = http::router(readiness.clone(), stop.clone())
        .merge(api::router(api.clone()))
        .merge(dashboard::page());
    let app = guarded(app.layer(layer), &settings, &lines, Guard { doors, access: access.clone() });

    let relay = Relay::new(settings.publish.key.clone(), hub.clone(), slow, requests, catch_up.clone());
    let sources = Sources { from_workers, repaired };
    let hearing = subscription::keep(&settings, relay, catch_up.clone(), interest, sources, state)?;
    let alerts = Alerts::new(settings.alerts.hook.as_ref(), &redis, identity.id.to_string())?;
    let (told, unready) = watch::channel(String::new());
    let liaison = identity.supervisor.zip(talk).map(|(supervisor, talk)| {
        Liaison::new(supervisor, talk, redis.clone(), &settings.publish.key, told).keep(stop.clone())
    });
    let presence = Presence {
        identity,
        address: listener.local_addr()?,
        reports,
        registry: Registry::of_gateways(redis),
        readiness,
        unready,
        lines: lines.clone(),
        stop: stop.clone(),
    };
    let server = serve(listener, app);
    // It hears to the last: not all clients go at once.
    tokio::select! {
        () = async {
            stop.cancelled().await;
            close(&io, &hub, &lines, server, drain).await;
        } => {}
        never = hearing => match never {},
        never = catch_up.keep_asking() => match never {},
        never = presence.keep() => match never {},
        Some(never) = OptionFuture::from(liaison) => match never {},
        never = api.series.keep(&api) => match never {},
        never = alerts.keep(&api.series) => match never {},
        never = admin.keep() => match never {},
        never = access.watch(&io, &hub, &dismiss) => match never {},
    }
    presence.leave(drain / 20).await;
    Ok(())
}

/// What each request passes through before it is answered, the last of these first.
fn guarded(app: Router, settings: &GatewaySettings, lines: &Arc<Lines>, guard: Guard) -> Router {
    app.layer(middleware::from_fn(heads::shorten))
        .layer(middleware::from_fn_with_state(lines.clone(), polling::check))
        .layer(middleware::from_fn_with_state(lines.clone(), lines::note))
        .layer(middleware::from_fn_with_state(guard, doors::check))
        // Whoever fetches a file opens no session, and is not counted as a client.
        .layer(middleware::from_fn(assets::serve))
        .layer(middleware::from_fn_with_state(Arc::new(Gate::of(settings)), origin::check))
}

/// What programs are answered with: what operators ask and do.
fn for_programs(settings: &GatewaySettings, redis: &Link, hub: &Arc<Hub>, lines: &Arc<Lines>) -> Arc<Api> {
    Arc::new(Api {
        operators: settings.operators.clone(),
        redis: redis.clone(),
        key: settings.publish.key.clone(),
        routes: settings.routes.clone(),
        hub: hub.clone(),
        lines: lines.clone(),
        series: Series::new(settings.alerts.rules),
        login: Login::new(&settings.operators, &settings.limits.trusted_proxies),
        pace: Pace::new(),
        rooms_need_token: settings.tokens.is_some(),
    })
}

/// Serves from now on, until the server is told to stop.
fn serve(listener: Listener, app: Router) -> Server {
    let stop = CancellationToken::new();
    let server = axum::serve(listener, app.into_make_service_with_connect_info::<LineRef>())
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    Server { task: tokio::spawn(server.into_future()), stop }
}

async fn listen(
    settings: &GatewaySettings,
    given: Option<std::net::TcpListener>,
) -> anyhow::Result<TcpListener> {
    if let Some(listener) = given {
        // Whoever gave it tells where it listens.
        return Ok(TcpListener::from_std(listener)?);
    }
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener
        .with_context(|| format!("cannot listen on {}, which ROWCAST_LISTEN names", settings.listen))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    Ok(listener)
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
    builder
        // A client for which so many messages wait is dropped: see `slow`.
        .max_buffer_size(4096)
        .max_payload(polling::ALL)
        .ws_max_message_size(FROM_CLIENT)
        .ws_max_frame_size(FROM_CLIENT)
        .ws_read_buffer_size(1024)
        // Whoever has vanished is noticed within 18 seconds.
        .ping_interval(Duration::from_secs(10))
        .ping_timeout(Duration::from_secs(8))
        .connect_timeout(Duration::from_secs(20))
}
