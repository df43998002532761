//! MessagePack to [`Value`], for whatever any generation of notepack, or another encoder, may have written.
//!
//! Promises: malformed bytes are an error and never a panic, nothing is allocated that the bytes do not back,
//! and the depth is limited. Dates become ISO strings, whichever extension carried them.

mod glance;

use rmp::Marker;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::{MAX_DEPTH, Value};
pub(super) use glance::rooms;

/// A value of the deepest nesting that may be sent, inside the arrays and maps of the message around it.
const MAX_MESSAGE_DEPTH: usize = MAX_DEPTH + 8;

/// Why bytes are not MessagePack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnpackError {
    #[error("it ends in the middle of a value")]
    CutOff,
    #[error("it has bytes behind its end")]
    Trailing,
    #[error("it is nested deeper than {MAX_MESSAGE_DEPTH} levels")]
    TooDeep,
    #[error("0xc1 begins no value")]
    Unknown,
    #[error("a key of a map is neither a string nor a number nor a boolean")]
    Key,
}

/// Reads exactly one value, to the last byte.
pub(super) fn value(bytes: &[u8]) -> Result<Value, UnpackError> {
    let mut reader = Reader { rest: bytes };
    let value = reader.value(0)?;
    if reader.rest.is_empty() { Ok(value) } else { Err(UnpackError::Trailing) }
}

/// The length of the array (or of nil, which counts as an empty one) that the bytes begin with, and of its header.
pub(super) fn arguments_header(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut reader = Reader { rest: bytes };
    let length = match reader.marker().ok()? {
        Marker::Null => 0,
        Marker::FixArray(length) => length.into(),
        Marker::Array16 => reader.length(2).ok()?,
        Marker::Array32 => reader.length(4).ok()?,
        _ => return None,
    };
    Some((length, bytes.len() - reader.rest.len()))
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn value(&mut self, depth: usize) -> Result<Value, UnpackError> {
        if depth > MAX_MESSAGE_DEPTH {
            return Err(UnpackError::TooDeep);
        }
        Ok(match self.marker()? {
            Marker::Null => Value::Nil,
            Marker::True => Value::Bool(true),
            Marker::False => Value::Bool(false),
            Marker::FixPos(value) => Value::Int(value.into()),
            Marker::FixNeg(value) => Value::Int(value.into()),
            Marker::U8 => self.uint(1)?,
            Marker::U16 => self.uint(2)?,
            Marker::U32 => self.uint(4)?,
            Marker::U64 => self.uint(8)?,
            Marker::I8 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => Value::Int(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => Value::Int(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => Value::Int(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Value::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Value::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(length) => self.string(length.into())?,
            Marker::Str8 => self.sized(1, Self::string)?,
            Marker::Str16 => self.sized(2, Self::string)?,
            Marker::Str32 => self.sized(4, Self::string)?,
            Marker::Bin8 => self.sized(1, Self::binary)?,
            Marker::Bin16 => self.sized(2, Self::binary)?,
            Marker::Bin32 => self.sized(4, Self::binary)?,
            Marker::FixArray(length) => self.list(length.into(), depth)?,
            Marker::Array16 => self.sized(2, |reader, length| reader.list(length, depth))?,
            Marker::Array32 => self.sized(4, |reader, length| reader.list(length, depth))?,
            Marker::FixMap(length) => self.map(length.into(), depth)?,
            Marker::Map16 => self.sized(2, |reader, length| reader.map(length, depth))?,
            Marker::Map32 => self.sized(4, |reader, length| reader.map(length, depth))?,
            Marker::FixExt1 => self.extension(1, true)?,
            Marker::FixExt2 => self.extension(2, true)?,
            Marker::FixExt4 => self.extension(4, true)?,
            Marker::FixExt8 => self.extension(8, true)?,
            Marker::FixExt16 => self.extension(16, true)?,
            Marker::Ext8 => self.sized(1, |reader, length| reader.extension(length, false))?,
            Marker::Ext16 => self.sized(2, |reader, length| reader.extension(length, false))?,
            Marker::Ext32 => self.sized(4, |reader, length| reader.extension(length, false))?,
            Marker::Reserved => return Err(UnpackError::Unknown),
        })
    }

    fn list(&mut self, length: usize, depth: usize) -> Result<Value, UnpackError> {
        // An announced length is not believed: it reserves no more than the bytes that are there.
        let mut values = Vec::with_capacity(length.min(self.rest.len()).min(1024));
        for _ in 0..length {
            values.push(self.value(depth + 1)?);
        }
        Ok(Value::Array(values))
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, UnpackError> {
        let mut pairs = Vec::with_capacity(length.min(self.rest.len()).min(1024));
        for _ in 0..length {
            let key = match self.value(depth + 1)? {
                Value::Str(key) => key,
                Value::Int(key) => key.to_string(),
                Value::UInt(key) => key.to_string(),
                Value::Float(key) => key.to_string(),
                Value::Bool(key) => key.to_string(),
                _ => return Err(UnpackError::Key),
            };
            pairs.push((key, self.value(depth + 1)?));
        }
        Ok(Value::Map(pairs))
    }

    /// An extension, `fixed` when its length is part of its marker.
    ///
    /// notepack 2 writes all of its own as type 0: `undefined` as fixext 1, a date as fixext 8 with milliseconds, and
    /// an ArrayBuffer, of whatever size, as ext 8, 16 or 32. Type -1 is MessagePack's own timestamp. Any other comes
    /// out as notepack reads it: type and bytes.
    fn extension(&mut self, length: usize, fixed: bool) -> Result<Value, UnpackError> {
        let kind = i8::from_be_bytes(self.array()?);
        let bytes = self.take(length)?;
        Ok(match (kind, fixed, bytes) {
            (0, true, [_]) => Value::Nil,
            (0, true, bytes) if bytes.len() == 8 => {
                date(i128::from(i64::from_be_bytes(be(bytes))) * 1_000_000)
            }
            (0, false, bytes) => Value::Bin(bytes.to_vec()),
            (-1, _, bytes) if matches!(bytes.len(), 4 | 8 | 12) => timestamp(bytes),
            (kind, _, bytes) => Value::Array(vec![Value::Int(kind.into()), Value::Bin(bytes.to_vec())]),
        })
    }

    /// What is not UTF-8 is replaced, as Node does; a lone surrogate arrives so.
    fn string(&mut self, length: usize) -> Result<Value, UnpackError> {
        Ok(Value::Str(String::from_utf8_lossy(self.take(length)?).into_owned()))
    }

    fn binary(&mut self, length: usize) -> Result<Value, UnpackError> {
        Ok(Value::Bin(self.take(length)?.to_vec()))
    }

    fn sized(
        &mut self,
        bytes: usize,
        read: impl FnOnce(&mut Self, usize) -> Result<Value, UnpackError>,
    ) -> Result<Value, UnpackError> {
        let length = self.length(bytes)?;
        read(self, length)
    }

    fn uint(&mut self, bytes: usize) -> Result<Value, UnpackError> {
        let value = u64::from_be_bytes(be(self.take(bytes)?));
        Ok(i64::try_from(value).map_or(Value::UInt(value), Value::Int))
    }

    fn length(&mut self, bytes: usize) -> Result<usize, UnpackError> {
        Ok(u64::from_be_bytes(be(self.take(bytes)?)) as usize)
    }

    fn marker(&mut self) -> Result<Marker, UnpackError> {
        Ok(Marker::from_u8(u8::from_be_bytes(self.array()?)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(UnpackError::CutOff)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], UnpackError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(UnpackError::CutOff)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// Up to `N` bytes as the low end of a big-endian number.
fn be<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut number = [0; N];
    number[N - bytes.len()..].copy_from_slice(bytes);
    number
}

/// MessagePack's timestamp of 4, 8 or 12 bytes.
fn timestamp(bytes: &[u8]) -> Value {
    let (nanoseconds, seconds) = match bytes.len() {
        4 => (0, i64::from(u32::from_be_bytes(be(bytes)))),
        8 => {
            let both = u64::from_be_bytes(be(bytes));
            (both >> 34, (both & 0x3_ffff_ffff) as i64)
        }
        _ => (u64::from(u32::from_be_bytes(be(&bytes[..4]))), i64::from_be_bytes(be(&bytes[4..]))),
    };
    date(i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds))
}

/// The string that `Date.prototype.toJSON` makes of nanoseconds since 1970; nil when the calendar has no such day.
fn date(nanoseconds: i128) -> Value {
    const ISO: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds)
        .ok()
        .and_then(|date| date.format(ISO).ok())
        .map_or(Value::Nil, Value::Str)
}

#[cfg(test)]
mod tests;
