//! The dashboard: in a real Chromium, on a real gateway; and who is answered.

use serde_json::{Value, json};

use super::{Gateway, catch_up::ROOMS, free_port, programs::node};
use crate::{
    interop::Node,
    support::{Env, PATIENCE, Running, eventually},
};

const READ: &str = "a-token-to-look-with";

/// The page, as a person has it before them.
struct Page(Node);

impl Page {
    async fn open(gateway: &Gateway, options: Value) -> Self {
        let mut node = Node::spawn("dashboard.mjs", &[]);
        assert_eq!(node.line().await, json!({"ready": true}));
        let mut page = Self(node);
        page.go(gateway, "", options).await;
        page
    }

    /// Loads it anew in a browser that knows nothing.
    async fn go(&mut self, gateway: &Gateway, view: &str, options: Value) {
        let mut order = json!({"open": format!("http://{}/{view}", gateway.address)});
        order.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        self.order(order).await;
    }

    /// Has something done or answered.
    async fn order(&mut self, order: Value) -> Value {
        self.0.tell(&order).await;
        let answer = self.0.line().await;
        assert!(answer.get("failed").is_none(), "{}\nThe page: {}", answer["failed"], answer["shown"]);
        answer.as_object().unwrap().values().next().unwrap().clone()
    }

    async fn sees(&mut self, text: &str) -> String {
        self.order(json!({"see": text})).await.as_str().unwrap().to_owned()
    }

    async fn misses(&mut self, text: &str) {
        self.order(json!({"miss": text})).await;
    }

    async fn press(&mut self, name: &str) {
        self.order(json!({"press": name})).await;
    }

    async fn fill(&mut self, label: &str, text: &str) {
        self.order(json!({"fill": label, "with": text})).await;
    }

    async fn texts(&mut self, selector: &str) -> Vec<String> {
        serde_json::from_value(self.order(json!({"text": selector})).await).unwrap()
    }

    /// Waits until the first of these has this text.
    async fn shows(&mut self, selector: &str, text: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let texts = self.texts(selector).await;
            if texts.first().is_some_and(|first| first == text) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{selector} is {texts:?}, not {text}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// What it has complained of, but for answers of the server that browsers write down as errors.
    async fn complaints(&mut self, expected: &str) -> Vec<String> {
        let all: Vec<String> = serde_json::from_value(self.order(json!({"complaints": true})).await).unwrap();
        all.into_iter().filter(|text| expected.is_empty() || !text.contains(expected)).collect()
    }
}

/// The tile with the number of rows.
const ROWS: &str = ".tiles > div:last-child dd";

async fn with_worker(env: &Env, variables: &[(&str, &str)]) -> (Gateway, Running) {
    env.migrate().await;
    (Gateway::start(env, variables).await, Running::worker(env, &[]))
}

#[tokio::test]
async fn rows_that_go_in_are_counted_and_the_chart_is_still_there_after_a_reload() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.sees("Nothing is wrong.").await;
    env.push(&[r#"{"time":1,"stamp":"a"}"#, r#"{"time":2,"stamp":"b"}"#]).await;
    page.shows(ROWS, "2").await;
    let chart = json!({"label": ".chart [role=img]"});
    let before = page.order(chart.clone()).await.as_str().unwrap().to_owned();
    let (since, _) = before.split_once(" to ").unwrap();
    page.order(json!({"reload": true})).await;
    page.shows(ROWS, "2").await;
    let after = page.order(chart).await.as_str().unwrap().to_owned();
    assert!(since.starts_with("From ") && after.starts_with(since), "before: {before}, after: {after}");
    assert!(!after.contains("at most 0 rows"), "the rows of before are in it: {after}");
    env.push(&["no job"]).await;
    page.sees("has 1 dead letter.").await;
    assert_eq!(page.complaints("").await, [""; 0]);
    worker.stop().await;
}

#[tokio::test]
async fn a_mysql_that_is_away_is_told_in_a_sentence_and_no_more_when_it_is_back() {
    let mut env = Env::own_servers().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.sees("Nothing is wrong.").await;
    env.sql().kill9().await.unwrap();
    env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;
    let shown = page.sees("UTC: 1 job is safe in Redis.").await;
    assert!(
        shown.contains("Waiting for MySQL since ") && shown.contains("do not restart rowcast"),
        "{shown}"
    );
    env.sql().restart().await.unwrap();
    page.misses("Waiting for MySQL").await;
    page.sees("Nothing is wrong.").await;
    page.shows(ROWS, "1").await;

    env.redis.kill9().await.unwrap();
    let shown = page.sees("Waiting for Redis since ").await;
    assert!(shown.contains("What is shown below is of before."), "{shown}");
    env.redis.restart().await.unwrap();
    page.misses("Waiting for Redis").await;
    assert_eq!(page.complaints("").await, [""; 0]);
    worker.stop().await;
}

#[tokio::test]
async fn since_when_a_queue_has_not_been_empty_stands_in_its_line() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.sees("Waiting since").await;
    let cell = "section[aria-labelledby=queues-title] tbody td:nth-child(5)";
    page.shows(cell, "–").await;
    env.push(&["{}"]).await;
    eventually(PATIENCE, "a time of day is shown", async || {
        let shown = page.texts(cell).await.remove(0);
        let is_time = shown.len() == 8 && shown.split(':').all(|part| part.parse::<u8>().is_ok());
        if is_time { Ok(()) } else { Err(shown) }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_token_is_refused_the_right_one_lets_in_and_whoever_logs_out_is_out() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[("ROWCAST_READ_TOKEN", READ)]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.fill("Token", "not-the-right-token").await;
    page.press("Log in").await;
    page.sees("Refused: that is neither ROWCAST_READ_TOKEN nor").await;
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

impl Gateway {
    /// The status and the whole answer to a request with JSON.
    pub(super) async fn post(&self, path: &str, head: &str, body: &str) -> (u16, String) {
        let length = body.len();
        let answer = self
            .request(&format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n{head}\r\n{body}"))
            .await;
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }
}

const JSON: &str = "Content-Type: application/json\r\n";

#[tokio::test]
async fn a_cookie_opens_what_is_to_be_looked_at_and_nothing_else() {
    let env = Env::new().await;
    let admin = ("ROWCAST_ADMIN_TOKEN", "a-token-to-act-with");
    let gateway = Gateway::start(&env, &[admin, ("ROWCAST_READ_TOKEN", READ)]).await;
    let knock = json!({"token": admin.1}).to_string();
    let (status, answer) = gateway.post("/api/login", JSON, &knock).await;
    assert_eq!(status, 200, "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let looks = async |path: &str, cookie: &str| {
        let answer = gateway.request(&format!("GET {path} HTTP/1.0\r\nCookie: {cookie}\r\n\r\n")).await;
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(looks("/api/status", cookie).await, "200");
    assert_eq!(looks("/api/dashboard", cookie).await, "200");
    for forged in [cookie.replace('=', "=9"), format!("{cookie}x"), "rowcast=".into()] {
        assert_eq!(looks("/api/dashboard", &forged).await, "401", "{forged}");
    }
    // The admin's own cookie does not act: no page of another site could have it do so.
    let emit = json!({"all": true, "event": "hi"}).to_string();
    let head = format!("{JSON}Cookie: {cookie}\r\n");
    assert_eq!(gateway.post("/api/emit", &head, &emit).await.0, 401);
    let head = format!("{JSON}Authorization: Bearer {}\r\n", admin.1);
    assert_eq!(gateway.post("/api/emit", &head, &emit).await.0, 200);
    // What another site's form can send is neither.
    assert_eq!(gateway.post("/api/login", "Content-Type: text/plain\r\n", &knock).await.0, 415);
    assert_eq!(gateway.post("/api/logout", "Content-Type: text/plain\r\n", "{}").await.0, 415);
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

#[tokio::test]
async fn the_page_is_held_to_itself_and_without_tokens_only_this_machine_is_told_anything() {
    let env = Env::new().await;
    let gateway = Gateway::start(&env, &[]).await;
    for path in ["/", "/dashboard/app.js", "/dashboard/app.css", "/dashboard/no.js"] {
        let answer = gateway.request(&format!("GET {path} HTTP/1.0\r\n\r\n")).await;
        let status = if path.ends_with("no.js") { "404" } else { "200" };
        assert_eq!(answer.split(' ').nth(1), Some(status), "{path}");
        let policy = "content-security-policy: default-src 'none'; script-src 'self'; ";
        assert!(answer.contains(policy) && !answer.contains("unsafe"), "{path}: {answer}");
    }
    assert!(gateway.get("/api/dashboard").await.starts_with("200 "));
    let passed_on = "GET /api/dashboard HTTP/1.0\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
    assert!(gateway.request(passed_on).await.starts_with("HTTP/1.0 403 "));
    let (status, answer) = gateway.post("/api/login", JSON, r#"{"token":"any"}"#).await;
    assert!(status == 400 && answer.contains("set ROWCAST_READ_TOKEN"), "{answer}");
}

#[tokio::test]
async fn live_rows_are_filtered_paused_looked_at_and_caught_up_on_after_a_cut() {
    let env = Env::new().await;
    let listen = format!("127.0.0.1:{}", free_port());
    let (gateway, worker) = with_worker(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#rows", json!({})).await;
    page.sees("No row of pre_qqaccount came yet.").await;
    page.shows(".link", "live").await;
    env.push(&[r#"{"time":1,"stamp":"one"}"#, r#"{"time":2,"stamp":"two"}"#]).await;
    page.sees("2 rows came").await;
    page.fill("Only rows that hold", "TWO").await;
    page.sees("1 of 2 rows hold").await;
    assert_eq!(page.texts(".live tbody td:last-child").await, ["two"]);
    page.fill("Only rows that hold", "").await;

    page.press("Pause").await;
    env.push(&[r#"{"time":3,"stamp":"three"}"#]).await;
    page.sees("1 row came since").await;
    assert_eq!(page.texts(".live tbody td:last-child").await.len(), 2);
    page.press("Go on").await;
    page.sees("three").await;
    page.order(json!({"click": ".live tbody button"})).await;
    let shown = page.sees("\"openid\": \"three\"").await;
    assert!(shown.contains("pre_qqaccount, row 3"), "{shown}");
    page.press("Close").await;

    gateway.process.stop().await;
    page.sees("cut off since ").await;
    env.push(&[r#"{"time":4,"stamp":"four"}"#, r#"{"time":5,"stamp":"five"}"#]).await;
    eventually(PATIENCE, "both are in the table", async || match env.count("pre_qqaccount").await {
        5 => Ok(()),
        rows => Err(rows),
    })
    .await;
    let _gateway = Gateway::start(&env, &[("ROWCAST_LISTEN", &listen)]).await;
    page.sees("2 rows were fetched after the cut").await;
    page.sees("5 rows came").await;
    assert_eq!(page.texts(".live tbody tr").await.len(), 5, "each once");
    assert_eq!(page.complaints("ERR_").await, [""; 0]);
    worker.stop().await;
}

#[tokio::test]
async fn where_tokens_say_who_sees_what_a_room_is_followed_with_the_one_that_is_pasted_in() {
    let env = Env::new().await;
    let secret = ("ROWCAST_JWT_SECRET", "a secret of the tests: long enough to be one");
    env.migrate().await;
    let gateway = Gateway::start(&env, &[ROOMS, secret]).await;
    let worker = Running::worker(&env, &[ROOMS]);
    let token = node("SignJWT", &gateway.address, secret).line().await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#rows", json!({})).await;
    page.fill("Token for rooms", "no token").await;
    page.press("Use it").await;
    page.sees("refused: bad_token").await;
    page.fill("Token for rooms", token["token"].as_str().unwrap()).await;
    page.press("Use another").await;
    page.sees("refused: the token's rooms do not hold this one").await;
    page.fill("Room", "account:7").await;
    page.press("Follow").await;
    page.shows(".link", "live").await;
    env.push(&[r#"{"time":8,"stamp":"not ours"}"#, r#"{"time":7,"stamp":"ours"}"#]).await;
    page.sees("1 row came").await;
    assert_eq!(page.texts(".live tbody td:last-child").await, ["ours"]);
    assert_eq!(page.complaints("").await, [""; 0]);
    worker.stop().await;
}

#[tokio::test]
async fn a_gateway_that_cannot_read_rows_back_shows_those_of_now_and_says_so() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[("DATABASE_URL", "")]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#rows", json!({})).await;
    page.sees("What a cut makes miss is not fetched: this server knows no DATABASE_URL").await;
    env.push(&[r#"{"time":1,"stamp":"one"}"#]).await;
    page.sees("1 row came").await;
    worker.stop().await;
}

#[tokio::test]
async fn nothing_that_axe_knows_of_is_wrong_in_either_theme_and_on_a_phone() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let locked = Gateway::start(&env, &[("ROWCAST_READ_TOKEN", READ)]).await;
    env.push(&[r#"{"time":1,"stamp":"a"}"#, "no job"]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    for theme in ["light", "dark"] {
        for width in [1280, 390] {
            let options = json!({"theme": theme, "width": width, "axe": true});
            for (gateway, view, text) in [
                (&gateway, "", "has 1 dead letter."),
                (&gateway, "#rows", "rows came"),
                (&locked, "", "What rowcast was started with"),
            ] {
                page.go(gateway, view, options.clone()).await;
                page.sees(text).await;
                if view == "#rows" {
                    page.shows(".link", "live").await;
                    env.push(&[r#"{"time":1,"stamp":"a"}"#]).await;
                    page.sees("1 row came").await;
                }
                let rules = page.order(json!({"rules": true})).await;
                assert_eq!(rules, json!([]), "{theme}, {width}, {text}");
            }
        }
    }
    worker.stop().await;
}

#[tokio::test]
async fn ten_thousand_rows_a_second_leave_the_page_awake() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#rows", json!({})).await;
    page.shows(".link", "live").await;
    let mut seconds = tokio::time::interval(std::time::Duration::from_secs(1));
    for second in 0..5_u64 {
        seconds.tick().await;
        let jobs = (0..10_000).map(|n| format!(r#"{{"time":{second},"stamp":"row {second}-{n}"}}"#));
        let jobs: Vec<String> = jobs.collect();
        env.push(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    page.sees("50,000 rows came").await;
    // Of the thousand that are kept, those that are to be seen are in the page.
    assert!(page.texts(".live tbody tr").await.len() < 60);
    page.fill("Only rows that hold", "row 4-").await;
    page.sees("1,000 of 1,000 rows hold").await;
    let mut tasks: Vec<f64> = serde_json::from_value(page.order(json!({"tasks": true})).await).unwrap();
    assert!(tasks.pop().is_some_and(|made| made >= 200.0), "long tasks are noted: {tasks:?}");
    let longest = tasks.iter().copied().fold(0.0, f64::max);
    eprintln!(
        "long tasks of the page: {} of {:.0} ms, at most {longest:.0}",
        tasks.len(),
        tasks.iter().sum::<f64>()
    );
    assert!(longest < 500.0, "{tasks:?}");
    assert_eq!(page.complaints("").await, [""; 0]);
    worker.stop().await;
}
