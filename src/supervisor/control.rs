//! The supervisor's end of a control socket. The messages stand in [`crate::control`].

use std::io::{self, Write as _};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::UnixStream,
};

use crate::control::{self, FromChild, FromSupervisor};

/// What comes out of the socket.
#[derive(Debug)]
pub(super) enum Heard {
    /// The child told something.
    Message(FromChild),
    /// The child closed its end. It is said once.
    End,
}

/// One end of a control socket.
#[derive(Debug)]
pub(super) struct Line {
    lines: Option<Lines<BufReader<UnixStream>>>,
    writer: std::os::unix::net::UnixStream,
}

impl Line {
    /// Takes over a socket.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn new(socket: std::os::unix::net::UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let writer = socket.try_clone()?;
        Ok(Self { lines: Some(BufReader::new(UnixStream::from_std(socket)?).lines()), writer })
    }

    /// Waits for the next message; after the end it waits for ever. Safe to cancel.
    pub(super) async fn next(&mut self) -> Heard {
        while let Some(lines) = &mut self.lines {
            match lines.next_line().await {
                Ok(Some(line)) => match serde_json::from_str(&line) {
                    Ok(message) => return Heard::Message(message),
                    Err(error) => tracing::warn!("a child says what this version does not know: {error}"),
                },
                Ok(None) | Err(_) => {
                    self.lines = None;
                    return Heard::End;
                }
            }
        }
        std::future::pending().await
    }

    /// Whether its end has not been seen yet.
    pub(super) fn is_open(&self) -> bool {
        self.lines.is_some()
    }

    /// Tells the child something, without waiting. A child that does not read is not waited for: its deadline is.
    pub(super) fn send(&mut self, message: &FromSupervisor) {
        let written =
            control::line(message).map_err(io::Error::from).and_then(|line| self.writer.write_all(&line));
        if let Err(error) = written {
            tracing::debug!("the child does not hear {message:?}: {error}");
        }
    }
}
