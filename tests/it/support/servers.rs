//! The servers behind the tests. They end with this process, however it ends, and their folders with them.

use std::env;
use std::path::{Path, PathBuf};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use rowcast::sandbox::{Flavour, Redis, RedisOptions, Sql, SqlBinary, SqlOptions, Wanted};
use tokio::sync::OnceCell;
use ulid::Ulid;

use super::PATIENCE;

/// The SQL server that all tests of this process share; each test has its own database on it.
///
/// It may be started by one test's runtime and used by another's: it depends on neither.
pub(crate) async fn shared_sql() -> &'static Sql {
    static SHARED: OnceCell<Sql> = OnceCell::const_new();
    SHARED.get_or_init(|| own_sql(&[])).await
}

/// A new SQL server with an empty database system.
pub(crate) async fn own_sql(extra: &[&str]) -> Sql {
    let binary = sql_binary();
    let options = SqlOptions {
        local_infile: true,
        throwaway: true,
        template: Some(template(&binary)),
        extra: extra.iter().map(ToString::to_string).collect(),
    };
    Sql::start(&new_folder(binary.flavour.name()), &binary, &options).await.expect("an SQL server")
}

/// A new, empty Redis that flushes each write.
pub(crate) async fn own_redis(extra: &[&str]) -> Redis {
    let extra = extra.iter().map(ToString::to_string).collect();
    let options = RedisOptions { flush_always: true, throwaway: true, extra };
    Redis::start(&new_folder("redis"), &options).await.expect("a Redis server")
}

/// A connection to a Redis. The client gives up after half a second by itself, which a busy machine may well take.
pub(crate) async fn redis_connection(url: &str) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let client = redis::Client::open(url).expect("a Redis URL");
    client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection to Redis")
}

/// The SQL server that this run tests with: `ROWCAST_SANDBOX_MYSQLD` names the program, or `ROWCAST_TEST_SQL` says
/// `mariadb` or `mysql`; else MariaDB if it is there.
pub(crate) fn sql_binary() -> SqlBinary {
    let program = env::var_os("ROWCAST_SANDBOX_MYSQLD").map(PathBuf::from);
    let flavour = env::var("ROWCAST_TEST_SQL").unwrap_or_default();
    let wanted = match (flavour.as_str(), &program) {
        ("mariadb", _) => Wanted::Flavour(Flavour::MariaDb),
        ("mysql", None) => Wanted::Flavour(Flavour::MySql),
        ("mysql" | "", Some(program)) => Wanted::Program(program),
        ("", None) => Wanted::Any,
        (other, _) => panic!("ROWCAST_TEST_SQL={other:?}: it must be `mariadb` or `mysql`"),
    };
    SqlBinary::find(wanted).expect("an SQL server's program")
}

/// A folder that no other test uses, and that does not exist yet.
pub(crate) fn new_folder(name: &str) -> PathBuf {
    scratch().join(format!("{name}-{}", Ulid::generate()))
}

/// The prepared data directory of this server in this version.
pub(crate) fn template(binary: &SqlBinary) -> PathBuf {
    let mut name = format!("template-{}-", binary.flavour.name());
    let version = binary.version.split_once("Ver ").map_or("", |(_, version)| version);
    let version = version.split_whitespace().next().unwrap_or_default();
    name.extend(version.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }));
    scratch().join(name)
}

/// Cargo's folder for the integration tests' files.
fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}
