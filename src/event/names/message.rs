//! `MSG_*`, without those that only the kernel itself passes on.

use super::set::{FlagSet, Names};

/// Of the calls that send and receive.
pub static MESSAGE: FlagSet = FlagSet::of(FLAGS);

pub(super) const FLAGS: Names = &[
    ("MSG_OOB", libc::MSG_OOB as u64),
    ("MSG_PEEK", libc::MSG_PEEK as u64),
    ("MSG_DONTROUTE", libc::MSG_DONTROUTE as u64),
    ("MSG_CTRUNC", libc::MSG_CTRUNC as u64),
    // `include/linux/socket.h`; glibc calls it MSG_PROXY.
    ("MSG_PROBE", 0x10),
    ("MSG_TRUNC", libc::MSG_TRUNC as u64),
    ("MSG_DONTWAIT", libc::MSG_DONTWAIT as u64),
    ("MSG_EOR", libc::MSG_EOR as u64),
    ("MSG_WAITALL", libc::MSG_WAITALL as u64),
    ("MSG_FIN", libc::MSG_FIN as u64),
    ("MSG_SYN", libc::MSG_SYN as u64),
    ("MSG_CONFIRM", libc::MSG_CONFIRM as u64),
    ("MSG_RST", libc::MSG_RST as u64),
    ("MSG_ERRQUEUE", libc::MSG_ERRQUEUE as u64),
    ("MSG_NOSIGNAL", libc::MSG_NOSIGNAL as u64),
    ("MSG_MORE", libc::MSG_MORE as u64),
    ("MSG_WAITFORONE", libc::MSG_WAITFORONE as u64),
    // glibc's <sys/socket.h>.
    ("MSG_BATCH", 0x40000),
    ("MSG_ZEROCOPY", 0x0400_0000),
    ("MSG_FASTOPEN", libc::MSG_FASTOPEN as u64),
    ("MSG_CMSG_CLOEXEC", libc::MSG_CMSG_CLOEXEC as u64),
];
