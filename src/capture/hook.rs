//! The hooks, by the names that the ledger, the summary and the configuration use.

/// One place in the kernel that reports. The order is that of `enum hook` in `ebpf/include/record.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Hook {
    /// A program was executed.
    Exec = 0,
    /// A process was made.
    Fork = 1,
    /// The last thread of a process ended.
    Exit = 2,
    /// A process was described because it had not been before.
    Snapshot = 3,
    /// `openat(2)` returned.
    Openat = 4,
    /// `connect(2)` returned.
    Connect = 5,
}

impl Hook {
    /// Every hook, in wire order.
    pub const ALL: [Self; 6] = [
        Self::Exec,
        Self::Fork,
        Self::Exit,
        Self::Snapshot,
        Self::Openat,
        Self::Connect,
    ];

    /// How many there are: the counters of one CPU.
    pub const COUNT: usize = Self::ALL.len();

    /// The name in summaries and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::Exit => "exit",
            Self::Snapshot => "snapshot",
            Self::Openat => "openat",
            Self::Connect => "connect",
        }
    }

    /// The hook of a wire number.
    #[must_use]
    pub fn from_wire(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// For a hook on a system call: how its programs are called and which call they watch.
    #[must_use]
    pub const fn syscall(self) -> Option<Syscall> {
        match self {
            Self::Openat => Some(Syscall {
                name: "openat",
                number: libc::SYS_openat,
                trampoline: "trampoline_openat",
            }),
            Self::Connect => Some(Syscall {
                name: "connect",
                number: libc::SYS_connect,
                trampoline: "trampoline_connect",
            }),
            Self::Exec | Self::Fork | Self::Exit | Self::Snapshot => None,
        }
    }
}

/// A system call that can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// Its name without any prefix.
    pub name: &'static str,
    /// Its number on this architecture.
    pub number: i64,
    /// The program that the trampoline backend attaches to it.
    pub trampoline: &'static str,
}

impl Syscall {
    /// The kernel function behind the system call (`arch/*/include/asm/syscall_wrapper.h`).
    #[must_use]
    pub fn kernel_function(&self) -> String {
        #[cfg(target_arch = "x86_64")]
        const PREFIX: &str = "__x64_sys_";
        #[cfg(target_arch = "aarch64")]
        const PREFIX: &str = "__arm64_sys_";
        format!("{PREFIX}{}", self.name)
    }
}

/// A set of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookSet(u32);

impl HookSet {
    /// The hooks without which there is no process table. Always part of a set.
    pub const BASE: Self =
        Self(1 << Hook::Exec as u32 | 1 << Hook::Fork as u32 | 1 << Hook::Exit as u32 | 1 << Hook::Snapshot as u32);

    /// No hook.
    pub const NONE: Self = Self(0);

    /// This set and one more hook.
    #[must_use]
    pub const fn with(self, hook: Hook) -> Self {
        Self(self.0 | 1 << hook as u32)
    }

    /// Whether the hook is in the set.
    #[must_use]
    pub const fn contains(self, hook: Hook) -> bool {
        self.0 & 1 << hook as u32 != 0
    }

    /// The set as the kernel side reads it.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The watched system calls by number, a bit each: `watched_syscalls` of the kernel side.
    #[must_use]
    pub fn syscall_bitmap(self) -> [u64; 8] {
        let mut bitmap = [0; 8];
        for syscall in self.syscalls() {
            let word = usize::try_from(syscall.number / 64)
                .ok()
                .and_then(|index| bitmap.get_mut(index));
            debug_assert!(word.is_some(), "{} is beyond SYSCALLS", syscall.name);
            if let Some(word) = word {
                *word |= 1 << (syscall.number % 64);
            }
        }
        bitmap
    }

    /// The watched system calls.
    pub fn syscalls(self) -> impl Iterator<Item = Syscall> {
        Hook::ALL
            .into_iter()
            .filter(move |hook| self.contains(*hook))
            .filter_map(Hook::syscall)
    }
}
