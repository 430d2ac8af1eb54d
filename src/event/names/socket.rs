//! `SOCK_*`.

use super::set::{FlagSet, Names, name_of, of_libc};

/// Type and flags of socket(2).
pub static SOCKET: FlagSet = FlagSet {
    choice: Some((0xf, TYPES)),
    flags: FLAGS,
    shifted: None,
    frequent: &[],
};

/// The flags of accept4(2).
pub static ACCEPT: FlagSet = FlagSet::of(FLAGS);

/// A socket's type in lower case, as `network.type` tells it.
#[must_use]
pub fn type_word(kind: u16) -> Option<&'static str> {
    name_of(WORDS, u64::from(kind))
}

pub(super) const TYPES: Names = &[
    ("SOCK_STREAM", libc::SOCK_STREAM as u64),
    ("SOCK_DGRAM", libc::SOCK_DGRAM as u64),
    ("SOCK_RAW", libc::SOCK_RAW as u64),
    ("SOCK_RDM", libc::SOCK_RDM as u64),
    ("SOCK_SEQPACKET", libc::SOCK_SEQPACKET as u64),
    ("SOCK_DCCP", libc::SOCK_DCCP as u64),
    ("SOCK_PACKET", 10),
];
const WORDS: Names = &[
    ("stream", libc::SOCK_STREAM as u64),
    ("dgram", libc::SOCK_DGRAM as u64),
    ("raw", libc::SOCK_RAW as u64),
    ("rdm", libc::SOCK_RDM as u64),
    ("seqpacket", libc::SOCK_SEQPACKET as u64),
    ("dccp", libc::SOCK_DCCP as u64),
    ("packet", 10),
];
pub(super) const FLAGS: Names = of_libc![SOCK_CLOEXEC, SOCK_NONBLOCK];
