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
        reach::{self, InWords as _},
        show::{count, say, shown},
    },
    NONE,
    pages::{Entry, Pages, Selection},
};
use crate::{
    config::{ConfigError, QueueSettings},
    queue::Admin,
};

/// Send dead letters back to their queue
///
/// Each job goes back whole, to the end where new jobs arrive, in one atomic step with the removal of its letter: it
/// is never in both places, nor in none. Interrupted, it can simply be run again. Mend what was wrong first (the
/// table, the route): a job that fails again becomes a dead letter again.
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
    /// At most so many jobs in a second
    #[arg(long, value_name = "JOBS", value_parser = clap::value_parser!(u32).range(1..))]
    per_second: Option<u32>,
    /// Do not ask
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

Exit codes: 0 done, 1 an id was not found, you said no, or Redis is away, 64 bad configuration or no --yes")]
pub(super) struct PurgeArgs {
    #[command(flatten)]
    which: Selection,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Retry,
    Purge,
}

pub(super) fn retry(args: &RetryArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    check(&args.which)?;
    // A script cannot be asked: for a retry, which loses nothing, its word is enough.
    let ask = !args.yes && args.which.ids.is_empty() && at_terminal();
    act(What::Retry, &args.which, args.per_second, ask, &settings)
}

pub(super) fn purge(args: &PurgeArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    check(&args.which)?;
    if !args.yes && !at_terminal() {
        let problem = "is needed to delete dead letters where nobody can be asked";
        return Err(ConfigError::new("--yes", None, problem).into());
    }
    let ask = !args.yes && args.which.ids.is_empty();
    act(What::Purge, &args.which, None, ask, &settings)
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
    what: What,
    which: &Selection,
    per_second: Option<u32>,
    ask: bool,
    settings: &QueueSettings,
) -> anyhow::Result<ExitCode> {
    reach::block_on(async {
        let queues = reach::queues(settings).await?;
        if ask {
            confirm(what, which, &queues).await?;
        }
        let (mut done, mut codes) = (0, BTreeSet::new());
        for (queue, admin) in &queues {
            let moved = Sweep { what, which, per_second, queue, admin }.run(&mut codes).await?;
            if moved > 0 {
                say(format!("{queue}: {} {}", count(moved, "dead letter"), what.done()))?;
            }
            done += moved;
        }
        ensure!(
            done >= which.ids.len() as u64,
            "{} not found; `rowcast dead list --all` shows those that there are",
            count(which.ids.len() as u64 - done, "id")
        );
        if done == 0 {
            say(nothing_done(which, &codes))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Why there was nothing to do, with the codes that there are.
fn nothing_done(which: &Selection, codes: &BTreeSet<String>) -> String {
    match &which.code {
        Some(code) if !codes.is_empty() => {
            let codes = codes.iter().map(|code| shown(code, 60)).collect::<Vec<_>>().join(", ");
            format!("No dead letter has the code {code}. There are {codes}.")
        }
        _ => NONE.to_owned(),
    }
}

/// Asks the person at the terminal.
async fn confirm(what: What, which: &Selection, queues: &[(String, Admin)]) -> anyhow::Result<()> {
    let mut letters = 0;
    for (queue, admin) in queues {
        letters += admin.audit().await.in_words(|| format!("cannot read queue {queue:?}"))?.dead_letters;
    }
    let names: Vec<&str> = queues.iter().map(|(queue, _)| queue.as_str()).collect();
    let subject = match &which.code {
        Some(code) => format!("those with code {code} of {}", count(letters, "dead letter")),
        None => format!("all {}", count(letters, "dead letter")),
    };
    eprint!("{} {subject} of {}? [y/N] ", what.order(), names.join(", "));
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
    what: What,
    which: &'a Selection,
    per_second: Option<u32>,
    queue: &'a str,
    admin: &'a Admin,
}

impl Sweep<'_> {
    /// Returns how many letters were moved; `codes` gets those of all that were seen.
    async fn run(&self, codes: &mut BTreeSet<String>) -> anyhow::Result<u64> {
        let mut pages = Pages::begin(self.queue, self.admin).await?;
        let bar =
            ProgressBar::new(pages.left() as u64).with_style(style()).with_prefix(self.queue.to_owned());
        let mut done = 0;
        while let Some(page) = pages.next().await? {
            let read = page.len() as u64;
            codes.extend(page.iter().filter_map(|entry| Some(entry.letter.as_ref()?.code.clone())));
            let chosen: Vec<Entry> = page.into_iter().filter(|entry| self.which.takes(entry)).collect();
            for chunk in chosen.chunks(self.chunk()) {
                let moved = self.apply(chunk).await?;
                pages.removed(usize::try_from(moved).unwrap_or(usize::MAX));
                done += moved;
                self.pace(chunk.len()).await;
            }
            bar.inc(read);
            if self.is_complete(done) {
                break;
            }
        }
        bar.finish_and_clear();
        Ok(done)
    }

    async fn apply(&self, chunk: &[Entry]) -> anyhow::Result<u64> {
        let failed = || format!("cannot {} dead letters of {:?}; run it again", self.what.verb(), self.queue);
        match self.what {
            What::Purge => {
                let texts: Vec<Vec<u8>> = chunk.iter().map(|entry| entry.text.clone()).collect();
                self.admin.purge_dead(&texts).await.in_words(failed)
            }
            What::Retry => {
                // What is no letter of ours holds no job that could go back.
                let pair = |entry: &Entry| Some((entry.text.clone(), entry.letter.as_ref()?.raw_bytes()));
                let letters: Vec<_> = chunk.iter().filter_map(pair).collect();
                if letters.is_empty() {
                    return Ok(0);
                }
                self.admin.retry_dead(&letters).await.in_words(failed)
            }
        }
    }

    /// Ids are unique, so the last one found ends the search.
    fn is_complete(&self, done: u64) -> bool {
        !self.which.ids.is_empty() && done >= self.which.ids.len() as u64
    }

    fn chunk(&self) -> usize {
        self.per_second.map_or(50, |rate| (rate as usize / 10).clamp(1, 50))
    }

    async fn pace(&self, jobs: usize) {
        if let Some(rate) = self.per_second {
            tokio::time::sleep(Duration::from_secs_f64(jobs as f64 / f64::from(rate))).await;
        }
    }
}

impl What {
    fn verb(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Purge => "purge",
        }
    }

    fn order(self) -> &'static str {
        match self {
            Self::Retry => "Send back to the queue",
            Self::Purge => "Delete for good",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Retry => "sent back",
            Self::Purge => "deleted",
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} letters, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
