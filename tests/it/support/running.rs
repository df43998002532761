//! A running `rowcast`, and the questions that tests ask about what it did: rows, dead letters, events, its log.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rowcast::{
    config::SecretUrl,
    emitter::{Broadcast, Message, decode},
    queue::{Admin, Audit, DeadLetter, Link},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Env, Subscriber, eventually, new_folder};

/// Longer than anything here takes, even on a busy machine; only a failure waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `rowcast`. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    reader: Option<thread::JoinHandle<()>>,
    folder: PathBuf,
}

impl Running {
    /// A worker on the test's servers, for one route from variables.
    pub(crate) fn worker(env: &Env, variables: &[(&str, &str)]) -> Self {
        let queue = [("ROWCAST_QUEUE", env.queue.as_str())];
        Self::spawn(env, "worker", "", &[&queue, variables].concat())
    }

    /// A worker for the routes of a file. `{q}` in it stands for the name of the test's queue.
    pub(crate) fn routes(env: &Env, toml: &str, variables: &[(&str, &str)]) -> Self {
        Self::spawn(env, "worker", &toml.replace("{q}", &env.queue), variables)
    }

    /// A worker for one route of a file: its lines but for the queue's.
    pub(crate) fn route(env: &Env, lines: &str) -> Self {
        Self::routes(env, &format!("[[route]]\nqueue = \"{{q}}\"\n{lines}"), &[])
    }

    /// Starts a command of `rowcast`; an empty text of routes is no file.
    pub(crate) fn spawn(env: &Env, command: &str, routes: &str, variables: &[(&str, &str)]) -> Self {
        let folder = new_folder("rowcast");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("routes.toml");
        fs::write(&file, routes).unwrap();
        let file = if routes.is_empty() { "" } else { file.to_str().unwrap() };
        let mut child = Command::new(env!("CARGO_BIN_EXE_rowcast"))
            .arg(command)
            .current_dir(&folder)
            .env_clear()
            .env("REDIS_URL", &env.redis_url)
            .env("DATABASE_URL", &env.database_url)
            .env("ROWCAST_ROUTES", file)
            .env("ROWCAST_LOG", "json")
            .env("ROWCAST_LEASE_SECONDS", "3")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let reader = thread::spawn({
            let log = log.clone();
            move || stderr.lines().for_each(|line| log.lock().unwrap().push(line.unwrap()))
        });
        Self { child, log, reader: Some(reader), folder }
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).unwrap();
    }

    /// The log so far, as it was written.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The lines so far whose message begins like this.
    pub(crate) fn lines(&self, message: &str) -> Vec<Value> {
        said(&self.log(), message)
    }

    /// Waits for so many lines whose message begins like this, and returns all that there are.
    pub(crate) async fn says(&self, count: usize, message: &str) -> Vec<Value> {
        eventually(PATIENCE, &format!("{count} x {message:?} in the log"), async || {
            let lines = self.lines(message);
            if lines.len() >= count { Ok(lines) } else { Err(self.log()) }
        })
        .await
    }

    /// The process still runs.
    pub(crate) fn assert_alive(&mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "the process ended: {:#?}", self.log());
    }

    /// Lets it finish in order, and returns its whole log. It must not have ended before.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.assert_alive();
        self.signal(Signal::SIGTERM);
        let status = self.wait().await;
        assert!(status.success(), "{status}: {:#?}", self.log());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.log()
    }

    /// Waits for the process's own end.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        let log = self.log.clone();
        eventually(PATIENCE, "the process ends", async || {
            self.child.try_wait().unwrap().ok_or_else(|| log.lock().unwrap().clone())
        })
        .await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// The lines of a log whose message begins like this.
pub(crate) fn said(log: &[String], message: &str) -> Vec<Value> {
    let lines = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with(message))).collect()
}

impl Env {
    /// Creates rowcast's own tables, and the one of the default route.
    pub(crate) async fn migrate(&self) {
        self.execute(include_str!("../../../migrations/20261120000001_checkpoints.sql")).await;
        self.execute(include_str!("../../../migrations/20261120000002_pre_qqaccount.sql")).await;
    }

    /// A test's surroundings with rowcast's tables and one of its own.
    pub(crate) async fn with_table(table: &str) -> Self {
        let env = Self::new().await;
        env.migrate().await;
        env.execute(table).await;
        env
    }

    /// The admin's view of a queue; `""` is the test's own, anything else is appended to its name.
    pub(crate) fn admin(&self, suffix: &str) -> Admin {
        let link = Link::new(&SecretUrl::new(&self.redis_url)).unwrap();
        Admin::new(&format!("{}{suffix}", self.queue), link)
    }

    /// Waits until so many jobs of the test's queue have come to their end, and nothing is left over. The audit must
    /// add up.
    pub(crate) async fn done(&self, jobs: u64) -> Audit {
        self.done_in("", jobs).await
    }

    /// As [`Env::done`], for the queue with this suffix.
    pub(crate) async fn done_in(&self, suffix: &str, jobs: u64) -> Audit {
        let admin = self.admin(suffix);
        eventually(PATIENCE, &format!("{jobs} jobs of queue {suffix:?} are done"), async || {
            let audit = admin.audit().await.map_err(|error| error.to_string())?;
            let ended = audit.inserted + audit.duplicate + audit.dead;
            let left = audit.waiting + audit.suspects + audit.in_flight;
            if ended < jobs || left > 0 {
                return Err(format!("{audit:?}"));
            }
            assert_eq!((ended, audit.difference()), (jobs, 0), "{audit:?}");
            Ok(audit)
        })
        .await
    }

    /// Pushes raw jobs, the first one first.
    pub(crate) async fn push_raw(&self, suffix: &str, jobs: &[impl AsRef<[u8]>]) {
        self.admin(suffix).push(jobs).await.unwrap();
    }

    /// Pushes jobs, waits until they are done, and returns the dead letters of the queue, the oldest first.
    pub(crate) async fn run(&self, jobs: &[&str]) -> Vec<DeadLetter> {
        let before = self.admin("").audit().await.unwrap();
        self.push(jobs).await;
        self.done(before.inserted + before.duplicate + before.dead + jobs.len() as u64).await;
        self.letters("").await
    }

    /// The dead letters of a queue, the oldest first.
    pub(crate) async fn letters(&self, suffix: &str) -> Vec<DeadLetter> {
        let letters = self.admin(suffix).dead_letters(0, 100_000).await.unwrap();
        letters.iter().map(|letter| DeadLetter::from_json(letter).unwrap()).collect()
    }

    /// What a query returns, in the server's own text.
    pub(crate) async fn select(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let mut connection = self.sql_connection().await;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
        rows.iter()
            .map(|row| (0..row.len()).map(|at| text(row.try_get_unchecked(at).unwrap())).collect())
            .collect()
    }

    /// What a query returns, one line for each row: values separated by `|`, NULL as it is called.
    pub(crate) async fn lines(&self, sql: &str) -> Vec<String> {
        let line = |row: Vec<Option<String>>| {
            let values = row.into_iter().map(|value| value.unwrap_or_else(|| "NULL".into()));
            values.collect::<Vec<_>>().join("|")
        };
        self.select(sql).await.into_iter().map(line).collect()
    }

    /// A number that the server counts, over all its connections.
    pub(crate) async fn status(&self, name: &str) -> u64 {
        self.select(&format!("SHOW GLOBAL STATUS LIKE '{name}'")).await[0][1]
            .as_ref()
            .unwrap()
            .parse()
            .unwrap()
    }
}

impl Subscriber {
    /// Waits for exactly so many messages, and reads them as broadcasts.
    pub(crate) async fn broadcasts(&self, count: usize) -> Vec<Broadcast> {
        let heard = self.exactly(count, PATIENCE).await;
        let read = heard.iter().map(|message| {
            match decode("socket.io", &message.channel, &message.payload).unwrap() {
                Message::Broadcast(broadcast) => broadcast,
                Message::Request(request) => panic!("a request: {request:?}"),
            }
        });
        read.collect()
    }

    /// Waits for exactly so many rows' events: the data of each, as JSON.
    pub(crate) async fn rows(&self, count: usize) -> Vec<Value> {
        let data = |broadcast: Broadcast| serde_json::to_value(&broadcast.args[0]).unwrap();
        self.broadcasts(count).await.into_iter().map(data).collect()
    }
}
