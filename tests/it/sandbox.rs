//! The sandbox's promises, on real servers.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpgid, getpgrp};
use rowcast::sandbox::{Flavour, Redis, RedisOptions, Sandbox, Sql, SqlOptions, Wanted};
use sqlx::{Connection, Executor, MySqlConnection};

use crate::support::{
    Env, eventually, new_folder, redis_connection, running::is_gone, sql_binary, template, within,
};

const LIMIT: Duration = Duration::from_secs(60);

/// Names the folder for [`holder`], in the process that is to be killed.
const FOLDER: &str = "ROWCAST_TEST_SANDBOX_FOLDER";

/// A folder that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(new_folder("sandbox"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// Starts a sandbox whose SQL server is the one under test, from a prepared data directory.
async fn start(root: &Path) -> Sandbox {
    let binary = sql_binary();
    let options = SqlOptions { template: Some(template(&binary)), ..SqlOptions::default() };
    Sandbox::start_with(root, &binary, &RedisOptions::default(), &options).await.expect("a sandbox")
}

async fn connect(sandbox: &Sandbox, database: &str) -> MySqlConnection {
    MySqlConnection::connect(&sandbox.sql.url(database)).await.expect("a connection")
}

async fn gone(pid: i32) {
    eventually(LIMIT, "the server is gone", async || if is_gone(pid) { Ok(()) } else { Err(pid) }).await;
}

/// Not a test: the process that [`killed_holder`] starts. It starts a sandbox, says so, and waits to be killed.
#[tokio::test]
#[ignore = "a helper process of other tests"]
async fn holder() {
    let Some(root) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let sandbox = start(&root).await;
    sandbox.sql.create_database("kept").await.unwrap();
    connect(&sandbox, "kept").await.execute("CREATE TABLE IF NOT EXISTS t (id INT)").await.unwrap();
    let pids = format!("{} {}", sandbox.redis.pid().unwrap(), sandbox.sql.pid().unwrap());
    fs::write(root.join("ready.new"), pids).unwrap();
    fs::rename(root.join("ready.new"), root.join("ready")).unwrap();
    std::future::pending::<()>().await;
}

/// Starts servers in a process of their own, lets `before` happen, kills that process with -9, and returns the
/// servers' process ids.
async fn killed_holder(root: &Path, before: impl FnOnce(&[i32])) -> Vec<i32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sandbox::holder", "--ignored", "--nocapture"])
        .env(FOLDER, root)
        .spawn()
        .unwrap();
    let pids =
        eventually(LIMIT, "the holder's servers run", async || fs::read_to_string(root.join("ready"))).await;
    let pids: Vec<i32> = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(!pids.iter().any(|pid| is_gone(*pid)));
    before(&pids);
    child.kill().unwrap();
    child.wait().unwrap();
    pids
}

#[tokio::test]
async fn servers_end_when_their_starter_is_killed() {
    let root = Scratch::new();
    for pid in killed_holder(&root.0, |_| {}).await {
        gone(pid).await;
    }
}

#[tokio::test]
async fn a_stopped_server_ends_too_when_its_starter_is_killed() {
    let root = Scratch::new();
    let stop = |pids: &[i32]| pids.iter().for_each(|pid| kill(Pid::from_raw(*pid), Signal::SIGSTOP).unwrap());
    for pid in killed_holder(&root.0, stop).await {
        gone(pid).await;
    }
}

#[tokio::test]
async fn a_server_left_by_a_crashed_run_is_stopped_before_a_new_one_starts() {
    let root = Scratch::new();
    // The guardians go first, so that nobody ends the servers.
    let left = killed_holder(&root.0, |pids| {
        for pid in pids {
            kill(Pid::from_raw(-getpgid(Some(Pid::from_raw(*pid))).unwrap().as_raw()), Signal::SIGSTOP)
                .unwrap();
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            let guardian = stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            kill_children_but(guardian, *pid);
            kill(Pid::from_raw(guardian), Signal::SIGKILL).unwrap();
            kill(Pid::from_raw(*pid), Signal::SIGCONT).unwrap();
        }
    });
    let left = left.await;
    assert!(!left.iter().any(|pid| is_gone(*pid)), "the servers should have been left behind");

    let mut sandbox = start(&root.0).await;
    for pid in left {
        gone(pid).await;
    }
    let rows = connect(&sandbox, "kept").await.execute("INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(rows.rows_affected(), 1);
    sandbox.stop().await.unwrap();
}

/// Kills a guardian's watcher, which would otherwise do its duty.
fn kill_children_but(guardian: i32, server: i32) {
    let children = fs::read_to_string(format!("/proc/{guardian}/task/{guardian}/children")).unwrap();
    for child in
        children.split_whitespace().map(|child| child.parse().unwrap()).filter(|child| *child != server)
    {
        kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
    }
}

#[tokio::test]
async fn a_second_start_goes_on_with_the_data_and_the_ports() {
    let root = Scratch::new();
    let mut sandbox = start(&root.0).await;
    let ports = (sandbox.redis.port(), sandbox.sql.port());
    sandbox.sql.create_database("kept").await.unwrap();
    let mut connection = connect(&sandbox, "kept").await;
    connection.execute("CREATE TABLE t (id INT)").await.unwrap();
    connection.execute("INSERT INTO t VALUES (7)").await.unwrap();
    let mut redis = redis_connection(&sandbox.redis.url()).await;
    redis::cmd("SET").arg("kept").arg("yes").query_async::<()>(&mut redis).await.unwrap();
    let pids = [sandbox.redis.pid().unwrap(), sandbox.sql.pid().unwrap()];
    sandbox.stop().await.unwrap();
    assert!(pids.iter().all(|pid| is_gone(*pid)), "stop returned before the servers were gone");
    drop(sandbox);

    let mut sandbox = start(&root.0).await;
    assert_eq!((sandbox.redis.port(), sandbox.sql.port()), ports);
    let mut connection = connect(&sandbox, "kept").await;
    let id: i32 = sqlx::query_scalar("SELECT id FROM t").fetch_one(&mut connection).await.unwrap();
    assert_eq!(id, 7);
    let mut redis = redis_connection(&sandbox.redis.url()).await;
    let kept: String = redis::cmd("GET").arg("kept").query_async(&mut redis).await.unwrap();
    assert_eq!(kept, "yes");
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_long_path_with_spaces_is_served_without_a_unix_socket() {
    let root = Scratch::new();
    let long = root.0.join("a folder with a long name, ".repeat(5));
    let mut sandbox = Sandbox::start(&long, Wanted::Program(&sql_binary().path)).await.unwrap();
    assert_eq!((sandbox.redis.socket(), sandbox.sql.socket()), (None, None));
    connect(&sandbox, "").await.ping().await.unwrap();
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_data_directory_left_half_made_is_not_used() {
    let root = Scratch::new();
    let binary = sql_binary();
    let folder = root.0.join(binary.flavour.name());
    fs::create_dir_all(folder.join("data.unfinished-1")).unwrap();
    let mut sandbox = start(&root.0).await;
    connect(&sandbox, "").await.ping().await.unwrap();
    assert!(
        !folder.join("data.unfinished-1").exists(),
        "the half-made data directory should have been removed"
    );
    sandbox.stop().await.unwrap();
}

#[tokio::test]
async fn a_restarted_server_waits_for_its_port_when_somebody_took_it() {
    let mut env = Env::own_servers().await;
    env.redis.stop().await.unwrap();
    env.sql().stop().await.unwrap();
    let taken = [env.redis.port(), env.sql_port].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    let sql = env.own_sql.as_mut().unwrap();
    let (log_of_redis, log_of_sql) = (env.redis.log(), sql.log());
    let release = async {
        for log in [log_of_redis, log_of_sql] {
            eventually(LIMIT, "the server has found its port taken", async || {
                let text = fs::read_to_string(&log).unwrap();
                if text.contains("Address already in use") { Ok(()) } else { Err(text) }
            })
            .await;
        }
        drop(taken);
    };
    let (redis, sql, ()) = tokio::join!(env.redis.restart(), sql.restart(), release);
    redis.and(sql).unwrap();
    env.execute("CREATE TABLE t (id INT)").await;
}

#[tokio::test]
async fn a_new_start_takes_another_port_when_the_last_one_is_taken() {
    let root = Scratch::new();
    let mut redis = Redis::start(&root.0, &RedisOptions::default()).await.unwrap();
    let last = redis.port();
    redis.stop().await.unwrap();
    drop(redis);
    let taken = TcpListener::bind(("127.0.0.1", last)).unwrap();
    let mut redis = Redis::start(&root.0, &RedisOptions::default()).await.unwrap();
    assert_ne!(redis.port(), last);
    redis.stop().await.unwrap();
    drop(taken);
}

#[tokio::test]
async fn the_lines_for_people_work_as_they_are_printed() {
    let env = Env::own_servers().await;
    let sql = env.own_sql.as_ref().unwrap();
    for (line, expected) in [
        (format!("{} LPUSH {} '{{\"time\":1}}'", env.redis.client_line(), env.queue), "1"),
        (format!("{} -N -e 'SELECT DATABASE()'", sql.client_line(&env.database)), &env.database),
    ] {
        let output = tokio::process::Command::new("sh").args(["-c", &line]).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert_eq!(said, expected, "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_refused() {
    let env = Env::new().await;
    let error = Redis::start(env.redis.folder(), &RedisOptions::default()).await.unwrap_err();
    let holder = format!("another rowcast, process {}, runs the server in", std::process::id());
    assert!(error.to_string().contains(&holder), "{error:#}");
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_the_end_of_its_log() {
    let extra = vec!["--no-such-option=1".to_owned()];
    let options = RedisOptions { throwaway: true, extra: extra.clone(), ..RedisOptions::default() };
    let error = Redis::start(&new_folder("bad"), &options).await.unwrap_err();
    assert!(format!("{error:#}").contains("no-such-option"), "{error:#}");

    let binary = sql_binary();
    let options = SqlOptions { throwaway: true, extra, ..SqlOptions::default() };
    let error = Sql::start(&new_folder("bad"), &binary, &options).await.unwrap_err();
    assert!(format!("{error:#}").contains("no-such-option"), "{error:#}");
}

#[tokio::test]
async fn a_stopped_server_is_silent_until_it_goes_on() {
    let env = Env::new().await;
    let mut connection = env.redis_connection().await;
    env.redis.sigstop().unwrap();
    let ping = redis::cmd("PING");
    let silent =
        tokio::time::timeout(Duration::from_millis(50), ping.query_async::<String>(&mut connection)).await;
    assert!(silent.is_err(), "a stopped server answered: {silent:?}");
    env.redis.sigcont().unwrap();
    let mut connection = env.redis_connection().await;
    within(LIMIT, "PONG", ping.query_async::<String>(&mut connection)).await.unwrap();
}

#[tokio::test]
async fn servers_are_out_of_reach_of_the_terminals_ctrl_c() {
    let env = Env::own_servers().await;
    for pid in [env.redis.pid(), env.own_sql.as_ref().unwrap().pid()] {
        assert_ne!(getpgid(Some(Pid::from_raw(pid.unwrap()))).unwrap(), getpgrp());
    }
}

#[tokio::test]
async fn the_sql_server_has_its_own_default_durability() {
    let env = Env::new().await;
    let mut connection = env.sql_connection().await;
    let flush: i64 = sqlx::query_scalar("SELECT CAST(@@innodb_flush_log_at_trx_commit AS SIGNED)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let binary_log: i64 =
        sqlx::query_scalar("SELECT CAST(@@log_bin AS SIGNED)").fetch_one(&mut connection).await.unwrap();
    assert_eq!(flush, 1);
    // MySQL has it by default, MariaDB has not.
    assert_eq!(binary_log == 1, env.flavour == Flavour::MySql);
}

#[tokio::test]
async fn a_sql_server_keeps_its_temporary_tables_from_other_servers() {
    let env = Env::own_servers().await;
    let mut connection = env.sql_connection().await;
    let folder: String = sqlx::query_scalar("SELECT @@tmpdir").fetch_one(&mut connection).await.unwrap();
    assert!(Path::new(&folder).starts_with(env.own_sql.as_ref().unwrap().folder()), "{folder}");
}

#[tokio::test]
async fn servers_listen_on_the_loopback_only() {
    let env = Env::own_servers().await;
    let ports = [env.redis.port(), env.sql_port];
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap()
        + &fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    // The kernel writes 127.0.0.1 as one hexadecimal number in the machine's order of bytes, and 0A for LISTEN.
    let loopback = format!("{:08X}", u32::from_ne_bytes([127, 0, 0, 1]));
    for port in ports {
        let suffix = format!(":{port:04X}");
        let listening: Vec<&str> = sockets
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|fields| fields.len() > 3 && fields[3] == "0A" && fields[1].ends_with(&suffix))
            .map(|fields| fields[1])
            .collect();
        assert_eq!(listening, [format!("{loopback}{suffix}")]);
    }
}
