//! The registries of workers and of gateways: a lease with a time to live for each, and a set of their names; and the
//! queues that workers have known, which stay: jobs wait in a queue when all its workers have left.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::RedisResult;
use ulid::Ulid;

use super::{Link, script::Script};

/// The queues that any worker has known, each with the table that its rows go into.
const QUEUES: &str = "rowcast:queues";

/// A registry, as one process sees it. What is said here of workers goes for gateways.
#[derive(Debug, Clone)]
pub struct Registry {
    link: Link,
    names: &'static str,
    leases: &'static str,
}

/// A worker in the registry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Member {
    /// The worker's id.
    pub id: String,
    /// What it says of itself: host, pid, slot, state and counts. Empty when its lease has run out.
    pub fields: BTreeMap<String, String>,
    /// For how long its lease still runs.
    pub left: Duration,
}

impl Registry {
    /// The registry of workers on this server.
    pub fn new(link: Link) -> Self {
        Self { link, names: "rowcast:workers", leases: "rowcast:worker:" }
    }

    /// The registry of gateways on this server.
    pub fn of_gateways(link: Link) -> Self {
        Self { link, names: "rowcast:gateways", leases: "rowcast:gateway:" }
    }

    /// Takes or renews a worker's lease, with what it says of itself, and writes down its queues with their tables.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn renew(
        &self,
        worker: &str,
        fields: &[(&str, String)],
        queues: &BTreeMap<String, String>,
        lease: Duration,
    ) -> RedisResult<()> {
        static SCRIPT: Script = Script::new(include_str!("renew.lua"));
        let milliseconds = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let mut call = SCRIPT.on(&self.link, &[&self.key(worker), self.names, QUEUES]).await?;
        call.arg(worker).arg(milliseconds).arg(2 * fields.len());
        for (field, value) in fields {
            call.arg(field).arg(value);
        }
        for (queue, table) in queues {
            call.arg(queue).arg(table);
        }
        call.send().await
    }

    /// Which of these workers hold no lease.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn without_lease(&self, workers: &[String]) -> RedisResult<Vec<String>> {
        if workers.is_empty() {
            return Ok(Vec::new());
        }
        let mut questions = redis::pipe();
        for worker in workers {
            questions.exists(self.key(worker));
        }
        let alive: Vec<bool> = self.link.pipeline(&questions).await?;
        Ok(workers.iter().zip(alive).filter(|(_, alive)| !alive).map(|(worker, _)| worker.clone()).collect())
    }

    /// The names of all workers that have ever joined and not left.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn names(&self) -> RedisResult<Vec<String>> {
        let mut names: Vec<String> = self.link.query(redis::cmd("SMEMBERS").arg(self.names)).await?;
        names.sort_unstable();
        Ok(names)
    }

    /// All workers with what they say of themselves.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn members(&self) -> RedisResult<Vec<Member>> {
        let names = self.names().await?;
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut questions = redis::pipe();
        for id in &names {
            questions.hgetall(self.key(id)).pttl(self.key(id));
        }
        let told: Vec<redis::Value> = self.link.pipeline(&questions).await?;
        let mut members = Vec::with_capacity(names.len());
        for (id, told) in names.into_iter().zip(told.chunks_exact(2)) {
            let left: i64 = redis::from_redis_value(told[1].clone())?;
            members.push(Member {
                id,
                fields: redis::from_redis_value(told[0].clone())?,
                // Negative where there is no lease.
                left: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
            });
        }
        Ok(members)
    }

    /// The queues that any worker has known, each with its table. They stay when nobody works on them any more.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn queues(&self) -> RedisResult<BTreeMap<String, String>> {
        self.link.query(redis::cmd("HGETALL").arg(QUEUES)).await
    }

    /// Takes a worker out: it has left in order, or its claims are all rescued.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn remove(&self, worker: &str) -> RedisResult<()> {
        let mut transaction = redis::pipe();
        transaction.atomic().del(self.key(worker)).ignore().srem(self.names, worker).ignore();
        self.link.pipeline(&transaction).await
    }

    /// Takes the leases of workers that were seen to end: until they run out `rowcast status` would show them at work.
    /// Returns those that are taken now; Redis was away for the others.
    pub async fn bury(&self, dead: &[Ulid]) -> Vec<Ulid> {
        let mut buried = Vec::new();
        for &one in dead {
            match self.remove(&one.to_string()).await {
                Ok(()) => buried.push(one),
                Err(_) => break,
            }
        }
        buried
    }

    /// Takes workers without a lease out of the list of those that are there. Their claims are found through the index.
    pub async fn forget_the_dead(&self) {
        let Ok(names) = self.names().await else { return };
        for dead in self.without_lease(&names).await.unwrap_or_default() {
            self.remove(&dead).await.ok();
        }
    }

    fn key(&self, worker: &str) -> String {
        format!("{}{worker}", self.leases)
    }
}

/// What a process says of itself as long as it lives.
pub fn about(
    supervisor: Option<Ulid>,
    slot: Option<u32>,
    restarts: Option<u64>,
    lease: Duration,
) -> Vec<(&'static str, String)> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    vec![
        ("host", host()),
        ("pid", std::process::id().to_string()),
        ("supervisor", supervisor.map(|id| id.to_string()).unwrap_or_default()),
        ("slot", slot.map(|slot| slot.to_string()).unwrap_or_default()),
        ("restarts", restarts.map(|restarts| restarts.to_string()).unwrap_or_default()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("since", since.to_string()),
        ("lease", lease.as_millis().to_string()),
    ]
}

/// The name of this machine.
pub fn host() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_default()
}
