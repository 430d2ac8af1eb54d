//! The settings of the agent, their defaults and their limits. What is not a field here cannot be configured.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use pinhole_delivery::config::Delivery;
use pinhole_priority::Priority;
use serde::{Deserialize, Deserializer, Serialize};

use super::endpoint;
use super::share::Share;
use crate::capture::calls::Class;

/// Everything that can be set, by file, environment or flag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The platform profile: a name, or `auto` to detect it.
    pub profile: String,
    /// About the node.
    pub node: Node,
    /// Which raw events are printed.
    pub events: Vec<EventClass>,
    /// Rules, and the alerts that they raise.
    pub rules: Rules,
    /// Where alerts go.
    pub delivery: Delivery,
    /// Recording.
    pub record: Record,
    /// How events are printed.
    pub output: Output,
    /// The agent's own log.
    pub log: Log,
    /// Kernel side.
    pub capture: Capture,
    /// What is told of losses.
    pub loss: Loss,
    /// Container runtimes.
    pub runtime: Runtime,
    /// What events tell of containers and pods.
    pub metadata: Metadata,
    /// The admin socket.
    pub control: Control,
    /// What makes the agent ready and alive, and where that is told.
    pub health: Health,
}

/// `node`: what the agent says about where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Name of the node in events. Absent: the `NODE_NAME` given by Kubernetes' downward API, else the host's name.
    pub name: Option<String>,
}

/// A class of raw events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventClass {
    /// Process life, and processes acting on each other.
    Process,
    /// Files and directories.
    File,
    /// Sockets.
    Network,
    /// Changes of identity, capability, namespace and root.
    Privilege,
    /// Kernel modules and programs.
    Module,
    /// All of the above.
    All,
    /// None: the process life cycle is still captured, for the process table.
    None,
}

impl EventClass {
    /// What is captured for it.
    #[must_use]
    pub const fn classes(self) -> &'static [Class] {
        match self {
            Self::Process => &[Class::Process],
            Self::File => &[Class::File],
            Self::Network => &[Class::Network],
            Self::Privilege => &[Class::Privilege],
            Self::Module => &[Class::Module],
            Self::All => &Class::ALL,
            Self::None => &[],
        }
    }
}

/// `rules`: what raises alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Rule files in Falco's language, and directories of them, in their order.
    pub files: Vec<PathBuf>,
    /// Whether an event can raise the alerts of several rules.
    pub matching: RuleMatching,
    /// The least urgent priority of rules that are evaluated.
    pub priority: Priority,
    /// What is done where it is unknown whether a rule holds.
    pub unknown: WhenUnknown,
    /// Rules of which that raises an alert, whatever `unknown` says.
    pub unknown_alert: Vec<String>,
    /// Rules of which that is only counted, whatever `unknown` says.
    pub unknown_hold: Vec<String>,
    /// Whether the kernel side keeps back what no rule can match.
    pub prefilter: bool,
    /// What is appended to the output of every rule; a template, as rules have them.
    pub append_output: String,
}

/// Whether an event can raise the alerts of several rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleMatching {
    /// The first rule that holds is the only one.
    First,
    /// All that hold.
    All,
}

/// What is done where it is unknown whether a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnknown {
    /// An alert that is marked, once per container and rule.
    Alert,
    /// It is counted.
    Hold,
}

/// `record`: writing what the kernel side told into a file, for `agent rules test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The file; empty for none. It must not exist yet.
    pub file: PathBuf,
    /// The size at which recording ends; the agent goes on.
    pub limit: ByteSize,
}

/// `output`: standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The format of events.
    pub format: OutputFormat,
}

/// The format of events on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
    /// Events are taken and accounted for, not written; only summaries are, as JSON.
    Count,
}

/// `log`: the agent's own log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or a filter such as `info,pinhole::container=debug`.
    pub level: String,
    /// Where the log goes.
    pub target: LogTarget,
}

/// Where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogTarget {
    /// journald when its socket is there and standard error is not a terminal, else standard error.
    Auto,
    /// Standard error.
    Stderr,
    /// journald.
    Journald,
}

impl LogTarget {
    /// The word in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Stderr => "stderr",
            Self::Journald => "journald",
        }
    }
}

/// `capture`: the kernel side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// How system calls are hooked.
    pub backend: BackendChoice,
    /// Which messages of a socket are told.
    pub flows: FlowChoice,
    /// Size of the ring buffer; rounded up to a power of two of at least 64 KiB.
    pub ring_size: ByteSize,
    /// How long events may wait in the ring so that the reader is woken for many at once.
    #[serde(with = "humantime_text")]
    pub batch: Duration,
    /// How many processes are remembered.
    pub processes: u32,
}

/// How system calls are hooked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// Trampoline when the kernel allows it, else dispatcher.
    Auto,
    /// fexit on each watched system call: the others cost nothing.
    Trampoline,
    /// One program on the exit of every system call, with a bitmap test first.
    Dispatcher,
}

/// Which messages of a socket are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowChoice {
    /// The first to each destination.
    First,
    /// Each.
    All,
}

/// `loss`: what is told when events were dropped. The first loss is told whatever these say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loss {
    /// The share of events that must have been dropped within a second for a loss event.
    pub threshold: Share,
    /// How many loss events there may be before the interval counts.
    pub burst: u32,
    /// After the burst, one loss event in this time, which sums up.
    #[serde(with = "humantime_text")]
    pub interval: Duration,
}

/// `runtime`: container runtimes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Sockets to use. Empty: those that `crictl` is set to and the well-known paths are tried.
    #[serde(deserialize_with = "endpoints")]
    pub socket: Vec<PathBuf>,
    /// Where the host's root directory is mounted, prepended to the well-known paths and to a profile's.
    pub host_prefix: PathBuf,
    /// Directories of OCI bundles, which are read where no runtime tells. Empty: none is.
    pub bundles: Vec<PathBuf>,
    /// Deadline of one call to a runtime.
    #[serde(with = "humantime_text")]
    pub call_timeout: Duration,
    /// How long an event may wait for its container's metadata, all calls and retries together.
    #[serde(with = "humantime_text")]
    pub lookup_budget: Duration,
    /// How much of its time the pipeline may wait for runtimes, all events together.
    pub wait_share: Share,
    /// How many containers are remembered.
    pub cache_size: u32,
    /// Whether a container is looked up when its cgroup appears, and forgotten after that is gone.
    pub prefetch: bool,
}

/// `metadata`: which parts of what runtimes tell are kept, and so are in events. Names, images and ids always are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Keys of labels of pods and containers; a `*` at the end stands for any rest.
    pub labels: Vec<String>,
    /// Keys of annotations of pods, likewise.
    pub annotations: Vec<String>,
    /// Whether the mounts of containers are.
    pub mounts: bool,
}

/// `control`: the admin socket, which `agent doctor` asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Path of the admin socket; empty disables it.
    pub socket: PathBuf,
}

/// `health`: when the agent is ready and alive, and where that is told beside the admin socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Address and port for `/livez`, `/readyz` and `/metrics`; empty for none.
    pub listen: String,
    /// Whether the agent is ready without a container runtime.
    pub runtime: RuntimeNeed,
    /// How old the youngest canary that came through the pipeline may be.
    #[serde(with = "humantime_text")]
    pub canary: Duration,
    /// The share of events at whose loss the agent is not ready any more.
    pub loss: Share,
    /// The time over which that share is taken.
    #[serde(with = "humantime_text")]
    pub loss_window: Duration,
    /// How long a turn of the pipeline may take before it counts as standing still.
    #[serde(with = "humantime_text")]
    pub stall: Duration,
}

impl Health {
    /// The address to listen at; `None` for none, and for what [`super::validate`] refuses.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

/// Whether the agent is ready without a container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeNeed {
    /// Not before one has answered.
    Required,
    /// It is; but once one has answered, that one has to.
    Optional,
}

/// Where an alert comes from: the fields that upstream's container plugin appends to the output of every rule by default
/// (falcosecurity/plugins, `plugins/container`: its suggested output).
const APPENDED_OUTPUT: &str = "container_id=%container.id container_name=%container.name \
    container_image_repository=%container.image.repository container_image_tag=%container.image.tag \
    k8s_pod_name=%k8s.pod.name k8s_ns_name=%k8s.ns.name";

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: "auto".to_owned(),
            node: Node { name: None },
            events: vec![EventClass::Process, EventClass::File, EventClass::Network],
            rules: Rules {
                files: Vec::new(),
                matching: RuleMatching::First,
                priority: Priority::Debug,
                unknown: WhenUnknown::Alert,
                unknown_alert: Vec::new(),
                unknown_hold: Vec::new(),
                prefilter: true,
                append_output: APPENDED_OUTPUT.to_owned(),
            },
            delivery: Delivery::default(),
            record: Record {
                file: PathBuf::new(),
                limit: ByteSize::gib(1),
            },
            output: Output {
                format: OutputFormat::Auto,
            },
            log: Log {
                level: "info".to_owned(),
                target: LogTarget::Auto,
            },
            capture: Capture {
                backend: BackendChoice::Auto,
                flows: FlowChoice::First,
                ring_size: ByteSize::mib(8),
                batch: Duration::from_millis(10),
                processes: 32_768,
            },
            loss: Loss {
                threshold: Share::default(),
                burst: 10,
                interval: Duration::from_secs(60),
            },
            runtime: Runtime {
                socket: Vec::new(),
                host_prefix: PathBuf::new(),
                bundles: Vec::new(),
                call_timeout: Duration::from_secs(2),
                lookup_budget: Duration::from_secs(1),
                wait_share: Share::of_millionths(250_000),
                cache_size: 4096,
                prefetch: true,
            },
            metadata: Metadata {
                labels: vec!["*".to_owned()],
                annotations: Vec::new(),
                mounts: false,
            },
            control: Control {
                socket: PathBuf::from("/run/pinhole/agent.sock"),
            },
            health: Health {
                listen: String::new(),
                runtime: RuntimeNeed::Required,
                canary: Duration::from_secs(15),
                loss: Share::of_millionths(10_000),
                loss_window: Duration::from_secs(60),
                stall: Duration::from_secs(30),
            },
        }
    }
}

/// Sockets as people write them: `/run/x.sock` or `unix:///run/x.sock`.
fn endpoints<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let written = Vec::<String>::deserialize(deserializer)?;
    Ok(written
        .iter()
        .map(|text| PathBuf::from(endpoint::path_of(text)))
        .collect())
}

/// Durations as people write them: `500ms`, `2s`.
mod humantime_text {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*value))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|error| {
            serde::de::Error::custom(format!(
                "invalid duration {text:?}: {error}; write for example \"500ms\" or \"2s\""
            ))
        })
    }
}
