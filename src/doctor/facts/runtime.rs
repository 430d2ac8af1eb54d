//! Sockets of container runtimes, and the doctor's own container.

use std::path::PathBuf;
use std::time::Duration;

use crate::container::{Origin, Rank};

/// The class of a socket candidate; the words of `container::discovery`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuntimeClass {
    /// Nothing at the path.
    Absent,
    /// A file that is no socket.
    NotASocket,
    /// A runtime that serves no CRI.
    CriUnimplemented,
    /// A peer that speaks no gRPC.
    NotGrpc,
    /// A socket without listener.
    Refused,
    /// No answer within the deadline.
    Timeout,
    /// Serves CRI and answers with an error, as a runtime that is still starting does.
    Failing,
    /// No permission to connect.
    Permission,
    /// Answers only the old CRI.
    OldApi,
    /// Answers.
    Answers,
}

impl RuntimeClass {
    /// The class for a word of the status reply or of discovery.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "absent" => Self::Absent,
            "not_a_socket" | "not_socket" => Self::NotASocket,
            "cri_unimplemented" | "unimplemented" => Self::CriUnimplemented,
            "not_grpc" | "protocol" => Self::NotGrpc,
            "refused" => Self::Refused,
            "timeout" => Self::Timeout,
            "failing" => Self::Failing,
            "permission" => Self::Permission,
            "old_api" => Self::OldApi,
            "answers" => Self::Answers,
            _ => return None,
        })
    }

    /// The word used in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::NotASocket => "not_a_socket",
            Self::CriUnimplemented => "cri_unimplemented",
            Self::NotGrpc => "not_grpc",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Failing => "failing",
            Self::Permission => "permission",
            Self::OldApi => "old_api",
            Self::Answers => "answers",
        }
    }
}

/// One candidate for a runtime's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeFact {
    /// Path of the socket.
    pub socket: PathBuf,
    /// What was found there.
    pub class: RuntimeClass,
    /// errno of the failed step.
    pub errno: Option<i32>,
    /// In words.
    pub detail: String,
    /// Owner and mode of the socket file, when it could be seen.
    pub file: Option<SocketFile>,
    /// The runtime's name for itself.
    pub name: Option<String>,
    /// The runtime's version.
    pub version: Option<String>,
    /// What lookups use: CRI `v1`, CRI `v1alpha2`, `containerd` for that runtime's own API where it serves no CRI, or
    /// `engine` for the Docker Engine API.
    pub api: Option<String>,
    /// What is expected to be spoken there: `grpc` or `http`; empty where an older agent does not say it.
    pub protocol: String,
    /// Why it is a candidate, in words; empty likewise.
    pub origin: String,
    /// How much speaks for it; absent likewise.
    pub rank: Option<Rank>,
    /// What speaks for it, in words.
    pub evidence: String,
    /// How its path comes into this process's sight.
    pub mounted: Mounted,
    /// The first directory above it that this process may not look into.
    pub closed: Option<Closed>,
    /// The id of the doctor's own container or sandbox, which the runtime knows.
    pub own: Option<String>,
    /// How many pods are ready there; absent where that is not told.
    pub pods: Option<usize>,
    /// What each call of the doctor's that was answered took, connecting included, in order.
    pub calls: Vec<Duration>,
}

impl RuntimeFact {
    /// Whether containers can be looked up there.
    #[must_use]
    pub fn answers(&self) -> bool {
        match self.class {
            RuntimeClass::Answers | RuntimeClass::OldApi => true,
            RuntimeClass::CriUnimplemented => self.api.as_deref() == Some("containerd"),
            _ => false,
        }
    }

    /// Whether it is a candidate because the settings name it.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.origin == Origin::Configured.as_str()
    }
}

/// How a socket's path comes into the sight of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounted {
    /// By no mount below the root.
    No,
    /// By a mount of its directory, or of one above it.
    Directory,
    /// Its file is a mount by itself: it will be the old one once the runtime has made a new one.
    Alone,
    /// Likewise, and that has happened: the file that is mounted is in no directory any more. The kernel then writes
    /// `//deleted` behind the mount's root (`dentry_path`, `fs/d_path.c`).
    Deleted,
}

impl Mounted {
    /// Whether the file is mounted and not its directory.
    #[must_use]
    pub fn is_alone(self) -> bool {
        matches!(self, Self::Alone | Self::Deleted)
    }
}

/// A directory that is closed to this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its path.
    pub path: PathBuf,
    /// Its owner and mode; `open` is not told of a directory.
    pub file: SocketFile,
}

/// Owner and mode of a socket file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketFile {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Everybody may connect: others may write to it and search every directory above it.
    pub open: bool,
}

/// The doctor's own container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnContainer {
    /// Leaf of the own cgroup path, absent when the cgroup namespace hides it.
    pub cgroup_leaf: Option<String>,
    /// The container id in it, else one that the own mounts bear: the container's or its sandbox's.
    pub id: Option<String>,
    /// The file that has it.
    pub id_from: &'static str,
}
