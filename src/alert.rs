//! What is told when something is wrong for long: a message when it begins, and one when it is over.
//!
//! `watch` finds what is wrong in one reading of Redis after the other, `judge` decides what that changes: both pure,
//! with the time as an argument. `words` is how it is said, `hook` who is called. Who calls, and what becomes of a
//! message that is not taken, is the gateways' matter (`gateway::alerts`); what is open is kept in Redis
//! (`queue::AlertBook`).
//!
//! What it promises: no message holds a job, nor a secret. What it does not do: see a process that ends before it has
//! taken its lease; only its supervisor's log does.

mod hook;
mod judge;
mod watch;
mod words;

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use ulid::Ulid;

pub use hook::{Answer, Hook, trusting};
pub use judge::{Judge, Move};
pub use watch::{Fact, Facts, Watch};

use crate::queue::host;

/// A message, without what is of the sender. Once made it stays the same, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Of this message: whoever has seen it may drop another one.
    pub id: String,
    /// Of what is wrong: the same when it begins and when it ends.
    pub alert: String,
    /// Whether it begins or ends.
    pub state: State,
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// Since when, as RFC 3339, in UTC.
    pub since: String,
    /// For how long, when it ends.
    pub lasted_seconds: Option<u64>,
    /// What it is, in a sentence or two.
    pub text: String,
    /// What to do.
    pub advice: String,
}

/// Whether something begins to be wrong, or is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has been wrong for long enough to be told.
    Begins,
    /// It is over.
    Ends,
}

/// What may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Workers wait for a server, or for a table or a right of a route.
    Waiting,
    /// A queue has not been empty for long.
    QueueNotEmpty,
    /// Many jobs become dead letters.
    DeadLetters,
    /// The process in a slot is replaced again and again.
    CrashLoop,
    /// Redis cannot be reached.
    RedisAway,
    /// Nothing is wrong: somebody tries the way.
    Test,
}

/// What an alert is about. What does not apply is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What is wrong.
    pub kind: Kind,
    /// Who is waited for: `MySQL`, `Redis`, or `the route`.
    pub server: Option<String>,
    /// The queue.
    pub queue: Option<String>,
    /// The host of the slot.
    pub host: Option<String>,
    /// `worker` or `gateway`.
    pub role: Option<String>,
    /// The slot's number.
    pub slot: Option<u64>,
}

impl Subject {
    /// Of this kind, and of nothing in particular.
    pub fn of(kind: Kind) -> Self {
        Self { kind, server: None, queue: None, host: None, role: None, slot: None }
    }

    /// What is open of one subject is known by this name.
    pub fn key(&self) -> String {
        // A JSON list: names may hold whatever they like.
        serde_json::json!([self.kind, self.server, self.queue, self.host, self.role, self.slot]).to_string()
    }
}

impl Alert {
    /// What is wrong begins to be told.
    pub fn begins(fact: &Fact) -> Self {
        Self::new(
            fact.subject.clone(),
            fact.since,
            words::beginning(&fact.trouble),
            fact.trouble.advice.clone(),
        )
    }

    /// Nothing is wrong.
    pub fn test(now: u64) -> Self {
        let text = "This is a test of rowcast's alerts: nothing is wrong.".to_owned();
        Self::new(Subject::of(Kind::Test), now, text, "Nothing is to be done.".to_owned())
    }

    fn new(subject: Subject, since: u64, text: String, advice: String) -> Self {
        let alert = Ulid::generate().to_string();
        Self {
            id: format!("{alert}-begins"),
            alert,
            state: State::Begins,
            subject,
            since: time_of(since),
            lasted_seconds: None,
            text,
            advice,
        }
    }

    /// It is over since then.
    #[must_use]
    pub fn ends(&self, at: u64) -> Self {
        let lasted = at.saturating_sub(milliseconds_of(&self.since).unwrap_or(at)) / 1_000;
        Self {
            id: format!("{}-ends", self.alert),
            state: State::Ends,
            lasted_seconds: Some(lasted),
            text: words::ending(&self.subject, lasted),
            advice: "Nothing is to be done.".to_owned(),
            ..self.clone()
        }
    }

    /// What is sent: the message with its sender, and with how many others were not sent before it.
    pub fn body(&self, left_out: u64) -> Vec<u8> {
        let more = match left_out {
            0 => String::new(),
            1 => " (One alert before this one was left out.)".to_owned(),
            left_out => format!(" ({left_out} alerts before this one were left out.)"),
        };
        let sender = Sender { host: host(), pid: std::process::id() };
        let alert = Self { text: format!("{}{more}", self.text), ..self.clone() };
        // Texts and numbers: nothing in it can fail to be written.
        serde_json::to_vec(&Body { alert, left_out, sender }).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body {
    #[serde(flatten)]
    alert: Alert,
    left_out: u64,
    sender: Sender,
}

/// The gateway that sends.
#[derive(Serialize)]
struct Sender {
    host: String,
    pid: u32,
}

/// RFC 3339, of milliseconds since 1970.
fn time_of(ms: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp((ms / 1_000) as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(&Rfc3339).unwrap_or_default()
}

fn milliseconds_of(text: &str) -> Option<u64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp()).ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_shape_that_is_documented() {
        let subject = Subject { queue: Some("orders".into()), ..Subject::of(Kind::DeadLetters) };
        let begun = Alert::new(subject, 1_700_000_000_123, "T.".into(), "A.".into());
        let json = serde_json::to_value(&begun).unwrap();
        let alert = json["alert"].as_str().unwrap();
        let expected = serde_json::json!({
            "id": format!("{alert}-begins"), "alert": alert, "state": "begins", "kind": "dead_letters",
            "server": null, "queue": "orders", "host": null, "role": null, "slot": null,
            "since": "2023-11-14T22:13:20Z", "lasted_seconds": null, "text": "T.", "advice": "A.",
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<Alert>(json.clone()).unwrap(), begun);
        let ended = begun.ends(1_700_000_312_000);
        assert_eq!((ended.id, ended.lasted_seconds), (format!("{alert}-ends"), Some(312)));
        assert_eq!((ended.alert, ended.since), (begun.alert.clone(), begun.since.clone()));
        let body: serde_json::Value = serde_json::from_slice(&begun.body(3)).unwrap();
        assert_eq!(body["text"], "T. (3 alerts before this one were left out.)");
        assert_eq!((&body["left_out"], &body["sender"]["pid"]), (&3.into(), &std::process::id().into()));
        assert_eq!(ended.text, "Queue \"orders\" makes fewer dead letters again, after 5 min 12 s.");
    }

    #[test]
    fn what_is_open_is_told_apart_by_all_of_its_subject() {
        let slot =
            |slot| Subject { host: Some("a b".into()), slot: Some(slot), ..Subject::of(Kind::CrashLoop) };
        assert_ne!(slot(1).key(), slot(2).key());
        let queue = |name: &str| Subject { queue: Some(name.into()), ..Subject::of(Kind::QueueNotEmpty) };
        assert_ne!(queue("a\",null").key(), queue("a").key());
    }
}
