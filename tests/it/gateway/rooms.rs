//! Rooms that clients ask for.

use serde_json::{Value, json};

use super::{Gateway, ask, event, publisher};
use crate::support::Env;

#[tokio::test]
async fn a_client_gets_what_is_for_the_rooms_it_has_subscribed_to_until_it_unsubscribes() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let emitter = publisher(&env).await;
    let versions = ["4", "3", "2"];
    let transports = [&["--transport", "websocket"][..], &["--transport", "polling"], &[]];
    for (version, transport) in
        versions.iter().flat_map(|version| transports.map(|transport| (version, transport)))
    {
        let options = [&["--version", version], transport, &["/#one", "/#two"]].concat();
        let (mut node, _) = gateway.clients(&options).await;
        let several = json!(["a", {"room": "b"}, 42, "c"]);
        let answer = ask(&mut node, "/#one", json!(["subscribe", several])).await;
        assert_eq!(answer, json!({"ok": true, "rooms": ["a", "b", "42", "c"]}));
        assert_eq!(
            ask(&mut node, "/#two", json!(["subscribe", "b"])).await,
            json!({"ok": true, "rooms": ["b"]})
        );

        emitter.to(["a", "b"]).emit("both", &0).await.unwrap();
        let expected = [event("/#one", "both", json!([0])), event("/#two", "both", json!([0]))];
        assert_eq!(node.sorted(2).await, expected);
        emitter.to("b").except("c").emit("but", &0).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#two", "but", json!([0])));
        emitter.to(42).emit("number", &0).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#one", "number", json!([0])));

        let left = ask(&mut node, "/#one", json!(["unsubscribe", ["b", "c", "never"]])).await;
        assert_eq!(left, json!({"ok": true, "rooms": ["b", "c", "never"]}));
        emitter.to("c").emit("lost", &0).await.unwrap();
        emitter.to("b").emit("left", &0).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#two", "left", json!([0])));
        emitter.to("a").emit("stays", &0).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#one", "stays", json!([0])));
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_in_full_and_says_why() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_ROOMS_PER_SOCKET", "3")]).await;
    let (mut node, ids) = gateway.clients(&["--transport", "websocket", "/#one", "/#two"]).await;
    let refused = |answer: &Value, code: &str| {
        assert_eq!((&answer["ok"], &answer["code"]), (&json!(false), &json!(code)), "{answer}");
        assert!(answer["message"].as_str().unwrap().len() > 20, "{answer}");
    };
    for request in [json!(["subscribe"]), json!(["subscribe", null]), json!(["subscribe", ["a", {}]])] {
        refused(&ask(&mut node, "/#one", request).await, "bad_request");
    }
    // Nobody hears what is for another client alone.
    let reserved = ask(&mut node, "/#one", json!(["subscribe", ["a", ids["/#two"]]])).await;
    refused(&reserved, "reserved");
    assert_eq!(reserved["room"], json!(ids["/#two"]));
    refused(&ask(&mut node, "/#one", json!(["unsubscribe", ids["/#one"]])).await, "reserved");
    // As long as an id, and nobody's.
    assert_eq!(ask(&mut node, "/#two", json!(["subscribe", "customer_1234567"])).await["ok"], true);
    for event in ["message", "join", "SUBSCRIBE", "row"] {
        refused(&ask(&mut node, "/#one", json!([event, "a"])).await, "unknown_event");
    }
    refused(&ask(&mut node, "/#one", json!(["subscribe", ["a", "b", "c", "d"]])).await, "too_many_rooms");
    publisher(&env).await.to(["a", "b", "c", "d"]).emit("lost", &0).await.unwrap();
    publisher(&env).await.emit("next", &0).await.unwrap();
    let next = ["/#one", "/#two"].map(|client| event(client, "next", json!([0])));
    assert_eq!(node.sorted(2).await, next, "and nothing before it");

    assert_eq!(ask(&mut node, "/#one", json!(["subscribe", ["a", "b"]])).await["ok"], true);
    // A room that it is in already counts once.
    assert_eq!(ask(&mut node, "/#one", json!(["subscribe", ["b", "c"]])).await["ok"], true);
    refused(&ask(&mut node, "/#one", json!(["subscribe", "d"])).await, "too_many_rooms");
    assert_eq!(ask(&mut node, "/#one", json!(["unsubscribe", "a"])).await["ok"], true);
    assert_eq!(ask(&mut node, "/#one", json!(["subscribe", "d"])).await["ok"], true);
    publisher(&env).await.to(["a", "d"]).emit("heard", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#one", "heard", json!([0])));
}
