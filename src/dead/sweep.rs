//! Going through a queue's letters, and taking some of them out.

use redis::RedisResult;

use super::{Cursor, Entry};
use crate::queue::{Admin, Fate, Form, Taken};

/// What became of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Letters that were looked at.
    pub looked: u64,
    /// Letters that were taken.
    pub taken: u64,
}

/// Reads the next page, of so many letters at most, and takes those of it that are meant, in one atomic step. `None` at
/// the end. It may be run again after any error: what was taken is not there any more.
///
/// # Errors
/// Any error of Redis.
pub async fn step(
    admin: &Admin,
    cursor: &mut Cursor,
    fate: Fate,
    most: u64,
    mut is_meant: impl FnMut(&Entry) -> bool,
) -> RedisResult<Option<Step>> {
    let mut page = cursor.next(admin, most, Form::Whole).await?;
    if page.is_empty() {
        return Ok(None);
    }
    let looked = page.len() as u64;
    page.retain(|entry| is_meant(entry));
    let taken = take(admin, fate, page, None).await?;
    cursor.taken(taken);
    Ok(Some(Step { looked, taken }))
}

/// Takes letters, read whole, out of their list, in one atomic step; `edited` goes to the queue in place of their own
/// jobs. Returns how many were there.
///
/// # Errors
/// Any error of Redis; whether they were taken is not known then.
pub async fn take(admin: &Admin, fate: Fate, entries: Vec<Entry>, edited: Option<&[u8]>) -> RedisResult<u64> {
    let taken = |entry: Entry| {
        let job = match (fate, edited) {
            (Fate::Purge, _) => Vec::new(),
            (Fate::Retry, Some(edited)) => edited.to_vec(),
            // What is no letter of ours holds no job that could go back.
            (Fate::Retry, None) => entry.letter()?.raw_bytes(),
        };
        Some(Taken { place: entry.place, text: entry.text, job })
    };
    let letters: Vec<Taken> = entries.into_iter().filter_map(taken).collect();
    if letters.is_empty() { Ok(0) } else { admin.take_dead(fate, &letters).await }
}
