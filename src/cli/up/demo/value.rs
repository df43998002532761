//! The value that the demo's n-th job has for a column. Pure.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{pipeline::decode::Target, route::Conversion, store::ColumnKind};

/// A value that the column takes, another one for each job as far as its type has so many; none for a type that no
/// JSON value goes into. `n` is a time in milliseconds since 1970.
pub(super) fn value(target: &Target, n: u64) -> Option<Value> {
    let kind = target.type_name.as_str();
    Some(match (target.conversion, target.kind) {
        (Some(Conversion::UnixS), _) => json!(n / 1_000),
        (Some(Conversion::UnixMs), _) => json!(n),
        (Some(Conversion::UnixUs), _) => json!(n * 1_000),
        (Some(Conversion::Json), _) | (None, ColumnKind::Json) => json!({ "demo": n }),
        (Some(Conversion::Hex), _) => json!(hex(&text(kind, n))),
        (Some(Conversion::Base64), _) | (None, ColumnKind::Binary) => json!(STANDARD.encode(text(kind, n))),
        (None, ColumnKind::Int) => json!(whole(kind, n)),
        (None, ColumnKind::Decimal { scale }) => json!(decimal(kind, scale, n)),
        (None, ColumnKind::Float) => json!((n % 1_000) as f64 + 0.5),
        (None, ColumnKind::Text) => json!(text(kind, n)),
        (None, ColumnKind::Member) => json!(first_member(kind)?),
        (None, ColumnKind::DateTime) => json!(utc(n)?),
        (None, ColumnKind::Date) => json!(utc(n)?.get(..10)?),
        (None, ColumnKind::Time) => json!(utc(n)?.get(11..19)?),
        (None, ColumnKind::Other) => return None,
    })
}

/// As RFC 3339 has it.
fn utc(n: u64) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(n) * 1_000_000).ok()?;
    at.format(&Rfc3339).ok()
}

/// What stands in brackets after a type's name: `12,2`.
fn size(kind: &str) -> Option<&str> {
    Some(kind.split_once('(')?.1.split_once(')')?.0)
}

fn whole(kind: &str, n: u64) -> u64 {
    let name = kind.split(['(', ' ']).next().unwrap_or(kind);
    match name {
        // What BOOLEAN is called.
        "tinyint" if size(kind) == Some("1") => n % 2,
        "tinyint" => n % (1 << 7),
        "smallint" => n % (1 << 15),
        "mediumint" => n % (1 << 23),
        "int" => n % (1 << 31),
        "bit" => n % (1 << size(kind).and_then(|bits| bits.parse().ok()).unwrap_or(1).min(62_u32)),
        "year" => 2_000 + n % 100,
        _ => n,
    }
}

/// A price, as a string because a number would pass through a float.
fn decimal(kind: &str, scale: u32, n: u64) -> String {
    let digits = size(kind).and_then(|size| size.split(',').next()?.parse().ok()).unwrap_or(scale);
    let whole = n % 10_u64.pow(digits.saturating_sub(scale).min(3));
    match scale.min(2) {
        0 => whole.to_string(),
        width => format!("{whole}.{:0width$}", n % 10_u64.pow(width), width = width as usize),
    }
}

/// Its end, where the column is too short for the whole.
fn text(kind: &str, n: u64) -> String {
    if kind == "uuid" {
        return format!("00000000-0000-4000-8000-{n:012x}");
    }
    let whole = format!("demo-{n}");
    let most = size(kind).and_then(|size| size.parse().ok()).unwrap_or(whole.len());
    whole[whole.len().saturating_sub(most)..].to_owned()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// `a` of `enum('a','b')`.
fn first_member(kind: &str) -> Option<String> {
    let (_, members) = kind.split_once("('")?;
    let first = members.split("','").next()?;
    Some(first.trim_end_matches("')").replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Column;

    const N: u64 = 1_700_000_000_123;

    fn of(kind: ColumnKind, type_name: &str, conversion: Option<Conversion>) -> Option<Value> {
        let column = Column {
            name: "c".into(),
            kind,
            type_name: type_name.into(),
            collation: None,
            nullable: false,
            has_default: false,
            auto_increment: false,
            generated: false,
            unique: false,
            primary: false,
        };
        let target = Target::new(&column, conversion);
        value(&target, N)
    }

    #[test]
    fn a_value_is_within_its_columns_range_and_length() {
        use ColumnKind::{Decimal, Int, Member, Text};
        let cases = [
            (Int, "bigint(20) unsigned", json!(N)),
            (Int, "int", json!(N % (1 << 31))),
            (Int, "tinyint(1)", json!(1)),
            (Int, "tinyint", json!(N % 128)),
            (Int, "bit(3)", json!(N % 8)),
            (Int, "year(4)", json!(2023)),
            (Decimal { scale: 2 }, "decimal(12,2)", json!("123.23")),
            (Decimal { scale: 0 }, "decimal(2,0)", json!("23")),
            (Decimal { scale: 4 }, "decimal(4,4)", json!("0.23")),
            (Text, "varchar(191)", json!("demo-1700000000123")),
            (Text, "char(2)", json!("23")),
            (Text, "longtext", json!("demo-1700000000123")),
            (Member, "enum('it''s','b')", json!("it's")),
            (Member, "set('a')", json!("a")),
            (ColumnKind::DateTime, "datetime", json!("2023-11-14T22:13:20.123Z")),
            (ColumnKind::Date, "date", json!("2023-11-14")),
            (ColumnKind::Time, "time", json!("22:13:20")),
            (ColumnKind::Binary, "varbinary(3)", json!(STANDARD.encode("123"))),
        ];
        for (kind, type_name, expected) in cases {
            assert_eq!(of(kind, type_name, None), Some(expected), "{type_name}");
        }
        assert_eq!(of(ColumnKind::Other, "point", None), None);
    }

    #[test]
    fn a_value_is_what_its_conversion_reads() {
        let cases = [
            (Conversion::UnixS, json!(1_700_000_000)),
            (Conversion::UnixMs, json!(N)),
            (Conversion::UnixUs, json!(N * 1_000)),
            (Conversion::Hex, json!("3233")),
            (Conversion::Json, json!({ "demo": N })),
        ];
        for (conversion, expected) in cases {
            assert_eq!(of(ColumnKind::Text, "char(2)", Some(conversion)), Some(expected), "{conversion}");
        }
    }
}
