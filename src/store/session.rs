//! A connection and its session: strict, in UTC, with utf8mb4, and never idle in a transaction for long.

use std::{
    io,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Row,
    mysql::{MySqlConnectOptions, MySqlDatabaseError},
};

use super::{CONNECT, Fault, Live, Server, Transaction, refusal};
use crate::config::SecretUrl;

/// The server closes a connection that has been silent for so long, and with it the transaction of a worker that was
/// stopped in the middle: otherwise the rows that it has inserted stay locked, and the same jobs wait where those are
/// unique.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// TRADITIONAL is strict for all engines and dates. A zero in a counted column stays the zero that the job gave.
/// A statement outside of a transaction stands at once, a fence above all, and no transaction follows another by itself.
/// READ COMMITTED locks fewer gaps, so that workers seldom deadlock; where the binary log holds statements it is not
/// allowed, and the server's default stays.
const SET_UP: &str = "\
    SET SESSION sql_mode = 'TRADITIONAL,NO_AUTO_VALUE_ON_ZERO', wait_timeout = 60, innodb_lock_wait_timeout = 10, \
    sql_select_limit = 18446744073709551615, autocommit = 1, completion_type = 'NO_CHAIN'";

const LEARN: &str = "\
    SELECT CAST(@@auto_increment_increment AS UNSIGNED), CAST(@@max_allowed_packet AS UNSIGNED), \
           CAST(@@log_bin = 1 AND @@binlog_format = 'STATEMENT' AS UNSIGNED)";

pub(super) fn options(url: &SecretUrl) -> sqlx::Result<MySqlConnectOptions> {
    let options: MySqlConnectOptions = url.expose().parse()?;
    // The session's mode is set whole below. A statement's text is tens of kilobytes: it is never logged.
    Ok(options
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(Some("+00:00".to_owned()))
        .charset("utf8mb4")
        .statement_cache_capacity(64)
        .disable_statement_logging())
}

pub(super) async fn connect(options: &MySqlConnectOptions) -> Result<Live, Fault> {
    let set_up = async {
        let mut connection = options.connect().await?;
        sqlx::raw_sql(SET_UP).execute(&mut connection).await?;
        let row = sqlx::raw_sql(LEARN).fetch_one(&mut connection).await?;
        let server = Server {
            id_step: row.try_get::<u64, _>(0)?.max(1),
            max_packet: usize::try_from(row.try_get::<u64, _>(1)?).unwrap_or(usize::MAX),
        };
        if row.try_get::<u64, _>(2)? == 0 {
            let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
            sqlx::raw_sql(isolation).execute(&mut connection).await?;
        }
        Ok(Live { connection, server, transaction: Transaction::None, used: Instant::now() })
    };
    match tokio::time::timeout(CONNECT, set_up).await {
        Ok(result) => result.map_err(|error: sqlx::Error| Fault::Server(refusal::in_words(&error, options))),
        Err(_) => Err(Fault::Server(refusal::silence(options, CONNECT))),
    }
}

pub(super) fn database_error(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    match error {
        sqlx::Error::Database(error) => error.try_downcast_ref(),
        _ => None,
    }
}

/// Whether the other side has closed the connection, rather than never answered.
pub(super) fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// What is wrong, in words for whoever must act on it. The address is not among them: it may hold a password.
pub(super) fn describe(error: &sqlx::Error) -> String {
    match (error, database_error(error)) {
        (_, Some(database)) => format!("{} ({})", database.message(), database.number()),
        // The library speaks of bytes that it expected.
        (sqlx::Error::Io(io), _) if is_end(io) => "the server closed the connection".to_owned(),
        (sqlx::Error::Io(io), _) => format!("the server cannot be reached ({io})"),
        (other, _) => other.to_string(),
    }
}
