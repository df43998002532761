//! The dashboard: in a real Chromium, on a real gateway; and who is answered.

mod acting;
mod dead;
mod delays;
mod letters;
mod login;
mod orders;
mod queues;
mod rows;
mod sweep;
mod windows;

use serde_json::{Value, json};

use super::Gateway;
use crate::{
    interop::Node,
    support::{Env, JSON, PATIENCE, Running, eventually},
};

const ADMIN: &str = "a-token-to-act-with";
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

    async fn key(&mut self, key: &str) {
        self.order(json!({"key": key})).await;
    }

    async fn fill(&mut self, label: &str, text: &str) {
        self.order(json!({"fill": label, "with": text})).await;
    }

    async fn texts(&mut self, selector: &str) -> Vec<String> {
        serde_json::from_value(self.order(json!({"text": selector})).await).unwrap()
    }

    /// Waits until the first of these has this text.
    async fn shows(&mut self, selector: &str, text: &str) {
        eventually(PATIENCE, &format!("{selector} is {text}"), async || {
            let texts = self.texts(selector).await;
            if texts.first().is_some_and(|first| first == text) { Ok(()) } else { Err(texts) }
        })
        .await;
    }

    /// Waits until there is none of these, which is a little later than that none is seen.
    async fn has_none(&mut self, selector: &str) {
        eventually(PATIENCE, &format!("there is no {selector}"), async || {
            let texts = self.texts(selector).await;
            if texts.is_empty() { Ok(()) } else { Err(texts) }
        })
        .await;
    }

    /// Waits until the first of these has the keyboard.
    async fn focused(&mut self, selector: &str) {
        self.order(json!({"focused": selector})).await;
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
    let shown = page.sees(&format!("UTC: 1 job of queue {:?} is safe in Redis.", env.queue)).await;
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
        let time = shown.strip_suffix(" UTC").unwrap_or_default();
        let is_time = time.len() == 8 && time.split(':').all(|part| part.parse::<u8>().is_ok());
        if is_time { Ok(()) } else { Err(shown) }
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
                (&gateway, "#dead", "1 letter."),
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
                // The buttons that lead to each, one after the other.
                let dialogs = match view {
                    "" if text.starts_with("has") => &[("[aria-label^=Push]", "A JSON object")][..],
                    "#dead" => &[
                        ("[aria-label^=Look]", "Download the job"),
                        ("[aria-label^=Look]; dialog [aria-label^=Purge]", "It is deleted with its job"),
                        ("[aria-label^=Look]; dialog button:nth-child(4)", "The job, edited"),
                        ("[aria-label^=Retry]", "Its job goes behind those that wait"),
                        ("[aria-label^=Purge]", "It is deleted with its job"),
                    ],
                    _ => &[],
                };
                for (buttons, text) in dialogs {
                    for button in buttons.split("; ") {
                        page.order(json!({"click": button})).await;
                    }
                    page.sees(text).await;
                    let rules = page.order(json!({"rules": true})).await;
                    assert_eq!(rules, json!([]), "{theme}, {width}, {text}");
                    for _ in buttons.split("; ") {
                        page.key("Escape").await;
                    }
                }
            }
        }
    }
    worker.stop().await;
}
