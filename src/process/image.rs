//! One process, running one program.

use std::sync::Arc;

use super::line::Line;
use crate::capture::record::{CgroupPath, Credentials, Groups, Inode, KernelPath, ProcessKey};
use crate::capture::wire::path_flag;

/// A process from one description to the next. Immutable, because events hold on to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its identity.
    pub key: ProcessKey,
    /// The task's name.
    pub name: String,
    /// The executable.
    pub exe: Option<KernelPath>,
    /// It lies in the upper layer of an overlay: it was written after the container's image.
    pub exe_upper_layer: bool,
    /// It lies in an overlay and not in its upper layer.
    pub exe_lower_layer: bool,
    /// Its inode, absent where that could not be read.
    pub exe_inode: Option<Inode>,
    /// The working directory.
    pub cwd: Option<KernelPath>,
    /// argv. Shared with what children remember of it.
    pub args: Arc<[String]>,
    /// argv was longer than the limit.
    pub args_truncated: bool,
    /// argv could not be read, so `args` is empty for want of knowledge.
    pub args_unreadable: bool,
    /// Credentials.
    pub credentials: Credentials,
    /// The session and the process group, absent where they could not be read.
    pub groups: Option<Groups>,
    /// The controlling terminal.
    pub tty: Option<String>,
    /// The cgroup that `cgroup` names.
    pub cgroup_id: u64,
    /// The cgroup.
    pub cgroup: Arc<CgroupPath>,
    /// The parent first.
    pub ancestors: Line,
}

/// What is remembered of an ancestor after it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its identity.
    pub key: ProcessKey,
    /// The task's name.
    pub name: Arc<str>,
    /// The executable, when the table knew it.
    pub exe: Option<Arc<str>>,
    /// argv, when the table knew it.
    pub args: Option<Arc<[String]>>,
    /// argv was longer than the limit.
    pub args_truncated: bool,
}

impl Process {
    /// Whether the executable has no file in a directory tree, and was made by memfd_create(2): the kernel's name for such
    /// a file begins so, and nobody else can name a file without a tree.
    #[must_use]
    pub fn exe_is_memfd(&self) -> bool {
        self.exe
            .as_ref()
            .is_some_and(|exe| exe.flags & path_flag::PSEUDO != 0 && exe.text.starts_with("memfd:"))
    }
}

/// The stable name of one program image of one process on this node, unique until the machine restarts: start of the
/// process in nanoseconds since boot, process id and count of execs, all hexadecimal.
#[must_use]
pub fn exec_id(key: &ProcessKey) -> String {
    format!("{:x}-{:x}-{:x}", key.start, key.pid, key.exec_id)
}
