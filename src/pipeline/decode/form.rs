//! How a column keeps the values of its kind, as far as its type says more than the kind. Pure.
//!
//! The servers change some values without a word, in strict mode too. What a column would keep otherwise than it was
//! sent is either sent as the column keeps it, so that an event says the same live and read back, or refused.

mod address;
mod members;
mod real;
mod text;

pub(super) use address::Address;
pub(super) use members::Members;
pub(super) use real::Real;
pub(super) use text::Room;

use crate::store::{Column, ColumnKind};

/// How a column keeps values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// As they are.
    Plain,
    /// CHAR, VARCHAR and TEXT: so much of them.
    Text(Room),
    /// MariaDB's UUID, INET4 and INET6: in their one spelling.
    Address(Address),
    /// ENUM and SET: in the spelling of the table.
    Members(Members),
    /// DATETIME, TIMESTAMP and TIME: with so many digits of a second's fraction.
    Fraction(usize),
    /// BIT: without a sign.
    Bit,
    /// A BIGINT that the server counts: without its last number, which would leave none for rows that give none.
    Counted(u64),
    /// YEAR: with all its digits.
    Year,
    /// FLOAT and DOUBLE: as near as they come.
    Real(Real),
    /// BINARY: filled up with zeros to so many bytes.
    Filled(usize),
}

impl Form {
    pub(super) fn of(column: &Column) -> Self {
        let type_name = column.type_name.as_str();
        let name = type_name.split(['(', ' ']).next().unwrap_or(type_name);
        let size = type_name.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(size, _)| size);
        let length = || size.and_then(|size| size.parse().ok());
        match (column.kind, name) {
            (ColumnKind::Text, "uuid") => Self::Address(Address::Uuid),
            (ColumnKind::Text, "inet4") => Self::Address(Address::Inet4),
            (ColumnKind::Text, "inet6") => Self::Address(Address::Inet6),
            (ColumnKind::Text, _) => Self::Text(Room::of(name, length(), column.collation.as_deref())),
            (ColumnKind::Member, _) => Self::Members(Members::of(type_name, column.collation.as_deref())),
            (ColumnKind::DateTime | ColumnKind::Time, _) => Self::Fraction(length().unwrap_or(0)),
            (ColumnKind::Int, "bit") => Self::Bit,
            (ColumnKind::Int, "year") => Self::Year,
            (ColumnKind::Int, "bigint") if column.auto_increment => {
                Self::Counted(if type_name.contains("unsigned") { u64::MAX } else { i64::MAX.unsigned_abs() })
            }
            (ColumnKind::Float, _) => Self::Real(Real::of(name, size)),
            (ColumnKind::Binary, "binary") => Self::Filled(length().unwrap_or(0)),
            _ => Self::Plain,
        }
    }

    /// How many digits of a second's fraction there are.
    pub(super) fn digits(&self) -> usize {
        if let Self::Fraction(digits) = self { *digits } else { 0 }
    }
}

/// Digits with as many after the point as the column has; there are not more.
pub(super) fn padded(mut digits: String, scale: u32) -> String {
    let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if fraction == 0 && scale > 0 {
        digits.push('.');
    }
    digits.extend(std::iter::repeat_n('0', (scale as usize).saturating_sub(fraction)));
    digits
}
