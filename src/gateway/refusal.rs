//! Acknowledgements: what was done, or why nothing was.

use serde::Serialize;

use super::token::Denied;

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
    pub(super) code: &'static str,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
}

impl Refusal {
    /// What cannot be done for one room.
    pub(super) fn of_room(code: &'static str, message: String, room: &str) -> Self {
        Self { code, message, room: Some(room.chars().take(100).collect()) }
    }

    /// It has gone meanwhile, and does not hear this.
    pub(super) fn gone() -> Self {
        Self { code: "gone", message: "the client has gone".into(), room: None }
    }

    /// An argument that cannot be used.
    pub(super) fn bad_request(message: String) -> Self {
        Self { code: "bad_request", message, room: None }
    }

    /// An argument that names no room.
    pub(super) fn malformed() -> Self {
        Self::bad_request(
            "expected a room, or a list of rooms: \"a\", { room: \"a\" }, [\"a\", \"b\"]".into(),
        )
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
