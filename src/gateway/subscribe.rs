//! What clients ask for, and the answers. Pure: what comes of a request is for [`super::sockets`] to do.
//!
//! `subscribe` and `unsubscribe` take one argument: a room, or a list of them. A room is its name, or an object with
//! its name under `room`, and where it subscribes also `since` and `every_ms`. A request is carried out in full or
//! refused in full. The acknowledgement is `{ ok: true, rooms: [...] }`, or `{ ok: false, code, message }`, with `room`
//! when the fault is one room's.

use std::time::Duration;

use serde_json::Value;

use super::refusal::Refusal;

/// A room that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its name.
    pub(super) room: String,
    /// From where on its rows are wanted; without it what comes is taken, and nothing is made up for.
    pub(super) since: Option<Since>,
    /// Its rows are wanted in bundles, at most so often.
    pub(super) every: Option<Duration>,
}

impl Asked {
    /// Whether its rows are given to the client one by one, and not as to any member of the room.
    pub(super) fn is_followed(&self) -> bool {
        self.since.is_some() || self.every.is_some()
    }
}

/// From where on rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Those that come now.
    Now,
    /// Those above an id.
    Id(u64),
}

/// The longest time between two bundles, in milliseconds.
const LONGEST_PAUSE: u64 = 10_000;

/// The longest name of a room, in bytes.
pub(super) const LONGEST: usize = 512;

/// The rooms that an argument names, each once, in order. `is_client` tells the rooms that are named like a client's
/// id.
///
/// # Errors
/// The refusal of an argument that cannot be used, or of the first room that may not be.
pub(super) fn rooms(
    argument: &Value,
    most: usize,
    is_client: impl Fn(&str) -> bool,
) -> Result<Vec<Asked>, Refusal> {
    let items = match argument {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    if items.len() > most {
        return Err(Refusal::too_many(most));
    }
    let mut rooms: Vec<Asked> = Vec::with_capacity(items.len());
    for item in items {
        let asked = read(item)?;
        permitted(&asked.room, &is_client)?;
        match rooms.iter().find(|other| other.room == asked.room) {
            None => rooms.push(asked),
            Some(same) if *same == asked => {}
            Some(_) => {
                let message = "the room is named twice, in different ways";
                return Err(Refusal::of_room("bad_request", message.into(), &asked.room));
            }
        }
    }
    if rooms.is_empty() { Err(Refusal::malformed()) } else { Ok(rooms) }
}

/// What an item asks for.
fn read(item: &Value) -> Result<Asked, Refusal> {
    let Value::Object(fields) = item else {
        return Ok(Asked { room: plain(item)?, since: None, every: None });
    };
    if let Some(unknown) = fields.keys().find(|key| !["room", "since", "every_ms"].contains(&key.as_str())) {
        let message = format!("{unknown:?} is not known here; an item is {{ room, since, every_ms }}");
        return Err(Refusal::bad_request(message));
    }
    let room = plain(fields.get("room").unwrap_or(&Value::Null))?;
    let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let bad = |message: &str| Refusal::of_room("bad_request", message.to_owned(), &room);
    let since = given("since").map(|value| {
        since(value)
            .ok_or_else(|| bad("since is the id of a row, as a number or as a string of digits, or \"now\""))
    });
    let every = given("every_ms")
        .map(|value| every(value).ok_or_else(|| bad("every_ms is a number of milliseconds from 0 to 10000")));
    Ok(Asked { since: since.transpose()?, every: every.transpose()?, room })
}

fn since(value: &Value) -> Option<Since> {
    match value {
        Value::String(now) if now == "now" => Some(Since::Now),
        Value::String(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().map(Since::Id)
        }
        Value::Number(number) => number.as_u64().map(Since::Id),
        _ => None,
    }
}

fn every(value: &Value) -> Option<Duration> {
    value.as_u64().filter(|ms| *ms <= LONGEST_PAUSE).map(Duration::from_millis)
}

/// The name of a room. Rooms may be numbers: those are their digits, as in every message.
fn plain(name: &Value) -> Result<String, Refusal> {
    match name {
        Value::String(name) if !name.is_empty() => Ok(name.clone()),
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        _ => Err(Refusal::malformed()),
    }
}

/// Refuses what is no room for clients: a room that is named like a client's id carries what is meant for that client
/// alone, and names with control characters are our own. Nobody can name an id before it is there: they are random.
fn permitted(room: &str, is_client: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    let refusal = |code, message: String| Refusal::of_room(code, message, room);
    if room.len() > LONGEST {
        return Err(refusal("bad_request", format!("the room's name is longer than {LONGEST} bytes")));
    }
    if room.contains(char::is_control) || is_client(room) {
        let message =
            "the room is reserved; choose a name that is no client's id, without control characters";
        return Err(refusal("reserved", message.into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{super::refusal::Answer, *};

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
            let asked = rooms(&argument, 3, |_| false).unwrap();
            let names: Vec<&str> = asked.iter().map(|asked| asked.room.as_str()).collect();
            assert_eq!(names, expected, "{argument}");
            assert!(asked.iter().all(|asked| (asked.since, asked.every) == (None, None)));
        }
    }

    #[test]
    fn rows_are_wanted_from_an_id_on_or_from_now_on_and_perhaps_in_bundles() {
        for (item, since, every) in [
            (json!({"room": "a", "since": 7}), Some(Since::Id(7)), None),
            (json!({"room": "a", "since": "18446744073709551615"}), Some(Since::Id(u64::MAX)), None),
            (json!({"room": "a", "since": "now", "every_ms": 50}), Some(Since::Now), Some(50)),
            (json!({"room": "a", "since": null, "every_ms": 0}), None, Some(0)),
        ] {
            let asked = rooms(&item, 3, |_| false).unwrap();
            let every = every.map(Duration::from_millis);
            assert_eq!(asked, [Asked { room: "a".into(), since, every }], "{item}");
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
            json!({"room": "a", "since": -1}),
            json!({"room": "a", "since": 1.5}),
            json!({"room": "a", "since": "1e3"}),
            json!({"room": "a", "since": "+1"}),
            json!({"room": "a", "since": "18446744073709551616"}),
            json!({"room": "a", "since": ""}),
            json!({"room": "a", "every_ms": 10_001}),
            json!({"room": "a", "every_ms": "50"}),
            json!([{"room": "a", "since": 1}, "a"]),
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
        let refused = rooms(&json!(["a", OWN]), 3, |room| room == OWN).map(|_| Vec::new());
        let answer = Answer::from(refused);
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
                    prop_assert!(rooms.iter().all(|asked| (1..=LONGEST).contains(&asked.room.len())));
                }
            }
        }
    }
}
