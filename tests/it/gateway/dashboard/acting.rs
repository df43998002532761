//! Who may act, by what a browser or a program says of itself.

use serde_json::{Value, json};

use super::{super::Gateway, ADMIN, READ, login::cookie};
use crate::support::{Env, JSON, json_of};

/// Something that only who may act can have done.
async fn acts(gateway: &Gateway, head: &str) -> u16 {
    gateway.post("/api/emit", head, &json!({"all": true, "event": "hi"}).to_string()).await.0
}

async fn may_act(gateway: &Gateway, head: &str) -> Value {
    let answer = gateway.request(&format!("GET /api/dashboard HTTP/1.0\r\n{head}\r\n")).await;
    json_of(&answer)["may_act"].clone()
}

#[tokio::test]
async fn a_cookie_acts_with_the_right_that_it_was_given_from_the_own_page_alone() {
    let env = Env::new().await;
    let tokens = [("ROWCAST_ADMIN_TOKEN", ADMIN), ("ROWCAST_READ_TOKEN", READ)];
    let gateway = Gateway::start(&env, &tokens).await;
    let (admin, read) = (cookie(&gateway, ADMIN).await, cookie(&gateway, READ).await);
    let host = "Host: rows.example\r\n";
    let own = format!("{host}Origin: https://rows.example\r\nSec-Fetch-Site: same-origin\r\n");
    let with = |cookie: &str, head: &str| format!("Cookie: {cookie}\r\n{head}");
    assert_eq!(acts(&gateway, &with(&admin, &format!("{JSON}{own}"))).await, 200);
    assert_eq!(acts(&gateway, &with(&read, &format!("{JSON}{own}"))).await, 403);
    assert_eq!(may_act(&gateway, &with(&admin, host)).await, json!(true));
    assert_eq!(may_act(&gateway, &with(&read, host)).await, json!(false));
    // The signature is of the right, too.
    let forged = read.replacen("look", "act", 1);
    assert_eq!(acts(&gateway, &with(&forged, &format!("{JSON}{own}"))).await, 401);

    let evil = "Origin: https://evil.example\r\n";
    for (head, status) in [
        (format!("{JSON}{host}"), 403),
        (format!("{JSON}{host}{evil}"), 403),
        (format!("{JSON}{host}{evil}Origin: https://rows.example\r\n"), 403),
        (format!("{JSON}{host}Origin: https://rows.example\r\n{evil}"), 403),
        (format!("{JSON}{host}Origin: null\r\n"), 403),
        (format!("{JSON}{host}Origin: https://rows.example:8443\r\n"), 403),
        (format!("{JSON}{host}Origin: https://rows.example\r\nSec-Fetch-Site: same-site\r\n"), 403),
        (format!("{JSON}{host}Origin: https://rows.example\r\nSec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{JSON}Origin: https://rows.example\r\n"), 403),
        (own.clone(), 415),
        (format!("Content-Type: text/plain\r\n{own}"), 415),
        (format!("Content-Type: application/x-www-form-urlencoded\r\n{own}"), 415),
    ] {
        assert_eq!(acts(&gateway, &with(&admin, &head)).await, status, "{head}");
    }
    // A token in the head is of a program, which no page can send from elsewhere.
    assert_eq!(acts(&gateway, &format!("{JSON}Authorization: Bearer {ADMIN}\r\n")).await, 200);
    assert!(gateway.process.log().iter().all(|line| !line.contains(ADMIN) && !line.contains(READ)));
}

#[tokio::test]
async fn without_tokens_programs_and_the_page_of_this_machine_act_and_no_other_page() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let address = gateway.address.as_str();
    let port = address.rsplit_once(':').unwrap().1;
    assert_eq!(may_act(&gateway, &format!("Host: {address}\r\nSec-Fetch-Site: same-origin\r\n")).await, true);
    let page = |host: &str, origin: &str, site: &str| {
        format!("{JSON}Host: {host}\r\nOrigin: http://{origin}\r\nSec-Fetch-Site: {site}\r\n")
    };
    let localhost = format!("localhost:{port}");
    for (head, status) in [
        (JSON.to_owned(), 200),
        (format!("{JSON}Host: {address}\r\n"), 200),
        (page(address, address, "same-origin"), 200),
        (page(&localhost, &localhost, "same-origin"), 200),
        // A tunnel's end.
        (page("localhost:9000", "localhost:9000", "same-origin"), 200),
        // A page of another program of this machine, or of another name of it.
        (page(address, "127.0.0.1:3000", "same-site"), 403),
        (page(&localhost, address, "cross-site"), 403),
        (format!("{JSON}Host: {address}\r\nSec-Fetch-Site: same-site\r\n"), 403),
        // A page of another site, and one whose name was made to lead here.
        (page(address, "evil.example", "cross-site"), 403),
        (page(&format!("evil.example:{port}"), &format!("evil.example:{port}"), "same-origin"), 403),
        (format!("{JSON}Host: {address}\r\nOrigin: null\r\n"), 403),
        // The same in a browser that does not say how the page stands to the host.
        (format!("{JSON}Host: {address}\r\nOrigin: http://127.0.0.1:3000\r\n"), 403),
        (format!("{JSON}Host: {address}\r\nOrigin: http://evil.example\r\n"), 403),
        (format!("{JSON}Host: {address}\r\nOrigin: http://{address}.evil.example\r\n"), 403),
        (format!("{JSON}Host: {address}\r\nOrigin: http://{address}\r\n"), 200),
        // A form, from wherever.
        (format!("Host: {address}\r\nContent-Type: text/plain\r\n"), 415),
        // What a proxy passes on.
        (format!("X-Forwarded-For: 192.0.2.7\r\n{}", page(address, address, "same-origin")), 403),
        (format!("Via: 1.1 proxy\r\n{}", page(address, address, "same-origin")), 403),
    ] {
        assert_eq!(acts(&gateway, &head).await, status, "{head}");
    }
}
