//! What a column takes of a JSON value, in which form, and what it refuses.

use proptest::prelude::*;

use super::{super::Absent, *};

fn target(kind: ColumnKind) -> Target {
    Target { column: "c".into(), kind, type_name: "type".into(), conversion: None, absent: Absent::LeftOut }
}

fn read(kind: ColumnKind, json: &str) -> Result<Value<'static>, Rejection> {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    convert(&target(kind), &raw).map(Value::into_owned)
}

fn read_as(kind: ColumnKind, conversion: Conversion, json: &str) -> Result<Value<'static>, Rejection> {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    convert(&Target { conversion: Some(conversion), ..target(kind) }, &raw).map(Value::into_owned)
}

#[test]
fn whole_numbers_keep_every_digit() {
    assert_eq!(read(ColumnKind::Int, "9007199254740993"), Ok(Value::Int(9_007_199_254_740_993)));
    assert_eq!(read(ColumnKind::Int, "18446744073709551615"), Ok(Value::UInt(u64::MAX)));
    assert_eq!(read(ColumnKind::Int, "1e3"), Ok(Value::Int(1000)));
    assert_eq!(read(ColumnKind::Int, "1.0"), Ok(Value::Int(1)));
    assert_eq!(read(ColumnKind::Int, "\" 12 \""), Ok(Value::Int(12)));
    let forty = "1".repeat(40);
    assert_eq!(read(ColumnKind::Int, &forty), Ok(Value::Digits(forty.clone().into())));
    assert_eq!(read(ColumnKind::Text, &forty), Ok(Value::Text(forty.into())));
}

#[test]
fn what_would_be_cut_is_refused() {
    assert_eq!(read(ColumnKind::Int, "1.5").unwrap_err().code, Code::NotExact.to_string());
    assert_eq!(read(ColumnKind::Int, "1e400").unwrap_err().code, Code::OutOfRange.to_string());
    assert_eq!(read(ColumnKind::Float, "1e400").unwrap_err().code, Code::OutOfRange.to_string());
    let decimal = ColumnKind::Decimal { scale: 2 };
    assert_eq!(read(decimal, "1.25"), Ok(Value::Digits("1.25".into())));
    assert_eq!(read(decimal, "125e-2"), Ok(Value::Digits("1.25".into())));
    assert_eq!(read(decimal, "1.250"), Ok(Value::Digits("1.25".into())));
    assert_eq!(read(decimal, "1.255").unwrap_err().code, Code::NotExact.to_string());
}

#[test]
fn a_value_has_the_form_that_its_column_gives_back() {
    let decimal = ColumnKind::Decimal { scale: 2 };
    for (json, form) in [
        ("1.5", "1.50"),
        ("3", "3.00"),
        ("-0.5", "-0.50"),
        ("-0", "0.00"),
        ("5e-1", "0.50"),
        ("true", "1.00"),
    ] {
        assert_eq!(read(decimal, json), Ok(Value::Digits(form.into())), "{json}");
    }
    assert_eq!(read(ColumnKind::Decimal { scale: 0 }, "12"), Ok(Value::Digits("12".into())));
    assert_eq!(read(ColumnKind::Text, "false"), Ok(Value::Text("0".into())));
    assert_eq!(read(ColumnKind::Float, "true"), Ok(Value::Float(1.0)));
    let of_type = |kind, type_name: &str, json: &str| {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        convert(&Target { type_name: type_name.into(), ..target(kind) }, &raw).map(Value::into_owned)
    };
    assert_eq!(of_type(ColumnKind::Float, "float", "16777217.25"), Ok(Value::Float(16_777_218.0)));
    assert_eq!(of_type(ColumnKind::Float, "float", "0.1"), Ok(Value::Float(0.1)));
    assert_eq!(of_type(ColumnKind::Float, "float", "1e39"), Ok(Value::Float(1e39)));
    assert_eq!(of_type(ColumnKind::Float, "double", "16777217.25"), Ok(Value::Float(16_777_217.25)));
    for (json, kept) in [("\"a b  \"", "a b"), ("\"\\u0061 \"", "a"), ("\"  \"", "")] {
        assert_eq!(of_type(ColumnKind::Text, "char(5)", json), Ok(Value::Text(kept.into())));
    }
    assert_eq!(of_type(ColumnKind::Text, "varchar(5)", "\"a \""), Ok(Value::Text("a ".into())));
    assert_eq!(of_type(ColumnKind::Binary, "binary(3)", "\"AQ\""), Ok(Value::Bytes(vec![1, 0, 0])));
    assert_eq!(of_type(ColumnKind::Binary, "varbinary(3)", "\"AQ\""), Ok(Value::Bytes(vec![1])));
}

#[test]
fn a_date_that_no_calendar_holds_in_utc_is_left_to_the_server() {
    for text in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"] {
        for kind in [ColumnKind::DateTime, ColumnKind::Date] {
            assert_eq!(read(kind, &format!("\"{text}\"")), Ok(Value::Text(text.into())));
        }
    }
}

#[test]
fn a_date_becomes_utc() {
    let at = |text: &str| Ok(Value::DateTime(text.to_owned()));
    assert_eq!(
        read(ColumnKind::DateTime, "\"2023-11-15T00:13:20.123+02:00\""),
        at("2023-11-14T22:13:20.123Z")
    );
    assert_eq!(read(ColumnKind::DateTime, "\"2023-11-14 22:13:20\""), at("2023-11-14T22:13:20Z"));
    assert_eq!(
        read_as(ColumnKind::DateTime, Conversion::UnixMs, "1700000000123"),
        at("2023-11-14T22:13:20.123Z")
    );
    assert_eq!(
        read_as(ColumnKind::DateTime, Conversion::UnixS, "1700000000.5"),
        at("2023-11-14T22:13:20.5Z")
    );
    assert_eq!(read_as(ColumnKind::DateTime, Conversion::UnixUs, "-1"), at("1969-12-31T23:59:59.999999Z"));
    assert!(read_as(ColumnKind::DateTime, Conversion::UnixS, "1e40").is_err());
    assert_eq!(read(ColumnKind::DateTime, "1700000000").unwrap_err().code, Code::WrongType.to_string());
    assert_eq!(read(ColumnKind::Date, "\"2023-11-15T00:13:20+02:00\""), Ok(Value::Text("2023-11-14".into())));
}

#[test]
fn bytes_come_as_base64_or_hex() {
    assert_eq!(read(ColumnKind::Binary, "\"AAEC/w==\""), Ok(Value::Bytes(vec![0, 1, 2, 255])));
    assert_eq!(read(ColumnKind::Binary, "\"AAEC/w\""), Ok(Value::Bytes(vec![0, 1, 2, 255])));
    for (text, told) in [
        ("***", "is not base64: '*' is none of its characters"),
        ("AAé=", "is not base64: 'é' is none of its characters"),
        ("AA\\n==", "is not base64: '\\n' is none of its characters"),
        ("a-_b", "is base64 of the kind for URLs; send + for - and / for _"),
        ("AA=A", "is not base64: = stands before its end"),
        ("AAECA", "is not base64: its end is missing or was changed"),
        ("AB==", "is not base64: its end is missing or was changed"),
    ] {
        let rejection = read(ColumnKind::Binary, &format!("\"{text}\"")).unwrap_err();
        assert_eq!(rejection.reason.split_once(": ").unwrap().1, told, "{text}");
        let named = read_as(ColumnKind::Text, Conversion::Base64, &format!("\"{text}\"")).unwrap_err();
        assert_eq!((named.code, named.reason), (rejection.code, rejection.reason), "{text}");
    }
    assert_eq!(read_as(ColumnKind::Binary, Conversion::Hex, "\"00ff\""), Ok(Value::Bytes(vec![0, 255])));
    assert!(read_as(ColumnKind::Binary, Conversion::Hex, "\"0\"").is_err());
}

#[test]
fn json_goes_in_as_it_is_unless_no_server_could_read_it() {
    assert_eq!(read(ColumnKind::Json, "{\"a\": [1, 2.50]}"), Ok(Value::Json("{\"a\": [1, 2.50]}".into())));
    assert_eq!(read(ColumnKind::Json, "\"\\ud83d\\ude80\""), Ok(Value::Json("\"\\ud83d\\ude80\"".into())));
    assert!(read(ColumnKind::Json, "\"\\ud800\"").is_err());
    assert!(read(ColumnKind::Json, &format!("{}{}", "[".repeat(101), "]".repeat(101))).is_err());
    assert!(read(ColumnKind::Json, &format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
}

#[test]
fn a_type_that_does_not_fit_is_refused_with_what_to_do() {
    assert!(read(ColumnKind::Text, "{}").unwrap_err().reason.contains("as = \"json\""));
    assert!(read(ColumnKind::Member, "1").is_err());
    assert!(read(ColumnKind::Int, "\"abc\"").is_err());
    assert!(read(ColumnKind::Text, "\"\\ud800\"").unwrap_err().reason.contains("surrogate"));
    assert_eq!(read(ColumnKind::Int, "true"), Ok(Value::Int(1)));
    assert_eq!(read(ColumnKind::Text, "null"), Ok(Value::Null));
}

proptest! {
    #[test]
    fn every_integer_goes_through_unchanged(value in any::<i64>()) {
        prop_assert_eq!(read(ColumnKind::Int, &value.to_string()), Ok(Value::Int(value)));
    }
}
