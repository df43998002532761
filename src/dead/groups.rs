//! Letters that died of the same. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Entry;
use crate::queue::Facts;

/// What letters died of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Their queue.
    pub queue: String,
    /// Their code.
    pub code: String,
    /// The column, where there is one to blame.
    pub column: Option<String>,
    /// The reason, without what differs from letter to letter.
    pub reason: String,
}

/// A group, and what is known of its letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// How many there are.
    pub count: u64,
    /// The oldest letter's id; `None` for what rowcast has not written.
    pub id: Option<String>,
    /// Where the oldest one was read.
    #[serde(skip)]
    pub place: u64,
    /// When the oldest was rejected.
    pub oldest: Option<String>,
    /// When the newest was.
    pub newest: Option<String>,
    /// The reason in all its words, while no other letter has other ones.
    #[serde(skip)]
    pub whole: Option<String>,
    /// What they died of.
    #[serde(flatten)]
    pub group: Group,
}

/// The groups of letters that are told one by one, oldest first.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<Group, Counted>);

impl Group {
    /// What a letter of this queue died of.
    pub fn of(queue: &str, entry: &Entry) -> Self {
        let queue = queue.to_owned();
        match &entry.facts {
            Some(Facts { code, column, reason, .. }) => {
                Self { queue, code: code.clone(), column: column.clone(), reason: general(reason) }
            }
            None => {
                let reason = "not written by rowcast".to_owned();
                Self { queue, code: "unreadable".into(), column: None, reason }
            }
        }
    }
}

impl Groups {
    /// Counts one more.
    pub fn add(&mut self, queue: &str, entry: &Entry) {
        let group = Group::of(queue, entry);
        let facts = entry.facts.as_ref();
        let at = facts.map(|facts| facts.at.clone());
        let whole = facts.map(|facts| facts.reason.clone());
        let first = Counted {
            count: 0,
            id: facts.map(|facts| facts.id.clone()),
            place: entry.place,
            oldest: at.clone(),
            newest: None,
            whole: whole.clone(),
            group: group.clone(),
        };
        let counted = self.0.entry(group).or_insert(first);
        counted.count += 1;
        counted.newest = at;
        counted.whole = counted.whole.take().filter(|same| Some(same) == whole.as_ref());
    }

    /// The groups, the largest first.
    pub fn into_sorted(self) -> Vec<Counted> {
        let mut counted: Vec<Counted> = self.0.into_values().collect();
        counted.sort_by_key(|group| std::cmp::Reverse(group.count));
        counted
    }
}

/// A reason without the values and row numbers in it, which differ from letter to letter: names of columns and keys
/// stay.
fn general(reason: &str) -> String {
    let mut text = String::new();
    for (at, part) in reason.split('\'').enumerate() {
        let names = ["column ", "Field ", "key "].iter().any(|word| text.ends_with(word));
        if at > 0 {
            text.push('\'');
        }
        text.push_str(if at % 2 == 1 && !names { "..." } else { part });
    }
    text.rsplit_once(" at row ").map(|(before, _)| before.to_owned()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_values_alone_are_one_group() {
        let long = |row: u32| general(&format!("Data too long for column 'openid' at row {row}"));
        assert_eq!(long(1), "Data too long for column 'openid'");
        assert_eq!(long(1), long(2));
        let twice = |value: &str| general(&format!("Duplicate entry '{value}' for key 'openid'"));
        assert_eq!(twice("a"), twice("b"));
        assert_eq!(twice("a"), "Duplicate entry '...' for key 'openid'");
    }
}
