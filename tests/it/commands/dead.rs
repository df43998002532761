//! `rowcast dead`: what it shows, and that a letter is moved whole, once, or not at all.

use rowcast::queue::{DeadLetter, Raw};

use super::{
    run::{on, rowcast, run_with},
    terminal::Terminal,
};
use crate::support::Env;

fn letter(env: &Env, n: usize, code: &str, raw: &[u8]) -> DeadLetter {
    DeadLetter {
        id: format!("01W:7:{n}"),
        queue: env.queue.clone(),
        raw: Raw::of(raw),
        code: code.into(),
        column: (code == "1406").then(|| "openid".into()),
        reason: format!("Data too long for column 'openid' at row {n}"),
        at: "2026-01-31T23:59:59Z".into(),
        attempts: 1,
    }
}

async fn list(env: &Env, key: &str) -> Vec<Vec<u8>> {
    let mut connection = env.redis_connection().await;
    redis::cmd("LRANGE").arg(key).arg(0).arg(-1).query_async(&mut connection).await.unwrap()
}

fn dead_key(env: &Env) -> String {
    format!("{{{}}}:rowcast:dead", env.queue)
}

async fn bury(env: &Env, letters: &[String]) {
    let mut connection = env.redis_connection().await;
    redis::cmd("LPUSH").arg(dead_key(env)).arg(letters).query_async::<()>(&mut connection).await.unwrap();
}

/// Three letters: two too long, one no JSON and no UTF-8.
async fn three(env: &Env) -> [DeadLetter; 3] {
    let letters = [
        letter(env, 0, "1406", br#"{"time":1,"stamp":"long"}"#),
        letter(env, 1, "1406", b"{\"time\":2,\n\"stamp\":\"\x1b[2J\"}"),
        letter(env, 2, "not_json", b"\xff\x00 bytes"),
    ];
    bury(env, &letters.each_ref().map(DeadLetter::to_json)).await;
    letters
}

#[tokio::test]
async fn letters_are_counted_by_what_they_died_of() {
    let env = Env::new().await;
    for arguments in [&["dead", "list"][..], &["dead", "list", "--all"]] {
        let said = format!("No dead letters in queue {:?}.\n", env.queue);
        assert_eq!(rowcast(&env, arguments).await.ended(0).out, said);
    }
    three(&env).await;
    let groups = rowcast(&env, &["dead", "list", "--json"]).await.ended(0).json();
    assert_eq!((&groups[0]["count"], &groups[0]["code"]), (&2.into(), &"1406".into()));
    assert_eq!(groups[0]["reason"], "Data too long for column 'openid'");
    assert_eq!(groups[0]["id"], "01W:7:0");
    rowcast(&env, &["dead", "list"]).await.ended(0).says("  01W:7:0  Data too long").says("  01W:7:2  ");
    let all = rowcast(&env, &["dead", "list", "--all"]).await.ended(0);
    let lines: Vec<&str> = all.out.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[0]), ["id", "at", "code", "column", "job"]);
    assert_eq!(words(lines[3])[..4], ["01W:7:2", "2026-01-31T23:59:59Z", "not_json", "-"]);
    assert_eq!((lines.len(), lines[0].find("job")), (4, lines[1].find('{')), "{all:?}");
    assert!(!all.out.contains('\x1b'), "{all:?}");
}

#[tokio::test]
async fn a_reason_is_listed_whole_or_it_is_said_how_to_see_it() {
    let env = Env::new().await;
    let twice = |n: usize, value: &str| DeadLetter {
        reason: format!("Duplicate entry '{value}' for key 'openid'"),
        ..letter(&env, n, "1062", b"{}")
    };
    bury(&env, &[twice(0, "seven").to_json()]).await;
    let ran =
        rowcast(&env, &["dead", "list"]).await.ended(0).says("Duplicate entry 'seven' for key 'openid'");
    assert!(!ran.out.contains("..."), "{ran:?}");
    bury(&env, &[twice(1, "seven").to_json()]).await;
    rowcast(&env, &["dead", "list"]).await.ended(0).says("2").says("entry 'seven' for");
    bury(&env, &[twice(2, "eight").to_json()]).await;
    let ran = rowcast(&env, &["dead", "list"]).await.ended(0).says("Duplicate entry '...' for key 'openid'");
    ran.says("`rowcast dead show ID` shows it whole");
    let long = DeadLetter { reason: "x".repeat(500), ..letter(&env, 3, "1", b"{}") };
    bury(&env, &[long.to_json()]).await;
    rowcast(&env, &["dead", "purge", "--code", "1062", "--yes"]).await.ended(0);
    rowcast(&env, &["dead", "list"])
        .await
        .ended(0)
        .says("xxx...")
        .says("`rowcast dead show ID` shows it whole");
}

#[tokio::test]
async fn a_letter_is_shown_whole_and_its_job_byte_for_byte() {
    let env = Env::new().await;
    let letters = three(&env).await;
    rowcast(&env, &["dead", "show", "01W:7:0"]).await.ended(0).says(r#"{"time":1,"stamp":"long"}"#);
    let mut command = on(&env);
    let output = command.args(["dead", "show", "--raw", "01W:7:2"]).output().unwrap();
    assert_eq!(output.stdout, letters[2].raw_bytes());
    rowcast(&env, &["dead", "show", "01W:7:9"])
        .await
        .ended(1)
        .complains("no dead letter \"01W:7:9\" in queue ");
}

#[tokio::test]
async fn a_retried_job_is_back_in_its_queue_byte_for_byte_and_its_letter_is_gone() {
    let env = Env::new().await;
    let letters = three(&env).await;
    rowcast(&env, &["dead", "retry", "01W:7:2"]).await.ended(0).says("1 dead letter sent back");
    assert_eq!(list(&env, &env.queue).await, [letters[2].raw_bytes()]);
    rowcast(&env, &["dead", "retry", "01W:7:2"]).await.ended(1).complains("1 id not found in queue ");
    rowcast(&env, &["dead", "retry", "--code", "1406"]).await.ended(0).says("2 dead letters sent back");
    // Oldest first, behind what waits already.
    let expected = [1, 0, 2].map(|at: usize| letters[at].raw_bytes());
    assert_eq!(list(&env, &env.queue).await, expected);
    assert!(list(&env, &dead_key(&env)).await.is_empty());
    for which in [&["--all"][..], &["--code", "1406"]] {
        let ran = rowcast(&env, &[&["dead", "retry"], which].concat()).await.ended(0);
        assert_eq!(ran.out, format!("No dead letters in queue {:?}.\n", env.queue));
    }
}

#[tokio::test]
async fn a_code_that_no_letter_has_is_told_with_those_that_there_are() {
    let env = Env::new().await;
    three(&env).await;
    let told =
        format!("No dead letter in queue {:?} has the code 1407. There are 1406, not_json.", env.queue);
    rowcast(&env, &["dead", "retry", "--code", "1407"]).await.ended(0).says(&told);
    rowcast(&env, &["dead", "purge", "--code", "1407", "--yes"]).await.ended(0).says(&told);
    assert_eq!(list(&env, &dead_key(&env)).await.len(), 3);
}

#[tokio::test]
async fn many_letters_are_retried_at_the_pace_that_is_asked_for() {
    let env = Env::new().await;
    let letters: Vec<String> =
        (0..250).map(|n| letter(&env, n, "1062", n.to_string().as_bytes()).to_json()).collect();
    bury(&env, &letters).await;
    let ran = rowcast(&env, &["dead", "retry", "--all", "--per-second", "200"]).await.ended(0);
    assert!(ran.took.as_secs_f64() > 1.0, "{ran:?}");
    let queue = list(&env, &env.queue).await;
    let expected: Vec<Vec<u8>> = (0..250).rev().map(|n: usize| n.to_string().into_bytes()).collect();
    assert_eq!(queue, expected);
}

#[tokio::test]
async fn without_a_pace_of_ones_own_a_thousand_a_second_are_retried() {
    let env = Env::new().await;
    let letters: Vec<String> =
        (0..1_500).map(|n| letter(&env, n, "1062", n.to_string().as_bytes()).to_json()).collect();
    bury(&env, &letters).await;
    let ran = rowcast(&env, &["dead", "retry", "--all"]).await.ended(0);
    assert!(ran.took.as_secs_f64() > 1.4, "{ran:?}");
    assert_eq!(list(&env, &env.queue).await.len(), 1_500);
}

#[tokio::test]
async fn what_is_no_letter_of_ours_stays_at_a_retry_and_goes_at_a_purge() {
    let env = Env::new().await;
    bury(&env, &["somebody else's".to_owned()]).await;
    three(&env).await;
    rowcast(&env, &["dead", "list", "--all"]).await.ended(0).says("(unreadable)");
    rowcast(&env, &["dead", "retry", "--all"]).await.ended(0).says("3 dead letters sent back");
    assert_eq!(list(&env, &dead_key(&env)).await, [b"somebody else's"]);
    rowcast(&env, &["dead", "purge", "--all", "--yes"]).await.ended(0).says("1 dead letter deleted");
    assert!(list(&env, &dead_key(&env)).await.is_empty());
}

#[tokio::test]
async fn a_purge_without_a_terminal_needs_a_yes_and_deletes_what_it_names() {
    let env = Env::new().await;
    three(&env).await;
    let ran = run_with(
        {
            let mut c = on(&env);
            c.args(["dead", "purge", "--all"]);
            c
        },
        b"y\n",
    )
    .await;
    ran.ended(64).complains("--yes");
    assert_eq!(list(&env, &dead_key(&env)).await.len(), 3);
    rowcast(&env, &["dead", "purge"]).await.ended(64).complains("--all");
    rowcast(&env, &["dead", "purge", "--code", "1406", "--yes"])
        .await
        .ended(0)
        .says("2 dead letters deleted");
    assert_eq!(list(&env, &dead_key(&env)).await.len(), 1);
    assert!(list(&env, &env.queue).await.is_empty());
}

/// What a terminal shows of a command that asks, with this answer typed.
async fn answered(env: &Env, arguments: &str, answer: &[u8], code: i32) -> String {
    let mut terminal = Terminal::start(env, arguments);
    terminal.shows("? [y/N] ", 1).await;
    terminal.types(answer);
    terminal.ended(code).await
}

#[tokio::test]
async fn at_a_terminal_a_person_is_asked_and_no_is_no() {
    let env = Env::new().await;
    three(&env).await;
    let shown = answered(&env, "dead purge --all", b"n\n", 1).await;
    assert!(shown.contains("all 3 dead letters") && shown.contains("nothing was done"), "{shown:?}");
    assert_eq!(list(&env, &dead_key(&env)).await.len(), 3);
    let shown = answered(&env, "dead retry --all", b"y\n", 0).await;
    assert!(shown.contains("3 dead letters sent back"), "{shown:?}");
    assert_eq!(list(&env, &env.queue).await.len(), 3);
}
