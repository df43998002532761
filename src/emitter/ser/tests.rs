//! The shapes and limits of serialised values.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

#[derive(Serialize)]
enum Shape {
    Unit,
    New(u8),
    Tuple(u8, u8),
    Struct { a: u8 },
    Chain(Box<Shape>),
}

#[test]
fn enums_and_maps_have_the_shapes_of_serde_json() {
    for shape in [Shape::Unit, Shape::New(1), Shape::Tuple(1, 2), Shape::Struct { a: 1 }] {
        let as_json = serde_json::to_value(&shape).unwrap();
        assert_eq!(to_bytes(&shape).unwrap(), to_bytes(&as_json).unwrap(), "{as_json}");
    }
    let by_number = BTreeMap::from([(1_i64 << 60, 'x'), (-2, 'y')]);
    assert_eq!(
        to_bytes(&by_number).unwrap(),
        to_bytes(&json!({"-2": "y", "1152921504606846976": "x"})).unwrap()
    );
    assert_eq!(to_bytes(&BTreeMap::from([((), 1)])), Err(EncodeError::Key));
    assert_eq!(to_bytes(&BTreeMap::from([([1], 1)])), Err(EncodeError::Key));
}

#[test]
fn floats_are_never_32_bits_and_keep_their_shortest_text() {
    assert_eq!(to_bytes(&0.1_f32).unwrap(), to_bytes(&0.1_f64).unwrap());
    assert_eq!(to_bytes(&f32::NAN).unwrap()[0], 0xcb);
    assert_eq!(to_bytes(&3.0_f32).unwrap(), [3]);
}

#[test]
fn integers_of_128_bits_travel_as_strings() {
    assert_eq!(to_bytes(&-7_i128).unwrap(), to_bytes("-7").unwrap());
    assert_eq!(to_bytes(&u128::MAX).unwrap(), to_bytes("340282366920938463463374607431768211455").unwrap());
}

#[test]
fn a_chain_of_variants_cannot_overflow_the_stack() {
    let chain = (0..10_000).fold(Shape::Unit, |inner, _| Shape::Chain(Box::new(inner)));
    assert_eq!(to_bytes(&chain), Err(EncodeError::TooDeep));
}
