//! What Redis and SQL servers have in common: start on a free port, answer, stop, crash, and come back.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::time::{Instant, sleep, timeout};

use super::folder::Folder;
use super::guardian::{Guarded, Invocation};
use super::port;

/// How long a server may take until it answers; recovery after a crash included.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long one question may take: a server that has stopped answers nothing.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// Between two looks at something that gives no signal of its own.
const POLL: Duration = Duration::from_millis(15);
/// Between two looks at whether a server still runs.
const LOOK: Duration = Duration::from_secs(1);
/// How many ports to try at a first start.
const PORTS_TO_TRY: usize = 20;

/// What one kind of server adds.
pub trait Kind: fmt::Debug {
    /// Its name in errors.
    const NAME: &'static str;

    /// The command line for this port.
    fn invocation(&self, folder: &ServerFolder<'_>, port: u16) -> (PathBuf, Vec<String>);

    /// Succeeds when the server of this folder, and not a stranger on the same port, is ready for work.
    fn answers(&self, folder: &Path, port: u16, pid: i32) -> impl Future<Output = Result<()>> + Send;
}

/// Where a server keeps its things.
#[derive(Debug)]
pub struct ServerFolder<'a>(pub(super) &'a Folder);

/// A server of this process. Dropped, it is told to end, but not waited for: call [`Server::stop`].
#[derive(Debug)]
pub struct Server<K: Kind> {
    kind: K,
    port: u16,
    throwaway: bool,
    // Before the folder: the guardian must be told before the lock is released.
    process: Option<Guarded>,
    folder: Folder,
}

impl<K: Kind> Server<K> {
    /// Starts a server on a free port, and returns when it answers.
    pub(super) async fn launch(folder: Folder, kind: K, throwaway: bool) -> Result<Self> {
        let mut server = Self { kind, port: 0, throwaway, process: None, folder };
        let mut preferred = server.folder.last_port();
        for _ in 0..PORTS_TO_TRY {
            server.port = port::choose(preferred.take())?;
            if server.spawn().await? == Start::Answers {
                server.folder.remember_port(server.port)?;
                return Ok(server);
            }
        }
        bail!("{} found every port taken that it tried in {}", K::NAME, server.folder.path().display())
    }

    /// The loopback port; the same for the whole life of this value.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id, while it runs.
    pub fn pid(&self) -> Option<i32> {
        self.process.as_ref().map(|process| process.pid().as_raw())
    }

    /// The server's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's log file.
    pub fn log(&self) -> PathBuf {
        self.folder.log()
    }

    /// The unix socket, unless the folder's path is too long for one.
    pub fn socket(&self) -> Option<PathBuf> {
        self.folder.socket(SOCKET)
    }

    /// Stops the server gracefully (killed after 30 s), and returns when it is gone. Its data stays.
    pub async fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Kills the server with -9, and returns when it is gone.
    pub async fn kill9(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill9().await,
            None => Ok(()),
        }
    }

    /// Waits until the server ends without having been told to, and says so for whoever must act.
    pub async fn fallen(&mut self) -> String {
        loop {
            let ended = self.process.as_mut().map(|process| (process.pid(), process.ended()));
            if let Some((pid, Ok(Some(status)))) = ended {
                // A shell's words for the end by a signal.
                let how = match status.code() {
                    Some(code @ 129..) => format!("by signal {}", code - 128),
                    _ => format!("with {status}"),
                };
                let (name, log) = (K::NAME, self.folder.log());
                return format!(
                    "{name} of the sandbox, process {pid}, has ended {how}; its log is {}",
                    log.display()
                );
            }
            sleep(LOOK).await;
        }
    }

    /// Starts the server again on the same port and data, stopping it first if it runs; returns when it answers.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        let deadline = Instant::now() + START_LIMIT;
        while self.spawn().await? == Start::PortTaken {
            if Instant::now() > deadline {
                bail!("{} cannot come back: somebody else took port {}", K::NAME, self.port);
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Stops the server's process in its tracks: connections stay open, nothing answers.
    pub fn sigstop(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a stopped process go on.
    pub fn sigcont(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    pub(super) fn kind(&self) -> &K {
        &self.kind
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.process.as_ref().with_context(|| format!("{} does not run", K::NAME))?.signal(signal)
    }

    /// One try to start on `self.port`.
    async fn spawn(&mut self) -> Result<Start> {
        let since = self.folder.log_length();
        let (program, args) = self.kind.invocation(&ServerFolder(&self.folder), self.port);
        let mut process = Guarded::spawn(&self.folder, &Invocation { program, args }, self.throwaway)?;
        let pid = process.pid();
        let started = self.wait_until_it_answers(&mut process).await;
        if started.is_ok() {
            self.process = Some(process);
            return Ok(Start::Answers);
        }
        process.kill9().await?;
        let tail = self.folder.log_tail(since);
        if tail.contains("Address already in use") {
            return Ok(Start::PortTaken);
        }
        started.map(|()| Start::Answers).with_context(|| self.failure(pid, &tail))
    }

    async fn wait_until_it_answers(&self, process: &mut Guarded) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = process.ended()? {
                bail!("it ended with {status}");
            }
            let question = self.kind.answers(self.folder.path(), self.port, process.pid().as_raw());
            let error = match timeout(PROBE_LIMIT, question).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                Err(_) => anyhow!("it takes connections, but answers nothing"),
            };
            if Instant::now() > deadline {
                return Err(error).with_context(|| format!("it is not ready after {START_LIMIT:?}"));
            }
            sleep(POLL).await;
        }
    }

    fn failure(&self, pid: Pid, tail: &str) -> String {
        let log = self.folder.log();
        format!("{} (process {pid}) did not start; the end of {}:\n{tail}\n", K::NAME, log.display())
    }
}

impl<K: Kind> Drop for Server<K> {
    /// A running server's folder is its guardian's to remove; one that was stopped has no guardian any more.
    fn drop(&mut self) {
        if !self.throwaway || self.process.is_some() {
            return;
        }
        if let Err(error) = fs::remove_dir_all(self.folder.path()) {
            tracing::warn!(folder = %self.folder.path().display(), %error, "a throwaway server's folder stays");
        }
    }
}

/// The name of each server's unix socket in its folder.
pub(super) const SOCKET: &str = "sock";

#[derive(Debug, PartialEq, Eq)]
enum Start {
    Answers,
    PortTaken,
}

/// Waits for a condition that nothing announces; tells whether it came true in time.
pub(super) async fn until(limit: Duration, mut condition: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition().await {
        if Instant::now() > deadline {
            return false;
        }
        sleep(POLL).await;
    }
    true
}
