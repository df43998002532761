//! One JSON value into one column, exactly or not at all.

use std::borrow::Cow;

use base64::{DecodeError, Engine, alphabet, engine};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{
    Code, Rejection, Target,
    clock::clock,
    date::{instant, utc_text},
    form::{Form, padded},
    number::Plain,
};
use crate::{
    route::Conversion,
    store::{ColumnKind, Value},
};

/// How deep JSON for a JSON column may nest; MySQL's own limit. MariaDB's is 32, and it says so itself.
const DEPTH: usize = 100;

/// Base64 with or without padding.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

/// Converts the raw text of a JSON value into a column's value.
pub(super) fn convert<'a>(target: &Target, raw: &'a RawValue) -> Result<Value<'a>, Rejection> {
    let text = raw.get();
    if let Some(conversion) = target.conversion {
        return named(target, conversion, text);
    }
    match text.as_bytes()[0] {
        b'n' => Ok(Value::Null),
        _ if target.kind == ColumnKind::Json => json(target, text),
        b't' => boolean(target, 1),
        b'f' => boolean(target, 0),
        b'"' => string(target, unquote(target, text)?),
        b'[' | b'{' => Err(wrong_type(target, "an object or array; add as = \"json\" to keep its text")),
        _ => number(target, text),
    }
}

fn boolean(target: &Target, value: i64) -> Result<Value<'static>, Rejection> {
    match target.kind {
        ColumnKind::DateTime | ColumnKind::Date | ColumnKind::Time | ColumnKind::Member => {
            Err(wrong_type(target, "a boolean"))
        }
        // 1 is the year 2001 to the servers.
        ColumnKind::Int if target.form == Form::Year => Err(wrong_type(target, "a boolean")),
        // In the form that the column gives back.
        ColumnKind::Text => text(target, value.to_string().into()),
        ColumnKind::Decimal { .. } | ColumnKind::Float => number(target, if value == 0 { "0" } else { "1" }),
        _ => Ok(Value::Int(value)),
    }
}

fn string<'a>(target: &Target, string: Cow<'a, str>) -> Result<Value<'a>, Rejection> {
    match target.kind {
        ColumnKind::Text => text(target, string),
        ColumnKind::Member => member(target, string),
        ColumnKind::Binary => base64(target, &string),
        ColumnKind::DateTime | ColumnKind::Date | ColumnKind::Time => time(target, &string),
        ColumnKind::Int | ColumnKind::Decimal { .. } | ColumnKind::Float => {
            let digits = string.trim();
            if serde_json::from_str::<serde_json::Number>(digits).is_err() {
                return Err(wrong_type(target, "a string that is not a number"));
            }
            // Numbers are short: the copy spares a lifetime for a rare case.
            number(target, digits).map(Value::into_owned)
        }
        ColumnKind::Json | ColumnKind::Other => Err(wrong_type(target, "a string")),
    }
}

fn text<'a>(target: &Target, text: Cow<'a, str>) -> Result<Value<'a>, Rejection> {
    match &target.form {
        Form::Text(room) => room.kept(text).map(Value::Text).ok_or_else(|| {
            let problem = format!(
                "ends in white space that a {} has no room for and would cut off; send it without",
                target.type_name
            );
            target.reject(Code::NotExact, problem)
        }),
        Form::Address(address) => {
            let kept = address.kept(&text).map(|kept| Value::Text(kept.into()));
            let problem = || format!("{:?} is no {}", brief(&text), target.type_name);
            kept.ok_or_else(|| target.reject(Code::BadValue, problem()))
        }
        _ => Ok(Value::Text(text)),
    }
}

/// A member in the table's spelling.
fn member<'a>(target: &Target, text: Cow<'a, str>) -> Result<Value<'a>, Rejection> {
    let Form::Members(members) = &target.form else { return Ok(Value::Text(text)) };
    members.kept(&text).map(|kept| Value::Text(kept.into())).ok_or_else(|| {
        let problem = format!("{:?} names no member of {}", brief(&text), brief(&target.type_name));
        target.reject(Code::BadValue, problem)
    })
}

/// A date, a time, or both, as the column gives it back.
fn time(target: &Target, text: &str) -> Result<Value<'static>, Rejection> {
    let digits = if let Form::Fraction(digits) = target.form { digits } else { 0 };
    let utc = || utc_text(instant(text)?, digits);
    let (value, example) = match target.kind {
        ColumnKind::Time => (clock(text, digits).map(|time| Value::Text(time.into())), "23:59:59"),
        ColumnKind::Date => (utc().map(day), "2026-01-31"),
        _ => (utc().map(Value::DateTime), "2026-01-31T23:59:59Z"),
    };
    let problem =
        || format!("{:?} cannot be read as a {}; send it like {example}", brief(text), target.type_name);
    value.ok_or_else(|| target.reject(Code::BadValue, problem()))
}

fn day(utc: String) -> Value<'static> {
    Value::Text(utc[..10].to_owned().into())
}

fn base64(target: &Target, text: &str) -> Result<Value<'static>, Rejection> {
    match BASE64.decode(text.as_bytes()) {
        Ok(decoded) => bytes(target, decoded),
        Err(error) => Err(not_base64(target, text, &error)),
    }
}

/// Bytes; those that go into a text column as its text, where that is known.
fn bytes(target: &Target, mut bytes: Vec<u8>) -> Result<Value<'static>, Rejection> {
    match &target.form {
        Form::Filled(length) => {
            bytes.resize(bytes.len().max(*length), 0);
            Ok(Value::Bytes(bytes))
        }
        Form::Text(room) => match room.text_of(bytes) {
            Ok(decoded) => text(target, decoded.into()),
            Err(bytes) => Ok(Value::Bytes(bytes)),
        },
        _ => Ok(Value::Bytes(bytes)),
    }
}

fn number<'a>(target: &Target, text: &'a str) -> Result<Value<'a>, Rejection> {
    match target.kind {
        ColumnKind::Int => integer(target, text),
        ColumnKind::Decimal { scale } => decimal(target, text, scale),
        ColumnKind::Float => match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Float(match &target.form {
                Form::Real(real) => real.kept(value),
                _ => value,
            })),
            _ => Err(target.reject(
                Code::OutOfRange,
                format!("{} is beyond what a {} holds", brief(text), target.type_name),
            )),
        },
        ColumnKind::Text => self::text(target, text.into()),
        ColumnKind::DateTime | ColumnKind::Date => Err(wrong_type(
            target,
            "a number; name its unit with as = \"unix_s\", \"unix_ms\" or \"unix_us\"",
        )),
        _ => Err(wrong_type(target, "a number")),
    }
}

fn integer<'a>(target: &Target, text: &'a str) -> Result<Value<'a>, Rejection> {
    if let Ok(value) = text.parse::<i64>() {
        return signed(target, value);
    }
    if let Ok(value) = text.parse::<u64>() {
        return Ok(Value::UInt(value));
    }
    let Some(number) = Plain::parse(text) else {
        return Err(target.reject(Code::OutOfRange, format!("{} is beyond every whole number", brief(text))));
    };
    if number.scale() > 0 {
        return Err(target.reject(Code::NotExact, format!("{} is not a whole number", brief(text))));
    }
    let digits = number.to_string();
    match digits.parse::<i64>() {
        Ok(value) => signed(target, value),
        // Too large for any integer: the server says so in its own words.
        Err(_) => Ok(digits.parse().map_or(Value::Digits(digits.into()), Value::UInt)),
    }
}

/// A whole number, but for those that the servers take for others.
fn signed(target: &Target, value: i64) -> Result<Value<'static>, Rejection> {
    match (&target.form, value) {
        (Form::Year, 1..=99) => {
            let problem = format!("{value} is a year of two digits at most; send all four");
            Err(target.reject(Code::BadValue, problem))
        }
        (Form::Bit, ..0) => {
            Err(target.reject(Code::OutOfRange, format!("{value} is negative, and a BIT is not")))
        }
        _ => Ok(Value::Int(value)),
    }
}

/// In the form that the column gives back, with all its digits after the point: that is what events say, and rooms.
fn decimal<'a>(target: &Target, text: &'a str, scale: u32) -> Result<Value<'a>, Rejection> {
    // Most numbers have that form.
    let fraction = text.bytes().rev().position(|byte| byte == b'.').unwrap_or(0);
    let plain = text.len() <= 64 && !text.contains(['e', 'E']) && !text.starts_with("-0");
    if plain && fraction <= scale as usize {
        let is_whole = fraction == scale as usize;
        return Ok(Value::Digits(if is_whole { text.into() } else { padded(text.to_owned(), scale).into() }));
    }
    let Some(number) = Plain::parse(text) else {
        return Err(target.reject(
            Code::OutOfRange,
            format!("{} is beyond what a {} holds", brief(text), target.type_name),
        ));
    };
    if number.scale() > scale as usize {
        let problem = format!("{} has more digits after the point than {}", brief(text), target.type_name);
        return Err(target.reject(Code::NotExact, problem));
    }
    Ok(Value::Digits(padded(number.to_string(), scale).into()))
}

fn json<'a>(target: &Target, text: &'a str) -> Result<Value<'a>, Rejection> {
    match check_json(text) {
        Ok(()) => Ok(Value::Json(text.into())),
        Err(problem) => Err(target.reject(Code::BadValue, problem)),
    }
}

fn named<'a>(target: &Target, conversion: Conversion, text: &'a str) -> Result<Value<'a>, Rejection> {
    if text == "null" {
        return Ok(Value::Null);
    }
    let unix = |digits: usize| unix(target, text, digits);
    match conversion {
        Conversion::UnixS => unix(0),
        Conversion::UnixMs => unix(3),
        Conversion::UnixUs => unix(6),
        Conversion::Json => json(target, text).map(|value| match (value, target.kind) {
            (Value::Json(text), ColumnKind::Text) => Value::Text(text),
            (value, _) => value,
        }),
        Conversion::Base64 => base64(target, &unquote(target, text)?),
        Conversion::Hex => match unhex(&unquote(target, text)?) {
            Some(decoded) => bytes(target, decoded),
            None => Err(target.reject(Code::BadValue, "is not hexadecimal".into())),
        },
    }
}

/// A number of seconds, 10^-3 or 10^-6 seconds since 1970 to a date and time in UTC.
fn unix(target: &Target, text: &str, digits: usize) -> Result<Value<'static>, Rejection> {
    let bad = || target.reject(Code::BadValue, format!("{} is not a time since 1970", brief(text)));
    let number = Plain::parse(text.trim_matches('"')).ok_or_else(bad)?;
    let nanoseconds = number.scaled(9 - digits).ok_or_else(bad)?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_err(|_| bad())?;
    let text =
        utc_text(at, if let Form::Fraction(digits) = target.form { digits } else { 0 }).ok_or_else(bad)?;
    Ok(if target.kind == ColumnKind::Date { day(text) } else { Value::DateTime(text) })
}

/// In the words of whoever has written it; the library's tell a letter by its number.
fn not_base64(target: &Target, text: &str, error: &DecodeError) -> Rejection {
    let problem = match *error {
        DecodeError::InvalidByte(_, b'-' | b'_') => {
            "is base64 of the kind for URLs; send + for - and / for _".to_owned()
        }
        DecodeError::InvalidByte(_, b'=') => "is not base64: = stands before its end".to_owned(),
        DecodeError::InvalidByte(at, _) => {
            let letter = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
            format!("is not base64: '{}' is none of its characters", letter.escape_debug())
        }
        DecodeError::InvalidLength(_) | DecodeError::InvalidLastSymbol(..) | DecodeError::InvalidPadding => {
            "is not base64: its end is missing or was changed".to_owned()
        }
    };
    target.reject(Code::BadValue, problem)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    digits
        .len()
        .is_multiple_of(2)
        .then(|| digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

/// The text of a JSON string: borrowed when nothing in it is escaped.
fn unquote<'a>(target: &Target, text: &'a str) -> Result<Cow<'a, str>, Rejection> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match inner {
        None => Err(wrong_type(target, "no string")),
        Some(inner) if !inner.contains('\\') => Ok(inner.into()),
        Some(_) => serde_json::from_str::<String>(text).map(Cow::Owned).map_err(|_| {
            target.reject(Code::BadValue, "holds an escape that is no character (a lone surrogate)".into())
        }),
    }
}

/// Checks what the parser lets pass unread: nesting, and escapes that are no characters.
pub(super) fn check_json(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let (mut depth, mut quoted, mut at) = (0usize, false, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += escape_length(&text[at..])? - 1,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth -= 1,
            _ => {}
        }
        if depth > DEPTH {
            return Err(format!("nests deeper than {DEPTH} levels"));
        }
        at += 1;
    }
    Ok(())
}

/// The length of the escape at the beginning, both halves of a surrogate pair together.
fn escape_length(text: &str) -> Result<usize, String> {
    let unit = |at: usize| text.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    if text.as_bytes().get(1) != Some(&b'u') {
        return Ok(2);
    }
    match (unit(2), text.get(6..8), unit(8)) {
        (Some(0xD800..=0xDBFF), Some("\\u"), Some(0xDC00..=0xDFFF)) => Ok(12),
        (Some(0xD800..=0xDFFF), ..) => Err("holds a lone surrogate".into()),
        _ => Ok(6),
    }
}

fn wrong_type(target: &Target, what: &str) -> Rejection {
    target.reject(Code::WrongType, format!("is of the type {} and cannot take {what}", target.type_name))
}

/// A number's text for a message: never more of it than a glance takes in.
fn brief(text: &str) -> Cow<'_, str> {
    if text.len() <= 48 {
        return text.into();
    }
    format!("{}... ({} characters)", text.chars().take(24).collect::<String>(), text.chars().count()).into()
}

#[cfg(test)]
mod tests;
