//! What the dashboard is told of dead letters: how many died of what, and each with its job.
//!
//! Each answer looks at so many letters at most, and says how far it came: the page asks on from there. So a million of
//! them hold up neither Redis nor this gateway.

mod shown;

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::api::{Api, No};
use crate::{
    dead::{Counted, Cursor, Entry, Group, Groups, find, whole},
    queue::{Admin, Form},
};
use shown::Shown;

/// Letters that one request looks at; and those that one page of Redis' answer holds, without their jobs.
const LOOKED: u64 = 5_000;
const MANY: u64 = 500;
/// Redis has no longer lists.
const LONGEST_LIST: u64 = u32::MAX as u64;

/// Which letters are asked for, and from where on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    queue: String,
    skip: Option<u64>,
    left: Option<u64>,
}

impl Asked {
    async fn cursor(&self, admin: &Admin) -> redis::RedisResult<Cursor> {
        match self.left {
            Some(left) => Ok(Cursor { skip: self.skip.unwrap_or(0), left }),
            None => Cursor::start(admin).await,
        }
    }
}

/// What was counted, and how far.
#[derive(Debug, Serialize)]
struct Count {
    groups: Vec<Placed>,
    looked: u64,
    #[serde(flatten)]
    cursor: Cursor,
}

/// A group, and where its oldest letter was: where looking for it begins.
#[derive(Debug, Serialize)]
struct Placed {
    place: u64,
    #[serde(flatten)]
    counted: Counted,
}

/// `GET /api/dead?queue=`, and with `&skip=&left=` from there on: the groups among the next letters.
pub(super) async fn groups(
    State(api): State<Arc<Api>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, No> {
    let Query(asked) = asked?;
    [asked.skip, asked.left].into_iter().flatten().try_for_each(within_a_list)?;
    let count = async |admin: Admin| {
        let mut cursor = asked.cursor(&admin).await?;
        let (mut groups, mut looked) = (Groups::default(), 0);
        while looked < LOOKED {
            let page = cursor.next(&admin, MANY, Form::Facts).await?;
            if page.is_empty() {
                break;
            }
            looked += page.len() as u64;
            page.iter().for_each(|entry| groups.add(&asked.queue, entry));
        }
        let placed = |counted: Counted| Placed { place: counted.place, counted };
        Ok(Count { groups: groups.into_sorted().into_iter().map(placed).collect(), looked, cursor })
    };
    Ok(Json(api.of_queue(&asked.queue, count).await?).into_response())
}

/// Whose next letter is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Next {
    queue: String,
    code: String,
    column: Option<String>,
    reason: String,
    skip: u64,
}

/// `GET /api/dead/letter?queue=&code=&column=&reason=&skip=`: the group's first letter from there on, with its job; or
/// none, and how far it was looked for.
pub(super) async fn letter(
    State(api): State<Arc<Api>>,
    next: Result<Query<Next>, QueryRejection>,
) -> Result<Response, No> {
    let Query(Next { queue, code, column, reason, skip }) = next?;
    within_a_list(skip)?;
    let group = Group { queue: queue.clone(), code, column, reason };
    let search = async |admin: Admin| {
        let mut cursor = Cursor { skip, left: LOOKED };
        loop {
            let page = cursor.next(&admin, MANY, Form::Facts).await?;
            if page.is_empty() {
                // Whether there are more behind those that one request looks at.
                let left = admin.count_dead().await?.saturating_sub(cursor.skip);
                return Ok((None, Cursor { left, ..cursor }));
            }
            let Some(found) = page.iter().find(|entry| Group::of(&queue, entry) == group) else { continue };
            match whole(&admin, found).await? {
                Some(whole) => {
                    let behind = Cursor { skip: whole.place + 1, left: LOOKED };
                    return Ok((Some(whole), behind));
                }
                // It was taken in this very moment, and those behind it have come to its place.
                None => cursor.skip = found.place,
            }
        }
    };
    let (found, Cursor { skip, left }) = api.of_queue(&queue, search).await?;
    let shown = found.as_ref().map(Shown::of);
    Ok(Json(json!({ "letter": shown, "skip": skip, "left": left })).into_response())
}

/// One letter, by its id and the place where it was seen.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) queue: String,
    pub(super) id: String,
    pub(super) place: u64,
}

impl Named {
    /// The letter, whole; `None` when it is gone.
    pub(super) async fn find(&self, admin: &Admin) -> redis::RedisResult<Option<Entry>> {
        find(admin, &self.id, self.place, LOOKED).await
    }
}

/// `GET /api/dead/job?queue=&id=&place=`: the job, byte for byte, to be saved.
pub(super) async fn job(
    State(api): State<Arc<Api>>,
    named: Result<Query<Named>, QueryRejection>,
) -> Result<Response, No> {
    let Query(named) = named?;
    within_a_list(named.place)?;
    let found = api.of_queue(&named.queue, async |admin| named.find(&admin).await).await?;
    let letter = found.and_then(|entry| entry.letter()).ok_or_else(gone)?;
    let kind = (header::CONTENT_TYPE, "application/octet-stream");
    let kept = (header::CONTENT_DISPOSITION, "attachment; filename=\"job\"");
    let plain = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    Ok(([kind, kept, plain], letter.raw_bytes()).into_response())
}

/// Refuses what is no place in a list of Redis, nor a number of letters in one.
pub(super) fn within_a_list(place: u64) -> Result<(), No> {
    if place <= LONGEST_LIST {
        return Ok(());
    }
    let message = format!("{place} is too many: a list of dead letters holds {LONGEST_LIST} at most");
    Err(No { status: StatusCode::BAD_REQUEST, code: "bad_request", message })
}

/// The answer to who asks for a letter that is not there.
pub(super) fn gone() -> No {
    let message = "this dead letter is gone: somebody has retried or purged it meanwhile. Nothing was done";
    No { status: StatusCode::NOT_FOUND, code: "gone", message: message.to_owned() }
}
