//! An alert as it stands in the book that all gateways share. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alert::{Alert, State};

/// What is known of an open alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) alert: Alert,
    /// Nothing of it is to be sent now.
    pub(super) told: bool,
    /// Nobody heard of its beginning, because there was too much to tell: nobody need hear of its end.
    pub(super) left_out: bool,
}

impl Entry {
    pub(super) fn new(alert: Alert) -> Self {
        Self { alert, told: false, left_out: false }
    }

    /// What comes after what was known before; `None` is nothing more.
    pub(super) fn after(before: Option<&Self>, alert: Alert) -> Option<Self> {
        let unheard = before.is_some_and(|before| before.left_out) && alert.state == State::Ends;
        (!unheard).then(|| Self::new(alert))
    }

    /// What is left when it has been told: what has begun stays open.
    pub(super) fn settled(&self) -> Option<Self> {
        (self.alert.state == State::Begins).then(|| Self { told: true, ..self.clone() })
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What stands in the book. What another release has written there in another form is left as it is.
    pub(super) fn all(book: BTreeMap<String, String>) -> BTreeMap<String, (String, Self)> {
        let read = |(key, text): (String, String)| {
            let entry = serde_json::from_str(&text).ok()?;
            Some((key, (text, entry)))
        };
        book.into_iter().filter_map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_the_book_can_be_read_again_and_what_is_not_ours_is_left() {
        let entry = Entry::new(Alert::test(7));
        let book = BTreeMap::from([("a".to_owned(), entry.text()), ("b".to_owned(), "{}".to_owned())]);
        let read = Entry::all(book);
        assert_eq!(read.into_values().map(|(_, entry)| entry).collect::<Vec<_>>(), [entry]);
    }
}
