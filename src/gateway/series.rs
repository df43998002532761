//! The last quarter of an hour, for the dashboard: what the whole cluster's queues did, read from Redis every two
//! seconds by this gateway, whether or not anybody looks; and what happened to processes of late.
//!
//! What it promises: a page that is loaded anew has the same points, and however many pages look, Redis is asked once.
//!
//! What it does not do: outlive its process, or know of the other gateways. Each keeps points of its own, of the same
//! numbers, from its own start on.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::api::Api;
use crate::{
    alert::{Facts, Kind, Watch},
    config::AlertRules,
    status::{Status, Trouble},
};

/// How often Redis is asked, and how long its answers are kept.
const EVERY: Duration = Duration::from_secs(2);
const KEPT: Duration = Duration::from_secs(15 * 60);

/// What was seen at one time: when, in milliseconds since 1970; rows a second since the time before; jobs that wait.
/// Without numbers Redis did not answer. In JSON a list, because there are hundreds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Point(u64, Option<f64>, Option<u64>);

/// What is kept, shared by whoever reads Redis and whoever is shown it.
#[derive(Debug)]
pub(super) struct Series {
    ring: Mutex<Ring>,
    sights: watch::Sender<Arc<Sight>>,
}

/// What is wrong by one reading.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    /// When it was, in milliseconds since 1970.
    pub(super) at: u64,
    /// What it says of Redis itself.
    pub(super) redis: Facts,
    /// What Redis told; `None` when it did not answer.
    pub(super) cluster: Option<Facts>,
}

#[derive(Debug, Default)]
struct Ring {
    points: VecDeque<Point>,
    /// The newest answer of Redis: when it was asked for, when it came (milliseconds since 1970), and what it said.
    newest: Option<(Instant, u64, Arc<Status>)>,
    /// Since when Redis does not answer, and why. The log has it from whoever hears messages.
    away: Option<(OffsetDateTime, String)>,
    watch: Watch,
    sight: Arc<Sight>,
    /// What happened to processes of late, the newest first.
    happened: Arc<Vec<Value>>,
}

/// What the page is shown.
#[derive(Debug, Serialize)]
pub(super) struct View {
    now: u64,
    every_ms: u64,
    kept_ms: u64,
    /// When `status` was read.
    read_at: Option<u64>,
    status: Option<Arc<Status>>,
    troubles: Vec<Trouble>,
    points: Vec<Point>,
    happened: Arc<Vec<Value>>,
}

impl Series {
    pub(super) fn new(rules: AlertRules) -> Self {
        let ring = Ring { watch: Watch::new(rules), ..Ring::default() };
        Self { ring: Mutex::new(ring), sights: watch::Sender::default() }
    }

    /// What is wrong, reading by reading.
    pub(super) fn sights(&self) -> watch::Receiver<Arc<Sight>> {
        self.sights.subscribe()
    }

    /// Puts into queues that were read just now since when they have not been seen empty, as far as that is known here.
    pub(super) fn tell_waiting(&self, status: &mut Status) {
        let ring = self.lock();
        let Some((_, _, newest)) = &ring.newest else { return };
        for now in &mut status.queues {
            let waits = now.audit.waiting + now.audit.suspects > 0;
            let known = newest.queue(&now.queue).and_then(|queue| queue.waiting_since);
            now.waiting_since = known.filter(|_| waits);
        }
    }

    /// Whether this queue is one of those that the page shows.
    pub(super) fn shows(&self, queue: &str) -> bool {
        self.lock().newest.as_ref().is_some_and(|(_, _, status)| status.queue(queue).is_some())
    }

    /// For how long each queue has not been seen empty, in milliseconds, by the newest answer; 0 when it was.
    pub(super) fn waiting_for(&self) -> BTreeMap<String, u64> {
        let ring = self.lock();
        let Some((_, at, status)) = &ring.newest else { return BTreeMap::new() };
        let queues = status.queues.iter().filter(|queue| queue.problem.is_none());
        let long = |since: u64| at.saturating_sub(since);
        queues.map(|queue| (queue.queue.clone(), queue.waiting_since.map_or(0, long))).collect()
    }

    /// Reads, for ever.
    pub(super) async fn keep(&self, api: &Api) -> Infallible {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let asked = Instant::now();
            let reading = api.cluster().await.map(|cluster| Status::now(&cluster));
            let happened = api.happened().await;
            let mut ring = self.lock();
            let sight = ring.take(asked, now_ms(), reading);
            // Where that cannot be read what was read before is still true, and what is wrong is told of the rest.
            if let Some(happened) = happened {
                ring.happened = Arc::new(happened);
            }
            drop(ring);
            self.sights.send_replace(sight);
        }
    }

    /// What is to be shown to a page that has the points up to that time.
    pub(super) fn view(&self, after: u64) -> View {
        let ring = self.lock();
        View {
            now: now_ms(),
            every_ms: EVERY.as_millis() as u64,
            kept_ms: KEPT.as_millis() as u64,
            read_at: ring.newest.as_ref().map(|(_, at, _)| *at),
            status: ring.newest.as_ref().map(|(_, _, status)| status.clone()),
            troubles: ring.troubles(),
            points: ring.points.iter().filter(|point| point.0 > after).copied().collect(),
            happened: ring.happened.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn take(&mut self, asked: Instant, at: u64, reading: Result<Status, String>) -> Arc<Sight> {
        let oldest = at.saturating_sub(KEPT.as_millis() as u64);
        // A clock that was put back makes points of a time that is still to come.
        self.points.retain(|point| (oldest..at).contains(&point.0));
        match reading {
            Ok(mut status) => {
                self.away = None;
                let rate = self.rates(&mut status, asked);
                let cluster = Some(self.watch.see(at, &mut status));
                let waiting =
                    status.queues.iter().map(|queue| queue.audit.waiting + queue.audit.suspects).sum();
                self.points.push_back(Point(at, rate, Some(waiting)));
                self.newest = Some((asked, at, Arc::new(status)));
                self.sight = Arc::new(Sight { at, redis: Facts::certain(None), cluster });
            }
            Err(why) => {
                // Since the question that was not answered, as everybody counts.
                let began = || (OffsetDateTime::now_utc() - asked.elapsed(), String::new());
                let (since, _) = self.away.take().unwrap_or_else(began);
                let trouble = Trouble::of_redis(since, &why, false);
                let since_ms = milliseconds(since);
                let redis = Facts::certain(self.watch.redis_away(at, since_ms, trouble));
                self.sight = Arc::new(Sight { at, redis, cluster: None });
                self.away = Some((since, why));
                self.points.push_back(Point(at, None, None));
            }
        }
        self.sight.clone()
    }

    /// Puts into each queue its rows a second since the last answer, and returns their sum.
    fn rates(&self, status: &mut Status, asked: Instant) -> Option<f64> {
        let (before_at, _, before) = self.newest.as_ref()?;
        status.rates_since(before, asked.saturating_duration_since(*before_at));
        Some(status.queues.iter().filter_map(|queue| queue.rows_per_second).sum())
    }

    fn troubles(&self) -> Vec<Trouble> {
        match (&self.away, &self.newest) {
            // The rest is of a time that has passed.
            (Some((since, why)), newest) => vec![Trouble::of_redis(*since, why, newest.is_some())],
            (None, None) => Vec::new(),
            (None, Some((_, _, status))) => {
                let facts = self.sight.cluster.iter().flat_map(|facts| &facts.list);
                // Whoever waits stands among the troubles from the first second on.
                let lasting = facts.filter(|fact| fact.told && fact.subject.kind != Kind::Waiting);
                status.troubles().into_iter().chain(lasting.map(|fact| fact.trouble.clone())).collect()
            }
        }
    }
}

fn now_ms() -> u64 {
    milliseconds(OffsetDateTime::now_utc())
}

fn milliseconds(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{queue::Audit, route::Route, status::Cluster};

    /// A queue of which so many rows are known, and in which so many jobs wait.
    fn status(rows: Option<u64>, waiting: u64) -> Result<Status, String> {
        let audit = rows.map(|rows| Audit { rows, waiting, claimed: 1, ..Audit::default() });
        let queues = vec![((&Route::original()).into(), audit.ok_or_else(|| "unreadable".to_owned()))];
        Ok(Status::now(&Cluster {
            workers: Vec::new(),
            gateways: Vec::new(),
            queues,
            windows: BTreeMap::new(),
        }))
    }

    /// The points after such readings, two seconds apart.
    fn ring(readings: Vec<Result<Status, String>>) -> Ring {
        let (mut ring, start) = (Ring::default(), Instant::now());
        for (reading, n) in readings.into_iter().zip(0..) {
            ring.take(start + n * EVERY, 1_000_000 + 2_000 * u64::from(n), reading);
        }
        ring
    }

    #[test]
    fn rows_a_second_are_those_since_the_answer_before() {
        let ring =
            ring(vec![status(Some(100), 5), status(Some(300), 0), Err("away".into()), status(Some(500), 1)]);
        let points = [(None, Some(5)), (Some(100.0), Some(0)), (None, None), (Some(50.0), Some(1))];
        let points: Vec<Point> = (0..)
            .zip(points)
            .map(|(n, (rate, waiting))| Point(1_000_000 + 2_000 * n, rate, waiting))
            .collect();
        assert_eq!(ring.points, points);
    }

    #[test]
    fn lists_that_could_not_be_read_make_no_burst_of_rows() {
        let ring =
            ring(vec![status(Some(900), 0), status(None, 0), status(Some(900), 0), status(Some(902), 0)]);
        assert_eq!(
            ring.points.iter().map(|point| point.1).collect::<Vec<_>>(),
            [None, Some(0.0), Some(0.0), Some(1.0)]
        );
    }

    #[test]
    fn what_lasts_is_among_the_troubles_and_is_seen_by_whoever_tells_of_it() {
        let mut ring = ring((0..299).map(|_| status(Some(1), 3)).collect());
        assert_eq!(ring.troubles().len(), 1, "that no worker runs");
        let queue = |ring: &Ring| ring.newest.as_ref().unwrap().2.queues[0].waiting_since;
        assert_eq!(queue(&ring), Some(1_000_000));
        let sight = ring.take(Instant::now() + 300 * EVERY, 1_600_000, status(Some(1), 3));
        let told: Vec<String> = ring.troubles().into_iter().map(|trouble| trouble.what).collect();
        assert_eq!(told[1], "Queue \"message\" has not been empty since 00:16:40 UTC: 3 jobs wait.");
        assert!(sight.cluster.as_ref().unwrap().list.iter().any(|fact| fact.told), "{sight:?}");
        assert!(sight.redis.list.is_empty());
        ring.take(Instant::now() + 301 * EVERY, 1_602_000, status(Some(1), 0));
        assert_eq!((ring.troubles().len(), queue(&ring)), (1, None));
        let away = ring.take(Instant::now() + 302 * EVERY, 1_604_000, Err("away".into()));
        assert!(away.cluster.is_none() && away.redis.list.len() == 1, "{away:?}");
    }

    #[test]
    fn a_quarter_of_an_hour_is_kept_and_a_page_is_given_what_it_has_not() {
        let series = Series::new(AlertRules::default());
        *series.lock() = ring((0..1_000).map(|n| status(Some(n), 0)).collect());
        let all = series.view(0).points;
        assert_eq!((all.len(), all.first().unwrap().0), (451, all.last().unwrap().0 - 900_000));
        assert_eq!(series.view(all[448].0).points, all[449..]);
    }

    #[test]
    fn a_clock_that_was_put_back_leaves_no_points_of_a_time_to_come() {
        let (mut ring, start) = (Ring::default(), Instant::now());
        ring.take(start, 9_000_000, status(Some(1), 0));
        ring.take(start + EVERY, 2_000_000, status(Some(1), 0));
        assert_eq!(ring.points.iter().map(|point| point.0).collect::<Vec<_>>(), [2_000_000]);
    }

    #[test]
    fn redis_is_away_since_the_question_that_was_not_answered() {
        let asked = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let mut ring = Ring::default();
        ring.take(asked, 2_000_000, Err("Redis does not answer".into()));
        let (since, _) = ring.away.clone().unwrap();
        assert!(since <= OffsetDateTime::now_utc() - Duration::from_secs(60), "{since}");
        ring.take(Instant::now(), 2_002_000, Err("Redis does not answer".into()));
        assert_eq!(ring.away.unwrap().0, since);
    }

    #[test]
    fn while_redis_is_away_that_is_the_trouble_and_when_it_is_back_it_is_not() {
        let mut ring = ring(vec![status(Some(1), 7), Err("Redis does not answer".into())]);
        let told = ring.troubles();
        assert_eq!(told.len(), 1);
        assert!(told[0].what.starts_with("Waiting for Redis since "), "{told:?}");
        assert_eq!(told[0].why.as_deref(), Some("Redis does not answer."));
        ring.take(Instant::now() + 3 * EVERY, 2_000_000, status(Some(1), 7));
        assert!(ring.troubles().iter().all(|trouble| !trouble.what.contains("Redis since")));
    }
}
