//! `rowcast scale`: another number of workers, while they run.

use std::process::ExitCode;

use super::{
    Variables,
    order::{self, To},
};
use crate::control::Command;

/// Change how many workers a running `rowcast up` has
///
/// All it needs is REDIS_URL: the order travels through Redis to the supervisor, on whichever machine it runs. COUNT is
/// the number of workers of that supervisor, 1 or more; with a sign it is so many more or less. New workers start at
/// once. Those that are too many finish what they hold, and end: no job is lost or done twice.
///
/// The number holds until the configuration is read again: `rowcast reload` and HUP, or a new start of `rowcast up`,
/// bring back ROWCAST_WORKERS. `rowcast restart` keeps it. It is what the signals TTIN and TTOU change by one.
/// To take no jobs at all, see `rowcast pause`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  rowcast scale 4
  rowcast scale +1
  rowcast scale 8 --host db-2   where several supervisors run on this Redis

Exit codes: 0 done, 1 refused, no supervisor took the order, or Redis is away,
64 arguments or configuration that cannot be used")]
pub struct Args {
    /// How many workers; with a sign, how many more or less
    #[arg(value_name = "COUNT", value_parser = count, allow_negative_numbers = true)]
    count: Command,
    #[command(flatten)]
    to: To,
}

/// Gives the order.
///
/// # Errors
/// As every order's.
pub fn run(args: &Args, variables: &Variables) -> anyhow::Result<ExitCode> {
    order::give(args.count, &args.to, variables)
}

fn count(text: &str) -> Result<Command, String> {
    let signed = text.starts_with(['+', '-']);
    let command = match signed {
        true => text.parse().map(Command::ScaleBy),
        false => text.parse().map(Command::ScaleTo),
    };
    command.map_err(|_| "expected a number such as 4, or with a sign +1 or -1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_or_a_difference() {
        assert_eq!(count("4"), Ok(Command::ScaleTo(4)));
        assert_eq!(count("+2"), Ok(Command::ScaleBy(2)));
        assert_eq!(count("-1"), Ok(Command::ScaleBy(-1)));
        assert!(count("many").is_err() && count("").is_err() && count("4.5").is_err());
    }
}
