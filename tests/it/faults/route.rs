//! A table, a column or a right that is not there (yet): the route waits and says why, once; others go on; it resumes.

use crate::support::{Env, Running, said};

const GOOD: &str = "[[route]]\nqueue='{q}-good'\ntable='good'\n";

/// A worker with a route that cannot work for now, and one that can.
struct Half {
    env: Env,
    worker: Running,
}

impl Half {
    async fn start(env: Env, route: &str, database_url: &str) -> Self {
        env.migrate().await;
        env.execute("CREATE TABLE good (a INT)").await;
        let routes = format!("[[route]]\nqueue='{{q}}'\n{route}\n{GOOD}");
        let worker = Running::routes(&env, &routes, &[("DATABASE_URL", database_url)]);
        Self { env, worker }
    }

    /// The route says why it waits, once, while the other one goes on.
    async fn waits(&self, reason: &str) {
        self.env.push_raw("", &[r#"{"a":1}"#, r#"{"a":2}"#]).await;
        let line = self.worker.says("waiting for the route", 1).await.remove(0);
        assert!(line["reason"].as_str().unwrap().contains(reason), "{line}");
        for count in 1..4 {
            self.env.push_raw("-good", &[r#"{"a":1}"#]).await;
            self.env.done_in("-good", count).await;
        }
        let audit = self.env.admin("").audit().await.unwrap();
        assert_eq!((audit.waiting + audit.in_flight, audit.dead, audit.difference()), (2, 0, 0), "{audit:?}");
    }

    /// The cause is gone: it goes on by itself, in the same process, and nothing is lost or doubled.
    async fn resumes(mut self) {
        let audit = self.env.done(2).await;
        assert_eq!((audit.inserted, audit.dead), (2, 0));
        assert_eq!(self.env.count("bad").await, 2);
        self.worker.says("the route is back", 1).await;
        self.worker.assert_alive();
        let log = self.worker.stop().await;
        let lines = (said(&log, "waiting for").len(), said(&log, "the route is back").len());
        assert_eq!(lines, (1, 1), "{log:#?}");
    }
}

#[tokio::test]
async fn a_missing_table_is_waited_for() {
    let env = Env::new().await;
    let url = env.database_url.clone();
    let half = Half::start(env, "table='bad'", &url).await;
    half.waits("does not exist").await;
    half.env.execute("CREATE TABLE bad (a INT)").await;
    half.resumes().await;
}

#[tokio::test]
async fn a_table_that_is_dropped_at_work_is_waited_for() {
    let env = Env::with_table("CREATE TABLE bad (a INT)").await;
    let url = env.database_url.clone();
    let half = Half::start(env, "table='bad'", &url).await;
    half.env.push_raw("", &[r#"{"a":0}"#]).await;
    half.env.done(1).await;
    half.env.execute("DROP TABLE bad").await;
    half.env.push_raw("", &[r#"{"a":1}"#]).await;
    half.worker.says("waiting for the route", 1).await;
    half.env.execute("CREATE TABLE bad (a BIGINT, b INT)").await;
    half.env.push_raw("", &[r#"{"a":2,"b":3}"#]).await;
    half.env.done(3).await;
    assert_eq!(half.env.lines("SELECT * FROM bad ORDER BY a").await, ["1|NULL", "2|3"]);
    half.worker.stop().await;
}

#[tokio::test]
async fn a_missing_checkpoint_table_is_waited_for() {
    let env = Env::new().await;
    env.execute("CREATE TABLE bad (a INT)").await;
    let worker = Running::route(&env, "table='bad'");
    let line = worker.says("waiting for the route", 1).await.remove(0);
    assert!(line["reason"].as_str().unwrap().contains("rowcast_checkpoints"), "{line}");
    env.push_raw("", &[r#"{"a":1}"#]).await;
    env.migrate().await;
    env.done(1).await;
    let log = worker.stop().await;
    assert_eq!((said(&log, "waiting for").len(), said(&log, "the route is back").len()), (1, 1), "{log:#?}");
}

#[tokio::test]
async fn a_missing_column_is_waited_for() {
    let env = Env::with_table("CREATE TABLE bad (b INT)").await;
    let url = env.database_url.clone();
    let half = Half::start(env, "table='bad'\ncolumns={a='a'}", &url).await;
    half.waits("no column \"a\"").await;
    half.env.execute("ALTER TABLE bad ADD COLUMN a INT").await;
    half.resumes().await;
}

#[tokio::test]
async fn a_table_without_transactions_is_refused_until_it_has_them() {
    let env = Env::with_table("CREATE TABLE bad (a INT) ENGINE = MyISAM").await;
    let url = env.database_url.clone();
    let half = Half::start(env, "table='bad'", &url).await;
    half.waits("ENGINE = InnoDB").await;
    half.env.execute("ALTER TABLE bad ENGINE = InnoDB").await;
    half.resumes().await;
}

#[tokio::test]
async fn a_missing_right_is_waited_for() {
    let env = Env::with_table("CREATE TABLE bad (a INT)").await;
    let (user, db) = (&env.database[..20].to_owned(), env.database.clone());
    env.execute(&format!("CREATE USER {user} IDENTIFIED BY 'hunter2'")).await;
    for table in ["rowcast_checkpoints", "good"] {
        env.execute(&format!("CREATE TABLE IF NOT EXISTS {table} (a INT)")).await;
        env.execute(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON `{db}`.{table} TO {user}")).await;
        env.execute(&format!("DROP TABLE {table}")).await;
    }
    env.execute(&format!("GRANT SELECT ON `{db}`.bad TO {user}")).await;
    let url = env.database_url.replace("root@", &format!("{user}:hunter2@"));
    let half = Half::start(env, "table='bad'", &url).await;
    half.waits("denied").await;
    half.env.execute(&format!("GRANT INSERT ON `{db}`.bad TO {user}")).await;
    let (execute, log) = (half.env.database_url.clone(), half.worker.log().concat());
    assert!(!log.contains("hunter2"), "{log}");
    let drop_user = sqlx::AssertSqlSafe(format!("DROP USER {user}"));
    half.resumes().await;
    let server = execute.replace(&format!("/{db}"), "/mysql");
    let mut connection = <sqlx::MySqlConnection as sqlx::Connection>::connect(&server).await.unwrap();
    sqlx::raw_sql(drop_user).execute(&mut connection).await.unwrap();
}
