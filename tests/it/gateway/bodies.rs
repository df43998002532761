//! Large requests to `/api`: how fast they are read, and how one that is too large is refused.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::Gateway;
use crate::{
    moves::dead::{bury, dead_key, letter, list},
    support::{Env, JSON, PATIENCE, json_of, status, within},
};

const ADMIN: &str = "a-token-to-act-with";
/// More than an operator's request may bring.
const TOO_LARGE: usize = 9 << 20;

/// A request's head, as a program with the token sends it.
fn head(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: rows.example\r\nAuthorization: Bearer {ADMIN}\r\n{JSON}{more}\r\n")
}

/// What comes on a connection on which this was sent, all of it before anything is read, until it ends.
async fn answer_to(gateway: &Gateway, sent: &[u8]) -> String {
    let mut answer = Vec::new();
    within(PATIENCE, "the answer to what was sent whole", async {
        let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream.read_to_end(&mut answer).await.unwrap();
    })
    .await;
    String::from_utf8(answer).unwrap()
}

fn assert_too_large(answer: &str, most: &str) {
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close\r\n"), "{answer}");
    let why = json_of(answer);
    let sentence = format!("the request is too large: its body may have {most} bytes at most");
    assert_eq!((&why["code"], &why["message"]), (&json!("too_large"), &json!(sentence)), "{answer}");
}

/// At 64 KiB a second, as anybody's requests are read, each would take a minute and a half.
#[tokio::test]
async fn a_letter_of_a_megabyte_is_edited_and_retried_within_seconds_by_who_may_act() {
    let env = Env::new().await;
    let letters: Vec<_> = (0..2).map(|n| letter(&env, n, "1406", b"{}")).collect();
    bury(&env, &letters).await;
    let gateway = Gateway::start(&env, &[("ROWCAST_ADMIN_TOKEN", ADMIN)]).await;
    let (_, answer) = gateway.post("/api/login", JSON, &json!({"token": ADMIN}).to_string()).await;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let page = format!("Host: rows.example\r\nOrigin: https://rows.example\r\nCookie: {cookie}\r\n");
    let program = format!("Authorization: Bearer {ADMIN}\r\n");
    let job = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    // Six characters for each: no JSON is longer.
    let escaped: String = job.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    for (who, id) in [(page, &letters[1].id), (program, &letters[0].id)] {
        let named = json!({"queue": env.queue, "id": id, "place": 1});
        let body = format!("{{\"fate\":\"retry\",\"letter\":{named},\"job\":\"{escaped}\"}}");
        let head = format!("{JSON}{who}");
        let retry = gateway.post("/api/dead/one", &head, &body);
        let (status, answer) = within(Duration::from_secs(45), "its answer", retry).await;
        assert_eq!(status, 200, "{answer}");
    }
    assert!(list(&env, &dead_key(&env)).await.is_empty());
    assert!(list(&env, &env.queue).await.iter().all(|queued| queued == job.as_bytes()));
    assert_eq!(list(&env, &env.queue).await.len(), 2);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_with_the_limit_also_when_all_of_it_is_sent_first() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_ADMIN_TOKEN", ADMIN)]).await;
    let body = vec![b'x'; TOO_LARGE];
    let length = format!("Content-Length: {TOO_LARGE}\r\n");
    for path in ["/api/emit", "/api/dead/one"] {
        let sent = [head(path, &length).as_bytes(), &body].concat();
        assert_too_large(&answer_to(&gateway, &sent).await, "8,388,608");
    }
    // One that does not say how large it is.
    let (begins, ends) = (format!("{TOO_LARGE:x}\r\n"), "\r\n0\r\n\r\n");
    let chunked = head("/api/emit", "Transfer-Encoding: chunked\r\n");
    let sent = [chunked.as_bytes(), begins.as_bytes(), &body, ends.as_bytes()].concat();
    assert_too_large(&answer_to(&gateway, &sent).await, "8,388,608");
    // Of who is not known less is taken.
    let few = &body[..100_000];
    let sent = [head("/api/login", "Content-Length: 100000\r\n").as_bytes(), few].concat();
    assert_too_large(&answer_to(&gateway, &sent).await, "8,192");
    // And what somebody sends who may not act is not looked at, but is answered.
    let stranger = head("/api/emit", "Content-Length: 100000\r\n").replace(ADMIN, "another");
    let answer = answer_to(&gateway, &[stranger.as_bytes(), few].concat()).await;
    assert_eq!(status(&answer), 401, "{answer}");
}

#[tokio::test]
async fn whoever_waits_with_a_body_that_is_too_large_is_told_before_it_is_sent() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_ADMIN_TOKEN", ADMIN)]).await;
    for more in ["", "Expect: 100-continue\r\n"] {
        let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
        let head = head("/api/emit", &format!("Content-Length: {TOO_LARGE}\r\n{more}"));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(PATIENCE, "the answer", stream.read_to_string(&mut answer)).await.unwrap();
        assert_too_large(&answer, "8,388,608");
    }
}

/// It would take a quarter of an hour.
#[tokio::test]
async fn of_what_somebody_sends_who_may_not_act_no_more_is_read_than_of_anybody() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_ADMIN_TOKEN", ADMIN)]).await;
    let body = vec![b'x'; 64 << 20];
    let stranger =
        head("/api/emit", &format!("Content-Length: {}\r\n", body.len())).replace(ADMIN, "another");
    let mut stream = TcpStream::connect(&gateway.address).await.unwrap();
    stream.write_all(stranger.as_bytes()).await.unwrap();
    let sent = within(PATIENCE, "the end of the connection", stream.write_all(&body)).await;
    assert!(sent.is_err(), "it ends while the body is sent");
}
