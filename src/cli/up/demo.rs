//! `rowcast up --demo`: a producer, and one line that shows the rows going in.
//!
//! The producer asks the database how its jobs must be, and pushes none that would not become a row. What went in is
//! read from the counters that the workers' own scripts keep.

mod recipe;
mod value;

use std::{
    convert::Infallible,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use tokio::time::MissedTickBehavior;

use super::super::{Variables, reach::PATIENCE};
use crate::{
    config::{QueueSettings, Settings},
    queue::{Admin, Audit, Link, describe},
    route::Route,
    store::{Fault, Store},
};
pub(super) use recipe::Recipe;
use recipe::now;

/// Between two pushes.
const PUSH: Duration = Duration::from_millis(200);
/// Jobs of one push.
const JOBS: u64 = 4;
/// Between two looks at the table: where it was found to take the jobs, and where not.
const TABLE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(1));
/// Between two looks: on a terminal, and in a log.
const LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// Pushes and shows, without end.
///
/// # Errors
/// A variable that cannot be used.
pub(super) async fn run(variables: &Variables) -> anyhow::Result<Infallible> {
    let QueueSettings { redis_url, routes, .. } = QueueSettings::from_vars(variables)?;
    let Settings { database_url, max_job_bytes, .. } = Settings::from_vars(variables)?;
    let route = routes.into_iter().next().unwrap_or_else(Route::original);
    let admin = Admin::new(&route.queue, Link::new(&redis_url)?);
    let store = Store::new(&database_url)?;
    let producer =
        Producer { route, max_job_bytes, store, recipe: None, look: Instant::now(), told: String::new() };
    // The line has an end of its own when nobody looks any more; the jobs go on.
    let (never, ()) = tokio::join!(producer.produce(&admin), View::new().show(&admin));
    Ok(never)
}

/// Leaves the line that shows the rows to be read.
pub(super) fn leave_line() {
    if io::stdout().is_terminal() {
        println!();
    }
}

/// What pushes jobs.
struct Producer {
    route: Route,
    max_job_bytes: usize,
    store: Store,
    recipe: Option<Recipe>,
    /// When to look at the table next.
    look: Instant,
    /// Why there are no jobs, as it was told; empty while there are.
    told: String,
}

impl Producer {
    /// Pushes for ever. A Redis that is away is the view's to tell; the jobs of that time are never made.
    async fn produce(mut self, admin: &Admin) -> Infallible {
        // Numbers go on where an earlier run ended, at less than a thousand jobs a second.
        let mut n = now();
        let mut ticks = tokio::time::interval(PUSH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if Instant::now() >= self.look {
                let looked = self.look_in_time().await;
                self.tell(looked);
                self.look = Instant::now() + if self.recipe.is_some() { TABLE.0 } else { TABLE.1 };
            }
            let Some(recipe) = &self.recipe else { continue };
            let jobs: Vec<String> = (n..n + JOBS).map(|n| recipe.job(n)).collect();
            n += JOBS;
            if let Err(error) = admin.push(&jobs).await {
                tracing::debug!("the demo's jobs were not pushed: {}", describe(&error));
            }
        }
    }

    /// Looks at the table, and does not wait long for a server that hangs: jobs may be pushed all the same.
    async fn look_in_time(&mut self) -> Result<(), Fault> {
        let looked = tokio::time::timeout(PATIENCE, self.look_at_table()).await;
        looked.unwrap_or_else(|_| {
            self.store.disconnect();
            Err(Fault::Server(self.store.silence(PATIENCE)))
        })
    }

    /// Finds out how jobs must be, unless that is known and nothing has changed.
    async fn look_at_table(&mut self) -> Result<(), Fault> {
        let Self { route, store, .. } = self;
        if let Some(recipe) = &self.recipe
            && recipe.still_fits(route, store).await?
        {
            return Ok(());
        }
        self.recipe = None;
        self.recipe = Some(Recipe::read(route, self.max_job_bytes, store).await?);
        Ok(())
    }

    /// Tells once for each reason why nothing is pushed, and when something is again.
    fn tell(&mut self, looked: Result<(), Fault>) {
        let queue = &self.route.queue;
        match looked {
            // While MySQL is away jobs wait in Redis: that is to be seen.
            Err(Fault::Server(_) | Fault::Retry(_)) if self.recipe.is_some() => {}
            Err(fault) => {
                self.recipe = None;
                let reason = fault.to_string();
                if self.told != reason {
                    tracing::warn!(
                        "the demo pushes nothing to queue {queue:?}: {reason}; it looks again every second"
                    );
                }
                self.told = reason;
            }
            Ok(()) if self.told.is_empty() => {}
            Ok(()) => {
                tracing::info!("the demo pushes jobs to queue {queue:?}");
                self.told.clear();
            }
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
    fn the_rate_is_what_went_in_between_two_looks() {
        let mut view = View { in_place: false, before: None };
        assert!(view.line(&Audit { rows: 5, ..Audit::default() }).contains(" 0 rows/s  5 inserted"));
        view.before = Some((Instant::now() - Duration::from_secs(100), 5));
        assert!(
            view.line(&Audit { rows: 10_005, ..Audit::default() }).contains(" 100 rows/s  10005 inserted")
        );
    }
}
