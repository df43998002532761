//! Dead letters over HTTP: what is told of them, and who decides about them.

use serde_json::{Value, json};

use super::{super::Gateway, ADMIN, READ, login::cookie};
use crate::{
    moves::dead::{bury, dead_key, letter, list},
    support::{Env, JSON},
};

impl Gateway {
    /// The answer to a question of the page.
    async fn told(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        let (_, body) = answer.split_once(' ').unwrap();
        serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON: {answer}"))
    }

    /// The status and the answer to an order of a program of this machine.
    async fn order(&self, path: &str, body: Value) -> (u16, Value) {
        self.post_json(path, "", &body.to_string()).await
    }
}

#[tokio::test]
async fn groups_are_counted_part_by_part_and_it_is_said_how_far() {
    let env = Env::new().await;
    let codes = ["1406", "1406", "not_json"];
    let letters: Vec<_> = (0..6_000).map(|n| letter(&env, n, codes[n % 3], b"{}")).collect();
    bury(&env, &letters).await;
    let gateway = Gateway::start(&env, &[]).await;
    let queue = &env.queue;
    let first = gateway.told(&format!("/api/dead?queue={queue}")).await;
    assert_eq!((&first["looked"], &first["left"]), (&json!(5_000), &json!(1_000)), "{first}");
    let group = &first["groups"][0];
    assert_eq!(
        (&group["code"], &group["count"], &group["place"]),
        (&json!("1406"), &json!(3_334), &json!(0))
    );
    assert_eq!(
        (&group["id"], &group["reason"]),
        (&json!("01W:7:0"), &json!("Data too long for column 'openid'"))
    );
    assert_eq!(group["oldest"], "2026-01-31T23:00:00Z");
    let rest = format!("/api/dead?queue={queue}&skip={}&left={}", first["skip"], first["left"]);
    let rest = gateway.told(&rest).await;
    assert_eq!((&rest["looked"], &rest["left"]), (&json!(1_000), &json!(0)), "{rest}");
    assert_eq!(rest["groups"][0]["count"].as_u64().unwrap() + 3_334, 4_000);

    let missing = gateway.get("/api/dead?queue=another").await;
    assert!(missing.starts_with("404 ") && missing.contains("no route with the queue"), "{missing}");
    assert!(gateway.get("/api/dead").await.starts_with("400 "));
}

#[tokio::test]
async fn who_may_look_sees_letters_and_who_may_act_decides_about_them() {
    let env = Env::new().await;
    let buried = letter(&env, 0, "1406", b"{\"a\":1}");
    bury(&env, std::slice::from_ref(&buried)).await;
    let tokens = [("ROWCAST_ADMIN_TOKEN", ADMIN), ("ROWCAST_READ_TOKEN", READ)];
    let gateway = Gateway::start(&env, &tokens).await;
    let own = "Host: rows.example\r\nOrigin: http://rows.example\r\n";
    let queue = &env.queue;
    let one = json!({"fate": "purge", "letter": {"queue": queue, "id": buried.id, "place": 0}}).to_string();
    let group = json!({"queue": queue, "code": "1406", "column": "openid", "reason": "Data too long for column 'openid'"});
    let all = json!({"fate": "purge", "group": group}).to_string();
    let order = json!({"queue": queue, "do": {"push": "{}"}}).to_string();
    let acts = [("/api/dead/one", &one), ("/api/dead/group", &all), ("/api/queue", &order)];
    let look = format!("/api/dead?queue={queue}");
    let read = cookie(&gateway, READ).await;
    for (token, looks, status) in [("", "401", 401), ("Cookie", "200", 403), ("Bearer", "200", 403)] {
        let who = match token {
            "Cookie" => format!("Cookie: {read}\r\n"),
            "Bearer" => format!("Authorization: Bearer {READ}\r\n"),
            _ => String::new(),
        };
        let answer = gateway.request(&format!("GET {look} HTTP/1.0\r\n{who}\r\n")).await;
        assert_eq!(answer.split(' ').nth(1), Some(looks), "{token}");
        for (path, body) in acts {
            let (refused, answer) = gateway.post(path, &format!("{JSON}{own}{who}"), body).await;
            assert_eq!(refused, status, "{path}: {answer}");
        }
    }
    let admin = cookie(&gateway, ADMIN).await;
    let evil = format!("{JSON}Host: rows.example\r\nOrigin: http://evil.example\r\nCookie: {admin}\r\n");
    for (path, body) in acts {
        assert_eq!(gateway.post(path, &evil, body).await.0, 403, "{path}");
    }
    assert_eq!(list(&env, &dead_key(&env)).await.len(), 1);
    assert!(list(&env, queue).await.is_empty());
    let head = format!("{JSON}{own}Cookie: {admin}\r\n");
    assert_eq!(gateway.post("/api/dead/one", &head, &one).await.0, 200);
    assert!(list(&env, &dead_key(&env)).await.is_empty());
    let told = gateway.process.says("a dead letter was deleted", 1).await;
    assert_eq!(told[0]["by"], "127.0.0.1 with ROWCAST_ADMIN_TOKEN");
    assert_eq!((&told[0]["queue"], &told[0]["id"]), (&json!(queue), &json!(buried.id)));
    assert!(gateway.process.log().iter().all(|line| !line.contains(ADMIN) && !line.contains(READ)));
}

#[tokio::test]
async fn an_edited_job_goes_to_the_queue_as_its_letter_goes_and_not_for_one_that_is_gone() {
    let env = Env::new().await;
    let letters: Vec<_> = (0..3).map(|n| letter(&env, n, "1406", b"\xff")).collect();
    bury(&env, &letters).await;
    let gateway = Gateway::start(&env, &[]).await;
    let named = |n: usize| json!({"queue": env.queue, "id": letters[n].id, "place": n});
    let edited = |n: usize, job: &str| json!({"fate": "retry", "letter": named(n), "job": job});
    for no_job in ["", "7", "{", "\"text\""] {
        let (status, answer) = gateway.order("/api/dead/one", edited(1, no_job)).await;
        assert_eq!((status, &answer["code"]), (422, &json!("no_job")), "{answer}");
        assert!(answer["message"].as_str().unwrap().starts_with("this is no job: "), "{answer}");
    }
    assert_eq!(gateway.order("/api/dead/one", edited(1, "{\"mended\":\"é\"}")).await.0, 200);
    assert_eq!(list(&env, &env.queue).await, ["{\"mended\":\"é\"}".as_bytes()]);
    let (status, answer) = gateway.order("/api/dead/one", edited(1, "{}")).await;
    assert_eq!((status, &answer["code"]), (404, &json!("gone")), "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("somebody has retried or purged it meanwhile"));
    // Its place is another one by now.
    assert_eq!(gateway.order("/api/dead/one", json!({"fate": "retry", "letter": named(2)})).await.0, 200);
    assert_eq!(list(&env, &env.queue).await[1..], [b"\xff".to_vec()], "byte for byte");
    assert_eq!(list(&env, &dead_key(&env)).await, [letters[0].to_json().into_bytes()]);
}

#[tokio::test]
async fn a_groups_letters_are_sent_back_part_by_part_at_a_pace_and_no_others() {
    let env = Env::new().await;
    let codes = ["1406", "not_json"];
    let job = |n: usize| n.to_string().into_bytes();
    let letters: Vec<_> = (0..5_000).map(|n| letter(&env, n, codes[n % 2], &job(n))).collect();
    bury(&env, &letters).await;
    let gateway = Gateway::start(&env, &[]).await;
    let reason = "Data too long for column 'openid'";
    let group = json!({"queue": env.queue, "code": "1406", "column": "openid", "reason": reason});
    let begun = std::time::Instant::now();
    let (mut cursor, mut parts) = (Value::Null, Vec::new());
    while cursor["left"] != 0 {
        let order = json!({"fate": "retry", "group": group, "cursor": cursor});
        let (status, answer) = gateway.order("/api/dead/group", order).await;
        assert_eq!(status, 200, "{answer}");
        parts.push(answer["taken"].as_u64().unwrap());
        cursor = answer["cursor"].clone();
        // One that came meanwhile is left for another time.
        if parts.len() == 1 {
            bury(&env, &[letter(&env, 9_000, "1406", b"new")]).await;
        }
    }
    assert_eq!(parts.iter().sum::<u64>(), 2_500);
    assert!(parts.len() > 1 && parts.iter().all(|taken| *taken <= 1_100), "{parts:?}");
    assert!(begun.elapsed().as_secs_f64() > 2.0, "a thousand a second: {:?}", begun.elapsed());
    assert_eq!(list(&env, &env.queue).await, (0..5_000).step_by(2).map(job).collect::<Vec<_>>());
    let left = list(&env, &dead_key(&env)).await;
    assert_eq!((left.len(), &left[0]), (2_501, &letters[1].to_json().into_bytes()));
    let lines = parts.iter().filter(|taken| **taken > 0).count();
    let told = gateway.process.says("dead letters were sent back", lines).await;
    assert_eq!(told.iter().map(|line| line["letters"].as_u64().unwrap()).sum::<u64>(), 2_500);
    assert_eq!((&told[0]["by"], &told[0]["code"]), (&json!("this machine"), &json!("1406")));
}
