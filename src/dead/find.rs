//! Looking for one letter.

use redis::RedisResult;

use super::{Cursor, Entry};
use crate::queue::{Admin, Form};

/// Letters without their jobs that are read at once.
const WINDOW: u64 = 500;

/// The letter with this id, whole. It is looked for among the `most` letters before the place where it was `last` seen:
/// when older ones are taken it comes nearer to the oldest.
///
/// # Errors
/// Any error of Redis.
pub async fn find(admin: &Admin, id: &str, last: u64, most: u64) -> RedisResult<Option<Entry>> {
    let lowest = last.saturating_sub(most);
    let mut end = last.saturating_add(1);
    while end > lowest {
        let from = end.saturating_sub(WINDOW).max(lowest);
        let mut window = Cursor { skip: from, left: end - from };
        loop {
            let page = window.next(admin, WINDOW, Form::Facts).await?;
            if page.is_empty() {
                break;
            }
            if let Some(found) = page.iter().find(|entry| entry.is(id)) {
                return whole(admin, found).await;
            }
        }
        end = from;
    }
    Ok(None)
}

/// A letter that was read without its job, whole: at its place or, when older ones are taken in this very moment, a
/// little before it. `None` when it is gone.
///
/// # Errors
/// Any error of Redis.
pub async fn whole(admin: &Admin, facts: &Entry) -> RedisResult<Option<Entry>> {
    let from = facts.place.saturating_sub(super::PAGE);
    for place in (from..=facts.place).rev() {
        let found = Cursor { skip: place, left: 1 }.next(admin, 1, Form::Whole).await?.pop();
        if let Some(found) = found.filter(|found| found.is_of(facts)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
