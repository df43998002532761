//! What other encoders write, and what damage is refused.

use super::*;

fn read(hex: &str) -> Result<Value, UnpackError> {
    let bytes: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    value(&bytes)
}

fn text(text: &str) -> Result<Value, UnpackError> {
    Ok(Value::Str(text.to_owned()))
}

#[test]
fn dates_of_both_notepack_generations_become_the_string_that_a_browser_gets() {
    assert_eq!(read("d7ff1d5353006553f100"), text("2023-11-14T22:13:20.123Z"));
    assert_eq!(read("d6ff6553f100"), text("2023-11-14T22:13:20.000Z"));
    assert_eq!(read("c70cff3b8b87c0ffffffffffffffff"), text("1969-12-31T23:59:59.999Z"));
    assert_eq!(read("d7000000018bcfe5687b"), text("2023-11-14T22:13:20.123Z"));
    assert_eq!(read("d7007fffffffffffffff"), Ok(Value::Nil), "outside the calendar");
}

#[test]
fn the_other_extensions_of_notepack_2_are_undefined_and_binary() {
    assert_eq!(read("d40000"), Ok(Value::Nil));
    assert_eq!(read("c70300010203"), Ok(Value::Bin(vec![1, 2, 3])));
    assert_eq!(read("c708000102030405060708"), Ok(Value::Bin(vec![1, 2, 3, 4, 5, 6, 7, 8])));
    assert_eq!(read("d4052a"), Ok(Value::Array(vec![Value::Int(5), Value::Bin(vec![42])])));
}

#[test]
fn malformed_bytes_are_errors() {
    assert_eq!(read(""), Err(UnpackError::CutOff));
    assert_eq!(read("ddffffffff"), Err(UnpackError::CutOff));
    assert_eq!(read("dfffffffff"), Err(UnpackError::CutOff));
    assert_eq!(read("c6ffffffff00"), Err(UnpackError::CutOff));
    assert_eq!(read("0101"), Err(UnpackError::Trailing));
    assert_eq!(read("c1"), Err(UnpackError::Unknown));
    assert_eq!(read("819001"), Err(UnpackError::Key));
    assert_eq!(value(&[0x91; 1_000_000]), Err(UnpackError::TooDeep));
}

#[test]
fn keys_that_are_no_strings_and_text_that_is_not_utf_8_are_read_as_node_reads_them() {
    assert_eq!(read("81cd012c02"), Ok(Value::Map(vec![("300".to_owned(), Value::Int(2))])));
    assert_eq!(read("a3eda0bd"), text("\u{fffd}\u{fffd}\u{fffd}"));
    assert_eq!(read("ca3fc00000"), Ok(Value::Float(1.5)));
}
