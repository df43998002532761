//! How a queue stands, by its lists and counters.

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

use super::Worker;
use crate::{
    delay::{Delay, Until, Window},
    queue::Audit,
    route::Route,
    spelling::did_you_mean,
};

/// A queue by its name, and the table that its rows go into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The queue.
    pub queue: String,
    /// The table.
    pub table: String,
}

impl From<&Route> for Lane {
    fn from(route: &Route) -> Self {
        Self { queue: route.queue.clone(), table: route.table.to_string() }
    }
}

/// A queue.
#[derive(Debug, Serialize)]
pub struct Queue {
    /// Its name.
    pub queue: String,
    /// The table that its rows go into.
    pub table: String,
    /// Its numbers.
    #[serde(flatten)]
    pub audit: Audit,
    /// Why its lists cannot be read; the numbers then mean nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How many workers that hold their lease take jobs from it.
    pub workers: usize,
    /// What a person should know of it: that nobody takes its jobs, or that nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// How long its jobs took from their claim to COMMIT, in the last minute; `None` when none has come so far.
    pub commit_delay: Option<Delay>,
    /// How long they took from their claim until they were settled and published.
    pub publish_delay: Option<Delay>,
    /// Between two looks, for whoever looks again and again: `status --watch` and the dashboard.
    pub rows_per_second: Option<f64>,
    /// Since when jobs have waited in it without its ever being seen empty, in milliseconds since 1970; for whoever
    /// looks again and again, and so a gateway alone.
    pub waiting_since: Option<u64>,
}

/// What a person should know of a queue. In JSON a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is.
    pub what: String,
    /// What to do, or what was probably meant.
    pub advice: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Queue {
    /// A queue with its numbers, or with the reason why it has none, and who takes its jobs.
    pub fn new(Lane { queue, table }: &Lane, audit: &Result<Audit, String>, workers: &[Worker]) -> Self {
        Self {
            workers: workers.iter().filter(|worker| worker.takes(queue)).count(),
            note: audit.as_ref().ok().and_then(|audit| note(queue, audit, workers)),
            queue: queue.clone(),
            table: table.clone(),
            audit: audit.clone().unwrap_or_default(),
            problem: audit.as_ref().err().cloned(),
            commit_delay: None,
            publish_delay: None,
            rows_per_second: None,
            waiting_since: None,
        }
    }

    /// The same with how long its jobs took in the last minute.
    #[must_use]
    pub fn over(self, window: &Window) -> Self {
        let [commit_delay, publish_delay] = Until::BOTH.map(|until| window.delay(until));
        Self { commit_delay, publish_delay, ..self }
    }

    /// Counts the rows since an earlier look.
    pub(super) fn rate_since(&mut self, before: &Self, elapsed: Duration) {
        let rows = self.audit.rows.saturating_sub(before.audit.rows);
        self.rows_per_second = Some(rows as f64 / elapsed.as_secs_f64());
    }
}

/// What a person should know of a queue without a worker.
fn note(queue: &str, audit: &Audit, workers: &[Worker]) -> Option<Note> {
    if workers.iter().any(|worker| worker.takes(queue)) {
        return None;
    }
    let taken =
        workers.iter().filter(|worker| worker.life.alive).flat_map(|worker| worker.queues.iter().flatten());
    let mut taken = taken.map(String::as_str).peekable();
    let anybody = taken.peek().is_some();
    if *audit == Audit::default() {
        let meant = did_you_mean(queue, taken);
        let what =
            format!("Redis knows nothing of queue {queue:?}: no job, and no worker that takes any from it");
        let advice = meant.strip_prefix("; ").unwrap_or("is that its name?").to_owned();
        return Some(Note { what, advice });
    }
    let jobs = match audit.waiting + audit.suspects {
        // That no worker runs at all is said by itself.
        0 if !anybody => return None,
        0 => "no worker takes jobs from it".to_owned(),
        1 => "1 job waits and no worker takes it".to_owned(),
        jobs => format!("{jobs} jobs wait and no worker takes them"),
    };
    let advice = "start `rowcast up` with its route, or add the route to the routes file of a running one and send it \
                  HUP";
    Some(Note { what: format!("queue {queue:?}: {jobs}"), advice: advice.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Member;

    fn worker(fields: &[(&str, &str)]) -> Worker {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Worker::new(&Member { id: "01J".into(), fields, left: Duration::from_secs(8) }, 5_000)
    }

    #[test]
    fn a_queue_that_nobody_takes_is_told_with_what_waits_in_it() {
        let said = |waiting, workers: &[Worker]| {
            note("orders", &Audit { waiting, claimed: 1, ..Audit::default() }, workers)
                .map(|note| note.to_string())
                .unwrap_or_default()
        };
        let other = worker(&[("state", "working"), ("queues", r#"["message"]"#)]);
        let gone = worker(&[]);
        assert!(said(2, &[]).starts_with("queue \"orders\": 2 jobs wait and no worker takes them; start"));
        assert!(said(1, &[gone]).contains("1 job waits and no worker takes it"));
        assert!(said(0, &[other]).contains("no worker takes jobs from it"));
        assert_eq!(said(0, &[]), "", "that no worker runs is said above");
        assert_eq!(said(2, &[worker(&[("queues", r#"["message","orders"]"#)])]), "");
        assert_eq!(said(2, &[worker(&[("state", "of a release that does not say")])]), "");
    }

    #[test]
    fn a_queue_of_which_nothing_is_known_is_told_with_the_one_that_was_meant() {
        let said = |workers: &[Worker]| note("mesage", &Audit::default(), workers).unwrap().to_string();
        assert!(said(&[]).ends_with("; is that its name?"));
        assert!(said(&[worker(&[("queues", r#"["message"]"#)])]).ends_with("; did you mean message?"));
    }
}
