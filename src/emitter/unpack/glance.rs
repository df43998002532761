//! A glance at a broadcast: the rooms that it is for, read past everything else. Most messages that go to several rooms
//! are for nobody here, and to know that nothing of them has to be kept.

use rmp::Marker;

use super::{Reader, UnpackError};

/// The rooms of a broadcast, as `decode` would find them; nothing where only decoding can tell.
pub(in crate::emitter) fn rooms(payload: &[u8]) -> Option<Vec<&str>> {
    let mut reader = Reader { rest: payload };
    let Marker::FixArray(3) = reader.marker().ok()? else { return None };
    reader.skip().ok()?;
    reader.skip().ok()?;
    let Marker::FixMap(options) = reader.marker().ok()? else { return None };
    let mut rooms = None;
    for _ in 0..options {
        match reader.text()? {
            // Which of two counts is for `decode` to say.
            "rooms" if rooms.is_some() => return None,
            "rooms" => rooms = Some(reader.texts()?),
            _ => reader.skip().ok()?,
        }
    }
    rooms.filter(|_| reader.rest.is_empty())
}

impl<'b> Reader<'b> {
    /// Passes one value over, however deep it is.
    fn skip(&mut self) -> Result<(), UnpackError> {
        // Each of them takes a byte at least, so this ends.
        let mut values = 1_usize;
        while values > 0 {
            let (bytes, inside) = match self.marker()? {
                Marker::Null | Marker::True | Marker::False | Marker::FixPos(_) | Marker::FixNeg(_) => (0, 0),
                Marker::U8 | Marker::I8 => (1, 0),
                Marker::U16 | Marker::I16 | Marker::FixExt1 => (2, 0),
                Marker::FixExt2 => (3, 0),
                Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
                Marker::FixExt4 => (5, 0),
                Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
                Marker::FixExt8 => (9, 0),
                Marker::FixExt16 => (17, 0),
                Marker::FixStr(length) => (length.into(), 0),
                Marker::Str8 | Marker::Bin8 => (self.length(1)?, 0),
                Marker::Str16 | Marker::Bin16 => (self.length(2)?, 0),
                Marker::Str32 | Marker::Bin32 => (self.length(4)?, 0),
                Marker::Ext8 => (self.length(1)? + 1, 0),
                Marker::Ext16 => (self.length(2)? + 1, 0),
                Marker::Ext32 => (self.length(4)? + 1, 0),
                Marker::FixArray(length) => (0, length.into()),
                Marker::Array16 => (0, self.length(2)?),
                Marker::Array32 => (0, self.length(4)?),
                Marker::FixMap(length) => (0, 2 * usize::from(length)),
                Marker::Map16 => (0, 2 * self.length(2)?),
                Marker::Map32 => (0, 2 * self.length(4)?),
                Marker::Reserved => return Err(UnpackError::Unknown),
            };
            self.take(bytes)?;
            values = (values - 1).saturating_add(inside);
        }
        Ok(())
    }

    fn texts(&mut self) -> Option<Vec<&'b str>> {
        let length = match self.marker().ok()? {
            Marker::FixArray(length) => length.into(),
            Marker::Array16 => self.length(2).ok()?,
            _ => return None,
        };
        (0..length).map(|_| self.text()).collect()
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = match self.marker().ok()? {
            Marker::FixStr(length) => length.into(),
            Marker::Str8 => self.length(1).ok()?,
            Marker::Str16 => self.length(2).ok()?,
            Marker::Str32 => self.length(4).ok()?,
            _ => return None,
        };
        std::str::from_utf8(self.take(length).ok()?).ok()
    }
}
