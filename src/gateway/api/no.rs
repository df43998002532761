//! Why somebody does not get what it asks for: a word for programs, a sentence for people.

use std::borrow::Cow;

use axum::{
    Json,
    extract::rejection::{JsonRejection, QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// A sentence of more characters than this is shortened in its middle, where it repeats what whoever asks has sent.
const LONGEST: usize = 1_000;

/// Why somebody cannot have what it asks for.
pub(in crate::gateway) struct No {
    pub(in crate::gateway) status: StatusCode,
    pub(in crate::gateway) code: &'static str,
    pub(in crate::gateway) message: String,
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        refuse(self.status, self.code, &self.message)
    }
}

impl From<JsonRejection> for No {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), code: "bad_request", message: rejection.body_text() }
    }
}

impl From<QueryRejection> for No {
    fn from(rejection: QueryRejection) -> Self {
        Self { status: rejection.status(), code: "bad_request", message: rejection.body_text() }
    }
}

/// An answer to who cannot have what it asks for.
pub(in crate::gateway) fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "ok": false, "code": code, "message": shortened(message) }))).into_response()
}

/// Its beginning and its end.
fn shortened(message: &str) -> Cow<'_, str> {
    if message.chars().count() <= LONGEST {
        return message.into();
    }
    let place = |characters| message.char_indices().nth(characters).map_or(message.len(), |(at, _)| at);
    let characters = message.chars().count();
    let (start, end) = (place(LONGEST / 2), place(characters - LONGEST / 2));
    format!("{}... ({} characters) ...{}", &message[..start], characters - LONGEST, &message[end..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_that_repeats_too_much_keeps_its_beginning_and_its_end() {
        assert_eq!(shortened("there is no é"), "there is no é");
        let long = format!("no supervisor by the name {:?}; there is a", "é".repeat(10_000));
        let short = shortened(&long);
        assert!(short.starts_with("no supervisor by the name") && short.ends_with("; there is a"), "{short}");
        assert!(short.chars().count() < LONGEST + 50, "{short}");
    }
}
