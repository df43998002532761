//! A table that changes under a running worker.

use crate::support::{Env, Running, said};

#[tokio::test]
async fn a_new_column_is_fed_after_the_next_reading_of_the_schema() {
    let env = Env::with_table("CREATE TABLE n (a INT)").await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    assert_eq!(env.run(&[r#"{"a":1,"b":1}"#]).await, []);
    env.execute("ALTER TABLE n ADD COLUMN b INT").await;
    // Nothing fails, so nothing is read again for a minute: the worker goes on as it was.
    assert_eq!(env.run(&[r#"{"a":2,"b":2}"#]).await, []);
    worker.stop().await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    assert_eq!(env.run(&[r#"{"a":3,"b":3}"#]).await, []);
    assert_eq!(env.lines("SELECT * FROM n ORDER BY a").await, ["1|NULL", "2|NULL", "3|3"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_new_column_that_must_be_given_is_fed_at_once() {
    let env = Env::with_table("CREATE TABLE n (a INT)").await;
    let mut worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    assert_eq!(env.run(&[r#"{"a":1,"b":1}"#]).await, []);
    env.execute("ALTER TABLE n ADD COLUMN b INT NOT NULL").await;
    let letters = env.run(&[r#"{"a":2,"b":2}"#, r#"{"a":3}"#]).await;
    let blamed: Vec<_> =
        letters.iter().map(|letter| (letter.code.as_str(), letter.column.as_deref())).collect();
    assert_eq!(blamed, [("missing", Some("b"))]);
    assert_eq!(env.lines("SELECT * FROM n ORDER BY a").await, ["1|0", "2|2"]);
    worker.assert_alive();
    worker.stop().await;
}

#[tokio::test]
async fn a_new_column_that_no_key_feeds_stops_the_route_and_rejects_nobody() {
    let env = Env::with_table("CREATE TABLE n (a INT)").await;
    let worker = Running::route(&env, "table='n'\ncolumns={a='a'}");
    assert_eq!(env.run(&[r#"{"a":1}"#]).await, []);
    env.execute("ALTER TABLE n ADD COLUMN b INT NOT NULL").await;
    env.push(&[r#"{"a":2}"#]).await;
    let line = worker.says("waiting for the route", 1).await.remove(0);
    assert!(line["reason"].as_str().unwrap().contains("'b'"), "{line}");
    env.execute("ALTER TABLE n ALTER COLUMN b SET DEFAULT 5").await;
    assert_eq!(env.done(2).await.inserted, 2);
    assert_eq!(env.lines("SELECT * FROM n ORDER BY a").await, ["1|0", "2|5"]);
    let log = worker.stop().await;
    assert_eq!((said(&log, "waiting for").len(), said(&log, "the route is back").len()), (1, 1), "{log:#?}");
}

#[tokio::test]
async fn a_dropped_or_renamed_column_is_left_out_where_names_are_matched() {
    let env = Env::with_table("CREATE TABLE n (a INT, b INT, c INT)").await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    assert_eq!(env.run(&[r#"{"a":1,"b":1,"c":1,"d":1}"#]).await, []);
    env.execute("ALTER TABLE n DROP COLUMN b").await;
    assert_eq!(env.run(&[r#"{"a":2,"b":2,"c":2,"d":2}"#]).await, []);
    env.execute("ALTER TABLE n CHANGE c d BIGINT").await;
    assert_eq!(env.run(&[r#"{"a":3,"b":3,"c":3,"d":3}"#]).await, []);
    assert_eq!(env.lines("SELECT a, d FROM n ORDER BY a").await, ["1|1", "2|2", "3|3"]);
    let log = worker.stop().await;
    let (down, up) = (said(&log, "waiting for").len(), said(&log, "the route is back").len());
    assert_eq!(down, up, "{log:#?}");
}

/// Nothing fails when a table loses its transactions, but a crash would double its rows. The schema is read again every
/// minute; this test waits for that.
#[tokio::test]
async fn a_table_that_loses_its_transactions_stops_the_route_within_a_minute_or_so() {
    let env = Env::with_table("CREATE TABLE n (a INT)").await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    assert_eq!(env.run(&[r#"{"a":1}"#]).await, []);
    env.execute("ALTER TABLE n ENGINE = MyISAM").await;
    let line = worker.says("waiting for the route", 1).await.remove(0);
    assert!(line["reason"].as_str().unwrap().contains("MyISAM"), "{line}");
    env.push(&[r#"{"a":2}"#]).await;
    env.execute("ALTER TABLE n ENGINE = InnoDB").await;
    assert_eq!(env.done(2).await.inserted, 2);
    worker.stop().await;
}

#[tokio::test]
async fn a_job_is_judged_by_the_table_as_it_is_when_the_job_is_claimed() {
    let env = Env::with_table("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, c DECIMAL(10,2))").await;
    let worker = Running::route(&env, "table='n'\ncolumns={c='c'}");
    for (digits, job) in [(2, r#"{"c":0.123}"#), (3, r#"{"c":0.123}"#), (4, r#"{"c":0.1234}"#)] {
        env.execute(&format!("ALTER TABLE n MODIFY c DECIMAL(10,{digits})")).await;
        let codes: Vec<String> = env.run(&[job]).await.into_iter().map(|letter| letter.code).collect();
        assert_eq!(codes, ["not_exact"], "the first of them alone");
    }
    assert_eq!(env.lines("SELECT c FROM n ORDER BY id").await, ["0.1230", "0.1234"]);
    worker.stop().await;
}
