//! MySQL and MariaDB: the only owner of SQL.
//!
//! A [`Store`] is one route's connection. It promises that rows and checkpoint commit together, that identifiers come
//! from the live schema and are quoted, that no text of a job ever becomes SQL, and that an error is judged once, by
//! [`errors`]. It does not decide what to do about an error.

pub mod advice;
mod batch;
mod checkpoint;
pub mod errors;
mod inspect;
mod migrations;
mod pages;
mod refusal;
mod schema;
mod session;
mod value;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{MySqlConnection, mysql::MySqlConnectOptions};

pub use batch::{InsertError, Inserted, JobFault, Shape};
pub use checkpoint::Checkpoint;
pub use inspect::SqlFacts;
pub use migrations::{Migrated, default_table, known_migrations, migrate};
pub use pages::{Condition, Counted, Key, Page, Pages, Selection, StoredRow};
pub use schema::{Column, ColumnKind, TableSchema};
pub use value::Value;

use crate::{
    config::SecretUrl,
    progress::{Peer, Progress},
    route::{Route, Table},
    spelling::nearest,
};

/// One route's connection to its database.
#[derive(Debug)]
pub struct Store {
    options: MySqlConnectOptions,
    live: Option<Live>,
    /// The statements' texts by their shape, so that the server's prepared ones are found again.
    statements: HashMap<StatementKey, Arc<str>>,
    /// Whether an attempt to register may have succeeded without our hearing of it.
    register_in_doubt: bool,
    /// The most bytes of one statement, as the server said when it was last connected.
    packet: usize,
    progress: Progress,
    /// The rows of one statement, unless one job has more; halved when one takes too long.
    best_rows: usize,
}

/// A connection with what was learnt of its server.
#[derive(Debug)]
struct Live {
    connection: MySqlConnection,
    server: Server,
    transaction: Transaction,
    used: Instant,
}

/// A connection whose transaction is not ended is not used for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    /// Begun at this time, and nothing done in it.
    Begun(Instant),
    Open,
}

/// What was learnt of the server when it was connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// The step between two counted ids (`auto_increment_increment`).
    pub id_step: u64,
    /// The most bytes of one statement (`max_allowed_packet`).
    pub max_packet: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct StatementKey {
    kind: batch::Kind,
    columns: Vec<u16>,
    rows: usize,
}

/// Why the store cannot go on, in words, by what has to happen next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The transaction lost a race and was rolled back: begin it anew.
    #[error("{0}")]
    Retry(String),
    /// The server cannot serve: wait and connect anew.
    #[error("{0}")]
    Server(String),
    /// The table, a column or a right is not as the route says: read the schema again, then wait.
    #[error("{0}")]
    Route(String),
    /// This worker was fenced: it can never commit again.
    #[error("another worker has taken over this worker's claims")]
    Fenced,
}

/// How long one statement may take. Longer than the server's waits for a lock, shorter than the patience of whoever
/// watches the worker.
const STATEMENT: Duration = Duration::from_secs(40);
const CONNECT: Duration = Duration::from_secs(10);
/// After so long without an answer people are told; longer than a session waits for a lock, which is no outage.
pub const SLOW: Duration = Duration::from_secs(12);
/// A prepared statement takes so many placeholders and no more.
pub const MAX_PLACEHOLDERS: usize = 65_535;
/// A transaction in which nothing was done for longer is begun anew before it is used: its connection may have been
/// lost since, at no cost to anybody.
const TRUST: Duration = Duration::from_secs(1);
/// More rows make a statement no faster, and the server's work on it leaves the processor's cache: measured with six
/// columns, 256 rows cost the server a sixth less CPU than 1,024.
const BEST_ROWS: usize = 256;
/// A slow server gets fewer rows at once, but not fewer than this.
const LEAST_ROWS: usize = 16;

impl Store {
    /// Takes the address; nothing is connected yet.
    ///
    /// # Errors
    /// An address that cannot be read.
    pub fn new(url: &SecretUrl) -> sqlx::Result<Self> {
        Ok(Self {
            options: session::options(url)?,
            live: None,
            statements: HashMap::new(),
            register_in_doubt: false,
            progress: Progress::default(),
            packet: 1 << 20,
            best_rows: BEST_ROWS,
        })
    }

    /// The same store, whose statements count as the progress of this route.
    #[must_use]
    pub fn watched(mut self, progress: &Progress) -> Self {
        self.progress = progress.clone();
        self
    }

    /// Connects, if need be, and says what was learnt of the server.
    ///
    /// # Errors
    /// [`Fault::Server`], in words that name what refused.
    pub async fn connect(&mut self) -> Result<Server, Fault> {
        Ok(self.live().await?.server)
    }

    /// Why there is no connection after so long, in words for whoever waits.
    pub fn silence(&self, after: Duration) -> String {
        refusal::silence(&self.options, after)
    }

    /// Reads the live schema of a table.
    ///
    /// # Errors
    /// [`Fault::Route`] when the table is not there or may not be seen, otherwise as the server says.
    pub async fn schema(&mut self, table: &Table) -> Result<TableSchema, Fault> {
        self.statements.clear();
        match self.run(async |connection| TableSchema::read(connection, table).await).await? {
            Some(schema) => Ok(schema),
            None => Err(Fault::missing(table, self.meant(table).await?.as_deref())),
        }
    }

    /// The table that was probably meant by one that is not there.
    ///
    /// # Errors
    /// As the server says.
    pub async fn meant(&mut self, table: &Table) -> Result<Option<String>, Fault> {
        let names = self.run(async |connection| TableSchema::names(connection, table).await).await?;
        Ok(meant(table, &names))
    }

    /// Keeps a connection that has been idle for some time from being closed by the server. One that was lost while
    /// nobody heard of the server is made anew, so that it is known when the server is back.
    ///
    /// # Errors
    /// As the server says; the next use connects anew.
    pub async fn keep_alive(&mut self) -> Result<(), Fault> {
        match &self.live {
            Some(live) if live.used.elapsed() > session::IDLE / 3 => {
                self.run(async |connection| sqlx::Connection::ping(connection).await).await
            }
            None if self.progress.silent(Peer::MySql).is_some() => self.run(async |_| Ok(())).await,
            _ => Ok(()),
        }
    }

    /// The most bytes of one statement; the least that a server is likely to allow before one was asked.
    pub fn packet(&self) -> usize {
        self.packet
    }

    /// Closes the connection; the server rolls back what was not committed.
    pub fn disconnect(&mut self) {
        self.live = None;
    }

    /// Begins a transaction, unless one is open.
    ///
    /// # Errors
    /// As the server says.
    pub async fn begin(&mut self) -> Result<(), Fault> {
        match self.transaction() {
            Transaction::Open => return Ok(()),
            Transaction::Begun(at) if at.elapsed() < TRUST => return Ok(()),
            _ => {}
        }
        let fresh = self.live.is_none();
        match self.run(async |connection| execute(connection, "BEGIN").await).await {
            // The server may have closed an idle connection, or restarted, while nothing was at stake.
            Err(Fault::Server(_)) if !fresh => {
                self.disconnect();
                self.run(async |connection| execute(connection, "BEGIN").await).await?;
            }
            result => result?,
        }
        self.live().await?.transaction = Transaction::Begun(Instant::now());
        Ok(())
    }

    /// Rolls the transaction back, if one is open.
    pub async fn rollback(&mut self) {
        if self.transaction() == Transaction::None {
            return;
        }
        let rolled_back = self.run(async |connection| execute(connection, "ROLLBACK").await).await;
        match (&mut self.live, rolled_back) {
            (Some(live), Ok(())) => live.transaction = Transaction::None,
            // A connection that cannot roll back is closed, which does the same.
            _ => self.disconnect(),
        }
    }

    fn transaction(&self) -> Transaction {
        self.live.as_ref().map_or(Transaction::None, |live| live.transaction)
    }

    async fn live(&mut self) -> Result<&mut Live, Fault> {
        if self.live.is_none() {
            let request = self.progress.ask(Peer::MySql);
            let live = session::connect(&self.options).await?;
            request.answered();
            self.packet = live.server.max_packet;
            self.live = Some(live);
        }
        self.live.as_mut().ok_or_else(|| Fault::Server("not connected".into()))
    }

    /// Runs statements on the connection. One that fails otherwise than by the server's word is not used again.
    async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut MySqlConnection) -> sqlx::Result<T>,
    ) -> Result<T, Fault> {
        let request = self.progress.ask(Peer::MySql);
        let live = self.live().await?;
        live.used = Instant::now();
        if let Transaction::Begun(_) = live.transaction {
            live.transaction = Transaction::Open;
        }
        let result = match tokio::time::timeout(STATEMENT, work(&mut live.connection)).await {
            Ok(result) => result.map_err(Fault::from),
            Err(_) => Err(Fault::Server(format!("no answer to a statement for {} s", STATEMENT.as_secs()))),
        };
        match result {
            Err(Fault::Server(_)) => self.disconnect(),
            _ => request.answered(),
        }
        result
    }
}

async fn execute(connection: &mut MySqlConnection, sql: &'static str) -> sqlx::Result<()> {
    sqlx::raw_sql(sql).execute(connection).await.map(|_| ())
}

impl Fault {
    fn missing(table: &Table, meant: Option<&str>) -> Self {
        let what_to_do = match meant {
            Some(meant) => format!("did you mean {meant}?"),
            None if *table == Route::original().table => {
                "create it; `rowcast migrate` does, unless it has done so before".to_owned()
            }
            None => "create it".to_owned(),
        };
        let what = format!("table {table} does not exist, or the user in DATABASE_URL has no right to it");
        Self::Route(format!("{what}; {what_to_do}"))
    }
}

/// The one of these tables that was probably meant.
fn meant(table: &Table, names: &[String]) -> Option<String> {
    let name = nearest(&table.name, names.iter().map(String::as_str))?.to_owned();
    Some(Table { name, ..table.clone() }.to_string())
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let Some(database) = session::database_error(&error) else {
            return Self::Server(session::describe(&error));
        };
        let text = format!("{} ({})", database.message(), database.number());
        match errors::judge(database) {
            errors::Kind::Retry => Self::Retry(text),
            errors::Kind::Route if text.contains("rowcast_checkpoints") => Self::Route(format!(
                "{text}; run `rowcast migrate`, or grant the user in DATABASE_URL its rights"
            )),
            errors::Kind::Route => Self::Route(text),
            errors::Kind::Server | errors::Kind::Job => Self::Server(text),
        }
    }
}

/// Quotes an identifier of the live schema.
fn quote(identifier: &str) -> String {
    format!("`{}`", identifier.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_quoted_whatever_it_holds() {
        assert_eq!(quote("a`; DROP TABLE x"), "`a``; DROP TABLE x`");
    }

    #[test]
    fn of_a_table_that_is_not_there_it_is_said_what_helps_with_this_one() {
        let said = |name: &str| {
            let table = Table::parse(name).unwrap();
            let meant = meant(&table, &["orders".to_owned(), "logs".to_owned()]);
            Fault::missing(&table, meant.as_deref()).to_string()
        };
        assert!(
            said("pre_qqaccount")
                .ends_with("; create it; `rowcast migrate` does, unless it has done so before")
        );
        assert!(said("customers").ends_with(" no right to it; create it"));
        assert!(said("Ordres").ends_with("; did you mean orders?"));
        assert!(said("shop.order").ends_with("; did you mean shop.orders?"));
    }
}
