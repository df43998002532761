//! A socket of its own for the local fan-out, which a child is handed over its control socket, before its first word.
//!
//! Standard input, output and error are all that a child can be started with, and each of them has its use.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{fd::AsFd as _, unix::net::UnixStream},
};

use rustix::{
    cmsg_space,
    io::retry_on_intr,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};

/// What goes with the socket, because nothing goes with nothing. Whoever does not know of it says that it does not
/// understand an empty line, and goes on.
const WITH_IT: &[u8] = b"\n";

/// Hands a child a socket. It need not run yet.
///
/// # Errors
/// What the system says.
pub(crate) fn hand_down(control: &UnixStream, socket: &UnixStream) -> io::Result<()> {
    let sockets = [socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    beside.push(SendAncillaryMessage::ScmRights(&sockets));
    retry_on_intr(|| sendmsg(control, &[IoSlice::new(WITH_IT)], &mut beside, SendFlags::empty()))?;
    Ok(())
}

/// Takes the socket that was handed down.
///
/// # Errors
/// What the system says; also when what comes first is something else.
pub(super) fn take(control: &UnixStream) -> io::Result<UnixStream> {
    let mut with_it = [0; WITH_IT.len()];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    retry_on_intr(|| {
        recvmsg(control, &mut [IoSliceMut::new(&mut with_it)], &mut beside, RecvFlags::CMSG_CLOEXEC)
    })?;
    let sockets = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    sockets.map(UnixStream::from).ok_or_else(|| io::Error::other("the supervisor has handed down no socket"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn a_socket_comes_out_at_the_other_end_and_what_follows_is_read_as_ever() {
        let (mut supervisor, mut child) = UnixStream::pair().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        hand_down(&supervisor, &far).unwrap();
        supervisor.write_all(b"words").unwrap();
        drop(far);
        let mut taken = take(&child).unwrap();
        taken.write_all(b"through it").unwrap();
        let mut read = [0; 10];
        near.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"through it");
        let mut words = [0; 5];
        child.read_exact(&mut words).unwrap();
        assert_eq!(&words, b"words");
        supervisor.write_all(b"\n").unwrap();
        assert!(take(&child).unwrap_err().to_string().contains("no socket"));
    }
}
