//! The schema's migrations, embedded: the same as `sqlx migrate run` on the folder `migrations`, with the same table
//! of what was applied, so that the two can take turns.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySqlConnection, SqlStr,
    migrate::{Migrate as _, MigrateError, Migrator},
    mysql::MySqlConnectOptions,
};

use super::{
    errors::{self, Refusal},
    quote, refusal, session,
};
use crate::config::SecretUrl;

static MIGRATOR: Migrator = sqlx::migrate!();

/// How long a person waits for the server's first word.
const PATIENCE: Duration = Duration::from_secs(5);

/// What [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The database, when it was missing and has been created.
    pub created: Option<String>,
    /// The migrations that were applied now: version and description.
    pub applied: Vec<(i64, String)>,
    /// How many had been applied before.
    pub before: usize,
}

/// The migrations that this rowcast has: version and description.
pub fn known_migrations() -> impl Iterator<Item = (i64, String)> {
    MIGRATOR.iter().map(|migration| (migration.version, migration.description.to_string()))
}

/// The migration that creates the default route's table: its version and its statement. No other route needs it.
pub fn default_table() -> Option<(i64, String)> {
    let table = MIGRATOR.iter().find(|migration| migration.description == "pre qqaccount")?;
    let lines = table.sql.as_str().lines().filter(|line| !line.starts_with("--"));
    Some((table.version, lines.collect::<Vec<_>>().join("\n")))
}

/// Creates the database when it is missing, and applies the migrations that it lacks.
///
/// # Errors
/// A sentence for whoever must act; no password is in it.
pub async fn migrate(url: &SecretUrl) -> Result<Migrated, String> {
    let options: MySqlConnectOptions = url.expose().parse().map_err(|e| session::describe(&e))?;
    let options = options.disable_statement_logging();
    let name = options.get_database().unwrap_or_default().to_owned();
    let mut created = None;
    let mut connection = match connect(&options).await {
        Err(Refused { why: Some(Refusal::NoDatabase), .. }) => {
            create(&options, &name).await?;
            created = Some(name);
            connect(&options).await.map_err(|refused| refused.sentence)?
        }
        result => result.map_err(|refused| refused.sentence)?,
    };
    check_rights(&mut connection, &options).await?;
    let before = applied(&mut connection).await?;
    MIGRATOR.run_direct(None, &mut connection, false).await.map_err(|error| in_words(&error))?;
    connection.close().await.map_err(|error| session::describe(&error))?;
    let fresh = MIGRATOR.iter().filter(|migration| !before.contains_key(&migration.version));
    let applied = fresh.map(|migration| (migration.version, migration.description.to_string())).collect();
    Ok(Migrated { created, applied, before: before.len() })
}

/// What migrating needs to be allowed to do, by statements that are prepared and never run.
const RIGHTS: [(&str, &str); 6] = [
    ("CREATE on _sqlx_migrations", "CREATE TABLE _sqlx_migrations (version BIGINT)"),
    ("CREATE on rowcast_checkpoints", "CREATE TABLE rowcast_checkpoints (a INT)"),
    ("CREATE on pre_qqaccount", "CREATE TABLE pre_qqaccount (a INT)"),
    ("SELECT on _sqlx_migrations", "SELECT version FROM _sqlx_migrations"),
    ("INSERT on _sqlx_migrations", "INSERT INTO _sqlx_migrations (version) VALUES (1)"),
    ("UPDATE on _sqlx_migrations", "UPDATE _sqlx_migrations SET success = 1"),
];

/// Before anything is begun: all rights that are missing. A table need not be there for that, because the server looks
/// at the rights first.
async fn check_rights(connection: &mut MySqlConnection, options: &MySqlConnectOptions) -> Result<(), String> {
    let mut missing = Vec::new();
    for (right, statement) in RIGHTS {
        if let Err(error) = connection.prepare(SqlStr::from_static(statement)).await
            && session::database_error(&error).is_some_and(|error| errors::is_denied(error.number()))
        {
            missing.push(right);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the user lacks rights, and nothing was changed: {}; let an administrator {}",
        missing.join(", "),
        refusal::grant(options)
    ))
}

/// The versions that were applied, each with its checksum.
async fn applied(connection: &mut MySqlConnection) -> Result<BTreeMap<i64, Vec<u8>>, String> {
    let table = &MIGRATOR.table_name;
    connection.ensure_migrations_table(table).await.map_err(|error| in_words(&error))?;
    let listed = connection.list_applied_migrations(table).await.map_err(|error| in_words(&error))?;
    Ok(listed.into_iter().map(|migration| (migration.version, migration.checksum.to_vec())).collect())
}

/// Why there is no connection.
struct Refused {
    why: Option<Refusal>,
    sentence: String,
}

async fn connect(options: &MySqlConnectOptions) -> Result<MySqlConnection, Refused> {
    match tokio::time::timeout(PATIENCE, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => {
            let why = session::database_error(&error).and_then(|error| errors::refusal(error.number()));
            Err(Refused { why, sentence: refusal::in_words(&error, options) })
        }
        Err(_) => Err(Refused { why: None, sentence: refusal::silence(options, PATIENCE) }),
    }
}

async fn create(options: &MySqlConnectOptions, name: &str) -> Result<(), String> {
    // Everybody may use this one.
    let options = options.clone().database("information_schema");
    let mut connection = connect(&options).await.map_err(|refused| refused.sentence)?;
    let statement = format!("CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4", quote(name));
    connection.execute(AssertSqlSafe(statement)).await.map_err(|error| {
        format!(
            "database {name} does not exist and cannot be created: {}; let an administrator create it",
            session::describe(&error)
        )
    })?;
    connection.close().await.map_err(|error| session::describe(&error))
}

fn in_words(error: &MigrateError) -> String {
    match error {
        MigrateError::VersionMissing(version) => format!(
            "the database holds migration {version}, which this rowcast does not know: a newer one was here; use that"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "migration {version} was applied in another form than this rowcast has: \
             the folder `migrations` was changed after it was applied; use the rowcast that applied it"
        ),
        MigrateError::Dirty(version) => format!(
            "migration {version} was begun and not finished; look at what it left, mend it, \
             and DELETE FROM _sqlx_migrations WHERE version = {version}"
        ),
        MigrateError::ExecuteMigration(error, version) => {
            format!("migration {version} failed: {}", session::describe(error))
        }
        MigrateError::Execute(error) => session::describe(error),
        other => other.to_string(),
    }
}
