//! Byte equality with the official emitter, against messages recorded from it.
//!
//! The fixture holds what the npm packages published on a real Redis. A vector of 5.1.0 that this emitter can express
//! must come out byte for byte; one that it cannot must be listed with the reason; there is no third way.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{DecodeError, Outgoing, Target, decode};

const FIXTURE: &str = include_str!("../../tests/fixtures/emitter-vectors.json");

/// Cases of 5.1.0 that this emitter cannot or must not write.
const NOT_EXPRESSIBLE: [(&str, &str); 6] = [
    ("custom-parser-json", "the default parser is the only one that every server understands"),
    ("custom-parser-msgpack5", "as above, and it holds a Date"),
    ("date-ms", "dates are published as ISO strings, which all generations read alike"),
    ("date-whole-sec", "as date-ms"),
    ("date-negative", "as date-ms"),
    ("numbers", "its last number, 1e21, is corrupted by notepack; the others are compared below"),
];

/// What a case of the fixture says in Rust.
fn ours(case: &str) -> Option<Outgoing> {
    let all = Target::new();
    let key = all.with_key("myapp");
    let chat = all.of("/chat");
    let room1 = all.to("room1");
    let message = match case {
        "string" => all.event("hello", "world"),
        "object" => all.event("row", &Row::ANN),
        "multi-args" => all.event_args("row", &(1, "two", [3, 4], json!({"five": 5}), (), false)),
        "unicode" => all.event("événement", "日本語 🚀 é"),
        "no-args" => all.event_args("ping!", &()),
        "binary-buffer" => all.event("bin", &Bytes(&[0, 1, 2, 255])),
        "binary-nested-uint8array" => all.event("bin", &Nested { data: Bytes(&[9, 8, 7]), n: 1 }),
        "binary-arraybuffer" => all.event("bin", &Bytes(&[1, 2, 3])),
        "nsp-chat" => chat.event("hello", "chat"),
        "nsp-without-slash" => all.of("chat").event("hello", "chat"),
        "one-room" | "redis-v4-client" => room1.event("hello", "r1"),
        "one-room-nsp" => chat.to("room1").event("hello", "r1"),
        "two-rooms" => room1.to("room2").event("hello", "r12"),
        "two-rooms-array" => all.to(["room1", "room2"]).event("hello", "r12"),
        "one-room-array" => all.to(vec!["room1"]).event("hello", "r1"),
        "numeric-room" => all.to(42).event("hello", "r42"),
        "room-with-hash" => all.to("a#b").event("hello", "x"),
        "except" => all.except("room3").event("hello", "x"),
        "room-and-except-two" => room1.except(["room3", "room4"]).event("hello", "x"),
        "volatile" => all.volatile().event("hello", "v"),
        "compress-false" => all.compress(false).event("hello", "c"),
        "volatile-compress-room" => room1.volatile().compress(true).event("hello", "vc"),
        "key-prefix" => key.of("/chat").to("room1").event("hello", "p"),
        "undefined-arg" => all.event_args("u", &(None::<u8>, Undefined { a: None, b: 1 })),
        "bigint-toJSON-none" => all.event("b", &10_i128),
        "long-string-str8" => all.event("s", &"x".repeat(40)),
        "long-string-str16" => all.event("s", &"y".repeat(300)),
        "socketsJoin" => room1.except("room2").sockets_join(["roomA", "roomB"]),
        "socketsJoin-all-str" => all.sockets_join("roomA"),
        "socketsLeave" => chat.to("room1").sockets_leave("roomA"),
        "disconnectSockets" => all.disconnect_sockets(false),
        "disconnectSockets-close" => room1.disconnect_sockets(true),
        "serverSideEmit" => all.server_side_event("reload", &("cfg", json!({"a": 1}))),
        "serverSideEmit-nsp" => chat.server_side_event("x", &()),
        "prefix-request" => key.sockets_join("roomA"),
        _ => return None,
    };
    Some(message.unwrap())
}

#[derive(Serialize)]
struct Row {
    id: u8,
    name: &'static str,
    price: f64,
    ok: bool,
    nil: Option<u8>,
    tags: [&'static str; 2],
}

impl Row {
    const ANN: Self = Self { id: 1, name: "Ann", price: 12.5, ok: true, nil: None, tags: ["a", "b"] };
}

struct Bytes(&'static [u8]);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

#[derive(Serialize)]
struct Nested {
    data: Bytes,
    n: u8,
}

#[derive(Serialize)]
struct Undefined {
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<u8>,
    b: u8,
}

struct Vector {
    case: String,
    channel: String,
    payload: Vec<u8>,
}

fn vectors(package: &str) -> Vec<Vector> {
    let fixture: Vec<Json> = serde_json::from_str(FIXTURE).unwrap();
    let of_package = fixture.iter().filter(|vector| vector["package"].as_str().unwrap().starts_with(package));
    of_package
        .map(|vector| Vector {
            case: vector["case"].as_str().unwrap().to_owned(),
            channel: vector["channel"].as_str().unwrap().to_owned(),
            payload: from_hex(vector["payload_hex"].as_str().unwrap()),
        })
        .collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The prefix that a recorded channel has.
fn key_of(channel: &str) -> &str {
    if channel.starts_with("myapp") { "myapp" } else { "socket.io" }
}

#[test]
fn every_vector_of_5_1_0_comes_out_byte_for_byte_or_is_listed_with_a_reason() {
    let mut listed: BTreeSet<&str> = NOT_EXPRESSIBLE.iter().map(|(case, _)| *case).collect();
    let vectors = vectors("@socket.io/redis-emitter@5.1.0");
    assert_eq!(vectors.len(), 42, "the fixture has changed: cover its new cases");
    for Vector { case, channel, payload } in vectors {
        match ours(&case) {
            Some(message) => assert_eq!(message, Outgoing { channel, payload }, "{case}"),
            None => assert!(listed.remove(case.as_str()), "{case} is neither covered nor listed"),
        }
    }
    assert!(listed.is_empty(), "listed, but not in the fixture or covered after all: {listed:?}");
}

#[test]
fn all_numbers_but_the_one_that_notepack_corrupts_come_out_byte_for_byte() {
    let numbers =
        vectors("@socket.io/redis-emitter@5.1.0").into_iter().find(|v| v.case == "numbers").unwrap();
    let mut expected = numbers.payload;
    let corrupted = from_hex("cf35c9adc5dea00000");
    let at = expected.windows(corrupted.len()).position(|bytes| bytes == corrupted).unwrap();
    expected.drain(at..at + corrupted.len());
    let count = expected.windows(3).position(|bytes| bytes == [0xdc, 0, 0x16]).unwrap() + 2;
    expected[count] -= 1;

    let integers =
        [0_i64, 127, 128, 255, 256, 65_535, 65_536, 4_294_967_295, 4_294_967_296, 9_007_199_254_740_991];
    let negative = [-1_i64, -32, -33, -128, -129, -32_768, -32_769, -2_147_483_649];
    let mut args: Vec<Json> = integers.iter().chain(&negative).map(|number| json!(number)).collect();
    args.extend([json!(1.5), json!(-0.25)]);
    assert_eq!(Target::new().event_args("n", &args).unwrap().payload, expected);

    let as_floats: Vec<f64> = args.iter().map(|number| number.as_f64().unwrap()).collect();
    assert_eq!(Target::new().event_args("n", &as_floats).unwrap().payload, expected);
}

#[test]
fn the_decoder_reads_every_vector_of_both_emitters() {
    for package in ["@socket.io/redis-emitter@5.1.0", "socket.io-emitter@3.2.0"] {
        for Vector { case, channel, payload } in vectors(package) {
            let message = decode(key_of(&channel), &channel, &payload);
            assert!(message.is_ok(), "{package} {case}: {message:?}");
        }
    }
}

#[test]
fn a_message_of_the_sharded_adapter_is_named_as_such() {
    let sharded = vectors("@socket.io/redis-adapter@8.3.0 createShardedAdapter");
    assert_eq!(sharded.len(), 6);
    for Vector { channel, payload, .. } in sharded {
        let channel = channel.trim_end_matches("  (SPUBLISH)");
        assert_eq!(decode("socket.io", channel, &payload), Err(DecodeError::Sharded));
    }
}
