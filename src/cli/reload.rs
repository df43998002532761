//! `rowcast reload`: fresh configuration for a running supervisor.

use std::process::ExitCode;

use super::{
    Variables,
    order::{self, To},
};
use crate::control::Command;

/// Have a running `rowcast up` read its configuration again
///
/// What HUP does, from any machine: the supervisor reads `.env` and the routes file where it runs, and replaces its
/// workers and gateways one by one by processes that have what they say. Its environment and its flags stay what they
/// were when it was started. There are ROWCAST_WORKERS again, whatever `rowcast scale` has changed.
///
/// Configuration that cannot be used is refused, in words, and changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast reload
  rowcast reload --host db-2    where several supervisors run on this Redis

Exit codes: 0 begun, 1 refused, no supervisor took the order, or Redis is away,
64 arguments or configuration that cannot be used")]
pub struct Args {
    #[command(flatten)]
    to: To,
}

/// Gives the order.
///
/// # Errors
/// As every order's.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    order::give(Command::Reload, &args.to, variables)
}
