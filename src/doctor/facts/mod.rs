//! The facts that checks are judged on: plain values, one struct per area, no access to anything.
//!
//! A fact that could not be had is a [`Gap`] with its reason. A judge turns a gap into `unknown`, never into a value.

pub mod host;
pub mod join;
pub mod live;
pub mod manifests;
mod runtime;
pub mod settings;
pub mod suppressions;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::live::{CanaryFact, LiveAgent, LiveFacts, LiveFailure, RunningAgent};
pub use self::settings::{ConfigFacts, LogFacts, ProfileFacts, SettingFact};
use crate::capture::types::Fit;
use crate::privilege::file::FileCapabilities;

pub use join::JoinFact;
pub use runtime::{Closed, Mounted, OwnContainer, RuntimeClass, RuntimeFact, SocketFile};

/// From where a fact was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// By the doctor itself, on this machine and as this process.
    Cold,
    /// Told by the running agent.
    Live,
    /// Read in manifests, before they are applied.
    Manifest,
}

/// Why a fact is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// Nothing gathers it in this mode or build.
    NotGathered(String),
    /// Gathering did not end within its deadline.
    Late(Duration),
    /// Gathering broke down.
    Crashed,
    /// The system refused it.
    Refused(String),
}

impl std::fmt::Display for Gap {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotGathered(why) => write!(out, "not gathered: {why}"),
            Self::Late(deadline) => write!(out, "not gathered within {} ms", deadline.as_millis()),
            Self::Crashed => write!(out, "gathering broke down"),
            Self::Refused(why) => out.write_str(why),
        }
    }
}

/// Facts of one area with where and when they were gathered.
#[derive(Debug, Clone, PartialEq)]
pub struct Gathered<T> {
    /// The facts, or why there are none.
    pub value: Result<T, Gap>,
    /// When gathering began, RFC 3339, UTC.
    pub at: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: Option<u64>,
    /// From where it was seen.
    pub view: View,
}

impl<T> Gathered<T> {
    /// Facts without a clock.
    #[must_use]
    pub fn known(value: T) -> Self {
        Self {
            value: Ok(value),
            at: None,
            duration_us: None,
            view: View::Cold,
        }
    }

    /// The same facts, seen from there.
    #[must_use]
    pub fn seen(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// When and from where, without what.
    #[must_use]
    pub fn clock(&self) -> Gathered<()> {
        Gathered {
            value: Ok(()),
            at: self.at.clone(),
            duration_us: self.duration_us,
            view: self.view,
        }
    }

    /// No facts.
    #[must_use]
    pub fn gap(gap: Gap) -> Self {
        Self {
            value: Err(gap),
            at: None,
            duration_us: None,
            view: View::Cold,
        }
    }
}

/// Everything that is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The platform that remedies have to fit.
    pub place: Place,
    /// The kernel.
    pub kernel: Gathered<KernelFacts>,
    /// The doctor's own process.
    pub process: Gathered<ProcessFacts>,
    /// What the kernel allows to load, by trying.
    pub capture: Gathered<CaptureFacts>,
    /// What the kernel side takes.
    pub memory: Gathered<MemoryFacts>,
    /// What stands between this process and bpf(2).
    pub seccomp: Gathered<host::SeccompFacts>,
    /// Security modules.
    pub lsm: Gathered<host::LsmFacts>,
    /// Mounts, namespaces and cgroups of the doctor's own process.
    pub mounts: Gathered<host::MountFacts>,
    /// What the own cgroup uses.
    pub resources: Gathered<host::ResourceFacts>,
    /// Runtime sockets as this process sees them.
    pub runtimes: Gathered<Vec<RuntimeFact>>,
    /// The doctor's own container.
    pub own: Gathered<OwnContainer>,
    /// What the runtimes list beside what the running agent holds.
    pub join: Gathered<JoinFact>,
    /// The running agent.
    pub live: Gathered<LiveFacts>,
    /// The canary.
    pub canary: Gathered<CanaryFact>,
    /// Where a log could go.
    pub log: Gathered<LogFacts>,
    /// The configuration.
    pub config: ConfigFacts,
    /// The profile.
    pub profile: ProfileFacts,
    /// The suppressions, where any were given.
    pub suppressions: Option<suppressions::SuppressionFacts>,
}

/// Where the doctor runs: remedies are lines of a manifest or commands of a shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a pod.
    Kubernetes,
    /// In a container without Kubernetes.
    Container,
    /// On a host.
    Host,
}

/// The kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelFacts {
    /// `uname -r`.
    pub release: String,
    /// The lockdown mode.
    pub lockdown: LockdownFact,
    /// Size of `/sys/kernel/btf/vmlinux` in bytes, proven readable, or what the system said.
    pub btf: Result<u64, OsError>,
    /// How often it has the types that the programs are fitted to, or why that is not known.
    pub types: Result<Fit, String>,
    /// How it was built.
    pub build: host::BuildFact,
    /// `net.core.bpf_jit_enable`, which is in sight in the host's network only.
    pub jit: Option<u32>,
}

/// What `/sys/kernel/security/lockdown` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockdownFact {
    /// The chosen mode: none, integrity, confidentiality.
    Mode(String),
    /// The file is not there: securityfs is not mounted or the kernel has no lockdown.
    Absent,
    /// The file is there and cannot be read or understood.
    Unreadable(String),
}

/// What the system said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsError {
    /// errno, when the system gave one.
    pub errno: Option<i32>,
    /// In words.
    pub message: String,
}

impl OsError {
    /// What this error says.
    #[must_use]
    pub fn of(error: &std::io::Error) -> Self {
        Self {
            errno: error.raw_os_error(),
            message: error.to_string(),
        }
    }
}

/// Privileges of the doctor's own process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Effective user id.
    pub uid: u32,
    /// Effective and supplementary groups.
    pub gids: Vec<u32>,
    /// CapEff.
    pub effective: u64,
    /// CapPrm.
    pub permitted: u64,
    /// CapBnd.
    pub bounding: u64,
    /// NoNewPrivs.
    pub no_new_privs: bool,
    /// 0 none, 1 strict, 2 filter.
    pub seccomp: u32,
    /// The process's LSM label, where one is set.
    pub label: Option<String>,
    /// What the binary's inode grants.
    pub file: FileCapabilities,
}

/// Why a step of loading failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeFailure {
    /// The step, e.g. `load tp_btf/sched_process_exec`.
    pub step: String,
    /// errno, when the kernel gave one.
    pub errno: Option<i32>,
    /// In words.
    pub message: String,
    /// The last lines of the verifier, when it spoke.
    pub verifier: Option<String>,
}

/// What could be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureFacts {
    /// Types and maps, the ground of everything else.
    pub object: Result<(), ProbeFailure>,
    /// The base programs: process life.
    pub base: Result<(), ProbeFailure>,
    /// The trampoline backend.
    pub trampoline: Result<(), ProbeFailure>,
    /// The dispatcher backend.
    pub dispatcher: Result<(), ProbeFailure>,
    /// The reduced base programs, tried where the full ones are refused. Where they load, the backends are theirs too.
    pub reduced: Option<Result<(), ProbeFailure>>,
    /// RLIMIT_MEMLOCK in bytes, once lifted as far as it could be; absent without a limit. Kernels before 5.11 count maps
    /// and programs against it.
    pub memlock: Option<u64>,
}

/// Memory of the kernel side, computed for this machine and these settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryFacts {
    /// CPUs that the machine can have.
    pub cpus: u64,
    /// Bytes by map.
    pub maps: BTreeMap<String, u64>,
    /// What each further CPU would add, in bytes.
    pub per_cpu: u64,
    /// The memory limit of the doctor's own cgroup in bytes, absent where there is none in sight.
    pub limit: Option<u64>,
}
