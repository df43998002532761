//! `rowcast settings`: all there is to set, as a file to begin with.

use std::process::ExitCode;

use super::show::say;
use crate::config::EXAMPLE;

/// Print every setting with its default and what it means, as a .env file
///
/// The lines that are commented out are the defaults, or examples where there is none. REDIS_URL and DATABASE_URL are the
/// two to look at first.
/// rowcast reads a file of the name .env in the folder in which it is started; the environment wins over it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast settings | less
  rowcast settings > .env

Exit codes: 0 done, 64 bad arguments, or a .env file that is there already and cannot be read")]
pub struct Args {}

/// Prints them.
///
/// # Errors
/// Output that nobody takes.
pub fn run(_args: &Args) -> anyhow::Result<ExitCode> {
    say(EXAMPLE.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
