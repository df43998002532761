//! Private servers for people without servers: a redis-server and a mariadbd or mysqld on free loopback ports.
//!
//! `rowcast up --sandbox` runs on them, and so do the integration tests.
//!
//! Promises:
//! - Each server lives in one folder: its data, its log, its port. A second start goes on with the data, on the
//!   same port when that is still free.
//! - Durability is each server's own default: a flush for each commit, MySQL with its binary log, Redis with its
//!   append-only file. Only the memory is small.
//! - No server survives the process that started it, not even when that process is killed with -9
//!   (see `sandbox/guardian.sh`).
//! - Ctrl-C in a terminal does not reach the servers, so that rowcast can drain before it stops them.
//!
//! Not for production: the servers listen on 127.0.0.1 only, but take anyone there without a password.

mod binary;
mod data_dir;
mod folder;
mod guardian;
mod port;
mod redis;
mod server;
mod sql;

use std::path::Path;

use anyhow::Result;

pub use binary::{Flavour, SqlBinary, Wanted};
pub use port::free_ports;
pub use redis::{Redis, RedisOptions};
pub use server::Server;
pub use sql::{Sql, SqlOptions};

/// The two servers that rowcast needs.
#[derive(Debug)]
pub struct Sandbox {
    /// The Redis server.
    pub redis: Redis,
    /// The SQL server.
    pub sql: Sql,
}

impl Sandbox {
    /// Starts both servers under `root` (`root/redis`, and `root/mariadb` or `root/mysql`: neither can read the
    /// other's data), at the same time, and returns when both answer.
    pub async fn start(root: &Path, wanted: Wanted<'_>) -> Result<Self> {
        let binary = SqlBinary::find(wanted)?;
        Self::start_with(root, &binary, &RedisOptions::default(), &SqlOptions::default()).await
    }

    /// Like [`Sandbox::start`], with each server's options.
    pub async fn start_with(
        root: &Path,
        binary: &SqlBinary,
        redis: &RedisOptions,
        sql: &SqlOptions,
    ) -> Result<Self> {
        let (redis_folder, sql_folder) = (root.join("redis"), root.join(binary.flavour.name()));
        let (redis, sql) =
            tokio::try_join!(Redis::start(&redis_folder, redis), Sql::start(&sql_folder, binary, sql))?;
        Ok(Self { redis, sql })
    }

    /// Stops both servers gracefully, and returns when both are gone.
    pub async fn stop(&mut self) -> Result<()> {
        let (redis, sql) = tokio::join!(self.redis.stop(), self.sql.stop());
        redis.and(sql)
    }
}
