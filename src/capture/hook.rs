//! The hooks, by the names that the ledger, the summary and the configuration use.

use super::calls::{CALLS, Call};

/// One place in the kernel that reports: the life of processes, that of cgroups, the agent's own canary, or one system call. Its number is that of `enum hook`
/// in `ebpf/include/record.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hook(u8);

/// Those that are no system call, in wire order.
const NAMES: [&str; 7] = [
    "exec",
    "fork",
    "exit",
    "snapshot",
    "cgroup_mkdir",
    "cgroup_rmdir",
    "canary",
];
/// `HOOKS` of the kernel side: room for hooks.
pub(super) const ROOM: usize = 128;
const _: () = assert!(Hook::COUNT <= ROOM, "more calls than the kernel side has room for");

impl Hook {
    /// A program was executed.
    pub const EXEC: Self = Self(0);
    /// A process was made.
    pub const FORK: Self = Self(1);
    /// The last thread of a process ended.
    pub const EXIT: Self = Self(2);
    /// A process was described because it had not been before, or had changed.
    pub const SNAPSHOT: Self = Self(3);
    /// A cgroup was made, in the hierarchy that names containers.
    pub const CGROUP_MKDIR: Self = Self(4);
    /// A cgroup was removed there.
    pub const CGROUP_RMDIR: Self = Self(5);
    /// The agent renamed a thread of its own, to see whether that is seen.
    pub const CANARY: Self = Self(6);

    /// How many there are.
    pub const COUNT: usize = NAMES.len() + CALLS.len();

    /// Every hook, in wire order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..ROOM as u8).take(Self::COUNT).map(Self)
    }

    /// The hook on a system call.
    #[must_use]
    pub fn of_call(name: &str) -> Option<Self> {
        Self::all().find(|hook| hook.call().is_some_and(|call| call.name == name))
    }

    /// The name in summaries and metrics: that of the system call, where it is one.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.call().map_or_else(
            || NAMES.get(self.index()).copied().unwrap_or("unknown"),
            |call| call.name,
        )
    }

    /// The hook of a wire number.
    #[must_use]
    pub fn from_wire(number: u16) -> Option<Self> {
        u8::try_from(number)
            .ok()
            .filter(|number| usize::from(*number) < Self::COUNT)
            .map(Self)
    }

    /// The system call, where it is one.
    #[must_use]
    pub fn call(self) -> Option<&'static Call> {
        CALLS.get(self.index().checked_sub(NAMES.len())?)
    }

    /// The tracepoint, where it is one.
    #[must_use]
    pub const fn tracepoint(self) -> Option<&'static str> {
        match self {
            Self::EXEC => Some("sched_process_exec"),
            Self::FORK => Some("sched_process_fork"),
            Self::EXIT => Some("sched_process_exit"),
            Self::CGROUP_MKDIR => Some("cgroup_mkdir"),
            Self::CGROUP_RMDIR => Some("cgroup_rmdir"),
            Self::CANARY => Some("task_rename"),
            _ => None,
        }
    }

    /// Its place in [`Self::all`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) const fn wire(self) -> u8 {
        self.0
    }
}

/// A set of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookSet(u128);

impl HookSet {
    /// The hooks without which there is no process table. Always part of a set.
    pub const BASE: Self = Self::NONE
        .with(Hook::EXEC)
        .with(Hook::FORK)
        .with(Hook::EXIT)
        .with(Hook::SNAPSHOT);

    /// The hooks by which containers are known before their first event, and forgotten after their last.
    pub const CGROUPS: Self = Self::NONE.with(Hook::CGROUP_MKDIR).with(Hook::CGROUP_RMDIR);

    /// The hook by which the agent sees whether it sees.
    pub const CANARY: Self = Self::NONE.with(Hook::CANARY);

    /// The hooks that a capture does without where the kernel refuses them.
    pub const OPTIONAL: Self = Self::CGROUPS.or(Self::CANARY);

    /// The hooks that report as long as they are attached: what is told of everything else rests on them.
    pub const ALWAYS: Self = Self::BASE.or(Self::CGROUPS);

    /// No hook.
    pub const NONE: Self = Self(0);

    /// This set and one more hook.
    #[must_use]
    pub const fn with(self, hook: Hook) -> Self {
        Self(self.0 | 1 << hook.0)
    }

    /// This set and every call that is one of these.
    #[must_use]
    pub fn with_calls(self, wanted: impl Fn(&Call) -> bool) -> Self {
        Hook::all()
            .filter(|hook| hook.call().is_some_and(&wanted))
            .fold(self, Self::with)
    }

    /// What is in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the hook is in the set.
    #[must_use]
    pub const fn contains(self, hook: Hook) -> bool {
        self.0 & 1 << hook.0 != 0
    }

    /// The set as the kernel side reads it.
    #[must_use]
    pub const fn words(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    /// Its hooks, in wire order.
    pub fn iter(self) -> impl Iterator<Item = Hook> {
        Hook::all().filter(move |hook| self.contains(*hook))
    }

    /// The watched system calls.
    pub fn calls(self) -> impl Iterator<Item = (Hook, &'static Call)> {
        self.iter().filter_map(|hook| Some((hook, hook.call()?)))
    }
}
