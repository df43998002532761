//! What an operator should know of a database before rows go in: facts, and trials that leave nothing behind.

use sqlx::{AssertSqlSafe, Row as _};

use super::{Fault, Shape, Store, errors, quote, session};

/// A server's facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqlFacts {
    /// Its version: `10.11.14-MariaDB-0+deb12u2`.
    pub version: String,
    /// The mode of rowcast's own sessions.
    pub sql_mode: String,
    /// Whether it refuses writes.
    pub read_only: bool,
    /// The most bytes of one statement.
    pub max_packet: u64,
    /// The binary log's format; `None` without a binary log.
    pub binlog_format: Option<String>,
    /// `innodb_flush_log_at_trx_commit`: only 1 keeps every commit over a crash of the machine.
    pub flush_log: u64,
}

const FACTS: &str = "\
    SELECT CAST(VERSION() AS CHAR), CAST(@@SESSION.sql_mode AS CHAR), CAST(@@GLOBAL.read_only AS UNSIGNED), \
           CAST(@@max_allowed_packet AS UNSIGNED), CAST(@@log_bin AS UNSIGNED), \
           CAST(@@GLOBAL.binlog_format AS CHAR), CAST(@@innodb_flush_log_at_trx_commit AS UNSIGNED)";

impl Store {
    /// Asks the server.
    ///
    /// # Errors
    /// As the server says.
    pub async fn facts(&mut self) -> Result<SqlFacts, Fault> {
        self.run(async |connection| {
            let row = sqlx::raw_sql(FACTS).fetch_one(connection).await?;
            let logs = row.try_get::<u64, _>(4)? == 1;
            Ok(SqlFacts {
                version: row.try_get(0)?,
                sql_mode: row.try_get(1)?,
                read_only: row.try_get::<u64, _>(2)? != 0,
                max_packet: row.try_get(3)?,
                binlog_format: Some(row.try_get(5)?).filter(|_| logs),
                flush_log: row.try_get(6)?,
            })
        })
        .await
    }

    /// The versions of the migrations that are recorded as applied; none when there is no record.
    ///
    /// # Errors
    /// As the server says.
    pub async fn applied_migrations(&mut self) -> Result<Vec<i64>, Fault> {
        let select = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
        let is_no_table = |error: &sqlx::Error| {
            session::database_error(error).is_some_and(|error| errors::is_no_table(error.number()))
        };
        self.run(async |connection| match sqlx::query_scalar(select).fetch_all(connection).await {
            Err(error) if is_no_table(&error) => Ok(Vec::new()),
            read => read,
        })
        .await
    }

    /// Tries the right to insert into a table's columns, and to update them, with a statement for no row.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn try_insert(&mut self, shape: &Shape, update: bool) -> Result<(), Fault> {
        let names: Vec<String> = shape.columns.iter().map(|name| quote(name)).collect();
        let nulls = vec!["NULL"; names.len()].join(",");
        let table = format!("{}.{}", quote(&shape.database), quote(&shape.table));
        let mut sql =
            format!("INSERT INTO {table} ({}) SELECT {nulls} FROM DUAL WHERE 1 = 0", names.join(","));
        if let (true, Some(name)) = (update, names.first()) {
            sql.push_str(&format!(" ON DUPLICATE KEY UPDATE {name} = VALUES({name})"));
        }
        self.begin().await?;
        let work = async |connection: &mut sqlx::MySqlConnection| {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await
        };
        let tried = self.run(work).await.map(|_| ());
        self.rollback().await;
        tried
    }
}
