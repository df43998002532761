//! The same over HTTP, from a gateway of the same supervisor.

use serde_json::{Value, json};

use super::{replaced, start_all};
use crate::support::{self, Env, JSON, PATIENCE, Running, eventually, json_of, request_of};

/// The status and the JSON of the answer to an order.
async fn post(up: &Running, head: &str, body: &Value) -> (u16, Value) {
    let address = up.says("listening", 1).await[0]["address"].as_str().unwrap().to_owned();
    let (status, answer) =
        support::post(&address, "/api/orders", &format!("{JSON}{head}"), &body.to_string()).await;
    (status, json_of(&answer))
}

const GATEWAY: [(&str, &str); 2] = [("ROWCAST_GATEWAYS", "1"), ("ROWCAST_LISTEN", "127.0.0.1:0")];

#[tokio::test]
async fn an_order_that_is_posted_is_carried_out_and_answered_as_in_a_terminal() {
    let env = Env::new().await;
    env.migrate().await;
    let up = start_all(&env, 2, &GATEWAY).await;
    let (workers, gateways) = (up.slots("online"), up.slots_of("gateway", "online"));
    let (status, answer) = post(&up, "", &json!({"order": "restart", "role": "worker", "slot": 1})).await;
    assert_eq!((status, &answer["ok"]), (200, &json!(true)), "{answer}");
    assert!(answer["message"].as_str().unwrap().starts_with("worker 1 is replaced"), "{answer}");
    replaced(&up, "worker", &workers, &[(1, true), (2, false)]).await;
    assert_eq!(up.said("ordered: restart worker 1")[0]["by"], "this machine, over HTTP");

    // The gateway that is asked is the one that is replaced.
    let (status, answer) = post(&up, "", &json!({"order": "restart", "role": "gateway", "slot": 1})).await;
    assert_eq!(status, 200, "{answer}");
    replaced(&up, "gateway", &gateways, &[(1, true)]).await;

    let (status, answer) = post(&up, "", &json!({"order": "restart", "role": "worker", "slot": 7})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("refused")), "{answer}");
    assert_eq!(answer["message"], "there is no worker 7; there are workers 1 to 2");
    let (status, answer) = post(&up, "", &json!({"order": "scale", "by": 1, "host": "elsewhere"})).await;
    assert_eq!((status, &answer["code"]), (404, &json!("no_supervisor")), "{answer}");
    let (status, answer) = post(&up, "", &json!({"order": "scale"})).await;
    assert_eq!((status, &answer["code"]), (400, &json!("bad_request")), "{answer}");
    assert_eq!(up.said("ordered").len(), 3);
    up.stop().await;
}

#[tokio::test]
async fn who_may_only_look_orders_nothing() {
    let env = Env::new().await;
    env.migrate().await;
    let (admin, read) = ("0123456789abcdef-admin", "0123456789abcdef-read");
    let tokens = [("ROWCAST_ADMIN_TOKEN", admin), ("ROWCAST_READ_TOKEN", read)];
    let up = start_all(&env, 1, &[&GATEWAY[..], &tokens].concat()).await;
    let order = json!({"order": "scale", "workers": 2});
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(post(&up, "", &order).await.0, 401);
    assert_eq!(post(&up, &bearer(read), &order).await.0, 403);
    assert!(up.said("ordered").is_empty());
    // Somebody is told apart behind a proxy.
    let proxied = format!("{}X-Forwarded-For: 192.0.2.7\r\n", bearer(admin));
    assert_eq!(post(&up, &proxied, &order).await.0, 200);
    assert_eq!(up.said("ordered: scale to 2")[0]["by"], "192.0.2.7 with ROWCAST_ADMIN_TOKEN, over HTTP");
    up.stop().await;
}

#[tokio::test]
async fn the_dashboard_is_told_what_happened_to_processes() {
    let env = Env::new().await;
    env.migrate().await;
    let up = start_all(&env, 1, &GATEWAY).await;
    let address = up.says("listening", 1).await[0]["address"].as_str().unwrap().to_owned();
    let told = async || json_of(&request_of(&address, "GET /api/dashboard HTTP/1.0\r\n\r\n").await);
    let told = eventually(PATIENCE, "all of it is told", async || {
        let told = told().await;
        // The state is read every two seconds.
        let is_known = told["status"]["workers"][0]["supervisor"].is_string();
        let all = told["happened"].as_array().map(Vec::len) == Some(5) && is_known;
        if all { Ok(told) } else { Err(told["happened"].clone()) }
    });
    let told = told.await;
    let of_gateway = told["happened"].as_array().unwrap().iter().filter(|event| event["role"] == "gateway");
    let names: Vec<&Value> = of_gateway.map(|event| &event["what"]).collect();
    assert_eq!(names, ["listening", "online", "fork"], "the newest first");
    assert_eq!(told["status"]["workers"][0]["supervisor"], told["happened"][0]["supervisor"]);
    up.stop().await;
}
