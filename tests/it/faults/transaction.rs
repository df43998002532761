//! Transactions that lose: deadlocks, waits for a lock, and connections that are killed.

use rowcast::{config::SecretUrl, store::Store};
use sqlx::{AssertSqlSafe, Executor as _};

use crate::support::{Env, PATIENCE, Running, eventually, said};

/// How many transactions of the server wait for a lock.
async fn waiting(env: &Env) -> u64 {
    env.status("Innodb_row_lock_current_waits").await
}

async fn until_waiting(env: &Env) {
    eventually(PATIENCE, "the worker waits for a lock", async || match waiting(env).await {
        0 => Err("nobody waits"),
        _ => Ok(()),
    })
    .await;
}

#[tokio::test]
async fn the_victim_of_a_deadlock_tries_again() {
    let env = Env::own_servers().await;
    env.migrate().await;
    env.execute("CREATE TABLE n (k INT PRIMARY KEY)").await;
    let mut other = env.sql_connection().await;
    other.execute("BEGIN").await.unwrap();
    // The larger transaction is not the victim.
    let many: Vec<String> = (1_000..3_000).map(|k| format!("({k})")).collect();
    other.execute(AssertSqlSafe(format!("INSERT INTO n VALUES (2), {}", many.join(",")))).await.unwrap();
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n")]);
    env.push(&[r#"{"k":1}"#, r#"{"k":2}"#, r#"{"k":3}"#]).await;
    until_waiting(&env).await;
    // The worker has row 1 and waits for 2; this session has 2 and wants 1.
    other.execute("INSERT INTO n VALUES (1)").await.unwrap();
    until_waiting(&env).await;
    other.execute("ROLLBACK").await.unwrap();
    let audit = env.done(3).await;
    assert_eq!((audit.inserted, audit.dead), (3, 0));
    let log = worker.stop().await;
    assert!(said(&log, "waiting for").is_empty(), "a lost race is no outage: {log:#?}");
}

#[tokio::test]
async fn a_wait_for_a_lock_that_takes_too_long_is_tried_again() {
    let env = Env::own_servers().await;
    env.migrate().await;
    env.execute("CREATE TABLE n (k INT PRIMARY KEY)").await;
    let mut other = env.sql_connection().await;
    other.execute("BEGIN").await.unwrap();
    other.execute("INSERT INTO n VALUES (2)").await.unwrap();
    let worker = Running::worker(&env, &[("ROWCAST_TABLE", "n"), ("RUST_LOG", "debug")]);
    env.push(&[r#"{"k":1}"#, r#"{"k":2}"#]).await;
    until_waiting(&env).await;
    // It gives up after its own innodb_lock_wait_timeout, rolls back, and waits again.
    eventually(PATIENCE, "the worker gave up", async || match waiting(&env).await {
        0 => Ok(()),
        waiting => Err(waiting),
    })
    .await;
    until_waiting(&env).await;
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(env.done(2).await.inserted, 2);
    worker.stop().await;
}

#[tokio::test]
async fn a_killed_connection_is_replaced() {
    let env = Env::new().await;
    env.migrate().await;
    let heard = env.subscribe("socket.io#*").await;
    let mut worker = Running::worker(&env, &[("ROWCAST_BATCH", "20")]);
    // A worker whose connection dies while it registers ends, to be replaced: it cannot know whether it was fenced.
    env.push(&[r#"{"time":3000,"stamp":"x"}"#]).await;
    env.done(1).await;
    let jobs: Vec<String> = (0..3_000).map(|n| format!(r#"{{"time":{n},"stamp":"x"}}"#)).collect();
    env.push_raw("", &jobs).await;
    let list = format!(
        "SELECT id FROM information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
        env.database
    );
    let mut killer = env.sql_connection().await;
    for round in 0..20 {
        let ids: Vec<i64> =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT CAST(id AS SIGNED) FROM ({list}) p")))
                .fetch_all(&mut killer)
                .await
                .unwrap();
        for id in ids {
            // It may be gone by itself; and sometimes only its statement is ended.
            let what = if round % 4 == 3 { "KILL QUERY" } else { "KILL" };
            killer.execute(AssertSqlSafe(format!("{what} {id}"))).await.ok();
        }
        let before = env.admin("").audit().await.unwrap().inserted;
        eventually(PATIENCE, "the worker goes on", async || {
            let audit = env.admin("").audit().await.unwrap();
            let goes_on = audit.inserted > before || audit.inserted == 3_001;
            if goes_on { Ok(()) } else { Err((audit, worker.log())) }
        })
        .await;
    }
    assert_eq!(env.done(3_001).await.inserted, 3_001);
    assert_eq!(
        env.lines("SELECT COUNT(*), COUNT(DISTINCT accountid) FROM pre_qqaccount").await,
        ["3001|3001"]
    );
    heard.exactly(3_001, PATIENCE).await;
    worker.assert_alive();
    let log = worker.stop().await;
    assert_eq!(said(&log, "waiting for").len(), said(&log, "MySQL is back").len(), "{log:#?}");
}

/// The worker has begun its next transaction, and waits for a job: nothing is at stake.
#[tokio::test]
async fn a_connection_that_is_lost_while_the_queue_is_quiet_is_no_outage() {
    let env = Env::new().await;
    env.migrate().await;
    let worker = Running::worker(&env, &[]);
    env.push(&[r#"{"time":1,"stamp":"x"}"#]).await;
    env.done(1).await;
    let find = format!(
        "SELECT CAST(id AS SIGNED) FROM information_schema.processlist \
         WHERE db = '{}' AND id <> CONNECTION_ID() AND command = 'Sleep' AND time >= 2",
        env.database
    );
    let mut killer = env.sql_connection().await;
    let quiet = eventually(PATIENCE, "the connection is quiet", async || {
        let quiet =
            sqlx::query_scalar::<_, i64>(AssertSqlSafe(find.clone())).fetch_optional(&mut killer).await;
        quiet.unwrap().ok_or("it is not")
    });
    let quiet = quiet.await;
    killer.execute(AssertSqlSafe(format!("KILL {quiet}"))).await.unwrap();
    env.push(&[r#"{"time":2,"stamp":"x"}"#]).await;
    env.done(2).await;
    let log = worker.stop().await;
    assert_eq!(said(&log, "waiting for").len(), 0, "{log:#?}");
}

#[tokio::test]
async fn a_checkpoint_stands_at_once_whatever_the_servers_sessions_begin_with() {
    let env = Env::own_servers().await;
    env.migrate().await;
    let fenced = async || env.lines("SELECT fenced FROM rowcast_checkpoints").await;
    for (settings, back) in
        [("autocommit = 0", "autocommit = 1"), ("completion_type = 'CHAIN'", "completion_type = 'NO_CHAIN'")]
    {
        env.execute(&format!("SET GLOBAL {settings}")).await;
        let mut store = Store::new(&SecretUrl::new(&env.database_url)).unwrap();
        store.register("w", "r").await.unwrap();
        assert_eq!(fenced().await, ["0"], "{settings}");
        store.begin().await.unwrap();
        store.commit("w", "r", 1, "").await.unwrap();
        store.fence("w", "r").await.unwrap();
        assert_eq!(fenced().await, ["1"], "{settings}");
        store.begin().await.unwrap();
        store.rollback().await;
        store.delete_checkpoint("w", "r").await.unwrap();
        assert!(fenced().await.is_empty(), "{settings}");
        env.execute(&format!("SET GLOBAL {back}")).await;
    }
}
