//! The hot path: one `row` event for each inserted row, thousands for each settled claim.
//!
//! Everything that is the same for all rows of a route is encoded once, so that a row costs copying and
//! its own values, and no allocation beyond the growth of the caller's buffer. The bytes equal those
//! of [`Target::event`](super::Target::event) with the same data, which a test holds.
//!
//! Encoding a value cannot fail, because the row is committed by then and its event must go out: JSON that is
//! malformed or too deep travels as a string. Only a message over the size limit is refused; then
//! [`RowEvents::encode_without_row`] still tells clients which row to fetch.

use std::borrow::Cow;

use super::{
    EmitError, MAX_MESSAGE_BYTES, RESERVED_EVENTS, TooLarge, json,
    pack::{self, Kind},
    target,
};

/// One value of a row, borrowed from wherever it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// NULL.
    Nil,
    /// A boolean.
    Bool(bool),
    /// An integer; beyond 2^53 it travels as a string of its digits.
    Int(i64),
    /// An unsigned integer; beyond 2^53 it travels as a string of its digits.
    UInt(u64),
    /// A number that was a float already. Decimals are exact only as [`Scalar::Str`].
    Float(f64),
    /// Text, and everything else that travels as text: decimals, dates.
    Str(&'a str),
    /// Bytes; a browser gets an ArrayBuffer.
    Bin(&'a [u8]),
    /// JSON text of any kind, also a bare number. It is transcoded, not parsed into a tree. Text that is not
    /// JSON, or is nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH), travels as a string.
    Json(&'a str),
}

impl Scalar<'_> {
    fn pack(self, out: &mut Vec<u8>) {
        match self {
            Self::Nil => pack::nil(out),
            Self::Bool(value) => pack::boolean(out, value),
            Self::Int(value) => pack::exact_int(out, value),
            Self::UInt(value) => pack::exact_uint(out, value),
            Self::Float(value) => pack::float(out, value),
            Self::Str(value) => pack::string(out, value),
            Self::Bin(value) => pack::binary(out, value),
            Self::Json(text) => {
                if json::transcode(text, out).is_err() {
                    pack::string(out, text);
                }
            }
        }
    }
}

/// A column's name, encoded once and used for every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnName(Box<[u8]>);

impl ColumnName {
    /// Encodes a name.
    pub fn new(name: &str) -> Self {
        let mut bytes = Vec::with_capacity(name.len() + 5);
        pack::string(&mut bytes, name);
        Self(bytes.into_boxed_slice())
    }
}

/// The messages of one route: `event` with `{ "table": .., "id": .., "row": { column: value } }`.
#[derive(Clone, Debug)]
pub struct RowEvents {
    /// From the message's start to the key `id`.
    head: Box<[u8]>,
    /// From the end of the row to the key `rooms`.
    tail: Box<[u8]>,
    /// `flags` and `except`, both empty.
    end: Box<[u8]>,
    wide_channel: String,
}

impl RowEvents {
    /// Prepares a route's messages: `key` is the channel prefix ([`DEFAULT_KEY`](super::DEFAULT_KEY) unless
    /// configured), a missing slash of the namespace is added. The only error is a reserved event name.
    pub fn new(key: &str, nsp: &str, event: &str, table: &str) -> Result<Self, EmitError> {
        target::refuse_reserved(event, &RESERVED_EVENTS)?;
        let nsp = target::with_slash(nsp);
        let mut head = Vec::new();
        target::head(&mut head, event, 1);
        pack::header(&mut head, Kind::Map, 3);
        pack::string(&mut head, "table");
        pack::string(&mut head, table);
        pack::string(&mut head, "id");
        let mut tail = Vec::new();
        target::nsp_and_rooms_key(&mut tail, &nsp);
        let mut end = Vec::new();
        pack::string(&mut end, "flags");
        pack::header(&mut end, Kind::Map, 0);
        pack::string(&mut end, "except");
        pack::header(&mut end, Kind::Array, 0);
        Ok(Self {
            head: head.into(),
            tail: tail.into(),
            end: end.into(),
            wide_channel: target::wide_channel(key, &nsp),
        })
    }

    /// Where a message for these rooms is published: one room has its own channel, any other number uses the
    /// namespace's. No room at all means everybody.
    pub fn channel<R: AsRef<str>>(&self, rooms: &[R]) -> Cow<'_, str> {
        match rooms {
            [room, others @ ..] if others.iter().all(|other| other.as_ref() == room.as_ref()) => {
                Cow::Owned(format!("{}{}#", self.wide_channel, room.as_ref()))
            }
            _ => Cow::Borrowed(&self.wide_channel),
        }
    }

    /// Appends one whole message to `out`. After an error, `out` is as it was.
    pub fn encode<'r, R: AsRef<str>>(
        &self,
        out: &mut Vec<u8>,
        id: Scalar<'_>,
        row: impl IntoIterator<Item = (&'r ColumnName, Scalar<'r>)>,
        rooms: &[R],
    ) -> Result<(), TooLarge> {
        let start = out.len();
        self.begin(out, id);
        let header_at = pack::open(out);
        let mut columns = 0;
        for (name, value) in row {
            out.extend_from_slice(&name.0);
            value.pack(out);
            columns += 1;
            limit(out, start)?;
        }
        pack::close(out, header_at, Kind::Map, columns);
        self.finish(out, rooms);
        limit(out, start)
    }

    /// As [`encode`](Self::encode) with `"row": null`: what can still be said of a row that is too large to send.
    pub fn encode_without_row<R: AsRef<str>>(
        &self,
        out: &mut Vec<u8>,
        id: Scalar<'_>,
        rooms: &[R],
    ) -> Result<(), TooLarge> {
        let start = out.len();
        self.begin(out, id);
        pack::nil(out);
        self.finish(out, rooms);
        limit(out, start)
    }

    fn begin(&self, out: &mut Vec<u8>, id: Scalar<'_>) {
        out.extend_from_slice(&self.head);
        id.pack(out);
        pack::string(out, "row");
    }

    fn finish<R: AsRef<str>>(&self, out: &mut Vec<u8>, rooms: &[R]) {
        out.extend_from_slice(&self.tail);
        let header_at = pack::open(out);
        let mut different = 0;
        for (at, room) in rooms.iter().enumerate() {
            // Two templates may give the same room; a row has few rooms, so looking back is cheaper than a set.
            if rooms[..at].iter().all(|before| before.as_ref() != room.as_ref()) {
                pack::string(out, room.as_ref());
                different += 1;
            }
        }
        pack::close(out, header_at, Kind::Array, different);
        out.extend_from_slice(&self.end);
    }
}

/// Takes back what was written since `start` when it is more than one message may have.
fn limit(out: &mut Vec<u8>, start: usize) -> Result<(), TooLarge> {
    let bytes = out.len() - start;
    if bytes > MAX_MESSAGE_BYTES {
        out.truncate(start);
        return Err(TooLarge { bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
