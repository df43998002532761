//! The encoder against the official packages themselves, without a server in between.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use rowcast::emitter::to_bytes;
use serde_json::{Value, json};

use super::{INTEROP, require_node};

/// Any JSON that means the same in JavaScript: no integer beyond 2^53 (ours are strings), no number from 2^64 on
/// (notepack corrupts it), no key like an integer (JavaScript moves those to the front).
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::from),
        (0_u32..54, any::<bool>()).prop_map(|(bits, below)| json!((1_i64 << bits) - 1 - i64::from(below))),
        any::<i8>().prop_map(Value::from),
        (-1e18..1e19).prop_map(|number: f64| json!(number)),
        (-1e6..1e6).prop_map(|number: f64| json!(number.trunc())),
        any::<f64>().prop_filter("notepack", |number| number.abs() < 1e18).prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
        "[a-zé]{0,600}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 80, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            proptest::collection::vec(("[a-z]{1,40}", inner), 0..20)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

#[test]
fn values_of_any_kind_have_the_bytes_of_notepack() {
    require_node();
    let mut node = Command::new("node")
        .arg("notepack.mjs")
        .current_dir(INTEROP)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The same values in every run, so that a failure can be looked at again.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let mut values: Vec<Value> =
        (0..1_000).map(|_| any_json().new_tree(&mut runner).unwrap().current()).collect();
    // Lengths and counts around every change of form.
    for length in [15, 16, 31, 32, 255, 256, 65_535, 65_536] {
        values.push(json!("x".repeat(length)));
        values.push(json!(vec![1; length]));
        values.push(Value::Object((0..length).map(|n| (format!("k{n}"), json!(n))).collect()));
    }

    let mut stdin = node.stdin.take().unwrap();
    let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = node.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let encoded = String::from_utf8(output.stdout).unwrap();
    let encoded: Vec<&str> = encoded.lines().collect();
    assert_eq!(encoded.len(), values.len());
    for (value, notepack) in values.iter().zip(encoded) {
        assert_eq!(hex(&to_bytes(value).unwrap()), notepack, "{value}");
    }
}

#[test]
fn the_recorded_vectors_are_what_the_installed_official_emitter_writes() {
    require_node();
    let output =
        Command::new("node").args(["--test", "vectors.test.mjs"]).current_dir(INTEROP).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
