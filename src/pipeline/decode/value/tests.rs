//! What a column takes of a JSON value, in which form, and what it refuses.

use proptest::prelude::*;

use super::*;
use crate::store::Column;

fn target(kind: ColumnKind, type_name: &str, conversion: Option<Conversion>) -> Target {
    let column = Column {
        name: "c".into(),
        kind,
        type_name: type_name.into(),
        collation: Some("utf8mb4_general_ci".into()),
        nullable: true,
        has_default: false,
        auto_increment: false,
        generated: false,
        unique: false,
        primary: false,
    };
    Target::new(&column, conversion)
}

fn of_type(kind: ColumnKind, type_name: &str, json: &str) -> Result<Value<'static>, Rejection> {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    convert(&target(kind, type_name, None), &raw).map(Value::into_owned)
}

fn read(kind: ColumnKind, json: &str) -> Result<Value<'static>, Rejection> {
    of_type(kind, if kind == ColumnKind::DateTime { "datetime(6)" } else { "type" }, json)
}

fn read_as(kind: ColumnKind, conversion: Conversion, json: &str) -> Result<Value<'static>, Rejection> {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    convert(&target(kind, "datetime(6)", Some(conversion)), &raw).map(Value::into_owned)
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
fn what_a_server_would_change_without_a_word_is_refused_with_what_to_send() {
    use ColumnKind::{Date, DateTime, Int, Member, Text, Time};
    let cases = [
        (Text, "varchar(3)", r#""abc ""#, "not_exact", "a varchar(3) has no room for"),
        (Text, "varchar(3)", r#""日本語\t""#, "not_exact", "white space"),
        (Text, "char(3)", r#""abc\n ""#, "not_exact", "a char(3) has no room for"),
        (Text, "inet4", r#""001.2.3.4""#, "bad_value", "\"001.2.3.4\" is no inet4"),
        (Text, "uuid", "true", "bad_value", "\"1\" is no uuid"),
        (Member, "enum('a','b')", r#""1""#, "bad_value", "\"1\" names no member of enum('a','b')"),
        (Member, "set('a','b')", r#""3""#, "bad_value", "names no member of set("),
        (Date, "date", r#""10:11:12""#, "bad_value", "send it like 2026-01-31"),
        (DateTime, "datetime(3)", r#""24-01-02""#, "bad_value", "cannot be read as a datetime(3)"),
        (DateTime, "datetime", r#""9999-12-31T23:59:59-01:00""#, "bad_value", "send it like"),
        (Date, "date", r#""0000-01-01T00:00:00+01:00""#, "bad_value", "send it like"),
        (Time, "time", r#""1112""#, "bad_value", "send it like 23:59:59"),
        (Int, "year", "1", "bad_value", "send all four"),
        (Int, "year(4)", r#""99.0""#, "bad_value", "send all four"),
        (Int, "year", "true", "wrong_type", "cannot take a boolean"),
        (Int, "bit(64)", "-1", "out_of_range", "a BIT is not"),
    ];
    for (kind, type_name, json, code, told) in cases {
        let rejection = of_type(kind, type_name, json).unwrap_err();
        assert_eq!((rejection.code.as_str(), rejection.column.as_deref()), (code, Some("c")), "{json}");
        assert!(rejection.reason.contains(told), "{json}: {}", rejection.reason);
    }
}

#[test]
fn what_a_column_holds_exactly_goes_in_as_the_column_gives_it_back() {
    use ColumnKind::{Date, DateTime, Float, Int, Member, Text, Time};
    let text = |text: &str| Value::Text(text.to_owned().into());
    let long = format!("{}  ", "é".repeat(127));
    for (kind, type_name, json, kept) in [
        (Text, "varchar(3)", r#""ab ""#, text("ab ")),
        // The server refuses what is more than white space.
        (Text, "varchar(3)", r#""abcd""#, text("abcd")),
        (Text, "varchar(5)", "\"日本語 \"", text("日本語 ")),
        (Text, "tinytext", r#""a  ""#, text("a  ")),
        (Text, "uuid", r#""550E8400E29B41D4A716446655440000""#, text("550e8400-e29b-41d4-a716-446655440000")),
        (Member, "enum('a','1')", r#""1""#, text("1")),
        (Member, "enum('a','b')", r#""B""#, text("b")),
        (Member, "set('a','b')", r#""b,a,b""#, text("a,b")),
        (Date, "date", r#""2024-01-02 10:11:12""#, text("2024-01-02")),
        (DateTime, "datetime", r#""2024-01-02""#, Value::DateTime("2024-01-02T00:00:00Z".into())),
        (
            DateTime,
            "timestamp(1)",
            r#""2024-01-02 10:11:12.59""#,
            Value::DateTime("2024-01-02T10:11:12.5Z".into()),
        ),
        (Time, "time(3)", r#""9:05""#, text("09:05:00.000")),
        (Int, "year", r#""2024""#, Value::Int(2024)),
        (Int, "year", "0", Value::Int(0)),
        (Int, "bit(1)", "true", Value::Int(1)),
        (Float, "float(7,2) unsigned", "12345.678", Value::Float(12_345.68)),
        (Float, "double(7,2)", "1.006", Value::Float(1.01)),
    ] {
        assert_eq!(of_type(kind, type_name, json), Ok(kept), "{type_name} {json}");
    }
    assert_eq!(of_type(Text, "tinytext", &format!("{long:?}")).unwrap_err().code, "not_exact");
    let raw = RawValue::from_string("\"YWIgIA==\"".into()).unwrap();
    let as_text = |type_name| convert(&target(Text, type_name, Some(Conversion::Base64)), &raw);
    assert_eq!(as_text("varchar(4)"), Ok(text("ab  ")));
    assert_eq!(as_text("char(2)"), Ok(text("ab")));
    assert_eq!(as_text("varchar(2)").unwrap_err().code, "not_exact");
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
