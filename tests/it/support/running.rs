//! `rowcast` as a child process: what it writes, its signals, its end.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{Env, eventually, new_folder};

/// Longer than anything here takes, even on a busy machine; only a failure waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A running `rowcast`, killed when it is dropped. The workers of a supervisor then end by themselves.
pub(crate) struct Running {
    child: Child,
    written: Arc<Mutex<Written>>,
    folder: PathBuf,
}

/// What was written so far, line by line.
#[derive(Default)]
struct Written {
    /// To standard error; under a supervisor that is the log of all.
    log: Vec<String>,
    /// To standard output.
    printed: Vec<String>,
    /// How many of the two streams have ended: no process writes to them any more.
    ended: usize,
}

impl Running {
    /// A worker on the test's servers, for one route from variables.
    pub(crate) fn worker(env: &Env, variables: &[(&str, &str)]) -> Self {
        let queue = [("ROWCAST_QUEUE", env.queue.as_str())];
        Self::on(env, "worker", "", &[&queue, variables].concat())
    }

    /// A worker for the routes of a file. `{q}` in it stands for the name of the test's queue.
    pub(crate) fn routes(env: &Env, toml: &str, variables: &[(&str, &str)]) -> Self {
        Self::on(env, "worker", toml, variables)
    }

    /// A worker for one route of a file: its lines but for the queue's.
    pub(crate) fn route(env: &Env, lines: &str) -> Self {
        Self::routes(env, &format!("[[route]]\nqueue = \"{{q}}\"\n{lines}"), &[])
    }

    /// Starts a command of `rowcast` on the test's servers; an empty text of routes is no file.
    pub(crate) fn on(env: &Env, command: &str, routes: &str, variables: &[(&str, &str)]) -> Self {
        let folder = empty_folder();
        let file = folder.join("routes.toml");
        fs::write(&file, routes.replace("{q}", &env.queue)).unwrap();
        let hear = hears();
        let defaults = [
            ("REDIS_URL", env.redis_url.as_str()),
            ("DATABASE_URL", env.database_url.as_str()),
            ("ROWCAST_ROUTES", if routes.is_empty() { "" } else { file.to_str().unwrap() }),
            ("ROWCAST_LOG", "json"),
            ("ROWCAST_LEASE_SECONDS", "3"),
            // A test that wants some gives them an address too.
            ("ROWCAST_GATEWAYS", "0"),
            ("ROWCAST_HEAR", &hear),
        ];
        Self::in_folder(folder, &[command], &[&defaults, variables].concat())
    }

    /// Starts `rowcast` in an empty folder, with these variables and no others.
    pub(crate) fn spawn(command: &str, variables: &[(&str, &str)]) -> Self {
        Self::in_folder(empty_folder(), &[command], variables)
    }

    /// Starts `rowcast` in a folder, which goes with it, with these variables and no others.
    pub(crate) fn in_folder(folder: PathBuf, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rowcast"))
            .args(arguments)
            .current_dir(&folder)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let written = Arc::new(Mutex::new(Written::default()));
        read(child.stderr.take().unwrap(), &written, |written| &mut written.log);
        read(child.stdout.take().unwrap(), &written, |written| &mut written.printed);
        Self { child, written, folder }
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Where it runs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap()
    }

    /// The log so far, as it was written.
    pub(crate) fn log(&self) -> Vec<String> {
        self.written().log.clone()
    }

    /// The lines so far whose message begins like this.
    pub(crate) fn said(&self, message: &str) -> Vec<Value> {
        said(&self.log(), message)
    }

    /// Waits for so many lines whose message begins like this, and returns all that there are.
    pub(crate) async fn says(&self, message: &str, times: usize) -> Vec<Value> {
        self.lines(times, |line| says(line, message)).await
    }

    /// Waits for the first line like this.
    pub(crate) async fn line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.lines(1, wanted).await.remove(0)
    }

    /// Waits for so many lines like this, and returns all that there are. A line that is no JSON is a string.
    pub(crate) async fn lines(&self, times: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        eventually(PATIENCE, "the lines are in the log", async || {
            let ended = self.written().ended == 2;
            let lines: Vec<Value> = values(&self.log()).filter(&wanted).collect();
            assert!(lines.len() >= times || !ended, "the log ends without: {:#?}", self.log());
            if lines.len() >= times { Ok(lines) } else { Err(self.log()) }
        })
        .await
    }

    /// Waits for a line on standard output that holds this text, and returns what follows it.
    pub(crate) async fn prints(&self, text: &str) -> String {
        eventually(PATIENCE, &format!("{text:?} is printed"), async || {
            let printed = self.written().printed.clone();
            let rest = printed.iter().find_map(|line| Some(line.split_once(text)?.1.trim().to_owned()));
            rest.ok_or(printed)
        })
        .await
    }

    /// Waits until every process that writes the log is gone, and returns it.
    pub(crate) async fn whole_log(&self) -> Vec<String> {
        eventually(PATIENCE, "nobody writes the log any more", async || {
            if self.written().ended == 2 { Ok(self.log()) } else { Err(self.log()) }
        })
        .await
    }

    /// A supervisor's workers whose latest news is `since` (`fork`, or `online`) and who have not exited, as the log
    /// tells: slot and pid, by slot.
    pub(crate) fn slots(&self, since: &str) -> Vec<(u64, i32)> {
        self.slots_of("worker", since)
    }

    /// The same of its gateways, or of its workers.
    pub(crate) fn slots_of(&self, role: &str, since: &str) -> Vec<(u64, i32)> {
        let mut slots = Vec::new();
        for line in values(&self.log()).filter(|line| line[role].is_string()) {
            if says(&line, since) {
                slots.push((line["slot"].as_u64().unwrap(), pid(&line)));
            } else if says(&line, "exit") {
                slots.retain(|(_, other)| *other != pid(&line));
            }
        }
        slots.sort_unstable();
        slots
    }

    /// The pids of a supervisor's workers that are at work.
    pub(crate) fn workers(&self) -> Vec<i32> {
        self.slots("online").into_iter().map(|(_, pid)| pid).collect()
    }

    /// Whether it runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The process still runs.
    pub(crate) fn assert_alive(&mut self) {
        assert!(self.runs(), "the process ended: {:#?}", self.log());
    }

    /// Waits for the process's own end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let written = self.written.clone();
        eventually(PATIENCE, "the process ends", async || {
            self.child.try_wait().unwrap().ok_or_else(|| written.lock().unwrap().log.clone())
        })
        .await
    }

    /// Kills it, and waits until it is gone and with it what it listened on.
    pub(crate) async fn kill9(&mut self) {
        self.signal(Signal::SIGKILL);
        self.ended().await;
    }

    /// Asks it to end, and waits until it has, in order.
    pub(crate) async fn drain(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.ended().await;
        assert!(status.success(), "{status}: {:#?}", self.log());
    }

    /// Lets it finish in order, and returns its whole log. It must not have ended before.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.assert_alive();
        self.drain().await;
        self.whole_log().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.runs() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        if thread::panicking() {
            eprintln!("--- log of {}\n{}", self.pid(), self.log().join("\n"));
        }
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Keeps the lines of a stream as they come.
fn read(
    stream: impl Read + Send + 'static,
    written: &Arc<Mutex<Written>>,
    place: fn(&mut Written) -> &mut Vec<String>,
) {
    let written = written.clone();
    thread::spawn(move || {
        let lines = BufReader::new(stream).split(b'\n').map_while(Result::ok);
        for line in lines {
            place(&mut written.lock().unwrap()).push(String::from_utf8_lossy(&line).into_owned());
        }
        written.lock().unwrap().ended += 1;
    });
}

/// Which channels gateways hear in this run where a test does not say it: `ROWCAST_TEST_HEAR`, or the default.
pub(crate) fn hears() -> String {
    std::env::var("ROWCAST_TEST_HEAR").unwrap_or_default()
}

/// An empty folder of its own.
pub(crate) fn empty_folder() -> PathBuf {
    let folder = new_folder("rowcast");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn values(log: &[String]) -> impl Iterator<Item = Value> {
    log.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.clone())))
}

/// The lines of a log whose message begins like this.
pub(crate) fn said(log: &[String], message: &str) -> Vec<Value> {
    values(log).filter(|line| says(line, message)).collect()
}

/// Whether a line's message begins like this.
pub(crate) fn says(line: &Value, message: &str) -> bool {
    line["message"].as_str().is_some_and(|text| text.starts_with(message))
}

/// The pid that a line is about.
pub(crate) fn pid(line: &Value) -> i32 {
    line["pid"].as_i64().unwrap() as i32
}

/// Sends a signal to any process.
pub(crate) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// The state of a process in proc(5): `T` for a stopped one; nothing when it is gone.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Waits until a process is stopped.
pub(crate) async fn stopped(pid: i32) {
    eventually(PATIENCE, "the process is stopped", async || match state(pid) {
        Some('T') => Ok(()),
        other => Err(other),
    })
    .await;
}

/// Whether a process has ended; one that nobody has reaped counts.
pub(crate) fn is_gone(pid: i32) -> bool {
    matches!(state(pid), None | Some('Z' | 'X'))
}
