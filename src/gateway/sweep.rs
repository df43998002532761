//! What the dashboard does to dead letters: one, edited or not, or all of a group.
//!
//! Of a group each request does a part, and says where the next one goes on. So nothing is kept here that could be
//! forgotten half-way: what was not done are letters, as before.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Extension, Json,
    extract::{State, rejection::JsonRejection},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    allowance::Allowance,
    api::{Api, No},
    letters::{Named, gone, within_a_list},
    operators::Asker,
    queues,
};
use crate::{
    dead::{self, Cursor, Group, PAGE, PER_SECOND},
    queue::Fate,
};

/// One request ends after so many letters that were taken or looked at, or so much time.
const TAKEN: u64 = 1_000;
const LOOKED: u64 = 5_000;
const LONGEST: Duration = Duration::from_secs(1);

/// How many jobs are sent back in a second, by all who do that at this gateway.
pub(super) struct Pace(Mutex<Allowance>);

impl Pace {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Allowance::new(PER_SECOND, Duration::ZERO, Instant::now())))
    }

    /// Waits until more may be sent back.
    async fn keep(&self) {
        let pause = self.0.lock().unwrap_or_else(PoisonError::into_inner).pause(Instant::now());
        tokio::time::sleep(pause).await;
    }

    fn owe(&self, jobs: u64) {
        let jobs = usize::try_from(jobs).unwrap_or(usize::MAX);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).owe(jobs, Instant::now());
    }
}

/// What is to become of one letter.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    fate: Fate,
    letter: Named,
    /// What goes to the queue instead of its own job.
    job: Option<String>,
}

/// `POST /api/dead/one`: one letter is retried, edited or not, or purged.
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    one: Result<Json<One>, JsonRejection>,
) -> Result<Response, No> {
    let Json(One { fate, letter, job }) = one?;
    within_a_list(letter.place)?;
    let edited = job.as_deref().map(queues::job).transpose()?;
    let take = async |admin| match letter.find(&admin).await? {
        Some(entry) => dead::take(&admin, fate, vec![entry], edited).await,
        None => Ok(0),
    };
    if api.of_queue(&letter.queue, take).await? == 0 {
        return Err(gone());
    }
    let what = match (fate, edited) {
        (Fate::Retry, Some(_)) => "edited and sent back",
        _ => fate.done(),
    };
    tracing::info!(by = %asker, queue = letter.queue, id = letter.id, "a dead letter was {what}");
    Ok(Json(json!({ "ok": true })).into_response())
}

/// What is to become of a group, and from where on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct All {
    fate: Fate,
    group: Group,
    /// Where the request before came to; nothing at the start.
    cursor: Option<Cursor>,
}

/// `POST /api/dead/group`: a part of a group's letters is retried or purged.
pub(super) async fn group(
    State(api): State<Arc<Api>>,
    Extension(asker): Extension<Asker>,
    all: Result<Json<All>, JsonRejection>,
) -> Result<Response, No> {
    let Json(All { fate, group, cursor }) = all?;
    if let Some(Cursor { skip, left }) = cursor {
        within_a_list(skip)?;
        within_a_list(left)?;
    }
    let begun = Instant::now();
    let (mut taken, mut looked) = (0, 0);
    let sweep = async |admin| {
        let mut cursor = match cursor {
            Some(cursor) => cursor,
            None => Cursor::start(&admin).await?,
        };
        while taken < TAKEN && looked < LOOKED && begun.elapsed() < LONGEST {
            if fate == Fate::Retry {
                api.pace.keep().await;
            }
            let is_meant = |entry: &dead::Entry| Group::of(&group.queue, entry) == group;
            let Some(step) = dead::step(&admin, &mut cursor, fate, PAGE, is_meant).await? else { break };
            if fate == Fate::Retry {
                api.pace.owe(step.taken);
            }
            (taken, looked) = (taken + step.taken, looked + step.looked);
        }
        Ok(cursor)
    };
    let swept = api.of_queue(&group.queue, sweep).await;
    if taken > 0 {
        let (what, Group { queue, code, reason, .. }) = (fate.done(), &group);
        tracing::info!(by = %asker, queue, code, reason, letters = taken, "dead letters were {what}");
    }
    Ok(Json(json!({ "ok": true, "taken": taken, "cursor": swept? })).into_response())
}
