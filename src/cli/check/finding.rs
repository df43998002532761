//! What a check found, in one line.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, but somebody should know.
    Warning,
    /// It does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// `redis`, `mysql`, or a queue.
    pub(super) about: String,
    /// What is so, and what to do where it should not be so.
    pub(super) text: String,
    /// The statement that would fix it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn line(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Problem => "PROBLEM",
        };
        format!("{level:<8} {}: {}", self.about, self.text)
    }
}

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, about: &str, text: impl Into<String>) {
        self.add(Level::Ok, about, text.into(), None);
    }

    pub(super) fn warning(&mut self, about: &str, text: impl Into<String>) {
        self.add(Level::Warning, about, text.into(), None);
    }

    pub(super) fn problem(&mut self, about: &str, text: impl Into<String>) {
        self.add(Level::Problem, about, text.into(), None);
    }

    pub(super) fn fixable(&mut self, about: &str, text: impl Into<String>, fix: String) {
        self.add(Level::Problem, about, text.into(), Some(fix));
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn add(&mut self, level: Level, about: &str, text: String, fix: Option<String>) {
        self.0.push(Finding { level, about: about.to_owned(), text, fix });
    }
}
