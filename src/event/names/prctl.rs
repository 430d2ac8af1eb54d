//! `PR_*`.

use super::set::{FlagSet, Names, of_libc};

/// What follows an operation of prctl(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A number, told in decimal.
    Number,
    /// A process, or all of them.
    Process,
    /// A word without a known meaning, told in hexadecimal.
    Raw,
    /// One of several.
    Choice(Names),
    /// Of several flags.
    Bits(&'static FlagSet),
    /// A string.
    Text,
}

/// What the operation takes besides itself, where the first of it may decide about the others; what is beyond is not looked at by the kernel.
#[must_use]
pub fn words(operation: u64, first: u64) -> &'static [Word] {
    const RAW: Word = Word::Raw;
    match i32::try_from(operation).unwrap_or(-1) {
        libc::PR_SET_NAME => &[Word::Text],
        libc::PR_SET_DUMPABLE => &[Word::Choice(DUMPABLE)],
        libc::PR_SET_KEEPCAPS | libc::PR_SET_CHILD_SUBREAPER => &[Word::Number],
        libc::PR_SET_PTRACER => &[Word::Process],
        libc::PR_SET_SECCOMP => &[Word::Choice(SECCOMP)],
        libc::PR_CAPBSET_DROP => &[Word::Choice(super::capability::CAPABILITIES)],
        libc::PR_SET_SECUREBITS => SECURE_WORDS,
        libc::PR_SET_MM => &[Word::Choice(MM), RAW, RAW, RAW],
        libc::PR_SET_NO_NEW_PRIVS => &[Word::Number, RAW, RAW, RAW],
        libc::PR_CAP_AMBIENT if first == libc::PR_CAP_AMBIENT_CLEAR_ALL as u64 => {
            &[Word::Choice(AMBIENT), RAW, RAW, RAW]
        }
        libc::PR_CAP_AMBIENT => &[
            Word::Choice(AMBIENT),
            Word::Choice(super::capability::CAPABILITIES),
            RAW,
            RAW,
        ],
        _ => &[RAW, RAW, RAW, RAW],
    }
}

/// The operations (`include/uapi/linux/prctl.h`).
pub const OPERATIONS: Names = of_libc![
    PR_SET_PDEATHSIG,
    PR_GET_PDEATHSIG,
    PR_GET_DUMPABLE,
    PR_SET_DUMPABLE,
    PR_GET_KEEPCAPS,
    PR_SET_KEEPCAPS,
    PR_SET_NAME,
    PR_GET_NAME,
    PR_GET_SECCOMP,
    PR_SET_SECCOMP,
    PR_CAPBSET_READ,
    PR_CAPBSET_DROP,
    PR_GET_TSC,
    PR_SET_TSC,
    PR_GET_SECUREBITS,
    PR_SET_SECUREBITS,
    PR_SET_TIMERSLACK,
    PR_GET_TIMERSLACK,
    PR_SET_MM,
    PR_SET_CHILD_SUBREAPER,
    PR_GET_CHILD_SUBREAPER,
    PR_SET_NO_NEW_PRIVS,
    PR_GET_NO_NEW_PRIVS,
    PR_GET_TID_ADDRESS,
    PR_SET_THP_DISABLE,
    PR_GET_THP_DISABLE,
    PR_CAP_AMBIENT,
    PR_SET_PTRACER,
];

pub(super) const DUMPABLE: Names = &[("SUID_DUMP_DISABLE", 0), ("SUID_DUMP_USER", 1), ("SUID_DUMP_ROOT", 2)];
pub(super) const SECCOMP: Names = &[
    ("SECCOMP_MODE_DISABLED", 0),
    ("SECCOMP_MODE_STRICT", 1),
    ("SECCOMP_MODE_FILTER", 2),
];
pub(super) const AMBIENT: Names = of_libc![
    PR_CAP_AMBIENT_IS_SET,
    PR_CAP_AMBIENT_RAISE,
    PR_CAP_AMBIENT_LOWER,
    PR_CAP_AMBIENT_CLEAR_ALL,
];
pub(super) const MM: Names = of_libc![
    PR_SET_MM_START_CODE,
    PR_SET_MM_END_CODE,
    PR_SET_MM_START_DATA,
    PR_SET_MM_END_DATA,
    PR_SET_MM_START_STACK,
    PR_SET_MM_START_BRK,
    PR_SET_MM_BRK,
    PR_SET_MM_ARG_START,
    PR_SET_MM_ARG_END,
    PR_SET_MM_ENV_START,
    PR_SET_MM_ENV_END,
    PR_SET_MM_AUXV,
    PR_SET_MM_EXE_FILE,
    PR_SET_MM_MAP,
    PR_SET_MM_MAP_SIZE,
];

const SECURE_WORDS: &[Word] = &[Word::Bits(&SECUREBITS)];
static SECUREBITS: FlagSet = FlagSet::of(SECURE);
/// `include/uapi/linux/securebits.h`.
pub(super) const SECURE: Names = &[
    ("SECBIT_NOROOT", 1 << 0),
    ("SECBIT_NOROOT_LOCKED", 1 << 1),
    ("SECBIT_NO_SETUID_FIXUP", 1 << 2),
    ("SECBIT_NO_SETUID_FIXUP_LOCKED", 1 << 3),
    ("SECBIT_KEEP_CAPS", 1 << 4),
    ("SECBIT_KEEP_CAPS_LOCKED", 1 << 5),
    ("SECBIT_NO_CAP_AMBIENT_RAISE", 1 << 6),
    ("SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED", 1 << 7),
];
