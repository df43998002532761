//! `rowcast dead`: look at dead letters, send them back to their queue, or delete them.
//!
//! Letters are read from the oldest on, in pages. New ones arrive at the other end, so only those that were there at
//! the start are touched: a job that is retried and dies again is not retried for ever.

mod act;
mod list;
mod selection;

use std::process::ExitCode;

use clap::Subcommand;

use super::{Variables, show::named};
use crate::queue::Admin;

/// Look at dead letters, retry them, or delete them
///
/// A dead letter is a job that cannot become a row: it is not JSON, a value does not fit its column, or it crashed
/// three workers. It is kept whole, with the reason, until you retry or purge it. The commands work on all
/// queues that are configured, or on the one that --queue names.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    List(list::ListArgs),
    Show(list::ShowArgs),
    Retry(act::RetryArgs),
    Purge(act::PurgeArgs),
}

/// Runs the command.
///
/// # Errors
/// A variable that cannot be used, or a Redis that is away.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    match &args.action {
        Action::List(args) => list::list(args, variables),
        Action::Show(args) => list::show(args, variables),
        Action::Retry(args) => act::retry(args, variables),
        Action::Purge(args) => act::purge(args, variables),
    }
}

/// What is said where there is nothing to show, to retry or to delete: of which queues that holds.
fn none(queues: &[(String, Admin)]) -> String {
    format!("No dead letters in {}.", names(queues))
}

fn names(queues: &[(String, Admin)]) -> String {
    named("queue", queues.iter().map(|(queue, _)| queue.as_str()))
}
