//! One process, running one program.

use std::sync::Arc;

use crate::capture::record::{CgroupPath, Credentials, KernelPath, ProcessKey};

/// A process from one exec to the next. Immutable, because events hold on to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its identity.
    pub key: ProcessKey,
    /// The task's name.
    pub name: String,
    /// The executable.
    pub exe: Option<KernelPath>,
    /// The working directory at the time of the exec.
    pub cwd: Option<KernelPath>,
    /// argv.
    pub args: Vec<String>,
    /// argv was longer than the limit.
    pub args_truncated: bool,
    /// argv could not be read, so `args` is empty for want of knowledge.
    pub args_unreadable: bool,
    /// Credentials at the time of the exec.
    pub credentials: Credentials,
    /// The controlling terminal.
    pub tty: Option<String>,
    /// The cgroup that `cgroup` names.
    pub cgroup_id: u64,
    /// The cgroup.
    pub cgroup: Arc<CgroupPath>,
    /// The parent first, at most [`crate::capture::wire::ANCESTORS`].
    pub ancestors: Arc<[Ancestor]>,
    /// There are more.
    pub ancestors_truncated: bool,
}

/// What is remembered of an ancestor after it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its identity.
    pub key: ProcessKey,
    /// The task's name.
    pub name: String,
    /// The executable, when the table knew it.
    pub exe: Option<Arc<str>>,
}

/// The stable name of one program image of one process on this node, unique until the machine restarts: start of the
/// process in nanoseconds since boot, process id and count of execs, all hexadecimal.
#[must_use]
pub fn exec_id(key: &ProcessKey) -> String {
    format!("{:x}-{:x}-{:x}", key.start, key.pid, key.exec_id)
}
