//! The log: one line for each thing that happened, to standard error, with times in UTC.
//!
//! `RUST_LOG` says how much (the usual directives, `info` by default), `ROWCAST_LOG` how it looks: `text` for people,
//! `json` for machines. The libraries that talk to the servers are quiet unless a directive names them: what fails
//! there is told where it is handled.

use std::{
    backtrace::Backtrace,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use time::{OffsetDateTime, macros::format_description};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::config::{ConfigError, Vars};

/// Starts the log of this process.
///
/// # Errors
/// `RUST_LOG` or `ROWCAST_LOG`, when it is not understood.
pub fn init(vars: &dyn Vars) -> Result<(), ConfigError> {
    let filter = filter(vars.get("RUST_LOG").as_deref())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        // Whoever reads the log may go away; the work goes on.
        .log_internal_errors(false);
    match vars.get("ROWCAST_LOG").as_deref() {
        None | Some("text") => log.with_ansi(io::stderr().is_terminal()).with_target(false).init(),
        Some("json") => {
            log.json().flatten_event(true).init();
            // A panic is a line as well, or whoever reads JSON stumbles over it.
            std::panic::set_hook(Box::new(|panic| {
                tracing::error!(backtrace = %Backtrace::capture(), "{panic}");
            }));
        }
        other => return Err(ConfigError::new("ROWCAST_LOG", other, "expected one of text, json")),
    }
    Ok(())
}

fn filter(directives: Option<&str>) -> Result<EnvFilter, ConfigError> {
    let directives = directives.unwrap_or("info");
    // The library takes any word for a target, and then nothing else is logged.
    let mut words = directives.split(',').map(str::trim).filter(|word| !word.is_empty());
    let is_bare = |word: &&str| !word.contains(['=', '[']) && word.parse::<LevelFilter>().is_err();
    if let Some(word) = words.find(is_bare) {
        let problem = format!(
            "{word:?} is no level: error, warn, info, debug, trace or off, or target=level, with commas between"
        );
        return Err(ConfigError::new("RUST_LOG", Some(directives), problem));
    }
    EnvFilter::try_new(format!("sqlx=warn,redis=warn,{directives}")).map_err(|error| {
        let problem = format!("{error}; expected a level, or target=level with commas between");
        ConfigError::new("RUST_LOG", Some(directives), problem)
    })
}

/// A server that is away: one line when it begins and one when it ends, however often it is noticed in between.
#[derive(Debug)]
pub struct Outage {
    server: &'static str,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    began: Instant,
    since: OffsetDateTime,
    reason: String,
}

impl Outage {
    /// Watches over a server by the name that people know it by: `MySQL`.
    pub const fn new(server: &'static str) -> Self {
        Self { server, current: None }
    }

    /// The server has been away since then. Logged when it was there before; the newest reason is what
    /// [`Outage::waiting`] tells.
    pub fn down(&mut self, began: Instant, reason: impl Into<String>) {
        let reason = reason.into();
        match &mut self.current {
            Some(current) => current.reason = reason,
            None => {
                let since = OffsetDateTime::now_utc() - began.elapsed();
                tracing::warn!(reason, since = clock(since), "waiting for {}", self.server);
                self.current = Some(Current { began, since, reason });
            }
        }
    }

    /// The server is there. Logged with the length of the outage; `None` when there was none.
    pub fn up(&mut self) -> Option<Duration> {
        let length = self.current.take()?.began.elapsed();
        let duration_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, "{} is back", self.server);
        Some(length)
    }

    /// When it began; `None` while the server is there.
    pub fn since(&self) -> Option<OffsetDateTime> {
        self.current.as_ref().map(|current| current.since)
    }

    /// `waiting for MySQL since 12:03:04, connection refused`, in UTC; `None` while the server is there.
    pub fn waiting(&self) -> Option<String> {
        let Current { since, reason, .. } = self.current.as_ref()?;
        Some(format!("waiting for {} since {}, {reason}", self.server, clock(*since)))
    }

    /// The same with what it is about, where that is one of many: `waiting for the route since 12:03:04, queue "a": no
    /// table`.
    pub fn waiting_of(&self, what: &str) -> Option<String> {
        let Current { since, reason, .. } = self.current.as_ref()?;
        Some(format!("waiting for {} since {}, {what}: {reason}", self.server, clock(*since)))
    }
}

/// The time of a day, as people are told it: `12:03:04`.
pub fn clock(at: OffsetDateTime) -> String {
    at.format(format_description!("[hour]:[minute]:[second]")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_keeps_its_beginning_and_tells_its_newest_reason() {
        let mut outage = Outage::new("MySQL");
        assert_eq!((outage.waiting(), outage.up()), (None, None));
        let began = Instant::now().checked_sub(Duration::from_secs(100)).unwrap();
        outage.down(began, "connection refused");
        let since = outage.since();
        assert!(since.unwrap() <= OffsetDateTime::now_utc() - Duration::from_secs(100));
        outage.down(Instant::now(), "access denied");
        assert_eq!(outage.since(), since);
        let waiting = outage.waiting().unwrap();
        assert!(waiting.starts_with("waiting for MySQL since ") && waiting.ends_with(", access denied"));
        assert!(outage.waiting_of("queue \"a\"").unwrap().ends_with(", queue \"a\": access denied"));
        assert!(outage.up().unwrap() >= Duration::from_secs(100));
        assert_eq!((outage.since(), outage.up()), (None, None));
    }

    #[test]
    fn a_directive_that_is_not_understood_names_the_variable() {
        assert_eq!(filter(Some("rowcast=loudly")).unwrap_err().variable, "RUST_LOG");
        for word in ["warning", "debug,sqlx", "inof"] {
            assert_eq!(filter(Some(word)).unwrap_err().variable, "RUST_LOG", "{word}");
        }
        for right in ["debug,sqlx=info", "WARN", "off", "rowcast::pipeline=debug"] {
            assert!(filter(Some(right)).is_ok(), "{right}");
        }
    }
}
