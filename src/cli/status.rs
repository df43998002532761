//! `rowcast status`: who works, and how the queues stand.
//!
//! Everything is read from Redis, so it shows the processes of all hosts. Each writes about itself when it renews its
//! lease; the queues' numbers are of this instant.

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

use serde::Serialize;
use time::OffsetDateTime;

use super::{
    Variables,
    reach::{self, InWords as _},
    show::{say, say_json, table},
};
use crate::{
    config::QueueSettings,
    queue::{Admin, Link, Registry, describe, has_code},
};
use gateway::GatewayLine;
use queue::QueueLine;
use worker::WorkerLine;

/// Show the workers, the gateways and the queues
///
/// Workers are those of all hosts that use this Redis: what they do, since when they run, how much they have done,
/// and how much memory they take. One that is silent has missed its sign of life: it was killed, is stopped, or is cut off from Redis. One whose
/// lease has run out is gone or stuck; the others will finish its claims.
/// Gateways show where they listen, and how many connections they hold open.
/// Queues show how many jobs wait, are in flight, are suspects (they crashed a worker, and are tried alone), are dead
/// letters, and how old the oldest open claim is.
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
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
}

/// All that is shown.
#[derive(Debug, Serialize)]
struct Status {
    workers: Vec<WorkerLine>,
    gateways: Vec<GatewayLine>,
    queues: Vec<QueueLine>,
}

/// Shows the status, once or again and again.
///
/// # Errors
/// A variable that cannot be used, or a Redis that is away.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    reach::block_on(async {
        let link = reach::redis(&settings.redis_url).await?;
        match args.watch.map(Duration::from_secs) {
            None => {
                let status = Status::read(&settings, &link).await?;
                if args.json { say_json(&status)? } else { say(status.text())? }
            }
            Some(every) => watch(&settings, &link, every, args.json).await?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Until nobody reads any more. A Redis that goes away is shown in the place of the numbers, and asked again.
async fn watch(settings: &QueueSettings, link: &Link, every: Duration, json: bool) -> anyhow::Result<()> {
    let in_place = !json && io::stdout().is_terminal();
    let mut before: Option<Status> = None;
    loop {
        let mut status = Status::read(settings, link).await;
        if let (Ok(status), Some(before)) = (&mut status, &before) {
            status.rates_since(before, every);
        }
        let text = match &status {
            Ok(status) if json => serde_json::to_string(status)?,
            Ok(status) => status.text(),
            Err(error) if json => serde_json::json!({ "error": format!("{error:#}") }).to_string(),
            Err(error) => format!("{error:#}; trying again"),
        };
        if in_place {
            // Home, and clear what is below: no flicker, and the scrollback stays clean.
            write!(io::stdout(), "\x1b[H\x1b[2J")?;
        }
        say(text)?;
        before = status.ok();
        tokio::time::sleep(every).await;
    }
}

impl Status {
    async fn read(settings: &QueueSettings, link: &Link) -> anyhow::Result<Self> {
        let now = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        let now = u64::try_from(now).unwrap_or(0);
        let workers =
            Registry::new(link.clone()).members().await.in_words(|| "cannot read the workers".into())?;
        let gateways = Registry::of_gateways(link.clone()).members().await;
        let gateways = gateways.in_words(|| "cannot read the gateways".into())?;
        let mut queues = Vec::new();
        for route in &settings.routes {
            let words = || format!("cannot read queue {:?}", route.queue);
            queues.push(match Admin::new(&route.queue, link.clone()).audit().await {
                // Of this queue alone: the others, and the workers, are what is asked for at such a time.
                Err(error) if has_code(&error, "WRONGTYPE") => {
                    let problem = format!("{}: {}", words(), describe(&error));
                    QueueLine::unreadable(route, problem)
                }
                audit => QueueLine::new(route, audit.in_words(words)?),
            });
        }
        Ok(Self {
            workers: workers.iter().map(|member| WorkerLine::new(member, now)).collect(),
            gateways: gateways.iter().map(|member| GatewayLine::new(member, now)).collect(),
            queues,
        })
    }

    fn rates_since(&mut self, before: &Self, elapsed: Duration) {
        for (now, before) in self.queues.iter_mut().zip(&before.queues) {
            now.rate_since(before, elapsed);
        }
    }

    fn text(&self) -> String {
        let workers = match self.workers.as_slice() {
            [] => "No worker runs. `rowcast up` starts some.".to_owned(),
            workers => titled(worker::TITLES, workers.iter().map(WorkerLine::cells)),
        };
        let gateways = match self.gateways.as_slice() {
            [] => String::new(),
            gateways => {
                format!("\n\n{}", titled(gateway::TITLES, gateways.iter().map(GatewayLine::cells)))
            }
        };
        let queues = titled(queue::TITLES, self.queues.iter().map(QueueLine::cells));
        let problems: String =
            self.queues.iter().filter_map(QueueLine::problem).map(|text| format!("\n{text}")).collect();
        format!("{workers}{gateways}{}\n\n{queues}{problems}", self.reasons())
    }

    /// Why workers and gateways wait, whole: a terminal breaks long lines by itself. Many wait for the same reason.
    fn reasons(&self) -> String {
        let lives =
            self.workers.iter().map(WorkerLine::life).chain(self.gateways.iter().map(GatewayLine::life));
        let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for life in lives {
            if let Some(reason) = life.reason() {
                reasons.entry(reason).or_default().push(life.id());
            }
        }
        let who = |ids: &[&str]| match ids {
            [id] => (*id).to_owned(),
            ids => format!("{} and {} more", ids[0], ids.len() - 1),
        };
        reasons.iter().map(|(reason, ids)| format!("\n{}: {reason}", who(ids))).collect()
    }
}

fn titled<const COLUMNS: usize>(titles: [&str; COLUMNS], lines: impl Iterator<Item = Vec<String>>) -> String {
    table(&std::iter::once(titles.map(str::to_owned).to_vec()).chain(lines).collect::<Vec<_>>())
}
