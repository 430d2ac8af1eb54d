//! `CLONE_*`, as far as unshare(2) and setns(2) take them.

use super::set::{FlagSet, Names};

/// What is unshared or joined.
pub static CLONE: FlagSet = FlagSet::of(FLAGS);

/// The name that `/proc/<pid>/ns` has for the one kind of namespace that the flag selects.
#[must_use]
pub fn namespace(flag: u64) -> Option<&'static str> {
    super::set::name_of(NAMESPACES, flag)
}

/// `include/uapi/linux/sched.h`.
pub(super) const FLAGS: Names = &[
    ("CLONE_NEWTIME", 0x80),
    ("CLONE_VM", libc::CLONE_VM as u64),
    ("CLONE_FS", libc::CLONE_FS as u64),
    ("CLONE_FILES", libc::CLONE_FILES as u64),
    ("CLONE_SIGHAND", libc::CLONE_SIGHAND as u64),
    ("CLONE_THREAD", libc::CLONE_THREAD as u64),
    ("CLONE_NEWNS", libc::CLONE_NEWNS as u64),
    ("CLONE_SYSVSEM", libc::CLONE_SYSVSEM as u64),
    ("CLONE_NEWCGROUP", libc::CLONE_NEWCGROUP as u64),
    ("CLONE_NEWUTS", libc::CLONE_NEWUTS as u64),
    ("CLONE_NEWIPC", libc::CLONE_NEWIPC as u64),
    ("CLONE_NEWUSER", libc::CLONE_NEWUSER as u64),
    ("CLONE_NEWPID", libc::CLONE_NEWPID as u64),
    ("CLONE_NEWNET", libc::CLONE_NEWNET as u64),
];

const NAMESPACES: Names = &[
    ("time", 0x80),
    ("mnt", libc::CLONE_NEWNS as u64),
    ("cgroup", libc::CLONE_NEWCGROUP as u64),
    ("uts", libc::CLONE_NEWUTS as u64),
    ("ipc", libc::CLONE_NEWIPC as u64),
    ("user", libc::CLONE_NEWUSER as u64),
    ("pid", libc::CLONE_NEWPID as u64),
    ("net", libc::CLONE_NEWNET as u64),
];
