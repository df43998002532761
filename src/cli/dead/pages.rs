//! Reading a queue's dead letters page by page, and choosing among them.

use super::super::reach::InWords as _;
use crate::queue::{Admin, DeadLetter};

/// Letters of one page: a job of a megabyte makes a letter of up to two.
const PAGE: usize = 100;

/// A letter as it stands in the list, and what it says.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) text: Vec<u8>,
    /// `None` for what somebody else has put into the list.
    pub(super) letter: Option<DeadLetter>,
}

/// Which letters are meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Selection {
    /// The letters' ids, as `rowcast dead list --all` shows them
    #[arg(value_name = "ID", conflicts_with = "all")]
    pub(super) ids: Vec<String>,
    /// All of them
    #[arg(long)]
    pub(super) all: bool,
    /// Those with this code: a server's error number, or a word such as not_json
    #[arg(long, value_name = "CODE", conflicts_with = "ids")]
    pub(super) code: Option<String>,
}

impl Selection {
    /// Whether the letter is meant.
    pub(super) fn takes(&self, entry: &Entry) -> bool {
        match (&entry.letter, &self.code) {
            (Some(letter), Some(code)) => letter.code == *code,
            (Some(letter), None) => self.all || self.ids.contains(&letter.id),
            (None, Some(_)) => false,
            (None, None) => self.all,
        }
    }

    /// Whether nothing was chosen.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.all && self.code.is_none()
    }
}

/// The letters of one queue that were there at the start, oldest first.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    queue: &'a str,
    admin: &'a Admin,
    left: usize,
    skip: usize,
}

impl<'a> Pages<'a> {
    pub(super) async fn begin(queue: &'a str, admin: &'a Admin) -> anyhow::Result<Self> {
        let audit = admin.audit().await.in_words(|| format!("cannot read queue {queue:?}"))?;
        let left = usize::try_from(audit.dead_letters).unwrap_or(usize::MAX);
        Ok(Self { queue, admin, left, skip: 0 })
    }

    /// How many letters are still to come.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// The next page; `None` at the end.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Vec<Entry>>> {
        let read = self.admin.dead_letters(self.skip, PAGE.min(self.left)).await;
        let texts = read.in_words(|| format!("cannot read the dead letters of {:?}", self.queue))?;
        if self.left == 0 || texts.is_empty() {
            return Ok(None);
        }
        self.left -= texts.len().min(self.left);
        self.skip += texts.len();
        let entry = |text: Vec<u8>| Entry { letter: DeadLetter::from_json(&text).ok(), text };
        Ok(Some(texts.into_iter().map(entry).collect()))
    }

    /// Says that so many letters of the pages read so far are no longer in the list.
    pub(super) fn removed(&mut self, count: usize) {
        self.skip -= count.min(self.skip);
    }
}
