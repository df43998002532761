//! What became of each job of a claim, and its short form in the checkpoint. Pure.
//!
//! A claim of thousands of rows is most often one run of counted ids, so the short form is a list of runs. Whoever
//! settles the claim of a dead worker reads it back and publishes the same events.

use serde::{Deserialize, Serialize};

use super::decode::Rejection;

/// What became of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// Its rows are in the table.
    Inserted {
        /// The counted id of the first row; `None` when the table does not count, or the job gave the id.
        first_id: Option<u64>,
        /// How many rows.
        rows: u64,
    },
    /// It was there already.
    Duplicate,
    /// It cannot become a row.
    Rejected(Rejection),
}

/// What became of the jobs of a claim, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// One for each job.
    pub jobs: Vec<JobOutcome>,
    /// The step between two counted ids.
    pub id_step: u64,
}

/// How many jobs ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Jobs whose rows were inserted.
    pub inserted: usize,
    /// Jobs that were there already.
    pub duplicate: usize,
    /// Jobs that were rejected.
    pub rejected: usize,
    /// Rows inserted.
    pub rows: usize,
}

/// The short form, as it stands in the checkpoint.
#[derive(Debug, Serialize, Deserialize)]
struct Short {
    step: u64,
    runs: Vec<Run>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Run {
    /// So many jobs of so many rows each, their ids counted on from the first.
    Inserted {
        jobs: u64,
        rows: u64,
        first: Option<u64>,
    },
    Duplicate {
        jobs: u64,
    },
    Rejected(Rejection),
}

impl Outcome {
    /// How many jobs ended how.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for job in &self.jobs {
            match job {
                JobOutcome::Inserted { rows, .. } => {
                    tally.inserted += 1;
                    tally.rows += usize::try_from(*rows).unwrap_or(usize::MAX);
                }
                JobOutcome::Duplicate => tally.duplicate += 1,
                JobOutcome::Rejected(_) => tally.rejected += 1,
            }
        }
        tally
    }

    /// The first counted id of the claim.
    pub fn first_id(&self) -> Option<u64> {
        self.jobs.iter().find_map(|job| match job {
            JobOutcome::Inserted { first_id, .. } => *first_id,
            _ => None,
        })
    }

    /// The lowest and the highest counted id of the claim.
    pub fn counted_ids(&self) -> Option<(u64, u64)> {
        let ends = self.jobs.iter().filter_map(|job| match job {
            JobOutcome::Inserted { first_id: Some(first), rows } => {
                Some((*first, first + rows.saturating_sub(1) * self.id_step))
            }
            _ => None,
        });
        ends.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
    }

    /// The short form, as JSON text.
    pub fn to_text(&self) -> String {
        let mut runs: Vec<Run> = Vec::new();
        for job in &self.jobs {
            if !runs.last_mut().is_some_and(|run| run.takes(job, self.id_step)) {
                runs.push(Run::of(job));
            }
        }
        // Numbers and strings always have a JSON form.
        serde_json::to_string(&Short { step: self.id_step, runs }).unwrap_or_default()
    }

    /// Reads the short form back.
    ///
    /// # Errors
    /// A text that this version did not write.
    pub fn from_text(text: &str) -> Result<Self, serde_json::Error> {
        let short: Short = serde_json::from_str(text)?;
        let mut jobs = Vec::new();
        for run in short.runs {
            match run {
                Run::Inserted { jobs: count, rows, first } => jobs.extend((0..count).map(|at| {
                    JobOutcome::Inserted { first_id: first.map(|first| first + at * rows * short.step), rows }
                })),
                Run::Duplicate { jobs: count } => jobs.extend((0..count).map(|_| JobOutcome::Duplicate)),
                Run::Rejected(rejection) => jobs.push(JobOutcome::Rejected(rejection)),
            }
        }
        Ok(Self { jobs, id_step: short.step })
    }
}

impl Run {
    fn of(job: &JobOutcome) -> Self {
        match job {
            JobOutcome::Inserted { first_id, rows } => {
                Self::Inserted { jobs: 1, rows: *rows, first: *first_id }
            }
            JobOutcome::Duplicate => Self::Duplicate { jobs: 1 },
            JobOutcome::Rejected(rejection) => Self::Rejected(rejection.clone()),
        }
    }

    /// Takes the job into the run, if it goes on where the run ends.
    fn takes(&mut self, job: &JobOutcome, step: u64) -> bool {
        match (self, job) {
            (Self::Inserted { jobs, rows, first }, JobOutcome::Inserted { first_id, rows: more }) => {
                let next = first.map(|first| first + *jobs * *rows * step);
                let goes_on = rows == more && next == *first_id;
                *jobs += u64::from(goes_on);
                goes_on
            }
            (Self::Duplicate { jobs }, JobOutcome::Duplicate) => {
                *jobs += 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_job() -> impl Strategy<Value = JobOutcome> {
        prop_oneof![
            (prop::option::of(1u64..50), 1u64..4)
                .prop_map(|(first_id, rows)| JobOutcome::Inserted { first_id, rows }),
            Just(JobOutcome::Duplicate),
            Just(JobOutcome::Rejected(Rejection {
                code: "1406".into(),
                column: None,
                reason: "long \"x\"".into()
            })),
        ]
    }

    proptest! {
        #[test]
        fn the_short_form_is_read_back_unchanged(jobs in prop::collection::vec(any_job(), 0..60), id_step in 1u64..4) {
            let outcome = Outcome { jobs, id_step };
            prop_assert_eq!(Outcome::from_text(&outcome.to_text()).unwrap(), outcome);
        }
    }

    #[test]
    fn a_plain_claim_is_one_short_run() {
        let inserted = |at: u64| JobOutcome::Inserted { first_id: Some(1000 + at * 2), rows: 1 };
        let outcome = Outcome { jobs: (0..5_000).map(inserted).collect(), id_step: 2 };
        assert_eq!(
            outcome.to_text(),
            r#"{"step":2,"runs":[{"inserted":{"jobs":5000,"rows":1,"first":1000}}]}"#
        );
        assert_eq!(outcome.tally(), Tally { inserted: 5_000, rows: 5_000, ..Tally::default() });
    }
}
