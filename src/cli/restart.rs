//! `rowcast restart`: other processes in place of those that run.

use std::process::ExitCode;

use super::{
    Variables,
    order::{self, To},
};
use crate::control::{Command, Role};

/// Replace the process of one slot, or all of them, one by one
///
/// All it needs is REDIS_URL: the order travels through Redis to the supervisor, on whichever machine it runs. SLOT is
/// the number in the column `slot` of `rowcast status`. Each new process is at work before the one that it replaces is
/// told to end; a worker then finishes what it holds, within ROWCAST_DRAIN_SECONDS, and a gateway's clients connect
/// again by themselves, to the same port. No job is lost or done twice.
///
/// The configuration stays as it is; `rowcast reload` reads it again. The command ends as soon as the supervisor has
/// begun; `rowcast status` shows how it goes on.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast restart                  all workers and gateways, one by one
  rowcast restart 2                the worker in slot 2
  rowcast restart 1 --gateway      the gateway in slot 1
  rowcast restart 2 --host db-2    where several supervisors run on this Redis

Exit codes: 0 begun, 1 refused, no supervisor took the order, or Redis is away,
64 arguments or configuration that cannot be used")]
pub struct Args {
    /// The slot; without it all workers and gateways are replaced
    #[arg(value_parser = slot, allow_negative_numbers = true)]
    slot: Option<u32>,
    /// The slot is a gateway's, not a worker's
    #[arg(long, requires = "slot")]
    gateway: bool,
    #[command(flatten)]
    to: To,
}

/// Gives the order.
///
/// # Errors
/// As every order's.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    let role = if args.gateway { Role::Gateway } else { Role::Worker };
    let command = args.slot.map_or(Command::RestartAll, |slot| Command::Restart { role, slot });
    order::give(command, &args.to, variables)
}

fn slot(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected the number of a slot, as `rowcast status` shows it".to_owned())
}
