//! Child processes: spawning one with its control socket, and a task that listens to it until it has exited.
//!
//! Only that task reaps the process, so a kill can never reach another one that got the same pid.

use std::{
    collections::BTreeMap,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    sync::mpsc,
};
use tracing::field::{DisplayValue, display};
use ulid::Ulid;

use super::{
    control::{Heard, Line},
    doors::{Given, Hold},
    exit::Exit,
};
use crate::{
    config::{Address, SupervisorSettings},
    control::{self, FromChild, FromSupervisor, Identity, Role},
    memory::resident_bytes,
};

/// What the children are started with, and how they are watched.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program: rowcast itself.
    pub program: PathBuf,
    /// Variables beyond the environment that a child inherits.
    pub environment: BTreeMap<String, String>,
    /// The limits.
    pub settings: SupervisorSettings,
    /// Where each gateway listens: as many as there are to be.
    pub gateways: Vec<Address>,
}

/// A child, and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    /// What it is.
    pub role: Role,
    /// The number of its slot.
    pub slot: u32,
    /// Its id.
    pub id: Ulid,
}

impl Who {
    /// Its id in the log, if it is a worker.
    pub(super) fn worker(self) -> Option<DisplayValue<Ulid>> {
        (self.role == Role::Worker).then(|| display(self.id))
    }

    /// Its id in the log, if it is a gateway.
    pub(super) fn gateway(self) -> Option<DisplayValue<Ulid>> {
        (self.role == Role::Gateway).then(|| display(self.id))
    }
}

/// Something that happened to a child, and to which.
#[derive(Debug)]
pub(super) struct Event {
    /// To which.
    pub who: Who,
    /// What happened.
    pub what: What,
}

/// What happened to a child.
#[derive(Debug)]
pub(super) enum What {
    /// It told something; its resident memory at that time, in bytes.
    Told(FromChild, u64),
    /// It closed the control socket.
    Disconnected,
    /// It has exited and is reaped. The last event.
    Exited(Exit),
}

/// What the task that watches a child is to do.
#[derive(Debug)]
enum Task {
    Say(FromSupervisor),
    Kill,
}

/// A running child.
#[derive(Debug)]
pub(super) struct Process {
    /// Its process id.
    pub pid: u32,
    tasks: mpsc::UnboundedSender<Task>,
    /// The door that it accepts at, until it is told to end.
    door: Option<Hold>,
}

impl Process {
    /// Spawns a child, and from then on tells its events. It is given its end of the socket for the local fan-out, and a
    /// gateway the socket that it accepts from.
    ///
    /// # Errors
    /// What the system says, when it gives no process or no socket.
    pub(super) fn spawn(
        launch: &Launch,
        role: Role,
        identity: &Identity,
        fanout: &std::os::unix::net::UnixStream,
        door: Option<Given>,
        events: mpsc::UnboundedSender<Event>,
    ) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut command = command(launch, role, identity);
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        control::hand_down(&ours, fanout)?;
        let door = door.map(|(socket, address, held)| {
            command.stdout(Stdio::from(socket)).env("ROWCAST_LISTEN", address.to_string());
            held
        });
        let child = command.spawn()?;
        // It holds our copies of what the child was given.
        drop(command);
        let pid = child.id().ok_or_else(|| io::Error::other("the process was gone at once"))?;
        let line = Line::new(ours)?;
        let (tasks, receiver) = mpsc::unbounded_channel();
        let who = Who { role, slot: identity.slot.unwrap_or_default(), id: identity.id };
        tokio::spawn(async move {
            let tell = |what| events.send(Event { who, what }).is_ok();
            attend(child, pid, line, receiver, tell).await;
        });
        Ok(Self { pid, tasks, door })
    }

    /// Tells it something, without waiting.
    pub(super) fn say(&self, word: FromSupervisor) {
        self.hand(Task::Say(word));
    }

    /// Tells it to end, and that it holds no door any more.
    pub(super) fn drain(&mut self) {
        self.door = None;
        self.hand(Task::Say(FromSupervisor::Drain));
    }

    /// Ends it without asking.
    pub(super) fn kill(&mut self) {
        self.door = None;
        self.hand(Task::Kill);
    }

    /// Gives the task that watches it something to do.
    fn hand(&self, task: Task) {
        if self.tasks.send(task).is_err() {
            tracing::debug!(pid = self.pid, "it has exited already");
        }
    }
}

fn command(launch: &Launch, role: Role, identity: &Identity) -> Command {
    let mut command = Command::new(&launch.program);
    let predecessors: Vec<String> = identity.predecessors.iter().map(Ulid::to_string).collect();
    command
        .arg(role.to_string())
        .envs(&launch.environment)
        .env(control::CONTROL, "stdin")
        .env(control::FANOUT, "handed-down")
        .env(control::WORKER_ID, identity.id.to_string())
        .env(control::SUPERVISOR, identity.supervisor.unwrap_or_default().to_string())
        .env(control::SLOT, identity.slot.unwrap_or_default().to_string())
        .env(control::RESTARTS, identity.restarts.unwrap_or_default().to_string())
        .env(control::PREDECESSORS, predecessors.join(","))
        // Ctrl-C goes to the supervisor alone, which then drains its children in order. And where the kernel sees an
        // orphaned group when the supervisor is killed, it wakes and hangs up the child that was stopped.
        .process_group(0);
    command
}

/// Listens to a child until it has exited.
async fn attend(
    mut child: Child,
    pid: u32,
    mut line: Line,
    mut tasks: mpsc::UnboundedReceiver<Task>,
    tell: impl Fn(What) -> bool,
) {
    let status = loop {
        let keep_on = tokio::select! {
            status = child.wait() => break status,
            heard = line.next() => tell(what(heard, pid)),
            Some(task) = tasks.recv() => match task {
                Task::Say(word) => { line.send(&word); true }
                Task::Kill => { kill(&mut child, pid); true }
            },
        };
        if !keep_on {
            // The supervisor is gone. The socket goes with this task, and its end tells the child to drain.
            return;
        }
    };
    // The last words may still be in the socket. Nothing else holds its other end, so this does not wait long.
    while line.is_open()
        && let Ok(heard) = tokio::time::timeout(Duration::from_millis(200), line.next()).await
    {
        tell(what(heard, pid));
    }
    tell(What::Exited(exit(status)));
}

fn what(heard: Heard, pid: u32) -> What {
    match heard {
        Heard::Message(message) => What::Told(message, resident_bytes(pid)),
        Heard::End => What::Disconnected,
    }
}

fn kill(child: &mut Child, pid: u32) {
    if let Err(error) = child.start_kill() {
        tracing::debug!(pid, "cannot be killed, so it has exited: {error}");
    }
}

fn exit(status: io::Result<ExitStatus>) -> Exit {
    match status {
        Ok(status) => Exit { code: status.code(), signal: status.signal() },
        Err(error) => {
            tracing::error!("cannot learn how a child ended: {error}");
            Exit { code: None, signal: None }
        }
    }
}
