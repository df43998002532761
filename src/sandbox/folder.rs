//! A server's folder: who may use it, what is remembered in it, and what a crashed run left behind.
//!
//! ```text
//! .sandbox/mariadb/   data/  tmp/  log  log.old  port  pid  lock  sock  guardian.sh
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::server::until;

/// How long a leftover server may take to stop before it is killed.
const LEFTOVER_GRACE: Duration = Duration::from_secs(20);
/// How long the folder's lock may be held by somebody who is just going.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
/// Longest path that fits into the kernel's address of a unix socket.
const SOCKET_PATH_MAX: usize = 107;
/// How much of the log's end is read for an error.
const LOG_TAIL_BYTES: u64 = 4096;
const LOG_TAIL_LINES: usize = 15;

/// A folder that this process alone uses, for as long as the value lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Holds the lock. The kernel releases it with the process, so it is never stale.
    _lock: File,
}

impl Folder {
    /// Creates the folder if need be, and makes it this process's own.
    ///
    /// A server that still runs here is stopped first. It is not adopted: its guardian is ending it already, because
    /// whoever started it is gone (or we would not have the lock), and its options may not be ours.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let mut builder = DirBuilder::new();
        let created = builder.recursive(true).mode(0o700).create(path);
        created.with_context(|| format!("cannot create the sandbox's folder {}", path.display()))?;
        let path = path.canonicalize()?;
        let mut lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"))?;
        // Not at once: a child process between fork and exec holds what its parent has just let go.
        let mut locked = lock.try_lock();
        until(LOCK_PATIENCE, async || {
            locked = lock.try_lock();
            !matches!(locked, Err(TryLockError::WouldBlock))
        })
        .await;
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(path.join("lock")).unwrap_or_default();
                bail!(
                    "another rowcast, process {}, runs the server in {}; stop that one, or use another folder",
                    holder.trim(),
                    path.display()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        lock.set_len(0)?;
        writeln!(lock, "{}", std::process::id())?;
        let folder = Self { path, _lock: lock };
        folder.stop_leftover().await?;
        folder.rotate_log()?;
        Ok(folder)
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the server keeps its data.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// For the server's temporary files. Not the machine's own /tmp: a starting MariaDB removes the temporary tables
    /// that it finds there, those of other running servers too.
    pub(super) fn temporary(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// What the server writes to standard output and standard error.
    pub(super) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// The file with the running server's process id.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.path.join("pid")
    }

    /// A unix socket for the server, unless the folder's path is too long for one: then there is only the port.
    pub(super) fn socket(&self, name: &str) -> Option<PathBuf> {
        Some(self.path.join(name)).filter(|path| path.as_os_str().len() <= SOCKET_PATH_MAX)
    }

    /// The port of the last run.
    pub(super) fn last_port(&self) -> Option<u16> {
        fs::read_to_string(self.path.join("port")).ok()?.trim().parse().ok()
    }

    /// Remembers the port for the next run.
    pub(super) fn remember_port(&self, port: u16) -> Result<()> {
        Ok(fs::write(self.path.join("port"), port.to_string())?)
    }

    /// Length of the log, to read later only what came after.
    pub(super) fn log_length(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |data| data.len())
    }

    /// The last lines of the log, of those written after `since`.
    pub(super) fn log_tail(&self, since: u64) -> String {
        let text = read_from(&self.log(), since.max(self.log_length().saturating_sub(LOG_TAIL_BYTES)));
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    /// Ends a server that a crashed run left here.
    async fn stop_leftover(&self) -> Result<()> {
        let text = fs::read_to_string(self.pid_file()).unwrap_or_default();
        let Some(pid) = text.trim().parse().ok().map(Pid::from_raw) else { return Ok(()) };
        if !self.is_home_of(pid) {
            return Ok(());
        }
        signal(pid, Signal::SIGTERM)?;
        // A stopped process cannot react to the first signal before this one.
        signal(pid, Signal::SIGCONT)?;
        if !until(LEFTOVER_GRACE, async || !self.is_home_of(pid)).await {
            signal(pid, Signal::SIGKILL)?;
        }
        if until(LEFTOVER_GRACE, async || !self.is_home_of(pid)).await {
            return Ok(());
        }
        bail!("the server with process id {pid} still runs in {} and cannot be stopped", self.path.display())
    }

    /// Whether this process is a server of this folder. Its name and arguments prove nothing (Redis overwrites
    /// them, and process ids are used again), but every server works in its own folder.
    fn is_home_of(&self, pid: Pid) -> bool {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&self.path))
    }

    /// Keeps the last run's log and the one before.
    fn rotate_log(&self) -> Result<()> {
        match fs::rename(self.log(), self.path.join("log.old")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// Sends a signal; a process that is gone already is no error.
pub(super) fn signal(pid: Pid, signal: Signal) -> Result<()> {
    match kill(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot send {signal} to process {pid}")),
    }
}

/// The text of a file from an offset on; empty when there is none.
fn read_from(path: &Path, offset: u64) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset))?;
        file.read_to_end(&mut bytes)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("(cannot read {}: {error})", path.display()),
    }
}
