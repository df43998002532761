//! `rowcast up --sandbox`: everything starts with one command, and everything ends with Ctrl-C.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use nix::sys::signal::Signal;

use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, MySqlConnection};

use super::run::{bare, run};
use crate::gateway::clients_at;
use crate::support::{
    PATIENCE, Running, eventually, new_folder,
    running::{empty_folder, is_gone, send},
    sql_binary,
};

/// What the banner shows the row of its job with.
const NEWEST: &str = r#"SELECT * FROM pre_qqaccount WHERE openid = "a" ORDER BY id DESC LIMIT 1"#;

/// A running `rowcast up --sandbox`.
struct Sandbox {
    up: Running,
    folder: PathBuf,
}

impl Sandbox {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &[("ROWCAST_GATEWAYS", "0")])
    }

    fn start_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mysqld = sql_binary().path;
        let all =
            ["up", "--sandbox", "--dir", folder.to_str().unwrap(), "--mysqld", mysqld.to_str().unwrap()];
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [&[("PATH", path.as_str())], variables].concat();
        let up = Running::in_folder(empty_folder(), &[&all, arguments].concat(), &variables);
        Self { up, folder: folder.to_owned() }
    }

    /// Waits for a line that holds this text, and returns what follows it.
    async fn line(&self, text: &str) -> String {
        self.up.prints(text).await
    }

    /// The process ids of both servers.
    fn servers(&self) -> Vec<i32> {
        let pid =
            |folder: &str| fs::read_to_string(self.folder.join(folder).join("pid")).ok()?.trim().parse().ok();
        [pid("redis"), pid(sql_binary().flavour.name())].into_iter().flatten().collect()
    }

    /// The process ids of its workers.
    fn children(&self) -> Vec<i32> {
        let id = self.up.pid();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    fn interrupt(&self) {
        self.up.signal(Signal::SIGINT);
    }

    async fn ended(&mut self) -> i32 {
        self.up.ended().await.code().unwrap_or(-1)
    }
}

async fn shell(line: &str) -> String {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    run(command).await.ended(0).out.trim().to_owned()
}

#[tokio::test]
async fn what_is_printed_works_ctrl_c_stops_all_of_it_and_a_second_start_has_the_data() {
    let folder = new_folder("up it's a sandbox");
    let mut up = Sandbox::start(&folder, &[]);
    let (push, look, status) =
        (up.line("Push a job:").await, up.line("See its row:").await, up.line("Who works:").await);
    assert!(push.ends_with(r#"LPUSH message '{"time":1,"stamp":"a"}'"#), "{push}");
    shell(&push.replace("LPUSH message", "LPUSH kept")).await;
    shell(&look.replace(NEWEST, "INSERT INTO pre_qqaccount VALUES (7, 70707, \"a\")")).await;
    assert!(shell(&look).await.contains("70707"));
    assert!(shell(&status).await.contains("message"));
    let settings = up.line("Settings:").await;
    let check = format!("{settings}; {} check", env!("CARGO_BIN_EXE_rowcast"));
    assert!(shell(&check).await.contains("No problems."));

    let pids = [up.servers(), up.children()].concat();
    assert!(up.servers().len() == 2 && !pids.iter().any(|pid| is_gone(*pid)), "{pids:?}");
    up.interrupt();
    assert_eq!(up.ended().await, 0);
    assert!(pids.iter().all(|pid| is_gone(*pid)), "still there: {pids:?}");

    let mut up = Sandbox::start(&folder, &[]);
    let (push, look) = (up.line("Push a job:").await, up.line("See its row:").await);
    assert!(shell(&look).await.contains("70707"));
    assert_eq!(shell(&push.replace("LPUSH message", "LPUSH kept")).await, "2");
    up.interrupt();
    assert_eq!(up.ended().await, 0);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_gateway_has_another_port_when_its_own_is_taken_and_the_banner_says_which() {
    // Whoever has it, the sandbox does not.
    let _taken = std::net::TcpListener::bind("127.0.0.1:8080");
    let folder = new_folder("up-gateway");
    let mut up = Sandbox::start_with(&folder, &["--workers", "1"], &[]);
    let url = up.line("For browsers:").await;
    assert!(url.starts_with("http://127.0.0.1:") && !url.contains(":8080/"), "{url}");
    let (mut clients, _) = clients_at(url.split('/').nth(2).unwrap(), &["/#pre_qqaccount"]).await;
    clients.tell(json!({"client": "/#pre_qqaccount", "emit": ["subscribe", "pre_qqaccount"]})).await;
    assert_eq!(clients.line().await["answer"][0]["ok"], true);
    shell(&up.line("Push a job:").await).await;
    let row = clients.line().await;
    assert_eq!((&row["event"], &row["args"][0]["row"]["openid"]), (&json!("row"), &json!("a")), "{row}");
    up.interrupt();
    assert_eq!(up.ended().await, 0);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn ctrl_c_during_the_start_stops_what_has_been_started() {
    let folder = new_folder("up-early");
    let mut up = Sandbox::start(&folder, &[]);
    let pid = async || up.servers().first().copied().ok_or("no server yet");
    let redis = eventually(PATIENCE, "a server has been started", pid).await;
    up.interrupt();
    assert_eq!(up.ended().await, 0);
    let gone = async || if is_gone(redis) { Ok(()) } else { Err(redis) };
    eventually(PATIENCE, "the server is gone", gone).await;
}

#[tokio::test]
async fn the_demo_shows_how_the_queue_stands_and_a_second_one_in_its_folder_says_who_has_it() {
    let folder = new_folder("up-demo");
    let mut up = Sandbox::start(&folder, &["--demo"]);
    up.line("Push a job:").await;
    let hear = up.line("Hear events:").await;
    up.line("inserted").await;
    // Three events of the demo's jobs: each a line with the kind, the pattern, the channel and the message.
    let heard = shell(&format!("timeout 60 {hear} | head -16")).await;
    assert!(heard.contains("socket.io#/#pre_qqaccount#") && heard.contains("demo-"), "{heard}");
    let mut second = bare();
    second.args(["up", "--sandbox", "--dir"]).arg(&folder).arg("--mysqld").arg(sql_binary().path);
    let holder = format!("another rowcast, process {}, runs the server in", up.up.pid());
    run(second).await.ended(1).complains(&holder);
    up.interrupt();
    assert_eq!(up.ended().await, 0);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn bad_configuration_is_told_before_a_server_is_started() {
    let folder = new_folder("up-bad");
    let mut command = bare();
    command.args(["up", "--sandbox", "--workers", "few", "--dir"]).arg(&folder);
    run(command).await.ended(64).complains("ROWCAST_WORKERS");
    assert!(!folder.exists());
    let mut command = bare();
    command.args(["up", "--sandbox", "--mysqld", "/bin/true", "--dir"]).arg(&folder);
    run(command).await.ended(1).complains("is no SQL server");
}

#[tokio::test]
async fn the_demos_jobs_become_rows_and_go_on_after_a_restart() {
    let folder = new_folder("up-rows");
    let mut before = 0;
    for _ in 0..2 {
        let mut up = Sandbox::start(&folder, &["--demo"]);
        let (push, look) = (up.line("Push a job:").await, up.line("See its row:").await);
        shell(&push).await;
        let count = look.replace(NEWEST, "SELECT COUNT(*) FROM pre_qqaccount");
        let count = count.replace(" -e ", " -N -e ");
        before = eventually(PATIENCE, "more rows are there", async || {
            let rows: u64 = shell(&count).await.parse().unwrap();
            if rows >= before + 10 { Ok(rows) } else { Err(rows) }
        })
        .await;
        let pushed =
            count.replace("COUNT(*) FROM pre_qqaccount", "COUNT(*) FROM pre_qqaccount WHERE openid = \"a\"");
        let ours =
            async || if shell(&pushed).await == "0" { Err("no row of the pasted job") } else { Ok(()) };
        eventually(PATIENCE, "the pasted job is a row", ours).await;
        up.interrupt();
        assert_eq!(up.ended().await, 0);
    }
    fs::remove_dir_all(folder).unwrap();
}

/// The table is the README's, the demo's jobs and the banner's fit it, and until it is there nothing is pushed.
#[tokio::test]
async fn the_demo_pushes_what_the_table_of_an_own_route_takes_and_nothing_before_it_can() {
    let folder = new_folder("up-orders");
    let columns = "order_no=no,customer=/buyer/id,total=total,placed_at=ts as unix_ms";
    let variables = [
        ("ROWCAST_GATEWAYS", "0"),
        ("ROWCAST_QUEUE", "orders"),
        ("ROWCAST_TABLE", "orders"),
        ("ROWCAST_COLUMNS", columns),
        ("ROWCAST_DEDUPE", "order_no"),
        ("ROWCAST_UNKNOWN", "column:details"),
        ("ROWCAST_LOG", "json"),
    ];
    let mut up = Sandbox::start_with(&folder, &["--demo"], &variables);
    assert!(up.line("Push a job:").await.contains("nothing would go in yet: table orders does not exist"));
    up.up.says("the demo pushes nothing to queue \"orders\": table orders does not exist", 1).await;
    let settings = up.line("Settings:").await;
    assert!(up.line("Who works:").await.ends_with(" --queue orders"));
    let (status, dead) = ("status --json", "dead list --json");
    let rowcast =
        async |line: &str| shell(&format!("{settings}; {} {line}", env!("CARGO_BIN_EXE_rowcast"))).await;
    let queue = async || serde_json::from_str::<Value>(&rowcast(status).await).unwrap()["queues"][0].clone();
    assert_eq!(queue().await["waiting"], 0);

    let url = settings.split_once("DATABASE_URL=").unwrap().1.split(' ').next().unwrap().trim_matches('\'');
    let table = "CREATE TABLE orders (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
                 order_no VARCHAR(40) NOT NULL UNIQUE, customer BIGINT NOT NULL, total DECIMAL(12,2) NOT NULL, \
                 placed_at DATETIME(3) NOT NULL, details JSON NULL)";
    MySqlConnection::connect(url).await.unwrap().execute(table).await.unwrap();
    up.up.says("the demo pushes jobs to queue \"orders\"", 1).await;
    eventually(PATIENCE, "the demo's jobs are rows", async || {
        let queue = queue().await;
        if queue["rows"].as_u64() >= Some(8) { Ok(()) } else { Err(queue) }
    })
    .await;
    assert_eq!(queue().await["dead"], 0, "{}", rowcast(dead).await);
    up.interrupt();
    assert_eq!(up.ended().await, 0);

    // Now that there is a table, the banner has a job for it, and shows its row and not the demo's.
    let mut up = Sandbox::start_with(&folder, &["--demo"], &variables);
    let (push, look) = (up.line("Push a job:").await, up.line("See its row:").await);
    assert_eq!(shell(&look).await, "");
    shell(&push).await;
    let number = push.split("\"no\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let row = eventually(PATIENCE, "its row is shown", async || {
        Some(shell(&look).await).filter(|row| !row.is_empty()).ok_or("no row")
    })
    .await;
    assert!(row.contains(&number) && row.lines().count() == 2, "{row}");
    up.interrupt();
    assert_eq!(up.ended().await, 0);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_server_that_ends_by_itself_is_told_with_its_log_and_what_to_do() {
    let folder = new_folder("up-fallen");
    let mut up = Sandbox::start(&folder, &["--log", "json"]);
    up.line("Push a job:").await;
    let sql = sql_binary().flavour.name();
    for (server, name) in up.servers().into_iter().zip(["redis-server", "the SQL server"]) {
        send(server, Signal::SIGKILL);
        let told =
            up.up.says(&format!("{name} of the sandbox, process {server}, has ended by signal 9"), 1).await;
        let text = told[0]["message"].as_str().unwrap();
        let log = folder
            .canonicalize()
            .unwrap()
            .join(if name == "redis-server" { "redis" } else { sql })
            .join("log");
        assert!(text.contains(log.to_str().unwrap()) && text.contains("start again"), "{text}");
    }
    up.interrupt();
    up.ended().await;
    let mut up = Sandbox::start(&folder, &[]);
    shell(&up.line("Push a job:").await).await;
    up.interrupt();
    assert_eq!(up.ended().await, 0);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_port_that_somebody_else_has_is_not_offered_to_browsers() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = new_folder("up-taken");
    let variables = [("ROWCAST_LISTEN", address.as_str()), ("ROWCAST_WORKERS", "1")];
    let mut up = Sandbox::start_with(&folder, &[], &variables);
    let said = up.line("For browsers:").await;
    assert_eq!(
        said,
        format!("nothing, because {address} is taken by another program; free it, or set ROWCAST_LISTEN")
    );
    up.interrupt();
    assert_eq!(up.ended().await, 0);
    fs::remove_dir_all(folder).unwrap();
}
