//! What people order of a running supervisor, and what it answers.
//!
//! The supervisor knows no server, so an order reaches it by way of its children: they find it in Redis, and hand it
//! over on the control socket.

use std::fmt;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::Role;

/// An order to a supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its id, by which its answer is found.
    pub id: Ulid,
    /// Who gives it, in the words of whoever passed it on.
    pub by: String,
    /// What is to be done.
    pub command: Command,
}

/// What a supervisor can be told to do while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// So many workers.
    ScaleTo(u32),
    /// So many workers more, or less.
    ScaleBy(i32),
    /// Replace the process of one slot.
    Restart {
        /// What is in it.
        role: Role,
        /// Its number.
        slot: u32,
    },
    /// Replace all workers and gateways, one by one.
    RestartAll,
    /// Read the configuration again, and replace all workers and gateways by ones that have it. What HUP does.
    Reload,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The order's id.
    pub order: Ulid,
    /// Whether it is carried out; else it was refused, and nothing has changed.
    pub accepted: bool,
    /// What is done now, or why it is not: a sentence without its full stop.
    pub message: String,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScaleTo(workers) => write!(f, "scale to {workers}"),
            Self::ScaleBy(workers) => write!(f, "scale by {workers:+}"),
            Self::Restart { role, slot } => write!(f, "restart {role} {slot}"),
            Self::RestartAll => f.write_str("restart all"),
            Self::Reload => f.write_str("reload"),
        }
    }
}

/// A time in milliseconds that all processes of this machine share, and that goes on while they are stopped or the
/// machine sleeps. An order that was held up on its way is known by it.
pub fn machine_ms() -> u64 {
    let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from);
    since_boot.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_said_in_the_words_of_the_command_line() {
        let commands = [
            (Command::ScaleTo(3), "scale to 3"),
            (Command::ScaleBy(1), "scale by +1"),
            (Command::ScaleBy(-2), "scale by -2"),
            (Command::Restart { role: Role::Gateway, slot: 1 }, "restart gateway 1"),
            (Command::RestartAll, "restart all"),
            (Command::Reload, "reload"),
        ];
        for (command, words) in commands {
            assert_eq!(command.to_string(), words);
        }
    }
}
