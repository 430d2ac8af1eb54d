//! Facts of the host and of what is around the doctor's own process: how the kernel is built, what filters and labels the
//! process, what it sees of files, namespaces and cgroups, and what it may use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::kubernetes::HostMount;

/// How the kernel was built, by the options that the agent leans on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildFact {
    /// Read.
    Read {
        /// The file.
        file: PathBuf,
        /// Options with their values (`y`, `m`); one that is not set is not there.
        options: BTreeMap<String, String>,
    },
    /// No file in sight tells it.
    Absent,
    /// A file is there and cannot be read or understood.
    Unreadable(String),
}

/// What bpf(2) answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BpfAnswer {
    /// The kernel knows no such command (EINVAL): it was reached.
    Reached,
    /// Another error, by number.
    Refused(i32),
    /// The process was killed for the call (SIGSYS).
    Killed,
}

/// What stands between this process and bpf(2), by trying in a process of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompFacts {
    /// The answer to a command that no kernel knows.
    pub unknown_command: BpfAnswer,
    /// errno of making the smallest map; absent where it was made or not tried.
    pub map_create: Option<i32>,
    /// Whether CAP_BPF or CAP_SYS_ADMIN was effective at that.
    pub capable: bool,
    /// `kernel.unprivileged_bpf_disabled`, which only kernels with bpf(2) have.
    pub unprivileged_disabled: Option<u32>,
}

/// The security modules, as far as this process sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LsmFacts {
    /// `/proc/self/attr/current`, where a module answers.
    pub label: Option<String>,
    /// `/sys/fs/selinux/enforce`, where it is in sight.
    pub selinux_enforcing: Option<bool>,
    /// Whether the kernel runs AppArmor: `/sys/module/apparmor/parameters/enabled`, where it is in sight.
    pub apparmor: Option<bool>,
}

/// What `/proc` shows of the doctor itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcFact {
    /// Itself, under its own number.
    Own {
        /// Mount options that hide files or processes.
        hides: Vec<String>,
    },
    /// Itself, under the number of another PID namespace: it is not the container's own `/proc`.
    Other(u32),
    /// Not at all.
    Missing(String),
}

/// The directory in which the agent makes its admin socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryFact {
    /// The directory.
    pub path: PathBuf,
    /// What was looked at: the directory, or the one above it where the agent would have to make it. Neither is there
    /// where it is absent.
    pub seen: Option<Seen>,
}

/// A directory that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub path: PathBuf,
    /// errno of asking whether this user may make files in it.
    pub refused: Option<i32>,
    /// Whether it has neither a free block nor a free inode left.
    pub full: bool,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// The cgroup hierarchies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupFact {
    /// The one in which the agent names containers, in words.
    pub hierarchy: String,
    /// The controller by which it goes; empty on version 2.
    pub controller: String,
    /// The own path by controller, that of version 2 under the empty name.
    pub paths: BTreeMap<String, String>,
    /// Whether `/proc/cgroups` could be read.
    pub listed: bool,
    /// Controllers of version 1 that are mounted here.
    pub mounted: Vec<String>,
}

/// What the doctor's own process sees of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountFacts {
    /// `/proc`.
    pub proc: ProcFact,
    /// Whether the root is read-only.
    pub read_only_root: Result<bool, String>,
    /// Files and directories of the host that are mounted here.
    pub host: Result<Vec<HostMount>, String>,
    /// Directories, and sockets that have none of their own, that the settings have the agent use.
    pub used: Vec<String>,
    /// Namespaces, and whether each is the host's.
    pub shared: BTreeMap<&'static str, Result<bool, String>>,
    /// Whether the user namespace is not the first one.
    pub user_namespace: Result<bool, String>,
    /// Where the admin socket goes; absent where there is none.
    pub admin: Option<DirectoryFact>,
    /// The cgroup hierarchies.
    pub cgroup: CgroupFact,
}

/// What the own cgroup has used and may use, where its files are in sight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceFacts {
    /// The CPU.
    pub cpu: Option<CpuFact>,
    /// Memory.
    pub memory: Option<MemoryUse>,
}

/// CPU time of a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuFact {
    /// The file with the counters.
    pub file: PathBuf,
    /// Microseconds of CPU time in each period; absent without a limit.
    pub quota_us: Option<u64>,
    /// The period in microseconds.
    pub period_us: u64,
    /// Periods in which something ran.
    pub periods: u64,
    /// Those of them in which it was stopped.
    pub throttled: u64,
    /// For how long altogether, in microseconds.
    pub throttled_us: u64,
}

/// Memory of a cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryUse {
    /// The file with the use.
    pub file: PathBuf,
    /// The limit in bytes; absent where there is none.
    pub limit: Option<u64>,
    /// What is used, without files that can be given back (the working set of the kubelet) and without the doctor itself, in
    /// bytes.
    pub working_set: u64,
    /// Processes of the cgroup that the kernel ended for lack of memory.
    pub oom_kills: u64,
}
