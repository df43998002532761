//! Duplicates: rejected, ignored or updated, whatever tells that a row is there already.

use rowcast::sandbox::Flavour;

use crate::support::{Env, Running};

const TABLE: &str =
    "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(20) UNIQUE, v INT, other INT UNIQUE)";

async fn start(settings: &str) -> (Env, Running) {
    let env = Env::with_table(TABLE).await;
    let worker =
        Running::route(&env, &format!("table='n'\ncolumns={{k='k',v='v',other='other'}}\n{settings}"));
    (env, worker)
}

fn codes(letters: &[rowcast::queue::DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.code.as_str()).collect()
}

#[tokio::test]
async fn without_dedupe_a_duplicate_key_is_a_dead_letter() {
    let (env, worker) = start("").await;
    let letters = env.run(&[r#"{"k":"a","v":1}"#, r#"{"k":"a","v":2}"#, r#"{"k":"b","v":3}"#]).await;
    assert_eq!(codes(&letters), ["1062"]);
    assert!(letters[0].reason.contains("'a'"), "{}", letters[0].reason);
    assert_eq!(env.lines("SELECT k, v FROM n ORDER BY id").await, ["a|1", "b|3"]);
    worker.stop().await;
}

#[tokio::test]
async fn dedupe_ignores_what_is_there_and_what_stands_twice_in_one_claim() {
    let (env, worker) = start("dedupe='k'").await;
    let heard = env.subscribe("socket.io#*").await;
    // One by one, so that the first is there before the others come.
    assert_eq!(env.run(&[r#"{"k":"a","v":1}"#]).await, []);
    // Case does not matter to the column's collation; nor do trailing spaces or accents to some.
    let jobs = [
        r#"{"k":"a","v":2}"#,
        r#"{"k":"A","v":3}"#,
        r#"{"k":"b","v":4}"#,
        r#"{"k":"b","v":5}"#,
        r#"{"k":"B","v":6}"#,
    ];
    assert_eq!(env.run(&jobs).await, []);
    assert_eq!(env.run(&[r#"{"k":null,"v":7}"#, r#"{"v":7}"#]).await, []);
    assert_eq!(env.lines("SELECT k, v FROM n ORDER BY id").await, ["a|1", "b|4", "NULL|7", "NULL|7"]);
    let audit = env.done(8).await;
    assert_eq!((audit.inserted, audit.duplicate, audit.dead), (4, 4, 0));
    heard.rows(4).await;
    worker.stop().await;
}

#[tokio::test]
async fn dedupe_with_reject_makes_dead_letters_of_duplicates() {
    let (env, worker) = start("dedupe='k'\non_duplicate='reject'").await;
    let letters = env.run(&[r#"{"k":"a","v":1}"#, r#"{"k":"a","v":2}"#]).await;
    assert_eq!(codes(&letters), ["1062"]);
    assert_eq!(env.lines("SELECT v FROM n").await, ["1"]);
    worker.stop().await;
}

#[tokio::test]
async fn dedupe_with_update_lets_the_newest_win() {
    let (env, worker) = start("dedupe='k'\non_duplicate='update'").await;
    let heard = env.subscribe("socket.io#*").await;
    assert_eq!(env.run(&[r#"{"k":"a","v":1}"#, r#"{"k":"b","v":1}"#]).await, []);
    let jobs = [
        r#"{"k":"a","v":2}"#,
        r#"{"k":"a","v":3}"#,
        r#"{"k":"c","v":1}"#,
        r#"{"k":"c","v":2}"#,
        r#"{"k":"B","v":9}"#,
    ];
    assert_eq!(env.run(&jobs).await, []);
    assert_eq!(env.lines("SELECT LOWER(k), v FROM n ORDER BY LOWER(k)").await, ["a|3", "b|9", "c|2"]);
    let audit = env.done(7).await;
    assert_eq!((audit.inserted, audit.duplicate, audit.dead), (3, 4, 0));
    heard.rows(3).await;
    worker.stop().await;
}

#[tokio::test]
async fn of_many_updates_the_newest_wins_within_a_claim_and_across_claims() {
    for settings in ["dedupe='k'\non_duplicate='update'", "on_duplicate='update'"] {
        let env = Env::with_table(TABLE).await;
        let jobs: Vec<String> =
            (1..=600).map(|v| format!(r#"{{"k":"{}","v":{v}}}"#, ["a", "b", "c"][v % 3])).collect();
        env.push_raw("", &jobs).await;
        let route = format!("[[route]]\nqueue='{{q}}'\ntable='n'\n{settings}\n");
        // Each claim holds several updates of each row, and while it goes in the next one is made ahead.
        let worker = Running::routes(&env, &route, &[("ROWCAST_BATCH", "8")]);
        let audit = env.done(600).await;
        assert_eq!((audit.inserted, audit.duplicate, audit.dead), (3, 597, 0), "{settings}");
        assert_eq!(
            env.lines("SELECT k, v FROM n ORDER BY k").await,
            ["a|600", "b|598", "c|599"],
            "{settings}"
        );
        worker.stop().await;
    }
}

#[tokio::test]
async fn updates_of_one_row_keep_their_order_when_some_leave_columns_to_their_default() {
    let env = Env::with_table("CREATE TABLE n (k INT PRIMARY KEY, v INT, w INT DEFAULT 5)").await;
    let worker = Running::route(&env, "table='n'\ndedupe='k'\non_duplicate='update'");
    assert_eq!(env.run(&[r#"{"k":1,"v":0,"w":0}"#]).await, []);
    let jobs = [r#"{"k":1,"v":1,"w":1}"#, r#"{"k":1,"v":2}"#, r#"{"k":2,"v":1,"w":1}"#, r#"{"k":2,"v":2}"#];
    assert_eq!(env.run(&jobs).await, []);
    assert_eq!(env.lines("SELECT k, v, w FROM n ORDER BY k").await, ["1|2|1", "2|2|1"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_second_unique_key_is_no_duplicate_of_the_dedupe_column() {
    let (env, worker) = start("dedupe='k'").await;
    let jobs = [
        r#"{"k":"a","other":1}"#,
        r#"{"k":"b","other":1}"#,
        r#"{"k":"a","other":2}"#,
        r#"{"k":"c","other":3}"#,
    ];
    let letters = env.run(&jobs).await;
    assert_eq!(codes(&letters), ["1062"]);
    assert_eq!(letters[0].raw_bytes(), jobs[1].as_bytes());
    assert_eq!(env.lines("SELECT k, other FROM n ORDER BY id").await, ["a|1", "c|3"]);
    worker.stop().await;
}

#[tokio::test]
async fn without_a_dedupe_column_any_unique_key_tells_a_duplicate() {
    for (setting, rows) in [("ignore", ["a|1|1", "b|2|2"]), ("update", ["b|9|1", "c|2|2"])] {
        let (env, worker) = start(&format!("on_duplicate='{setting}'")).await;
        assert_eq!(env.run(&[r#"{"k":"a","v":1,"other":1}"#, r#"{"k":"b","v":2,"other":2}"#]).await, []);
        let jobs = match setting {
            "ignore" => [r#"{"k":"a","v":9,"other":7}"#, r#"{"k":"x","v":9,"other":2}"#],
            _ => [r#"{"k":"c","v":2,"other":2}"#, r#"{"k":"b","v":9,"other":1}"#],
        };
        assert_eq!(env.run(&jobs).await, []);
        assert_eq!(env.lines("SELECT k, v, other FROM n ORDER BY other").await, rows, "{setting}");
        assert_eq!(env.done(4).await.duplicate, 2);
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_array_is_a_duplicate_only_as_a_whole() {
    let (env, worker) = start("dedupe='k'").await;
    let whole = r#"[{"k":"a","v":1},{"k":"b","v":1}]"#;
    assert_eq!(env.run(&[whole]).await, []);
    let letters = env.run(&[whole, r#"[{"k":"b","v":2},{"k":"c","v":2}]"#, r#"{"k":"d","v":3}"#]).await;
    assert_eq!(codes(&letters), ["partly_duplicate"]);
    assert_eq!(env.lines("SELECT k, v FROM n ORDER BY k").await, ["a|1", "b|1", "d|3"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_key_may_be_of_any_kind() {
    let kinds = [
        ("BINARY(4)", r#""AAH//w==""#, r#""AAH//g==""#),
        ("VARCHAR(9) CHARACTER SET latin1", r#""é""#, r#""o""#),
        ("VARCHAR(9) COLLATE utf8mb4_bin", r#""a""#, r#""A""#),
        ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551614"),
        ("DECIMAL(20,2)", "1.5", "1.51"),
        ("DATETIME(3)", r#""2024-01-01T00:00:00.5Z""#, r#""2024-01-01T00:00:00.501Z""#),
        ("DATE", r#""2024-01-01""#, r#""2024-01-02""#),
    ];
    for (kind, one, two) in kinds {
        let env =
            Env::with_table(&format!("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, k {kind} UNIQUE)"))
                .await;
        let worker = Running::route(&env, "table='n'\ncolumns={k='k'}\ndedupe='k'");
        let (one, two) = (format!(r#"{{"k":{one}}}"#), format!(r#"{{"k":{two}}}"#));
        assert_eq!(env.run(&[&one]).await, [], "{kind}");
        assert_eq!(env.run(&[&one, &two, &one, &two]).await, [], "{kind}");
        assert_eq!((env.count("n").await, env.done(5).await.duplicate), (2, 3), "{kind}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_key_that_its_column_cannot_hold_is_the_jobs_fault() {
    let env = Env::with_table(
        "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(9) CHARACTER SET latin1 UNIQUE)",
    )
    .await;
    let worker = Running::route(&env, "table='n'\ncolumns={k='k'}\ndedupe='k'");
    let letters = env.run(&[r#"{"k":"a"}"#, r#"{"k":"🚀"}"#, r#"{"k":"b"}"#, r#"{"k":"a"}"#]).await;
    let code = if env.flavour == Flavour::MariaDb { "1366" } else { "3988" };
    assert_eq!((codes(&letters), env.count("n").await), (vec![code], 2));
    worker.stop().await;
}

#[tokio::test]
async fn a_replay_of_thousands_costs_no_more_statements_than_they_did_at_first() {
    let env = Env::own_servers().await;
    env.migrate().await;
    env.execute(TABLE).await;
    let jobs: Vec<String> = (0..6_000).map(|n| format!(r#"{{"k":"key {n}","v":{n}}}"#)).collect();
    let statements = async || env.status("Com_stmt_execute").await + env.status("Com_stmt_prepare").await;
    env.push_raw("", &jobs).await;
    let start = statements().await;
    let worker = Running::route(&env, "table='n'\ncolumns={k='k',v='v'}\ndedupe='k'");
    assert_eq!(env.done(6_000).await.inserted, 6_000);
    let first = statements().await - start;
    env.push_raw("", &jobs).await;
    assert_eq!(env.done(12_000).await.duplicate, 6_000);
    let replay = statements().await - start - first;
    // Claims of at most 2,000: a handful of look-ups and inserts each. One by one it would be thousands.
    assert!(first < 120 && replay <= first, "{first} statements at first, {replay} for the replay");
    worker.stop().await;
}

#[tokio::test]
async fn a_job_that_would_take_the_last_number_of_all_is_a_dead_letter_and_the_others_go_in() {
    for (kind, last) in [("BIGINT UNSIGNED", "18446744073709551615"), ("BIGINT", "9223372036854775807")] {
        let table = format!("CREATE TABLE n (id {kind} AUTO_INCREMENT PRIMARY KEY, v INT)");
        let env = Env::with_table(&table).await;
        let worker = Running::route(&env, "table='n'");
        let jobs = [format!(r#"{{"id":{last},"v":1}}"#), r#"{"v":2}"#.into(), r#"{"id":7,"v":3}"#.into()];
        env.push_raw("", &jobs).await;
        let audit = env.done(3).await;
        assert_eq!((audit.inserted, audit.dead), (2, 1), "{kind}");
        assert_eq!(env.lines("SELECT v FROM n ORDER BY v").await, ["2", "3"], "{kind}");

        // Somebody else has put it there.
        env.execute(&format!("INSERT INTO n VALUES ({last}, 4)")).await;
        env.push(&[r#"{"v":5}"#]).await;
        let line = worker.says("waiting for the route", 1).await.remove(0);
        assert!(line["reason"].as_str().unwrap().contains("no numbers left"), "{kind}: {line}");
        env.execute("DELETE FROM n WHERE v = 4").await;
        env.execute("ALTER TABLE n AUTO_INCREMENT = 100").await;
        assert_eq!(env.done(4).await.inserted, 3, "{kind}");
        worker.stop().await;
    }
}

/// The last number is there already, so the server calls every further row a duplicate of that one, or out of range.
#[tokio::test]
async fn a_table_without_numbers_left_stops_the_route_and_loses_no_job() {
    for mode in ["ignore", "update", "reject"] {
        let env = Env::with_table(
            "CREATE TABLE n (id TINYINT AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT = 127",
        )
        .await;
        let worker = Running::route(&env, &format!("table='n'\non_duplicate='{mode}'"));
        assert_eq!(env.run(&[r#"{"v":1}"#]).await, [], "{mode}");
        env.push(&[r#"{"v":2}"#]).await;
        let line = worker.says("waiting for the route", 1).await.remove(0);
        assert!(line["reason"].as_str().unwrap().contains("no numbers left"), "{mode}: {line}");
        env.execute("ALTER TABLE n MODIFY id INT AUTO_INCREMENT").await;
        assert_eq!(env.done(2).await.inserted, 2, "{mode}");
        assert_eq!(env.lines("SELECT id, v FROM n ORDER BY id").await, ["127|1", "128|2"], "{mode}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_update_that_gives_no_column_changes_nothing() {
    let env = Env::with_table(
        "CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, k VARCHAR(9) DEFAULT 'x' UNIQUE, v INT DEFAULT 3)",
    )
    .await;
    let worker = Running::route(&env, "table='n'\non_duplicate='update'");
    assert_eq!(env.run(&["{}", "{}", r#"{"k":"z","v":1}"#]).await, []);
    assert_eq!(env.lines("SELECT k, v FROM n ORDER BY k").await, ["x|3", "z|1"]);
    worker.stop().await;
}
