//! A value of a message that was read: JSON's values and binary.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// An argument of an event, or a part of it.
///
/// Maps keep the order in which they were sent, and duplicate keys. Serialised, binary becomes a byte string, so that
/// it goes on to clients as an attachment.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// null; also what was `undefined`, and a date outside the calendar.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer that fits.
    Int(i64),
    /// A positive integer beyond `i64`.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// Text; dates arrive as ISO strings, as a browser would get them.
    Str(String),
    /// Binary data.
    Bin(Vec<u8>),
    /// A list.
    Array(Vec<Value>),
    /// An object.
    Map(Vec<(String, Value)>),
}

impl Value {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The value under a key of a map; of duplicates the last, as in JavaScript.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(pairs) => pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::UInt(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Str(value) => serializer.serialize_str(value),
            Self::Bin(value) => serializer.serialize_bytes(value),
            Self::Array(values) => serializer.collect_seq(values),
            Self::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
