//! Bytes, which JSON has none of: base64 or hexadecimal text.

use base64::{DecodeError, Engine, alphabet, engine};

use super::super::{Code, Rejection, Target, form::Form};
use crate::store::Value;

/// Base64 with or without padding.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new().with_decode_padding_mode(engine::DecodePaddingMode::Indifferent),
);

pub(super) fn base64(target: &Target, text: &str) -> Result<Value<'static>, Rejection> {
    match BASE64.decode(text.as_bytes()) {
        Ok(decoded) => bytes(target, decoded),
        Err(error) => Err(not_base64(target, text, &error)),
    }
}

pub(super) fn hex(target: &Target, text: &str) -> Result<Value<'static>, Rejection> {
    match unhex(text) {
        Some(decoded) => bytes(target, decoded),
        None => Err(target.reject(Code::BadValue, "is not hexadecimal".into())),
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
            Ok(decoded) => super::text(target, decoded.into()),
            Err(bytes) => Ok(Value::Bytes(bytes)),
        },
        _ => Ok(Value::Bytes(bytes)),
    }
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
