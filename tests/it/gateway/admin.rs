//! Those who look after the cluster: socket.io's own Admin UI, clients that speak like it, and `/cluster`.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::{
    Gateway,
    auth::tokens::{SECRET, token},
    publisher,
};
use crate::{
    interop::Node,
    support::{Env, JSON, PATIENCE, eventually},
};

const READ: (&str, &str) = ("ROWCAST_READ_TOKEN", "a-token-to-look-with");

/// Clients in the namespace, and what they were told.
struct Lookers {
    node: Node,
    /// What came before all of them were connected or refused.
    early: VecDeque<Value>,
    /// Why they were refused, by their names.
    refused: BTreeMap<String, String>,
}

impl Lookers {
    /// Connects clients that give these.
    async fn connect(gateway: &Gateway, auth: Value) -> Self {
        let specs: Vec<&str> = auth.as_object().unwrap().keys().map(String::as_str).collect();
        let (url, auth) = (format!("http://{}", gateway.address), auth.to_string());
        let args = [&[&*url, "--transport", "websocket", "--auth", &auth][..], &specs].concat();
        let mut lookers = Self {
            node: Node::spawn("clients.mjs", &args),
            early: VecDeque::new(),
            refused: BTreeMap::new(),
        };
        loop {
            let line = lookers.node.line().await;
            match line["refused"].as_str() {
                Some(why) => {
                    lookers.refused.insert(line["client"].as_str().unwrap().to_owned(), why.to_owned());
                }
                None if line.get("ready").is_some() => return lookers,
                None => lookers.early.push_back(line),
            }
        }
    }

    /// One that gives nothing.
    async fn one(gateway: &Gateway) -> Self {
        let one = Self::connect(gateway, json!({"/admin#": {}})).await;
        assert!(one.refused.is_empty(), "{:?}", one.refused);
        one
    }

    /// The next event of this name: its first argument.
    async fn told(&mut self, event: &str) -> Value {
        loop {
            let line = match self.early.pop_front() {
                Some(line) => line,
                None => self.node.line().await,
            };
            if line["event"] == event {
                return line["args"][0].clone();
            }
        }
    }
}

/// Namespaces by their names.
fn sorted(namespaces: &Value) -> Value {
    let mut all = namespaces.as_array().unwrap().clone();
    all.sort_by_key(|one| one["name"].to_string());
    all.into()
}

#[tokio::test]
async fn a_token_lets_in_a_session_lets_in_again_and_nothing_else_does() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[READ]).await;
    let auth = json!({
        "/admin#wrong": {"username": "any", "password": "not the token"},
        "/admin#nothing": {"username": "any"},
        "/admin#session": {"sessionId": "9999999999.AAAA"},
    });
    let refused = Lookers::connect(&gateway, auth).await.refused;
    assert!(refused.len() == 3 && refused.values().all(|why| why == "invalid credentials"), "{refused:?}");

    let auth = json!({"/admin#": {"username": "any", "password": READ.1}});
    let mut looker = Lookers::connect(&gateway, auth).await;
    let session = looker.told("session").await;
    assert!(!session.as_str().unwrap().contains(READ.1), "{session}");
    assert_eq!(looker.told("config").await, json!({"supportedFeatures": ["AGGREGATED_EVENTS"]}));
    let stats = looker.told("server_stats").await;
    let inside = json!([
        {"name": "/", "socketsCount": 0},
        {"name": "/admin", "socketsCount": 1},
        {"name": "/cluster", "socketsCount": 0},
    ]);
    assert_eq!(
        (&stats["pid"], sorted(&stats["namespaces"])),
        (&json!(gateway.process.pid()), inside),
        "{stats}"
    );
    assert!(stats["uptime"].as_f64().unwrap() > 0.0, "{stats}");
    let host = stats["hostname"].as_str().unwrap();
    assert_eq!(stats["serverId"], format!("{host}#{}", gateway.process.pid()));
    let mut again = Lookers::connect(&gateway, json!({"/admin#": {"sessionId": session}})).await;
    again.told("server_stats").await;
    assert!(gateway.process.log().iter().all(|line| !line.contains(READ.1)));
}

#[tokio::test]
async fn attempts_are_limited_together_with_those_at_the_dashboard() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[READ]).await;
    let auth: BTreeMap<String, Value> =
        (0..20).map(|n| (format!("/admin#{n}"), json!({"password": "wrong"}))).collect();
    let refused = Lookers::connect(&gateway, json!(auth)).await.refused;
    let too_many = refused.values().filter(|why| why.starts_with("too many attempts")).count();
    let invalid = refused.values().filter(|why| *why == "invalid credentials").count();
    assert!(invalid >= 10 && too_many >= 1 && invalid + too_many == 20, "{refused:?}");
    let knock = json!({"token": "wrong"}).to_string();
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(gateway.post("/api/login", JSON, &knock).await.0);
    }
    assert!(answers.contains(&429), "{answers:?}");
}

#[tokio::test]
async fn without_tokens_this_machine_may_look_and_what_is_passed_on_may_not() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    Lookers::one(&gateway).await.told("server_stats").await;
    // As a proxy would pass on what a client of socket.io sends.
    let open = "GET /socket.io/?EIO=4&transport=polling HTTP/1.0\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
    let answer = gateway.request(open).await;
    let sid = answer.split("\"sid\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    assert_eq!(gateway.post(&path, "Content-Type: text/plain\r\n", "40/admin,").await.0, 200);
    let told = gateway.get(&path).await;
    assert!(told.contains("44/admin,") && told.contains("without ROWCAST_READ_TOKEN"), "{told}");
}

#[tokio::test]
async fn whoever_looks_through_one_gateway_sees_all_with_what_comes_and_goes_and_nobody_is_told_otherwise() {
    let env = Env::new().await;
    let one = Gateway::start(&env, &[]).await;
    let two = Gateway::start(&env, &[]).await;
    let heard = env.subscribe("socket.io#/admin#*").await;
    let mut others = two.subscribed(&["/#a", "/#a,b", "/#"]).await;
    assert!(heard.messages().is_empty(), "nobody looks");
    let mut looker = Lookers::one(&one).await;
    let mut of_two = async || loop {
        let stats = looker.told("server_stats").await;
        if stats["pid"] == two.process.pid() {
            return stats;
        }
    };
    let stats = of_two().await;
    assert_eq!((&stats["clientsCount"], &stats["pollingClientsCount"]), (&json!(3), &json!(0)), "{stats}");
    let namespaces = stats["namespaces"].as_array().unwrap();
    assert!(namespaces.contains(&json!({"name": "/", "socketsCount": 3})), "{stats}");
    publisher(&env).await.to("a").emit("greet", &1).await.unwrap();
    others.line().await;
    let counts = |stats: &Value| -> BTreeMap<String, u64> {
        let all = stats["aggregatedEvents"].as_array().unwrap().iter();
        all.map(|one| (one["type"].as_str().unwrap().to_owned(), one["count"].as_u64().unwrap())).collect()
    };
    eventually(PATIENCE, "both deliveries are counted", async || {
        let counts = counts(&of_two().await);
        if counts.get("packetsOut") == Some(&2) { Ok(()) } else { Err(counts) }
    })
    .await;
    drop(others);
    let stats = eventually(PATIENCE, "those who went are counted", async || {
        let stats = of_two().await;
        if stats["clientsCount"] == 0 { Ok(stats) } else { Err(stats) }
    })
    .await;
    assert_eq!(
        stats["namespaces"].as_array().unwrap().iter().filter(|one| one["socketsCount"] == 0).count(),
        3
    );
}

#[tokio::test]
async fn the_gateway_that_one_is_connected_to_is_seen_while_redis_is_away() {
    let mut env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut looker = Lookers::one(&gateway).await;
    looker.told("server_stats").await;
    env.redis.kill9().await.unwrap();
    gateway.process.says("waiting for Redis", 1).await;
    for _ in 0..2 {
        looker.told("server_stats").await;
    }
}

#[tokio::test]
async fn what_happens_to_processes_is_told_to_who_gives_a_token_of_operators_and_to_nobody_else() {
    let env = Env::new().await;
    let secret = ("ROWCAST_JWT_SECRET", SECRET);
    let gateway = Gateway::start(&env, &[READ, secret]).await;
    let auth = json!({
        "/cluster#": {"token": READ.1},
        "/cluster#nothing": {},
        "/cluster#wrong": {"token": "not the token"},
        "/cluster#client": {"token": token(&["*"])},
    });
    let mut lookers = Lookers::connect(&gateway, auth).await;
    assert_eq!(
        Vec::from_iter(lookers.refused.keys()),
        ["/cluster#client", "/cluster#nothing", "/cluster#wrong"]
    );
    let words: Vec<&str> = lookers.refused.values().filter_map(|why| why.split(':').next()).collect();
    assert_eq!(words, ["bad_token", "no_token", "bad_token"]);
    publisher(&env).await.of("/cluster").emit("process", &json!({"what": "fork"})).await.unwrap();
    assert_eq!(lookers.told("process").await, json!({"what": "fork"}));

    // Right tokens are no attempts, however many come.
    let many: BTreeMap<String, Value> =
        (0..30).map(|n| (format!("/cluster#{n}"), json!({"token": READ.1}))).collect();
    assert!(Lookers::connect(&gateway, json!(many)).await.refused.is_empty());

    let open = Gateway::start(&env, &[]).await;
    let mut lookers = Lookers::connect(&open, json!({"/cluster#": {}})).await;
    publisher(&env).await.of("/cluster").emit("process", &json!({"what": "exit"})).await.unwrap();
    assert_eq!(
        lookers.told("process").await,
        json!({"what": "exit"}),
        "no token is configured, and this machine asks"
    );
}

#[tokio::test]
async fn a_namespace_of_that_name_that_was_asked_for_is_one_for_clients() {
    let env = Env::new().await;
    let named = [READ, ("ROWCAST_GATEWAY_NAMESPACES", "/admin")];
    let gateway = Gateway::start(&env, &named).await;
    let mut node = gateway.subscribed(&["/admin#a"]).await;
    publisher(&env).await.of("/admin").to("a").emit("greet", &1).await.unwrap();
    assert_eq!(node.line().await["event"], "greet");
}

/// The UI in a browser.
struct Ui(Node);

impl Ui {
    async fn order(&mut self, order: Value) -> String {
        self.0.tell(&order).await;
        let answer = self.0.line().await;
        assert!(answer.get("failed").is_none(), "{}\nThe page: {}", answer["failed"], answer["shown"]);
        answer.as_object().unwrap().values().next().unwrap().as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn the_real_admin_ui_logs_in_with_the_token_and_shows_the_server_and_its_clients() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[READ]).await;
    let _clients = gateway.subscribed(&["/#a", "/#b"]).await;
    let mut node = Node::spawn("admin.mjs", &[]);
    assert!(node.line().await["ready"].is_string());
    let mut ui = Ui(node);
    let url = format!("http://{}", gateway.address);
    ui.order(json!({"connect": url, "password": "wrong"})).await;
    ui.order(json!({"see": "Invalid credentials"})).await;
    ui.order(json!({"connect": url, "password": READ.1})).await;
    ui.order(json!({"see": "Connected"})).await;
    ui.order(json!({"view": "servers"})).await;
    let pid = gateway.process.pid().to_string();
    // Two clients, and the UI itself; that of before has gone.
    let line = format!("#{pid}\t");
    eventually(PATIENCE, "the server is shown with its clients", async || {
        let shown = ui.order(json!({"see": pid})).await;
        let found =
            shown.lines().find(|text| text.contains(&line)).map(|text| text.split('\t').nth(4) == Some("3"));
        if found == Some(true) && shown.contains("HEALTHY") { Ok(()) } else { Err(shown) }
    })
    .await;
    // Its session lets it in when it is loaded anew.
    ui.order(json!({"reload": true})).await;
    ui.order(json!({"see": "Connected"})).await;
}
