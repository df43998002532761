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
                return whole(admin, id, found.place).await;
            }
        }
        end = from;
    }
    Ok(None)
}

/// The letter at this place or, when older ones are taken in this very moment, a little before it.
async fn whole(admin: &Admin, id: &str, place: u64) -> RedisResult<Option<Entry>> {
    let from = place.saturating_sub(super::PAGE);
    for place in (from..=place).rev() {
        let found = Cursor { skip: place, left: 1 }.next(admin, 1, Form::Whole).await?.pop();
        if let Some(found) = found.filter(|found| found.is(id)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
