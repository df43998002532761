//! `rowcast migrate`: the tables that rowcast needs.

use std::process::ExitCode;

use anyhow::anyhow;

use super::{Variables, reach, show::say};
use crate::{
    config::{SecretUrl, Settings},
    store::{Migrated, migrate},
};

/// Create the tables that rowcast needs
///
/// These are the checkpoints, which make every row go in exactly once, and the table of the default route, which may
/// be dropped again where no route uses it. A table that is there already is left as it is. The database is created
/// when it is missing and you may create it. Run it after every upgrade: what was applied before is passed over.
/// Rights that are missing are told before anything is changed.
///
/// It is the same as `sqlx migrate run` in rowcast's source folder, with the same record in _sqlx_migrations.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast migrate
  rowcast migrate --database-url mysql://root:secret@127.0.0.1:3306/app

Exit codes: 0 done, 1 the server is away or refuses, 64 bad configuration")]
pub struct Args {}

/// Applies what is missing.
///
/// # Errors
/// A variable that cannot be used, or what the server says.
pub fn run(_args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let url = Settings::from_vars(variables)?.database_url;
    reach::block_on(async {
        let Migrated { created, applied, before } = bring_up_to_date(&url).await?;
        if let Some(name) = created {
            say(format!("created database {name}"))?;
        }
        for (version, description) in &applied {
            say(format!("applied {version} {description}"))?;
        }
        if applied.is_empty() {
            say(format!("nothing to do: all {before} migrations were applied before"))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Applies what is missing; a failure names the database, without its password.
pub(super) async fn bring_up_to_date(url: &SecretUrl) -> anyhow::Result<Migrated> {
    migrate(url).await.map_err(|sentence| anyhow!("cannot migrate: {sentence} (DATABASE_URL is {url})"))
}
