//! Ids: an event names the row that it tells of.

use serde_json::Value;

use crate::support::{Env, Running};

/// The ids of the events with the value that each of their rows carries.
fn pairs(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| format!("{}|{}", row["id"], row["row"]["v"])).collect()
}

#[tokio::test]
async fn counted_ids_are_those_of_the_rows_around_rejected_jobs_too() {
    let env =
        Env::with_table("CREATE TABLE n (id INT AUTO_INCREMENT PRIMARY KEY, v INT, s VARCHAR(2))").await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n"), ("ROWCAST_COLUMNS", "v=v,s=s")]);
    let heard = env.subscribe("socket.io#*").await;
    let job = |v: usize| match v % 7 {
        3 => format!(r#"{{"v":{v},"s":"too long"}}"#),
        5 => format!(r#"[{{"v":{v}}},{{"v":{v}}},{{"v":{v}}}]"#),
        _ => format!(r#"{{"v":{v},"s":"ok"}}"#),
    };
    let jobs: Vec<String> = (0..700).map(job).collect();
    let letters = env.run(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(letters.len(), 100);
    let mut told = pairs(&heard.rows(800).await);
    let mut stored = env.lines("SELECT id, v FROM n").await;
    told.sort_unstable();
    stored.sort_unstable();
    assert_eq!(told, stored);
    worker.stop().await;
}

#[tokio::test]
async fn counted_ids_follow_the_servers_step() {
    let env = Env::own_servers().await;
    env.migrate().await;
    env.execute("CREATE TABLE n (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT UNIQUE)").await;
    env.execute("SET GLOBAL auto_increment_increment = 3").await;
    env.execute("SET GLOBAL auto_increment_offset = 2").await;
    let worker = Running::route(&env, "table='n'\ncolumns={v='v'}\non_duplicate='ignore'");
    let heard = env.subscribe("socket.io#*").await;
    let jobs: Vec<String> = (0..50).map(|v| format!(r#"{{"v":{}}}"#, v % 40)).collect();
    assert_eq!(env.run(&jobs.iter().map(String::as_str).collect::<Vec<_>>()).await, []);
    assert_eq!(env.run(&[r#"[{"v":100},{"v":101},{"v":102}]"#]).await, []);
    let mut told = pairs(&heard.rows(43).await);
    let mut stored = env.lines("SELECT id, v FROM n").await;
    told.sort_unstable();
    stored.sort_unstable();
    assert_eq!(told, stored);
    assert_eq!(env.lines("SELECT COUNT(*) FROM n WHERE id % 3 <> 2").await, ["0"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_given_key_is_the_id_and_counted_ones_may_stand_beside_it() {
    let env = Env::with_table("CREATE TABLE n (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v INT)").await;
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    let heard = env.subscribe("socket.io#*").await;
    let jobs = [
        r#"{"id":0,"v":1}"#,
        r#"{"v":2}"#,
        r#"{"id":1000,"v":3}"#,
        r#"{"id":null,"v":4}"#,
        r#"{"id":"77","v":5}"#,
    ];
    assert_eq!(env.run(&jobs).await, []);
    // Beyond 2^53 it travels as its digits. It comes last: the server counts on from it.
    assert_eq!(env.run(&[r#"{"id":9007199254740993,"v":6}"#]).await, []);
    let mut told = pairs(&heard.rows(6).await);
    let mut stored = env.lines("SELECT IF(id > 1 << 53, CONCAT('\"', id, '\"'), id), v FROM n").await;
    told.sort_unstable();
    stored.sort_unstable();
    assert_eq!(told, stored);
    assert!(told.contains(&"0|1".to_owned()) && told.contains(&"1000|3".to_owned()), "{told:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_key_of_text_is_the_id_and_without_a_key_there_is_none() {
    let env = Env::with_table("CREATE TABLE n (k VARCHAR(9) PRIMARY KEY, v INT)").await;
    env.execute("CREATE TABLE m (v INT)").await;
    env.execute("CREATE TABLE two (a INT, v INT, PRIMARY KEY (a, v))").await;
    let worker = Running::routes(
        &env,
        "[[route]]\nqueue='{q}'\ntable='n'\n[[route]]\nqueue='{q}-m'\ntable='m'\n\
         [[route]]\nqueue='{q}-two'\ntable='two'\n",
        &[],
    );
    let heard = env.subscribe("socket.io#*").await;
    for (count, (suffix, job)) in
        [("", r#"{"k":"x","v":1}"#), ("-m", r#"{"v":1}"#), ("-two", r#"{"a":2,"v":1}"#)].iter().enumerate()
    {
        env.push_raw(suffix, &[job]).await;
        env.done_in(suffix, 1).await;
        let told = pairs(&heard.rows(count + 1).await);
        assert_eq!(told[count], ["\"x\"|1", "null|1", "null|1"][count]);
    }
    worker.stop().await;
}
