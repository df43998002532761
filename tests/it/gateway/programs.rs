//! The programs of docs/realtime.md, run as they stand.

use serde_json::json;
use tokio::process::Command;

use super::{Gateway, assets::browser, catch_up::ROOMS, event, python::python};
use crate::{
    docs::{block, read},
    interop::{Node, require_node},
    support::{Env, Running},
};

/// The program of this language that holds these words, where this gateway is the one that it names.
fn program(language: &str, words: &str, gateway: &str) -> String {
    block(&read("docs/realtime.md"), language, words).replace("127.0.0.1:8080", gateway)
}

/// Runs one for Node, with a variable of the environment.
pub(super) fn node(words: &str, gateway: &str, (name, value): (&str, &str)) -> Node {
    require_node();
    let mut command = Command::new("node");
    command.args(["--input-type=module", "-e", &program("js", words, gateway)]).env(name, value);
    Node::of(command)
}

#[tokio::test]
async fn a_page_a_node_program_and_a_python_program_get_the_rows_of_their_rooms() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let mut browser = browser().await.0;
    let html = program("html", "<ul", &gateway.address);
    browser.tell(json!({"page": "one", "host": "localhost", "html": html})).await;
    assert_eq!(browser.line().await, json!({"page": "one", "logged": "true"}), "it has subscribed");
    let mut node = node("every_ms", &gateway.address, ("LANG", "C"));
    let mut command = python();
    command.args(["-c", &program("python", "socketio.Client", &gateway.address)]);
    let mut python = Node::of(command);

    let worker = Running::worker(&env, &[ROOMS]);
    env.push(&[r#"{"time":7,"stamp":"a"}"#]).await;
    let row = json!({"accountid": 7, "openid": "a"});
    assert_eq!(browser.line().await, json!({"page": "one", "logged": "pre_qqaccount 1: a"}));
    assert_eq!(node.line().await, json!({"id": 1, "row": row}));
    assert_eq!(python.line().await, json!({"table": "pre_qqaccount", "id": 1, "row": row}));
    worker.stop().await;
}

#[tokio::test]
async fn what_a_program_of_your_own_emits_reaches_the_gateways_clients() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut client = gateway.subscribed(&["/#account:7"]).await;
    let _emitter = node("redis-emitter", &gateway.address, ("REDIS_URL", &env.redis_url));
    let greet = event("/#account:7", "greet", json!([{"text": "hello"}]));
    assert_eq!(client.line().await.to_string(), greet);
}
