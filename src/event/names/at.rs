//! `AT_*`.

use super::set::{FlagSet, Names};

/// Of the calls whose name ends in `at`.
pub static AT: FlagSet = FlagSet::of(FLAGS);

/// `AT_FDCWD`: the working directory.
pub const FDCWD: i32 = libc::AT_FDCWD;

// AT_REMOVEDIR is of unlinkat alone; the same bit is AT_EACCESS of faccessat2, which is not watched. So one set serves all.
pub(super) const FLAGS: Names = &[
    ("AT_SYMLINK_NOFOLLOW", libc::AT_SYMLINK_NOFOLLOW as u64),
    ("AT_REMOVEDIR", libc::AT_REMOVEDIR as u64),
    ("AT_SYMLINK_FOLLOW", libc::AT_SYMLINK_FOLLOW as u64),
    ("AT_NO_AUTOMOUNT", libc::AT_NO_AUTOMOUNT as u64),
    ("AT_EMPTY_PATH", libc::AT_EMPTY_PATH as u64),
    ("AT_RECURSIVE", libc::AT_RECURSIVE as u64),
];
