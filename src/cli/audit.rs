//! `rowcast audit`: does the sum of what became of all jobs equal what was taken?
//!
//! The count of the table's rows is not compared: others write to it and delete from it, and updates of duplicates
//! add none. What this adds up is counted in the same scripts that move the jobs.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Variables,
    reach::{self, InWords as _},
    show::{say, say_json, table},
};
use crate::{config::QueueSettings, queue::Audit};

/// Add up what became of every job that was taken
///
/// Reads the counters and lists of each queue in one instant, and checks that
/// claimed = inserted + duplicate + dead + handed back + in flight. Counters are moved by the very scripts that
/// move the jobs, so the sum is exact at any moment, with all workers running.
///
/// A job that is handed back and taken again counts as claimed twice and as handed back once.
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
            lines.push(Line { queue, audit, difference });
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
    let Line { queue, audit, difference } = line;
    let rows = format!("in {} rows", audit.rows);
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
    let verdict = match difference {
        0 => "  It adds up.".to_owned(),
        1.. => format!("  It does not add up: {difference} jobs were taken and are nowhere."),
        _ => format!("  It does not add up: {} outcomes more than jobs taken.", difference.unsigned_abs()),
    };
    format!("{queue}:{}\n{verdict}", table(&rows))
}
