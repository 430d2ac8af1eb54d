//! `MS_*`.

use super::set::{FlagSet, Names};

/// The flags of mount(2). In the upper half may stand the magic number that Linux wanted before 2.4.
pub static MOUNT: FlagSet = FlagSet {
    choice: Some((0xffff_0000, MAGIC)),
    flags: FLAGS,
    shifted: None,
    frequent: &[],
};

pub(super) const MAGIC: Names = &[("MS_MGC_VAL", libc::MS_MGC_VAL)];

/// `include/uapi/linux/mount.h`; some of them only the kernel sets, `include/linux/fs.h`.
pub(super) const FLAGS: Names = &[
    ("MS_RDONLY", libc::MS_RDONLY),
    ("MS_NOSUID", libc::MS_NOSUID),
    ("MS_NODEV", libc::MS_NODEV),
    ("MS_NOEXEC", libc::MS_NOEXEC),
    ("MS_SYNCHRONOUS", libc::MS_SYNCHRONOUS),
    ("MS_REMOUNT", libc::MS_REMOUNT),
    ("MS_MANDLOCK", libc::MS_MANDLOCK),
    ("MS_DIRSYNC", libc::MS_DIRSYNC),
    ("MS_NOSYMFOLLOW", 256),
    ("MS_NOATIME", libc::MS_NOATIME),
    ("MS_NODIRATIME", libc::MS_NODIRATIME),
    ("MS_BIND", libc::MS_BIND),
    ("MS_MOVE", libc::MS_MOVE),
    ("MS_REC", libc::MS_REC),
    ("MS_SILENT", libc::MS_SILENT),
    ("MS_POSIXACL", libc::MS_POSIXACL),
    ("MS_UNBINDABLE", libc::MS_UNBINDABLE),
    ("MS_PRIVATE", libc::MS_PRIVATE),
    ("MS_SLAVE", libc::MS_SLAVE),
    ("MS_SHARED", libc::MS_SHARED),
    ("MS_RELATIME", libc::MS_RELATIME),
    ("MS_KERNMOUNT", libc::MS_KERNMOUNT),
    ("MS_I_VERSION", libc::MS_I_VERSION),
    ("MS_STRICTATIME", libc::MS_STRICTATIME),
    ("MS_LAZYTIME", libc::MS_LAZYTIME),
    ("MS_SUBMOUNT", 1 << 26),
    ("MS_NOREMOTELOCK", 1 << 27),
    ("MS_NOSEC", 1 << 28),
    ("MS_BORN", 1 << 29),
    ("MS_ACTIVE", libc::MS_ACTIVE),
    ("MS_NOUSER", libc::MS_NOUSER),
];
