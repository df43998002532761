//! A broadcast as the packet that clients get: the event and its arguments as JSON, binary as attachments.
//!
//! What a browser makes of it equals what it makes of a Node server's packet. It is pure, and done once for each
//! message, whatever the number of clients.

use std::collections::VecDeque;

use socketioxide_core::{Value as Encoded, packet::Packet};

use crate::emitter::{Broadcast, Value};

/// The packet of an event.
///
/// # Errors
/// None that is known: JSON has a form for every [`Value`].
pub(super) fn of(broadcast: Broadcast) -> serde_json::Result<Packet> {
    let (text, attachments) = encode(&broadcast.event, broadcast.args)?;
    let attachments: VecDeque<_> = attachments.into_iter().map(Into::into).collect();
    let attachments = (!attachments.is_empty()).then_some(attachments);
    Ok(Packet::event(broadcast.nsp, Encoded::Str(text.into(), attachments)))
}

/// `["event",argument,...]`, and what stands behind its placeholders.
fn encode(event: &str, args: Vec<Value>) -> serde_json::Result<(String, Vec<Vec<u8>>)> {
    let mut writer = Writer { text: Vec::with_capacity(256), attachments: Vec::new() };
    writer.text.push(b'[');
    serde_json::to_writer(&mut writer.text, event)?;
    for value in args {
        writer.text.push(b',');
        writer.value(value)?;
    }
    writer.text.push(b']');
    let text = String::from_utf8(writer.text).map_err(serde::ser::Error::custom)?;
    Ok((text, writer.attachments))
}

struct Writer {
    text: Vec<u8>,
    attachments: Vec<Vec<u8>>,
}

impl Writer {
    /// The decoder has limited the depth.
    fn value(&mut self, value: Value) -> serde_json::Result<()> {
        match value {
            Value::Bin(bytes) => {
                let placeholder = format!(r#"{{"_placeholder":true,"num":{}}}"#, self.attachments.len());
                self.text.extend_from_slice(placeholder.as_bytes());
                self.attachments.push(bytes);
                Ok(())
            }
            Value::Array(values) => {
                self.text.push(b'[');
                for (at, value) in values.into_iter().enumerate() {
                    self.comma(at);
                    self.value(value)?;
                }
                self.text.push(b']');
                Ok(())
            }
            Value::Map(pairs) => {
                self.text.push(b'{');
                for (at, (key, value)) in pairs.into_iter().enumerate() {
                    self.comma(at);
                    serde_json::to_writer(&mut self.text, &key)?;
                    self.text.push(b':');
                    self.value(value)?;
                }
                self.text.push(b'}');
                Ok(())
            }
            scalar => serde_json::to_writer(&mut self.text, &scalar),
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

    #[test]
    fn binary_leaves_its_place_to_a_placeholder_and_goes_along() {
        let nested = Value::Map(vec![("a".into(), Value::Array(vec![Value::Bin(vec![2]), Value::Nil]))]);
        let (text, attachments) = encode("e\"", vec![Value::Bin(vec![1]), nested]).unwrap();
        let expected = r#"["e\"",{"_placeholder":true,"num":0},{"a":[{"_placeholder":true,"num":1},null]}]"#;
        assert_eq!((text.as_str(), attachments), (expected, vec![vec![1], vec![2]]));
    }

    #[test]
    fn what_json_has_no_number_for_is_null_as_in_javascript() {
        let args = [f64::NAN, f64::INFINITY].map(Value::Float);
        assert_eq!(encode("e", args.to_vec()).unwrap().0, r#"["e",null,null]"#);
    }

    proptest! {
        #[test]
        fn whatever_text_and_numbers_go_in_can_be_read_as_the_same(
            event: String, key: String, text: String, int: i64, uint: u64,
        ) {
            let map = Value::Map(vec![(key.clone(), Value::Str(text.clone()))]);
            let args = vec![map, Value::Int(int), Value::UInt(uint), Value::Array(vec![])];
            let (encoded, _) = encode(&event, args).unwrap();
            let read: serde_json::Value = serde_json::from_str(&encoded).unwrap();
            prop_assert_eq!(read, serde_json::json!([event, {key: text}, int, uint, []]));
        }
    }
}
