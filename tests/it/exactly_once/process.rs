//! `rowcast` as a child process: its log, its signals, its end.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::scene::LIMIT;
use crate::support::{eventually, new_folder};

/// A running `rowcast`, killed when it is dropped. The workers of a supervisor then end by themselves.
pub(super) struct Rowcast {
    child: Child,
    folder: PathBuf,
}

impl Rowcast {
    /// Starts it in an empty folder, with these variables and no others.
    pub(super) fn spawn(command: &str, variables: &[(&str, &str)]) -> Self {
        let folder = new_folder("rowcast");
        fs::create_dir_all(&folder).unwrap();
        let log = File::create(folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_rowcast"))
            .arg(command)
            .current_dir(&folder)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub(super) fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// What it has logged so far; under a supervisor that is the log of all.
    pub(super) fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.join("log")).unwrap();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The lines that begin with this message.
    pub(super) fn said(&self, message: &str) -> Vec<Value> {
        let says = |line: &Value| line["message"].as_str().is_some_and(|text| text.starts_with(message));
        self.log().into_iter().filter(says).collect()
    }

    /// Waits until it has said something so often.
    pub(super) async fn says(&self, message: &str, times: usize) -> Vec<Value> {
        eventually(LIMIT, message, async || {
            let said = self.said(message);
            if said.len() >= times { Ok(said) } else { Err(self.log()) }
        })
        .await
    }

    /// The pids of a supervisor's workers that are at work.
    pub(super) fn workers(&self) -> Vec<i32> {
        let mut pids = Vec::new();
        for line in self.log() {
            let pid = line["pid"].as_i64().unwrap_or_default() as i32;
            match line["message"].as_str() {
                Some("online") => pids.push(pid),
                Some("exit") => pids.retain(|other| *other != pid),
                _ => {}
            }
        }
        pids
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let (child, folder) = (&mut self.child, &self.folder);
        eventually(LIMIT, "the process ends", async || {
            child.try_wait().unwrap().ok_or_else(|| fs::read_to_string(folder.join("log")))
        })
        .await
    }

    /// Asks it to end, and waits until it has, in order.
    pub(super) async fn drain(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{:#?}", self.log());
    }

    /// Whether it runs.
    pub(super) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Rowcast {
    fn drop(&mut self) {
        if self.runs() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            eprintln!("--- log of {}\n{log}", self.pid());
        }
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Sends a signal to any process.
pub(super) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// The state of a process in proc(5): `T` for a stopped one; nothing when it is gone.
pub(super) fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Waits until a process is stopped.
pub(super) async fn stopped(pid: i32) {
    eventually(LIMIT, "the process is stopped", async || match state(pid) {
        Some('T') => Ok(()),
        other => Err(other),
    })
    .await;
}
