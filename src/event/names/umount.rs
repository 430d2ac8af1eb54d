//! `MNT_*` and `UMOUNT_*`.

use super::set::{FlagSet, Names, of_libc};

/// The flags of umount2(2).
pub static UMOUNT: FlagSet = FlagSet::of(FLAGS);

pub(super) const FLAGS: Names = of_libc![MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW];
