//! The worker: a loop over one step for each route, a lease, a look once a second, and an account of itself and of how
//! long its claims take.
//!
//! It decides when to step and how long to wait; what a step is stands in [`crate::pipeline`]. A server that is away
//! is waited for without end, and costs neither a job nor a restart. Everything runs on one thread: a worker is one
//! core's worth of work, and there are as many workers as cores.

mod lease;
mod look;
mod measured;
mod route;
mod vitals;

use std::{rc::Rc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinSet, LocalSet},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    control::{Identity, Report, Talk},
    fanout::ToGateways,
    liaison::Liaison,
    pipeline::Pipeline,
    queue::{Link, Registry},
};
use vitals::Vitals;

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It finished what it held.
    Drained,
    /// Another worker took it for dead and finished its claims.
    Fenced,
}

/// How long leaving the registry may take.
const LEAVE: Duration = Duration::from_secs(1);

/// Works on all routes until `stop`. `talk` is that with its supervisor, where it has one; events go the way
/// `to_gateways` where there is one, otherwise Redis publishes them.
///
/// # Errors
/// An address that cannot be read, or claims that could not be ended in order: those wait to be rescued.
pub async fn run(
    settings: Settings,
    identity: Identity,
    reports: watch::Sender<Report>,
    talk: Option<Talk>,
    to_gateways: Option<ToGateways>,
    stop: CancellationToken,
) -> anyhow::Result<Ended> {
    let link = Link::new(&settings.redis_url)?;
    let beside = link.another();
    let registry = Registry::new(beside.clone());
    let (told, unready) = watch::channel(String::new());
    let liaison = identity.supervisor.zip(talk).map(|(supervisor, talk)| {
        Liaison::new(supervisor, talk, beside.clone(), &settings.publish.key, told)
    });
    let worker = identity.id.to_string();
    let vitals = Rc::new(Vitals::new(reports, settings.routes.len(), settings.lease));
    let queues = settings.routes.iter().map(|route| (route.queue.clone(), route.table.to_string())).collect();
    let mut pipelines = Vec::with_capacity(settings.routes.len());
    for route in &settings.routes {
        pipelines.push(Pipeline::new(route.clone(), &worker, &settings, link.clone(), to_gateways.clone())?);
    }
    LocalSet::new()
        .run_until(async {
            // One route that is at its end ends the worker: the others finish what they hold.
            let stop = stop.child_token();
            let lease = tokio::task::spawn_local(lease::keep(
                registry.clone(),
                identity.clone(),
                queues,
                unready,
                vitals.clone(),
            ));
            let look = tokio::task::spawn_local(look::keep(vitals.clone()));
            let done = CancellationToken::new();
            let measured = tokio::task::spawn_local(measured::keep(vitals.clone(), beside, done.clone()));
            let liaison = liaison.map(|liaison| tokio::task::spawn_local(liaison.keep(stop.clone())));
            let mut routes = JoinSet::new();
            for pipeline in pipelines {
                let work = route::Work::new(pipeline, &identity, registry.clone(), vitals.clone());
                routes.spawn_local(work.run(stop.clone()));
            }
            vitals.set_ready();
            let ended = gather(&mut routes, &stop).await;
            lease.abort();
            look.abort();
            liaison.inspect(|liaison| liaison.abort());
            done.cancel();
            // However it ended, it holds its lease no more: `rowcast status` need not wait until it runs out, nor
            // whoever is to finish what it left. It is no more than that, and what was measured last: so nobody waits
            // for a Redis that is away.
            let leave = async { tokio::join!(registry.remove(&worker), measured) };
            tokio::time::timeout(LEAVE, leave).await.ok();
            ended
        })
        .await
}

async fn gather(
    routes: &mut JoinSet<anyhow::Result<Ended>>,
    stop: &CancellationToken,
) -> anyhow::Result<Ended> {
    let mut all = Ok(Ended::Drained);
    while let Some(ended) = routes.join_next().await {
        // A panic in one route is a crash of the worker: it must not go on with half of its routes.
        match ended? {
            Ok(Ended::Drained) => {}
            Ok(Ended::Fenced) => {
                all = all.map(|_| Ended::Fenced);
                stop.cancel();
            }
            Err(error) => {
                all = Err(error);
                stop.cancel();
            }
        }
    }
    all
}
