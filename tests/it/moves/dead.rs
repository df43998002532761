//! How dead letters are read and taken out of their list.

use rowcast::{
    dead::{Cursor, Group, Step, find, step, whole},
    queue::{Admin, DeadLetter, Facts, Fate, Form, Raw, Taken},
};

use super::start;
use crate::support::Env;

pub(crate) fn letter(env: &Env, n: usize, code: &str, job: &[u8]) -> DeadLetter {
    DeadLetter {
        id: format!("01W:7:{n}"),
        queue: env.queue.clone(),
        raw: Raw::of(job),
        code: code.into(),
        column: Some("openid".into()),
        reason: format!("Data too long for column 'openid' at row {n}"),
        at: format!("2026-01-31T23:{:02}:00Z", n % 60),
        attempts: 1,
    }
}

pub(crate) fn dead_key(env: &Env) -> String {
    format!("{{{}}}:rowcast:dead", env.queue)
}

/// Puts letters into the list, the oldest first.
pub(crate) async fn bury(env: &Env, letters: &[DeadLetter]) {
    let mut connection = env.redis_connection().await;
    for letters in letters.chunks(1_000) {
        let texts: Vec<String> = letters.iter().map(DeadLetter::to_json).collect();
        redis::cmd("LPUSH").arg(dead_key(env)).arg(texts).query_async::<()>(&mut connection).await.unwrap();
    }
}

/// What is in a list, the oldest first.
pub(crate) async fn list(env: &Env, key: &str) -> Vec<Vec<u8>> {
    let mut connection = env.redis_connection().await;
    let list: Vec<Vec<u8>> =
        redis::cmd("LRANGE").arg(key).arg(0).arg(-1).query_async(&mut connection).await.unwrap();
    list.into_iter().rev().collect()
}

fn taken(place: u64, letter: &DeadLetter) -> Taken {
    Taken { place, text: letter.to_json().into_bytes(), job: letter.raw_bytes() }
}

#[tokio::test]
async fn a_letter_is_taken_where_it_has_come_to_and_for_one_that_is_gone_nothing_is_pushed() {
    let (env, _, admin) = start().await;
    let letters: Vec<_> = (0..6).map(|n| letter(&env, n, "1406", format!("job {n}").as_bytes())).collect();
    bury(&env, &letters).await;
    let take = async |fate, which: &[(u64, usize)]| {
        let which: Vec<_> = which.iter().map(|(place, n)| taken(*place, &letters[*n])).collect();
        admin.take_dead(fate, &which).await.unwrap()
    };
    assert_eq!(take(Fate::Purge, &[(1, 1)]).await, 1);
    // Those behind it have come one place nearer to the oldest; others were read before that, and one is gone.
    assert_eq!(take(Fate::Retry, &[(1, 1), (2, 2), (3, 3)]).await, 2);
    assert_eq!(list(&env, &env.queue).await, [b"job 2", b"job 3"]);
    assert_eq!(take(Fate::Retry, &[(0, 0), (0, 0)]).await, 1, "twice in one step is once");
    assert_eq!(take(Fate::Purge, &[(0, 0), (2, 2)]).await, 0);
    let left = [4, 5].map(|n: usize| letters[n].to_json().into_bytes());
    assert_eq!(list(&env, &dead_key(&env)).await, left);
    assert_eq!(list(&env, &env.queue).await.len(), 3);
}

#[tokio::test]
async fn letters_are_read_without_their_jobs_whatever_is_in_those() {
    let (env, _, admin) = start().await;
    let jobs: [&[u8]; 4] = [
        br#"{"a":","code":"x","reason":"y"}"#,
        b"\xff\",\"code\":",
        br#"","raw":"","code":"z","#,
        &[b'x'; 100_000],
    ];
    let mut letters: Vec<_> = jobs.iter().enumerate().map(|(n, job)| letter(&env, n, "1406", job)).collect();
    letters[3].queue = r#"odd","raw":"queue"#.to_owned();
    bury(&env, &letters).await;
    let mut connection = env.redis_connection().await;
    let foreign = format!("somebody else's {}", "y".repeat(10_000));
    redis::cmd("LPUSH").arg(dead_key(&env)).arg(&foreign).query_async::<()>(&mut connection).await.unwrap();
    let read = admin.dead_letters(0, 100, Form::Facts).await.unwrap();
    assert_eq!(read.len(), 5);
    for ((text, bytes), letter) in read.iter().zip(&letters) {
        let facts: Facts = serde_json::from_slice(text).unwrap();
        assert_eq!((&facts.id, &facts.code, &facts.reason), (&letter.id, &letter.code, &letter.reason));
        assert_eq!((facts.column, facts.attempts), (letter.column.clone(), letter.attempts));
        assert_eq!(*bytes, letter.to_json().len() as u64);
        assert!(text.len() < 300, "{}", String::from_utf8_lossy(text));
    }
    assert!(foreign.as_bytes().starts_with(&read[4].0) && read[4].0.len() == 4096);
    let whole = admin.dead_letters(1, 2, Form::Whole).await.unwrap();
    assert_eq!(
        whole.iter().map(|(text, _)| text.clone()).collect::<Vec<_>>(),
        [1, 2].map(|n: usize| letters[n].to_json().into_bytes())
    );
}

/// The places of all letters, read in pages of so many.
async fn places(admin: &Admin, most: u64) -> Vec<u64> {
    let (mut cursor, mut places) = (Cursor::start(admin).await.unwrap(), Vec::new());
    loop {
        let page = cursor.next(admin, most, Form::Whole).await.unwrap();
        if page.is_empty() {
            return places;
        }
        assert!(page.len() as u64 <= most);
        places.extend(page.iter().map(|entry| entry.place));
    }
}

#[tokio::test]
async fn large_letters_come_in_smaller_pages_and_each_of_them_comes() {
    let (env, _, admin) = start().await;
    let letters: Vec<_> = (0..30).map(|n| letter(&env, n, "too_large", &vec![b'x'; 1 << 20])).collect();
    for letters in letters.chunks(5) {
        bury(&env, letters).await;
    }
    let first = admin.dead_letters(0, 100, Form::Whole).await.unwrap().len();
    assert!((7..12).contains(&first), "{first} of them are more than 8 MB");
    assert_eq!(places(&admin, 100).await, (0..30).collect::<Vec<_>>());
    assert_eq!(places(&admin, 3).await, (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_letter_is_found_again_although_older_ones_were_taken() {
    let (env, _, admin) = start().await;
    let letters: Vec<_> = (0..1_500).map(|n| letter(&env, n, "1406", n.to_string().as_bytes())).collect();
    bury(&env, &letters).await;
    let older: Vec<_> = (0..700).map(|n| taken(n as u64, &letters[n])).collect();
    assert_eq!(admin.take_dead(Fate::Purge, &older).await.unwrap(), 700);
    let found = find(&admin, "01W:7:1400", 1_400, 5_000).await.unwrap().unwrap();
    assert_eq!((found.place, found.letter().unwrap()), (700, letters[1_400].clone()));
    assert!(find(&admin, "01W:7:1400", 1_400, 500).await.unwrap().is_none(), "it was not looked for so far");
    assert!(find(&admin, "01W:7:0", 1_400, 5_000).await.unwrap().is_none());
    assert_eq!(Group::of(&env.queue, &found).reason, "Data too long for column 'openid'");
}

#[tokio::test]
async fn where_the_queue_is_no_list_a_letter_that_is_retried_stays() {
    let (env, _, admin) = start().await;
    let letters: Vec<_> = (0..2).map(|n| letter(&env, n, "1406", b"job")).collect();
    bury(&env, &letters).await;
    let mut connection = env.redis_connection().await;
    redis::cmd("SET").arg(&env.queue).arg("x").query_async::<()>(&mut connection).await.unwrap();
    let error = admin.take_dead(Fate::Retry, &[taken(0, &letters[0])]).await.unwrap_err();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    let all: Vec<_> = letters.iter().map(|letter| letter.to_json().into_bytes()).collect();
    assert_eq!(list(&env, &dead_key(&env)).await, all);
    // To purge it needs no queue.
    assert_eq!(admin.take_dead(Fate::Purge, &[taken(0, &letters[0])]).await.unwrap(), 1);
    assert_eq!(list(&env, &dead_key(&env)).await, all[1..]);
}

#[tokio::test]
async fn one_step_takes_some_megabytes_of_letters_and_all_steps_take_all() {
    let (env, _, admin) = start().await;
    let letters: Vec<_> = (0..20).map(|n| letter(&env, n, "too_large", &vec![b'x'; 1 << 20])).collect();
    for letters in letters.chunks(5) {
        bury(&env, letters).await;
    }
    let mut cursor = Cursor::start(&admin).await.unwrap();
    let mut steps = Vec::new();
    while let Some(Step { looked, taken }) =
        step(&admin, &mut cursor, Fate::Retry, 100, |_| true).await.unwrap()
    {
        assert_eq!(looked, taken);
        steps.push(taken);
    }
    assert_eq!(steps, [8, 8, 4], "8 MB and what is begun");
    assert_eq!(list(&env, &env.queue).await.len(), 20);
    assert_eq!(admin.count_dead().await.unwrap(), 0);
}

#[tokio::test]
async fn a_letter_is_read_whole_where_it_has_come_to_and_another_is_not_taken_for_it() {
    let (env, _, admin) = start().await;
    let letters: Vec<_> = (0..4).map(|n| letter(&env, n, "1406", n.to_string().as_bytes())).collect();
    bury(&env, &letters).await;
    let facts = Cursor::start(&admin).await.unwrap().next(&admin, 4, Form::Facts).await.unwrap();
    admin.take_dead(Fate::Purge, &[taken(0, &letters[0]), taken(1, &letters[1])]).await.unwrap();
    let found = whole(&admin, &facts[3]).await.unwrap().unwrap();
    assert_eq!((found.place, found.letter()), (1, Some(letters[3].clone())));
    assert!(whole(&admin, &facts[1]).await.unwrap().is_none());
}
