//! `rowcast push`: lines of JSON into a queue, as fast as Redis takes them.
//!
//! A thread reads ahead while Redis works. One push is under way at a time, so that after a lost connection it is
//! known which lines are in the queue for certain, and which few may be.

mod lines;

use std::{
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use redis::RedisError;

use super::{
    Variables,
    number::within,
    reach::{self, InWords as _},
    show::{count, say},
};
use crate::{
    config::{ConfigError, QueueSettings},
    queue::{Admin, describe},
};
use lines::{Batch, Source};

/// Push jobs from a file or from standard input
///
/// Each line is one job, and goes to the queue as it stands, first line first. Empty lines are passed over. Lines are
/// sent in batches of up to 1000. With --check nothing is pushed unless every line is a JSON object or array.
///
/// When the connection is lost, it is said how many lines were pushed for certain and from which line to go on. The
/// last batch may or may not have arrived; a route with a dedupe column makes its repetition harmless.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast push jobs.ndjson
  zcat jobs.ndjson.gz | rowcast push --queue message --limit-queue 100000 -
  tail -n +5001 jobs.ndjson | rowcast push      go on at line 5001

Exit codes: 0 all pushed, 1 not all, or --check found something, 64 bad configuration")]
pub struct Args {
    /// A file of one job on each line; standard input where it is - or left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Refuse everything when a line is not JSON, before anything is pushed
    #[arg(long)]
    check: bool,
    /// Wait while the queue holds more than so many jobs
    #[arg(long, value_name = "JOBS", value_parser = within(0_u64..), allow_negative_numbers = true)]
    limit_queue: Option<u64>,
}

/// Between two looks at a queue that is too long.
const LOOK: Duration = Duration::from_millis(200);

/// Pushes the lines.
///
/// # Errors
/// A variable or file that cannot be used, a line that is refused, or a Redis that is away.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    let queue = the_queue(&settings)?;
    let file = args.file.as_deref().filter(|file| *file != Path::new("-"));
    let mut source = Source::open(file)?;
    if file.is_none() && io::stdin().is_terminal() {
        eprintln!("type jobs for {queue}, one on each line, and Ctrl-D at the end; or give a FILE");
    }
    if args.check {
        source = source.checked()?;
    }
    reach::block_on(async {
        let link = reach::redis(&settings.redis_url).await?;
        let push = Push { queue, admin: Admin::new(queue, link), limit: args.limit_queue, bar: bar(&source) };
        let most = args.limit_queue.map_or(1_000, |limit| limit.clamp(1, 1_000));
        let pushed = push.all(source, usize::try_from(most).unwrap_or(1_000)).await?;
        say(format!("pushed {} to {queue}", count(pushed, "job")))?;
        Ok(ExitCode::SUCCESS)
    })
}

fn the_queue(settings: &QueueSettings) -> Result<&str, ConfigError> {
    match settings.routes.as_slice() {
        [route] => Ok(&route.queue),
        routes => {
            let names: Vec<&str> = routes.iter().map(|route| route.queue.as_str()).collect();
            let problem = format!("there are several routes; choose one with --queue: {}", names.join(", "));
            Err(ConfigError::new("ROWCAST_QUEUE", None, problem))
        }
    }
}

struct Push<'a> {
    queue: &'a str,
    admin: Admin,
    limit: Option<u64>,
    bar: ProgressBar,
}

impl Push<'_> {
    async fn all(&self, source: Source, most: usize) -> anyhow::Result<u64> {
        let mut batches = source.batches(most)?;
        let mut pushed = 0;
        let mut bytes = 0;
        while let Some(batch) = batches.recv().await {
            let batch = batch.with_context(|| format!("{} pushed, then", count(pushed, "job")))?;
            self.wait_for_room().await.with_context(|| format!("{} pushed, then", count(pushed, "job")))?;
            let sent = self.admin.push(&batch.jobs).await;
            sent.map_err(|error| self.stopped(&error, &batch, pushed))?;
            pushed += batch.jobs.len() as u64;
            bytes += batch.bytes;
            self.bar.set_position(bytes);
            let rate = per_second(pushed, self.bar.elapsed());
            self.bar.set_message(format!("{}, {rate:.0}/s", count(pushed, "job")));
        }
        self.bar.finish_and_clear();
        Ok(pushed)
    }

    async fn wait_for_room(&self) -> anyhow::Result<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        loop {
            let length = self.admin.length().await.in_words(|| format!("cannot look at {:?}", self.queue))?;
            if length <= limit {
                return Ok(());
            }
            self.bar.set_message(format!("waiting: the queue holds {}", count(length, "job")));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What is certain after an error, and what is not.
    fn stopped(&self, error: &RedisError, batch: &Batch, pushed: u64) -> anyhow::Error {
        let Batch { first_line, last_line, .. } = batch;
        let lines = format!("lines {first_line} to {last_line}");
        let lost = error.is_io_error() || error.is_timeout() || error.is_connection_dropped();
        let what = describe(error);
        if lost {
            anyhow!(
                "{what}. {} pushed for certain. {lines} may be in the queue or not: to go on, push from line \
                 {first_line} on (`tail -n +{first_line}`); with a dedupe column on the route, what was there \
                 already does no harm",
                count(pushed, "job")
            )
        } else {
            anyhow!(
                "{what}. {} pushed, and nothing from line {first_line} on (`tail -n +{first_line}`)",
                count(pushed, "job")
            )
        }
    }
}

fn per_second(jobs: u64, elapsed: Duration) -> f64 {
    jobs as f64 / elapsed.as_secs_f64().max(0.001)
}

fn bar(source: &Source) -> ProgressBar {
    let (bar, template) = match source.size() {
        Some(size) => (ProgressBar::new(size), "{wide_bar} {bytes}/{total_bytes}  {msg}  {eta} left"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
    };
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
