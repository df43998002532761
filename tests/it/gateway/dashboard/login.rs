//! The way in.

use serde_json::json;

use super::{super::Gateway, ADMIN, Page, READ};
use crate::support::{Env, JSON, PATIENCE, eventually};

#[tokio::test]
async fn a_wrong_token_is_refused_the_right_one_lets_in_and_whoever_logs_out_is_out() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_READ_TOKEN", READ)]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.fill("Token", "not-the-right-token").await;
    page.press("Log in").await;
    page.sees("Not logged in. The reason: that is neither ROWCAST_READ_TOKEN nor").await;
    assert_eq!(page.order(json!({"cookies": true})).await, json!([]));
    page.fill("Token", READ).await;
    page.press("Log in").await;
    page.sees("Rows per second").await;
    let cookie = page.order(json!({"cookies": true})).await[0].clone();
    assert_eq!(
        (&cookie["httpOnly"], &cookie["sameSite"], &cookie["path"]),
        (&json!(true), &json!("Strict"), &json!("/api")),
        "{cookie}"
    );
    assert!(!cookie.to_string().contains(READ), "the token itself is not in it");
    page.order(json!({"reload": true})).await;
    page.sees("Rows per second").await;
    page.press("Log out").await;
    page.sees("What rowcast was started with as").await;
    assert_eq!(page.order(json!({"cookies": true})).await, json!([]));
    assert_eq!(page.complaints("status of 401").await, [""; 0]);
}

/// The cookie that this token is given.
pub(super) async fn cookie(gateway: &Gateway, token: &str) -> String {
    let (status, answer) = gateway.post("/api/login", JSON, &json!({"token": token}).to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_cookie_opens_what_is_to_be_looked_at_and_a_forged_one_nothing() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_ADMIN_TOKEN", ADMIN), ("ROWCAST_READ_TOKEN", READ)]).await;
    let looks = async |path: &str, cookie: &str| {
        let answer = gateway.request(&format!("GET {path} HTTP/1.0\r\nCookie: {cookie}\r\n\r\n")).await;
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for token in [ADMIN, READ] {
        let cookie = cookie(&gateway, token).await;
        assert_eq!(looks("/api/status", &cookie).await, "200");
        assert_eq!(looks("/api/dashboard", &cookie).await, "200");
        for forged in [cookie.replace('=', "=9"), format!("{cookie}x"), "rowcast=".into()] {
            assert_eq!(looks("/api/dashboard", &forged).await, "401", "{forged}");
        }
    }
    // What another site's form can send is neither.
    let knock = json!({"token": ADMIN}).to_string();
    assert_eq!(gateway.post("/api/login", "Content-Type: text/plain\r\n", &knock).await.0, 415);
    assert_eq!(gateway.post("/api/logout", "Content-Type: text/plain\r\n", "{}").await.0, 415);
}

#[tokio::test]
async fn a_wrong_token_in_a_requests_head_uses_up_the_same_attempts_and_right_ones_pass() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_READ_TOKEN", READ)]).await;
    let asks = async |token: &str| {
        let request = format!("GET /api/status HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
        gateway.request(&request).await.split(' ').nth(1).unwrap().to_owned()
    };
    for _ in 0..30 {
        assert_eq!(asks(READ).await, "200");
    }
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(asks("wrong").await);
    }
    assert!(answers[..10].iter().all(|status| status == "401"), "{answers:?}");
    assert!(answers.contains(&"429".to_owned()), "{answers:?}");
    assert_eq!(asks(READ).await, "200");
    let told = gateway
        .process
        .says("too many attempts with wrong tokens, or to log in; told once a minute", 1)
        .await;
    assert_eq!(told[0]["client"], "127.0.0.1");
}

#[tokio::test]
async fn attempts_to_log_in_are_limited_the_right_token_among_them() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_READ_TOKEN", READ)]).await;
    let wrong = json!({"token": "wrong"}).to_string();
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(gateway.post("/api/login", JSON, &wrong).await.0);
    }
    assert!(answers[..10].iter().all(|status| *status == 401), "{answers:?}");
    assert!(answers.contains(&429), "{answers:?}");
    let right = json!({"token": READ}).to_string();
    // One more each second; the address of a proxy's client is another one.
    let elsewhere = format!("{JSON}X-Forwarded-For: 192.0.2.7\r\n");
    assert_eq!(gateway.post("/api/login", &elsewhere, &right).await.0, 200);
    eventually(PATIENCE, "it may be tried again", async || {
        match gateway.post("/api/login", JSON, &right).await {
            (200, _) => Ok(()),
            other => Err(other),
        }
    })
    .await;
}
