//! `rowcast pause` and `rowcast resume`: stop and start taking jobs.

use std::process::ExitCode;

use super::{
    Variables,
    reach::{self, InWords as _},
    show::say,
};
use crate::config::QueueSettings;

/// Stop taking jobs from the queues; they keep collecting
///
/// Producers go on pushing. Workers finish what they have claimed already, and then leave the queue alone until
/// `rowcast resume`. The mark is in Redis, so it holds for the workers of all hosts, and over restarts.
/// Pausing twice is the same as once. A queue that Redis knows nothing of is paused as well, for the time when there
/// will be jobs and workers, and you are told, should the name be wrong.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast pause                  all queues that are configured
  rowcast pause --queue message  this one

Exit codes: 0 done, 1 Redis is away, 64 bad configuration")]
pub struct PauseArgs {}

/// Take jobs again after `rowcast pause`
///
/// Workers notice within a second or so. Resuming a queue that is not paused changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast resume                  all queues that are configured
  rowcast resume --queue message  this one

Exit codes: 0 done, 1 Redis is away, 64 bad configuration")]
pub struct ResumeArgs {}

/// Pauses the chosen queues.
///
/// # Errors
/// A variable that cannot be used, or a Redis that is away.
pub fn pause(_args: &PauseArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    reach::block_on(async {
        for (queue, admin) in reach::queues(&settings).await? {
            admin.pause().await.in_words(|| format!("cannot pause {queue:?}"))?;
            say(format!("{queue}: paused; what is claimed already will be finished"))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Lets the chosen queues go on.
///
/// # Errors
/// As [`pause`].
pub fn resume(_args: &ResumeArgs, variables: &Variables) -> anyhow::Result<ExitCode> {
    let settings = QueueSettings::from_vars(variables)?;
    reach::block_on(async {
        for (queue, admin) in reach::queues(&settings).await? {
            let was_paused = admin.resume().await.in_words(|| format!("cannot resume {queue:?}"))?;
            say(format!("{queue}: {}", if was_paused { "goes on" } else { "was not paused" }))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}
