//! A child whose own loop is stuck for ever: what its control thread still does for it.
//!
//! The child is this test binary again, asked to run one ignored test.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use rowcast::control::{Control, Role};
use tokio_util::sync::CancellationToken;

use super::up::{eventually, send};

const DRAIN: &str = "ROWCAST_TEST_DRAIN_MS";

#[test]
#[ignore = "it is what the other tests here run as a process, and it never ends by itself"]
fn a_stuck_child() {
    let Ok(drain) = std::env::var(DRAIN) else { return };
    let drain = Duration::from_millis(drain.parse().unwrap());
    let _control = Control::attend(Role::Worker, true, drain, CancellationToken::new()).unwrap();
    loop {
        thread::park();
    }
}

#[test]
fn a_stuck_child_ends_at_its_deadline_when_the_supervisor_is_gone() {
    let (mut child, socket) = stuck(50);
    assert_eq!(child.try_wait().unwrap(), None);
    drop(socket);
    assert_eq!(eventually(|| child.try_wait().unwrap()).code(), Some(1));
}

#[test]
fn a_stuck_child_ends_at_its_deadline_after_term_and_at_once_after_a_second() {
    let (mut child, _socket) = stuck(50);
    send(child.id() as i32, Signal::SIGTERM);
    assert_eq!(eventually(|| child.try_wait().unwrap()).code(), Some(1));

    let (mut child, _socket) = stuck(3_600_000);
    let end = eventually(|| {
        // Two signals that arrive together are one for the kernel, so it is said until it is heard twice.
        send(child.id() as i32, Signal::SIGTERM);
        thread::sleep(Duration::from_millis(5));
        child.try_wait().unwrap()
    });
    assert_eq!(end.code(), Some(1));
}

/// Starts a stuck child, and waits until its control thread has its handlers.
fn stuck(drain_ms: u64) -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "supervisor::stuck::a_stuck_child"])
        .env(DRAIN, drain_ms.to_string())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually(|| super::catches(child.id() as i32, Signal::SIGTERM).then_some(()));
    (child, ours)
}
