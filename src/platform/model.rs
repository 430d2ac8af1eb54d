//! What `profiles/<name>/platform.toml` says: how a platform is known, what it is expected to be, and what it needs.
//!
//! Declarations and the checks that need nothing but the text. The build script compiles this file too and refuses to
//! build with a bad profile, so nothing here may lean on the rest of the crate.

use serde::Deserialize;

/// Points from which a detection counts as [`Confidence::Certain`].
pub const CERTAIN: i32 = 100;
/// Points from which it counts as [`Confidence::Likely`].
pub const LIKELY: i32 = 50;
/// Points from which it counts as [`Confidence::Guess`]; below, the platform is no candidate.
pub const GUESS: i32 = 20;

/// All that is known of a platform.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// One line for lists.
    pub summary: String,
    /// How it is known.
    pub detect: Detect,
    /// What it is expected to look like.
    pub expect: Expect,
    /// From where on something is wrong.
    pub thresholds: Thresholds,
    /// What one agent takes.
    pub resources: Resources,
    /// What its pod needs; absent where there is no Kubernetes.
    pub kubernetes: Option<Kubernetes>,
}

impl Platform {
    /// Reads a `platform.toml`.
    ///
    /// # Errors
    /// What is wrong and where: an unknown key, a value of the wrong type, or one that makes no sense.
    pub fn parse(text: &str) -> Result<Self, String> {
        let platform: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        platform.check()?;
        Ok(platform)
    }

    fn check(&self) -> Result<(), String> {
        for rule in &self.detect.evidence {
            if rule.weight == 0 || rule.says.is_empty() {
                return Err(format!("a rule about {:?} has no weight or says nothing", rule.fact));
            }
            // These are what is looked for on the host, so they have to be named.
            let named = !rule.is.is_empty() && rule.is.iter().all(|path| path.starts_with('/'));
            if matches!(rule.fact, Subject::Socket | Subject::File) && !named {
                return Err(format!("a rule about {:?} names no absolute paths in `is`", rule.fact));
            }
            if matches!(&rule.fact, Subject::Dmi(file) if file.contains(['/', '.'])) {
                return Err(format!("{:?} is no file of /sys/class/dmi/id", rule.fact));
            }
        }
        let percents = [self.thresholds.loss_percent, self.thresholds.complete_percent];
        if percents.iter().any(|share| !(0.0..=100.0).contains(share)) {
            return Err("a threshold in percent is not from 0 to 100".to_owned());
        }
        if self.thresholds.lookup_p99_ms == 0 {
            return Err("a threshold in time is 0".to_owned());
        }
        if self.expect.cgroups.is_empty() {
            return Err("expect.cgroups is empty".to_owned());
        }
        let kubernetes = self.kubernetes.as_ref();
        if kubernetes.is_some() != (self.detect.place == Place::Kubernetes) {
            return Err("[kubernetes] belongs to a platform whose place is kubernetes, and to no other".to_owned());
        }
        let directory = kubernetes.map(|pod| pod.runtime_directory.as_str());
        let paths = [directory, self.expect.socket.as_deref()];
        if paths.into_iter().flatten().any(|path| !path.starts_with('/')) {
            return Err("a path is not absolute".to_owned());
        }
        match (directory, &self.expect.socket) {
            (Some(directory), Some(socket)) if !socket.starts_with(&format!("{directory}/")) => Err(format!(
                "expect.socket {socket} is not below runtime_directory {directory}"
            )),
            _ => Ok(()),
        }
    }
}

/// How a platform is known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Where it can be at all.
    pub place: Place,
    /// Points that it has without any evidence: what is left where no other platform shows itself.
    #[serde(default)]
    pub base: i32,
    /// What speaks for it or against it.
    #[serde(default)]
    pub evidence: Vec<Rule>,
}

/// Inside Kubernetes (a pod or a node), or outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// In a pod or on a node.
    Kubernetes,
    /// On a host that shows no sign of Kubernetes.
    Host,
}

/// One piece of evidence: a fact, what it has to look like, what that is worth.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What is looked at.
    pub fact: Subject,
    /// It is one of these.
    #[serde(default)]
    pub is: Vec<String>,
    /// It starts with one of these.
    #[serde(default)]
    pub starts: Vec<String>,
    /// It ends with one of these.
    #[serde(default)]
    pub ends: Vec<String>,
    /// It has one of these in it.
    #[serde(default)]
    pub contains: Vec<String>,
    /// Points for the platform where it holds, against it where negative. [`CERTAIN`] decides alone.
    pub weight: i32,
    /// What it means, for people: the value is printed before it.
    pub says: String,
}

/// What a [`Rule`] looks at. Of `is`, `starts`, `ends` and `contains` any may hold; without all four the fact has to be there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Subject {
    /// `kernel-release`: what `uname -r` prints, always the host's.
    KernelRelease,
    /// `os-release:KEY`: in a container that of its image.
    OsRelease(String),
    /// `dmi:FILE`, a file of `/sys/class/dmi/id`: always the host's.
    Dmi(String),
    /// `socket`: the path of a socket that exists.
    Socket,
    /// `file`: the path of a file or directory that exists.
    File,
    /// `lsm`: a security module that is active.
    Lsm,
    /// `api-server`: the host name or address of the API server.
    ApiServer,
    /// `node-name`: the node's name in Kubernetes.
    NodeName,
    /// `node-label:KEY`: a label of the node.
    NodeLabel(String),
}

impl TryFrom<String> for Subject {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (kind, key) = match text.split_once(':') {
            Some((kind, key)) if !key.is_empty() => (kind, Some(key.to_owned())),
            Some(_) => return Err(format!("{text:?} lacks what stands behind the colon")),
            None => (text.as_str(), None),
        };
        match (kind, key) {
            ("kernel-release", None) => Ok(Self::KernelRelease),
            ("os-release", Some(key)) => Ok(Self::OsRelease(key)),
            ("dmi", Some(file)) => Ok(Self::Dmi(file)),
            ("socket", None) => Ok(Self::Socket),
            ("file", None) => Ok(Self::File),
            ("lsm", None) => Ok(Self::Lsm),
            ("api-server", None) => Ok(Self::ApiServer),
            ("node-name", None) => Ok(Self::NodeName),
            ("node-label", Some(key)) => Ok(Self::NodeLabel(key)),
            _ => Err(format!("{text:?} is no fact that a rule can look at")),
        }
    }
}

/// What the platform is expected to look like.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The oldest kernel that its supported nodes have.
    pub oldest_kernel: KernelVersion,
    /// Kernels that are known to be in use there.
    #[serde(default)]
    pub kernels: Vec<Kernel>,
    /// The container runtime; absent where any will do.
    pub runtime: Option<Runtime>,
    /// Its socket, a path of the host.
    pub socket: Option<String>,
    /// The hierarchies of control groups that nodes have.
    pub cgroups: Vec<Cgroup>,
    /// Security modules that confine containers, each on some of its nodes at least.
    #[serde(default)]
    pub lsms: Vec<Lsm>,
    /// The highest `kernel.perf_event_paranoid` that nodes are known to have.
    pub perf_event_paranoid: Option<i8>,
    /// The strictest lockdown that nodes are known to have.
    pub lockdown: Option<Lockdown>,
    /// The first version of the runtime whose default seccomp profile admits `bpf()` with CAP_BPF.
    pub seccomp_admits_bpf_since: Option<String>,
}

/// `major.minor` of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct KernelVersion {
    /// Before the point.
    pub major: u32,
    /// Behind it.
    pub minor: u32,
}

impl KernelVersion {
    /// The version that a release such as `5.14.0-427.13.1.el9_4.x86_64` begins with.
    #[must_use]
    pub fn of_release(release: &str) -> Option<Self> {
        let digits = |text: &str| {
            let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
            text[..end].parse().ok()
        };
        let (major, rest) = release.split_once('.')?;
        Some(Self {
            major: major.parse().ok()?,
            minor: digits(rest)?,
        })
    }
}

impl TryFrom<String> for KernelVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::of_release(&text)
            .filter(|version| version.to_string() == text)
            .ok_or_else(|| format!("{text:?} is no kernel version such as \"5.15\""))
    }
}

impl std::fmt::Display for KernelVersion {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

/// A kernel and the system that ships it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Its version.
    pub version: KernelVersion,
    /// The operating system of the node.
    pub system: String,
}

/// A container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// containerd.
    Containerd,
    /// CRI-O.
    CriO,
}

impl Runtime {
    /// The name that it has for itself in the CRI's Version answer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
        }
    }
}

/// A hierarchy of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroup {
    /// A hierarchy per controller.
    V1,
    /// One hierarchy.
    V2,
}

/// A security module that confines containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lsm {
    /// Confines by paths.
    Apparmor,
    /// Confines by types.
    Selinux,
}

/// `/sys/kernel/security/lockdown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lockdown {
    /// Off.
    None,
    /// The kernel cannot be changed.
    Integrity,
    /// Nor read.
    Confidentiality,
}

/// From where on something is wrong on this platform.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// From this share of dropped events on, in percent of the wanted ones.
    pub loss_percent: f64,
    /// Above this 99th percentile of a container's lookup, in milliseconds.
    pub lookup_p99_ms: u32,
    /// Below this share of events with complete metadata, in percent of those of containers.
    pub complete_percent: f64,
}

/// What one agent takes, as Kubernetes writes quantities.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPU that is kept free for it. There is no limit: an agent that is held back loses events.
    pub cpu_request: String,
    /// Memory that is kept free for it: what it takes on a small node.
    pub memory_request: String,
    /// Memory that it may take at most: the kernel's ring and maps, the agent, and room.
    pub memory_limit: String,
    /// The number of CPUs up to which `memory_limit` is enough.
    pub cpus: u32,
}

/// What the pod needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// The directory of the runtime's socket, the one path of the host that is mounted.
    pub runtime_directory: String,
    /// Which seccomp profile lets the agent start.
    pub seccomp: Seccomp,
    /// The AppArmor profile that the pod asks for; absent where nodes have no AppArmor.
    pub apparmor: Option<Apparmor>,
    /// The SELinux type that may connect to the runtime and use `bpf()`; absent where an ordinary pod's may.
    pub selinux_type: Option<String>,
    /// Whether the pod is admitted by a SecurityContextConstraints object of its own.
    pub security_context_constraints: bool,
    /// Whether CAP_SYS_RESOURCE is needed to lock memory for maps, as on kernels older than 5.11.
    pub memlock_capability: bool,
    /// Which tainted nodes it runs on, unless something else is asked for.
    pub tolerations: Tolerations,
    /// Whether pods of the classes `system-*` are admitted only to namespaces with a quota for them.
    #[serde(default)]
    pub quota_for_system_classes: bool,
    /// Nodes that are none of their own kernel, and so none of the agent's.
    pub not_on: Option<NodeLabel>,
}

/// A label and its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeLabel {
    /// Its key.
    pub label: String,
    /// Its value.
    pub value: String,
}

/// A seccomp profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seccomp {
    /// The runtime's own.
    RuntimeDefault,
    /// The agent's, which has to be on the node.
    Localhost,
}

/// An AppArmor profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Apparmor {
    /// The runtime's own.
    RuntimeDefault,
}

/// Which tainted nodes the agent runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tolerations {
    /// Every node.
    All,
    /// Untainted ones and those of the control plane.
    ControlPlane,
    /// Untainted ones.
    None,
}
