//! What clients ask for, and the answers. Pure: what comes of a request is for [`super::sockets`] to do.
//!
//! `subscribe` and `unsubscribe` take one argument: a room, or a list of them. A room is its name, or an object with
//! its name under `room`. A request is carried out in full or refused in full. The acknowledgement is
//! `{ ok: true, rooms: [...] }`, or `{ ok: false, code, message }`, with `room` when the fault is one room's.

use serde::Serialize;
use serde_json::Value;

use super::token::Denied;

/// The longest name of a room, in bytes.
pub(super) const LONGEST: usize = 512;

/// The rooms that an argument names, each once, in order. `is_client` tells the rooms that are named like a client's id.
///
/// # Errors
/// The refusal of an argument that cannot be used, or of the first room that may not be.
pub(super) fn rooms(
    argument: &Value,
    most: usize,
    is_client: impl Fn(&str) -> bool,
) -> Result<Vec<String>, Refusal> {
    let items = match argument {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    if items.len() > most {
        return Err(Refusal::too_many(most));
    }
    let mut rooms = Vec::with_capacity(items.len());
    for item in items {
        let room = permitted(name(item)?, &is_client)?;
        if !rooms.contains(&room) {
            rooms.push(room);
        }
    }
    if rooms.is_empty() { Err(Refusal::malformed()) } else { Ok(rooms) }
}

/// The name in an item. Rooms may be numbers: those are their digits, as in every message.
fn name(item: &Value) -> Result<String, Refusal> {
    match item {
        Value::Object(fields) => match fields.iter().find(|(key, _)| *key != "room") {
            Some((unknown, _)) => Err(Refusal {
                message: format!("{unknown:?} is not known here; an item is {{ room }}"),
                ..Refusal::malformed()
            }),
            None => plain(fields.get("room").unwrap_or(&Value::Null)),
        },
        other => plain(other),
    }
}

fn plain(name: &Value) -> Result<String, Refusal> {
    match name {
        Value::String(name) if !name.is_empty() => Ok(name.clone()),
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        _ => Err(Refusal::malformed()),
    }
}

/// Refuses what is no room for clients: a room that is named like a client's id carries what is meant for that client
/// alone, and names with control characters are our own. Nobody can name an id before it is there: they are random.
fn permitted(room: String, is_client: impl Fn(&str) -> bool) -> Result<String, Refusal> {
    let refusal =
        |code, message: String| Refusal { code, message, room: Some(room.chars().take(100).collect()) };
    if room.len() > LONGEST {
        return Err(refusal("bad_request", format!("the room's name is longer than {LONGEST} bytes")));
    }
    if room.contains(char::is_control) || is_client(&room) {
        let message =
            "the room is reserved; choose a name that is no client's id, without control characters";
        return Err(refusal("reserved", message.into()));
    }
    Ok(room)
}

/// An acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Answer {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<Vec<String>>,
    #[serde(flatten)]
    refusal: Option<Refusal>,
}

impl From<Result<Vec<String>, Refusal>> for Answer {
    fn from(outcome: Result<Vec<String>, Refusal>) -> Self {
        match outcome {
            Ok(rooms) => Self { ok: true, rooms: Some(rooms), refusal: None },
            Err(refusal) => Self { ok: false, rooms: None, refusal: Some(refusal) },
        }
    }
}

/// Why nothing was done: a word for programs, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
}

impl Refusal {
    fn malformed() -> Self {
        let message = "expected a room, or a list of rooms: \"a\", { room: \"a\" }, [\"a\", \"b\"]";
        Self { code: "bad_request", message: message.into(), room: None }
    }

    /// More rooms than one socket may be in.
    pub(super) fn too_many(most: usize) -> Self {
        let message =
            format!("a client may be in {most} rooms (ROWCAST_ROOMS_PER_SOCKET); unsubscribe from some");
        Self { code: "too_many_rooms", message, room: None }
    }

    /// A room that the client's token does not list.
    pub(super) fn forbidden(room: &str) -> Self {
        let message = "the token's rooms do not hold this one; nothing was joined";
        Self { code: "forbidden", message: message.into(), room: Some(room.to_owned()) }
    }

    /// A token that is not accepted.
    pub(super) fn denied(denied: Denied) -> Self {
        Self { code: denied.code, message: denied.reason, room: None }
    }

    /// An event that is not one of ours.
    pub(super) fn unknown_event() -> Self {
        let message = "this server takes subscribe and unsubscribe from clients, authenticate where it asks for \
                       tokens, and no other event";
        Self { code: "unknown_event", message: message.into(), room: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const OWN: &str = "AAAAAAAAAAAAAAAA";

    fn code(argument: &Value) -> &'static str {
        rooms(argument, 3, |room| room == OWN)
            .map_or_else(|refusal| refusal.code, |rooms| panic!("{argument}: {rooms:?}"))
    }

    #[test]
    fn a_room_is_a_name_or_an_object_and_a_list_is_several() {
        for (argument, expected) in [
            (json!("a"), &["a"][..]),
            (json!({"room": "a#b"}), &["a#b"]),
            (json!(42), &["42"]),
            (json!({"room": -1}), &["-1"]),
            (json!(["b", {"room": "a"}, "b"]), &["b", "a"]),
        ] {
            assert_eq!(rooms(&argument, 3, |_| false).unwrap(), expected, "{argument}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_in_full() {
        for argument in [
            json!(null),
            json!(""),
            json!([]),
            json!(1.5),
            json!(true),
            json!({}),
            json!({"room": null}),
            json!({"room": "a", "Since": 1}),
            json!(["a", ["b"]]),
            json!(["a", ""]),
            json!("x".repeat(LONGEST + 1)),
        ] {
            assert_eq!(code(&argument), "bad_request", "{argument}");
        }
        assert_eq!(code(&json!(["a", "b", "c", "d"])), "too_many_rooms");
    }

    #[test]
    fn rooms_of_sockets_and_our_own_are_refused_by_name() {
        assert_eq!(code(&json!(["a", OWN])), "reserved");
        assert_eq!(code(&json!(super::super::adapter::DROPPED)), "reserved");
        let answer = Answer::from(rooms(&json!(["a", OWN]), 3, |room| room == OWN));
        let answer = serde_json::to_value(answer).unwrap();
        assert_eq!(
            (&answer["ok"], &answer["code"], &answer["room"]),
            (&json!(false), &json!("reserved"), &json!(OWN))
        );
    }

    proptest! {
        #[test]
        fn any_argument_is_understood_or_refused(text in any::<String>(), number: f64, keys in any::<Vec<String>>()) {
            let keys: serde_json::Map<_, _> = keys.into_iter().map(|key| (key, json!(text))).collect();
            for argument in [json!(text), json!(number), json!([text, number]), json!(keys)] {
                if let Ok(rooms) = rooms(&argument, 3, |_| false) {
                    prop_assert!(rooms.iter().all(|room| !room.is_empty() && room.len() <= LONGEST));
                }
            }
        }
    }
}
