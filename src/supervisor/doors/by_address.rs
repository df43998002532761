//! Several sockets on one port: the kernel hands each connection to the socket that belongs to its client's address.
//!
//! A client of long-polling opens many connections, and all must come to the gateway that has its session. A program of
//! the classic Berkeley Packet Filter chooses the socket (`SO_ATTACH_REUSEPORT_CBPF`, see socket(7)): it is run for each
//! connection and returns the socket's number in its group, in the order in which they began to listen.

use std::{io, net::TcpListener};

use nix::{
    libc::{self, sock_filter, sock_fprog},
    sys::socket::{setsockopt, sockopt::AttachReusePortCbpf},
};

/// Has the group of this socket, with so many in it, share its clients by their addresses from now on.
///
/// # Errors
/// What the system says.
pub(super) fn share(one: &TcpListener, sockets: u32) -> io::Result<()> {
    let mut program = program(sockets);
    let program = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    Ok(setsockopt(one, AttachReusePortCbpf, &program)?)
}

/// Returns `hash(address) % sockets`. Addresses that follow each other are spread by Knuth's multiplication (The Art of
/// Computer Programming 3, 6.4), whose upper bits are good.
fn program(sockets: u32) -> [sock_filter; 19] {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_ABS;
    const VERSION: u32 = 0;
    const ADDRESS_4: u32 = 12;
    const ADDRESS_6: u32 = 8;
    // Counted from the network header, wherever the packet is read.
    let load = |size, at: u32| step(LOAD | size, (libc::SKF_NET_OFF as u32).wrapping_add(at));
    let calculate = |what, with| step(libc::BPF_ALU | libc::BPF_K | what, with);
    let (word, keep) = (libc::BPF_W, step(libc::BPF_MISC | libc::BPF_TAX, 0));
    let mix = step(libc::BPF_ALU | libc::BPF_X | libc::BPF_XOR, 0);
    [
        load(libc::BPF_B, VERSION),
        calculate(libc::BPF_RSH, 4),
        sock_filter { jt: 2, ..step(libc::BPF_JMP | libc::BPF_K | libc::BPF_JEQ, 6) },
        load(word, ADDRESS_4),
        step(libc::BPF_JMP | libc::BPF_JA, 10),
        load(word, ADDRESS_6),
        keep,
        load(word, ADDRESS_6 + 4),
        mix,
        keep,
        load(word, ADDRESS_6 + 8),
        mix,
        keep,
        load(word, ADDRESS_6 + 12),
        mix,
        // Here both versions go on.
        calculate(libc::BPF_MUL, 2_654_435_761),
        calculate(libc::BPF_RSH, 16),
        calculate(libc::BPF_MOD, sockets),
        step(libc::BPF_RET | libc::BPF_A, 0),
    ]
}

fn step(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}
