//! `PTRACE_*`.

use super::set::Names;

/// The operations of ptrace(2) (`include/uapi/linux/ptrace.h` and, for the numbers from 12 to 33,
/// `arch/x86/include/uapi/asm/ptrace-abi.h`).
pub const OPERATIONS: Names = &[
    ("PTRACE_TRACEME", 0),
    ("PTRACE_PEEKTEXT", 1),
    ("PTRACE_PEEKDATA", 2),
    ("PTRACE_PEEKUSER", 3),
    ("PTRACE_POKETEXT", 4),
    ("PTRACE_POKEDATA", 5),
    ("PTRACE_POKEUSER", 6),
    ("PTRACE_CONT", 7),
    ("PTRACE_KILL", 8),
    ("PTRACE_SINGLESTEP", 9),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_GETREGS", 12),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_SETREGS", 13),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_GETFPREGS", 14),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_SETFPREGS", 15),
    ("PTRACE_ATTACH", 16),
    ("PTRACE_DETACH", 17),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_GETFPXREGS", 18),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_SETFPXREGS", 19),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_OLDSETOPTIONS", 21),
    ("PTRACE_SYSCALL", 24),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_GET_THREAD_AREA", 25),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_SET_THREAD_AREA", 26),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_ARCH_PRCTL", 30),
    ("PTRACE_SYSEMU", 31),
    ("PTRACE_SYSEMU_SINGLESTEP", 32),
    #[cfg(target_arch = "x86_64")]
    ("PTRACE_SINGLEBLOCK", 33),
    ("PTRACE_SETOPTIONS", 0x4200),
    ("PTRACE_GETEVENTMSG", 0x4201),
    ("PTRACE_GETSIGINFO", 0x4202),
    ("PTRACE_SETSIGINFO", 0x4203),
    ("PTRACE_GETREGSET", 0x4204),
    ("PTRACE_SETREGSET", 0x4205),
    ("PTRACE_SEIZE", 0x4206),
    ("PTRACE_INTERRUPT", 0x4207),
    ("PTRACE_LISTEN", 0x4208),
    ("PTRACE_PEEKSIGINFO", 0x4209),
    ("PTRACE_GETSIGMASK", 0x420a),
    ("PTRACE_SETSIGMASK", 0x420b),
    ("PTRACE_SECCOMP_GET_FILTER", 0x420c),
    ("PTRACE_SECCOMP_GET_METADATA", 0x420d),
    ("PTRACE_GET_SYSCALL_INFO", 0x420e),
    ("PTRACE_GET_RSEQ_CONFIGURATION", 0x420f),
    // Linux 6.4, 6.11 and 6.16.
    ("PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG", 0x4210),
    ("PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG", 0x4211),
    ("PTRACE_SET_SYSCALL_INFO", 0x4212),
];

/// Whether the operation looks at another process at all: the one that asks to be traced does not.
#[must_use]
pub fn takes_process(operation: u64) -> bool {
    operation != 0
}

/// Whether it looks at an address and data.
#[must_use]
pub fn takes_data(operation: u64) -> bool {
    // TRACEME, KILL, ATTACH, INTERRUPT, LISTEN
    !matches!(operation, 0 | 8 | 16 | 0x4207 | 0x4208)
}
