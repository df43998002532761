//! The thread of the child's end: what it hears, what it passes on, and the deadline that it keeps.

use std::{io, process, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{FromChild, FromSupervisor, Role, line};
use crate::signals;

/// What the thread works with.
pub(super) struct End {
    role: Role,
    lines: Option<Lines<BufReader<OwnedReadHalf>>>,
    writer: Option<OwnedWriteHalf>,
    stop: CancellationToken,
    /// What the supervisor says to the child's own loop.
    words: mpsc::Sender<FromSupervisor>,
    drain: Duration,
    deadline: Option<Instant>,
}

impl End {
    pub(super) fn new(
        role: Role,
        stop: CancellationToken,
        drain: Duration,
        words: mpsc::Sender<FromSupervisor>,
    ) -> Self {
        Self { role, lines: None, writer: None, stop, words, drain, deadline: None }
    }

    /// Listens until the last word is said.
    pub(super) async fn attend(
        mut self,
        socket: Option<std::os::unix::net::UnixStream>,
        mut signals: mpsc::UnboundedReceiver<i32>,
        mut messages: mpsc::Receiver<FromChild>,
    ) {
        match socket.map(UnixStream::from_std).transpose() {
            Ok(socket) => {
                let (reader, writer) = socket.map(UnixStream::into_split).unzip();
                self.lines = reader.map(|reader| BufReader::new(reader).lines());
                self.writer = writer;
            }
            Err(error) => self.supervisor_is_gone(&error.to_string()),
        }
        let mut asked_before = false;
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => {
                        self.tell(&message).await;
                        if matches!(message, FromChild::Bye { .. }) { return }
                    }
                    None => return,
                },
                line = next_line(&mut self.lines) => self.hear(line),
                Some(signal) = signals.recv() => {
                    if asked_before { exit_now(self.role, "told to end twice; it ends at once") }
                    asked_before = true;
                    self.stop_within_deadline();
                    tracing::info!(signal = signals::name(signal), "told to end; {}", self.role.ends_by());
                }
                () = reached(self.deadline) => exit_now(self.role, "did not finish within its deadline"),
            }
        }
    }

    fn hear(&mut self, line: io::Result<Option<String>>) {
        match line.map(|line| line.map(|line| serde_json::from_str(&line))) {
            Ok(Some(Ok(FromSupervisor::Drain))) => self.stop.cancel(),
            Ok(Some(Ok(word))) => {
                // A loop that is stuck hears nothing, and need not: the supervisor tells another child.
                if self.words.try_send(word).is_err() {
                    tracing::debug!("nobody here hears what the supervisor says");
                }
            }
            Ok(Some(Err(error))) => {
                tracing::warn!("the supervisor says what this version does not know: {error}")
            }
            Ok(None) => self.supervisor_is_gone("end of file"),
            Err(error) => self.supervisor_is_gone(&error.to_string()),
        }
    }

    fn supervisor_is_gone(&mut self, reason: &str) {
        self.lines = None;
        self.writer = None;
        if !self.stop.is_cancelled() {
            tracing::warn!(reason, "the supervisor is gone; {}", self.role.ends_by());
        }
        self.stop_within_deadline();
    }

    fn stop_within_deadline(&mut self) {
        self.stop.cancel();
        self.deadline.get_or_insert(Instant::now() + self.drain);
    }

    /// A supervisor that is stopped does not read: the message is given up rather than waited for.
    async fn tell(&mut self, message: &FromChild) {
        let (Some(writer), Ok(line)) = (&mut self.writer, line(message)) else { return };
        let written = tokio::time::timeout(Duration::from_secs(1), writer.write_all(&line)).await;
        if !matches!(written, Ok(Ok(()))) {
            // A broken socket shows as its end, which is where it is handled.
            tracing::debug!("the supervisor does not read");
        }
    }
}

async fn next_line(lines: &mut Option<Lines<BufReader<OwnedReadHalf>>>) -> io::Result<Option<String>> {
    match lines {
        Some(lines) => lines.next_line().await,
        None => std::future::pending().await,
    }
}

async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Role {
    fn ends_by(self) -> &'static str {
        match self {
            Self::Worker => "this worker finishes what it holds",
            Self::Gateway => "this gateway closes its connections",
        }
    }
}

/// Whatever is unfinished is for others: that is what rescue is there for, and clients connect again by themselves.
fn exit_now(role: Role, why: &str) -> ! {
    match role {
        Role::Worker => tracing::error!("this worker {why}; what it held will be rescued"),
        Role::Gateway => tracing::error!("this gateway {why}; its clients will connect again"),
    }
    process::exit(1)
}
