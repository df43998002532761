//! What the commands share that order something of a running supervisor.

use std::{process::ExitCode, time::Duration};

use anyhow::anyhow;
use nix::unistd::{Uid, User};
use serde_json::json;

use super::{
    Variables,
    number::within,
    reach,
    show::{quoted, say, say_json, shown},
};
use crate::{
    config::redis_url,
    control::Command,
    orders::{self, Unheard},
    queue::host,
};

/// Whom an order is for, and how its answer is shown.
#[derive(Debug, clap::Args)]
pub(super) struct To {
    /// The supervisor, where several run: its host, or its id, which `rowcast status --json` shows
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// How long to wait for a supervisor to take the order; then it is taken back
    #[arg(long, value_name = "SECONDS", default_value_t = orders::WAIT.as_secs(),
          value_parser = within(1..=300_u64), allow_negative_numbers = true)]
    wait: u64,
    /// Write the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Gives the order, and says what came of it.
///
/// # Errors
/// An address that cannot be used, a Redis that is away, or a supervisor that refuses or is not there.
pub(super) fn give(command: Command, to: &To, variables: &Variables) -> anyhow::Result<ExitCode> {
    let redis_url = redis_url(variables)?;
    reach::block_on(async {
        let link = reach::redis(&redis_url).await?;
        let wait = Duration::from_secs(to.wait);
        let told = orders::give(&link, to.host.as_deref(), who(), command, wait).await;
        if to.json {
            return in_json(&told);
        }
        let told = told.map_err(in_words)?;
        // A host's name and a supervisor's words come from elsewhere.
        let (host, message) = (shown(&told.host, 60), shown(&told.message, 1_000));
        if !told.ok {
            return Err(anyhow!("the supervisor on {host} refuses: {message}"));
        }
        say(format!("{host}: {message}"))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// A refusal with the flag that helps.
fn in_words(unheard: Unheard) -> anyhow::Error {
    match &unheard {
        Unheard::Several { names, .. } => {
            let flags: Vec<String> =
                names.iter().map(|name| format!("--host {}", quoted(&shown(name, 200)))).collect();
            anyhow!("{unheard}: {}", flags.join(", or "))
        }
        _ => unheard.into(),
    }
}

fn in_json(told: &Result<orders::Told, Unheard>) -> anyhow::Result<ExitCode> {
    match told {
        Ok(told) => say_json(told)?,
        Err(unheard) => say_json(&json!({ "ok": false, "message": unheard.to_string() }))?,
    }
    let done = matches!(told, Ok(told) if told.ok);
    Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Who asks, for the supervisor's log.
fn who() -> String {
    let uid = Uid::current();
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    format!("{name}@{}", host())
}
