//! A channel and a payload to a typed [`Message`].
//!
//! Accepts what every emitter and adapter generation in use sends: both date extensions, a missing `except`, `flags`
//! or `nsp`, an empty string where a list belongs (the Python emitter), rooms as integers, channels without
//! their last `#`, JSON where an emitter was given a JSON parser. What is anything else is an error, in words; never a
//! panic.
//!
//! It does not answer requests, and it does not know which messages are the reader's own: compare `uid`.

use super::{
    Broadcast, Channel, ChannelKind, DecodeError, Flags, Message, Request, Value, json,
    request::{BROADCAST, DISCONNECT, JOIN, LEAVE, SERVER_SIDE_EMIT},
    target, unpack,
};

/// Reads a message that was received on a channel; `key` is the channel prefix.
pub fn decode(key: &str, channel: &str, payload: &[u8]) -> Result<Message, DecodeError> {
    let not_ours = || DecodeError::Channel(channel.to_owned());
    let channel = Channel::parse(key, channel).ok_or_else(not_ours)?;
    match channel.kind {
        ChannelKind::Broadcast => broadcast(channel.nsp, read(payload)?).map(Message::Broadcast),
        ChannelKind::Request => {
            let message = read(payload)?;
            match message.get("type") {
                Some(Value::Int(BROADCAST)) => acknowledged(channel.nsp, &message).map(Message::Broadcast),
                _ => request(&message).map(Message::Request),
            }
        }
        ChannelKind::Response => Err(not_ours()),
    }
}

/// The rooms that a broadcast is for, where they can be told without decoding all of it; they are those that
/// [`decode`] finds, when it finds the message good.
pub(crate) fn rooms_at_a_glance(payload: &[u8]) -> Option<Vec<&str>> {
    unpack::rooms(payload)
}

/// JSON when it begins like it, as Node servers decide; in MessagePack these two bytes would be bare integers.
fn read(payload: &[u8]) -> Result<Value, DecodeError> {
    let unreadable = |error: &dyn std::fmt::Display| DecodeError::Unreadable(error.to_string());
    if let Some(b'{' | b'[') = payload.first() {
        let text = std::str::from_utf8(payload).map_err(|error| unreadable(&error))?;
        let mut packed = Vec::with_capacity(text.len());
        json::transcode(text, &mut packed).map_err(|error| unreadable(&error))?;
        return unpack::value(&packed).map_err(|error| unreadable(&error));
    }
    unpack::value(payload).map_err(|error| unreadable(&error))
}

fn broadcast(channel_nsp: &str, message: Value) -> Result<Broadcast, DecodeError> {
    let parts = match message {
        Value::Array(parts) => parts,
        Value::Map(_) if message.get("data").is_some() => return Err(DecodeError::Sharded),
        _ => return Err(DecodeError::Shape("it is not an array of identity, packet and options")),
    };
    let [uid, packet, opts] = parts.as_slice() else {
        return Err(DecodeError::Shape("it does not have three parts"));
    };
    parts_of_broadcast(channel_nsp, uid, packet, opts)
}

fn parts_of_broadcast(
    channel_nsp: &str,
    uid: &Value,
    packet: &Value,
    opts: &Value,
) -> Result<Broadcast, DecodeError> {
    // Without options everybody would get it, whomever it was meant for.
    let Value::Map(_) = opts else {
        return Err(DecodeError::Shape("its options are not an object"));
    };
    if !matches!(packet.get("type"), Some(Value::Int(2 | 5)) | None) {
        return Err(DecodeError::Shape("its packet is not an event"));
    }
    let nsp = packet.get("nsp").and_then(Value::as_str).map_or_else(|| "/".to_owned(), target::with_slash);
    if nsp != channel_nsp {
        return Err(DecodeError::Namespace { channel: channel_nsp.to_owned(), packet: nsp });
    }
    let (event, args) = event(packet.get("data"))?;
    Ok(Broadcast {
        uid: text(uid).unwrap_or_default(),
        nsp,
        rooms: rooms(opts.get("rooms"))?,
        except: rooms(opts.get("except"))?,
        flags: flags(opts.get("flags")),
        event,
        args,
    })
}

/// A broadcast of which a server wants acknowledgements.
fn acknowledged(channel_nsp: &str, message: &Value) -> Result<Broadcast, DecodeError> {
    let part = |name| message.get(name).unwrap_or(&Value::Nil);
    parts_of_broadcast(channel_nsp, part("uid"), part("packet"), part("opts"))
}

fn request(message: &Value) -> Result<Request, DecodeError> {
    let Some(Value::Int(kind)) = message.get("type") else {
        return Err(DecodeError::Shape("the request has no type"));
    };
    let kind = u64::try_from(*kind).map_err(|_| DecodeError::Shape("the request's type is negative"))?;
    let request_id = message.get("requestId").and_then(text);
    if kind == SERVER_SIDE_EMIT {
        let uid = message.get("uid").and_then(text).unwrap_or_default();
        let (event, args) = event(message.get("data"))?;
        return Ok(Request::ServerSideEmit { uid, request_id, event, args });
    }
    if !matches!(kind, JOIN | LEAVE | DISCONNECT) {
        return Ok(Request::Question { kind, request_id });
    }
    // Without options everybody would be meant. A Node server fails on it; guessing could disconnect all clients.
    let opts =
        message.get("opts").ok_or(DecodeError::Shape("the request does not say which sockets it is for"))?;
    let Value::Map(_) = opts else {
        return Err(DecodeError::Shape("the request's options are not an object"));
    };
    let (matching, except) = (rooms(opts.get("rooms"))?, rooms(opts.get("except"))?);
    let named = rooms(message.get("rooms"))?;
    Ok(match kind {
        JOIN => Request::Join { rooms: matching, except, joined: named },
        LEAVE => Request::Leave { rooms: matching, except, left: named },
        _ => {
            let close = message.get("close") == Some(&Value::Bool(true));
            Request::Disconnect { rooms: matching, except, close }
        }
    })
}

fn event(data: Option<&Value>) -> Result<(String, Vec<Value>), DecodeError> {
    let Some(Value::Array(data)) = data else {
        return Err(DecodeError::Shape("its data is not an array"));
    };
    let (name, args) = data.split_first().ok_or(DecodeError::Shape("its data has no event name"))?;
    let name = text(name).ok_or(DecodeError::Shape("its event name is not a string"))?;
    Ok((name, args.to_vec()))
}

/// A list of rooms. Missing, null and the empty string are no rooms; any other string is one room.
fn rooms(value: Option<&Value>) -> Result<Vec<String>, DecodeError> {
    let bad = DecodeError::Shape("a room is neither a string nor an integer");
    match value {
        None | Some(Value::Nil) => Ok(Vec::new()),
        Some(Value::Str(room)) if room.is_empty() => Ok(Vec::new()),
        Some(Value::Array(rooms)) => rooms.iter().map(text).collect::<Option<_>>().ok_or(bad),
        Some(one) => text(one).map(|room| vec![room]).ok_or(bad),
    }
}

fn flags(value: Option<&Value>) -> Flags {
    let flag = |name| match value.and_then(|flags| flags.get(name)) {
        Some(Value::Bool(set)) => Some(*set),
        _ => None,
    };
    Flags { volatile: flag("volatile").unwrap_or(false), compress: flag("compress") }
}

/// The text of a string or an integer.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
