//! The control socket between the supervisor and a child: its messages, and the child's end of it.
//!
//! The socket is the child's standard input. JSON, one message on a line, both ways. Its end means that the other
//! side is gone: a child whose supervisor was killed drains within its deadline and ends by itself.
//!
//! The child's end lives in a thread of its own with a small event loop, so that it hears the supervisor and the
//! signals, and keeps the deadline, even when the worker's loop is stuck. The sign of life is the one thing that does
//! come from the worker's own loop ([`Control::beat`]): a stuck worker falls silent, and that is what gives it away.

mod child;
mod end;
mod hand_down;
mod happening;
mod order;
mod unready;

use std::{
    fs::File,
    io,
    net::TcpListener,
    os::fd::AsFd as _,
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::unistd::dup2_stdout;
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGTERM};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::signals;
pub use child::{Identity, Report, Role};
use end::End;
pub(crate) use hand_down::hand_down;
pub use happening::{Happening, Kind};
pub use order::{Answer, Command, Order, machine_ms};
pub use unready::Unready;

/// Set for a child: its standard input is the control socket.
pub const CONTROL: &str = "ROWCAST_CONTROL";
/// Set for a child that is handed a socket for the local fan-out, over the control socket.
pub const FANOUT: &str = "ROWCAST_FANOUT_SOCKET";
/// The id that the supervisor gave to this incarnation.
pub const WORKER_ID: &str = "ROWCAST_WORKER_ID";
/// The id of the supervisor.
pub const SUPERVISOR: &str = "ROWCAST_SUPERVISOR";
/// The number of the supervisor's place for it.
pub const SLOT: &str = "ROWCAST_SLOT";
/// How many processes the supervisor has started in this place before.
pub const RESTARTS: &str = "ROWCAST_RESTARTS";
/// The ids of dead workers of the same place, separated by commas.
pub const PREDECESSORS: &str = "ROWCAST_PREDECESSORS";

/// The exit code of a worker that was fenced (`EX_TEMPFAIL` of sysexits.h): start another one.
pub const EXIT_FENCED: u8 = 75;

/// What a child tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromChild {
    /// A sign of life. The first one that is `ready` ends the start-up.
    Progress(Report),
    /// An order that the child found in Redis.
    Order {
        /// The order.
        order: Order,
        /// Until when it counts, by [`machine_ms`].
        until: u64,
    },
    /// What had happened up to this one is in Redis.
    Written {
        /// The [`Happening::seq`] of the last of them.
        upto: u64,
    },
    /// The child is about to end.
    Bye {
        /// Whether it finished all that it held: nothing of it is left to rescue.
        drained: bool,
    },
}

/// What the supervisor tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromSupervisor {
    /// Finish what you hold, take nothing new, and end.
    Drain,
    /// What came of an order that the child had handed over.
    Answer(Answer),
    /// What has happened, to be written to Redis: the child answers with [`FromChild::Written`].
    Happened {
        /// The events, in order and without a gap.
        events: Vec<Happening>,
    },
    /// The supervisor's slots in which nothing is ready, for the child to tell of beside itself, until it is told anew.
    Unready {
        /// All of them; none when all is well again.
        slots: Vec<Unready>,
    },
}

/// One message as a line.
pub(crate) fn line<T: Serialize>(message: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// The child's end: whoever may tell it to stop is heard, and what it tells is passed on.
#[derive(Debug)]
pub struct Control {
    outgoing: mpsc::Sender<FromChild>,
    incoming: Option<mpsc::Receiver<FromSupervisor>>,
    thread: JoinHandle<()>,
}

/// The talk of a child with its supervisor, beside signs of life and being told to end.
#[derive(Debug)]
pub struct Talk {
    /// What the supervisor says.
    pub heard: mpsc::Receiver<FromSupervisor>,
    /// What it is told.
    pub told: mpsc::Sender<FromChild>,
}

/// More than the supervisor says before it waits for an answer.
const UNHEARD: usize = 64;

impl Control {
    /// Cancels `stop` when the supervisor asks for it, when it is gone, or on TERM and INT.
    ///
    /// In the last two cases nobody else watches over the end, so the process exits with code 1 when it still runs
    /// after `drain`; and at once on a second signal. Without a supervisor only the signals count.
    ///
    /// # Errors
    /// When standard input is no socket though `supervised`, or the system gives no thread.
    pub fn attend(
        role: Role,
        supervised: bool,
        drain: Duration,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let socket = supervised.then(inherited).transpose()?;
        let signals = signals::listen(&[SIGTERM, SIGINT])?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (outgoing, messages) = mpsc::channel(16);
        let (words, incoming) = mpsc::channel(UNHEARD);
        let end = End::new(role, stop, drain, words);
        // What it logs is this child's as well.
        let span = tracing::Span::current();
        let thread =
            thread::Builder::new().name("control".into()).stack_size(256 * 1024).spawn(move || {
                span.in_scope(|| runtime.block_on(end.attend(socket, signals, messages)));
            })?;
        Ok(Self { outgoing, incoming: supervised.then_some(incoming), thread })
    }

    /// The talk with the supervisor, once; `None` without one.
    pub fn talk(&mut self) -> Option<Talk> {
        Some(Talk { heard: self.incoming.take()?, told: self.outgoing.clone() })
    }

    /// Tells `reports` on: at once what the supervisor waits for, and anyway once in `every`.
    ///
    /// Run it on the worker's own loop. A report is dropped when the supervisor does not read; the next one
    /// says the same and more.
    pub fn beat(
        &self,
        mut reports: watch::Receiver<Report>,
        every: Duration,
    ) -> impl Future<Output = ()> + use<> {
        let outgoing = self.outgoing.clone();
        async move {
            let mut told = Report::default();
            let mut next = Instant::now();
            loop {
                let report = reports.borrow_and_update().clone();
                if Instant::now() >= next || is_news(&told, &report) {
                    told = report.clone();
                    outgoing.try_send(FromChild::Progress(report)).ok();
                    next = Instant::now() + every;
                }
                if let Ok(Err(_)) = tokio::time::timeout_at(next, reports.changed()).await {
                    return;
                }
            }
        }
    }

    /// Says the last word, and waits until it is said. Not from within an event loop.
    pub fn bye(self, drained: bool) {
        let told = self.outgoing.blocking_send(FromChild::Bye { drained });
        if told.is_err() || self.thread.join().is_err() {
            tracing::debug!("the control thread ended before the worker");
        }
    }
}

/// The socket that a gateway under a supervisor accepts connections from: the supervisor made it this process's
/// standard output, which nothing is written to.
///
/// # Errors
/// When standard output is no listening socket.
pub fn listener() -> io::Result<TcpListener> {
    let listener = TcpListener::from(io::stdout().as_fd().try_clone_to_owned()?);
    listener.local_addr()?;
    listener.set_nonblocking(true)?;
    // When the gateway has closed its copy, no other one may keep the port open.
    dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    Ok(listener)
}

/// The socket for the local fan-out that the supervisor has handed down. Take it once, and before [`Control::attend`].
///
/// # Errors
/// When there is none.
pub fn fanout_socket() -> io::Result<std::os::unix::net::UnixStream> {
    hand_down::take(&stdin()?)
}

/// What the supervisor should hear without waiting for the next beat.
fn is_news(told: &Report, report: &Report) -> bool {
    (told.ready, &told.waiting, told.rescued.len()) != (report.ready, &report.waiting, report.rescued.len())
}

/// The control socket, which the supervisor made this process's standard input.
fn inherited() -> io::Result<std::os::unix::net::UnixStream> {
    let socket = stdin()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn stdin() -> io::Result<std::os::unix::net::UnixStream> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_that_is_read_back() {
        let report = Report { waiting: Some("two\nlines".into()), jobs: u64::MAX, ..Report::default() };
        let message = FromChild::Progress(report);
        let line = line(&message).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(serde_json::from_slice::<FromChild>(&line).unwrap(), message);
    }

    #[test]
    fn work_done_can_wait_for_the_beat_but_a_change_of_state_cannot() {
        let told = Report { ready: true, ..Report::default() };
        assert!(!is_news(&told, &Report { jobs: 9, rows: 9, idle_ms: 3, ..told.clone() }));
        assert!(is_news(&Report::default(), &told));
        assert!(is_news(&told, &Report { waiting: Some("MySQL".into()), ..told.clone() }));
    }
}
