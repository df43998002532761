//! What the decoder accepts, what it refuses, and that it survives everything.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::emitter::{Outgoing, Target, to_bytes};

const WIDE: &str = "socket.io#/#";

fn broadcast_of(channel: &str, message: &serde_json::Value) -> Result<Broadcast, DecodeError> {
    match decode("socket.io", channel, &to_bytes(message).unwrap())? {
        Message::Broadcast(broadcast) => Ok(broadcast),
        Message::Request(request) => panic!("a request: {request:?}"),
    }
}

fn request_of(text: &str) -> Result<Request, DecodeError> {
    match decode("socket.io", "socket.io-request#/#", text.as_bytes())? {
        Message::Request(request) => Ok(request),
        Message::Broadcast(broadcast) => panic!("a broadcast: {broadcast:?}"),
    }
}

#[test]
fn what_old_and_foreign_emitters_leave_out_or_write_differently_is_accepted() {
    let packet = json!({"type": 2, "data": ["hello", 1]});
    for opts in [
        json!({}),
        json!({"rooms": "", "flags": ""}),
        json!({"rooms": [], "flags": {}}),
        json!({"rooms": null}),
    ] {
        let read = broadcast_of(WIDE, &json!(["emitter", packet, opts])).unwrap();
        assert_eq!((read.nsp.as_str(), read.rooms.len(), read.except.len()), ("/", 0, 0), "{opts}");
        assert_eq!((read.event.as_str(), read.args.as_slice()), ("hello", [Value::Int(1)].as_slice()));
        assert_eq!(read.flags, Flags::default());
    }
    let flags = json!({"volatile": true, "compress": false, "local": true});
    let opts = json!({"rooms": [42, "a"], "except": "b", "flags": flags});
    let read = broadcast_of(WIDE, &json!(["x7Uq1z", {"type": 5, "data": ["e"], "nsp": "/"}, opts])).unwrap();
    assert_eq!(
        (read.uid.as_str(), read.rooms, read.except),
        ("x7Uq1z", vec!["42".into(), "a".into()], vec!["b".into()])
    );
    assert_eq!(read.flags, Flags { volatile: true, compress: Some(false) });
}

#[test]
fn a_channel_is_taken_apart_with_and_without_its_last_hash() {
    let parsed = |channel| Channel::parse("socket.io", channel).map(|c| (c.kind, c.nsp, c.room));
    let (broadcast, request) = (ChannelKind::Broadcast, ChannelKind::Request);
    assert_eq!(parsed("socket.io#/#"), Some((broadcast, "/", None)));
    assert_eq!(parsed("socket.io#/"), Some((broadcast, "/", None)));
    assert_eq!(parsed("socket.io#/chat#room1#"), Some((broadcast, "/chat", Some("room1"))));
    assert_eq!(parsed("socket.io#/chat#room1"), Some((broadcast, "/chat", Some("room1"))));
    assert_eq!(parsed("socket.io#/#a#b#"), Some((broadcast, "/", Some("a#b"))));
    assert_eq!(parsed("socket.io-request#/chat#"), Some((request, "/chat", None)));
    assert_eq!(parsed("socket.io-request#/chat"), Some((request, "/chat", None)));
    assert_eq!(parsed("socket.io-response#/#abc#"), Some((ChannelKind::Response, "/", Some("abc"))));
    for other in ["", "socket.io", "socket.iox#/#", "other#/#", "socket.io#chat#", "socket.io-request/#"] {
        assert_eq!(parsed(other), None, "{other}");
    }
}

#[test]
fn a_broadcast_that_does_not_say_whom_it_is_for_is_refused() {
    let packet = json!({"type": 2, "data": ["hello"], "nsp": "/"});
    let malformed = [
        json!(["emitter", packet]),
        json!(["emitter", packet, null]),
        json!(["emitter", packet, {"rooms": [{}]}]),
        json!(["emitter", {"type": 2, "data": [], "nsp": "/"}, {}]),
        json!(["emitter", {"type": 2, "data": "hello", "nsp": "/"}, {}]),
        json!(["emitter", {"type": 3, "data": ["hello"], "nsp": "/"}, {}]),
        json!([packet, {}]),
        json!("hello"),
    ];
    for message in malformed {
        assert!(matches!(broadcast_of(WIDE, &message), Err(DecodeError::Shape(_))), "{message}");
    }
    let elsewhere = broadcast_of("socket.io#/chat#", &json!(["emitter", packet, {}]));
    assert!(matches!(elsewhere, Err(DecodeError::Namespace { .. })));
}

#[test]
fn requests_of_emitters_and_of_servers_are_told_apart() {
    let all = Vec::<String>::new;
    assert_eq!(
        request_of(r#"{"type":2,"opts":{"rooms":["a"],"except":[1]},"rooms":["b"]}"#),
        Ok(Request::Join { rooms: vec!["a".into()], except: vec!["1".into()], joined: vec!["b".into()] })
    );
    assert_eq!(
        request_of(r#"{"type":4,"opts":{"rooms":[],"except":[]},"close":true}"#),
        Ok(Request::Disconnect { rooms: all(), except: all(), close: true })
    );
    assert_eq!(
        request_of(r#"{"uid":"abc123","type":6,"requestId":"r1","data":["x",1]}"#),
        Ok(Request::ServerSideEmit {
            uid: "abc123".into(),
            request_id: Some("r1".into()),
            event: "x".into(),
            args: vec![Value::Int(1)]
        })
    );
    assert_eq!(
        request_of(r#"{"requestId":"r2","type":5,"opts":{"rooms":[]}}"#),
        Ok(Request::Question { kind: 5, request_id: Some("r2".into()) })
    );
    let packet = json!({"type": 2, "data": ["e", 1], "nsp": "/"});
    let acknowledged =
        json!({"uid": "u", "requestId": "r3", "type": 7, "packet": packet, "opts": {"rooms": ["a"]}});
    let acknowledged = to_bytes(&acknowledged).unwrap();
    let Ok(Message::Broadcast(read)) = decode("socket.io", "socket.io-request#/#", &acknowledged) else {
        panic!("no broadcast")
    };
    assert_eq!((read.event.as_str(), read.rooms, read.args), ("e", vec!["a".into()], vec![Value::Int(1)]));
}

#[test]
fn a_request_that_does_not_say_which_sockets_it_is_for_disconnects_nobody() {
    for text in [
        r#"{"type":4}"#,
        r#"{"type":4,"opts":null}"#,
        r#"{"type":4,"opts":[]}"#,
        r#"{"type":-4}"#,
        "{}",
        r#"{"type":7}"#,
    ] {
        assert!(matches!(request_of(text), Err(DecodeError::Shape(_))), "{text}");
    }
    assert!(matches!(request_of("{\"type\":4"), Err(DecodeError::Unreadable(_))));
}

#[test]
fn what_was_read_can_be_sent_on_with_the_same_bytes() {
    let sent = Target::new().event_args("e", &(json!({"a": [1, -1, 2.5, null, true]}), "text")).unwrap();
    let Ok(Message::Broadcast(read)) = decode("socket.io", &sent.channel, &sent.payload) else {
        panic!("{sent:?}")
    };
    assert_eq!(Target::new().event_args(&read.event, &read.args).unwrap(), sent);
}

fn any_value() -> impl Strategy<Value = Value> {
    // Integers beyond 2^53 travel as strings, and integral floats as integers, so those do not come back as they went.
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::Int),
        any::<f64>().prop_filter("integral", |number| number.fract() != 0.0).prop_map(Value::Float),
        any::<String>().prop_map(Value::Str),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bin),
    ];
    leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::Array),
            proptest::collection::vec((any::<String>(), inner), 0..20).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_sent_is_what_is_read(
        nsp in "/[a-z]{0,9}",
        rooms in proptest::collection::hash_set("[a-z#]{1,9}", 0..4),
        except in proptest::collection::hash_set("[a-z]{1,9}", 0..20),
        compress: Option<bool>,
        args in proptest::collection::vec(any_value(), 0..18),
    ) {
        let (rooms, except): (Vec<_>, Vec<_>) = (rooms.into_iter().collect(), except.into_iter().collect());
        let mut target = Target::new().with_key("k").of(&nsp).to(rooms.clone()).except(except.clone());
        if let Some(compress) = compress {
            target = target.compress(compress).volatile();
        }
        let Outgoing { channel, payload } = target.event_args("event", &args).unwrap();
        let flags = Flags { volatile: compress.is_some(), compress };
        let uid = "emitter".to_owned();
        let expected = Broadcast { uid, nsp, rooms, except, flags, event: "event".to_owned(), args };
        let glance: Vec<String> = rooms_at_a_glance(&payload).unwrap().into_iter().map(str::to_owned).collect();
        prop_assert_eq!(&glance, &expected.rooms);
        prop_assert_eq!(decode("k", &channel, &payload), Ok(Message::Broadcast(expected)));
    }

    #[test]
    fn any_bytes_on_any_channel_are_read_or_refused_and_never_a_panic(
        channel in prop_oneof![Just(WIDE.to_owned()), Just("socket.io-request#/#".to_owned()), any::<String>()],
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _result = decode("socket.io", &channel, &payload);
        let _rooms = rooms_at_a_glance(&payload);
    }

    #[test]
    fn any_damage_to_a_message_is_read_or_refused_and_never_a_panic(
        args in proptest::collection::vec(any_value(), 0..5),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut payload = Target::new().to(["a", "b"]).event_args("event", &args).unwrap().payload;
        for (at, byte) in damage {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        let glance = rooms_at_a_glance(&payload)
            .map(|rooms| rooms.into_iter().map(str::to_owned).collect::<Vec<_>>());
        if let (Some(rooms), Ok(Message::Broadcast(read))) = (glance, decode("socket.io", WIDE, &payload)) {
            prop_assert_eq!(rooms, read.rooms);
        }
        payload.truncate(cut.index(payload.len()));
        let _cut = decode("socket.io", WIDE, &payload);
    }
}
