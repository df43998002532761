//! Queues in the page: pause, resume, push.

use std::collections::BTreeMap;

use rowcast::{
    config::SecretUrl,
    queue::{Link, Registry},
};
use serde_json::json;

use super::{Page, with_worker};
use crate::support::{Env, PATIENCE, eventually};

#[tokio::test]
async fn a_queue_is_paused_and_resumed_and_a_job_pushed_from_the_page() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let queue = &env.queue;
    let mut page = Page::open(&gateway, json!({})).await;
    page.sees("Nothing is wrong.").await;
    page.press(&format!("Pause {queue}")).await;
    page.sees(&format!("{queue} is paused; what is claimed already will be finished.")).await;
    page.shows("td[data-title=State]", "paused").await;
    page.press(&format!("Push a job to {queue}")).await;
    page.sees("A JSON object, or an array of objects.").await;
    page.focused("dialog textarea").await;
    page.fill("The job", "7").await;
    page.press("Push").await;
    page.sees(&format!(
        "Not done: push the job to {queue}. The reason: this is no job: it is JSON, but neither"
    ))
    .await;
    // What was changed and not sent is asked for.
    page.press("Close").await;
    page.press("Keep editing").await;
    assert_eq!(page.order(json!({"value": "dialog textarea"})).await, "7");
    page.press("Close").await;
    page.press("Discard").await;
    page.misses("Discard what you changed?").await;
    page.focused(&format!("[aria-label='Push a job to {queue}']")).await;
    page.press(&format!("Push a job to {queue}")).await;
    // The sample is one that the route takes.
    page.press("Push").await;
    page.sees(&format!("The job is in {queue}. It waits there until the queue is resumed.")).await;
    page.press("Close").await;
    assert_eq!(env.count("pre_qqaccount").await, 0);
    // The sentence that tells of it has the button, too.
    page.sees("is paused: 1 job waits.").await;
    page.order(json!({"click": ".trouble button"})).await;
    page.sees(&format!("{queue} goes on.")).await;
    eventually(PATIENCE, "it is a row", async || match env.count("pre_qqaccount").await {
        1 => Ok(()),
        rows => Err(rows),
    })
    .await;
    let log = gateway.process.log();
    for told in ["a queue was paused", "a job was pushed", "a queue was told to go on"] {
        let lines = gateway.process.said(told);
        assert_eq!(
            (lines.len(), &lines[0]["by"], &lines[0]["queue"]),
            (1, &json!("this machine"), &json!(queue)),
            "{log:?}"
        );
    }
    assert_eq!(page.complaints("status of 422").await, [""; 0]);
    worker.stop().await;
}

#[tokio::test]
async fn a_queue_that_only_workers_of_another_supervisor_know_is_shown_and_acted_on() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let queues = BTreeMap::from([("elsewhere".to_owned(), "shop.orders".to_owned())]);
    let registry = Registry::new(Link::new(&SecretUrl::new(&env.redis_url)).unwrap());
    let fields = [("state", "working".to_owned()), ("queues", r#"["elsewhere"]"#.to_owned())];
    registry.renew("01ELSEWHERE", &fields, &queues, 10 * PATIENCE).await.unwrap();
    let mut page = Page::open(&gateway, json!({})).await;
    page.press("Push a job to elsewhere").await;
    page.press("Push").await;
    page.sees("The job is in elsewhere.").await;
    page.press("Close").await;
    page.press("Pause elsewhere").await;
    page.sees("Queue \"elsewhere\" is paused: 1 job waits.").await;
    worker.stop().await;
}
