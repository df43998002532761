//! `rowcast up --demo`: a producer, and one line that shows the rows going in.
//!
//! It speaks to Redis alone: what went in is read from the counters that the workers' own scripts keep.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::task::JoinHandle;

use super::super::Variables;
use crate::{
    config::{ConfigError, QueueSettings},
    queue::{Admin, Audit, Link, describe},
    route::{Mapping, Route},
};

/// Between two pushes.
const PUSH: Duration = Duration::from_millis(200);
/// Jobs of one push.
const JOBS: u64 = 4;
/// Between two looks: on a terminal, and in a log.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// The running demo.
#[derive(Debug)]
pub(super) struct Demo(JoinHandle<()>);

impl Demo {
    /// Starts pushing and showing.
    pub(super) fn start(variables: &Variables) -> anyhow::Result<Self> {
        let settings = QueueSettings::from_vars(variables)?;
        let link = Link::new(&settings.redis_url)?;
        let route = settings.routes.into_iter().next().unwrap_or_else(Route::original);
        let admin = Admin::new(&route.queue, link);
        Ok(Self(tokio::spawn(async move {
            tokio::join!(produce(&admin, &route), View::new().show(&admin));
        })))
    }

    /// Stops it, and leaves its line.
    pub(super) async fn stop(self) {
        self.0.abort();
        // Cancelled, which is what was asked for.
        self.0.await.ok();
        if io::stdout().is_terminal() {
            println!();
        }
    }
}

/// The n-th job for a route.
///
/// # Errors
/// A route whose keys are not known without its table.
pub(super) fn job(route: &Route, n: u64) -> Result<String, ConfigError> {
    let Some(columns) = &route.columns else {
        let problem =
            "the demo makes jobs from a route's mapping, and this one has none; give ROWCAST_COLUMNS";
        return Err(ConfigError::new("ROWCAST_COLUMNS", None, problem));
    };
    let mut job = json!({});
    for Mapping { from, .. } in columns {
        let place = from.0.iter().fold(&mut job, |place, key| {
            if !place.is_object() {
                *place = json!({});
            }
            &mut place[key.as_str()]
        });
        let is_text = from.0.last().is_some_and(|key| key == "stamp");
        *place = if is_text { json!(format!("demo-{n}")) } else { json!(n) };
    }
    Ok(job.to_string())
}

/// Pushes for ever. A Redis that is away is the view's to tell; the jobs of that time are never made.
async fn produce(admin: &Admin, route: &Route) {
    let began = time::OffsetDateTime::now_utc().unix_timestamp();
    // Numbers go on where an earlier run ended, at less than a thousand jobs a second.
    let mut n = u64::try_from(began).unwrap_or(0) * 1_000;
    let mut ticks = tokio::time::interval(PUSH);
    loop {
        ticks.tick().await;
        let jobs: Vec<String> = (n..n + JOBS).filter_map(|n| job(route, n).ok()).collect();
        n += JOBS;
        if let Err(error) = admin.push(&jobs).await {
            tracing::debug!("the demo's jobs were not pushed: {}", describe(&error));
        }
    }
}

/// The line that shows the rows going in.
struct View {
    in_place: bool,
    before: Option<(Instant, u64)>,
}

impl View {
    fn new() -> Self {
        Self { in_place: io::stdout().is_terminal(), before: None }
    }

    async fn show(mut self, admin: &Admin) {
        let mut ticks = tokio::time::interval(if self.in_place { LOOK.0 } else { LOOK.1 });
        loop {
            ticks.tick().await;
            let line = match admin.audit().await {
                Ok(audit) => self.line(&audit),
                Err(error) => describe(&error),
            };
            // The cursor stays at the line's beginning, so that the log writes over it instead of behind it.
            let written = match self.in_place {
                true => write!(io::stdout(), "\x1b[2K{line}\r").and_then(|()| io::stdout().flush()),
                false => writeln!(io::stdout(), "{line}"),
            };
            if written.is_err() {
                // Nobody looks any more; the workers go on.
                return;
            }
        }
    }

    fn line(&mut self, audit: &Audit) -> String {
        let now = Instant::now();
        let rate = self.before.replace((now, audit.rows)).map_or(0.0, |(then, rows)| {
            audit.rows.saturating_sub(rows) as f64 / now.duration_since(then).as_secs_f64().max(0.001)
        });
        let Audit { rows, waiting, in_flight, dead_letters, .. } = audit;
        format!(
            "  {rate:.0} rows/s  {rows} inserted  {waiting} waiting  {in_flight} in flight  {dead_letters} dead"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_demo_job_has_the_keys_that_the_route_maps() {
        assert_eq!(job(&Route::original(), 7).unwrap(), r#"{"stamp":"demo-7","time":7}"#);
        let mut route = Route::original();
        route.columns =
            Some(vec![Mapping::parse("a=/meta/n").unwrap(), Mapping::parse("b=/meta/m").unwrap()]);
        assert_eq!(job(&route, 7).unwrap(), r#"{"meta":{"m":7,"n":7}}"#);
        route.columns = None;
        assert!(job(&route, 7).is_err());
    }

    #[test]
    fn the_rate_is_what_went_in_between_two_looks() {
        let mut view = View { in_place: false, before: None };
        assert!(view.line(&Audit { rows: 5, ..Audit::default() }).contains(" 0 rows/s  5 inserted"));
        view.before = Some((Instant::now() - Duration::from_secs(100), 5));
        assert!(
            view.line(&Audit { rows: 10_005, ..Audit::default() }).contains(" 100 rows/s  10005 inserted")
        );
    }
}
