//! `rowcast status`: who works, and how the queues stand, as tables.

mod gateway;
mod life;
mod queue;
mod worker;

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use super::{
    Variables,
    number::within,
    reach,
    show::{say, say_json, shown, table},
};
use crate::{
    config::QueueSettings,
    control::Role,
    queue::Link,
    status::{Life, Scope, Slot, Status},
};

/// Show the workers, the gateways and the queues
///
/// Workers are those of all hosts that use this Redis, by host and slot: what they do, since when they run, how much
/// they have done, how many rows a second they have inserted of late (over some seconds, a third of
/// ROWCAST_LEASE_SECONDS), and how much memory they take. One that is silent has missed its sign of life: it is
/// stopped, is cut off from Redis, or was killed where no supervisor replaces it. One whose lease has run out is gone
/// or stuck; the others will finish its claims.
/// Gateways show where they listen, and how many connections they hold open.
/// Queues are those that are configured, and then all others that a worker on this Redis takes jobs from, or has left
/// some in, whoever configured them; with --queue, that one alone. They show how many jobs wait, are in flight, are
/// suspects (a worker crashed while it held them; they are tried apart from other jobs), are dead letters, and how old
/// the oldest open claim is; and how long the jobs of the last minute took, from the moment a worker had claimed them
/// until COMMIT and until they were published: half of them no longer than p50, 99 of 100 no longer than p99.
/// Rows a second of a queue are what came in between two looks, so --watch alone shows them, from its second look on.
/// A queue that no worker takes jobs from is told below them, and so is one that Redis knows nothing of; and slots in
/// which nothing gets ready.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast status
  rowcast status --watch        every 2 seconds, until Ctrl-C
  rowcast status --json | jq '.queues[0].waiting'

Exit codes: 0 shown, 1 Redis is away, 64 bad configuration")]
pub struct Args {
    /// Write JSON; with --watch one line of it each time
    #[arg(long)]
    json: bool,
    /// Show it again every so many seconds, in place on a terminal
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = within(1..=3_600_u64), allow_negative_numbers = true)]
    watch: Option<u64>,
}

/// Shows the status, once or again and again.
///
/// # Errors
/// A variable that cannot be used, or a Redis that is away.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    // What is configured says where to look for jobs; what the command line names is what is to be seen.
    let is_chosen = variables.is_flag("ROWCAST_QUEUE");
    let scope = if is_chosen { Scope::Only(&settings.routes) } else { Scope::All(&settings.routes) };
    reach::block_on(async {
        let link = reach::redis(&settings.redis_url).await?;
        match args.watch.map(Duration::from_secs) {
            None => {
                let status = Status::read(scope, &link).await?;
                if args.json { say_json(&status)? } else { say(text(&status))? }
            }
            Some(every) => watch(scope, &link, every, args.json).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Until nobody reads any more. A Redis that goes away is shown in the place of the numbers, and asked again.
async fn watch(scope: Scope<'_>, link: &Link, every: Duration, json: bool) -> anyhow::Result<()> {
    let in_place = !json && io::stdout().is_terminal();
    let mut before: Option<Status> = None;
    loop {
        let mut status = Status::read(scope, link).await;
        if let (Ok(status), Some(before)) = (&mut status, &before) {
            status.rates_since(before, every);
        }
        let shown = match &status {
            Ok(status) if json => serde_json::to_string(status)?,
            Ok(status) => text(status),
            Err(error) if json => serde_json::json!({ "error": format!("{error:#}") }).to_string(),
            Err(error) => format!("{error:#}; trying again"),
        };
        if in_place {
            // Home, and clear what is below: no flicker, and the scrollback stays clean.
            write!(io::stdout(), "\x1b[H\x1b[2J")?;
        }
        say(shown)?;
        before = status.ok();
        tokio::time::sleep(every).await;
    }
}

fn text(status: &Status) -> String {
    let workers = match status.workers.as_slice() {
        [] => "No worker runs. `rowcast up` starts some.".to_owned(),
        workers => titled(worker::TITLES, workers.iter().map(worker::cells)),
    };
    let workers =
        workers + &reasons(status.workers.iter().map(|worker| &worker.life)) + &unready(status, Role::Worker);
    let gateways = match status.gateways.as_slice() {
        [] => String::new(),
        gateways => format!("\n\n{}", titled(gateway::TITLES, gateways.iter().map(gateway::cells))),
    };
    let gateways = gateways
        + &reasons(status.gateways.iter().map(|gateway| &gateway.life))
        + &unready(status, Role::Gateway);
    let queues = titled(queue::TITLES, status.queues.iter().map(queue::cells));
    let problems = status
        .queues
        .iter()
        .filter_map(|queue| queue.problem.clone().or_else(|| queue.note.as_ref().map(ToString::to_string)));
    let problems: String = problems.map(|text| format!("\n{text}")).collect();
    format!("{workers}{gateways}\n\n{queues}{problems}")
}

/// Why they wait, whole, for below their table: a terminal breaks long lines by itself. Many wait for the same reason.
fn reasons<'a>(lives: impl Iterator<Item = &'a Life>) -> String {
    let mut reasons: BTreeMap<String, Vec<&Life>> = BTreeMap::new();
    for life in lives {
        if let Some(reason) = life::reason(life) {
            reasons.entry(reason).or_default().push(life);
        }
    }
    let who = |lives: &[&Life]| match lives {
        [life] => life.id.clone(),
        lives => format!("{} and {} more", lives[0].id, lives.len() - 1),
    };
    reasons.iter().map(|(reason, lives)| format!("\n{}: {reason}", who(lives))).collect()
}

/// The slots of a role in which nothing is ready, for below the table of those that are.
fn unready(status: &Status, role: Role) -> String {
    let slots = status.unready.iter().filter(|slot| slot.is_of(role));
    let line = |slot: &Slot| {
        let (what, why) = (shown(&slot.what(), 200), shown(&slot.unready.why, 1_000));
        format!("\n{what}: {why}; it is tried again by itself")
    };
    slots.map(line).collect()
}

fn titled<const COLUMNS: usize>(titles: [&str; COLUMNS], lines: impl Iterator<Item = Vec<String>>) -> String {
    table(&std::iter::once(titles.map(str::to_owned).to_vec()).chain(lines).collect::<Vec<_>>())
}
