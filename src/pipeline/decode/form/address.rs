//! MariaDB's UUID, INET4 and INET6: many spellings go in, and one comes back.

use std::net::{Ipv4Addr, Ipv6Addr};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Address {
    Uuid,
    Inet4,
    Inet6,
}

impl Address {
    /// The spelling that comes back; `None` for what is no such address.
    pub(in super::super) fn kept(self, text: &str) -> Option<String> {
        match self {
            Self::Uuid => uuid(text),
            Self::Inet4 => Some(text.parse::<Ipv4Addr>().ok()?.to_string()),
            Self::Inet6 => inet6(text),
        }
    }
}

/// `550e8400-e29b-41d4-a716-446655440000`.
fn uuid(text: &str) -> Option<String> {
    let mut digits = text.replace('-', "").to_ascii_lowercase();
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for at in [20, 16, 12, 8] {
        digits.insert(at, '-');
    }
    Some(digits)
}

/// `2001:db8::1`: the longest run of zeros is left out, be it of one, and some addresses end like those of IPv4.
fn inet6(text: &str) -> Option<String> {
    let address: Ipv6Addr = text.parse().ok()?;
    let words = address.segments();
    let run = |from: usize| words[from..].iter().take_while(|&&word| word == 0).count();
    // Of runs of one length the first.
    let (zeros, from) = (0..8).map(|at| (run(at), at)).max_by_key(|&(length, at)| (length, 8 - at))?;
    let hex = |words: &[u16]| words.iter().map(|word| format!("{word:x}")).collect::<Vec<_>>().join(":");
    if from == 0 && (zeros == 6 || (zeros == 5 && words[5] == 0xffff)) {
        let [.., a, b, c, d] = address.octets();
        let mapped = if zeros == 5 { "ffff:" } else { "" };
        return Some(format!("::{mapped}{a}.{b}.{c}.{d}"));
    }
    match zeros {
        0 => Some(hex(&words)),
        _ => Some(format!("{}::{}", hex(&words[..from]), hex(&words[from + zeros..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_spelled_as_the_server_spells_it() {
        for (text, kept) in [
            ("::", "::"),
            ("1::", "1::"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("1:0:2:3:4:5:6:7", "1::2:3:4:5:6:7"),
            ("1:0:0:2:0:0:0:3", "1:0:0:2::3"),
            ("1:0:0:2:3:0:0:4", "1::2:3:0:0:4"),
            ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7::"),
            ("2001:DB8::1", "2001:db8::1"),
            ("::1.2.3.4", "::1.2.3.4"),
            ("::FFFF:1.2.3.4", "::ffff:1.2.3.4"),
            ("::ffff:0:1.2.3.4", "::ffff:0:102:304"),
            ("::5", "::5"),
            ("::1:2:3", "::1:2:3"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
        ] {
            assert_eq!(inet6(text).as_deref(), Some(kept), "{text}");
        }
        assert_eq!(inet6("1.2.3.4"), None);
        let kept = Some("550e8400-e29b-41d4-a716-446655440000".to_owned());
        assert_eq!(uuid("550E8400-E29B-41D4-A716-446655440000"), kept);
        assert_eq!(uuid("550e8400e29b41d4a716446655440000"), kept);
        assert_eq!(uuid("{550e8400-e29b-41d4-a716-446655440000}"), None);
    }
}
