//! The hot path against the public emitter, and its limits.

use serde_json::json;

use super::*;
use crate::emitter::Target;

fn events() -> RowEvents {
    RowEvents::new("myapp", "rows", "row", "pre_qqaccount").unwrap()
}

#[test]
fn a_row_equals_the_same_event_of_the_public_emitter_for_any_number_of_rooms_and_columns() {
    let columns: Vec<ColumnName> = (0..40).map(|n| ColumnName::new(&format!("c{n:02}"))).collect();
    for (count, rooms) in
        [(0, vec![]), (2, vec!["a"]), (15, vec!["a", "b"]), (16, vec!["a", "a"]), (40, vec!["a", "b", "a"])]
    {
        let mut out = b"the message before".to_vec();
        let row = columns.iter().take(count).map(|name| (name, Scalar::Int(count as i64)));
        events().encode(&mut out, Scalar::UInt(7), row, &rooms).unwrap();

        let row: serde_json::Map<_, _> = (0..count).map(|n| (format!("c{n:02}"), json!(count))).collect();
        let data = json_in_order(&row);
        let expected =
            Target::new().with_key("myapp").of("/rows").to(rooms.as_slice()).event("row", &data).unwrap();
        assert_eq!(out.split_off(18), expected.payload, "{count} columns, rooms {rooms:?}");
        assert_eq!(events().channel(&rooms), expected.channel);
    }
}

/// The data with its keys in the order of the format; serde_json's own map would sort them.
fn json_in_order(row: &serde_json::Map<String, serde_json::Value>) -> impl serde::Serialize {
    #[derive(serde::Serialize)]
    struct Data {
        table: &'static str,
        id: u8,
        row: serde_json::Map<String, serde_json::Value>,
    }
    Data { table: "pre_qqaccount", id: 7, row: row.clone() }
}

#[test]
fn every_scalar_has_the_form_that_javascript_expects() {
    let packed = |scalar: Scalar<'_>| {
        let mut out = Vec::new();
        scalar.pack(&mut out);
        out
    };
    let bytes = |value: serde_json::Value| crate::emitter::to_bytes(&value).unwrap();
    assert_eq!(packed(Scalar::Nil), bytes(json!(null)));
    assert_eq!(packed(Scalar::Bool(true)), bytes(json!(true)));
    assert_eq!(packed(Scalar::Int(i64::MIN)), bytes(json!("-9223372036854775808")));
    assert_eq!(packed(Scalar::UInt(u64::MAX)), bytes(json!("18446744073709551615")));
    assert_eq!(packed(Scalar::Float(12.5)), bytes(json!(12.5)));
    assert_eq!(packed(Scalar::Str("12.50")), bytes(json!("12.50")));
    assert_eq!(packed(Scalar::Bin(&[1, 2])), [0xc4, 2, 1, 2]);
    assert_eq!(packed(Scalar::Json(r#"{"a":[1,"é\n"]}"#)), bytes(json!({"a": [1, "é\n"]})));
}

#[test]
fn json_that_cannot_be_transcoded_travels_as_a_string() {
    for text in ["{\"a\":", &"[".repeat(101)] {
        let mut out = Vec::new();
        Scalar::Json(text).pack(&mut out);
        assert_eq!(out, crate::emitter::to_bytes(text).unwrap());
    }
}

#[test]
fn a_row_over_the_limit_leaves_the_buffer_as_it_was_and_can_still_be_announced() {
    let long = "x".repeat(MAX_MESSAGE_BYTES);
    let name = ColumnName::new("text");
    let mut out = b"before".to_vec();
    let refused = events().encode(&mut out, Scalar::Int(1), [(&name, Scalar::Str(&long))], &["a"]);
    assert!(refused.is_err_and(|TooLarge { bytes }| bytes > MAX_MESSAGE_BYTES));
    assert_eq!(out, b"before");

    events().encode_without_row(&mut out, Scalar::Int(1), &["a"]).unwrap();
    let announced = crate::emitter::decode("myapp", "myapp#/rows#a#", &out[6..]).unwrap();
    let crate::emitter::Message::Broadcast(announced) = announced else { panic!("{announced:?}") };
    assert_eq!(announced.args[0].get("row"), Some(&crate::emitter::Value::Nil));
}

#[test]
fn a_buffer_with_enough_room_stays_where_it_is() {
    let (name, rooms) = (ColumnName::new("openid"), ["a".to_owned(), "b".to_owned()]);
    let mut out = Vec::with_capacity(1024);
    let before = (out.as_ptr(), out.capacity());
    events().encode(&mut out, Scalar::Int(1), [(&name, Scalar::Json(r#"["\u00e9", 1]"#))], &rooms).unwrap();
    assert_eq!((out.as_ptr(), out.capacity()), before);
}

#[test]
fn a_reserved_event_name_is_refused_when_the_route_is_prepared() {
    let refused = RowEvents::new("socket.io", "/", "disconnect", "t").unwrap_err().to_string();
    assert_eq!(
        refused,
        "\"disconnect\" is an event name that socket.io keeps for itself; choose another one"
    );
}
