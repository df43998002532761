//! One JSON value into one column, exactly or not at all.

mod bytes;
mod digits;
pub(super) mod json;

use std::borrow::Cow;

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{
    Code, Rejection, Target,
    clock::clock,
    date::{instant, utc_text},
    form::Form,
    number::Plain,
};
use crate::{
    route::Conversion,
    store::{ColumnKind, Value},
};

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
        ColumnKind::Binary => bytes::base64(target, &string),
        ColumnKind::DateTime | ColumnKind::Date | ColumnKind::Time => time(target, &string),
        ColumnKind::Int | ColumnKind::Decimal { .. } | ColumnKind::Float => {
            let digits = match string.trim() {
                "0000" if target.form == Form::Year => "0",
                digits => digits,
            };
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
    let digits = target.form.digits();
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

fn number<'a>(target: &Target, text: &'a str) -> Result<Value<'a>, Rejection> {
    match target.kind {
        ColumnKind::Int => digits::integer(target, text),
        ColumnKind::Decimal { scale } => digits::decimal(target, text, scale),
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

fn json<'a>(target: &Target, text: &'a str) -> Result<Value<'a>, Rejection> {
    match json::check(text) {
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
        Conversion::Base64 => bytes::base64(target, &unquote(target, text)?),
        Conversion::Hex => bytes::hex(target, &unquote(target, text)?),
    }
}

/// A number of seconds, 10^-3 or 10^-6 seconds since 1970 to a date and time in UTC.
fn unix(target: &Target, text: &str, digits: usize) -> Result<Value<'static>, Rejection> {
    let bad = || target.reject(Code::BadValue, format!("{} is not a time since 1970", brief(text)));
    let number = Plain::parse(text.trim_matches('"')).ok_or_else(bad)?;
    let nanoseconds = number.scaled(9 - digits).ok_or_else(bad)?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).map_err(|_| bad())?;
    let text = utc_text(at, target.form.digits()).ok_or_else(bad)?;
    Ok(if target.kind == ColumnKind::Date { day(text) } else { Value::DateTime(text) })
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
