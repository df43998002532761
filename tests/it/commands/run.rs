//! Running `rowcast` with a test's servers.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::Env;

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
}

impl Ran {
    /// Fails unless the command ended with this code.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Fails unless standard output holds this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Fails unless standard error holds this text.
    #[track_caller]
    pub(crate) fn complains(self, text: &str) -> Self {
        assert!(self.err.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// `rowcast` with nothing in its environment, in a directory without a `.env`.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowcast"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// `rowcast` on the test's servers and queue.
pub(crate) fn on(env: &Env) -> Command {
    let mut command = bare();
    command.env("REDIS_URL", &env.redis_url).env("DATABASE_URL", &env.database_url);
    command.env("ROWCAST_QUEUE", &env.queue);
    command
}

/// Runs a command to its end; the test's own event loop goes on meanwhile.
pub(crate) async fn run(command: Command) -> Ran {
    run_with(command, b"").await
}

/// Runs a command with something on its standard input.
pub(crate) async fn run_with(mut command: Command, input: &[u8]) -> Ran {
    let input = input.to_vec();
    let began = Instant::now();
    let run = move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: began.elapsed(),
    }
}

/// Runs `rowcast` with these arguments on the test's servers.
pub(crate) async fn rowcast(env: &Env, arguments: &[&str]) -> Ran {
    let mut command = on(env);
    command.args(arguments);
    run(command).await
}
