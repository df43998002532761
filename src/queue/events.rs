//! The events of a claim on their way to Redis: thousands of small messages in one buffer. Pure.

use std::ops::Range;

/// Messages to publish, in order, in one buffer.
#[derive(Debug, Default)]
pub struct Events {
    bytes: Vec<u8>,
    spans: Vec<Span>,
}

/// Where a message stands in the buffer.
#[derive(Debug)]
struct Span {
    channel: Range<usize>,
    payload: Range<usize>,
}

/// Messages of one channel that follow each other.
pub(super) struct Group<'a> {
    pub(super) channel: &'a [u8],
    events: &'a Events,
    spans: &'a [Span],
}

impl Events {
    /// Appends a message: `write` appends its payload to the buffer. When it appends nothing there is no message,
    /// because a Node server dies of an empty one.
    pub fn push(&mut self, channel: &str, write: impl FnOnce(&mut Vec<u8>)) {
        // Most messages go where the one before went: its name need not be written again.
        let span = match self.spans.last() {
            Some(last) if self.bytes[last.channel.clone()] == *channel.as_bytes() => last.channel.clone(),
            _ => {
                self.bytes.extend_from_slice(channel.as_bytes());
                self.bytes.len() - channel.len()..self.bytes.len()
            }
        };
        let start = self.bytes.len();
        write(&mut self.bytes);
        if self.bytes.len() > start {
            self.spans.push(Span { channel: span, payload: start..self.bytes.len() });
        }
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The channel and the payload of each message, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.spans.iter().map(|span| (&self.bytes[span.channel.clone()], &self.bytes[span.payload.clone()]))
    }

    /// The messages in order, those of one channel that follow each other together.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let mut rest = self.spans.as_slice();
        std::iter::from_fn(move || {
            let channel = &self.bytes[rest.first()?.channel.clone()];
            let same = rest.iter().take_while(|span| self.bytes[span.channel.clone()] == *channel).count();
            let (group, others) = rest.split_at(same);
            rest = others;
            Some(Group { channel, events: self, spans: group })
        })
    }
}

impl<'a> Group<'a> {
    pub(super) fn payloads(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let (events, spans) = (self.events, self.spans);
        spans.iter().map(|span| &events.bytes[span.payload.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(messages: &[(&str, &[u8])]) -> Events {
        let mut events = Events::default();
        for (channel, payload) in messages {
            events.push(channel, |out| out.extend_from_slice(payload));
        }
        events
    }

    #[test]
    fn messages_keep_their_order_and_those_of_one_channel_stand_together() {
        let events = events(&[("a", b"1"), ("a", b"2"), ("b", b"3"), ("a", b"4")]);
        let messages: Vec<(&[u8], &[u8])> = events.iter().collect();
        assert_eq!(messages, [(&b"a"[..], &b"1"[..]), (b"a", b"2"), (b"b", b"3"), (b"a", b"4")]);
        let sizes: Vec<usize> = events.groups().map(|group| group.payloads().len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
    }

    #[test]
    fn a_message_without_a_payload_is_left_out() {
        let events = events(&[("a", b""), ("a", b"1"), ("b", b""), ("a", b"2")]);
        let messages: Vec<(&[u8], &[u8])> = events.iter().collect();
        assert_eq!(messages, [(&b"a"[..], &b"1"[..]), (b"a", b"2")]);
        assert_eq!(events.len(), 2);
    }
}
