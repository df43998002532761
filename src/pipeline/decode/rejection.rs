//! Why a job became no row, in words for whoever has written it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::store::MAX_PLACEHOLDERS;

/// Why a job became no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The server's error number, or one of [`Code`].
    pub code: String,
    /// The column, where there is one to blame.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// The reason, in words.
    pub reason: String,
}

/// Our own codes of rejections, beside the server's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The job is no JSON text.
    NotJson,
    /// The job is JSON, but neither an object nor an array of objects.
    NotAnObject,
    /// The job is larger than `ROWCAST_MAX_JOB_BYTES`.
    TooLarge,
    /// The same key stands twice in one object.
    DuplicateKey,
    /// A key that no column takes, where the route rejects those.
    UnknownKey,
    /// A column without a default has no value.
    Missing,
    /// A value of a type that the column cannot take.
    WrongType,
    /// A value that the conversion does not understand.
    BadValue,
    /// A value that the column would round or cut.
    NotExact,
    /// A number beyond the column's range.
    OutOfRange,
    /// The job crashed every worker that took it.
    Crashed,
    /// An array of which some rows are there already.
    PartlyDuplicate,
}

impl Rejection {
    pub(super) fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code: code.to_string(), column: None, reason: reason.into() }
    }

    /// A job that crashed so many workers.
    pub fn crashed(times: u32) -> Self {
        Self::new(
            Code::Crashed,
            format!("{times} workers crashed while they held this job alone or in a claim"),
        )
    }

    /// A job that the server refused.
    pub fn server(code: &str, column: Option<String>, message: &str) -> Self {
        Self { code: code.to_owned(), column, reason: message.to_owned() }
    }

    /// An array with more values than one statement takes.
    pub fn too_many_values(rows: usize, columns: usize) -> Self {
        let fit = MAX_PLACEHOLDERS / columns.max(1);
        let reason = format!(
            "its {rows} rows go in whole or not at all, with one statement, which takes {MAX_PLACEHOLDERS} values: \
             {fit} rows of {columns} each; send fewer"
        );
        Self::new(Code::TooLarge, reason)
    }

    /// An array with more rows than are held in memory.
    pub fn beyond_memory(rows: usize, fit: usize) -> Self {
        let reason = format!(
            "its {rows} rows go in whole or not at all, and {fit} of a table with so many columns are held in \
             memory; send fewer"
        );
        Self::new(Code::TooLarge, reason)
    }

    /// An array with more bytes than one statement takes.
    pub fn beyond_packet_together(rows: usize, fit: usize, packet: usize) -> Self {
        let reason = format!(
            "its {rows} rows go in whole or not at all, and {fit} of them are what the database takes at once \
             (max_allowed_packet is {packet}); send fewer"
        );
        Self::new(Code::TooLarge, reason)
    }

    /// A row that no statement can carry.
    pub fn beyond_packet(packet: usize) -> Self {
        let reason = format!(
            "its row is larger than what the database takes at once (max_allowed_packet is {packet})"
        );
        Self::new(Code::TooLarge, reason)
    }

    /// An array whose rows do not give the same columns.
    pub fn uneven_rows() -> Self {
        let reason = "some of its rows leave out columns with a default that others give; \
                      give them in all rows of an array or in none";
        Self::new(Code::Missing, reason)
    }

    /// An array of which only some rows are in the table.
    pub fn partly_duplicate(known: usize, of: usize) -> Self {
        Self::new(
            Code::PartlyDuplicate,
            format!(
                "{known} of its {of} rows are in the table already; an array goes in whole or not at all"
            ),
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::TooLarge => "too_large",
            Self::DuplicateKey => "duplicate_key",
            Self::UnknownKey => "unknown_key",
            Self::Missing => "missing",
            Self::WrongType => "wrong_type",
            Self::BadValue => "bad_value",
            Self::NotExact => "not_exact",
            Self::OutOfRange => "out_of_range",
            Self::Crashed => "crashed",
            Self::PartlyDuplicate => "partly_duplicate",
        })
    }
}
