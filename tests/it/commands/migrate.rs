//! `rowcast migrate`, and sqlx's own migrator on the same folder.

use std::path::Path;

use rowcast::sandbox::Flavour;
use sqlx::{AssertSqlSafe, Executor as _, migrate::Migrator};

use super::run::{bare, on, rowcast, run};
use crate::support::Env;

async fn from_folder() -> Migrator {
    Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))).await.unwrap()
}

#[tokio::test]
async fn rowcast_and_sqlx_migrate_the_same_and_can_take_turns() {
    let (ours, theirs) = (Env::new().await, Env::new().await);
    rowcast(&ours, &["migrate"]).await.ended(0).says("applied 20261120000001 checkpoints");
    from_folder().await.run(&mut theirs.sql_connection().await).await.unwrap();
    let tables = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables \
                  WHERE table_schema = DATABASE() ORDER BY 1";
    let record = "SELECT CONCAT(version, ' ', description, ' ', success, ' ', HEX(checksum)) \
                  FROM _sqlx_migrations ORDER BY version";
    for question in [tables, record] {
        let ask = async |env: &Env| {
            let mut connection = env.sql_connection().await;
            sqlx::query_scalar::<_, String>(AssertSqlSafe(question)).fetch_all(&mut connection).await.unwrap()
        };
        assert_eq!(ask(&ours).await, ask(&theirs).await);
    }
    rowcast(&theirs, &["migrate"]).await.ended(0).says("nothing to do: all 2 migrations");
    from_folder().await.run(&mut ours.sql_connection().await).await.unwrap();
}

#[tokio::test]
async fn a_missing_database_is_created() {
    let env = Env::new().await;
    env.execute(&format!("DROP DATABASE `{}`", env.database)).await;
    rowcast(&env, &["migrate"]).await.ended(0).says(&format!("created database {}", env.database));
    assert_eq!(env.count("pre_qqaccount").await, 0);
}

#[tokio::test]
async fn a_user_who_may_not_create_the_database_is_told_who_must() {
    let env = Env::own_servers().await;
    env.execute("CREATE USER weak@'127.0.0.1' IDENTIFIED BY 'hunter2'").await;
    env.execute("CREATE USER weak@localhost IDENTIFIED BY 'hunter2'").await;
    let mut command = bare();
    // MySQL says of a database that one may not see that access to it is denied.
    let url = format!("mysql://weak:hunter2@127.0.0.1:{}/missing", env.sql_port);
    command.arg("migrate").env("DATABASE_URL", url);
    let ran = run(command).await.ended(1).complains("denied").complains("weak:***@");
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
    assert!(matches!(env.flavour, Flavour::MariaDb | Flavour::MySql));
}

#[tokio::test]
async fn a_server_that_is_away_or_refuses_is_one_sentence() {
    let mut command = bare();
    command.arg("migrate").env("DATABASE_URL", "mysql://root:hunter2@127.0.0.1:1/app");
    let ran =
        run(command).await.ended(1).complains("cannot be reached").complains("root:***@127.0.0.1:1/app");
    let ran = ran.complains("does a server run at 127.0.0.1:1?");
    assert!(!ran.err.contains("hunter2") && ran.err.lines().count() == 1, "{ran:?}");
    let mut command = bare();
    command.arg("migrate");
    run(command).await.ended(64).complains("DATABASE_URL: is not set");
}

#[tokio::test]
async fn a_database_of_a_newer_rowcast_is_left_alone() {
    let env = Env::new().await;
    rowcast(&env, &["migrate"]).await.ended(0);
    let newer = "INSERT INTO _sqlx_migrations VALUES (20990101000000, 'future', NOW(), 1, 'x', 1)";
    env.sql_connection().await.execute(newer).await.unwrap();
    let mut command = on(&env);
    command.arg("migrate");
    run(command).await.ended(1).complains("a newer one was here");
}
