//! What people ask of the supervisor, and the signals that say so.

use std::io::{self, IsTerminal as _};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR2};
use tokio::sync::mpsc;

use super::{Launch, Supervisor, counts, millis, status};
use crate::{
    config::{Address, ConfigError},
    signals,
};

/// What people ask of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// End, and let the workers finish what they hold; asked again: at once. TERM, INT.
    Stop {
        /// What the signal is called.
        signal: &'static str,
    },
    /// Replace all workers and gateways by ones with fresh configuration, as many as it says. HUP.
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
            _ => Self::Stop { signal: signals::name(signal) },
        }
    }
}

impl Supervisor {
    /// Does what a person asks.
    pub(super) fn asked(&mut self, request: Request, reload: &impl Fn() -> Result<Launch, ConfigError>) {
        match request {
            Request::Stop { signal } => self.stop(signal),
            Request::Status => {
                let now = self.now();
                for fleet in [&self.workers, &self.gateways] {
                    status::log(fleet, &self.processes, now);
                }
                status::log_total(&self.workers, &self.gateways, now);
            }
            _ if self.stopping.is_some() => {
                tracing::info!(?request, "ignored: the supervisor is stopping")
            }
            // Its line in the log is all that comes of it.
            Request::Reload => drop(self.reload(reload())),
            Request::More => self.resize(self.workers.desired.saturating_add(1)),
            Request::Fewer => self.resize(self.workers.desired.saturating_sub(1)),
        }
    }

    fn stop(&mut self, signal: &str) {
        self.workers.end();
        self.gateways.end();
        // Whoever still connects is refused, rather than kept waiting.
        self.doors.close_all();
        let drain_ms = millis(self.launch.settings.drain);
        if self.stopping.is_none() {
            self.stopping = Some((self.now(), 0));
            tracing::info!(
                signal,
                drain_ms,
                "the supervisor stops: the workers finish what they hold, the gateways let go of their clients"
            );
        } else {
            tracing::warn!(signal, "told to stop again: the workers and gateways are killed");
        }
    }

    /// Takes fresh configuration, unless it is refused.
    pub(super) fn reload(&mut self, launch: Result<Launch, ConfigError>) -> Result<(), ConfigError> {
        match launch.and_then(|launch| self.keeps_ports(launch)) {
            Ok(launch) => {
                let (workers, gateways) = counts(&launch);
                tracing::info!(
                    workers,
                    gateways,
                    "the configuration is fresh: the workers and gateways are replaced one by one"
                );
                self.doors.retain(&launch.gateways);
                self.launch = launch;
                let now = self.now();
                for (fleet, desired) in [(&mut self.workers, workers), (&mut self.gateways, gateways)] {
                    fleet.resize(desired);
                    fleet.roll(now);
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!("the new configuration is refused, everything stays as it is: {error}");
                Err(error)
            }
        }
    }

    /// Refuses what would wait for ever: a port that gateways have, shared or not, cannot be had in the other way until
    /// they end, and they do not before others are there.
    fn keeps_ports(&self, launch: Launch) -> Result<Launch, ConfigError> {
        let turned = |new: &&Address| {
            let other = Address { shared: !new.shared, ..**new };
            new.socket.port() != 0 && self.doors.has(other)
        };
        match launch.gateways.iter().find(turned) {
            None => Ok(launch),
            Some(Address { shared, .. }) => {
                let value = if *shared { "one" } else { "each" };
                let problem =
                    "on the same ports it is read at the start only: stop `rowcast up`, and start it again";
                Err(ConfigError::new("ROWCAST_GATEWAY_PORTS", Some(value), problem))
            }
        }
    }

    /// Wants another number of workers.
    pub(super) fn resize(&mut self, workers: u32) {
        let before = self.workers.desired;
        self.workers.resize(workers);
        tracing::info!(before, workers = self.workers.desired, "another number of workers is wanted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_of_the_terminal_is_the_end_and_any_other_is_a_reload() {
        assert_eq!(Request::from_signal(SIGHUP, false), Request::Reload);
        assert_eq!(Request::from_signal(SIGHUP, true), Request::Stop { signal: "SIGHUP" });
        assert_eq!(Request::from_signal(SIGTERM, false), Request::Stop { signal: "SIGTERM" });
    }
}
