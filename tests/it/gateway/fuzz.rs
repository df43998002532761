//! Valid messages with something changed, by chance that can be had again: on WebSockets, and on the Redis channels.

use redis::cmd;
use rowcast::emitter::Target;
use serde_json::json;

use super::{
    Gateway,
    raw::{Socket, frame, text_frame},
};
use crate::{
    interop::Node,
    support::{Env, PATIENCE, random, within},
};

/// What clients send.
const PACKETS: [&str; 12] = [
    "40",
    "40/,{\"token\":\"a\"}",
    "421[\"subscribe\",\"a\"]",
    "422[\"subscribe\",[{\"room\":\"a\",\"since\":0,\"every_ms\":5},\"b\"]]",
    "42[\"unsubscribe\",[\"a\"]]",
    "423[\"authenticate\",\"token\"]",
    "451-4[\"x\",{\"_placeholder\":true,\"num\":0}]",
    "461-4[{\"_placeholder\":true,\"num\":0}]",
    "434[1]",
    "2probe",
    "3",
    "41",
];

/// Changes some bytes: others, more, fewer, twice, or numbers that are huge.
fn changed(random: &mut fastrand::Rng, valid: &[u8]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..random.usize(0..4) {
        let at = random.usize(..=bytes.len());
        let end = random.usize(at..=bytes.len());
        match random.u8(..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            1 if at < bytes.len() => bytes[at] = random.u8(..),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let more: Vec<u8> = (0..random.usize(..20)).map(|_| random.u8(..)).collect();
                drop(bytes.splice(at..at, more));
            }
            5 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            _ => drop(bytes.splice(at..at, *b"99999999999999999999")),
        }
    }
    bytes
}

/// A frame of WebSocket, or what comes near it.
fn some_frame(random: &mut fastrand::Rng) -> Vec<u8> {
    let packet = random.choice(PACKETS).unwrap();
    let packet = changed(random, packet.as_bytes());
    match random.u8(..12) {
        // Text that may be no UTF-8.
        0..=4 => frame(0x81, &packet),
        5 => frame(0x82, &packet),
        // Attachments that are announced, and others that follow.
        6 => [text_frame("453-[\"x\",{\"_placeholder\":true,\"num\":0}]"), frame(0x82, &packet)].concat(),
        7 => [frame(0x01, &packet), frame(0x00, &packet), frame(0x80, &packet)].concat(),
        8 => frame(random.u8(..), &packet),
        // A length that is a lie, and huge.
        9 => [&[0x81, 0xff][..], &random.u64(..).to_be_bytes(), &packet].concat(),
        10 => changed(random, &text_frame("421[\"subscribe\",\"a\"]")),
        _ => packet,
    }
}

/// A channel, and something on it that is nearly a message.
fn some_message(random: &mut fastrand::Rng) -> (String, Vec<u8>) {
    let valid = match random.u8(..4) {
        0 => Target::new().event_args("e", &(1, "text", json!({"a": [null, 1.5, {"b": "c"}]}))),
        1 => Target::new().to("room").event_args("row", &(json!({"table": "t", "id": 7, "row": {}}),)),
        _ => Target::new().to("one").to("two").except("three").event_args("e", &(u64::MAX, i64::MIN, true)),
    };
    let valid = valid.unwrap();
    match random.u8(..4) {
        // To nobody, so that what is asked for by accident is done to nobody.
        0 => {
            let request = json!({"type": 2, "opts": {"rooms": ["nobody"], "except": []}, "rooms": ["room"]});
            let request = request.to_string().into_bytes();
            ("socket.io-request#/#".into(), changed(random, &request))
        }
        _ => (valid.channel, changed(random, &valid.payload)),
    }
}

#[tokio::test]
async fn whatever_comes_near_a_message_nothing_dies_and_a_bystander_gets_every_event_once() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (mut bystander, _) = gateway.clients(&["--transport", "websocket", "/#"]).await;
    let mut redis = env.redis_connection().await;
    let before = gateway.memory("VmRSS");
    let mut random = random();
    let mut open = Vec::new();
    for round in 0..40 {
        for _ in 0..20 {
            let mut socket = Socket::ask(&gateway, "EIO=4&transport=websocket").await.unwrap();
            let frames: Vec<u8> = (0..random.usize(1..12)).flat_map(|_| some_frame(&mut random)).collect();
            if random.bool() {
                socket.send("40").await;
            }
            socket.send_bytes(&frames).await;
            open.push(socket);
        }
        // Some stay for a while, whatever they have said.
        random.shuffle(&mut open);
        open.truncate(100);
        for _ in 0..100 {
            let (channel, payload) = some_message(&mut random);
            cmd("PUBLISH").arg(channel).arg(payload).query_async::<u64>(&mut redis).await.unwrap();
        }
        let event = Target::new().event_args("witness", &(round,)).unwrap();
        cmd("PUBLISH").arg(event.channel).arg(event.payload).query_async::<u64>(&mut redis).await.unwrap();
        assert_eq!(witnessed(&mut bystander).await, round);
    }
    let log = gateway.process.log();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:#?}");
    let peak = gateway.memory("VmHWM");
    assert!(peak - before < 60, "{before} MB before, {peak} MB at the peak");
}

/// The number in the next of our own events; what was published by accident is passed over.
async fn witnessed(bystander: &mut Node) -> u64 {
    let heard = async {
        loop {
            let line = bystander.line().await;
            assert!(line["disconnected"].is_null(), "{line}");
            if line["event"] == "witness" {
                return line["args"][0].as_u64().unwrap();
            }
        }
    };
    within(PATIENCE, "an event", heard).await
}
