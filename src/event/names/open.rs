//! `O_*` and `RESOLVE_*`.

use super::set::{FlagSet, Names, of_libc};

/// The access mode and the flags of open(2).
pub static OPEN: FlagSet = FlagSet {
    frequent: FREQUENT,
    ..PARTS
};

/// What [`OPEN`] is put together from.
pub(super) const PARTS: FlagSet = FlagSet {
    choice: Some((libc::O_ACCMODE as u64, ACCESS)),
    flags: FLAGS,
    shifted: None,
    frequent: &[],
};

/// Where the flags stand without an access mode: dup3(2), delete_module(2).
pub static ALONE: FlagSet = FlagSet::of(FLAGS);

/// How openat2(2) walks a path (`include/uapi/linux/openat2.h`).
pub static RESOLVE: FlagSet = FlagSet::of(RESOLVES);

/// Whether a file may be made, so that a mode is looked at.
#[must_use]
pub fn creates(flags: u64) -> bool {
    flags & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) as u64 != 0
}

/// Every word that flags are told by.
pub fn words() -> impl Iterator<Item = &'static str> {
    ACCESS.iter().chain(FLAGS).map(|(name, _)| *name)
}

pub(super) const ACCESS: Names = of_libc![O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE];

/// O_LARGEFILE, which libc declares as 0 where every file is large.
#[cfg(target_arch = "x86_64")]
const LARGEFILE: u64 = 0o100_000;
#[cfg(target_arch = "aarch64")]
const LARGEFILE: u64 = 0o400_000;

pub(super) const FLAGS: Names = &[
    ("O_CREAT", libc::O_CREAT as u64),
    ("O_EXCL", libc::O_EXCL as u64),
    ("O_NOCTTY", libc::O_NOCTTY as u64),
    ("O_TRUNC", libc::O_TRUNC as u64),
    ("O_APPEND", libc::O_APPEND as u64),
    ("O_NONBLOCK", libc::O_NONBLOCK as u64),
    ("O_SYNC", libc::O_SYNC as u64),
    ("O_DSYNC", libc::O_DSYNC as u64),
    ("O_ASYNC", libc::O_ASYNC as u64),
    ("O_DIRECT", libc::O_DIRECT as u64),
    ("O_LARGEFILE", LARGEFILE),
    ("O_NOFOLLOW", libc::O_NOFOLLOW as u64),
    ("O_NOATIME", libc::O_NOATIME as u64),
    ("O_CLOEXEC", libc::O_CLOEXEC as u64),
    ("O_PATH", libc::O_PATH as u64),
    ("O_TMPFILE", libc::O_TMPFILE as u64),
    ("O_DIRECTORY", libc::O_DIRECTORY as u64),
];

/// What dynamic linkers, shells and `opendir` pass.
#[cfg(target_arch = "x86_64")]
const FREQUENT: Names = &[
    ("O_RDONLY|O_CLOEXEC", 0o2_000_000),
    ("O_RDONLY", 0),
    ("O_RDONLY|O_LARGEFILE", 0o100_000),
    ("O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY", 0o2_204_000),
    ("O_RDONLY|O_LARGEFILE|O_CLOEXEC", 0o2_100_000),
    ("O_RDWR|O_CLOEXEC", 0o2_000_002),
    ("O_RDWR", 2),
    ("O_WRONLY|O_CREAT|O_TRUNC", 0o1101),
    ("O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC", 0o2_001_101),
    ("O_WRONLY|O_CREAT|O_APPEND", 0o2101),
    ("O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC", 0o2_002_101),
];
/// The numbers of some flags differ between processors.
#[cfg(not(target_arch = "x86_64"))]
const FREQUENT: Names = &[("O_RDONLY|O_CLOEXEC", 0o2_000_000), ("O_RDONLY", 0), ("O_RDWR", 2)];

pub(super) const RESOLVES: Names = &[
    ("RESOLVE_NO_XDEV", 0x01),
    ("RESOLVE_NO_MAGICLINKS", 0x02),
    ("RESOLVE_NO_SYMLINKS", 0x04),
    ("RESOLVE_BENEATH", 0x08),
    ("RESOLVE_IN_ROOT", 0x10),
    ("RESOLVE_CACHED", 0x20),
];
