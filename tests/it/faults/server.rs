//! A server that refuses: a wrong password, a database that is not there, read-only, too many connections.

use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};

use crate::support::{Env, PATIENCE, Running, eventually, said};

/// Root's connection to the server, in no database.
async fn root(env: &Env) -> MySqlConnection {
    let url = env.database_url.replace(&format!("/{}?", env.database), "/?");
    MySqlConnection::connect(&url).await.unwrap()
}

async fn execute(connection: &mut MySqlConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A user with all rights to the test's database and no others, and the address for it.
async fn user(env: &Env, name: &str, password: &str) -> String {
    let mut root = root(env).await;
    execute(&mut root, &format!("CREATE USER {name} IDENTIFIED BY '{password}'")).await;
    execute(&mut root, &format!("GRANT ALL ON `{}`.* TO {name}", env.database)).await;
    env.database_url.replace("root@", &format!("{name}:{password}@"))
}

/// The server was away once and came back once, by the log of a worker that never ended and never showed a password.
async fn assert_one_outage(mut worker: Running) {
    worker.says("MySQL is back", 1).await;
    worker.assert_alive();
    let log = worker.stop().await;
    let lines = (said(&log, "waiting for").len(), said(&log, "MySQL is back").len());
    assert_eq!(lines, (1, 1), "{log:#?}");
    assert!(!log.concat().contains("hunter2"), "{log:#?}");
}

async fn assert_waits_for(worker: &Running, reason: &str) {
    let line = worker.says("waiting for MySQL", 1).await.remove(0);
    assert!(line["reason"].as_str().unwrap().to_lowercase().contains(reason), "{line}");
}

const JOB: &str = r#"{"time":1,"stamp":"a"}"#;

#[tokio::test]
async fn a_wrong_password_is_waited_for_and_never_shown() {
    let env = Env::new().await;
    env.migrate().await;
    let name = &format!("u{}", &env.database[10..28]);
    let url = user(&env, name, "right").await.replace(":right@", ":hunter2@");
    let worker = Running::worker(&env, &[("DATABASE_URL", &url), ("RUST_LOG", "debug")]);
    assert_waits_for(&worker, "access denied").await;
    assert_waits_for(&worker, "percent-encoded").await;
    env.push(&[JOB]).await;
    execute(&mut root(&env).await, &format!("ALTER USER {name} IDENTIFIED BY 'hunter2'")).await;
    env.done(1).await;
    assert_one_outage(worker).await;
    execute(&mut root(&env).await, &format!("DROP USER {name}")).await;
}

#[tokio::test]
async fn an_unknown_database_is_waited_for() {
    let env = Env::new().await;
    let drop = format!("DROP DATABASE `{}`", env.database);
    execute(&mut root(&env).await, &drop).await;
    let worker = Running::worker(&env, &[]);
    assert_waits_for(&worker, "unknown database").await;
    env.push(&[JOB]).await;
    let mut root = root(&env).await;
    // All in one instant, so that there is no other reason to wait in between.
    execute(&mut root, "SET autocommit = 0").await;
    execute(&mut root, &format!("CREATE DATABASE `{}`", env.database)).await;
    env.migrate().await;
    env.done(1).await;
    worker.says("MySQL is back", 1).await;
    let log = worker.stop().await;
    assert_eq!(
        (said(&log, "waiting for MySQL").len(), said(&log, "MySQL is back").len()),
        (1, 1),
        "{log:#?}"
    );
}

#[tokio::test]
async fn a_server_that_is_read_only_is_waited_for_by_every_route_as_one() {
    let env = Env::own_servers().await;
    env.migrate().await;
    env.execute("CREATE TABLE n (a INT)").await;
    let url = user(&env, "app", "hunter2").await;
    let routes = "[[route]]\nqueue='{q}'\ntable='n'\n[[route]]\nqueue='{q}-two'\ntable='n'\n\
                  [[route]]\nqueue='{q}-idle'\ntable='n'\n";
    let worker = Running::routes(&env, routes, &[("DATABASE_URL", &url)]);
    env.push_raw("", &[r#"{"a":1}"#]).await;
    env.done(1).await;
    let mut root = root(&env).await;
    execute(&mut root, "SET GLOBAL read_only = 1").await;
    env.push_raw("", &[r#"{"a":2}"#]).await;
    assert_waits_for(&worker, "read-only").await;
    env.push_raw("-two", &[r#"{"a":3}"#]).await;
    // An idle route makes steps meanwhile; they prove nothing about MySQL.
    env.admin("-idle").pause().await.unwrap();
    eventually(PATIENCE, "the idle route was let go on", async || {
        env.push_raw("-idle", &[r#"no job"#]).await;
        env.admin("-idle").resume().await.map(|_| ())
    })
    .await;
    eventually(PATIENCE, "the idle route has made a step", async || {
        let audit = env.admin("-idle").audit().await.unwrap();
        if audit.in_flight == 1 { Ok(()) } else { Err(audit) }
    })
    .await;
    execute(&mut root, "SET GLOBAL read_only = 0").await;
    env.done(2).await;
    env.done_in("-two", 1).await;
    env.done_in("-idle", 1).await;
    assert_eq!(env.count("n").await, 3);
    assert_one_outage(worker).await;
}

#[tokio::test]
async fn too_many_connections_are_waited_for() {
    let env = Env::own_servers().await;
    env.migrate().await;
    let url = user(&env, "app", "hunter2").await;
    let mut root = root(&env).await;
    execute(&mut root, "SET GLOBAL max_connections = 10").await;
    let mut taken = Vec::new();
    eventually(PATIENCE, "every connection is taken", async || match MySqlConnection::connect(&url).await {
        Ok(connection) => {
            taken.push(connection);
            Err(taken.len())
        }
        Err(_) => Ok(()),
    })
    .await;
    env.push(&[JOB]).await;
    let worker = Running::worker(&env, &[("DATABASE_URL", &url)]);
    assert_waits_for(&worker, "too many connections").await;
    drop(taken);
    env.done(1).await;
    assert_one_outage(worker).await;
}
