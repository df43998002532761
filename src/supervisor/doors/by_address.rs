//! Several sockets on one port: the kernel hands each connection to the socket that belongs to its client's address.
//!
//! A client of long-polling opens many connections, and all must come to the gateway that has its session. A program of
//! the classic Berkeley Packet Filter chooses the socket (`SO_ATTACH_REUSEPORT_CBPF`, see socket(7)): it is run for each
//! connection and returns the socket's number in its group. The kernel gives a number that has become free to the last
//! socket: when one closes, and when it is back, clients of others may move.

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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// What the kernel's interpreter makes of the program, for a packet with this network header.
    fn run(program: &[sock_filter], header: &[u8]) -> u32 {
        let (mut a, mut x, mut at) = (0u32, 0u32, 0usize);
        let byte = |place: u32| u32::from(header[place as usize]);
        for _ in 0..program.len() {
            let sock_filter { code, jt, jf, k } = program[at];
            let place = k.wrapping_sub(libc::SKF_NET_OFF as u32);
            at += 1;
            match u32::from(code) {
                0x30 => a = byte(place),
                0x20 => a = (0..4).fold(0, |word, next| word << 8 | byte(place + next)),
                0x74 => a >>= k,
                0x15 => at += usize::from(if a == k { jt } else { jf }),
                0x05 => at += k as usize,
                0x07 => x = a,
                0xac => a ^= x,
                0x24 => a = a.wrapping_mul(k),
                0x94 => a %= k,
                0x16 => return a,
                other => panic!("{other:#x} is not known"),
            }
        }
        panic!("it does not end")
    }

    fn header_4(address: Ipv4Addr) -> Vec<u8> {
        [&[0x45; 12][..], &address.octets(), &[127, 0, 0, 1]].concat()
    }

    fn header_6(address: Ipv6Addr) -> Vec<u8> {
        [&[0x60; 8][..], &address.octets(), &Ipv6Addr::LOCALHOST.octets()].concat()
    }

    #[test]
    fn addresses_of_both_versions_are_spread_over_all_sockets_by_every_part_of_them() {
        let spread = |headers: Vec<Vec<u8>>| {
            let mut counts = [0u32; 5];
            headers.iter().for_each(|header| counts[run(&program(5), header) as usize] += 1);
            assert!(counts.iter().all(|count| (100..300).contains(count)), "{counts:?}");
        };
        let thousand = 0..1_000u16;
        spread(thousand.clone().map(|n| header_4(Ipv4Addr::from(0x0a00_0000 + u32::from(n)))).collect());
        for part in 0..8 {
            let address = |n| {
                let mut parts = [0x2001, 0xdb8, 1, 2, 3, 4, 5, 6];
                parts[part] = n;
                header_6(Ipv6Addr::from(parts))
            };
            spread(thousand.clone().map(address).collect());
        }
        let one = header_4(Ipv4Addr::LOCALHOST);
        assert_eq!(run(&program(1), &one), 0);
    }
}
