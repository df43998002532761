//! `rowcast up` as a child process, with its log as values that can be waited for.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use ulid::Ulid;

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `rowcast`. Dropping it kills it; its workers then end by themselves.
pub(crate) struct Up {
    child: Child,
    log: Arc<Log>,
    directory: PathBuf,
}

/// The lines that were read so far.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<Value>, bool)>,
    news: Condvar,
}

impl Up {
    /// Starts the supervisor and waits until all its workers are online.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let up = Self::spawn(directory(), &["up"], variables);
        let workers = up.line(|line| says(line, "the supervisor starts"))["workers"].as_u64().unwrap();
        up.lines(workers as usize, |line| says(line, "online"));
        up
    }

    /// Starts `rowcast` in a directory, and nothing more.
    pub(crate) fn spawn(directory: PathBuf, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rowcast"))
            .args(arguments)
            .current_dir(&directory)
            .env_clear()
            .env("ROWCAST_LOG", "json")
            .env("DATABASE_URL", "mysql://root@127.0.0.1:1/app")
            .env("REDIS_URL", "redis://127.0.0.1:1")
            .env("ROWCAST_WORKERS", "2")
            .env("ROWCAST_DRAIN_SECONDS", "10")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn({
            let log = log.clone();
            move || {
                for line in stderr.lines() {
                    let line = line.unwrap();
                    log.lines
                        .lock()
                        .unwrap()
                        .0
                        .push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
                    log.news.notify_all();
                }
                log.lines.lock().unwrap().1 = true;
                log.news.notify_all();
            }
        });
        Self { child, log, directory }
    }

    /// Waits for the first line like this.
    pub(crate) fn line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.lines(1, wanted).remove(0)
    }

    /// Waits until there are so many lines like this, and returns all of them.
    pub(crate) fn lines(&self, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let found = |lines: &[Value]| lines.iter().filter(|line| wanted(line)).cloned().collect::<Vec<_>>();
        let lines = self.log.lines.lock().unwrap();
        let (lines, timeout) = self
            .log
            .news
            .wait_timeout_while(lines, PATIENCE, |(lines, ended)| found(lines).len() < count && !*ended)
            .unwrap();
        let found = found(&lines.0);
        assert!(found.len() >= count, "timed out: {}; the log is {:#?}", timeout.timed_out(), lines.0);
        found
    }

    /// Waits for the end of the log, which is when every process that writes it is gone.
    pub(crate) fn whole_log(&self) -> Vec<Value> {
        let lines = self.log.lines.lock().unwrap();
        let (lines, _) = self.log.news.wait_timeout_while(lines, PATIENCE, |(_, ended)| !*ended).unwrap();
        assert!(lines.1, "someone still writes the log: {:#?}", lines.0);
        lines.0.clone()
    }

    /// The pids of the workers that are forked and have not exited, by slot, as the log tells.
    pub(crate) fn pids(&self) -> Vec<(u64, i32)> {
        let lines = self.log.lines.lock().unwrap();
        let mut pids: Vec<(u64, i32)> = Vec::new();
        for line in &lines.0 {
            match line["message"].as_str() {
                Some("fork") => pids.push((line["slot"].as_u64().unwrap(), pid(line))),
                Some("exit") => pids.retain(|(_, other)| *other != pid(line)),
                _ => {}
            }
        }
        pids.sort_unstable();
        pids
    }

    /// Waits until the running workers, as the log tells, are what is wanted.
    pub(crate) fn until_pids(&self, wanted: impl Fn(&[(u64, i32)]) -> bool) -> Vec<(u64, i32)> {
        eventually(|| Some(self.pids()).filter(|pids| wanted(pids)))
    }

    /// Its own pid.
    pub(crate) fn id(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.id(), signal);
    }

    /// Waits for the supervisor's end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually(|| self.child.try_wait().unwrap())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

/// An empty directory of its own.
pub(crate) fn directory() -> PathBuf {
    let directory = std::env::temp_dir().join(format!("rowcast-up-{}", Ulid::generate()));
    fs::create_dir(&directory).unwrap();
    directory
}

/// Whether a line carries this message, or begins with it.
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

/// Whether a process has ended; one that nobody has reaped counts.
pub(crate) fn is_gone(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with(['Z', 'X']) || rest.is_empty())
}

/// A variable in the environment that a process was started with.
pub(crate) fn variable_of(pid: i32, name: &str) -> Option<String> {
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    let value =
        |entry: &str| entry.split_once('=').filter(|(key, _)| *key == name).map(|(_, v)| v.to_owned());
    environment.split('\0').find_map(value)
}

/// Asks again until there is an answer, within bounds.
pub(crate) fn eventually<T>(mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not happen in time");
        thread::sleep(Duration::from_millis(5));
    }
}
