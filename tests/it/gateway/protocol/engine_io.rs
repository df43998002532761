//! Those of engine.io: sessions, what carries them, and how they end.

use serde_json::{Value, json};

use super::{
    super::{
        Gateway, publisher,
        raw::{Frame, Polling, Socket, answer, http},
        slow::has_connections,
    },
    REFUSED, emit_bytes,
};
use crate::support::{Env, PATIENCE, eventually, within};

fn keys(greeting: &Value) -> Vec<&str> {
    greeting.as_object().unwrap().keys().map(String::as_str).collect()
}

/// What all sessions are greeted with.
fn is_greeting(greeting: &Value, upgrades: &Value) {
    let mut keys = keys(greeting);
    keys.sort_unstable();
    assert_eq!(keys, ["maxPayload", "pingInterval", "pingTimeout", "sid", "upgrades"]);
    assert!(greeting["sid"].is_string());
    assert_eq!(
        (&greeting["upgrades"], &greeting["pingInterval"], &greeting["pingTimeout"]),
        (upgrades, &json!(10_000), &json!(8_000))
    );
}

/// Emits four bytes to everybody.
async fn binary(env: &Env) {
    emit_bytes(env, "bin", &[&[1, 2, 3, 4]]).await;
}

#[tokio::test]
async fn a_session_is_opened_over_both_transports() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (_session, greeting) = Polling::open(&gateway).await;
    is_greeting(&greeting, &json!(["websocket"]));
    assert_eq!(greeting["maxPayload"], 100_000);
    let (_socket, greeting) = Socket::open(&gateway).await;
    is_greeting(&greeting, &json!([]));
}

#[tokio::test]
async fn a_request_that_is_none_of_the_protocol_is_refused() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    for query in [
        "transport=polling",
        "EIO=abc&transport=polling",
        "EIO=4",
        "EIO=4&transport=abc",
        "EIO=5&transport=polling",
    ] {
        assert_eq!(http(&gateway, "GET", query, "").await.0, 400, "{query}");
        let socket = Socket::ask(&gateway, &query.replace("polling", "websocket")).await;
        assert_eq!(socket.err(), Some(400), "{query}");
    }
    for method in ["POST", "PUT"] {
        assert_eq!(http(&gateway, method, "EIO=4&transport=polling", "").await.0, 400, "{method}");
    }
    let strange = "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(http(&gateway, "GET", strange, "").await.0, 400);
}

#[tokio::test]
async fn long_polling_carries_one_packet_several_and_binary_ones() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let session = Polling::connected(&gateway).await;
    session.say(r#"421["hello"]"#).await;
    assert!(session.until("431").await[0].starts_with(&format!("431{REFUSED}")));
    session.say("422[\"a\"]\u{1e}423[\"b\"]\u{1e}424[\"c\"]").await;
    let answers = session.until("434").await;
    let answers: Vec<&str> = answers.iter().map(|answer| &answer[..3]).collect();
    assert_eq!(answers, ["432", "433", "434"]);
    session.say("451-5[\"a\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQIDBA==").await;
    assert!(session.until("435").await[0].starts_with(&format!("435{REFUSED}")));
    binary(&env).await;
    let packets = session.until("b").await;
    assert_eq!(packets, ["451-[\"bin\",{\"_placeholder\":true,\"num\":0}]", "bAQIDBA=="]);
}

#[tokio::test]
async fn a_packet_that_cannot_be_read_ends_the_session() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (session, _) = Polling::open(&gateway).await;
    assert_eq!(session.post("abc").await.0, 400);
    assert_eq!(session.get().await.0, 400);
    let (mut socket, _) = Socket::open(&gateway).await;
    socket.send("abc").await;
    socket.ends().await;
}

#[tokio::test]
async fn two_requests_at_once_for_what_is_queued_end_the_session() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let session = Polling::connected(&gateway).await;
    let mut answers = [session.get(), session.get()].map(Box::pin);
    let [first, second] = &mut answers;
    let (first, second) = tokio::join!(first, second);
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert!([&first.1, &second.1].contains(&&"1".to_owned()), "it is told to close: {first:?} {second:?}");
    assert_eq!(session.get().await.0, 400);
}

#[tokio::test]
async fn a_request_that_is_given_up_ends_no_session_though_the_official_server_ends_it() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let session = Polling::connected(&gateway).await;
    has_connections(&gateway, 0).await;
    let waiting = session.ask().await;
    has_connections(&gateway, 1).await;
    drop(waiting);
    has_connections(&gateway, 0).await;
    publisher(&env).await.emit("next", &0).await.unwrap();
    assert_eq!(session.until("42").await.last().unwrap(), r#"42["next",0]"#);
}

#[tokio::test]
async fn websocket_carries_text_and_binary() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut socket = Socket::connected(&gateway).await;
    socket.send(r#"421["hello"]"#).await;
    assert!(socket.text().await.starts_with(&format!("431{REFUSED}")));
    binary(&env).await;
    assert_eq!(socket.text().await, "451-[\"bin\",{\"_placeholder\":true,\"num\":0}]");
    assert_eq!(socket.next().await, Frame::Binary(vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn whoever_answers_pings_stays_and_whoever_does_not_is_gone() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (answering, silent) = (Polling::connected(&gateway).await, Polling::connected(&gateway).await);
    let (mut speaking, mut mute) = (Socket::connected(&gateway).await, Socket::connected(&gateway).await);
    let polling = async {
        let (status, body) = within(PATIENCE, "a ping", answering.get()).await;
        assert_eq!((status, body.as_str()), (200, "2"));
        answering.say("3").await;
        answering.say(r#"421["hello"]"#).await;
        answering.until("431").await;
    };
    let websocket = async {
        for _ in 0..2 {
            assert_eq!(speaking.frame().await, Some(Frame::Text("2".into())));
            speaking.send("3").await;
        }
        speaking.send(r#"421["hello"]"#).await;
        assert!(speaking.text().await.starts_with("431"));
    };
    let gone = eventually(PATIENCE, "the silent session is gone", async || match silent.get().await {
        (400, _) => Ok(()),
        other => Err(other),
    });
    tokio::join!(polling, websocket, mute.ends(), gone);
}

#[tokio::test]
async fn a_packet_that_closes_ends_the_session_and_a_request_that_waits() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let session = Polling::connected(&gateway).await;
    has_connections(&gateway, 0).await;
    let waiting = session.ask().await;
    has_connections(&gateway, 1).await;
    session.say("1").await;
    assert_eq!(answer(waiting).await, (200, "6".to_owned()));
    assert_eq!(session.get().await.0, 400);
    let (mut socket, _) = Socket::open(&gateway).await;
    socket.send("1").await;
    socket.ends().await;
}

#[tokio::test]
async fn a_session_goes_on_with_websocket_and_with_nothing_else_then() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let session = Polling::connected(&gateway).await;
    let mut socket = session.upgrade().await;
    socket.send(r#"421["hello"]"#).await;
    assert!(socket.text().await.starts_with("431"));
    assert_eq!(session.get().await.0, 400);
    assert_eq!(session.post("2").await.0, 400);
    let mut second = session.web_socket().await.unwrap();
    second.ends().await;
    socket.send(r#"422["hello"]"#).await;
    assert!(socket.text().await.starts_with("432"));
}
