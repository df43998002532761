//! A dead letter: a job that cannot become a row, kept whole beside the reason until a person decides.
//!
//! It is one line of JSON, so that `redis-cli LRANGE` shows it to people, too. Pure: no clock, no server.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};

/// A rejected job, as it stands in a queue's dead list.
///
/// ```json
/// {"id":"01J...:7:0","queue":"message","raw":"{\"time\":1}","code":"missing","column":"openid",
///  "reason":"...","at":"2026-01-31T23:59:59Z","attempts":1}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// `<worker>:<seq>:<n>`: the claim, and the job's place among its rejected ones. No two letters share it.
    pub id: String,
    /// The queue that the job came from.
    pub queue: String,
    /// The job, byte for byte.
    #[serde(flatten)]
    pub raw: Raw,
    /// The server's error number, or a code of [`crate::pipeline::decode::Code`].
    pub code: String,
    /// The column, where there is one to blame.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub column: Option<String>,
    /// The reason, in words.
    pub reason: String,
    /// When it was rejected: RFC 3339, UTC.
    pub at: String,
    /// How many workers have had the job in hand: 1, and one more for each that crashed on it.
    pub attempts: u32,
}

/// What a letter says of its job's end, without the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// As in [`DeadLetter`], and so on.
    pub id: String,
    /// The code.
    pub code: String,
    /// The column.
    #[serde(default)]
    pub column: Option<String>,
    /// The reason.
    pub reason: String,
    /// When it was rejected.
    pub at: String,
    /// How many workers have had it in hand.
    pub attempts: u32,
}

/// A job's own bytes: readable where they are text, unless that would take more room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Raw {
    /// UTF-8.
    #[serde(rename = "raw")]
    Text(String),
    /// Anything else, as standard base64 with padding. Also what is large and full of characters that JSON escapes: six
    /// times as much would pass what Redis takes for one value, and the claim could never be settled.
    #[serde(rename = "raw_base64")]
    Base64(String),
}

impl Raw {
    /// Wraps a job's bytes.
    pub fn of(job: &[u8]) -> Self {
        match std::str::from_utf8(job) {
            Ok(text) if job.len() < LARGE || escaped(job) <= job.len() / 3 * 4 => Self::Text(text.to_owned()),
            _ => Self::Base64(BASE64_STANDARD.encode(job)),
        }
    }
}

/// From so many bytes on it matters how many more a letter takes.
const LARGE: usize = 1 << 20;

/// How many bytes a text takes in JSON at most.
fn escaped(text: &[u8]) -> usize {
    let of = |byte: &u8| match byte {
        b'"' | b'\\' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.iter().map(of).sum()
}

impl DeadLetter {
    /// The letter as one line of JSON.
    pub fn to_json(&self) -> String {
        // Strings and numbers always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a letter back.
    ///
    /// # Errors
    /// Text that is no letter, or base64 that is none: somebody else wrote into the list.
    pub fn from_json(text: &[u8]) -> serde_json::Result<Self> {
        let letter: Self = serde_json::from_slice(text)?;
        letter.decode().map_err(serde::de::Error::custom)?;
        Ok(letter)
    }

    /// The job, byte for byte as the producer pushed it.
    pub fn raw_bytes(&self) -> Vec<u8> {
        // What `from_json` and `Raw::of` make can be decoded.
        self.decode().unwrap_or_default()
    }

    fn decode(&self) -> Result<Vec<u8>, base64::DecodeError> {
        match &self.raw {
            Raw::Text(text) => Ok(text.as_bytes().to_vec()),
            Raw::Base64(text) => BASE64_STANDARD.decode(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn letter(raw: &[u8]) -> DeadLetter {
        DeadLetter {
            id: "01J:7:0".into(),
            queue: "message".into(),
            raw: Raw::of(raw),
            code: "missing".into(),
            column: Some("openid".into()),
            reason: "column openid has no value".into(),
            at: "2026-01-31T23:59:59Z".into(),
            attempts: 1,
        }
    }

    #[test]
    fn a_large_job_never_takes_much_more_room_than_itself_in_its_letter() {
        for (text, is_text) in [("\u{1}", false), ("\"", false), ("{\"a\": 123456789}", true)] {
            let job = text.repeat((2 << 20) / text.len()).into_bytes();
            let sent = letter(&job);
            assert_eq!(matches!(sent.raw, Raw::Text(_)), is_text);
            let line = sent.to_json();
            assert!(line.len() < job.len() / 3 * 4 + 1_000, "{} bytes", line.len());
            assert_eq!(DeadLetter::from_json(line.as_bytes()).unwrap().raw_bytes(), job);
        }
        assert!(matches!(Raw::of(b"\x01\"\""), Raw::Text(_)));
    }

    proptest! {
        #[test]
        fn a_letter_gives_its_job_back_byte_for_byte(raw in prop::collection::vec(any::<u8>(), 0..200)) {
            let sent = letter(&raw);
            let read = DeadLetter::from_json(sent.to_json().as_bytes()).unwrap();
            prop_assert_eq!(read.raw_bytes(), raw);
            prop_assert_eq!(read, sent);
        }
    }

    #[test]
    fn a_job_that_is_text_stays_readable_and_any_other_becomes_base64() {
        let text = letter(br#"{"a":"b"}"#).to_json();
        assert!(text.contains(r#""raw":"{\"a\":\"b\"}""#) && !text.contains("raw_base64"), "{text}");
        let bytes = letter(b"\xff").to_json();
        assert!(bytes.contains(r#""raw_base64":"/w==""#) && !bytes.contains(r#""raw":"#), "{bytes}");
        assert!(!text.contains('\n'));
    }

    #[test]
    fn a_letter_of_somebody_else_is_refused() {
        let broken = letter(b"\xff").to_json().replace("/w==", "/");
        for text in ["", "{}", "[1]", &broken] {
            assert!(DeadLetter::from_json(text.as_bytes()).is_err(), "{text}");
        }
    }
}
