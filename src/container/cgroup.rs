//! What a cgroup path alone tells: container id, who manages it, pod uid, quality-of-service class.
//!
//! Pure text work on the path as the kernel has it, root to leaf. The parents may be anything, because a kubelet can be
//! put below any cgroup (`cgroupRoot`, nested clusters), so every level is judged by its own name, innermost first.
//! Ids that are not 64 hexadecimal digits (`ctr run` takes any name) are not guessed: `/default/web` is no container.

use super::outcome::Qos;

/// The runtime family that named the cgroup. A hint for whom to ask first, never a fact about the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Manager {
    /// containerd, by its CRI plugin or by nerdctl.
    Containerd,
    /// CRI-O.
    Crio,
    /// Docker, also below cri-dockerd.
    Docker,
    /// Podman.
    Podman,
}

/// What a cgroup path tells. All absent: a process of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CgroupIdentity {
    /// The id of the innermost container, 64 lowercase hexadecimal digits.
    pub container_id: Option<String>,
    /// The runtime family, where the name of the cgroup says so.
    pub manager: Option<Manager>,
    /// The uid of the innermost pod around the container, with dashes; 32 hexadecimal digits for a static pod.
    pub pod_uid: Option<String>,
    /// The class of that pod.
    pub qos: Option<Qos>,
}

/// One container that a cgroup path names. Not yet believed: whoever may make cgroups chooses their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// What the path tells as far as this container's own cgroup.
    pub identity: CgroupIdentity,
    /// The path so far, its last level bears the id.
    pub cgroup: String,
}

/// Every container that a path names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Innermost first, at most [`CLAIMS_LIMIT`]: of more the outermost is kept, which no container can have made.
    pub containers: Vec<Claim>,
    /// Levels may be missing at the root's end, and containers with them.
    pub cut: bool,
}

/// How many containers are looked at in one path; a node in a container in a node makes three.
pub const CLAIMS_LIMIT: usize = 4;

/// Reads every container id in a cgroup path; `cut` says that the part towards the root is missing.
#[must_use]
pub fn claims(path: &str, cut: bool) -> Claims {
    let mut containers: Vec<Claim> = Vec::new();
    let mut rest = path;
    while let Some((identity, end)) = innermost(rest) {
        if containers.len() == CLAIMS_LIMIT {
            containers.pop();
        }
        let cgroup = rest[..end].to_owned();
        rest = cgroup_above(&rest[..end]);
        containers.push(Claim { identity, cgroup });
    }
    Claims { containers, cut }
}

fn cgroup_above(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

/// The innermost container of a path, and where the level ends that names it.
fn innermost(path: &str) -> Option<(CgroupIdentity, usize)> {
    let mut rest = path;
    while !rest.is_empty() {
        let above = cgroup_above(rest);
        let parent = above.rsplit('/').next().unwrap_or_default();
        let segment = rest.rsplit('/').next().unwrap_or(rest);
        if container_of(segment, parent).is_some() {
            return Some((identify(rest), rest.len()));
        }
        rest = above;
    }
    None
}

/// Reads a cgroup path (`/kubepods.slice/…/cri-containerd-<id>.scope`), with or without a leading slash.
#[must_use]
pub fn identify(path: &str) -> CgroupIdentity {
    let mut identity = CgroupIdentity::default();
    let mut rest = path;
    while !rest.is_empty() {
        let (above, segment) = rest.rsplit_once('/').unwrap_or(("", rest));
        let parent = above.rsplit('/').next().unwrap_or_default();
        if identity.container_id.is_none()
            && let Some((id, manager)) = container_of(segment, parent)
        {
            // A pod level seen further in belongs to something nested that is no container.
            identity = CgroupIdentity {
                container_id: Some(id.to_owned()),
                manager,
                pod_uid: None,
                qos: None,
            };
        }
        if identity.pod_uid.is_none()
            && let Some((uid, qos)) = pod_of(segment, parent)
        {
            identity.pod_uid = Some(uid);
            identity.qos = Some(qos);
        }
        rest = above;
    }
    identity
}

/// Whether the text has the form of a full container id.
#[must_use]
pub fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// `<id>`, `<prefix>-<id>[.scope]`, or `<slice>:<prefix>:<id>` where the runtime's driver is not the kubelet's.
fn container_of<'a>(segment: &'a str, parent: &str) -> Option<(&'a str, Option<Manager>)> {
    // Only scopes: Podman's health checks run in host units that are called `<id>.service`.
    let stem = segment.strip_suffix(".scope").unwrap_or(segment);
    let (lead, id) = if is_container_id(stem) {
        ("", stem)
    } else {
        stem.rsplit_once(['-', ':'])?
    };
    if !is_container_id(id) {
        return None;
    }
    let prefix = lead.rsplit(':').next().unwrap_or_default();
    // A monitor carries its container's id but runs on the host.
    if prefix.ends_with("conmon") {
        return None;
    }
    let manager = match prefix {
        "cri-containerd" | "containerd" | "nerdctl" => Some(Manager::Containerd),
        "crio" => Some(Manager::Crio),
        "docker" => Some(Manager::Docker),
        "libpod" | "libpod-payload" => Some(Manager::Podman),
        "" => match parent {
            "docker" => Some(Manager::Docker),
            "libpod_parent" => Some(Manager::Podman),
            _ => None,
        },
        _ => None,
    };
    Some((id, manager))
}

/// `pod<uid>` (cgroupfs) or `…-pod<uid_>.slice` (systemd), the latter also as the first part of `<slice>:<prefix>:<id>`.
fn pod_of(segment: &str, parent: &str) -> Option<(String, Qos)> {
    let level = segment.split(':').next().unwrap_or(segment);
    if let Some(stem) = level.strip_suffix(".slice") {
        let (lead, uid) = stem.rsplit_once("-pod")?;
        return Some((pod_uid(uid)?, qos_of(lead.rsplit('-').next().unwrap_or_default())));
    }
    Some((pod_uid(level.strip_prefix("pod")?)?, qos_of(parent)))
}

fn qos_of(level: &str) -> Qos {
    match level {
        "burstable" => Qos::Burstable,
        "besteffort" => Qos::BestEffort,
        // Guaranteed pods hang directly below the root of the pods.
        _ => Qos::Guaranteed,
    }
}

/// A UUID with dashes or systemd's underscores, or the 32 digits of a static pod's configuration hash.
fn pod_uid(text: &str) -> Option<String> {
    let dashed = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => matches!(byte, b'-' | b'_'),
        _ => byte.is_ascii_hexdigit(),
    };
    match text.len() {
        32 if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => Some(text.to_owned()),
        36 if text.bytes().enumerate().all(dashed) => Some(text.replace('_', "-")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
