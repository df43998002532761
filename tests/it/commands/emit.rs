//! `rowcast emit`, heard by a subscriber.

use std::time::Duration;

use rowcast::emitter::{Message, Value, decode};

use super::run::rowcast;
use crate::support::Env;

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_event_reaches_its_rooms_once_with_its_argument() {
    let env = Env::new().await;
    let subscriber = env.subscribe("socket.io#/chat#*").await;
    let arguments = ["emit", "a", "greet", r#"{"n":1}"#, "--to", "b", "--except", "c", "--namespace", "chat"];
    rowcast(&env, &arguments).await.ended(0).says("1 server heard it");
    let heard = subscriber.exactly(1, LIMIT).await;
    let Message::Broadcast(event) = decode("socket.io", &heard[0].channel, &heard[0].payload).unwrap() else {
        panic!("no broadcast: {heard:?}")
    };
    assert_eq!(
        (event.event.as_str(), event.rooms, event.except),
        ("greet", vec!["a".into(), "b".into()], vec!["c".into()])
    );
    assert_eq!(event.args, [Value::Map(vec![("n".into(), Value::Int(1))])]);
}

#[tokio::test]
async fn all_is_everybody_and_has_no_room() {
    let env = Env::new().await;
    let subscriber = env.subscribe("socket.io#/#*").await;
    rowcast(&env, &["emit", "--all", "tick"]).await.ended(0).says("1 server heard it");
    assert_eq!(subscriber.exactly(1, LIMIT).await[0].channel, "socket.io#/#");
    rowcast(&env, &["emit", "--all", "room", "tick", "1"]).await.ended(64).complains("ROOM");
}

#[tokio::test]
async fn nothing_is_sent_that_would_do_harm_or_is_not_understood() {
    let env = Env::new().await;
    let subscriber = env.subscribe("*").await;
    rowcast(&env, &["emit", "room", "disconnect"]).await.ended(64).complains("keeps for itself");
    rowcast(&env, &["emit", "room", "greet", "hello"]).await.ended(64).complains("quotes of its own");
    rowcast(&env, &["emit", "room"]).await.ended(64).complains("ROOM EVENT");
    rowcast(&env, &["emit", "", "greet"]).await.ended(64).complains("--all");
    subscriber.exactly(0, LIMIT).await;
}
