//! Jobs that cannot become rows: dead letters with every byte, beside rows.

use rowcast::queue::DeadLetter;

use crate::support::{Env, Running};

/// A value that must never be found in a log.
const SECRET: &str = "s3cr3t-of-a-customer";

async fn start() -> (Env, Running) {
    let env = Env::new().await;
    env.migrate().await;
    // The more a log says, the more it could leak.
    let worker = Running::worker(&env, &[("RUST_LOG", "trace")]);
    (env, worker)
}

/// Nothing of a job is in the log, and no line is long.
fn assert_discreet(log: &[String]) {
    for line in log {
        assert!(line.len() < 2_000 && !line.contains(SECRET), "{}", &line[..line.len().min(3_000)]);
    }
}

fn codes(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.code.as_str()).collect()
}

#[tokio::test]
async fn each_bad_job_is_a_dead_letter_and_the_others_of_its_claim_go_in() {
    let (env, mut worker) = start().await;
    let deep = "[".repeat(100_000);
    let cases: Vec<(Vec<u8>, &str, Option<&str>)> = vec![
        (b"".to_vec(), "not_json", None),
        (b" \n".to_vec(), "not_json", None),
        (SECRET.into(), "not_json", None),
        (format!(r#"{{"time":1,"stamp":"{SECRET}"#).into(), "not_json", None),
        (br#"{"time":1,"stamp":"a"}}"#.to_vec(), "not_json", None),
        (b"{\"time\":1,\"stamp\":\"\xff\xfe\"}".to_vec(), "not_json", None),
        (b"\x00\x01\x02\xff".to_vec(), "not_json", None),
        (b"{\"time\":1,\"stamp\":\"\x00\"}".to_vec(), "not_json", None),
        ("\u{feff}{\"time\":1,\"stamp\":\"a\"}".into(), "not_json", None),
        (b"17".to_vec(), "not_an_object", None),
        (b"null".to_vec(), "not_an_object", None),
        (b"\"text\"".to_vec(), "not_an_object", None),
        (format!("{deep}{}", deep.replace('[', "]")).into(), "not_an_object", None),
        (deep.clone().into(), "not_json", None),
        (
            format!(r#"{{"time":{deep}{},"stamp":"a"}}"#, deep.replace('[', "]")).into(),
            "wrong_type",
            Some("accountid"),
        ),
        (br#"{"time":1,"stamp":"a","time":2}"#.to_vec(), "duplicate_key", None),
        (br#"{"time":1,"stamp":"a","t\u0069me":2}"#.to_vec(), "duplicate_key", None),
        (br#"{"time":1,"stamp":"\ud800"}"#.to_vec(), "bad_value", Some("openid")),
        (br#"{"time":1e400,"stamp":"a"}"#.to_vec(), "out_of_range", Some("accountid")),
        (format!(r#"{{"time":{},"stamp":"a"}}"#, "9".repeat(40)).into(), "1264", Some("accountid")),
        (
            format!(r#"{{"time":{},"stamp":"a"}}"#, "9".repeat(1_000)).into(),
            "out_of_range",
            Some("accountid"),
        ),
        (br#"{"time":"soon","stamp":"a"}"#.to_vec(), "wrong_type", Some("accountid")),
        (br#"{"time":1,"stamp":null}"#.to_vec(), "1048", Some("openid")),
        (br#"{"time":1}"#.to_vec(), "missing", Some("openid")),
        (format!(r#"{{"time":1,"stamp":"{}"}}"#, SECRET.repeat(20)).into(), "1406", Some("openid")),
        (b"[]".to_vec(), "not_an_object", None),
        (br#"[{"time":1,"stamp":"a"},[]]"#.to_vec(), "not_an_object", None),
    ];
    let good = |n: usize| format!(r#"{{"time":{n},"stamp":"good"}}"#).into_bytes();
    let jobs: Vec<Vec<u8>> = cases
        .iter()
        .enumerate()
        .flat_map(|(n, (job, ..))| [good(n), job.clone()])
        .chain([good(99)])
        .collect();
    env.push_raw("", &jobs).await;
    let audit = env.done(jobs.len() as u64).await;
    assert_eq!((audit.inserted, audit.dead), (cases.len() as u64 + 1, cases.len() as u64));
    for (letter, (job, code, column)) in env.letters("").await.iter().zip(&cases) {
        let shown = String::from_utf8_lossy(&job[..job.len().min(80)]).into_owned();
        assert!(letter.raw_bytes() == *job, "{shown}");
        assert_eq!(
            (letter.code.as_str(), letter.column.as_deref()),
            (*code, *column),
            "{shown}: {}",
            letter.reason
        );
        assert!(!letter.reason.is_empty() && letter.reason.len() < 700, "{shown}: {}", letter.reason);
        assert_eq!((letter.queue.as_str(), letter.attempts), (env.queue.as_str(), 1));
    }
    assert_eq!(env.count("pre_qqaccount").await as usize, cases.len() + 1);
    worker.assert_alive();
    assert_discreet(&worker.stop().await);
}

#[tokio::test]
async fn a_job_of_50_mb_is_kept_whole_and_holds_up_nobody() {
    let (env, mut worker) = start().await;
    let text = format!(r#"{{"time":1,"stamp":"{}"}}"#, "x".repeat(50 << 20)).into_bytes();
    let bytes = vec![0xff_u8; 50 << 20];
    let good = br#"{"time":1,"stamp":"good"}"#.to_vec();
    env.push_raw("", &[&good, &text, &good, &bytes, &good]).await;
    let audit = env.done(5).await;
    assert_eq!((audit.inserted, audit.dead), (3, 2));
    let letters = env.letters("").await;
    assert_eq!(codes(&letters), ["too_large", "too_large"]);
    assert!(letters[0].raw_bytes() == text && letters[1].raw_bytes() == bytes);
    worker.assert_alive();
    assert_discreet(&worker.stop().await);
}

#[tokio::test]
async fn a_thousand_bad_jobs_in_one_claim_leave_the_good_ones_alone() {
    let (env, worker) = start().await;
    let job = |n: usize| match n % 3 {
        0 => format!(r#"{{"time":{n},"stamp":"{}"}}"#, "long".repeat(50)),
        1 => format!(r#"{{"time":{n},"stamp":null}}"#),
        _ => format!(r#"{{"time":{n},"stamp":"good"}}"#),
    };
    let heard = env.subscribe("socket.io#*").await;
    env.push_raw("", &(0..1_500).map(job).collect::<Vec<_>>()).await;
    let audit = env.done(1_500).await;
    assert_eq!((audit.inserted, audit.dead), (500, 1_000));
    assert_eq!(env.lines("SELECT COUNT(*), COUNT(DISTINCT accountid) FROM pre_qqaccount").await, ["500|500"]);
    heard.rows(500).await;
    assert_discreet(&worker.stop().await);
}

#[tokio::test]
async fn a_trigger_that_refuses_a_row_refuses_its_job_only() {
    let env = Env::with_table("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, a INT)").await;
    let refuse = "CREATE TRIGGER no BEFORE INSERT ON n FOR EACH ROW \
                  IF NEW.a = 2 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'two is taken'; END IF";
    env.execute(refuse).await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    let letters = env.run(&[r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#]).await;
    assert_eq!((codes(&letters), letters[0].reason.as_str()), (vec!["1644"], "two is taken"));
    assert_eq!(env.lines("SELECT a FROM n ORDER BY a").await, ["1", "3"]);
    worker.stop().await;
}

/// The most memory that a process has held so far, in megabytes.
fn peak(worker: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", worker.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

#[tokio::test]
async fn a_large_array_of_small_objects_goes_in_or_becomes_one_dead_letter_in_little_memory() {
    let columns: Vec<String> = (1..=20).map(|n| format!("c{n} INT")).collect();
    let env = Env::with_table(&format!("CREATE TABLE n (a INT NOT NULL, {})", columns.join(","))).await;
    env.execute("CREATE TABLE narrow (a INT NOT NULL)").await;
    let routes = "[[route]]\nqueue='{q}'\ntable='n'\npublish=false\n\
                  [[route]]\nqueue='{q}-narrow'\ntable='narrow'\npublish=false\n";
    let worker = Running::routes(&env, routes, &[("ROWCAST_MAX_JOB_BYTES", "16777216")]);
    let array = |rows: usize| format!("[{}]", vec![r#"{"a":1}"#; rows].join(","));

    // More rows than one statement takes, in a job as large as one may be.
    env.push_raw("-narrow", &[array(2_000_000), array(200_000)]).await;
    env.done_in("-narrow", 2).await;
    let letters = env.letters("-narrow").await;
    assert_eq!(letters.iter().map(|letter| letter.code.as_str()).collect::<Vec<_>>(), ["too_large"; 2]);
    // As many as fit, into a narrow table and into a wide one.
    env.push_raw("-narrow", &[array(65_535)]).await;
    env.done_in("-narrow", 3).await;
    env.push_raw("", &[array(3_000)]).await;
    env.done(1).await;
    assert_eq!((env.count("narrow").await, env.count("n").await), (65_535, 3_000));
    // Many at once: what one transaction holds of them is bounded, and the others go back to the queue.
    env.push_raw("", &vec![array(3_000); 170]).await;
    let audit = env.done(171).await;
    assert!(audit.handed_back > 0, "{audit:?}");
    assert_eq!((audit.difference(), env.count("n").await), (0, 171 * 3_000));
    assert!(peak(&worker) < 300, "{} MB", peak(&worker));
    worker.stop().await;
}
