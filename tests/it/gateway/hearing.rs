//! Which channels a gateway hears: every room's by one pattern, or those of its clients' rooms.

use std::collections::BTreeSet;

use redis::{FromRedisValue, cmd};
use rowcast::emitter::Target;
use serde_json::{Value, json};

use super::{Gateway, ask, catch_up::port, event, publisher};
use crate::{
    interop::Node,
    support::{Env, PATIENCE, Proxy, Running, Side, eventually, hears, random},
};

const ROOMS: (&str, &str) = ("ROWCAST_HEAR", "rooms");
const PATTERN: (&str, &str) = ("ROWCAST_HEAR", "pattern");
/// Clients may say as much as the test wants.
const TALKATIVE: (&str, &str) = ("ROWCAST_MESSAGES_PER_SECOND", "10000");
const WEBSOCKET: [&str; 2] = ["--transport", "websocket"];

/// What Redis says about subscriptions.
async fn pubsub<T: FromRedisValue>(env: &Env, arguments: &[&str]) -> T {
    cmd("PUBSUB").arg(arguments).query_async(&mut env.redis_connection().await).await.unwrap()
}

/// The channels that anybody is subscribed to by name.
async fn channels(env: &Env) -> BTreeSet<String> {
    pubsub(env, &["CHANNELS"]).await
}

/// Waits until these are the channels.
async fn channels_are(env: &Env, rooms: &[&str]) {
    let all = rooms.iter().map(|room| format!("socket.io#/#{room}#"));
    let expected: BTreeSet<String> = all.chain(["socket.io#/#".to_owned()]).collect();
    eventually(PATIENCE, "the channels are those", async || match channels(env).await {
        channels if channels == expected => Ok(()),
        other => Err((other, expected.clone())),
    })
    .await;
}

/// Returns when a room of `/` is heard that an emitter has just moved clients to. Where a gateway hears all rooms it is
/// heard at once; where it hears those of its clients it learns of it then, as docs/realtime.md says.
pub(super) async fn moved_to(env: &Env, room: &str) {
    if hears() == "rooms" {
        let heard = async || if is_heard(env, room).await { Ok(()) } else { Err(room.to_owned()) };
        eventually(PATIENCE, "the room is heard", heard).await;
    }
}

/// Whether anybody hears a room of `/` by its name.
async fn is_heard(env: &Env, room: &str) -> bool {
    let (_, count): (String, u64) = pubsub(env, &["NUMSUB", &format!("socket.io#/#{room}#")]).await;
    count > 0
}

async fn subscribe(node: &mut Node, client: &str, rooms: Value) {
    assert_eq!(ask(node, client, json!(["subscribe", rooms])).await["ok"], true);
}

async fn unsubscribe(node: &mut Node, client: &str, room: &str) {
    assert_eq!(ask(node, client, json!(["unsubscribe", room])).await["ok"], true);
}

#[tokio::test]
async fn a_word_that_is_neither_is_refused_with_both() {
    let env = Env::new().await;
    let mut refused = Running::on(&env, "gateway", "", &[("ROWCAST_HEAR", "room")]);
    assert_eq!(refused.ended().await.code(), Some(64));
    let said = refused.whole_log().await.join("\n");
    assert!(said.contains("ROWCAST_HEAR=\"room\": expected one of pattern, rooms"), "{said}");
}

#[tokio::test]
async fn an_event_right_behind_the_answer_is_heard_every_one_of_a_thousand_times() {
    let env = Env::new().await;
    for mode in [PATTERN, ROOMS] {
        let gateway = Gateway::start(&env, &[mode, TALKATIVE]).await;
        let (mut node, _) = gateway.clients(&[&WEBSOCKET[..], &["/#"]].concat()).await;
        let emitter = publisher(&env).await;
        for round in 0..1_000 {
            // New rooms, and such that were left.
            let room = format!("room*[{}]", round % 700);
            subscribe(&mut node, "/#", json!(room)).await;
            emitter.to(&*room).emit("round", &round).await.unwrap();
            assert_eq!(node.line().await.to_string(), event("/#", "round", json!([round])), "{mode:?}");
            unsubscribe(&mut node, "/#", &room).await;
        }
    }
}

#[tokio::test]
async fn a_subscription_is_answered_when_redis_has_confirmed_it_and_not_before() {
    let env = Env::new().await;
    let proxy = Proxy::start(port(&env.redis_url)).await;
    let gateway = Gateway::start(&env, &[ROOMS, ("REDIS_URL", &proxy.url(&env.redis_url))]).await;
    let (mut node, _) = gateway.clients(&[&WEBSOCKET[..], &["/#one", "/#two"]].concat()).await;
    for (side, room) in [(Side::Client, "a"), (Side::Server, "b")] {
        proxy.hold(side);
        node.tell(json!({"client": "/#one", "emit": ["subscribe", room]})).await;
        // What needs no Redis is answered meanwhile.
        for _ in 0..50 {
            unsubscribe(&mut node, "/#two", "never").await;
        }
        proxy.release(side);
        let answer = json!({"client": "/#one", "answer": [{"ok": true, "rooms": [room]}]});
        assert_eq!(node.line().await, answer);
        publisher(&env).await.to(room).emit("there", &0).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#one", "there", json!([0])));
        // It is heard already, whoever else joins it.
        proxy.hold(side);
        subscribe(&mut node, "/#two", json!(room)).await;
        proxy.release(side);
        unsubscribe(&mut node, "/#two", room).await;
    }
}

#[tokio::test]
async fn only_rooms_with_a_client_are_heard_and_those_without_are_given_up() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    channels_are(&env, &[]).await;
    let (mut node, ids) = gateway.clients(&[&WEBSOCKET[..], &["/#one", "/#two"]].concat()).await;
    let (one, two) = (&*ids["/#one"], &*ids["/#two"]);
    channels_are(&env, &[one, two]).await;
    subscribe(&mut node, "/#one", json!(["a", "b#c"])).await;
    subscribe(&mut node, "/#two", json!(["a", {"room": "pre_qqaccount", "every_ms": 0}])).await;
    channels_are(&env, &[one, two, "a", "b#c", "pre_qqaccount"]).await;

    let heard = gateway.number("rowcast_gateway_messages_heard_total").await;
    let emitter = publisher(&env).await;
    for number in 0..100 {
        emitter.to("nobody").emit("lost", &number).await.unwrap();
    }
    emitter.to("a").emit("there", &0).await.unwrap();
    assert_eq!(node.sorted(2).await, ["/#one", "/#two"].map(|client| event(client, "there", json!([0]))));
    assert_eq!(gateway.number("rowcast_gateway_messages_heard_total").await, heard + 1);

    for room in ["a", "b#c"] {
        unsubscribe(&mut node, "/#one", room).await;
    }
    channels_are(&env, &[one, two, "a", "pre_qqaccount"]).await;
    unsubscribe(&mut node, "/#two", "pre_qqaccount").await;
    channels_are(&env, &[one, two, "a"]).await;
    drop(node);
    channels_are(&env, &[]).await;
    assert_eq!(gateway.process.said("waiting for Redis"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_client_is_heard_under_its_own_id_from_the_moment_it_knows_it() {
    let env = Env::new().await;
    let emitter = publisher(&env).await;
    for mode in [PATTERN, ROOMS] {
        let gateway = Gateway::start(&env, &[mode]).await;
        for version in ["4", "3", "2"] {
            for _ in 0..10 {
                let (mut node, ids) = gateway.clients(&["--version", version, "/#"]).await;
                // Over long-polling, and over the WebSocket that it goes on to.
                emitter.to(&*ids["/#"]).emit("own", &0).await.unwrap();
                assert_eq!(node.line().await.to_string(), event("/#", "own", json!([0])), "{mode:?}");
            }
        }
    }
}

#[tokio::test]
async fn rooms_that_are_given_up_and_joined_again_at_any_moment_are_heard() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[ROOMS, TALKATIVE, ("ROWCAST_ROOMS_PER_SOCKET", "1000")]).await;
    let (mut node, ids) = gateway.clients(&[&WEBSOCKET[..], &["/#"]].concat()).await;
    let (emitter, mut random) = (publisher(&env).await, random());
    let mut inside = BTreeSet::new();
    let mut given_up = 0;
    // Of so many rooms some are empty for just so long as it takes to be given up.
    while given_up < 200 {
        let room = format!("room{}", random.usize(0..1_000));
        if inside.remove(&room) {
            unsubscribe(&mut node, "/#", &room).await;
        } else {
            given_up += usize::from(inside.len() > 100 && !is_heard(&env, &room).await);
            subscribe(&mut node, "/#", json!(room)).await;
            emitter.to(&*room).emit("probe", &room).await.unwrap();
            assert_eq!(node.line().await.to_string(), event("/#", "probe", json!([room])));
            inside.insert(room);
        }
    }
    let rooms: Vec<&str> = inside.iter().map(String::as_str).chain([&*ids["/#"]]).collect();
    channels_are(&env, &rooms).await;
}

#[tokio::test]
async fn a_room_that_is_joined_while_redis_gives_it_up_is_heard() {
    let env = Env::new().await;
    let proxy = Proxy::start(port(&env.redis_url)).await;
    let gateway = Gateway::start(&env, &[ROOMS, ("REDIS_URL", &proxy.url(&env.redis_url))]).await;
    let (mut node, ids) = gateway.clients(&[&WEBSOCKET[..], &["/#"]].concat()).await;
    subscribe(&mut node, "/#", json!("a")).await;
    // Redis does it, and the gateway does not know.
    proxy.hold_replies_from(b"UNSUBSCRIBE");
    unsubscribe(&mut node, "/#", "a").await;
    channels_are(&env, &[&ids["/#"]]).await;
    node.tell(json!({"client": "/#", "emit": ["subscribe", "a"]})).await;
    proxy.release(Side::Server);
    assert_eq!(node.line().await["answer"][0]["ok"], true);
    publisher(&env).await.to("a").emit("there", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "there", json!([0])));
}

#[tokio::test]
async fn rooms_that_an_emitter_moves_clients_to_are_heard_until_it_moves_them_out() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let (mut node, ids) = gateway.clients(&[&WEBSOCKET[..], &["/#one", "/#two"]].concat()).await;
    let (one, two) = (&*ids["/#one"], &*ids["/#two"]);
    let emitter = publisher(&env).await;
    emitter.to(one).sockets_join(["new", "other"]).await.unwrap();
    emitter.to("nobody").sockets_join("empty").await.unwrap();
    channels_are(&env, &[one, two, "new", "other"]).await;
    emitter.to("new").emit("there", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#one", "there", json!([0])));
    // What is for several rooms goes over the channel of all, so it needs no room to be heard.
    emitter.to(two).sockets_join("late").await.unwrap();
    emitter.to(["late", "nobody"]).emit("at once", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#two", "at once", json!([0])));
    emitter.to(["new", "late"]).sockets_leave(["new", "late"]).await.unwrap();
    channels_are(&env, &[one, two, "other"]).await;
}

#[tokio::test]
async fn when_redis_is_back_thousands_of_rooms_are_heard_again_after_a_few_requests() {
    let mut env = Env::new().await;
    let gateway = Gateway::start(&env, &[ROOMS]).await;
    let specs: Vec<String> = (0..40).map(|number| format!("/#{number}")).collect();
    let options: Vec<&str> = WEBSOCKET.into_iter().chain(specs.iter().map(String::as_str)).collect();
    let (mut node, ids) = gateway.clients(&options).await;
    for (number, spec) in specs.iter().enumerate() {
        let rooms: Vec<String> = (0..100).map(|room| format!("{number}:{room}")).collect();
        subscribe(&mut node, spec, json!(rooms)).await;
    }
    env.redis.kill9().await.unwrap();
    gateway.process.says("waiting for Redis", 1).await;
    // It is answered though nobody hears it yet, as where a pattern is heard.
    unsubscribe(&mut node, "/#0", "0:0").await;
    subscribe(&mut node, "/#0", json!("meanwhile")).await;
    env.redis.restart().await.unwrap();
    gateway.ready().await;
    let of_rooms = channels(&env).await;
    assert_eq!(of_rooms.len(), 1 + ids.len() + 4_000);
    assert!(of_rooms.contains("socket.io#/#meanwhile#") && !of_rooms.contains("socket.io#/#0:0#"));
    let info: String =
        cmd("INFO").arg("commandstats").query_async(&mut env.redis_connection().await).await.unwrap();
    let calls = info.split("cmdstat_subscribe:calls=").nth(1).unwrap().split(',').next().unwrap();
    assert!(calls.parse::<usize>().unwrap() <= 6, "{calls} requests");
    let emitter = publisher(&env).await;
    for (room, spec) in [("meanwhile", "/#0"), ("0:99", "/#0"), ("39:99", "/#39"), (&ids["/#7"], "/#7")] {
        emitter.to(room).emit("back", &0).await.unwrap();
        assert_eq!(node.line().await.to_string(), event(spec, "back", json!([0])));
    }
}

#[tokio::test]
async fn node_servers_do_not_count_a_gateway_whichever_channels_it_hears() {
    for mode in [PATTERN, ROOMS] {
        let env = Env::new().await;
        let gateway = Gateway::start(&env, &[mode]).await;
        let mut ours = gateway.subscribed(&["/#room1"]).await;
        let mut theirs = Node::start(&env.redis_url, &["/#room1"]).await;
        let (_, counted): (String, u64) = pubsub(&env, &["NUMSUB", "socket.io-request#/#"]).await;
        assert_eq!(counted, 1, "the Node server");
        // It would be an error after five seconds if an answer were missing.
        theirs.tell("io.fetchSockets().then((sockets) => sockets.length)").await;
        assert_eq!(theirs.line().await, json!({"result": 1}));
        theirs.tell("io.to('room1').emit('probe', 0) && null").await;
        assert_eq!(ours.line().await.to_string(), event("/#room1", "probe", json!([0])));
    }
}

#[tokio::test]
async fn where_a_pattern_is_heard_an_event_right_behind_a_move_to_its_room_is_too() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[PATTERN]).await;
    let (mut node, ids) = gateway.clients(&[&WEBSOCKET[..], &["/#"]].concat()).await;
    let mut redis = env.redis_connection().await;
    let to = |room: &str| Target::new().to(room);
    for round in 0..200 {
        let room = format!("new{round}");
        // Together, so that they are read together.
        let mut messages = redis::pipe();
        for message in [
            to("nobody").event("lost", &round).unwrap(),
            to(&ids["/#"]).sockets_join(&*room).unwrap(),
            to(&room).event("there", &round).unwrap(),
            to("nobody").event("lost", &round).unwrap(),
        ] {
            messages.cmd("PUBLISH").arg(message.channel).arg(message.payload);
        }
        messages.query_async::<()>(&mut redis).await.unwrap();
        assert_eq!(node.line().await.to_string(), event("/#", "there", json!([round])));
    }
    // Two of each round are not wanted; each is counted once.
    publisher(&env).await.emit("last", &0).await.unwrap();
    assert_eq!(node.line().await.to_string(), event("/#", "last", json!([0])));
    assert_eq!(gateway.number("rowcast_gateway_messages_heard_total").await, 4 * 200 + 1);
    assert_eq!(gateway.number("rowcast_gateway_messages_wanted_total").await, 200 + 1);
}
