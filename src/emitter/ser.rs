//! Any `Serialize` to MessagePack, as JavaScript would say it.
//!
//! The shapes are those of serde_json (a struct is an object, `None` is null, an enum is externally tagged), the
//! bytes are those of notepack.io: smallest integers, integral floats as integers, never 32-bit floats, byte
//! strings as binary. Integers beyond 2^53 travel as strings of their digits, and 128-bit integers always do, because
//! JavaScript would round them.
//!
//! It is pure, and it refuses values nested deeper than [`MAX_DEPTH`] and map keys that are no JSON key.

mod container;

use container::Container;
use serde::{Serialize, Serializer, ser};

use super::{
    MAX_DEPTH,
    pack::{self, Kind},
};

/// Why a value cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// More than [`MAX_DEPTH`] levels.
    #[error(
        "the value is nested deeper than {MAX_DEPTH} levels; flatten it, or send the inner part as a string of JSON"
    )]
    TooDeep,
    /// A key that JavaScript objects cannot have.
    #[error(
        "a map's key must be a string, an integer, a boolean or a character; convert the keys before sending"
    )]
    Key,
    /// The value's own `Serialize` refused.
    #[error("the value cannot be serialised: {0}")]
    Custom(String),
}

impl ser::Error for EncodeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

/// The MessagePack form of any serialisable value, as one argument of an event travels.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut out = Vec::with_capacity(64);
    append(value, &mut out)?;
    Ok(out)
}

/// As [`to_bytes`], at the end of a buffer. After an error the buffer's end is undefined.
pub(super) fn append<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    value.serialize(Packer { out, depth: 0, key: false })
}

/// Writes one value; as a map's key, only what JSON allows there, and as a string.
struct Packer<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    key: bool,
}

impl<'o> Packer<'o> {
    fn not_a_key(&self) -> Result<(), EncodeError> {
        if self.key { Err(EncodeError::Key) } else { Ok(()) }
    }

    fn container(self, kind: Kind) -> Result<Container<'o>, EncodeError> {
        self.not_a_key()?;
        if self.depth == MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        let header_at = pack::open(self.out);
        Ok(Container { out: self.out, depth: self.depth + 1, header_at, kind, length: 0 })
    }

    /// `{ variant: ` of an externally tagged enum; its content follows one level deeper.
    fn tagged(self, variant: &str) -> Result<Packer<'o>, EncodeError> {
        self.not_a_key()?;
        if self.depth == MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        pack::header(self.out, Kind::Map, 1);
        pack::string(self.out, variant);
        Ok(Packer { depth: self.depth + 1, ..self })
    }
}

impl<'o> Serializer for Packer<'o> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Container<'o>;
    type SerializeTuple = Container<'o>;
    type SerializeTupleStruct = Container<'o>;
    type SerializeTupleVariant = Container<'o>;
    type SerializeMap = Container<'o>;
    type SerializeStruct = Container<'o>;
    type SerializeStructVariant = Container<'o>;

    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        match self.key {
            true => pack::string(self.out, if value { "true" } else { "false" }),
            false => pack::boolean(self.out, value),
        }
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), EncodeError> {
        match self.key {
            true => pack::digits(self.out, value.unsigned_abs(), value < 0),
            false => pack::exact_int(self.out, value),
        }
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        pack::string(self.out, &value.to_string());
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), EncodeError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), EncodeError> {
        match self.key {
            true => pack::digits(self.out, value, false),
            false => pack::exact_uint(self.out, value),
        }
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        pack::string(self.out, &value.to_string());
        Ok(())
    }

    /// Through the shortest decimal text, so that `0.1f32` arrives as 0.1 and not as 0.10000000149011612.
    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        let as_written = value.to_string().parse().unwrap_or_else(|_| f64::from(value));
        self.serialize_f64(as_written)
    }

    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        self.not_a_key()?;
        pack::float(self.out, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        pack::string(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        self.not_a_key()?;
        pack::binary(self.out, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.not_a_key()?;
        pack::nil(self.out);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        value.serialize(self.tagged(variant)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Container<'o>, EncodeError> {
        self.container(Kind::Array)
    }

    fn serialize_tuple(self, _: usize) -> Result<Container<'o>, EncodeError> {
        self.container(Kind::Array)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Container<'o>, EncodeError> {
        self.container(Kind::Array)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Container<'o>, EncodeError> {
        self.tagged(variant)?.container(Kind::Array)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Container<'o>, EncodeError> {
        self.container(Kind::Map)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Container<'o>, EncodeError> {
        self.container(Kind::Map)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Container<'o>, EncodeError> {
        self.tagged(variant)?.container(Kind::Map)
    }
}

#[cfg(test)]
mod tests;
