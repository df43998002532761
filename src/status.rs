//! How the whole cluster stands, as Redis tells: what `rowcast status`, `/api/status`, `/metrics` and the
//! dashboard show.
//!
//! Everything is read from Redis, so it covers the processes of all hosts. Each writes about itself when it renews its
//! lease; the queues' numbers are of this instant. [`Cluster`] is what was read, [`Status`] what it means.

pub mod advice;
mod gateway;
mod life;
mod queue;
mod slot;
mod trouble;
mod worker;

use std::{collections::BTreeMap, time::Duration};

use anyhow::anyhow;
use redis::{RedisError, RedisResult};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    delay::{Delay, Until, Window},
    queue::{Admin, Audit, LastMinute, Link, Member, Registry, describe, has_code},
    route::Route,
};

pub use gateway::Gateway;
pub use life::Life;
pub use queue::{Lane, Queue};
pub use slot::Slot;
pub use trouble::{Trouble, WaitedFor, jobs_wait, thousands};
pub use worker::Worker;

/// What Redis tells of all hosts.
#[derive(Debug)]
pub struct Cluster {
    /// The workers.
    pub workers: Vec<Member>,
    /// The gateways.
    pub gateways: Vec<Member>,
    /// The queues: the numbers of each, or why its lists cannot be read.
    pub queues: Vec<(Lane, Result<Audit, String>)>,
    /// How long each queue's jobs took in the last minute, where its lists can be read.
    pub windows: BTreeMap<String, Window>,
}

/// Which queues are looked at.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// Those of these routes, and then all others that a worker on this Redis takes jobs from, or has left some in.
    /// Whoever looks after the cluster looks after what other supervisors do as well.
    All(&'a [Route]),
    /// Those of these routes.
    Only(&'a [Route]),
}

/// How the cluster stands.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The workers of all hosts, by host and slot.
    pub workers: Vec<Worker>,
    /// The gateways of all hosts, by host and slot.
    pub gateways: Vec<Gateway>,
    /// The slots in which nothing is ready, as far as another child of their supervisor lives and tells of them.
    pub unready: Vec<Slot>,
    /// The queues.
    pub queues: Vec<Queue>,
    /// How long the jobs of all these queues took from their claim to COMMIT, in the last minute; `None` when none has
    /// come so far.
    pub commit_delay: Option<Delay>,
    /// How long they took from their claim until they were settled and published.
    pub publish_delay: Option<Delay>,
}

impl Cluster {
    /// Asks Redis.
    ///
    /// # Errors
    /// Redis is away, or refuses: a sentence that says what could not be read, and why.
    pub async fn read(scope: Scope<'_>, link: &Link) -> anyhow::Result<Self> {
        let words = |what: &str, error: &RedisError| format!("cannot read {what}: {}", describe(error));
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: RedisError| anyhow!(words(&what, &error))
        };
        let registry = Registry::new(link.clone());
        let workers = registry.members().await.map_err(failed("the workers"))?;
        let gateways = Registry::of_gateways(link.clone()).members().await.map_err(failed("the gateways"))?;
        let others = match scope {
            Scope::All(_) => registry.queues().await.map_err(failed("the names of queues"))?,
            Scope::Only(_) => BTreeMap::new(),
        };
        let (mut queues, mut windows) = (Vec::new(), BTreeMap::new());
        for (lane, is_ours) in scope.lanes(others) {
            let name = format!("queue {:?}", lane.queue);
            let audit = match read(&lane.queue, link).await {
                Ok((audit, window)) => {
                    windows.insert(lane.queue.clone(), window);
                    Ok(audit)
                }
                // Of this queue alone: the others, and the workers, are what is asked for at such a time.
                Err(error) if has_code(&error, "WRONGTYPE") => Err(words(&name, &error)),
                Err(error) => return Err(failed(&name)(error)),
            };
            // What was a queue once, and holds nothing any more, is nobody's.
            if is_ours || is_taken(&lane.queue, &workers) || audit.as_ref().is_ok_and(Audit::holds_jobs) {
                queues.push((lane, audit));
            }
        }
        Ok(Self { workers, gateways, queues, windows })
    }
}

impl Scope<'_> {
    /// The queues, each with whether it is one of the routes'.
    fn lanes(self, mut others: BTreeMap<String, String>) -> Vec<(Lane, bool)> {
        let (Self::All(routes) | Self::Only(routes)) = self;
        let mut lanes: Vec<(Lane, bool)> = routes.iter().map(|route| (Lane::from(route), true)).collect();
        lanes.iter().for_each(|(lane, _)| drop(others.remove(&lane.queue)));
        lanes.extend(others.into_iter().map(|(queue, table)| (Lane { queue, table }, false)));
        lanes
    }
}

/// Whether a worker that holds its lease takes jobs from this queue.
fn is_taken(queue: &str, workers: &[Member]) -> bool {
    workers.iter().any(|member| Worker::new(member, 0).takes(queue))
}

async fn read(queue: &str, link: &Link) -> RedisResult<(Audit, Window)> {
    let audit = Admin::new(queue, link.clone()).audit().await?;
    let window = match LastMinute::new(queue, link.clone()).read().await {
        // Nothing depends on it: `rowcast check` names the key.
        Err(error) if has_code(&error, "WRONGTYPE") => Window::default(),
        window => window?,
    };
    Ok((audit, window))
}

impl Status {
    /// Asks Redis how the cluster stands now.
    ///
    /// # Errors
    /// As [`Cluster::read`].
    pub async fn read(scope: Scope<'_>, link: &Link) -> anyhow::Result<Self> {
        Ok(Self::now(&Cluster::read(scope, link).await?))
    }

    /// Counts the rows of each queue since an earlier look. Nothing is known of a queue that could not be read then or
    /// now.
    pub fn rates_since(&mut self, before: &Self, elapsed: Duration) {
        for now in self.queues.iter_mut().filter(|queue| queue.problem.is_none()) {
            if let Some(before) = before.queue(&now.queue).filter(|queue| queue.problem.is_none()) {
                now.rate_since(before, elapsed);
            }
        }
    }

    /// A queue by its name. From one look to the next there may be more of them, or fewer.
    pub fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.iter().find(|queue| queue.queue == name)
    }

    /// What was read just now.
    pub fn now(cluster: &Cluster) -> Self {
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        let now = u64::try_from(now).unwrap_or(0);
        let mut all = Window::default();
        cluster.windows.values().for_each(|window| all.add_all(window));
        let mut workers: Vec<Worker> =
            cluster.workers.iter().map(|member| Worker::new(member, now)).collect();
        let by_place = |one: &Life, other: &Life| one.place().cmp(&other.place());
        workers.sort_by(|one, other| by_place(&one.life, &other.life));
        let mut gateways: Vec<Gateway> =
            cluster.gateways.iter().map(|member| Gateway::new(member, now)).collect();
        gateways.sort_by(|one, other| by_place(&one.life, &other.life));
        let queue = |lane: &Lane, audit: &Result<Audit, String>| {
            let window = cluster.windows.get(&lane.queue).copied().unwrap_or_default();
            Queue::new(lane, audit, &workers).over(&window)
        };
        Self {
            gateways,
            unready: Slot::of(cluster.workers.iter().chain(&cluster.gateways)),
            queues: cluster.queues.iter().map(|(lane, audit)| queue(lane, audit)).collect(),
            workers,
            commit_delay: all.delay(Until::Commit),
            publish_delay: all.delay(Until::Publish),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_of_others_come_after_those_of_the_routes_and_none_comes_twice() {
        let others =
            || [("a", "t"), ("message", "of another")].map(|(one, other)| (one.into(), other.into()));
        let routes = [Route::original()];
        let lanes = Scope::All(&routes).lanes(others().into());
        let told: Vec<(&str, &str, bool)> =
            lanes.iter().map(|(lane, ours)| (&*lane.queue, &*lane.table, *ours)).collect();
        assert_eq!(told, [("message", "pre_qqaccount", true), ("a", "t", false)]);
    }

    #[test]
    fn processes_stand_by_host_and_then_by_the_number_of_their_slot() {
        let member = |id: &str, host: &str, slot: &str| Member {
            id: id.into(),
            fields: [("host", host), ("slot", slot)].map(|(name, value)| (name.into(), value.into())).into(),
            left: Duration::from_secs(9),
        };
        let gone = Member { id: "0".into(), fields: BTreeMap::new(), left: Duration::ZERO };
        let members = || {
            vec![
                gone.clone(),
                member("1", "b", "1"),
                member("2", "a", "10"),
                // Without a supervisor.
                member("3", "a", ""),
                member("5", "a", "2"),
                // Replaces the one before it, or is of another supervisor.
                member("6", "a", "2"),
                member("4", "a", "1"),
            ]
        };
        let (workers, gateways) = (members(), members());
        let cluster = Cluster { workers, gateways, queues: Vec::new(), windows: BTreeMap::new() };
        let status = Status::now(&cluster);
        let ids = |role: &str| -> String {
            status.lives().filter(|(of, _)| *of == role).map(|(_, life)| life.id.as_str()).collect()
        };
        assert_eq!([ids("worker"), ids("gateway")], ["4562310", "4562310"]);
    }
}
