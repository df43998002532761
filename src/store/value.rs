//! A value on its way into a column.

use std::borrow::Cow;

use sqlx::{Arguments, error::BoxDynError, mysql::MySqlArguments};

/// A value, ready to be bound. Text that the job holds unescaped is borrowed from it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// The job does not have it: the column is left out, so that the server's default applies.
    Absent,
    /// NULL.
    Null,
    /// A whole number.
    Int(i64),
    /// A whole number above what a signed one holds.
    UInt(u64),
    /// A number for FLOAT and DOUBLE.
    Float(f64),
    /// Text; also a number that goes into a text column with its own digits.
    Text(Cow<'a, str>),
    /// Digits for DECIMAL, or for a whole number that no type holds: the server judges those.
    Digits(Cow<'a, str>),
    /// JSON text.
    Json(Cow<'a, str>),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A date and time in UTC, as RFC 3339 writes it: `2026-01-31T23:59:59.5Z`.
    DateTime(String),
}

impl Value<'_> {
    /// Whether the row leaves the column out.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Adds the value to a statement's arguments.
    pub(super) fn bind(&self, arguments: &mut MySqlArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Absent | Self::Null => arguments.add(None::<&str>),
            Self::Int(value) => arguments.add(*value),
            Self::UInt(value) => arguments.add(*value),
            Self::Float(value) => arguments.add(*value),
            Self::Text(text) | Self::Digits(text) | Self::Json(text) => arguments.add(&**text),
            Self::Bytes(bytes) => arguments.add(bytes.as_slice()),
            // The servers take the T, but not the zone; the session's is UTC.
            Self::DateTime(text) => arguments.add(text.trim_end_matches('Z')),
        }
    }

    /// About how many bytes the value takes in a statement.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Absent | Self::Null => 1,
            Self::Int(_) | Self::UInt(_) | Self::Float(_) => 8,
            Self::Text(text) | Self::Digits(text) | Self::Json(text) => text.len() + 9,
            Self::Bytes(bytes) => bytes.len() + 9,
            Self::DateTime(text) => text.len() + 1,
        }
    }

    /// How many bytes of a statement's packet the value takes with its type, beside its bit among the NULLs.
    pub(super) fn sent(&self) -> usize {
        // The length stands before text and bytes.
        let counted = |length: usize| match length {
            0..251 => length + 1,
            251..0x1_0000 => length + 3,
            0x1_0000..0x100_0000 => length + 4,
            _ => length + 9,
        };
        2 + match self {
            Self::Absent | Self::Null => 0,
            Self::Int(_) | Self::UInt(_) | Self::Float(_) => 8,
            Self::Text(text) | Self::Digits(text) | Self::Json(text) => counted(text.len()),
            Self::Bytes(bytes) => counted(bytes.len()),
            Self::DateTime(text) => counted(text.len()),
        }
    }

    /// The value's text as the server would write it, to tell equal keys; `None` for NULL.
    pub fn key_text(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Int(value) => Some(value.to_string().into_bytes().into()),
            Self::UInt(value) => Some(value.to_string().into_bytes().into()),
            Self::Float(value) => Some(value.to_string().into_bytes().into()),
            Self::Text(text) | Self::Digits(text) | Self::Json(text) => Some(text.as_bytes().into()),
            Self::Bytes(bytes) => Some(bytes.as_slice().into()),
            Self::DateTime(text) => Some(text.trim_end_matches('Z').replace('T', " ").into_bytes().into()),
        }
    }

    /// The same value, owning its text.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(text.into_owned().into()),
            Self::Digits(text) => Value::Digits(text.into_owned().into()),
            Self::Json(text) => Value::Json(text.into_owned().into()),
            Self::Absent => Value::Absent,
            Self::Null => Value::Null,
            Self::Int(value) => Value::Int(value),
            Self::UInt(value) => Value::UInt(value),
            Self::Float(value) => Value::Float(value),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::DateTime(text) => Value::DateTime(text),
        }
    }
}
