//! `RENAME_*`.

use super::set::{FlagSet, Names, of_libc};

/// Of renameat2(2).
pub static RENAME: FlagSet = FlagSet::of(FLAGS);

pub(super) const FLAGS: Names = of_libc![RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT];
