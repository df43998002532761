//! Reading a queue's dead letters page by page.

use redis::RedisResult;
use serde::{Deserialize, Serialize};

use crate::queue::{Admin, DeadLetter, Facts, Form};

/// How far a queue's letters were gone through, from the oldest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Letters that were passed over: those that stay.
    pub skip: u64,
    /// Letters still to come, of those that were there at the start.
    pub left: u64,
}

/// A letter as it stands in the list, and what it says.
#[derive(Debug)]
pub struct Entry {
    /// Its place, the oldest being 0. It comes nearer to that when older ones are taken.
    pub place: u64,
    /// How long its whole text is.
    pub bytes: u64,
    /// Its text: whole, or without the job.
    pub text: Vec<u8>,
    /// `None` for what somebody else has put into the list.
    pub facts: Option<Facts>,
}

impl Entry {
    /// What it says, with the job; only where it was read whole, and not of what somebody else has put there.
    pub fn letter(&self) -> Option<DeadLetter> {
        DeadLetter::from_json(&self.text).ok()
    }

    /// Whether it is the letter that was read without its job as the other one.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        match (&self.facts, &other.facts) {
            (Some(own), Some(other)) => own.id == other.id,
            (None, None) => self.text.starts_with(&other.text),
            _ => false,
        }
    }

    /// Whether it is the letter with this id.
    pub fn is(&self, id: &str) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.id == id)
    }
}

impl Cursor {
    /// Before the oldest one.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn start(admin: &Admin) -> RedisResult<Self> {
        Ok(Self { skip: 0, left: admin.count_dead().await? })
    }

    /// The next page, of so many letters at most, and fewer where they are large; empty at the end.
    ///
    /// # Errors
    /// Any error of Redis.
    pub async fn next(&mut self, admin: &Admin, most: u64, form: Form) -> RedisResult<Vec<Entry>> {
        let read = admin.dead_letters(self.skip, most.min(self.left), form).await?;
        let first = self.skip;
        self.skip += read.len() as u64;
        // Fewer than there were: others have taken some.
        self.left = if read.is_empty() { 0 } else { self.left - read.len() as u64 };
        let entry = |(place, (text, bytes)): (u64, (Vec<u8>, u64))| Entry {
            place,
            bytes,
            facts: serde_json::from_slice(&text).ok(),
            text,
        };
        Ok((first..).zip(read).map(entry).collect())
    }

    /// Says that so many of the letters read last were not looked at.
    pub(super) fn back(&mut self, count: u64) {
        self.skip -= count.min(self.skip);
        self.left += count;
    }

    /// Says that so many letters of the pages read so far are no longer in the list.
    pub fn taken(&mut self, count: u64) {
        self.skip = self.skip.saturating_sub(count);
    }
}
