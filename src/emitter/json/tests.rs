//! The transcoder against serde_json, and where the two differ on purpose.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::emitter::to_bytes;

fn transcoded(text: &str) -> Result<Vec<u8>, JsonError> {
    let mut out = b"before".to_vec();
    let result = transcode(text, &mut out);
    assert!(out.starts_with(b"before"));
    assert!(result.is_ok() || out == b"before", "something was left behind: {out:?}");
    result.map(|()| out.split_off(6))
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<i16>().prop_map(Json::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Json::from),
        "[a-z]{0,300}".prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 80, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Json::from),
            proptest::collection::vec((any::<String>(), inner), 0..20)
                .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn an_independent_reader_reads_what_was_written(
        text in any::<String>(),
        list in proptest::collection::vec(any::<i32>(), 0..70),
        float: f64,
    ) {
        let value = json!({"text": text, "list": list, "float": float, "nested": {"list": [null, true, list]}});
        let read: Json = rmp_serde::from_slice(&to_bytes(&value).unwrap()).unwrap();
        // An integral float comes back as an integer: JavaScript knows no difference.
        prop_assert_eq!(read["float"].as_f64(), Some(float));
        for part in ["text", "list", "nested"] {
            prop_assert_eq!(&read[part], &value[part]);
        }
    }

    #[test]
    fn transcoding_text_equals_encoding_the_value(value in any_json()) {
        let expected = to_bytes(&value).unwrap();
        prop_assert_eq!(transcoded(&value.to_string()).unwrap(), expected.clone());
        prop_assert_eq!(transcoded(&serde_json::to_string_pretty(&value).unwrap()).unwrap(), expected);
    }

    #[test]
    fn any_text_is_transcoded_exactly_when_serde_json_reads_it(text in "[\\[\\]{}\",:0-9eE.+\\-tru\\\\a-f u/n]{0,24}") {
        // Two differences are meant: a number beyond a double becomes a string here, half a surrogate pair U+FFFD.
        let read = serde_json::from_str::<Json>(&text);
        let differs = read.as_ref().is_err_and(|error| {
            let error = error.to_string();
            let others = ["number out of range", "surrogate", "unexpected end of hex"];
            others.iter().any(|other| error.contains(other))
        });
        if !differs {
            prop_assert_eq!(transcoded(&text).is_ok(), read.is_ok(), "{:?} {:?}", text, read);
        }
    }
}

#[test]
fn numbers_that_javascript_cannot_hold_become_strings_of_their_digits() {
    for digits in [
        "9007199254740992",
        "-9007199254740993",
        "123456789012345678901234567890123456789",
        "1e400",
        "-2E+999",
    ] {
        assert_eq!(transcoded(digits).unwrap(), to_bytes(digits).unwrap(), "{digits}");
    }
    assert_eq!(transcoded("9007199254740991").unwrap(), to_bytes(&9_007_199_254_740_991_i64).unwrap());
    assert_eq!(transcoded("-0").unwrap(), [0]);
    assert_eq!(transcoded("1e18").unwrap(), [0xcf, 0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0, 0]);
}

#[test]
fn half_a_surrogate_pair_is_replaced_as_in_node() {
    assert_eq!(transcoded(r#""a\ud83d\ude80b""#).unwrap(), to_bytes("a🚀b").unwrap());
    assert_eq!(transcoded(r#""a\ud83db""#).unwrap(), to_bytes("a\u{fffd}b").unwrap());
    assert_eq!(transcoded(r#""\ud83d\u0041\ude80""#).unwrap(), to_bytes("\u{fffd}A\u{fffd}").unwrap());
}

#[test]
fn nesting_to_the_limit_is_taken_and_deeper_nesting_is_refused_without_recursion() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(transcoded(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(transcoded(&nested(MAX_DEPTH + 1)), Err(JsonError::TooDeep));
    assert_eq!(transcoded(&"[".repeat(5_000_000)), Err(JsonError::TooDeep));
}

#[test]
fn what_is_not_json_is_an_error_with_its_place() {
    for (text, at) in
        [("", 0), ("[1,]", 3), ("{\"a\" 1}", 5), ("01", 1), ("\"\n\"", 1), ("1 2", 2), ("{1:2}", 1)]
    {
        assert_eq!(transcoded(text), Err(JsonError::Malformed(at)), "{text:?}");
    }
}
