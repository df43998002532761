//! MessagePack as notepack.io 3 writes it: the smallest form of every length and integer, floats as 64 bits.
//!
//! Appends to a buffer and cannot fail. It knows nothing of messages, and keeps no state: a container is
//! either announced with its length, or opened with a placeholder and closed when its length is known.

use rmp::Marker;

/// The largest integer that JavaScript holds exactly (`Number.MAX_SAFE_INTEGER`).
pub(super) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// What a length belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A UTF-8 string, its length in bytes.
    Str,
    /// An array, its length in elements.
    Array,
    /// A map, its length in pairs.
    Map,
}

pub(super) fn nil(out: &mut Vec<u8>) {
    out.push(Marker::Null.to_u8());
}

pub(super) fn boolean(out: &mut Vec<u8>, value: bool) {
    out.push(if value { Marker::True } else { Marker::False }.to_u8());
}

/// An unsigned integer in its smallest form, however large.
pub(super) fn uint(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_be_bytes();
    let (marker, size) = match value {
        0..0x80 => return out.push(bytes[7]),
        0x80..0x100 => (Marker::U8, 1),
        0x100..0x1_0000 => (Marker::U16, 2),
        0x1_0000..0x1_0000_0000 => (Marker::U32, 4),
        _ => (Marker::U64, 8),
    };
    out.push(marker.to_u8());
    out.extend_from_slice(&bytes[8 - size..]);
}

/// A signed integer in its smallest form; a positive one is written as unsigned, as notepack does.
pub(super) fn int(out: &mut Vec<u8>, value: i64) {
    let bytes = value.to_be_bytes();
    let (marker, size) = match value {
        0.. => return uint(out, value.unsigned_abs()),
        -0x20..0 => return out.push(bytes[7]),
        -0x80..-0x20 => (Marker::I8, 1),
        -0x8000..-0x80 => (Marker::I16, 2),
        -0x8000_0000..-0x8000 => (Marker::I32, 4),
        _ => (Marker::I64, 8),
    };
    out.push(marker.to_u8());
    out.extend_from_slice(&bytes[8 - size..]);
}

/// An integer, or its decimal digits as a string when JavaScript could not hold it exactly.
pub(super) fn exact_int(out: &mut Vec<u8>, value: i64) {
    if value.unsigned_abs() <= MAX_SAFE_INTEGER {
        int(out, value);
    } else {
        digits(out, value.unsigned_abs(), value < 0);
    }
}

/// As [`exact_int`], for unsigned integers.
pub(super) fn exact_uint(out: &mut Vec<u8>, value: u64) {
    if value <= MAX_SAFE_INTEGER { uint(out, value) } else { digits(out, value, false) }
}

/// The decimal digits of an integer as a string, without an allocation of its own.
pub(super) fn digits(out: &mut Vec<u8>, mut value: u64, negative: bool) {
    let mut buffer = [0; 21];
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if negative {
        at -= 1;
        buffer[at] = b'-';
    }
    header(out, Kind::Str, buffer.len() - at);
    out.extend_from_slice(&buffer[at..]);
}

/// A JavaScript number: an integral one is an integer, any other 64-bit.
///
/// JavaScript has only one type of number, so that notepack writes 2.0 as the integer 2. From 2^64 on notepack itself
/// writes wrong bytes; here such a number stays a float, which readers understand.
pub(super) fn float(out: &mut Vec<u8>, value: f64) {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    const TWO_TO_64: f64 = 2.0 * TWO_TO_63;
    if value.fract() != 0.0 || !(-TWO_TO_63..TWO_TO_64).contains(&value) {
        out.push(Marker::F64.to_u8());
        out.extend_from_slice(&value.to_be_bytes());
    } else if value < 0.0 {
        int(out, value as i64);
    } else {
        uint(out, value as u64);
    }
}

pub(super) fn string(out: &mut Vec<u8>, value: &str) {
    header(out, Kind::Str, value.len());
    out.extend_from_slice(value.as_bytes());
}

/// Bytes, which reach a browser as a binary attachment.
pub(super) fn binary(out: &mut Vec<u8>, value: &[u8]) {
    let length = (value.len() as u32).to_be_bytes();
    let (marker, size) = match value.len() {
        0..0x100 => (Marker::Bin8, 1),
        0x100..0x1_0000 => (Marker::Bin16, 2),
        _ => (Marker::Bin32, 4),
    };
    out.push(marker.to_u8());
    out.extend_from_slice(&length[4 - size..]);
    out.extend_from_slice(value);
}

/// The start of a string, an array or a map whose length is known.
pub(super) fn header(out: &mut Vec<u8>, kind: Kind, length: usize) {
    let (bytes, size) = header_bytes(kind, length);
    out.extend_from_slice(&bytes[..size]);
}

/// Opens a string, an array or a map whose length is not known yet; give the result to [`close`].
pub(super) fn open(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len() - 1
}

/// Puts the real header where [`open`] left its placeholder. What is longer than the smallest form moves back.
pub(super) fn close(out: &mut Vec<u8>, at: usize, kind: Kind, length: usize) {
    let (bytes, size) = header_bytes(kind, length);
    if size == 1 {
        out[at] = bytes[0];
    } else {
        out.splice(at..=at, bytes[..size].iter().copied());
    }
}

fn header_bytes(kind: Kind, length: usize) -> ([u8; 5], usize) {
    let [_, _, high, low] = (length as u32).to_be_bytes();
    let (fix, fix_limit, of_16, of_32) = match kind {
        Kind::Str => (Marker::FixStr(length as u8), 0x20, Marker::Str16, Marker::Str32),
        Kind::Array => (Marker::FixArray(length as u8), 0x10, Marker::Array16, Marker::Array32),
        Kind::Map => (Marker::FixMap(length as u8), 0x10, Marker::Map16, Marker::Map32),
    };
    if length < fix_limit {
        ([fix.to_u8(), 0, 0, 0, 0], 1)
    } else if kind == Kind::Str && length < 0x100 {
        ([Marker::Str8.to_u8(), low, 0, 0, 0], 2)
    } else if length < 0x1_0000 {
        ([of_16.to_u8(), high, low, 0, 0], 3)
    } else {
        let [a, b, c, d] = (length as u32).to_be_bytes();
        ([of_32.to_u8(), a, b, c, d], 5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn integers_that_javascript_cannot_hold_become_their_digits() {
        assert_eq!(packed(|o| exact_int(o, 9_007_199_254_740_991)), packed(|o| uint(o, MAX_SAFE_INTEGER)));
        assert_eq!(packed(|o| exact_int(o, -9_007_199_254_740_991))[0], Marker::I64.to_u8());
        assert_eq!(packed(|o| exact_int(o, i64::MIN)), packed(|o| string(o, "-9223372036854775808")));
        assert_eq!(packed(|o| exact_uint(o, u64::MAX)), packed(|o| string(o, "18446744073709551615")));
        assert_eq!(packed(|o| exact_uint(o, 1 << 53)), packed(|o| string(o, "9007199254740992")));
    }

    #[test]
    fn integral_floats_are_integers_and_the_others_are_64_bits() {
        assert_eq!(packed(|o| float(o, 2.0)), [2]);
        assert_eq!(packed(|o| float(o, -0.0)), [0]);
        assert_eq!(packed(|o| float(o, -129.0)), packed(|o| int(o, -129)));
        for other in [0.5, 1e21, -1e19, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(packed(|o| float(o, other))[0], 0xcb, "{other}");
        }
    }

    #[test]
    fn a_container_closed_late_equals_one_announced() {
        for (kind, length) in [(Kind::Str, 31), (Kind::Str, 255), (Kind::Array, 16), (Kind::Map, 70_000)] {
            let late = packed(|out| {
                let at = open(out);
                out.extend_from_slice(&[7; 300]);
                close(out, at, kind, length);
            });
            let announced = packed(|out| {
                header(out, kind, length);
                out.extend_from_slice(&[7; 300]);
            });
            assert_eq!(late, announced, "{kind:?} {length}");
        }
    }
}
