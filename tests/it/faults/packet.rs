//! Servers with narrow settings: small packets, a binary log of statements.

use rowcast::sandbox::Flavour;

use crate::support::{Env, PATIENCE, Running, said};

#[tokio::test]
async fn claims_jobs_and_outcomes_larger_than_a_packet_hold_up_nobody() {
    let env = Env::own_servers().await;
    env.migrate().await;
    env.execute("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, s LONGTEXT, v VARCHAR(100))").await;
    env.execute("SET GLOBAL max_allowed_packet = 1048576").await;
    let mut worker = Running::worker(&env, &[("ROWCAST_TABLE", "n"), ("ROWCAST_MAX_JOB_BYTES", "2000000")]);
    let heard = env.subscribe("socket.io#*").await;
    // Three claims of up to 4 MB.
    let job = |n: usize| format!(r#"{{"s":"{}","v":"{n}"}}"#, "x".repeat(2_000));
    env.push_raw("", &(0..4_000).map(job).collect::<Vec<_>>()).await;
    assert_eq!(env.done(4_000).await.inserted, 4_000);

    // One row that no packet holds is the job's fault; one that just fits goes in.
    let (fits, not) =
        (format!(r#"{{"s":"{}"}}"#, "y".repeat(900_000)), format!(r#"{{"s":"{}"}}"#, "z".repeat(1_048_570)));
    env.push_raw("", &[job(1), fits, job(2), not.clone(), job(3)]).await;
    let audit = env.done(4_005).await;
    assert_eq!((audit.inserted, audit.dead), (4_004, 1));
    let letter = env.letters("").await.remove(0);
    assert!(letter.raw_bytes() == not.as_bytes());

    // Two thousand reasons in one checkpoint.
    let long = |n: usize| format!(r#"{{"v":"{}"}}"#, n.to_string().repeat(200));
    env.push_raw("", &(1..=5_000).map(long).collect::<Vec<_>>()).await;
    assert_eq!(env.done(9_005).await.dead, 5_001);
    heard.exactly(4_004, PATIENCE).await;
    worker.assert_alive();
    let log = worker.stop().await;
    assert!(said(&log, "waiting for").is_empty(), "{log:#?}");
}

#[tokio::test]
async fn an_array_goes_in_up_to_what_a_packet_holds_and_one_row_more_is_told_with_what_does() {
    let env = Env::own_servers().await;
    env.execute("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, s LONGTEXT, v VARCHAR(100))").await;
    env.execute("SET GLOBAL max_allowed_packet = 1048576").await;
    env.migrate().await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n"), ("ROWCAST_MAX_JOB_BYTES", "2000000")]);
    let row = |length: usize| format!(r#"{{"s":"{}"}}"#, "x".repeat(length));
    let array = |rows: usize| format!("[{}]", vec![row(1_000); rows].join(","));
    // A row of the array takes 1,007 bytes and two bits.
    let jobs = [array(1_040), array(1_041), row(1_048_503), row(1_048_504)];
    let letters = env.run(&jobs.each_ref().map(String::as_str)).await;
    assert_eq!(env.lines("SELECT COUNT(*), MAX(LENGTH(s)) FROM n").await, ["1041|1048503"]);
    let reasons: Vec<&str> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].contains("its 1041 rows") && reasons[0].contains("1040 of them"), "{reasons:?}");
    assert!(reasons.iter().all(|reason| reason.contains("max_allowed_packet is 1048576")), "{reasons:?}");
    assert!(said(&worker.stop().await, "waiting for").is_empty());
}

#[tokio::test]
async fn a_binary_log_of_statements_changes_nothing() {
    let env = Env::own_servers_with(&["--log-bin=log", "--server-id=1", "--binlog-format=STATEMENT"]).await;
    env.migrate().await;
    assert_eq!(env.lines("SELECT @@log_bin, @@binlog_format").await, ["1|STATEMENT"]);
    env.execute("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, k INT UNIQUE, v INT)").await;
    let worker = Running::route(&env, "table='n'\ncolumns={k='k',v='v'}\ndedupe='k'\non_duplicate='update'");
    let heard = env.subscribe("socket.io#*").await;
    let jobs: Vec<String> = (0..3_000).map(|n| format!(r#"{{"k":{},"v":{n}}}"#, n % 2_500)).collect();
    env.push_raw("", &jobs).await;
    let audit = env.done(3_000).await;
    assert_eq!((audit.inserted, audit.duplicate), (2_500, 500));
    assert_eq!(env.lines("SELECT COUNT(*), SUM(v > 2499) FROM n").await, ["2500|500"]);
    heard.exactly(2_500, PATIENCE).await;
    let log = worker.stop().await;
    assert!(said(&log, "waiting for").is_empty(), "{:?}: {log:#?}", env.flavour == Flavour::MariaDb);
}
