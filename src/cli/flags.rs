//! Flags that stand for variables. Nothing is checked here: `config` does that, whoever set the value.

use std::collections::BTreeMap;

// An empty value would silently be none, and the default would be taken.
use clap::builder::NonEmptyStringValueParser as NonEmpty;

/// Settings that override variables. Every command takes them.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Settings (each overrides its variable)")]
pub struct Flags {
    /// Redis: redis://[user:password@]host:port/db [REDIS_URL]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "URL")]
    redis_url: Option<String>,
    /// MySQL or MariaDB: mysql://user:password@host:port/database [DATABASE_URL]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with one [[route]] for each queue [ROWCAST_ROUTES]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "FILE")]
    routes: Option<String>,
    /// The Redis list that jobs are pushed to [ROWCAST_QUEUE]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "NAME")]
    queue: Option<String>,
    /// The table that rows go into [ROWCAST_TABLE]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "NAME")]
    table: Option<String>,
    /// Which key goes to which column: accountid=time,openid=stamp [ROWCAST_COLUMNS]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "COLUMN=KEY,..")]
    columns: Option<String>,
    /// The rooms that hear of a row: {table},account:{accountid} [ROWCAST_ROOMS]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "ROOM,..")]
    rooms: Option<String>,
    /// How many workers, or auto for one on each core [ROWCAST_WORKERS]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "COUNT")]
    workers: Option<String>,
    /// The most jobs that a worker takes at once [ROWCAST_BATCH]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "JOBS")]
    batch: Option<String>,
    /// How the log is written: text or json [ROWCAST_LOG]
    #[arg(long, global = true, value_parser = NonEmpty::new(), value_name = "FORMAT")]
    log: Option<String>,
}

impl Flags {
    /// The flags that were given, under the variables' names.
    pub fn variables(&self) -> BTreeMap<String, String> {
        [
            ("REDIS_URL", &self.redis_url),
            ("DATABASE_URL", &self.database_url),
            ("ROWCAST_ROUTES", &self.routes),
            ("ROWCAST_QUEUE", &self.queue),
            ("ROWCAST_TABLE", &self.table),
            ("ROWCAST_COLUMNS", &self.columns),
            ("ROWCAST_ROOMS", &self.rooms),
            ("ROWCAST_WORKERS", &self.workers),
            ("ROWCAST_BATCH", &self.batch),
            ("ROWCAST_LOG", &self.log),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
    }
}
