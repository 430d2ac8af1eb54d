//! `MFD_*`.

use super::set::{FlagSet, Names};

/// The flags of memfd_create(2). The highest six bits are the size of huge pages, as a power of two.
pub static MEMFD: FlagSet = FlagSet {
    choice: None,
    flags: FLAGS,
    shifted: Some((26, 0x3f, "MFD_HUGE_SHIFT")),
    frequent: &[],
};

/// `include/uapi/linux/memfd.h`; the last two since Linux 6.3.
pub(super) const FLAGS: Names = &[
    ("MFD_CLOEXEC", libc::MFD_CLOEXEC as u64),
    ("MFD_ALLOW_SEALING", libc::MFD_ALLOW_SEALING as u64),
    ("MFD_HUGETLB", libc::MFD_HUGETLB as u64),
    ("MFD_NOEXEC_SEAL", 0x8),
    ("MFD_EXEC", 0x10),
];
