//! What people ask of the supervisor, and the signals that say so.

use std::io::{self, IsTerminal as _};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR2};
use tokio::sync::mpsc;

use crate::signals;

/// What people ask of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// End, and let the workers finish what they hold; asked again: at once. TERM, INT.
    Stop,
    /// Replace all workers by ones with fresh configuration. HUP.
    Reload,
    /// One worker more. TTIN.
    More,
    /// One worker less. TTOU.
    Fewer,
    /// Write the state of all slots to the log. USR2.
    Status,
}

impl Request {
    /// The requests that arrive as signals from now on.
    ///
    /// # Errors
    /// When the system refuses a handler or a thread.
    pub fn from_signals() -> io::Result<mpsc::UnboundedReceiver<Self>> {
        let mut signals = signals::listen(&[SIGTERM, SIGINT, SIGHUP, SIGTTIN, SIGTTOU, SIGUSR2])?;
        let (sender, requests) = mpsc::unbounded_channel();
        let at_terminal = io::stdin().is_terminal();
        tokio::spawn(async move {
            while let Some(signal) = signals.recv().await {
                // A terminal that was closed also says HUP, and its person means the end.
                let hung_up = at_terminal && !io::stdin().is_terminal();
                if sender.send(Self::from_signal(signal, hung_up)).is_err() {
                    return;
                }
            }
        });
        Ok(requests)
    }

    fn from_signal(signal: i32, hung_up: bool) -> Self {
        match signal {
            SIGHUP if !hung_up => Self::Reload,
            SIGTTIN => Self::More,
            SIGTTOU => Self::Fewer,
            SIGUSR2 => Self::Status,
            _ => Self::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_of_the_terminal_is_the_end_and_any_other_is_a_reload() {
        assert_eq!(Request::from_signal(SIGHUP, false), Request::Reload);
        assert_eq!(Request::from_signal(SIGHUP, true), Request::Stop);
        assert_eq!(Request::from_signal(SIGTERM, false), Request::Stop);
    }
}
