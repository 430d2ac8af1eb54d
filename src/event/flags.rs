//! The kernel's numbers in the field's standard names.

use std::fmt::Write as _;

use nix::errno::Errno;

/// `open(2)` flags as `strace` writes them: the access mode first, then the others, unknown bits in hexadecimal.
#[must_use]
pub fn open_flags(flags: u32) -> String {
    let mut text = String::with_capacity(32);
    text.push_str(match flags & 3 {
        0 => "O_RDONLY",
        1 => "O_WRONLY",
        2 => "O_RDWR",
        _ => "O_ACCMODE",
    });
    let mut rest = flags & !3;
    if rest == 0 {
        return text;
    }
    for (name, bits) in OPEN_FLAGS {
        let bits = bits.cast_unsigned();
        if bits != 0 && rest & bits == bits {
            text.push('|');
            text.push_str(name);
            rest &= !bits;
        }
    }
    if rest != 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "|{rest:#x}");
    }
    text
}

/// Composite flags stand before their parts (O_SYNC holds O_DSYNC, O_TMPFILE holds O_DIRECTORY).
const OPEN_FLAGS: &[(&str, i32)] = &[
    ("O_CREAT", libc::O_CREAT),
    ("O_EXCL", libc::O_EXCL),
    ("O_NOCTTY", libc::O_NOCTTY),
    ("O_TRUNC", libc::O_TRUNC),
    ("O_APPEND", libc::O_APPEND),
    ("O_NONBLOCK", libc::O_NONBLOCK),
    ("O_SYNC", libc::O_SYNC),
    ("O_DSYNC", libc::O_DSYNC),
    ("O_ASYNC", libc::O_ASYNC),
    ("O_DIRECT", libc::O_DIRECT),
    ("O_LARGEFILE", 0o100_000),
    ("O_TMPFILE", libc::O_TMPFILE),
    ("O_DIRECTORY", libc::O_DIRECTORY),
    ("O_NOFOLLOW", libc::O_NOFOLLOW),
    ("O_NOATIME", libc::O_NOATIME),
    ("O_CLOEXEC", libc::O_CLOEXEC),
    ("O_PATH", libc::O_PATH),
];

/// The name of the error that a system call returned, absent on success. The kernel's internal restart codes
/// (`include/linux/errno.h`, 512 to 516) have names of their own: the call was interrupted.
#[must_use]
pub fn error_name(ret: i64) -> Option<String> {
    if !(-4095..0).contains(&ret) {
        return None;
    }
    let number = i32::try_from(-ret).ok()?;
    Some(match number {
        512 => "ERESTARTSYS".to_owned(),
        513 => "ERESTARTNOINTR".to_owned(),
        514 => "ERESTARTNOHAND".to_owned(),
        516 => "ERESTART_RESTARTBLOCK".to_owned(),
        number => match Errno::from_raw(number) {
            Errno::UnknownErrno => number.to_string(),
            errno => format!("{errno:?}"),
        },
    })
}

/// The name of an address family.
#[must_use]
pub fn family_name(family: u16) -> String {
    match i32::from(family) {
        libc::AF_UNSPEC => "AF_UNSPEC".to_owned(),
        libc::AF_UNIX => "AF_UNIX".to_owned(),
        libc::AF_INET => "AF_INET".to_owned(),
        libc::AF_INET6 => "AF_INET6".to_owned(),
        libc::AF_NETLINK => "AF_NETLINK".to_owned(),
        libc::AF_PACKET => "AF_PACKET".to_owned(),
        libc::AF_VSOCK => "AF_VSOCK".to_owned(),
        other => format!("AF_{other}"),
    }
}

/// The name of an IP protocol; 0 is what sockets without one say.
#[must_use]
pub fn protocol_name(protocol: u16) -> Option<String> {
    match i32::from(protocol) {
        0 => None,
        libc::IPPROTO_TCP => Some("tcp".to_owned()),
        libc::IPPROTO_UDP => Some("udp".to_owned()),
        libc::IPPROTO_ICMP => Some("icmp".to_owned()),
        libc::IPPROTO_ICMPV6 => Some("icmpv6".to_owned()),
        libc::IPPROTO_SCTP => Some("sctp".to_owned()),
        262 => Some("mptcp".to_owned()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_flags_read_as_in_strace() {
        assert_eq!(open_flags(0), "O_RDONLY");
        assert_eq!(open_flags(0o2_000_000), "O_RDONLY|O_CLOEXEC");
        assert_eq!(open_flags(0o1101), "O_WRONLY|O_CREAT|O_TRUNC");
        assert_eq!(open_flags(libc::O_SYNC.cast_unsigned() | 2), "O_RDWR|O_SYNC");
        assert_eq!(open_flags(0x4000_0000), "O_RDONLY|0x40000000");
    }

    #[test]
    fn errors_have_names() {
        assert_eq!(error_name(3), None);
        assert_eq!(error_name(-2).as_deref(), Some("ENOENT"));
        assert_eq!(error_name(-115).as_deref(), Some("EINPROGRESS"));
        assert_eq!(error_name(-512).as_deref(), Some("ERESTARTSYS"));
        assert_eq!(error_name(-4000).as_deref(), Some("4000"));
    }
}
