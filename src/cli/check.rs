//! `rowcast check`: everything that could be wrong before jobs are entrusted to it, all at once.
//!
//! Facts are read by `queue` and `store`; the files beside this one judge them. Nothing is changed: what must be
//! tried is tried in a transaction that is rolled back, or on keys that do not exist.

mod alert;
mod ddl;
mod finding;
mod mysql;
mod redis;
mod route;
mod sample;

use std::process::ExitCode;

use serde::Serialize;

use super::{
    Variables, reach,
    show::{say, say_json},
};
use crate::{
    config::{Settings, UpSettings},
    queue::Link,
    store::Store,
};
use finding::{Finding, Findings, Level};
use sample::Sample;

/// Check the servers, the routes, and what a job would become
///
/// Connects to both servers and lists everything that is wrong, each with what to do: versions, persistence, memory
/// policy, rights, migrations, and each route against its live table, with the rooms that browsers could not catch up
/// on (unless ROWCAST_GATEWAYS=0). Then the oldest waiting job of each queue (or the one of --sample) goes in as it
/// would by a worker, in a transaction that is rolled back, and its columns, rooms and faults are shown. The SQL that
/// would fix a table is printed at the end, for you to look at and run.
///
/// Before that, variables that `rowcast up` would refuse are refused, those of the supervisor and of the gateways too.
///
/// With --alert, a test is sent to ROWCAST_ALERT_URL, and what was answered is told.
///
/// Nothing is changed, but that the dry run uses up a number of an AUTO_INCREMENT column.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast check
  rowcast check --sample '{\"time\":1,\"stamp\":\"a\"}'
  rowcast check --alert
  rowcast check --queue orders --json | jq '.findings[] | select(.level == \"problem\")'

Exit codes: 0 fine (warnings included), 1 problems, 64 bad configuration")]
pub struct Args {
    /// A job to try on each route, instead of the oldest waiting one
    #[arg(long, value_name = "JSON")]
    sample: Option<String>,
    /// Send a test to ROWCAST_ALERT_URL
    #[arg(long)]
    alert: bool,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

/// All that was found.
#[derive(Debug, Serialize)]
struct Report {
    findings: Vec<Finding>,
    samples: Vec<Sample>,
}

/// Checks everything.
///
/// # Errors
/// A variable that cannot be used. What is wrong with a server is found, not failed at.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    // Named by the command line, a queue chooses among the routes of a file; a variable beside the file is what `up`
    // refuses.
    let is_chosen = variables.is_flag("ROWCAST_QUEUE");
    let read = if is_chosen { UpSettings::of_chosen_queue } else { UpSettings::from_vars };
    let UpSettings { workers: settings, gateways, .. } = read(variables)?;
    let hook = args.alert.then(|| alert::settings(variables)).transpose()?;
    // Where none is to run, nobody catches up.
    let gateways = !gateways.is_empty();
    let report = reach::block_on(async {
        let (redis, mysql) = tokio::join!(redis::check(&settings), mysql::check(&settings));
        let ((link, mut found), (store, of_mysql)) = (redis, mysql);
        found.extend(of_mysql);
        if let Some(hook) = &hook {
            alert::check(hook, &mut found).await;
        }
        let samples = routes(&settings, args.sample.as_deref(), gateways, link, store, &mut found).await;
        Ok(Report { findings: found.0, samples })
    })?;
    if args.json {
        say_json(&report)?
    } else {
        say(report.text())?
    }
    let fine = report.findings.iter().all(|finding| finding.level != Level::Problem);
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every route against the live schema, with a sample where there is one.
async fn routes(
    settings: &Settings,
    sample: Option<&str>,
    gateways: bool,
    link: Option<Link>,
    mut store: Option<Store>,
    found: &mut Findings,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    for route in &settings.routes {
        let mut job = sample.map(|text| text.as_bytes().to_vec());
        if let Some(link) = &link {
            let oldest = redis::check_queue(route, link, settings, found).await;
            job = job.or(oldest);
        }
        if let Some(store) = &mut store {
            let plan = route::check(route, settings, job.as_deref(), store, found).await;
            if gateways && plan.is_some() {
                route::check_rooms(route, settings, found).await;
            }
            if let (Some(plan), Some(job)) = (plan, job) {
                samples.extend(sample::dry_run(route, settings, &plan, job, store, found).await);
            }
        }
    }
    samples
}

impl Report {
    fn text(&self) -> String {
        let mut lines: Vec<String> = self.findings.iter().map(Finding::line).collect();
        for sample in &self.samples {
            lines.push(String::new());
            lines.extend(sample.lines());
        }
        let fixes: Vec<&String> = self.findings.iter().filter_map(|finding| finding.fix.as_ref()).collect();
        if !fixes.is_empty() {
            lines.push("\nWhat would fix it; look at the types before you run it:\n".to_owned());
            lines.extend(fixes.into_iter().cloned());
        }
        let problems = self.findings.iter().filter(|finding| finding.level == Level::Problem).count();
        lines.push(match problems {
            0 => "\nNo problems.".to_owned(),
            1 => "\n1 problem.".to_owned(),
            many => format!("\n{many} problems."),
        });
        lines.join("\n")
    }
}
