//! What a container lookup ended with: the metadata that was found, and for what was not, the reason.
//!
//! One vocabulary for events, metrics and the doctor: [`Status`] and [`Reason`] are the only words in which the agent
//! speaks about completeness. A key that is unknown is absent, never null; the reason for its absence is in
//! [`Metadata`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much is known about where a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The process belongs to no container.
    Host,
    /// Every field that a container of this kind has is present.
    Complete,
    /// The container is identified, some of its fields are not; `reason` says why.
    Partial,
    /// Nothing beyond what the cgroup path itself tells; `reason` says why.
    Missing,
}

impl Status {
    /// Every status, in the order in which summaries list them.
    pub const ALL: [Self; 4] = [Self::Host, Self::Complete, Self::Partial, Self::Missing];

    /// The word used in events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Missing => "missing",
        }
    }
}

/// Why a field, or all of them, could not be filled. Stable words, documented in `docs/events.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No runtime socket was found at any known or configured path.
    NoRuntimeSocket,
    /// The socket exists but this process may not connect to it (file mode or LSM).
    SocketPermission,
    /// The socket file exists and nobody listens behind it.
    SocketRefused,
    /// The peer does not speak gRPC, or the stream broke.
    SocketProtocol,
    /// The runtime did not answer within the deadline.
    RuntimeTimeout,
    /// The runtime is still being asked, and the event could not wait any longer.
    LookupPending,
    /// The runtime failed repeatedly and is left alone for a while.
    CircuitOpen,
    /// The runtime serves no CRI on this socket.
    CriUnimplemented,
    /// The runtime answered with an error of its own.
    RuntimeError,
    /// No runtime knows this container id.
    ContainerUnknown,
    /// The answer exceeded the size limit or could not be decoded.
    AnswerUnusable,
    /// The kernel gave no cgroup name for the process, or only the last levels of a very deep one.
    CgroupUnknown,
    /// The kernel lets the agent read no name of a cgroup: the capture is reduced, or memory could not be read.
    CgroupUnreadable,
    /// The cgroup bears the id of a container that the runtime keeps in another cgroup: the name is not believed.
    CgroupMismatch,
    /// The runtime has no name for the image, only its digest or id.
    ImageNameUnknown,
    /// The sandbox of the container could not be looked up.
    SandboxUnknown,
}

impl Reason {
    /// Every reason, in the order in which summaries list them.
    pub const ALL: [Self; 16] = [
        Self::NoRuntimeSocket,
        Self::SocketPermission,
        Self::SocketRefused,
        Self::SocketProtocol,
        Self::RuntimeTimeout,
        Self::LookupPending,
        Self::CircuitOpen,
        Self::CriUnimplemented,
        Self::RuntimeError,
        Self::ContainerUnknown,
        Self::AnswerUnusable,
        Self::CgroupUnknown,
        Self::CgroupUnreadable,
        Self::CgroupMismatch,
        Self::ImageNameUnknown,
        Self::SandboxUnknown,
    ];

    /// The word used in events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoRuntimeSocket => "no_runtime_socket",
            Self::SocketPermission => "socket_permission",
            Self::SocketRefused => "socket_refused",
            Self::SocketProtocol => "socket_protocol",
            Self::RuntimeTimeout => "runtime_timeout",
            Self::LookupPending => "lookup_pending",
            Self::CircuitOpen => "circuit_open",
            Self::CriUnimplemented => "cri_unimplemented",
            Self::RuntimeError => "runtime_error",
            Self::ContainerUnknown => "container_unknown",
            Self::AnswerUnusable => "answer_unusable",
            Self::CgroupUnknown => "cgroup_unknown",
            Self::CgroupUnreadable => "cgroup_unreadable",
            Self::CgroupMismatch => "cgroup_mismatch",
            Self::ImageNameUnknown => "image_name_unknown",
            Self::SandboxUnknown => "sandbox_unknown",
        }
    }
}

/// Which part of the lookup chain answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The Kubernetes Container Runtime Interface.
    Cri,
    /// containerd's own API.
    Containerd,
    /// The Docker Engine API, answered by Docker.
    Docker,
    /// Podman's API.
    Podman,
    /// The OCI runtime's bundle on the disk.
    Bundle,
    /// The cgroup path alone.
    Cgroup,
}

/// Kubernetes quality-of-service class, as the cgroup path tells it and spelt as there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Qos {
    /// Requests equal limits for every container: no level of its own in the path.
    Guaranteed,
    /// The `burstable` level.
    Burstable,
    /// The `besteffort` level.
    BestEffort,
}

/// The image that a container was made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The name as it was asked for, e.g. `registry.example/shop/web:2.7.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The reference without tag and digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The tag, absent when the image was asked for by digest alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The digest of the manifest or index that was resolved, `sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The digest of the image's configuration, `sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// The container that a process runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The full id, 64 hexadecimal digits for every runtime but a few.
    pub id: String,
    /// The container's name (in Kubernetes: the name in the pod's spec).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The runtime's own name for itself, e.g. `containerd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The namespace in which containerd keeps it, e.g. `k8s.io` or `default`. Told by containerd's own API and by its
    /// bundles only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_namespace: Option<String>,
    /// The image, absent for a sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// True for the pause container that holds a pod's namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<bool>,
    /// Whether the container was made privileged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// The id of the pod's sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_sandbox_id: Option<String>,
    /// How often this container has been started anew, 0 for the first time: in Kubernetes by the kubelet, which makes
    /// another of the same name in the pod, elsewhere by Docker or podman, which keep the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_count: Option<u32>,
    /// The container's own labels without `io.kubernetes.*`, as far as they are wanted: at most 64 and 8 KiB, the first
    /// by their keys. Docker and podman count those of the image among them; over CRI, containers that the kubelet made
    /// have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// More of the labels are wanted than these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub labels_truncated: bool,
    /// When it was started, in nanoseconds since 1970; absent where it was not yet when the runtime was asked. CRI tells it, where a
    /// container is started once; it is for rules only, and not kept from one run to the next.
    #[serde(skip)]
    pub started_at: Option<i64>,
    /// What was mounted into it, where that is wanted: at most 64 and 16 KiB, in the runtime's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// The container has more mounts than these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mounts_truncated: bool,
}

/// A directory, file or image that was mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The path in the container.
    pub destination: String,
    /// The path on the host; absent for what is no path there, as an image's volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether it was mounted for reading only.
    pub read_only: bool,
    /// Which later mounts pass its border.
    pub propagation: Propagation,
}

/// Which mounts below a mount, made later, are seen on the other side: CRI's `MountPropagation`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Propagation {
    /// None: `rprivate`.
    #[default]
    Private,
    /// The host's are seen in the container: `rslave`.
    HostToContainer,
    /// Those of either are seen by the other: `rshared`.
    Bidirectional,
}

/// The pod that a container belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// The pod's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The pod's uid; for a static pod the hash of its configuration, 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The pod's labels without the runtime's own `io.kubernetes.*`, as far as they are wanted: at most 64 and 8 KiB, the
    /// first by their keys.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub labels: BTreeMap<String, String>,
    /// More of the labels are wanted than these.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub labels_truncated: bool,
    /// Those of the pod's annotations that are wanted, with the limits of labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub annotations: BTreeMap<String, String>,
    /// More of the annotations are wanted than these.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub annotations_truncated: bool,
}

/// What Kubernetes calls the place where a process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubernetes {
    /// The pod's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    /// The container's name in the pod's spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The quality-of-service class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qos: Option<Qos>,
}

/// How the lookup went: the `metadata` key of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// How much is known.
    pub status: Status,
    /// Why not all is known; absent when the status is host or complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Which part of the lookup chain answered; absent for host processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// How long the runtimes took for the lookup, or have taken so far, in microseconds; absent for host processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup_us: Option<u64>,
    /// The cgroup, by the inode number of its directory: present where its name is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_id: Option<u64>,
}

/// The end of one lookup: the keys `container`, `kubernetes` and `metadata` of an event, in this order. Shared by every
/// event of the container, so it is handed around in an `Arc`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The container, absent for host processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// The pod, absent for host processes and for containers that no kubelet made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes>,
    /// How the lookup went.
    pub metadata: Metadata,
}

impl Outcome {
    /// The outcome for a process outside every container.
    #[must_use]
    pub fn host() -> Self {
        Self {
            metadata: Metadata {
                status: Status::Host,
                reason: None,
                source: None,
                lookup_us: None,
                cgroup_id: None,
            },
            container: None,
            kubernetes: None,
        }
    }

    /// The outcome for a process whose cgroup the kernel could not name.
    #[must_use]
    pub fn cgroup_unknown(cgroup_id: u64) -> Self {
        Self::nameless(Reason::CgroupUnknown, cgroup_id)
    }

    /// The outcome for a process whose cgroup has a name that the kernel keeps to itself.
    #[must_use]
    pub fn cgroup_unreadable(cgroup_id: u64) -> Self {
        Self::nameless(Reason::CgroupUnreadable, cgroup_id)
    }

    fn nameless(reason: Reason, cgroup_id: u64) -> Self {
        Self {
            metadata: Metadata {
                status: Status::Missing,
                reason: Some(reason),
                source: None,
                lookup_us: None,
                cgroup_id: Some(cgroup_id),
            },
            container: None,
            kubernetes: None,
        }
    }

    /// Sets what the lookup cost.
    #[must_use]
    pub fn took(mut self, cost: Duration) -> Self {
        self.metadata.lookup_us = Some(u64::try_from(cost.as_micros()).unwrap_or(u64::MAX));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Status};

    /// The rows of the tables below a heading of `docs/events.md`, by the word in their first cell.
    fn documented(heading: &str) -> Vec<&'static str> {
        let page = include_str!("../../docs/events.md");
        let (_, section) = page.split_once(&format!("\n{heading}\n")).expect(heading);
        let section = section.split("\n#").next().unwrap_or_default();
        section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
            .collect()
    }

    #[test]
    fn every_status_is_documented() {
        let rows = documented("## metadata");
        for status in Status::ALL {
            assert!(rows.contains(&status.as_str()), "docs/events.md lacks {status:?}");
        }
    }

    #[test]
    fn every_reason_is_documented_and_no_other() {
        assert_eq!(documented("### Reasons"), Reason::ALL.map(Reason::as_str));
    }
}
