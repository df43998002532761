//! Dead letters in the page, one by one.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rowcast::status::thousands;
use serde_json::json;

use super::{super::Gateway, ADMIN, Page, READ, with_worker};
use crate::{
    moves::dead::{bury, dead_key, letter, list},
    support::{Env, PATIENCE, eventually},
};

/// The button that shows a letter of the first group.
pub(super) const LOOK: &str = ".groups li:first-child button:first-child";

#[tokio::test]
async fn a_dead_letter_is_edited_and_retried_and_becomes_a_row() {
    let env = Env::new().await;
    let (gateway, worker) = with_worker(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#dead", json!({})).await;
    page.sees("No dead letters. All jobs so far became rows, or wait.").await;
    env.push(&[r#"{"time":"tomorrow","stamp":"a"}"#]).await;
    page.sees("1 letter").await;
    page.order(json!({"click": LOOK})).await;
    let shown = page.sees("Download the job").await;
    for text in ["accountid", "tomorrow", "31 bytes", &env.queue] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    page.press("Edit…").await;
    page.fill("The job, edited", r#"{"time":7,"#).await;
    page.press("Retry edited").await;
    page.sees("Not done: retry the edited job. The reason: this is no job: it is not JSON").await;
    page.fill("The job, edited", r#"{"time":7,"stamp":"mended"}"#).await;
    page.press("Retry edited").await;
    page.sees("The edited job is in").await;
    page.press("Close").await;
    page.sees("No dead letters. All jobs so far became rows, or wait.").await;
    eventually(PATIENCE, "it is a row", async || match env.count("pre_qqaccount").await {
        1 => Ok(()),
        rows => Err(rows),
    })
    .await;
    // The browser writes down that the gateway said no, as it should.
    assert_eq!(page.complaints("status of 422").await, [""; 0]);
    worker.stop().await;
}

#[tokio::test]
async fn a_letter_that_is_gone_meanwhile_is_told_and_the_next_one_is_shown() {
    let env = Env::new().await;
    let letters: Vec<_> =
        (0..3).map(|n| letter(&env, n, "1406", format!("{{\"n\":{n}}}").as_bytes())).collect();
    bury(&env, &letters).await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#dead", json!({})).await;
    page.sees("3 letters").await;
    page.order(json!({"click": LOOK})).await;
    page.sees("{\"n\":0}").await;
    let mut redis = env.redis_connection().await;
    redis::cmd("RPOP").arg(dead_key(&env)).query_async::<()>(&mut redis).await.unwrap();
    page.press("Retry this letter").await;
    let gone = "this dead letter is gone: somebody has retried or purged it meanwhile.";
    page.sees(&format!("Not done: retry this letter. The reason: {gone}")).await;
    assert!(list(&env, &env.queue).await.is_empty());
    // Nothing more can be decided about it, and the one behind it has its place.
    page.focused("dialog .bar button:nth-child(2)").await;
    assert_eq!(page.texts("dialog button").await, ["Close", "Next one"]);
    page.press("Next one").await;
    page.sees("{\"n\":1}").await;
    page.press("Next one").await;
    page.sees("{\"n\":2}").await;
    page.press("Purge this letter").await;
    page.sees("It is deleted with its job, and nothing brings them back.").await;
    page.press("Cancel").await;
    page.press("Purge this letter").await;
    page.press("Purge").await;
    page.sees("The letter is deleted.").await;
    page.press("Next one").await;
    page.sees("There is no further letter of this group.").await;
    page.key("Escape").await;
    page.focused(LOOK).await;
    page.order(json!({"click": LOOK})).await;
    page.sees("{\"n\":1}").await;
    page.press("Retry this letter").await;
    page.sees("and the letter is gone.").await;
    // The list behind the window knows, too.
    page.sees("No dead letters. All jobs so far became rows, or wait.").await;
    assert_eq!(list(&env, &env.queue).await, [b"{\"n\":1}"]);
    assert!(list(&env, &dead_key(&env)).await.is_empty());
    assert_eq!(page.complaints("status of 404").await, [""; 0]);
}

#[tokio::test]
async fn a_hostile_job_is_shown_as_what_it_is_and_does_nothing() {
    let env = Env::new().await;
    let script = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">";
    let direction = "\u{202e}{\"a\":1}\u{2066}\u{0}\u{7}\u{feff}\u{200b}שלום";
    let mut large = vec![b'x'; 1 << 20];
    large.extend_from_slice("<b>".as_bytes());
    let jobs: [&[u8]; 5] =
        [script.as_bytes(), direction.as_bytes(), b"\xff\x00<b>\x1b[2J", &large, b"\r\n\r\nHTTP/1.1 200\r\n"];
    let letters: Vec<_> = jobs.iter().enumerate().map(|(n, job)| letter(&env, n, "not_json", job)).collect();
    bury(&env, &letters).await;
    let gateway = Gateway::start(&env, &[]).await;
    let mut page = Page::open(&gateway, json!({})).await;
    page.go(&gateway, "#dead", json!({})).await;
    page.sees("5 letters").await;
    page.order(json!({"click": LOOK})).await;
    for (at, expected) in [
        script.to_owned(),
        "\\u{202e}{\"a\":1}\\u{2066}\\u{0}\\u{7}\\u{feff}\\u{200b}שלום".to_owned(),
        "\\xff\\x00<b>\\x1b[2J".to_owned(),
        "x".repeat(128 << 10),
        "\\u{d}\n\\u{d}\nHTTP/1.1 200\\u{d}\n".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let size = format!("{} byte", thousands(jobs[at].len() as u64));
        page.sees(&size).await;
        let shown = page.texts("dialog pre").await;
        assert_eq!(shown[0].trim_end(), expected.trim_end(), "{at}");
        let saved = page.order(json!({"saved": "Download the job"})).await;
        assert_eq!(BASE64_STANDARD.decode(saved.as_str().unwrap()).unwrap(), jobs[at], "{at}");
        page.press("Next one").await;
    }
    page.sees("There is no further letter of this group.").await;
    assert_eq!(page.texts("pre script, pre img, pre b").await, [""; 0]);
    assert_eq!(page.order(json!({"title": true})).await, "Dead letters · rowcast");
    assert_eq!(page.complaints("").await, [""; 0]);
}

#[tokio::test]
async fn whoever_may_look_alone_sees_no_buttons_that_act_and_which_token_is_wanted() {
    let env = Env::new().await;
    bury(&env, &[letter(&env, 0, "1406", b"{}")]).await;
    let tokens = [("ROWCAST_ADMIN_TOKEN", ADMIN), ("ROWCAST_READ_TOKEN", READ)];
    let gateway = Gateway::start(&env, &tokens).await;
    let mut page = Page::open(&gateway, json!({})).await;
    for (token, acts) in [(READ, false), (ADMIN, true)] {
        page.go(&gateway, "#dead", json!({})).await;
        page.fill("Token", token).await;
        page.press("Log in").await;
        page.sees("What they died of").await;
        let shown = page.sees("1 letter").await;
        let told = "You can look at everything here and change nothing. To act, log out and log in with";
        assert_eq!(shown.contains(told), !acts, "{shown}");
        let buttons = page.texts(".groups button").await;
        let expected = if acts { &["Look", "Retry…", "Purge…"][..] } else { &["Look"] };
        assert_eq!(buttons, expected);
        page.order(json!({"click": LOOK})).await;
        page.sees("Download the job").await;
        let expected = if acts {
            &["Close", "Next one", "Purge…", "Edit…", "Retry"][..]
        } else {
            &["Close", "Next one"]
        };
        assert_eq!(page.texts("dialog button").await, expected);
        page.press("Close").await;
        page.order(json!({"click": "nav a"})).await;
        let shown = page.sees("Rows per second").await;
        assert_eq!(shown.contains(told), !acts, "{shown}");
        let buttons = page.texts(".table button").await;
        assert_eq!(buttons, if acts { &["Pause", "Push…"][..] } else { &[] });
    }
    assert_eq!(page.complaints("status of 401").await, [""; 0]);
}
