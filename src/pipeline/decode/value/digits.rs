//! Numbers with every digit: whole ones and DECIMAL.

use super::{
    super::{
        Code, Rejection, Target,
        form::{Form, padded},
        number::Plain,
    },
    brief,
};
use crate::store::Value;

pub(super) fn integer<'a>(target: &Target, text: &'a str) -> Result<Value<'a>, Rejection> {
    if let Ok(value) = text.parse::<i64>() {
        return signed(target, value);
    }
    if let Ok(value) = text.parse::<u64>() {
        return unsigned(target, value);
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
        Err(_) => match digits.parse::<u64>() {
            Ok(value) => unsigned(target, value),
            // Too large for any integer: the server says so in its own words.
            Err(_) => Ok(Value::Digits(digits.into())),
        },
    }
}

fn unsigned(target: &Target, value: u64) -> Result<Value<'static>, Rejection> {
    if target.form == Form::Counted(value) { Err(last(target, value)) } else { Ok(Value::UInt(value)) }
}

/// Once it is in, the server has no number for a row that gives none, and no larger type to be given.
fn last(target: &Target, value: u64) -> Rejection {
    let problem =
        format!("{value} is the last number that it counts to, and would leave none for rows that give none");
    target.reject(Code::OutOfRange, problem)
}

/// A whole number, but for those that the servers take for others.
fn signed(target: &Target, value: i64) -> Result<Value<'static>, Rejection> {
    match (&target.form, value) {
        (Form::Year, 1..=99) => {
            let problem = format!("{value} is a year of two digits at most; send all four");
            Err(target.reject(Code::BadValue, problem))
        }
        (Form::Counted(end), _) if u64::try_from(value) == Ok(*end) => Err(last(target, *end)),
        (Form::Bit, ..0) => {
            Err(target.reject(Code::OutOfRange, format!("{value} is negative, and a BIT is not")))
        }
        _ => Ok(Value::Int(value)),
    }
}

/// In the form that the column gives back, with all its digits after the point: that is what events say, and rooms.
pub(super) fn decimal<'a>(target: &Target, text: &'a str, scale: u32) -> Result<Value<'a>, Rejection> {
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
