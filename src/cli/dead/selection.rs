//! Choosing among dead letters.

use crate::dead::Entry;

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
        match (&entry.facts, &self.code) {
            (Some(facts), Some(code)) => facts.code == *code,
            (Some(facts), None) => self.all || self.ids.contains(&facts.id),
            (None, Some(_)) => false,
            (None, None) => self.all,
        }
    }

    /// Whether nothing was chosen.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty() && !self.all && self.code.is_none()
    }
}
