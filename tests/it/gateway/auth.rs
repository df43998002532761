//! Who may see what: tokens, and clients without one.

mod keys;
pub(super) mod tokens;

use redis::cmd;
use serde_json::{Value, json};

use super::{Gateway, ask, event, hearing::moved_to, programs, publisher, slow::Stuck};
use crate::{
    interop::Node,
    support::{Env, PATIENCE, eventually},
};
use tokens::{SECRET, now, secret, signed, token};

/// In so many seconds a token ends that is used before: longer than a busy machine takes for that.
const SOON: i64 = 15;
const NAME: &str = "ROWCAST_JWT_SECRET";

/// A gateway that asks for tokens which are signed with [`SECRET`].
async fn guarded(env: &Env) -> Gateway {
    Gateway::start(env, &[(NAME, SECRET)]).await
}

/// The option of `clients.mjs` that gives each client its token.
fn given(clients: &[(&str, &str)]) -> String {
    let given = clients.iter().map(|(client, token)| ((*client).to_owned(), json!({"token": token})));
    Value::Object(given.collect()).to_string()
}

/// What clients with these tokens are told when they try to connect: none of them may.
async fn refusals(gateway: &Gateway, options: &[&str], clients: &[(&str, &str)]) -> Vec<String> {
    let (url, auth) = (format!("http://{}", gateway.address), given(clients));
    let specs: Vec<&str> = clients.iter().map(|(client, _)| *client).collect();
    let mut node = Node::spawn("clients.mjs", &[&[url.as_str(), "--auth", &auth], options, &specs].concat());
    let lines = node.sorted(clients.len()).await;
    assert_eq!(node.line().await, json!({"ready": {}}), "{lines:?}");
    lines
}

/// Clients with a token each.
async fn clients(gateway: &Gateway, options: &[&str], clients: &[(&str, &str)]) -> Node {
    let auth = given(clients);
    let specs: Vec<&str> = clients.iter().map(|(client, _)| *client).collect();
    gateway.clients(&[&["--auth", auth.as_str()], options, &specs].concat()).await.0
}

/// It is signed by the program of docs/realtime.md.
#[tokio::test]
async fn the_token_that_a_server_of_your_own_signs_counts_for_its_rooms() {
    let env = Env::new().await;
    let gateway = guarded(&env).await;
    let said = programs::node("SignJWT", &gateway.address, (NAME, SECRET)).line().await;
    let token = said["token"].as_str().unwrap();
    let mut node = clients(&gateway, &[], &[("/#a", token)]).await;
    assert_eq!(ask(&mut node, "/#a", json!(["subscribe", ["account:7", "orders:1"]])).await["ok"], true);
    assert_eq!(ask(&mut node, "/#a", json!(["subscribe", "account:8"])).await["code"], "forbidden");
}

#[tokio::test]
async fn nobody_connects_without_a_token_that_counts() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[(NAME, SECRET), ("ROWCAST_GATEWAY_NAMESPACES", "/chat")]).await;
    let claims = json!({"exp": now() + 60, "rooms": ["*"]});
    let changed = |key: &str, value: Value| {
        let mut claims = claims.clone();
        claims[key] = value;
        secret(&claims)
    };
    let unsigned = {
        let token = signed(&json!({"alg": "none"}), &claims, |_| Vec::new());
        assert!(token.ends_with('.'));
        token
    };
    let cases = [
        ("/#alg", unsigned.as_str(), "bad_token: this is no JWT that is signed with HS256"),
        ("/#exp", &changed("exp", json!(null)), "bad_token: the token has no exp"),
        (
            "/#key",
            &tokens::hs256(&claims, b"another key of as many bytes as it"),
            "bad_token: the token's signature",
        ),
        ("/#late", &changed("exp", json!(now() - 60)), "expired: "),
        ("/#nbf", &changed("nbf", json!(now() + 60)), "not_yet: "),
        ("/#none", "", "no_token: "),
        ("/#rooms", &changed("rooms", json!("a")), "bad_token: the token has no rooms"),
        ("/#star", &changed("rooms", json!(["a*b"])), "bad_token: the token's room"),
        ("/#text", "Bearer x", "bad_token: this is no JWT"),
        ("/chat#none", "", "no_token: "),
    ];
    let given = cases.each_ref().map(|(client, token, _)| (*client, *token));
    for options in
        [["--version", "4", "--transport", "websocket"], ["--version", "3", "--transport", "polling"]]
    {
        let told = refusals(&gateway, &options, &given).await;
        for ((client, _, expected), line) in cases.iter().zip(told) {
            let line: Value = serde_json::from_str(&line).unwrap();
            let message = line["refused"].as_str().unwrap_or_default();
            assert!(
                line["client"] == *client && message.starts_with(expected) && message.len() > 30,
                "{line}"
            );
        }
    }
    // Not even what is for everybody reached any of them: nobody is in the namespace.
    let mut raw = Stuck::open(&gateway).await;
    raw.read_until("44{\"message\":\"no_token: ").await;
    publisher(&env).await.emit("secret", &0).await.unwrap();
    let rest = raw.ends().await;
    assert!(!rest.contains("secret"), "{rest}");
    assert!(!gateway.process.log().iter().any(|line| line.contains(SECRET)));
}

#[tokio::test]
async fn a_client_joins_the_rooms_of_its_token_and_no_others() {
    let env = Env::new().await;
    let gateway = guarded(&env).await;
    let emitter = publisher(&env).await;
    let rooms = ["account:7", "orders:*"];
    for (version, transport) in [("4", "websocket"), ("4", "polling"), ("3", "websocket"), ("2", "polling")] {
        let options = ["--version", version, "--transport", transport];
        let token = token(&rooms);
        // Clients of version 2 have no place for it but the query.
        let (option, given) = (if version == "2" { "--query" } else { "--auth" }, given(&[("/#", &token)]));
        let (mut node, ids) = gateway.clients(&[&options[..], &[option, &given, "/#"]].concat()).await;
        for (asked, forbidden) in [
            (json!("account:8"), "account:8"),
            (json!(["account:7", "orders:1", "account:70"]), "account:70"),
            (json!([{"room": "orders"}]), "orders"),
            (json!("*"), "*"),
            (json!(7), "7"),
        ] {
            let answer = ask(&mut node, "/#", json!(["subscribe", asked])).await;
            assert_eq!(answer["code"], "forbidden", "{asked}: {answer}");
            assert_eq!((&answer["ok"], &answer["room"]), (&json!(false), &json!(forbidden)));
        }
        emitter.to(["account:7", "orders:1", "account:8"]).emit("lost", &0).await.unwrap();
        emitter.to(ids["/#"].clone()).emit("next", &0).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#", "next", json!([0])), "and nothing before it");
        for room in ["account:7", "orders:1"] {
            assert_eq!(ask(&mut node, "/#", json!(["subscribe", room])).await["ok"], true);
            emitter.to(room).emit("heard", &room).await.unwrap();
            assert_eq!(
                node.line().await.to_string(),
                event("/#", "heard", json!([room])),
                "{version} {transport}"
            );
        }
        // Where an emitter moves it to is the emitter's to decide.
        emitter.to("account:7").sockets_join("vip").await.unwrap();
        moved_to(&env, "vip").await;
        emitter.to("vip").emit("moved", &0).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#", "moved", json!([0])));
    }
}

#[tokio::test]
async fn when_the_tokens_time_is_over_the_client_is_told_and_disconnected() {
    let env = Env::new().await;
    let gateway = guarded(&env).await;
    let (short, long) = (tokens::until(now() + SOON), token(&["a"]));
    let both = [("/#short", short.as_str()), ("/#long", long.as_str())];
    let transports = [&["--transport", "websocket"][..], &["--transport", "polling"], &[]];
    let mut nodes = Vec::new();
    for options in transports {
        nodes.push(clients(&gateway, options, &both).await);
    }
    let given = given(&both);
    nodes.push(gateway.clients(&["--version", "2", "--query", &given, "/#short", "/#long"]).await.0);
    // This one answers no ping, and would be gone after eight seconds.
    let shorter = tokens::until(now() + 6);
    let mut raw = Stuck::open_with(&gateway, &json!({"token": shorter})).await;
    raw.read_until("40{\"sid\":").await;

    // A client that does not close the connection by itself loses it.
    raw.read_until("\"code\":\"expired\"").await;
    raw.ends().await;
    for node in &mut nodes {
        let told = node.line().await;
        assert_eq!(
            (&told["client"], &told["event"]),
            (&json!("/#short"), &json!("rowcast:closing")),
            "{told}"
        );
        assert_eq!(told["args"][0]["code"], "expired");
        assert!(now() >= tokens::end_of(&short) + 10, "before its end");
        let gone = json!({"client": "/#short", "disconnected": "io server disconnect"});
        assert_eq!(node.line().await, gone);
    }
    publisher(&env).await.emit("after", &0).await.unwrap();
    for node in &mut nodes {
        assert_eq!(node.line().await.to_string(), event("/#long", "after", json!([0])));
    }
    assert!(refusals(&gateway, &[], &[("/#", &short)]).await[0].contains("expired: "));
}

#[tokio::test]
async fn a_client_takes_a_new_token_without_a_new_connection() {
    let env = Env::new().await;
    let gateway = guarded(&env).await;
    let emitter = publisher(&env).await;
    let short = tokens::until(now() + SOON);
    let mut node =
        clients(&gateway, &["--transport", "websocket"], &[("/#one", &short), ("/#two", &short)]).await;
    assert_eq!(ask(&mut node, "/#one", json!(["subscribe", ["a", "b"]])).await["ok"], true);

    // What is refused changes nothing.
    for (argument, code) in [
        (json!({"token": "x"}), "bad_token"),
        (json!({"token": secret(&json!({"exp": now() - 60, "rooms": []}))}), "expired"),
        (json!(null), "no_token"),
        (json!("x"), "no_token"),
    ] {
        let answer = ask(&mut node, "/#one", json!(["authenticate", argument])).await;
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!(code)), "{answer}");
    }
    emitter.to("b").emit("still", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#one", "still", json!([0])));

    // Rooms that it may be in no more it leaves.
    let answer = ask(&mut node, "/#one", json!(["authenticate", {"token": token(&["a", "c"])}])).await;
    assert_eq!(answer, json!({"ok": true, "rooms": ["b"]}));
    emitter.to("b").emit("lost", &0).await.unwrap();
    emitter.to("a").emit("kept", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#one", "kept", json!([0])));
    assert_eq!(ask(&mut node, "/#one", json!(["subscribe", "c"])).await["ok"], true);
    assert_eq!(ask(&mut node, "/#one", json!(["subscribe", "b"])).await["code"], "forbidden");

    // The end of the old one is no longer its own.
    assert_eq!(node.line().await["event"], "rowcast:closing");
    assert_eq!(node.line().await, json!({"client": "/#two", "disconnected": "io server disconnect"}));
    emitter.emit("after", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#one", "after", json!([0])));
}

#[tokio::test]
async fn a_client_of_version_2_has_its_token_in_the_query_and_no_other_has() {
    let env = Env::new().await;
    let gateway = guarded(&env).await;
    let get = async |query: &str| gateway.get(&format!("/socket.io/?{query}")).await;
    for refused in ["", "&token=", "&token=x", &format!("&token={}", tokens::until(now() - 60))] {
        for transport in ["polling", "websocket"] {
            let answer = get(&format!("EIO=3&transport={transport}{refused}")).await;
            assert!(answer.starts_with("401 ") && answer.contains(": "), "{answer}");
        }
    }
    let good = token(&["a"]);
    assert!(get(&format!("EIO=3&transport=polling&token={good}")).await.contains("\"sid\":"));
    let (url, query) = (format!("http://{}", gateway.address), given(&[("/#", &good)]));
    let mut node = Node::spawn("clients.mjs", &[&url, "--query", &query, "/#"]);
    assert!(node.line().await["refused"].as_str().unwrap().starts_with("no_token: "));
}

#[tokio::test]
async fn with_tokens_any_page_may_connect_and_any_address_is_listened_on() {
    let env = Env::new().await;
    let mut gateway = Gateway::listening(&env, &[(NAME, SECRET), ("ROWCAST_LISTEN", "0.0.0.0:0")]).await;
    gateway.address = gateway.address.replace("0.0.0.0", "127.0.0.1");
    let page = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\
                Origin: https://elsewhere.example\r\n\r\n";
    let answer = gateway.request(page).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://elsewhere.example\r\n"), "{answer}");
    assert!(!answer.to_lowercase().contains("allow-credentials"), "{answer}");
}

#[tokio::test]
async fn whoever_is_refused_is_in_no_room_and_leaves_nothing_behind() {
    let env = Env::new().await;
    let gateway = guarded(&env).await;
    for _ in 0..3 {
        refusals(&gateway, &["--transport", "websocket"], &[("/#one", ""), ("/#two", "x")]).await;
    }
    let mut redis = env.redis_connection().await;
    cmd("PUBLISH").arg("socket.io#/#").arg("x").query_async::<u64>(&mut redis).await.unwrap();
    publisher(&env).await.sockets_join("all").await.unwrap();
    let mut node = clients(&gateway, &["--transport", "websocket"], &[("/#", &token(&["*"]))]).await;
    publisher(&env).await.to("all").emit("lost", &0).await.unwrap();
    publisher(&env).await.emit("after", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "after", json!([0])));
    eventually(PATIENCE, "the refused are gone", async || match super::slow::connections(&gateway) {
        1 => Ok(()),
        count => Err(count),
    })
    .await;
}
