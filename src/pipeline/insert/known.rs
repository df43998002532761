//! Jobs whose key is in the table already, found for the whole claim at once: replaying a million of them costs no
//! more than inserting them.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Insertion, Rejection, Write};
use crate::{
    pipeline::outcome::JobOutcome,
    route::OnDuplicate,
    store::{Fault, Value},
};

/// Jobs that do not go in with the others.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Jobs to update, in order.
    update: Vec<usize>,
    /// Jobs with a key of an earlier job of the claim, and that job.
    repeated: BTreeMap<usize, usize>,
}

impl Aside {
    pub(super) fn holds(&self, job: usize) -> bool {
        self.repeated.contains_key(&job) || self.update.binary_search(&job).is_ok()
    }
}

impl Insertion<'_, '_> {
    /// Decides the jobs whose key is known, and sets aside those that wait for another job of the claim.
    pub(super) async fn set_known_aside(&mut self) -> Result<Aside, Fault> {
        let mut aside = Aside::default();
        let (Some(column), true) = (self.plan.dedupe, self.on_duplicate != OnDuplicate::Reject) else {
            return Ok(aside);
        };
        let open: Vec<usize> = (0..self.outcomes.len()).filter(|&job| self.outcomes[job].is_none()).collect();
        let values: Vec<&Value<'_>> = open.iter().flat_map(|&job| self.keys(job, column)).collect();
        if values.is_empty() {
            return Ok(aside);
        }
        let known = self.store.known(&self.shape, column as u16, &values).await?;
        let mut first_with = HashMap::<Vec<u8>, usize>::new();
        for job in open {
            let keys: Vec<Vec<u8>> = self
                .keys(job, column)
                .iter()
                .filter_map(|key| key.key_text())
                .map(|key| key.into_owned())
                .collect();
            let there = keys.iter().filter(|key| known.contains(*key)).count();
            if there > 0 {
                self.decide_known(job, there, &mut aside);
            } else if let Some(&first) = keys.iter().find_map(|key| first_with.get(key)) {
                aside.repeated.insert(job, first);
            } else {
                first_with.extend(keys.into_iter().map(|key| (key, job)));
            }
        }
        Ok(aside)
    }

    fn decide_known(&mut self, job: usize, there: usize, aside: &mut Aside) {
        let rows = self.count(job);
        match self.on_duplicate {
            OnDuplicate::Update => aside.update.push(job),
            _ if there == rows => self.outcomes[job] = Some(JobOutcome::Duplicate),
            _ => self.outcomes[job] = Some(JobOutcome::Rejected(Rejection::partly_duplicate(there, rows))),
        }
    }

    /// Updates what is to be updated, and decides the repeated jobs by what became of the first of their key.
    pub(super) async fn finish_known(&mut self, aside: Aside) -> Result<(), Fault> {
        for (present, jobs) in self.in_runs(&aside.update) {
            self.write_all(Write::Upsert, &present, &jobs).await?;
        }
        for (job, first) in aside.repeated {
            let there = !matches!(self.outcomes[first], Some(JobOutcome::Rejected(_)) | None);
            if there && self.on_duplicate == OnDuplicate::Ignore && self.count(job) == 1 {
                self.outcomes[job] = Some(JobOutcome::Duplicate);
                continue;
            }
            // The first of its key was rejected, or its values are newer: the server decides.
            for (present, jobs) in self.in_runs(&[job]) {
                self.write_all(Write::Insert, &present, &jobs).await?;
            }
        }
        Ok(())
    }

    /// How many of a job's keys are in the table by now; `None` without a dedupe column.
    pub(super) async fn count_known(&mut self, job: usize) -> Result<Option<usize>, Fault> {
        let Some(column) = self.plan.dedupe else { return Ok(None) };
        let keys = self.keys(job, column);
        if keys.is_empty() {
            return Ok(Some(0));
        }
        self.store.count_known(&self.shape, column as u16, &keys).await.map(Some)
    }

    /// Jobs in their order, those next to each other together that give the same columns: of two updates of one row
    /// the newer one must come last.
    pub(super) fn in_runs(&mut self, jobs: &[usize]) -> Vec<(Vec<u16>, Vec<usize>)> {
        let mut runs: Vec<(Vec<u16>, Vec<usize>)> = Vec::new();
        for &job in jobs {
            match (self.present(job), runs.last_mut()) {
                (Ok(present), Some((last, run))) if present == *last => run.push(job),
                (Ok(present), _) => runs.push((present, vec![job])),
                (Err(rejection), _) => self.outcomes[job] = Some(JobOutcome::Rejected(rejection)),
            }
        }
        runs
    }

    /// The keys of a job's rows; NULL is no key, however often it stands.
    fn keys<'a>(&self, job: usize, column: usize) -> Vec<&'a Value<'a>>
    where
        Self: 'a,
    {
        let mut seen = HashSet::new();
        let keys = self.rows(job).map(|row| &row[column]);
        keys.filter(|key| key.key_text().is_some_and(|text| seen.insert(text.into_owned()))).collect()
    }
}
