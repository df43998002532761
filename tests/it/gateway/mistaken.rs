//! Requests to `/api` that cannot be meant, and how they are told so.

use serde_json::{Value, json};

use super::Gateway;
use crate::{
    moves::dead::{bury, dead_key, letter, list},
    support::{Env, JSON, json_of, status},
};

/// The status and the message of an answer.
fn refusal(answer: &str) -> (u16, String) {
    let why: Value = json_of(answer);
    (status(answer), why["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_method_that_is_not_the_paths_is_told_which_is_before_anything_else() {
    let env = Env::new().await;
    let open = Gateway::start(&env, &[]).await;
    let locked = Gateway::start(&env, &[("ROWCAST_ADMIN_TOKEN", "a-token-to-act-with")]).await;
    let posts = ["emit", "orders", "queue", "dead/one", "dead/group", "login", "logout"];
    let posts = posts.map(|name| (format!("/api/{name}"), ["GET", "HEAD", "PUT", "DELETE"], "POST"));
    let gets =
        ["/metrics", "/api/status", "/api/dashboard", "/api/dead", "/api/dead/letter", "/api/dead/job"];
    let gets = gets.map(|path| (path.to_owned(), ["POST", "PUT", "PATCH", "DELETE"], "GET,HEAD"));
    for (path, methods, allowed) in posts.into_iter().chain(gets) {
        for (method, gateway) in methods.iter().zip([&open, &open, &locked, &locked]) {
            let answer = gateway.request(&format!("{method} {path} HTTP/1.0\r\n\r\n")).await;
            assert_eq!(status(&answer), 405, "{method} {path}: {answer}");
            assert!(answer.contains(&format!("allow: {allowed}\r\n")), "{method} {path}: {answer}");
            if *method != "HEAD" {
                let said = refusal(&answer).1;
                assert!(said.starts_with(&format!("{path} does not take {method};")), "{answer}");
            }
        }
    }
    assert_eq!(status(&open.request("HEAD /api/status HTTP/1.0\r\n\r\n").await), 200);
}

#[tokio::test]
async fn a_request_that_does_not_name_its_one_host_is_refused() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let body = json!({"all": true, "event": "hi"}).to_string();
    let length = body.len();
    let host = format!("Host: {}\r\n", gateway.address);
    let emit = async |version: &str, hosts: &str| {
        let head = format!("{hosts}{JSON}Content-Length: {length}\r\nConnection: close\r\n");
        gateway.request(&format!("POST /api/emit HTTP/{version}\r\n{head}\r\n{body}")).await
    };
    for hosts in [String::new(), format!("{host}{host}"), format!("{host}Host: evil.example\r\n")] {
        let (status, said) = refusal(&emit("1.1", &hosts).await);
        assert_eq!((status, said.as_str()), (400, "a request names one host, in its header Host"), "{hosts}");
    }
    assert_eq!(status(&emit("1.1", &host).await), 200);
    // A program that speaks HTTP/1.0 cannot name one, and no page can have a browser speak it.
    assert_eq!(status(&emit("1.0", "").await), 200);
    let looks = "GET /api/status HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&gateway.request(looks).await), 400);
}

#[tokio::test]
async fn a_place_that_no_list_has_is_refused_in_words_and_nothing_is_done() {
    let env = Env::new().await;
    let buried = letter(&env, 0, "1406", b"{}");
    bury(&env, std::slice::from_ref(&buried)).await;
    let gateway = Gateway::start(&env, &[]).await;
    let reason = "Data too long for column 'openid'";
    let group = json!({"queue": env.queue, "code": "1406", "column": "openid", "reason": reason});
    for place in [1 << 32, 1 << 63, u64::MAX] {
        let all = |skip, left| {
            json!({"fate": "purge", "group": group, "cursor": {"skip": skip, "left": left}}).to_string()
        };
        let named = json!({"queue": env.queue, "id": buried.id, "place": place});
        let one = json!({"fate": "purge", "letter": named}).to_string();
        for (path, body) in
            [("/api/dead/group", all(place, 1)), ("/api/dead/group", all(0, place)), ("/api/dead/one", one)]
        {
            let (status, said) = refusal(&gateway.post(path, JSON, &body).await.1);
            let expected = format!("{place} is too many: a list of dead letters holds 4294967295 at most");
            assert_eq!((status, said), (400, expected), "{path} {body}");
        }
        let queue = &env.queue;
        let reads = [
            format!("?queue={queue}&skip={place}&left=1"),
            format!("?queue={queue}&left={place}"),
            format!("/letter?queue={queue}&code=1406&reason=x&skip={place}"),
            format!("/job?queue={queue}&id=x&place={place}"),
        ];
        for path in reads {
            let request = format!("GET /api/dead{path} HTTP/1.0\r\n\r\n");
            let (status, said) = refusal(&gateway.request(&request).await);
            assert!(status == 400 && said.starts_with(&format!("{place} is too many")), "{path}: {said}");
        }
    }
    assert_eq!(list(&env, &dead_key(&env)).await.len(), 1);
}

#[tokio::test]
async fn a_refusal_does_not_repeat_ten_thousand_characters() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let long = "é".repeat(10_000);
    let (status, answer) =
        gateway.post("/api/queue", JSON, &json!({"queue": long, "do": "pause"}).to_string()).await;
    assert!(status == 404 && answer.len() < 3_000, "{status} {answer}");
    assert!(refusal(&answer).1.starts_with("this gateway has no route with the queue \"éé"), "{answer}");
}
