//! A broadcast as the packet that clients get: the event and its arguments as JSON, binary as attachments.
//!
//! What a browser makes of it equals what it makes of a Node server's packet. It is pure, and done once for each
//! message, whatever the number of clients.

use std::{collections::VecDeque, sync::Arc};

use serde::Serialize;
use socketioxide_core::{
    Value as Encoded,
    packet::{Packet, PacketData},
};

use crate::emitter::{Broadcast, Value};

/// What a bundle holds: the data of one event.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// As JSON.
    Text(Arc<str>),
    /// With binary in it, whose places are numbered in each packet anew.
    Binary(Arc<Value>),
}

/// The packet of an event.
///
/// # Errors
/// None that is known: JSON has a form for every [`Value`].
pub(super) fn of(broadcast: &Broadcast) -> serde_json::Result<Packet> {
    let mut writer = Writer::event(&broadcast.event)?;
    for value in &broadcast.args {
        writer.text.push(b',');
        writer.value(value)?;
    }
    writer.finish(&broadcast.nsp)
}

/// The packet of an event whose first argument is all that matters, and that argument for bundles.
///
/// # Errors
/// As [`of`].
pub(super) fn with_item(broadcast: &Broadcast) -> serde_json::Result<(Packet, Item)> {
    let value = broadcast.args.first().unwrap_or(&Value::Nil);
    let mut data = Writer::default();
    data.value(value)?;
    let item = match data.attachments.is_empty() {
        true => Item::Text(std::str::from_utf8(&data.text).map_err(serde::ser::Error::custom)?.into()),
        false => Item::Binary(Arc::new(value.clone())),
    };
    let mut writer = Writer::event(&broadcast.event)?;
    writer.text.push(b',');
    writer.text.append(&mut data.text);
    writer.attachments = data.attachments;
    Ok((writer.finish(&broadcast.nsp)?, item))
}

/// The event `rows`: `{ room, rows: [...] }` with the data of several `row` events.
///
/// # Errors
/// As [`of`].
pub(super) fn rows(namespace: &str, room: &str, items: Vec<Item>) -> serde_json::Result<Packet> {
    let mut writer = Writer::event("rows")?;
    writer.text.extend_from_slice(br#",{"room":"#);
    serde_json::to_writer(&mut writer.text, room)?;
    writer.text.extend_from_slice(br#","rows":["#);
    for (at, item) in items.into_iter().enumerate() {
        writer.comma(at);
        match item {
            Item::Text(text) => writer.text.extend_from_slice(text.as_bytes()),
            Item::Binary(value) => writer.value(&value)?,
        }
    }
    writer.text.extend_from_slice(b"]}");
    writer.finish(namespace)
}

/// The event `mark`: `{ room, since, live }`, the id as a string.
pub(super) fn mark(namespace: &str, room: &str, since: u64, live: bool) -> Packet {
    #[derive(Serialize)]
    struct Mark<'a> {
        room: &'a str,
        since: String,
        live: bool,
    }
    // Strings always have a JSON form.
    let mark = Mark { room, since: since.to_string(), live };
    let text = serde_json::to_string(&("mark", mark)).unwrap_or_default();
    Packet::event(namespace.to_owned(), Encoded::Str(text.into(), None))
}

/// An event with one argument.
///
/// # Errors
/// Data that JSON has no form for.
pub(super) fn event(namespace: &str, event: &str, data: &impl Serialize) -> serde_json::Result<Packet> {
    let text = serde_json::to_string(&(event, data))?;
    Ok(Packet::event(namespace.to_owned(), Encoded::Str(text.into(), None)))
}

/// The bytes of a packet's data; on the wire it takes some more.
pub(super) fn size(packet: &Packet) -> u64 {
    let (PacketData::Event(Encoded::Str(text, binary), _)
    | PacketData::BinaryEvent(Encoded::Str(text, binary), _)) = &packet.inner
    else {
        return 0;
    };
    (text.len() + binary.iter().flatten().map(|bytes| bytes.len()).sum::<usize>()) as u64
}

#[derive(Default)]
struct Writer {
    text: Vec<u8>,
    attachments: Vec<Vec<u8>>,
}

impl Writer {
    /// Begins with `["event"`.
    fn event(event: &str) -> serde_json::Result<Self> {
        let mut writer = Self { text: Vec::with_capacity(256), attachments: Vec::new() };
        writer.text.push(b'[');
        serde_json::to_writer(&mut writer.text, event)?;
        Ok(writer)
    }

    fn finish(mut self, namespace: &str) -> serde_json::Result<Packet> {
        self.text.push(b']');
        let text = String::from_utf8(self.text).map_err(serde::ser::Error::custom)?;
        let attachments: VecDeque<_> = self.attachments.into_iter().map(Into::into).collect();
        let attachments = (!attachments.is_empty()).then_some(attachments);
        Ok(Packet::event(namespace.to_owned(), Encoded::Str(text.into(), attachments)))
    }

    /// The decoder has limited the depth.
    fn value(&mut self, value: &Value) -> serde_json::Result<()> {
        match value {
            Value::Bin(bytes) => {
                let placeholder = format!(r#"{{"_placeholder":true,"num":{}}}"#, self.attachments.len());
                self.text.extend_from_slice(placeholder.as_bytes());
                self.attachments.push(bytes.clone());
                Ok(())
            }
            Value::Array(values) => {
                self.text.push(b'[');
                for (at, value) in values.iter().enumerate() {
                    self.comma(at);
                    self.value(value)?;
                }
                self.text.push(b']');
                Ok(())
            }
            Value::Map(pairs) => {
                self.text.push(b'{');
                for (at, (key, value)) in pairs.iter().enumerate() {
                    self.comma(at);
                    serde_json::to_writer(&mut self.text, key)?;
                    self.text.push(b':');
                    self.value(value)?;
                }
                self.text.push(b'}');
                Ok(())
            }
            scalar => serde_json::to_writer(&mut self.text, scalar),
        }
    }

    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.text.push(b',');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn broadcast(event: &str, args: Vec<Value>) -> Broadcast {
        Broadcast {
            uid: String::new(),
            nsp: "/".into(),
            rooms: Vec::new(),
            except: Vec::new(),
            flags: crate::emitter::Flags::default(),
            event: event.into(),
            args,
        }
    }

    fn parts(packet: Packet) -> (String, Vec<Vec<u8>>) {
        let (PacketData::Event(Encoded::Str(text, bins), None)
        | PacketData::BinaryEvent(Encoded::Str(text, bins), None)) = packet.inner
        else {
            panic!("no event")
        };
        (text.to_string(), bins.into_iter().flatten().map(|bytes| bytes.to_vec()).collect())
    }

    fn encode(event: &str, args: Vec<Value>) -> (String, Vec<Vec<u8>>) {
        parts(of(&broadcast(event, args)).unwrap())
    }

    #[test]
    fn binary_leaves_its_place_to_a_placeholder_and_goes_along() {
        let nested = Value::Map(vec![("a".into(), Value::Array(vec![Value::Bin(vec![2]), Value::Nil]))]);
        let (text, attachments) = encode("e\"", vec![Value::Bin(vec![1]), nested]);
        let expected = r#"["e\"",{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1},null]}]"#;
        assert_eq!((text.as_str(), attachments), (expected, vec![vec![1], vec![2]]));
    }

    #[test]
    fn what_json_has_no_number_for_is_null_as_in_javascript() {
        let args = [f64::NAN, f64::INFINITY].map(Value::Float);
        assert_eq!(encode("e", args.to_vec()).0, r#"["e",null,null]"#);
    }

    #[test]
    fn a_bundle_names_its_room_and_numbers_binary_anew() {
        let items = [Value::Int(1), Value::Bin(vec![7]), Value::Array(vec![Value::Bin(vec![8])])];
        let items = items.map(|value| {
            let (packet, item) = with_item(&broadcast("row", vec![value.clone()])).unwrap();
            assert_eq!(parts(packet), encode("row", vec![value]));
            item
        });
        let (text, attachments) = parts(rows("/", "a\"b", items.to_vec()).unwrap());
        let expected = concat!(
            r#"["rows",{"room":"a\"b","rows":[1,{"_placeholder":true,"num":0},"#,
            r#"[{"_placeholder":true,"num":1}]]}]"#
        );
        assert_eq!((text.as_str(), attachments), (expected, vec![vec![7], vec![8]]));
    }

    #[test]
    fn a_mark_is_a_string_because_ids_pass_what_javascript_counts() {
        let (text, _) = parts(mark("/", "a", u64::MAX, true));
        assert_eq!(text, r#"["mark",{"room":"a","since":"18446744073709551615","live":true}]"#);
    }

    proptest! {
        #[test]
        fn whatever_text_and_numbers_go_in_can_be_read_as_the_same(
            event: String, key: String, text: String, int: i64, uint: u64,
        ) {
            let map = Value::Map(vec![(key.clone(), Value::Str(text.clone()))]);
            let args = vec![map, Value::Int(int), Value::UInt(uint), Value::Array(vec![])];
            let (encoded, _) = encode(&event, args);
            let read: serde_json::Value = serde_json::from_str(&encoded).unwrap();
            prop_assert_eq!(read, serde_json::json!([event, {key: text}, int, uint, []]));
        }
    }
}
