//! socket.io's client for browsers, as the gateway serves it: beside a Node server, and in a real Chromium.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use super::Gateway;
use crate::{
    interop::Node,
    support::{Env, Running, request_of},
};

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/client/node_modules/socket.io-client");

/// The status, what the headers of a file say of it, and the file.
struct Answer {
    status: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Asks whoever listens there.
async fn ask(address: &str, request: &str) -> Answer {
    let answer = request_of(address, &request.replace('\n', "\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

/// A Node server, and where it listens.
async fn node_server(env: &Env) -> (Node, String) {
    let mut node = Node::spawn("server.mjs", &[&env.redis_url]);
    let ready = node.line().await;
    let port = ready["ready"].as_u64().unwrap_or_else(|| panic!("no server: {ready}"));
    (node, format!("127.0.0.1:{port}"))
}

async fn get(address: &str, name: &str, head: &str) -> Answer {
    ask(address, &format!("GET /socket.io/{name} HTTP/1.0\n{head}\n")).await
}

/// What the npm package holds of a file.
fn file(name: &str) -> String {
    let path = Path::new(PACKAGE).join("dist").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `scripts/install-tools test`, and build again", path.display())
    })
}

#[tokio::test]
async fn the_files_for_browsers_are_served_as_a_node_server_serves_them() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (_node, theirs) = node_server(&env).await;
    for name in ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"] {
        for name in [name.to_owned(), format!("{name}.map")] {
            let (ours, node) = (get(&gateway.address, &name, "").await, get(&theirs, &name, "").await);
            assert_eq!((&*ours.status, &*node.status), ("200", "200"), "{name}");
            for header in ["content-type", "cache-control"] {
                assert_eq!(ours.headers[header], node.headers[header], "{name}: {header}");
            }
            assert!(ours.body == file(&name), "{name} is not the package's");
            assert_eq!(ours.headers["content-length"], ours.body.len().to_string(), "{name}");
        }
    }
    // Names that there are not are not taken for a client's.
    assert_eq!(get(&gateway.address, "socket.io.old.js", "").await.status, "404");
    assert_eq!(get(&gateway.address, "?EIO=4&transport=polling", "").await.status, "200");
}

#[tokio::test]
async fn a_file_that_a_browser_has_already_is_not_sent_again() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_MAX_CONNECTIONS", "1")]).await;
    let tag = get(&gateway.address, "socket.io.js", "").await.headers["etag"].clone();
    let version =
        serde_json::from_str::<Value>(&fs::read_to_string(Path::new(PACKAGE).join("package.json")).unwrap());
    assert_eq!(tag, format!("\"{}\"", version.unwrap()["version"].as_str().unwrap()));
    let (_node, theirs) = node_server(&env).await;
    let node_tag = get(&theirs, "socket.io.js", "").await.headers["etag"].clone();
    for (address, tag) in [(&gateway.address, &tag), (&theirs, &node_tag)] {
        for (known, status) in [(tag.clone(), "304"), (format!("W/{tag}"), "304"), ("\"0.1\"".into(), "200")]
        {
            let answer = get(address, "socket.io.js", &format!("If-None-Match: {known}\n")).await;
            assert_eq!(
                (&*answer.status, answer.body.is_empty()),
                (status, status == "304"),
                "{address} {known}"
            );
        }
    }
    let head = ask(&gateway.address, "HEAD /socket.io/socket.io.js HTTP/1.0\n\n").await;
    assert_eq!((&*head.status, &*head.body, &head.headers["etag"]), ("200", "", &tag));
    // Whoever fetched it took no client's place.
    let client = get(&gateway.address, "?EIO=4&transport=polling", "").await;
    assert_eq!(client.status, "200", "{}", client.body);
}

/// A browser, and the port that its pages are served on.
pub(super) async fn browser() -> (Node, u64) {
    let mut browser = Node::spawn("browser.mjs", &[]);
    let ready = browser.line().await;
    (browser, ready["ready"].as_u64().unwrap_or_else(|| panic!("no browser: {ready}")))
}

#[tokio::test]
async fn a_page_in_chromium_loads_the_client_from_the_gateway_and_gets_rows_by_both_transports() {
    let env = Env::new().await;
    env.migrate().await;
    let gateway = Gateway::start(&env, &[]).await;
    let (mut browser, _) = browser().await;
    for (script, transport) in [("socket.io.js", "websocket"), ("socket.io.esm.min.js", "polling")] {
        let url = format!("http://{}", gateway.address);
        browser
            .tell(json!({"page": transport, "host": "localhost", "gateway": url, "script": script,
                "transport": transport, "room": "pre_qqaccount"}))
            .await;
        let answer = json!({"ok": true, "rooms": ["pre_qqaccount"]});
        assert_eq!(
            browser.line().await,
            json!({"page": transport, "connected": transport, "answer": answer})
        );
    }
    let worker = Running::worker(&env, &[]);
    env.push(&[r#"{"time":1,"stamp":"é"}"#]).await;
    let row = json!([{"table": "pre_qqaccount", "id": 1, "row": {"accountid": 1, "openid": "é"}}]);
    let row =
        ["polling", "websocket"].map(|page| json!({"page": page, "event": "row", "args": row}).to_string());
    assert_eq!(browser.sorted(2).await, row);
    worker.stop().await;
}

#[tokio::test]
async fn a_page_in_chromium_connects_from_the_origins_that_are_allowed_and_from_no_other() {
    let env = Env::new().await;
    let (mut browser, port) = browser().await;
    let closed = Gateway::start(&env, &[]).await;
    let allowed = format!("http://app.example:{port}");
    let open = Gateway::start(&env, &[("ROWCAST_ORIGINS", &allowed)]).await;
    for (page, host, gateway, script, outcome) in [
        ("foreign", "app.example", &closed, "socket.io.js", "refused"),
        ("foreign module", "app.example", &closed, "socket.io.esm.min.js", "failed"),
        ("allowed", "app.example", &open, "socket.io.js", "connected"),
        ("allowed module", "app.example", &open, "socket.io.esm.min.js", "connected"),
        ("other", "other.example", &open, "socket.io.js", "refused"),
    ] {
        for transport in ["websocket", "polling"] {
            let url = format!("http://{}", gateway.address);
            browser
                .tell(json!({"page": page, "host": host, "gateway": url, "script": script,
                    "transport": transport, "room": "a"}))
                .await;
            let line = browser.line().await;
            assert!(line["page"] == page && line.get(outcome).is_some(), "{page}, {transport}: {line}");
        }
    }
}
