//! `rowcast dead retry` and `rowcast dead purge`.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    super::{
        Variables,
        number::within,
        reach::{self, InWords as _},
        show::{count, say, shown},
    },
    names, none,
    selection::Selection,
};
use crate::{
    config::{ConfigError, QueueSettings},
    dead::{self, Cursor},
    queue::{Admin, Fate},
};

/// Send dead letters back to their queue
///
/// Each job goes back whole, to the end where new jobs arrive, in one atomic step with the removal of its letter: it
/// is never in both places, nor in none. Interrupted, it can simply be run again. Mend what was wrong first (the
/// table, the route): a job that fails again becomes a dead letter again.
///
/// At a terminal you are asked before all letters, or all of a code, are sent back. Without one (in a script, or where
/// input comes from a pipe) it is done unasked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast dead retry 01JD0000000000000000000000:7:0
  rowcast dead retry --code 1406
  rowcast dead retry --all --per-second 500

Exit codes: 0 done, 1 an id was not found, you said no, or Redis is away, 64 bad configuration")]
pub(super) struct RetryArgs {
    #[command(flatten)]
    which: Selection,
    /// At most so many jobs in a second, so that the jobs of now are not held up
    #[arg(long, value_name = "JOBS", default_value_t = dead::PER_SECOND,
          value_parser = within(1_u32..), allow_negative_numbers = true)]
    per_second: u32,
    /// Do not ask at a terminal
    #[arg(long)]
    yes: bool,
}

/// Delete dead letters for good
///
/// The jobs are gone then. Keep a copy first with `rowcast dead list --all --json`. Without a terminal --yes is needed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast dead purge 01JD0000000000000000000000:7:0
  rowcast dead purge --code not_json --yes

Exit codes: 0 done, 1 an id was not found, you said no, or Redis is away,
64 bad configuration or no --yes")]
pub(super) struct PurgeArgs {
    #[command(flatten)]
    which: Selection,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) fn retry(args: &RetryArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    check(&args.which)?;
    // A script cannot be asked: for a retry, which loses nothing, its word is enough.
    let ask = !args.yes && args.which.ids.is_empty() && at_terminal();
    act(Fate::Retry, &args.which, Some(args.per_second), ask, &settings)
}

pub(super) fn purge(args: &PurgeArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    check(&args.which)?;
    if !args.yes && !at_terminal() {
        let problem = "is needed to delete dead letters where nobody can be asked";
        return Err(ConfigError::new("--yes", None, problem).into());
    }
    let ask = !args.yes && args.which.ids.is_empty();
    act(Fate::Purge, &args.which, None, ask, &settings)
}

fn check(which: &Selection) -> Result<(), ConfigError> {
    if which.is_empty() {
        return Err(ConfigError::new("ID", None, "is missing; name letters by id, or give --code or --all"));
    }
    Ok(())
}

fn at_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn act(
    fate: Fate,
    which: &Selection,
    per_second: Option<u32>,
    ask: bool,
    settings: &QueueSettings,
) -> anyhow::Result<ExitCode> {
    reach::block_on(async {
        let queues = reach::queues(settings).await?;
        if ask {
            confirm(fate, which, &queues).await?;
        }
        let (mut done, mut codes) = (0, BTreeSet::new());
        for (queue, admin) in &queues {
            let moved = Sweep { fate, which, per_second, queue, admin }.run(&mut codes).await?;
            if moved > 0 {
                say(format!("{queue}: {} {}", count(moved, "dead letter"), fate.done()))?;
            }
            done += moved;
        }
        ensure!(
            done >= which.ids.len() as u64,
            "{} not found in {}; `rowcast dead list --all` shows those that there are",
            count(which.ids.len() as u64 - done, "id"),
            names(&queues)
        );
        if done == 0 {
            say(nothing_done(which, &codes, &queues))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Why there was nothing to do, with the codes that there are.
fn nothing_done(which: &Selection, codes: &BTreeSet<String>, queues: &[(String, Admin)]) -> String {
    match &which.code {
        Some(code) if !codes.is_empty() => {
            let codes = codes.iter().map(|code| shown(code, 60)).collect::<Vec<_>>().join(", ");
            format!("No dead letter in {} has the code {code}. There are {codes}.", names(queues))
        }
        _ => none(queues),
    }
}

/// Asks the person at the terminal.
async fn confirm(fate: Fate, which: &Selection, queues: &[(String, Admin)]) -> anyhow::Result<()> {
    let mut letters = 0;
    for (queue, admin) in queues {
        letters += admin.audit().await.in_words(|| format!("cannot read queue {queue:?}"))?.dead_letters;
    }
    let subject = match &which.code {
        Some(code) => format!("those with code {code} of {}", count(letters, "dead letter")),
        None => format!("all {}", count(letters, "dead letter")),
    };
    eprint!("{} {subject} of {}? [y/N] ", verb(fate), names(queues));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        bail!("nothing was done");
    }
    Ok(())
}

/// One queue's letters, page by page.
struct Sweep<'a> {
    fate: Fate,
    which: &'a Selection,
    per_second: Option<u32>,
    queue: &'a str,
    admin: &'a Admin,
}

impl Sweep<'_> {
    /// Returns how many letters were moved; `codes` gets those of all that were seen.
    async fn run(&self, codes: &mut BTreeSet<String>) -> anyhow::Result<u64> {
        let mut cursor = Cursor::start(self.admin).await.in_words(|| self.failed())?;
        let bar = ProgressBar::new(cursor.left).with_style(style()).with_prefix(self.queue.to_owned());
        let mut done = 0;
        while let Some(step) = dead::step(self.admin, &mut cursor, self.fate, self.at_once(), |entry| {
            codes.extend(entry.facts.as_ref().map(|facts| facts.code.clone()));
            self.which.takes(entry)
        })
        .await
        .in_words(|| self.failed())?
        {
            done += step.taken;
            bar.inc(step.looked);
            if self.is_complete(done) {
                break;
            }
            self.pace(step.taken).await;
        }
        bar.finish_and_clear();
        Ok(done)
    }

    fn failed(&self) -> String {
        let verb = if self.fate == Fate::Retry { "retry" } else { "purge" };
        format!("cannot {verb} dead letters of {:?}; run it again", self.queue)
    }

    /// Ids are unique, so the last one found ends the search.
    fn is_complete(&self, done: u64) -> bool {
        !self.which.ids.is_empty() && done >= self.which.ids.len() as u64
    }

    /// So many letters are taken in one step: few where the pace is slow, so that it is kept evenly.
    fn at_once(&self) -> u64 {
        self.per_second.map_or(dead::PAGE, |rate| u64::from(rate / 10).clamp(1, dead::PAGE))
    }

    async fn pace(&self, jobs: u64) {
        if let Some(rate) = self.per_second {
            tokio::time::sleep(Duration::from_secs_f64(jobs as f64 / f64::from(rate))).await;
        }
    }
}

fn verb(fate: Fate) -> &'static str {
    match fate {
        Fate::Retry => "Send back to the queue",
        Fate::Purge => "Delete for good",
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} letters, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
