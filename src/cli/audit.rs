//! `rowcast audit`: does the sum of what became of all jobs equal what was taken?
//!
//! The count of the table's rows is not compared: others write to it and delete from it, and updates of duplicates
//! add none. What this adds up is counted in the same scripts that move the jobs.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Variables,
    reach::{self, InWords as _},
    show::{count, quoted, say, say_json, table},
};
use crate::{
    config::QueueSettings,
    queue::{Admin, Audit, UnknownClaim},
};

/// Add up what became of every job that was taken
///
/// Reads the counters and lists of each queue in one instant, and checks that
/// claimed = inserted + duplicate + dead + handed back + in flight. Counters are moved by the very scripts that
/// move the jobs, so the sum is exact at any moment, with all workers running.
///
/// A job that is handed back and taken again counts as claimed twice and as handed back once.
///
/// When jobs are missing, all keys of Redis are looked through for claim lists that are in no index: nobody finishes
/// those, because somebody deleted the index. Each is named with what to do.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast audit
  rowcast audit --queue message --json | jq '.[0].difference'

Exit codes: 0 it adds up, 1 it does not, or Redis is away, 64 bad configuration")]
pub struct Args {
    /// Write JSON: an array with one object for each queue
    #[arg(long)]
    json: bool,
}

/// One queue's audit as JSON.
#[derive(Debug, Serialize)]
struct Line<'a> {
    queue: &'a str,
    #[serde(flatten)]
    audit: Audit,
    difference: i64,
    /// Looked for when jobs are missing.
    unknown_claims: Vec<UnknownClaim>,
    #[serde(skip)]
    admin: &'a Admin,
}

/// Audits the chosen queues.
///
/// # Errors
/// A variable that cannot be used, or a Redis that is away.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    reach::block_on(async {
        let queues = reach::queues(&settings).await?;
        let mut lines = Vec::new();
        for (queue, admin) in &queues {
            let audit = admin.audit().await.in_words(|| format!("cannot audit {queue:?}"))?;
            let difference = i64::try_from(audit.difference()).unwrap_or(i64::MAX);
            let unknown_claims = match difference {
                1.. => {
                    admin.unknown_claims().await.in_words(|| format!("cannot search claims of {queue:?}"))?
                }
                _ => Vec::new(),
            };
            lines.push(Line { queue, audit, difference, unknown_claims, admin });
        }
        if args.json {
            say_json(&lines)?;
        } else {
            lines.iter().try_for_each(|line| say(text(line)))?;
        }
        let adds_up = lines.iter().all(|line| line.difference == 0);
        Ok(if adds_up { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn text(line: &Line<'_>) -> String {
    let Line { queue, audit, difference, .. } = line;
    let rows = format!("in {}", count(audit.rows, "row"));
    let parts = [
        ("  claimed", audit.claimed, "jobs taken from the queue, ever"),
        ("= inserted", audit.inserted, rows.as_str()),
        ("+ duplicate", audit.duplicate, "were in the table already"),
        ("+ dead", audit.dead, "rejected, ever; see `rowcast dead list`"),
        ("+ handed back", audit.handed_back, "returned to the queue uncommitted"),
        ("+ in flight", audit.in_flight, "in open claims now"),
    ];
    let cells = parts.map(|(name, number, note)| vec![format!("  {name}"), number.to_string(), note.into()]);
    // The first row of a table is its titles, which are nothing here.
    let rows: Vec<Vec<String>> = std::iter::once(Vec::new()).chain(cells).collect();
    let distance = difference.unsigned_abs();
    let verdict = match difference {
        0 => "  It adds up.".to_owned(),
        1.. => format!("  It does not add up: {} taken and nowhere to be found.", count(distance, "job")),
        _ => format!("  It does not add up: {} more than jobs taken.", count(distance, "outcome")),
    };
    format!("{queue}:{}\n{verdict}{}", table(&rows), unknown(line))
}

/// Claim lists that nobody will finish, each with the command that has it rescued.
fn unknown(line: &Line<'_>) -> String {
    let mut text = String::new();
    for found in &line.unknown_claims {
        let UnknownClaim { key, jobs, worker_alive, .. } = found;
        text += &format!("\n  {} in {key}, which is not in the index ", count(*jobs, "job"));
        if *worker_alive {
            text += "(its worker is alive, and may end it by itself: audit again)";
        } else {
            let words = line.admin.indexing(found).map(|word| quoted(&word)).join(" ");
            text += &format!("(its worker is gone):\n    redis-cli {words}");
        }
    }
    if line.unknown_claims.iter().any(|claim| !claim.worker_alive) {
        text += &format!(
            "\n  {index} was deleted, or has lost entries. Each list was committed whole or not at all: look for the \
             rows of its\n  jobs (redis-cli LRANGE LIST 0 -1). Without rows, or on a route with a dedupe column, run \
             its HSET: a worker then\n  hands the jobs back to the queue. With rows, DEL the list: only its events \
             are missing.",
            index = line.admin.index()
        );
    }
    text
}
