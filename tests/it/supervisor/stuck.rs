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

use super::caught;
use crate::support::{PATIENCE, eventually, running::send};

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

#[tokio::test]
async fn a_stuck_child_ends_at_its_deadline_when_the_supervisor_is_gone() {
    let (mut child, socket) = stuck(50).await;
    assert_eq!(child.try_wait().unwrap(), None);
    drop(socket);
    assert_eq!(ended(&mut child).await, Some(1));
}

#[tokio::test]
async fn a_stuck_child_ends_at_its_deadline_after_term_and_at_once_after_a_second() {
    let (mut child, _socket) = stuck(50).await;
    send(child.id() as i32, Signal::SIGTERM);
    assert_eq!(ended(&mut child).await, Some(1));

    let (mut child, _socket) = stuck(3_600_000).await;
    let end = eventually(PATIENCE, "the child ends", async || {
        // Two signals that arrive together are one for the kernel, so it is said until it is heard twice.
        send(child.id() as i32, Signal::SIGTERM);
        child.try_wait().unwrap().ok_or("it runs")
    });
    assert_eq!(end.await.code(), Some(1));
}

/// Starts a stuck child, and waits until its control thread has its handlers.
async fn stuck(drain_ms: u64) -> (Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "supervisor::stuck::a_stuck_child"])
        .env(DRAIN, drain_ms.to_string())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    caught(child.id() as i32, Signal::SIGTERM).await;
    (child, ours)
}

/// Waits for its end, and returns its exit code.
async fn ended(child: &mut Child) -> Option<i32> {
    let end = eventually(PATIENCE, "the child ends", async || child.try_wait().unwrap().ok_or("it runs"));
    end.await.code()
}
