//! Rows into the table: one statement for many jobs, halved around those that are at fault.
//!
//! Everything here happens inside one transaction that the caller begins and commits. A statement that fails inserts
//! nothing, so after a job's fault the same rows are tried in halves until the faulty job stands alone.

mod known;

use std::{collections::BTreeMap, ops::Range};

use super::{
    decode::{Batch, Plan, Rejection, RowId},
    outcome::{JobOutcome, Outcome},
};
use crate::{
    route::OnDuplicate,
    store::{Fault, InsertError, Inserted, JobFault, Shape, Store, Value, errors},
};

/// Inserts the rows of a claim and says what became of each job.
///
/// # Errors
/// What is not a job's fault; the transaction is then worth nothing.
pub async fn insert(
    store: &mut Store,
    plan: &Plan,
    on_duplicate: OnDuplicate,
    batch: &Batch<'_>,
) -> Result<Outcome, Fault> {
    let id_step = store.connect().await?.id_step;
    let outcomes =
        batch.jobs.iter().map(|job| job.as_ref().err().cloned().map(JobOutcome::Rejected)).collect();
    let mut insertion = Insertion { store, plan, on_duplicate, batch, shape: shape(plan), outcomes, id_step };
    let aside = insertion.set_known_aside().await?;
    for (present, jobs) in insertion.groups(&aside) {
        insertion.write_all(Write::Insert, &present, &jobs).await?;
    }
    insertion.finish_known(aside).await?;
    let missed = || JobOutcome::Rejected(Rejection::server("0", None, "the job was passed over"));
    let jobs = insertion.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missed)).collect();
    Ok(Outcome { jobs, id_step })
}

/// What [`insert`] would say. It is done in a transaction that is rolled back; only counted ids are used up.
///
/// # Errors
/// As [`insert`].
pub async fn try_insert(
    store: &mut Store,
    plan: &Plan,
    on_duplicate: OnDuplicate,
    batch: &Batch<'_>,
) -> Result<Outcome, Fault> {
    store.begin().await?;
    let outcome = insert(store, plan, on_duplicate, batch).await;
    store.rollback().await;
    outcome
}

fn shape(plan: &Plan) -> Shape {
    Shape {
        database: plan.database.clone(),
        table: plan.table.clone(),
        columns: plan.targets.iter().map(|target| target.column.clone()).collect(),
    }
}

/// The work on one claim.
struct Insertion<'w, 'b> {
    store: &'w mut Store,
    plan: &'w Plan,
    on_duplicate: OnDuplicate,
    batch: &'w Batch<'b>,
    shape: Shape,
    /// What became of each job, as far as it is decided.
    outcomes: Vec<Option<JobOutcome>>,
    id_step: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    Insert,
    /// Insert, or update where the key is there already.
    Upsert,
}

/// Columns that a row gives, by their places in the plan.
type Present = Vec<u16>;

/// What is to be done with some of the jobs of one write, by their places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Their rows go in with one statement.
    Statement(Range<usize>),
    /// Its first row alone is larger than a packet.
    BeyondPacket { job: usize },
    /// Its rows must go in with one statement, and fewer fit one.
    TooManyRows { job: usize, rows: usize, fit: usize },
}

/// Cuts jobs, of which each has so many rows, into statements. `fit` says how many rows from a given one on fit one
/// statement, and need not look further than what would be enough; more than `best` only one job alone brings with it.
/// Sizes are powers of two where they can be, so that a few prepared statements serve all claims.
fn cut(counts: &[usize], best: usize, fit: impl Fn(usize, usize) -> usize) -> Vec<Part> {
    let rows: usize = counts.iter().sum();
    let mut parts = Vec::new();
    let (mut job, mut row) = (0, 0);
    while job < counts.len() {
        let fit = fit(row, best.max(counts[job]));
        let most = fit.min(best).min(rows - row).checked_ilog2().map_or(0, |power| 1 << power);
        let (mut to, mut taken) = (job + 1, counts[job]);
        while to < counts.len() && taken + counts[to] <= most {
            taken += counts[to];
            to += 1;
        }
        parts.push(match fit {
            0 => Part::BeyondPacket { job },
            _ if taken > fit => Part::TooManyRows { job, rows: taken, fit },
            _ => Part::Statement(job..to),
        });
        (job, row) = (to, row + taken);
    }
    parts
}

impl<'w, 'b> Insertion<'w, 'b> {
    /// The undecided jobs by the columns that their rows give: most often all give all.
    fn groups(&mut self, aside: &known::Aside) -> Vec<(Present, Vec<usize>)> {
        let open = (0..self.outcomes.len()).filter(|&job| self.outcomes[job].is_none() && !aside.holds(job));
        let open: Vec<usize> = open.collect();
        if self.on_duplicate == OnDuplicate::Update {
            // Two of them may be one row, whatever columns they give.
            return self.in_runs(&open);
        }
        let mut groups = BTreeMap::<Present, Vec<usize>>::new();
        for job in open {
            match self.present(job) {
                Ok(present) => groups.entry(present).or_default().push(job),
                Err(rejection) => self.outcomes[job] = Some(JobOutcome::Rejected(rejection)),
            }
        }
        groups.into_iter().collect()
    }

    /// The columns that a job's rows give; all its rows must give the same, to go in with one statement.
    fn present(&self, job: usize) -> Result<Present, Rejection> {
        let all = || (0..self.plan.width() as u16).collect();
        if !self.batch.has_absent {
            return Ok(all());
        }
        let given = |row: &[Value<'_>]| -> Present {
            (0..).zip(row).filter(|(_, value)| !value.is_absent()).map(|(at, _)| at).collect()
        };
        let mut rows = self.rows(job).map(given);
        let first = rows.next().unwrap_or_else(all);
        match rows.all(|row| row == first) {
            true => Ok(first),
            false => Err(Rejection::uneven_rows()),
        }
    }

    /// Writes jobs in statements as large as they fit.
    async fn write_all(&mut self, write: Write, present: &[u16], jobs: &[usize]) -> Result<(), Fault> {
        let rows: Vec<&[Value<'b>]> = jobs.iter().flat_map(|&job| self.rows(job)).collect();
        let counts: Vec<usize> = jobs.iter().map(|&job| self.count(job)).collect();
        let fit = |first: usize, enough| self.store.fit(&self.shape, present, &rows[first..], enough);
        for part in cut(&counts, self.store.best_rows(), fit) {
            let (job, rejection) = match part {
                Part::Statement(range) => {
                    self.write_halving(write, present, &jobs[range]).await?;
                    continue;
                }
                Part::BeyondPacket { job } => (job, Rejection::beyond_packet(self.store.packet())),
                Part::TooManyRows { job, rows, fit } => {
                    (job, Rejection::beyond_packet_together(rows, fit, self.store.packet()))
                }
            };
            self.outcomes[jobs[job]] = Some(JobOutcome::Rejected(rejection));
        }
        Ok(())
    }

    /// Writes jobs with one statement, or in halves until those at fault stand alone.
    async fn write_halving(&mut self, write: Write, present: &[u16], jobs: &[usize]) -> Result<(), Fault> {
        let mut todo: Vec<Range<usize>> = std::iter::once(0..jobs.len()).collect();
        while let Some(range) = todo.pop() {
            let part = &jobs[range.clone()];
            match self.statement(write, present, part).await {
                Ok(inserted) => self.record(write, part, inserted),
                Err(InsertError::Job(fault)) if part.len() == 1 => {
                    self.outcomes[part[0]] = Some(self.judge(present, part[0], fault).await?);
                }
                Err(InsertError::Job(_)) => {
                    let middle = range.start + part.len() / 2;
                    todo.extend([middle..range.end, range.start..middle]);
                }
                Err(InsertError::Other(fault)) => return Err(fault),
            }
        }
        Ok(())
    }

    async fn statement(
        &mut self,
        write: Write,
        present: &[u16],
        jobs: &[usize],
    ) -> Result<Inserted, InsertError> {
        let rows: Vec<&[Value<'b>]> = jobs.iter().flat_map(|&job| self.rows(job)).collect();
        match write {
            Write::Insert => self.store.insert(&self.shape, present, &rows).await,
            Write::Upsert => self.store.upsert(&self.shape, present, &rows).await,
        }
    }

    fn record(&mut self, write: Write, jobs: &[usize], inserted: Inserted) {
        let mut next = inserted.first_id;
        for &job in jobs {
            let count = self.count(job) as u64;
            let first_id = self.is_counted(job).then_some(next);
            self.outcomes[job] = Some(match write {
                Write::Upsert => JobOutcome::Duplicate,
                Write::Insert => JobOutcome::Inserted { first_id, rows: count },
            });
            // After an id that the job gave itself this number means nothing, however large.
            next = next.wrapping_add(count.wrapping_mul(self.id_step));
        }
    }

    /// Whether the server numbers the rows of this job.
    fn is_counted(&self, job: usize) -> bool {
        match self.plan.id {
            RowId::Counted => true,
            RowId::Given(column) => self.rows(job).next().is_some_and(|row| row[column].is_absent()),
            RowId::None => false,
        }
    }

    /// What becomes of a job that the server refuses by itself.
    async fn judge(&mut self, present: &[u16], job: usize, fault: JobFault) -> Result<JobOutcome, Fault> {
        let rejected = |fault: JobFault| {
            let JobFault { code, column, message } = fault;
            JobOutcome::Rejected(Rejection::server(&code.to_string(), column, &message))
        };
        if self.is_counted(job) && errors::is_out_of_numbers(fault.code, &fault.message, &self.plan.table) {
            // No job's fault, and no duplicate: the number is taken by another row, and every job would meet it.
            return Err(Fault::Route(format!(
                "{} has no numbers left in its counted column: give that a larger type ({})",
                self.plan.table, fault.message
            )));
        }
        if !errors::is_duplicate(fault.code) || self.on_duplicate == OnDuplicate::Reject {
            return Ok(rejected(fault));
        }
        if self.on_duplicate == OnDuplicate::Update {
            return match self.statement(Write::Upsert, present, &[job]).await {
                Ok(_) => Ok(JobOutcome::Duplicate),
                Err(InsertError::Job(fault)) => Ok(rejected(fault)),
                Err(InsertError::Other(fault)) => Err(fault),
            };
        }
        let rows = self.count(job);
        match self.count_known(job).await? {
            // Without a dedupe column any unique key tells a duplicate, but only of a job with one row.
            None if rows == 1 => Ok(JobOutcome::Duplicate),
            Some(known) if known == rows => Ok(JobOutcome::Duplicate),
            Some(known) if known > 0 => Ok(JobOutcome::Rejected(Rejection::partly_duplicate(known, rows))),
            _ => Ok(rejected(fault)),
        }
    }

    /// The rows of a job; a rejected one has none.
    fn rows(&self, job: usize) -> impl Iterator<Item = &'w [Value<'b>]> + use<'w, 'b> {
        let (batch, plan) = (self.batch, self.plan);
        let rows = batch.jobs[job].as_ref().map_or(0..0, |rows| rows.first..rows.first + rows.count);
        rows.map(|row| batch.row(plan, row))
    }

    fn count(&self, job: usize) -> usize {
        self.batch.jobs[job].as_ref().map_or(0, |rows| rows.count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statements_are_powers_of_two() {
        let statements = [Part::Statement(0..256), Part::Statement(256..384), Part::Statement(384..385)];
        assert_eq!(cut(&[1; 385], 256, |_, _| 10_000), statements);
    }

    #[test]
    fn an_array_may_be_larger_than_what_is_best() {
        let statements = [Part::Statement(0..2), Part::Statement(2..3), Part::Statement(3..4)];
        assert_eq!(cut(&[1, 1, 300, 1], 256, |_, _| 10_000), statements);
    }

    #[test]
    fn a_job_that_does_not_fit_stands_alone() {
        let fit = |row, _| match row {
            0 => 1,
            1 => 0,
            _ => 4,
        };
        let expected = [
            Part::Statement(0..1),
            Part::BeyondPacket { job: 1 },
            Part::TooManyRows { job: 2, rows: 5, fit: 4 },
            Part::Statement(3..5),
        ];
        assert_eq!(cut(&[1, 1, 5, 3, 1], 256, fit), expected);
    }

    proptest! {
        #[test]
        fn every_job_is_in_one_part_in_order_and_no_statement_is_too_large(
            counts in prop::collection::vec(1_usize..6, 0..40),
            fits in prop::collection::vec(0_usize..20, 240),
            best in 1_usize..16,
        ) {
            let mut next = 0;
            for part in cut(&counts, best, |row, enough| fits[row].min(enough)) {
                let row: usize = counts[..next].iter().sum();
                match part {
                    Part::Statement(range) => {
                        prop_assert_eq!(range.start, next);
                        prop_assert!(!range.is_empty());
                        let taken = counts[range.clone()].iter().sum::<usize>();
                        prop_assert!(taken <= fits[row]);
                        prop_assert!(taken <= best || range.len() == 1);
                        next = range.end;
                    }
                    Part::BeyondPacket { job } => {
                        prop_assert_eq!((job, fits[row]), (next, 0));
                        next += 1;
                    }
                    Part::TooManyRows { job, rows, fit } => {
                        prop_assert_eq!((job, rows, fit), (next, counts[next], fits[row]));
                        prop_assert!(rows > fit);
                        next += 1;
                    }
                }
            }
            prop_assert_eq!(next, counts.len());
        }
    }
}
