//! `rowcast migrate`, and sqlx's own migrator on the same folder.

use std::{collections::BTreeMap, path::Path};

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
    let ran = ran.complains(
        "let an administrator GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON `missing`.* to the user",
    );
    assert!(!ran.err.contains("hunter2"), "{ran:?}");
}

#[tokio::test]
async fn all_rights_that_are_missing_are_told_before_anything_is_changed() {
    let env = Env::own_servers().await;
    let grant = async |rights: &str, table: &str| {
        for host in ["127.0.0.1", "localhost"] {
            env.execute(&format!("GRANT {rights} ON `{}`.{table} TO weak@{host}", env.database)).await;
        }
    };
    for host in ["127.0.0.1", "localhost"] {
        env.execute(&format!("CREATE USER weak@{host} IDENTIFIED BY 'hunter2'")).await;
    }
    let url = format!("mysql://weak:hunter2@127.0.0.1:{}/{}", env.sql_port, env.database);
    let migrate = async || {
        let mut command = bare();
        command.arg("migrate").env("DATABASE_URL", &url);
        run(command).await
    };
    grant("SELECT, INSERT", "*").await;
    let ran = migrate().await.ended(1).complains("CREATE on rowcast_checkpoints, CREATE on pre_qqaccount");
    let ran = ran.complains("UPDATE on _sqlx_migrations; let an administrator GRANT CREATE, SELECT");
    assert!(!ran.err.contains("INSERT on") && !ran.err.contains("hunter2"), "{ran:?}");
    assert!(env.select("SHOW TABLES").await.is_empty());
    grant("CREATE, UPDATE", "*").await;
    migrate().await.ended(0).says("applied 20261120000001");
    migrate().await.ended(0).says("nothing to do");
}

#[tokio::test]
async fn a_user_with_exactly_the_rights_that_are_told_can_migrate() {
    let env = Env::own_servers().await;
    let grant = async |rights: &str, table: &str| {
        for host in ["127.0.0.1", "localhost"] {
            env.execute(&format!("GRANT {rights} ON `{}`.{table} TO weak@{host}", env.database)).await;
        }
    };
    for host in ["127.0.0.1", "localhost"] {
        env.execute(&format!("CREATE USER weak@{host}")).await;
    }
    // Enough to get into the database.
    env.execute("CREATE TABLE other (a INT)").await;
    grant("SELECT", "other").await;
    let migrate = async || {
        let mut command = bare();
        command.arg("migrate").env("DATABASE_URL", env.database_url.replace("root@", "weak@"));
        run(command).await
    };
    let told = migrate().await.ended(1).err;
    let told = told.split_once("nothing was changed: ").unwrap().1.split_once("; let").unwrap().0;
    let mut rights = BTreeMap::<&str, Vec<&str>>::new();
    for (right, table) in told.split(", ").map(|right| right.split_once(" on ").unwrap()) {
        rights.entry(table).or_default().push(right);
    }
    assert_eq!(rights.len(), 3, "{told}");
    // In one statement for each table: of one that is not there, rights are granted with CREATE among them or not at
    // all.
    for (table, rights) in rights {
        grant(&rights.join(", "), table).await;
    }
    migrate().await.ended(0).says("applied 20261120000001").says("applied 20261120000002");
    migrate().await.ended(0).says("nothing to do");
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
