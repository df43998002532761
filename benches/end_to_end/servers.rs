//! Private servers with their default durability, and the table that the rows go into.

use std::path::PathBuf;

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;
use rowcast::sandbox::{Redis, RedisOptions, Sql, SqlBinary, SqlOptions};
use sqlx::{Connection, Executor, MySqlConnection};

/// The queue that rowcast works on.
pub(crate) const QUEUE: &str = "bench";

/// The servers of one run.
pub(crate) struct Servers {
    pub(crate) redis: Redis,
    pub(crate) sql: Sql,
    folder: PathBuf,
}

/// Six columns beside the id, one of them JSON, and a secondary index.
const TABLE: &str = "CREATE TABLE bench (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    account BIGINT NOT NULL, name VARCHAR(64) NOT NULL, amount DECIMAL(12,2) NOT NULL,
    at DATETIME(3) NOT NULL, note VARCHAR(100), data JSON, KEY (account)) ENGINE = InnoDB";

impl Servers {
    pub(crate) async fn start(binary: &SqlBinary) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("rowcast-bench-{}", std::process::id()));
        let redis = RedisOptions { throwaway: true, ..RedisOptions::default() };
        let sql = SqlOptions {
            throwaway: true,
            local_infile: true,
            // Room for the table, so that both contestants measure the server and not its reads of old pages.
            extra: vec!["--innodb-buffer-pool-size=512M".to_owned()],
            ..SqlOptions::default()
        };
        let redis = Redis::start(&folder.join("redis"), &redis).await?;
        let sql = Sql::start(&folder.join("sql"), binary, &sql).await?;
        sql.create_database("app").await?;
        let servers = Self { redis, sql, folder };
        let mut connection = servers.connection().await?;
        sqlx::migrate!().run(&mut connection).await?;
        connection.execute(TABLE).await?;
        Ok(servers)
    }

    pub(crate) fn database_url(&self) -> String {
        self.sql.url("app")
    }

    pub(crate) async fn connection(&self) -> Result<MySqlConnection> {
        Ok(MySqlConnection::connect(&self.database_url()).await?)
    }

    pub(crate) async fn redis(&self) -> Result<MultiplexedConnection> {
        Ok(redis::Client::open(self.redis.url())?.get_multiplexed_async_connection().await?)
    }

    pub(crate) async fn empty_table(&self) -> Result<()> {
        self.connection().await?.execute("TRUNCATE TABLE bench").await?;
        Ok(())
    }

    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.redis.stop().await?;
        self.sql.stop().await?;
        std::fs::remove_dir_all(&self.folder).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error).context("cannot remove the servers' folder"),
        })
    }
}
