//! What the dashboard is told of dead letters: how many died of what, and each with its job.
//!
//! Each answer looks at so many letters at most, and says how far it came: the page asks on from there. So a million of
//! them hold up neither Redis nor this gateway.

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
    queue::{Admin, DeadLetter, Form},
};

/// Letters that one request looks at; and those that one page of Redis' answer holds, without their jobs.
const LOOKED: u64 = 5_000;
const MANY: u64 = 500;
/// More of a job than this is not shown; whoever wants it downloads it.
const SHOWN: usize = 128 << 10;

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

/// A letter as the page shows it.
#[derive(Debug, Serialize)]
struct Shown {
    place: u64,
    id: Option<String>,
    code: Option<String>,
    column: Option<String>,
    reason: Option<String>,
    at: Option<String>,
    attempts: Option<u32>,
    /// The job's length in bytes, or the letter's where it is none of ours.
    bytes: u64,
    /// The job's beginning: its text; or, where it is not UTF-8, its bytes as they are written in programs.
    text: String,
    utf8: bool,
    /// Whether that is all of it.
    whole: bool,
}

impl Shown {
    fn of(entry: &Entry) -> Self {
        let letter = entry.letter();
        let job = letter.as_ref().map_or_else(|| entry.text.clone(), DeadLetter::raw_bytes);
        let (text, utf8, whole) = beginning(&job);
        let mut shown = Self {
            place: entry.place,
            id: None,
            code: None,
            column: None,
            reason: None,
            at: None,
            attempts: None,
            bytes: job.len() as u64,
            text,
            utf8,
            whole,
        };
        if let Some(DeadLetter { id, code, column, reason, at, attempts, .. }) = letter {
            (shown.id, shown.code, shown.column) = (Some(id), Some(code), column);
            (shown.reason, shown.at, shown.attempts) = (Some(reason), Some(at), Some(attempts));
        }
        shown
    }
}

/// What is shown of a job, whether it is UTF-8, and whether that is all of it.
fn beginning(job: &[u8]) -> (String, bool, bool) {
    match std::str::from_utf8(job) {
        Ok(text) => {
            let end = text.floor_char_boundary(SHOWN);
            (text[..end].to_owned(), true, end == text.len())
        }
        Err(_) => {
            let end = job.len().min(SHOWN / 4);
            (job[..end].escape_ascii().to_string(), false, end == job.len())
        }
    }
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
    let found = api.of_queue(&named.queue, async |admin| named.find(&admin).await).await?;
    let letter = found.and_then(|entry| entry.letter()).ok_or_else(gone)?;
    let kind = (header::CONTENT_TYPE, "application/octet-stream");
    let kept = (header::CONTENT_DISPOSITION, "attachment; filename=\"job\"");
    let plain = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    Ok(([kind, kept, plain], letter.raw_bytes()).into_response())
}

/// The answer to who asks for a letter that is not there.
pub(super) fn gone() -> No {
    let message = "this dead letter is gone: somebody has retried or purged it meanwhile. Nothing was done";
    No { status: StatusCode::NOT_FOUND, code: "gone", message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_job_its_beginning_is_shown_and_whether_that_is_all() {
        assert_eq!(beginning(b"{\"a\":1}"), ("{\"a\":1}".to_owned(), true, true));
        assert_eq!(beginning(b"\xff\0<b>"), ("\\xff\\x00<b>".to_owned(), false, true));
        let long = "é".repeat(SHOWN);
        let (text, utf8, whole) = beginning(long.as_bytes());
        assert!(long.starts_with(&text) && text.len() == SHOWN && utf8 && !whole);
        let (text, utf8, whole) = beginning(&vec![0xff; SHOWN]);
        assert!(text.len() == SHOWN && !utf8 && !whole);
    }
}
