//! What an operator should know of a Redis before it holds jobs: facts, without a judgement.

use std::collections::BTreeSet;

use redis::{RedisResult, Value};
use serde::Serialize;

use super::{Admin, Link, Registry};
use crate::glob::literal;

/// A server's facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisFacts {
    /// Its version: `7.0.15`.
    pub version: String,
    /// Whether it is a replica of another.
    pub replica: bool,
    /// Whether it is a node of a Cluster.
    pub cluster: bool,
    /// Whether it writes an append-only file.
    pub append_only: bool,
    /// When that file reaches the disk; `None` when the server does not tell.
    pub append_fsync: Option<String>,
    /// Whether it writes snapshots by itself; `None` when the server does not tell.
    pub snapshots: Option<bool>,
    /// The most memory that it takes, in bytes; 0 is no limit.
    pub max_memory: u64,
    /// What it does then.
    pub eviction: String,
}

impl RedisFacts {
    /// Asks a server. Managed servers refuse CONFIG: what only that tells is then unknown.
    ///
    /// # Errors
    /// Any error of Redis on INFO.
    pub async fn read(link: &Link) -> RedisResult<Self> {
        let info: String = link.query(&redis::cmd("INFO")).await?;
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_default().trim().to_owned()
        };
        Ok(Self {
            version: field("redis_version"),
            replica: field("role") == "slave",
            cluster: field("cluster_enabled") == "1",
            append_only: field("aof_enabled") == "1",
            append_fsync: config(link, "appendfsync").await,
            snapshots: config(link, "save").await.map(|save| !save.is_empty()),
            max_memory: field("maxmemory").parse().unwrap_or(0),
            eviction: field("maxmemory_policy"),
        })
    }
}

async fn config(link: &Link, name: &str) -> Option<String> {
    let pair: Vec<String> = link.query(redis::cmd("CONFIG").arg("GET").arg(name)).await.ok()?;
    pair.into_iter().nth(1)
}

/// A key whose type is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongType {
    /// The key.
    pub key: String,
    /// What it is.
    pub found: String,
    /// What it must be.
    pub expected: &'static str,
}

/// A claim list that the index does not know: no rescuer will find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnknownClaim {
    /// The list.
    pub key: String,
    /// What it is called in the index: `<worker>:<seq>`.
    pub claim: String,
    /// How many jobs are in it.
    pub jobs: u64,
    /// Whether its worker holds a lease, and may end it by itself.
    pub worker_alive: bool,
}

impl Admin {
    /// Looks through all keys of the server for claim lists of this queue that the index does not know.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn unknown_claims(&self) -> RedisResult<Vec<UnknownClaim>> {
        let mut claims = self.scan_claims().await?;
        // Whatever was there before the index is read now is in it, or has ended meanwhile, or is unknown.
        let indexed: BTreeSet<String> = self.link.query(redis::cmd("HKEYS").arg(&self.keys.claims)).await?;
        claims.retain(|claim| !indexed.contains(claim));
        let workers: Vec<String> = claims.iter().map(|claim| worker_of(claim).to_owned()).collect();
        let gone = Registry::new(self.link.clone()).without_lease(&workers).await?;
        let mut unknown = Vec::new();
        for claim in claims {
            let key = format!("{}{claim}", self.keys.claim_prefix());
            let jobs: u64 = self.link.query(redis::cmd("LLEN").arg(&key)).await?;
            let worker_alive = !gone.iter().any(|worker| worker == worker_of(&claim));
            unknown.push(UnknownClaim { key, claim, jobs, worker_alive });
        }
        unknown.retain(|claim| claim.jobs > 0);
        Ok(unknown)
    }

    /// The words of the command that puts a claim into the index, so that a worker finds and rescues it.
    pub fn indexing(&self, claim: &UnknownClaim) -> [String; 4] {
        let now = time::OffsetDateTime::now_utc().unix_timestamp() * 1_000;
        ["HSET".to_owned(), self.keys.claims.clone(), claim.claim.clone(), format!("{now}:0")]
    }

    /// The claims of which there is a list.
    async fn scan_claims(&self) -> RedisResult<Vec<String>> {
        let prefix = self.keys.claim_prefix();
        let pattern = format!("{}*", literal(prefix));
        let (mut claims, mut cursor) = (BTreeSet::new(), 0u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1_000).arg("TYPE").arg("list");
            let (next, keys): (u64, Vec<Vec<u8>>) = self.link.query(&scan).await?;
            let names = keys.into_iter().filter_map(|key| String::from_utf8(key).ok());
            claims.extend(names.filter_map(|key| key.strip_prefix(prefix).map(str::to_owned)));
            cursor = next;
            if cursor == 0 {
                return Ok(claims.into_iter().collect());
            }
        }
    }

    /// Which of the queue's keys hold something else than they must.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn wrong_types(&self) -> RedisResult<Vec<WrongType>> {
        let keys = &self.keys;
        let expected = [
            (&keys.queue, "list"),
            (&keys.claims, "hash"),
            (&keys.suspects, "list"),
            (&keys.dead, "list"),
            (&keys.totals, "hash"),
            (&keys.paused, "string"),
            (&keys.highest, "string"),
            (&keys.delays, "hash"),
        ];
        let mut questions = redis::pipe();
        for (key, _) in expected {
            questions.cmd("TYPE").arg(key);
        }
        let types: Vec<String> = self.link.pipeline(&questions).await?;
        let wrong = expected.into_iter().zip(types);
        let wrong = wrong.filter(|((_, expected), found)| found != expected && found != "none");
        Ok(wrong.map(|((key, expected), found)| WrongType { key: key.clone(), found, expected }).collect())
    }

    /// Reads the job that would be claimed next, and leaves it where it is.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn oldest(&self) -> RedisResult<Option<Vec<u8>>> {
        self.link.query(redis::cmd("LINDEX").arg(&self.keys.queue).arg(-1)).await
    }

    /// Tries each kind of command that workers use, in a way that changes nothing: moves come from lists that do not
    /// exist, and `event` goes to a channel that nobody listens to. Returns what each is for, and how it went.
    pub async fn try_rights(&self, channel: &str, payload: &[u8]) -> Vec<(&'static str, RedisResult<()>)> {
        let from = self.keys.claim("rowcast-check", 1);
        let to = self.keys.claim("rowcast-check", 2);
        let cmd = |words: &[&str]| {
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            command
        };
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(channel).arg(payload);
        let queue = self.keys.queue.as_str();
        let commands = [
            ("take jobs (BLMOVE)", cmd(&["BLMOVE", &from, &to, "RIGHT", "RIGHT", "0.01"])),
            ("write to the queue (LMOVE)", cmd(&["LMOVE", &from, queue, "RIGHT", "RIGHT"])),
            ("copy many jobs at once (SORT)", cmd(&["SORT", &from, "BY", "nosort", "STORE", &to])),
            ("measure a claim (MEMORY USAGE)", cmd(&["MEMORY", "USAGE", &from])),
            ("run scripts (EVAL)", cmd(&["EVAL", "return redis.call('EXISTS', KEYS[1])", "1", queue])),
            ("publish (PUBLISH)", publish),
            ("end a blocking move (CLIENT UNBLOCK)", cmd(&["CLIENT", "UNBLOCK", "0"])),
            ("read the registry of workers", cmd(&["SMEMBERS", "rowcast:workers"])),
            ("keep a lease", cmd(&["PEXPIRE", "rowcast:worker:rowcast-check", "1"])),
            // No queue has this name.
            ("write down the names of queues", cmd(&["HDEL", "rowcast:queues", ""])),
        ];
        let mut tried = Vec::new();
        for (what, command) in commands {
            tried.push((what, self.link.query::<Value>(&command).await.map(|_| ())));
        }
        tried.push(("load scripts (EVALSHA, SCRIPT LOAD)", self.audit().await.map(|_| ())));
        tried
    }
}

fn worker_of(claim: &str) -> &str {
    claim.rsplit_once(':').map_or(claim, |(worker, _)| worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_begins_with_its_worker() {
        assert_eq!(worker_of("01W:7"), "01W");
    }
}
