//! Going through a queue's letters, and taking some of them out.

use std::time::{Duration, Instant};

use redis::RedisResult;

use super::{Cursor, Entry};
use crate::queue::{Admin, Fate, Form, Taken};

/// Letters that one step looks at, and those that one request reads of them without their jobs.
const LOOKED: u64 = 2_000;
const MANY: u64 = 500;
/// Letters of so many bytes are taken at once, and one more at most: they go through memory whole.
const BYTES: u64 = 8 << 20;
/// Cutting letters out from behind hundreds of thousands that stay keeps Redis busy for a tenth of a second or two. So
/// many times as long it is left to others then, but for no longer than this.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(1);

/// What became of some letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Letters that were looked at.
    pub looked: u64,
    /// Letters that were taken.
    pub taken: u64,
}

/// Looks at the next letters, and takes those that are meant, so many at most and some megabytes of them, in one
/// atomic step. `None` at the end.
/// It may be run again after any error: what was taken is not there any more.
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
    let (mut looked, mut meant, mut bytes) = (0, Vec::new(), 0);
    while looked < LOOKED && (meant.len() as u64) < most && bytes < BYTES {
        let page = cursor.next(admin, MANY, Form::Facts).await?;
        if page.is_empty() {
            break;
        }
        let mut behind = page.len() as u64;
        for entry in page {
            (looked, behind) = (looked + 1, behind - 1);
            if is_meant(&entry) {
                bytes += entry.bytes;
                meant.push(entry);
            }
            if meant.len() as u64 == most || bytes >= BYTES {
                cursor.back(behind);
                break;
            }
        }
    }
    if looked == 0 {
        return Ok(None);
    }
    let letters = whole(admin, &meant).await?;
    let begun = Instant::now();
    let taken = take(admin, fate, letters, None).await?;
    cursor.taken(taken);
    if begun.elapsed() > Duration::from_millis(5) {
        tokio::time::sleep((begun.elapsed() * REST).min(LONGEST_REST)).await;
    }
    Ok(Some(Step { looked, taken }))
}

/// The letters that were read without their jobs, whole; but for those that are not there any more.
async fn whole(admin: &Admin, meant: &[Entry]) -> RedisResult<Vec<Entry>> {
    let mut letters: Vec<Entry> = Vec::new();
    for neighbours in meant.chunk_by(|one, next| one.place + 1 == next.place) {
        let mut cursor = Cursor { skip: neighbours[0].place, left: neighbours.len() as u64 };
        let mut known = neighbours.iter();
        loop {
            let page = cursor.next(admin, MANY, Form::Whole).await?;
            if page.is_empty() {
                break;
            }
            letters.extend(
                page.into_iter()
                    .zip(&mut known)
                    .filter(|(whole, facts)| whole.is_of(facts))
                    .map(|(whole, _)| whole),
            );
        }
    }
    Ok(letters)
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
