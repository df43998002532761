//! A test's own surroundings: a database, a Redis, a name for its queue.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use rowcast::sandbox::{Flavour, Redis, Sql};
use sqlx::mysql::MySqlPool;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection};
use ulid::Ulid;

use super::servers::{own_redis, own_sql, redis_connection, shared_sql};
use super::{Subscriber, within};

/// How long a server may take for a simple request.
const LIMIT: Duration = Duration::from_secs(20);

/// What one test works on. Nothing of it is seen by another test: the database is its own, and so is the whole
/// Redis, because channels and the registry of workers carry no queue's name. (A Redis starts in milliseconds; a
/// database on the shared server takes as long.)
pub(crate) struct Env {
    /// The test's own Redis; it may be killed and restarted.
    pub(crate) redis: Redis,
    /// The test's own SQL server: only with [`Env::own_servers`].
    pub(crate) own_sql: Option<Sql>,
    /// The URL of [`Env::redis`]; stays the same over restarts.
    pub(crate) redis_url: String,
    /// The URL of the test's own, empty database; stays the same over restarts.
    pub(crate) database_url: String,
    /// The port of the SQL server, for a [`super::Proxy`] before it.
    pub(crate) sql_port: u16,
    /// The database's name.
    pub(crate) database: String,
    /// A name for the queue, or the beginning of several.
    pub(crate) queue: String,
    /// MariaDB or MySQL.
    pub(crate) flavour: Flavour,
}

impl Env {
    /// A database on the shared SQL server, and a new Redis.
    pub(crate) async fn new() -> Self {
        let (redis, sql) = tokio::join!(own_redis(&[]), shared_sql());
        Self::on(redis, sql).await
    }

    /// Servers that nobody else uses, to be killed, stopped and restarted: `env.redis.kill9()`, `env.sql().kill9()`.
    pub(crate) async fn own_servers() -> Self {
        Self::own_servers_with(&[]).await
    }

    /// As [`Env::own_servers`], with more arguments for the SQL server.
    pub(crate) async fn own_servers_with(extra: &[&str]) -> Self {
        Self::own_servers_as(&[], extra).await
    }

    /// As [`Env::own_servers`], with more arguments for each.
    pub(crate) async fn own_servers_as(redis: &[&str], sql: &[&str]) -> Self {
        let (redis, sql) = tokio::join!(own_redis(redis), own_sql(sql));
        let mut env = Self::on(redis, &sql).await;
        env.own_sql = Some(sql);
        env
    }

    async fn on(redis: Redis, sql: &Sql) -> Self {
        let id = Ulid::generate().to_string().to_lowercase();
        let database = format!("t_{id}");
        sql.create_database(&database).await.expect("a database");
        Self {
            redis_url: redis.url(),
            redis,
            own_sql: None,
            database_url: sql.url(&database),
            sql_port: sql.port(),
            database,
            queue: format!("q:{id}"),
            flavour: sql.flavour(),
        }
    }

    /// The test's own SQL server.
    pub(crate) fn sql(&mut self) -> &mut Sql {
        self.own_sql.as_mut().expect("Env::own_servers() gives a test its own SQL server")
    }

    /// A connection to the test's database.
    pub(crate) async fn sql_connection(&self) -> MySqlConnection {
        let connection = MySqlConnection::connect(&self.database_url);
        within(LIMIT, "a connection to the SQL server", connection).await.expect("a connection")
    }

    /// A pool on the test's database.
    pub(crate) async fn pool(&self) -> MySqlPool {
        let pool = MySqlPool::connect(&self.database_url);
        within(LIMIT, "a pool on the SQL server", pool).await.expect("a pool")
    }

    /// Runs one statement in the test's database.
    pub(crate) async fn execute(&self, statement: &str) {
        let done = self.sql_connection().await.execute(AssertSqlSafe(statement)).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let query = AssertSqlSafe(format!("SELECT COUNT(*) FROM `{table}`"));
        let mut connection = self.sql_connection().await;
        sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("a count")
    }

    /// A connection to the test's Redis.
    pub(crate) async fn redis_connection(&self) -> MultiplexedConnection {
        redis_connection(&self.redis_url).await
    }

    /// LPUSHes jobs to the test's queue, the first one first.
    pub(crate) async fn push(&self, jobs: &[&str]) {
        let mut connection = self.redis_connection().await;
        let pushed = redis::cmd("LPUSH").arg(&self.queue).arg(jobs).query_async::<u64>(&mut connection).await;
        pushed.expect("LPUSH");
    }

    /// Hears everything that is published on channels of this pattern from now on.
    pub(crate) async fn subscribe(&self, pattern: &str) -> Subscriber {
        Subscriber::start(&self.redis_url, pattern).await
    }
}

impl Drop for Env {
    /// Drops the database on the shared server, best effort: the whole server goes when the tests end.
    fn drop(&mut self) {
        if self.own_sql.is_some() {
            return;
        }
        let (url, statement) = (self.database_url.clone(), format!("DROP DATABASE `{}`", self.database));
        // A thread of its own, because a destructor cannot wait on the runtime that it runs in.
        let dropper = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let dropping =
                async { MySqlConnection::connect(&url).await?.execute(AssertSqlSafe(statement)).await };
            // The timer needs the runtime, so it is made inside.
            runtime.block_on(async { tokio::time::timeout(LIMIT, dropping).await })??;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        });
        if let Ok(Err(error)) = dropper.join() {
            eprintln!("the database {} stays until the server ends: {error}", self.database);
        }
    }
}

#[tokio::test]
async fn each_env_has_its_own_database_and_redis() {
    let (one, other) = (Env::new().await, Env::new().await);
    one.execute("CREATE TABLE t (id INT)").await;
    one.execute("INSERT INTO t VALUES (1), (2)").await;
    other.execute("CREATE TABLE t (id INT)").await;
    assert_eq!((one.count("t").await, other.count("t").await), (2, 0));

    one.push(&["a", "b"]).await;
    let mut connection = one.redis_connection().await;
    let oldest: String = redis::cmd("RPOP").arg(&one.queue).query_async(&mut connection).await.unwrap();
    assert_eq!(oldest, "a");
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut other.redis_connection().await).await.unwrap();
    assert_eq!(keys, 0);
}

#[tokio::test]
async fn a_dropped_env_takes_its_database_along() {
    let env = Env::new().await;
    let name = env.database.clone();
    drop(env);
    let other = Env::new().await;
    let mut connection = other.sql_connection().await;
    let found = sqlx::query_scalar::<_, i64>(
        "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?",
    )
    .bind(name)
    .fetch_one(&mut connection)
    .await;
    assert_eq!(found.unwrap(), 0);
}

#[tokio::test]
async fn own_servers_keep_their_urls_and_data_over_a_crash() {
    let mut env = Env::own_servers().await;
    env.execute("CREATE TABLE t (id INT)").await;
    env.execute("INSERT INTO t VALUES (1)").await;
    env.push(&["a"]).await;

    env.sql().kill9().await.unwrap();
    env.redis.kill9().await.unwrap();
    assert!(MySqlConnection::connect(&env.database_url).await.is_err());
    env.sql().restart().await.unwrap();
    env.redis.restart().await.unwrap();

    assert_eq!(env.count("t").await, 1);
    let mut connection = env.redis_connection().await;
    let length: u64 = redis::cmd("LLEN").arg(&env.queue).query_async(&mut connection).await.unwrap();
    assert_eq!(length, 1);
}
