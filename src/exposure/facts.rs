//! What a judgement rests on, the same for a manifest and for a running process.

use crate::kubernetes::{HostMount, Port};
use crate::privilege::Capabilities;

/// A fact, or why it could not be found out.
pub type Known<T> = Result<T, String>;

/// When the facts hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// What a manifest grants; whatever a program gives up later is not seen.
    Start,
    /// What a running process has now.
    Running,
}

/// One pod or one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What is judged: `DaemonSet pinhole/pinhole-agent`, `process 4711 (agent)`.
    pub subject: String,
    /// Where the facts come from: file and document, or `/proc`.
    pub source: String,
    /// When they hold.
    pub phase: Phase,
    /// The containers of the pod; a process counts as one.
    pub containers: Vec<Container>,
    /// Whether it shares the host's PID namespace.
    pub host_pid: Known<bool>,
    /// Whether it shares the host's network.
    pub host_network: Known<bool>,
    /// Whether it shares the host's IPC namespace.
    pub host_ipc: Known<bool>,
    /// Whether it has a user namespace of its own.
    pub user_namespace: Known<bool>,
    /// Whether a service-account token is mounted.
    pub token: Known<bool>,
    /// What the service account may do, from 0 (nothing) to 10, with the words for it.
    pub rights: Known<(u8, String)>,
    /// Where it listens.
    pub ports: Known<Vec<Port>>,
}

/// One container, or the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name; empty for a process.
    pub name: String,
    /// Whether it is privileged.
    pub privileged: Known<bool>,
    /// Every capability that any of its processes has or can get.
    pub capabilities: Capabilities,
    /// Whether it may run as uid 0, with the words for it.
    pub root: (bool, String),
    /// Whether it may be in group 0, with the words for it.
    pub root_group: (bool, String),
    /// Whether no_new_privs is set.
    pub no_new_privs: bool,
    /// The filter of system calls.
    pub seccomp: Filter,
    /// The AppArmor profile.
    pub apparmor: Label,
    /// The SELinux type.
    pub selinux: Label,
    /// Whether its root file system is read-only.
    pub read_only_root: Known<bool>,
    /// What it sees of the host's files.
    pub mounts: Known<Vec<HostMount>>,
    /// Its image.
    pub image: Known<String>,
}

/// How system calls are filtered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Not at all, or only where the kubelet was told to.
    None,
    /// By the runtime's own profile, or by filters of which nobody tells how narrow they are.
    One(String),
    /// By a profile of its own.
    Own(String),
}

/// How a security module confines it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// Not at all.
    Unconfined(String),
    /// By the runtime's profile or type.
    Default(String),
    /// By one of its own, which nobody here has read.
    Own(String),
    /// The module is not active here.
    Inactive,
}
