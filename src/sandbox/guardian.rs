//! A server's process, under a guardian: a shell that ends the server when this process is gone.
//!
//! The guardian is the server's parent and is started first, so there is no moment in which the server runs
//! unguarded. (Asking the kernel for a signal at the parent's death would need code between fork and exec, which is
//! unsafe, and would fire when the starting *thread* ends.)

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::folder::{Folder, signal};
use super::server::until;

const SCRIPT: &str = include_str!("guardian.sh");

/// How long a server may take to end after SIGTERM, before it is killed.
const GRACE: Duration = Duration::from_secs(30);
/// After SIGKILL only the kernel's own work remains.
const KILL_GRACE: Duration = Duration::from_secs(10);

/// A program with its arguments.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
}

/// A running server and its guardian. Dropping it ends the server, but does not wait for that.
#[derive(Debug)]
pub(super) struct Guarded {
    /// The guardian. It is std's, not tokio's, because a server outlives the runtime that started it.
    guardian: Child,
    server: Pid,
}

impl Guarded {
    /// Starts a server in its folder. When this process ends, the server is stopped, or (`throwaway`) killed and
    /// removed with its folder.
    pub(super) fn spawn(folder: &Folder, invocation: &Invocation, throwaway: bool) -> Result<Self> {
        let script = folder.path().join("guardian.sh");
        fs::write(&script, SCRIPT)?;
        let mut guardian = Command::new("/bin/sh")
            .arg(script)
            .arg(folder.path())
            .arg(GRACE.as_secs().to_string())
            .arg(if throwaway { "remove" } else { "stop" })
            .arg(&invocation.program)
            .args(&invocation.args)
            .current_dir(folder.path())
            // Out of the terminal's foreground group: Ctrl-C is for rowcast, which drains first.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run /bin/sh")?;
        let stdout = guardian.stdout.take().context("the guardian has no output")?;
        let mut line = String::new();
        // The shell prints it before anything that could take long.
        BufReader::new(stdout).read_line(&mut line)?;
        let server = line.trim().parse().context("the guardian named no process id")?;
        Ok(Self { guardian, server: Pid::from_raw(server) })
    }

    /// The server's process id.
    pub(super) fn pid(&self) -> Pid {
        self.server
    }

    /// The server's exit status once it has ended.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.guardian.try_wait()?)
    }

    /// Sends the server a signal. Its process id is its own until the guardian has been waited for.
    pub(super) fn signal(&self, which: Signal) -> Result<()> {
        signal(self.server, which)
    }

    /// Stops the server gracefully; kills it when that takes too long. Returns when it is gone.
    pub(super) async fn stop(&mut self) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        self.signal(Signal::SIGTERM)?;
        // A stopped process cannot react to the first signal before this one.
        self.signal(Signal::SIGCONT)?;
        if self.ends_within(GRACE).await { Ok(()) } else { self.kill9().await }
    }

    /// Kills the server with -9, and returns when it is gone.
    pub(super) async fn kill9(&mut self) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        self.signal(Signal::SIGKILL)?;
        let gone = self.ends_within(KILL_GRACE).await;
        anyhow::ensure!(gone, "process {} does not end after kill -9", self.server);
        Ok(())
    }

    async fn ends_within(&mut self, limit: Duration) -> bool {
        until(limit, async || !matches!(self.guardian.try_wait(), Ok(None))).await
    }
}
