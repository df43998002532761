//! The TCP side: connections that can be cut off, and that end by themselves when the other side takes nothing or says
//! nothing.
//!
//! The library does not stop a writer that waits for a client which does not read, not even when it has given the
//! client up. So the kernel is told to end a connection whose data is not taken for a while, and a connection can be
//! cut from outside. Nor does anybody else end one on which no request ever comes.

use std::{
    io,
    net::SocketAddr,
    os::fd::AsRawFd as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{self, IncomingStream},
};
use nix::sys::socket::{Shutdown, setsockopt, shutdown, sockopt};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    allowance::Allowance,
    doors::Doors,
    lines::{Line, LineRef, Lines},
};

/// A connection on which nothing arrives for so long ends. A client that is connected answers a ping every ten seconds.
const SILENCE: Duration = Duration::from_secs(20);
/// Data that the other side has not taken for so long ends the connection, in milliseconds.
const NOT_TAKEN: u32 = 10_000;

/// No more than so many bytes wait in the kernel until they are sent: what a client does not take would lie there as
/// megabytes, which nobody counts. What is sent and not confirmed does not count, so that distance costs no speed.
const NOT_SENT: u32 = 128 << 10;

/// So many bytes a second are read of a connection, whatever they are; what is more waits with the sender. The library
/// answers some packets by itself, so that it is not enough to count events.
const READ: u32 = 64 << 10;
/// What was not read for so long may come at once.
const SAVED: Duration = Duration::from_secs(4);

/// For so long at most what nobody wants is still read of a connection that ends, so that the other side sees the answer.
const LINGER: Duration = Duration::from_secs(10);
/// So much of it at once.
const DROPPED: usize = 16 << 10;

/// Accepts connections, until `stop`. From then on the port is closed, or whoever else holds it accepts them.
pub(super) struct Listener {
    inner: Option<TcpListener>,
    lines: Arc<Lines>,
    doors: Arc<Doors>,
    stop: CancellationToken,
}

impl Listener {
    pub(super) fn new(
        inner: TcpListener,
        lines: Arc<Lines>,
        doors: Arc<Doors>,
        stop: CancellationToken,
    ) -> Self {
        Self { inner: Some(inner), lines, doors, stop }
    }

    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        if let Some(inner) = &mut self.inner {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => self.inner = None,
                accepted = serve::Listener::accept(inner) => return accepted,
            }
        }
        std::future::pending().await
    }
}

impl serve::Listener for Listener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, address, seat) = loop {
            let (stream, address) = self.next().await;
            if let Some(seat) = self.doors.connection(address.ip()) {
                break (stream, address, seat);
            }
        };
        if let Err(error) = prepare(&stream) {
            // It may have ended already, which shows as soon as it is read.
            tracing::debug!("a connection cannot be prepared: {error}");
        }
        let line = Arc::new(Line::new(stream, address.ip(), seat));
        (Wire::new(line, self.lines.clone()), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.as_ref().ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(NOT_SENT)?;
    Ok(setsockopt(stream, sockopt::TcpUserTimeout, &NOT_TAKEN)?)
}

impl Connected<IncomingStream<'_, Listener>> for LineRef {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self::to(&stream.io().line)
    }
}

/// The end of a connection that is read and written.
pub(super) struct Wire {
    line: Arc<Line>,
    lines: Arc<Lines>,
    heard: Instant,
    /// Nothing has come yet.
    fresh: bool,
    /// Runs out no later than the silence does, and is set anew when it does.
    silence: Pin<Box<Sleep>>,
    reading: Allowance,
    /// Nothing more is written on it, and until then what still comes is dropped.
    ending: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    fn new(line: Arc<Line>, lines: Arc<Lines>) -> Self {
        lines.opened();
        let heard = Instant::now();
        let reading = Allowance::new(READ, SAVED, heard.into_std());
        Self { line, lines, heard, fresh: true, silence: Box::pin(sleep(SILENCE)), reading, ending: None }
    }

    /// Something has come, or nothing will.
    fn is_used(&mut self) {
        if std::mem::take(&mut self.fresh) {
            self.lines.used();
        }
    }

    fn count(&self, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &done {
            self.line.wrote(*bytes);
        }
        done
    }

    /// Ready when something may be read.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        match self.reading.pause(now.into_std()) {
            Duration::ZERO => Poll::Ready(()),
            pause => {
                self.silence.as_mut().reset(now + pause);
                self.silence.as_mut().poll(cx)
            }
        }
    }

    /// Ready when the other side sends no more, or has sent on for too long. The kernel takes back what was written on a
    /// connection that is closed while something on it is not read.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut dropped = [0; DROPPED];
        loop {
            if self.ending.as_mut().is_none_or(|ending| ending.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(());
            }
            let mut buf = ReadBuf::new(&mut dropped);
            let read = ready!(Pin::new(&mut *self).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    /// Ready when nothing has arrived for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.silence.as_mut().poll(cx).is_ready() {
            if self.heard.elapsed() >= SILENCE {
                return Poll::Ready(());
            }
            self.silence.as_mut().reset(self.heard + SILENCE);
        }
        Poll::Pending
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.is_used();
        self.lines.closed(&self.line);
    }
}

/// Tries until it is done or the system says when to try again.
fn attempt<T>(
    mut ready: impl FnMut() -> Poll<io::Result<()>>,
    mut work: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(ready())?;
        match work() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

/// A write that fails is told as one that was done: that the connection has ended shows when it is read. The library
/// keeps a session that it could not greet, for ever, when a write says so.
fn untold(written: Poll<io::Result<usize>>, all: usize) -> Poll<io::Result<usize>> {
    written.map(|written| {
        Ok(written.unwrap_or_else(|error| {
            tracing::debug!("a connection has ended: {error}");
            all
        }))
    })
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let freely = self.line.intake.is_free();
        if !freely {
            ready!(self.poll_pause(cx));
        }
        let stream = &self.line.stream;
        let read = attempt(|| stream.poll_read_ready(cx), || stream.try_read(buf.initialize_unfilled()));
        if let Poll::Ready(read) = read {
            self.heard = Instant::now();
            self.is_used();
            let now = self.heard.into_std();
            return Poll::Ready(read.map(|count| {
                if !freely {
                    self.reading.owe(count, now);
                }
                buf.advance(count);
            }));
        }
        self.poll_silence(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let stream = &self.line.stream;
        let done = attempt(|| stream.poll_write_ready(cx), || stream.try_write(bytes));
        self.count(untold(done, bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = &self.line.stream;
        let all = slices.iter().map(|slice| slice.len()).sum();
        let done = attempt(|| stream.poll_write_ready(cx), || stream.try_write_vectored(slices));
        self.count(untold(done, all))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.is_none() {
            shutdown(self.line.stream.as_raw_fd(), Shutdown::Write)?;
            if !self.line.intake.drain() {
                return Poll::Ready(Ok(()));
            }
            self.ending = Some(Box::pin(sleep(LINGER)));
        }
        self.poll_rest(cx).map(Ok)
    }
}
