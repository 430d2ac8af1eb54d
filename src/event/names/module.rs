//! `MODULE_INIT_*`.

use super::set::{FlagSet, Names};

/// The flags of finit_module(2).
pub static MODULE: FlagSet = FlagSet::of(FLAGS);

/// `include/uapi/linux/module.h`.
pub(super) const FLAGS: Names = &[
    ("MODULE_INIT_IGNORE_MODVERSIONS", 1),
    ("MODULE_INIT_IGNORE_VERMAGIC", 2),
    ("MODULE_INIT_COMPRESSED_FILE", 4),
];
