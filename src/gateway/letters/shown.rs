//! A dead letter as the page shows it, with its job's beginning. Pure.

use serde::Serialize;

use crate::{dead::Entry, queue::DeadLetter};

/// More of a job than this is not shown; whoever wants it downloads it.
const SHOWN: usize = 128 << 10;

/// A letter as the page shows it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
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
    pub(super) fn of(entry: &Entry) -> Self {
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
