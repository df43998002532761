//! How long jobs take, from their claim to COMMIT and to being published.
//!
//! The worker that holds a claim measures it, by a clock that only goes forward: from the answer that brought its jobs
//! to the answer to COMMIT, and to the answer to the step that settles it. All of its jobs count, because people wait
//! for jobs and not for claims. A job that was handed back counts from its next claim; what a rescuer publishes does
//! not count, because whoever had claimed it is dead.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;

use crate::histogram::{self, Histogram, SECONDS};

/// What is measured, always from the claim on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until the database had answered COMMIT.
    Commit,
    /// Until Redis had answered that the claim is settled, and its rows published.
    Publish,
}

/// The delays of one route's claims; its clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Delays(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Since the worker began, each claim as one.
    claims: [Histogram; 2],
    /// Since they were last told, each job as one.
    untold: Window,
}

/// How many jobs took how long in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window([Counts; 2]);

/// How many jobs took how long: those up to each of [`SECONDS`], and at last those above all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts([u64; SECONDS.len() + 1]);

/// What people are told of a delay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Delay {
    /// Of how many jobs.
    pub jobs: u64,
    /// Half of them took no longer, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
}

impl Until {
    /// Both of them.
    pub const BOTH: [Self; 2] = [Self::Commit, Self::Publish];

    /// Its name where it is written down.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Publish => "publish",
        }
    }
}

impl Delays {
    /// A claim has come so far: how many jobs it has, and how long it took.
    pub fn add(&self, until: Until, jobs: usize, took: Duration) {
        let (seconds, mut state) = (took.as_secs_f64(), self.lock());
        state.claims[until as usize].add(seconds);
        state.untold.add(until, histogram::bucket(SECONDS, seconds), jobs as u64);
    }

    /// How many seconds each claim took since the worker began.
    pub fn claims(&self, until: Until) -> Histogram {
        self.lock().claims[until as usize].clone()
    }

    /// What was not told yet.
    pub fn untold(&self) -> Window {
        self.lock().untold
    }

    /// So much of it was told.
    pub fn told(&self, window: &Window) {
        let mut state = self.lock();
        for (until, bucket, jobs) in window.each() {
            let left = &mut state.untold.0[until as usize].0[bucket];
            *left = left.saturating_sub(jobs);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for State {
    fn default() -> Self {
        Self { claims: [(); 2].map(|()| Histogram::new(SECONDS)), untold: Window::default() }
    }
}

impl Window {
    /// Adds jobs; a bucket that is not known here counts for nothing.
    pub fn add(&mut self, until: Until, bucket: usize, jobs: u64) {
        if let Some(count) = self.0[until as usize].0.get_mut(bucket) {
            *count += jobs;
        }
    }

    /// Adds all jobs of another window.
    pub fn add_all(&mut self, other: &Self) {
        other.each().for_each(|(until, bucket, jobs)| self.add(until, bucket, jobs));
    }

    /// What is counted: until when, by the number of the bucket, and how many jobs.
    pub fn each(&self) -> impl Iterator<Item = (Until, usize, u64)> {
        Until::BOTH.into_iter().flat_map(|until| {
            let counts = self.0[until as usize].0.into_iter().enumerate();
            counts.filter(|(_, jobs)| *jobs > 0).map(move |(bucket, jobs)| (until, bucket, jobs))
        })
    }

    /// What people are told of it; `None` when no job has come so far.
    pub fn delay(&self, until: Until) -> Option<Delay> {
        let Counts(counts) = &self.0[until as usize];
        let ms = |share| {
            let seconds = histogram::quantile(SECONDS, counts, share)?;
            // Digits below a microsecond would say nothing.
            Some((seconds * 1e6).round() / 1e3)
        };
        Some(Delay { jobs: counts.iter().sum(), p50_ms: ms(0.5)?, p99_ms: ms(0.99)? })
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self([0; SECONDS.len() + 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn every_job_of_a_claim_counts_and_both_delays_by_themselves() {
        let delays = Delays::default();
        delays.add(Until::Commit, 98, MS);
        delays.add(Until::Commit, 2, 900 * MS);
        let window = delays.untold();
        let delay = window.delay(Until::Commit).unwrap();
        assert_eq!((delay.jobs, window.delay(Until::Publish)), (100, None));
        assert!(delay.p50_ms > 0.75 && delay.p50_ms <= 1.0, "{delay:?}");
        assert!(delay.p99_ms > 700.0 && delay.p99_ms <= 1_000.0, "{delay:?}");
        assert_eq!((delays.claims(Until::Commit).count(), delays.claims(Until::Publish).count()), (2, 0));
    }

    #[test]
    fn what_takes_longer_is_never_told_as_shorter() {
        let delays = Delays::default();
        for job in 0..1_000 {
            delays.add(Until::Commit, 1, job * MS);
            delays.add(Until::Publish, 1, (job + job % 7) * MS);
        }
        let told = Until::BOTH.map(|until| delays.untold().delay(until).unwrap());
        assert!(told[0].p50_ms <= told[1].p50_ms && told[0].p99_ms <= told[1].p99_ms, "{told:?}");
        assert!((450.0..550.0).contains(&told[0].p50_ms) && told[0].p99_ms > 950.0, "{told:?}");
    }

    #[test]
    fn what_was_told_is_told_no_more_and_what_came_meanwhile_is() {
        let delays = Delays::default();
        delays.add(Until::Publish, 3, MS);
        let told = delays.untold();
        delays.add(Until::Publish, 4, MS);
        delays.told(&told);
        assert_eq!(delays.untold().delay(Until::Publish).unwrap().jobs, 4);
        delays.told(&delays.untold());
        assert_eq!(delays.untold(), Window::default());
        assert_eq!(delays.claims(Until::Publish).count(), 2, "those since the start stay");
    }

    #[test]
    fn windows_add_up_and_a_bucket_of_another_release_counts_for_nothing() {
        let mut sum = Window::default();
        let mut part = Window::default();
        part.add(Until::Commit, 0, 5);
        part.add(Until::Commit, SECONDS.len(), 1);
        part.add(Until::Commit, SECONDS.len() + 1, 100);
        sum.add_all(&part);
        sum.add_all(&part);
        assert_eq!(
            sum.each().collect::<Vec<_>>(),
            [(Until::Commit, 0, 10), (Until::Commit, SECONDS.len(), 2)]
        );
        assert_eq!(sum.delay(Until::Commit).unwrap().p99_ms, 600_000.0, "all that is above the last bound");
    }
}
