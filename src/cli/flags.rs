//! Flags that stand for variables. Nothing is checked here: `config` does that, whoever set the value.
//!
//! Every command takes all of them, and shows in its help those that change what it does.

use std::collections::BTreeMap;

// `NonEmpty`, because an empty value would silently be none, and the default would be taken.
use clap::{Arg, Command, builder::NonEmptyStringValueParser as NonEmpty};

/// Settings that override variables. Every command takes them.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Settings (each overrides its variable)")]
pub struct Flags {
    /// Redis: redis://[user:password@]host:port/db [REDIS_URL]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "URL")]
    redis_url: Option<String>,
    /// MySQL or MariaDB: mysql://user:password@host:port/database [DATABASE_URL]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "URL")]
    database_url: Option<String>,
    /// A TOML file with one [[route]] for each queue [ROWCAST_ROUTES]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "FILE")]
    routes: Option<String>,
    /// The Redis list that jobs are pushed to [ROWCAST_QUEUE]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "NAME")]
    queue: Option<String>,
    /// The table that rows go into [ROWCAST_TABLE]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "NAME")]
    table: Option<String>,
    /// Which key goes to which column: accountid=time,openid=stamp [ROWCAST_COLUMNS]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "COLUMN=KEY,..")]
    columns: Option<String>,
    /// The rooms that hear of a row: {table},account:{accountid} [ROWCAST_ROOMS]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "ROOM,..")]
    rooms: Option<String>,
    /// How many workers, or auto for one on each core [ROWCAST_WORKERS]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "COUNT")]
    workers: Option<String>,
    /// The most jobs that a worker takes at once [ROWCAST_BATCH]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "JOBS")]
    batch: Option<String>,
    /// How the log is written: text or json [ROWCAST_LOG]
    #[arg(long, global = true, hide = true, value_parser = NonEmpty::new(), value_name = "FORMAT")]
    log: Option<String>,
}

/// The flags that a command shows.
fn shown_by(command: &str) -> &'static [&'static str] {
    match command {
        "up" => &[
            "redis_url",
            "database_url",
            "routes",
            "queue",
            "table",
            "columns",
            "rooms",
            "workers",
            "batch",
            "log",
        ],
        "worker" => {
            &["redis_url", "database_url", "routes", "queue", "table", "columns", "rooms", "batch", "log"]
        }
        "gateway" => &["redis_url", "database_url", "routes", "log"],
        "check" => &["redis_url", "database_url", "routes", "queue", "table", "columns", "rooms"],
        "migrate" => &["database_url"],
        "push" | "status" | "audit" | "dead" | "pause" | "resume" => &["redis_url", "routes", "queue"],
        "scale" | "restart" | "reload" | "emit" => &["redis_url"],
        _ => &[],
    }
}

/// The command line, with the flags that each command shows.
pub(super) fn shown(mut command: Command) -> Command {
    let flags: Vec<Arg> = command.get_arguments().filter(|flag| flag.is_global_set()).cloned().collect();
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let shown = |flag: &&Arg| shown_by(&name).contains(&flag.get_id().as_str());
        // One that a command has already is not handed down to it, hidden as it is.
        let shown = flags.iter().filter(shown).map(|flag| flag.clone().hide(false));
        command = command.mut_subcommand(&name, |sub| sub.args(shown));
    }
    command
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
