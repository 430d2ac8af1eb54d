//! PIN-RUN-001 and PIN-RUN-004 in manifests: whether a runtime's socket is where the agent looks for it, and whether its user
//! may connect.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::super::change::Change;
use super::super::super::facts::manifests::{AgentPod, Manifests};
use super::super::super::finding::Finding;
use super::super::scc::given;
use super::mounts::{Mount, mounts, over};
use super::patch::{push, put, take};
use super::{Read, agent, waits};
use crate::config::settings::RuntimeNeed;
use crate::container::discovery::table::WELL_KNOWN;
use crate::exposure::hostpath::normal;

const FIELDS: &[&str] = &["container.name", "container.image", "kubernetes"];

/// A socket that the agent would try.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    /// Where the agent looks for it.
    socket: PathBuf,
    /// Where the host has it, where that is known.
    host: Option<String>,
}

/// Sockets that the agent would try, and which of them are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    candidates: Vec<Candidate>,
    /// Those that a mount of the host shows: the socket and the mount's place.
    found: Vec<(PathBuf, usize)>,
    /// Directories of the host that a runtime's socket is expected in.
    pub(super) directories: Vec<String>,
    /// The directory that the profile mounts, as the container is to see it, and as the host has it.
    wanted: (PathBuf, String),
    /// A mount that shows a socket's place and no volume that is declared.
    undeclared: bool,
}

impl Reach {
    /// Whether a mount at this place shows a socket and nothing that lies above its directory.
    pub(super) fn is_exact(&self, at: &Path) -> bool {
        self.candidates
            .iter()
            .any(|candidate| candidate.socket == at || candidate.socket.parent() == Some(at))
            // Sockets that lie in /run itself do not make all of /run needed, unless one of them was asked for.
            && (at.components().count() > 2 || self.candidates.len() == 1)
    }

    /// The directory below this place that is needed of it.
    pub(super) fn part_of(&self, at: &Path) -> Option<String> {
        let inside =
            |directory: &Path| (directory.starts_with(at) && directory != at).then(|| directory.display().to_string());
        let first = inside(&self.wanted.0);
        first.or_else(|| {
            self.candidates
                .iter()
                .find_map(|candidate| inside(candidate.socket.parent()?))
        })
    }
}

/// What of the candidates' sockets these mounts show.
pub(super) fn reach(manifests: &Manifests, mounts: &[Mount<'_>]) -> Reach {
    let runtime = &manifests.settings.settings.runtime;
    let platform = &manifests.profile.platform;
    let prefix = &runtime.host_prefix;
    let below = |path: &str| match prefix.as_os_str().is_empty() {
        true => PathBuf::from(path),
        false => prefix.join(path.trim_start_matches('/')),
    };
    let expected = platform.expect.socket.as_deref();
    let candidates: Vec<Candidate> = if runtime.socket.is_empty() {
        let known = WELL_KNOWN.iter().map(|known| Candidate {
            socket: below(known.socket),
            host: Some(known.socket.to_owned()),
        });
        known.collect()
    } else {
        let own = |socket: &PathBuf| Candidate {
            socket: socket.clone(),
            // Whoever names another one knows where the host has it.
            host: expected
                .filter(|expected| below(expected) == *socket)
                .map(str::to_owned),
        };
        runtime.socket.iter().map(own).collect()
    };
    let mut found = Vec::new();
    let mut undeclared = false;
    for candidate in &candidates {
        let Some(mount) = over(mounts, &candidate.socket) else {
            continue;
        };
        undeclared |= mount.declared.is_none();
        let Some(host) = &mount.host else { continue };
        let rest = candidate.socket.strip_prefix(mount.at).unwrap_or(Path::new(""));
        let on_host = normal(&Path::new(host).join(rest).display().to_string());
        if candidate
            .host
            .as_deref()
            .is_none_or(|expected| normal(expected) == on_host)
        {
            found.push((candidate.socket.clone(), mount.index));
        }
    }
    let directory = platform
        .kubernetes
        .as_ref()
        .map_or("/run/containerd", |pod| pod.runtime_directory.as_str());
    let named = candidates.first().filter(|_| !runtime.socket.is_empty());
    let wanted = match named.and_then(|candidate| candidate.socket.parent()) {
        Some(parent) => {
            let inside = parent
                .strip_prefix(prefix)
                .map_or(parent.to_owned(), |rest| Path::new("/").join(rest));
            (parent.to_owned(), inside.display().to_string())
        }
        None => (below(directory), directory.to_owned()),
    };
    Reach {
        directories: vec![normal(directory), normal(&wanted.1)],
        candidates,
        found,
        wanted,
        undeclared,
    }
}

/// PIN-RUN-001.
pub(in super::super) fn answers(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if manifests.settings.problem.is_some() {
        return waits("PIN-CFG-001");
    }
    let (object, security) = (&agent.object, &agent.container.security);
    let all = mounts(agent);
    let reach = reach(manifests, &all);
    let groups = agent.in_pod("/securityContext/supplementalGroups");
    let in_group = security.run_as_group == Some(0) || security.supplemental_groups.contains(&0);
    // A pod that names no groups is given the first that the constraints have.
    let by_constraints = object.at(&groups).is_none()
        && given(manifests, agent, "supplementalGroups", "/ranges/0/min") == Some(json!(0));
    let may_connect = security.run_as_user == Some(0) || in_group || by_constraints;
    let optional = manifests.settings.settings.health.runtime == RuntimeNeed::Optional;
    let lacks = |said: String| {
        if optional {
            Finding::warn(said)
        } else {
            Finding::fail(said)
        }
        .impact(
            "Events carry the container's id and the pod's uid, and no names.",
            &["metadata"],
            FIELDS,
        )
    };
    let (at, host) = (reach.wanted.0.display().to_string(), &reach.wanted.1);
    let finding = match reach.found.first() {
        None if reach.undeclared => return waits("PIN-MAN-003"),
        None => lacks(format!("no socket of a container runtime is mounted where the agent looks for it: {at}"))
            .remedy(
                "Mount the directory of the runtime's socket (not the socket itself: its file dies with the runtime's restart).",
                &[
                    &format!("volumes:\n  - name: runtime\n    hostPath: {{path: {host}, type: Directory}}"),
                    &format!("volumeMounts:\n  - name: runtime\n    mountPath: {at}\n    readOnly: true"),
                ],
            )
            .changes(mounted(agent, &all, &at, host)),
        Some((socket, _)) if !may_connect => lacks(format!(
            "the agent's user is not in group 0, and {} is root:root 0660",
            socket.display()
        ))
        .remedy("Give it the socket's group.", &["securityContext:\n  supplementalGroups: [0]"])
        .change(push(object, &groups, 0)),
        Some((socket, _)) => Finding::ok(format!("{} is mounted, and the agent's user is in its group", socket.display())),
    };
    let sockets: Vec<String> = reach
        .found
        .iter()
        .map(|(socket, _)| socket.display().to_string())
        .collect();
    finding
        .observed(json!({ "mounted": sockets, "group_0": may_connect }))
        .expected(json!({ "mounted": at, "group_0": true }))
        .told(
            object,
            &agent.in_container("/volumeMounts"),
            json!(all.iter().map(|mount| mount.at).collect::<Vec<_>>()),
        )
        .read(object, &groups)
}

/// Brings the host's directory to where the agent looks: by mending a mount that has one half of it right, else by a new one.
fn mounted(agent: &AgentPod, mounts: &[Mount<'_>], at: &str, host: &str) -> Vec<Change> {
    let object = &agent.object;
    let list = agent.in_container("/volumeMounts");
    let volumes = agent.in_pod("/volumes");
    let same = |mount: &&Mount<'_>| mount.host.as_deref().is_some_and(|path| normal(path) == normal(host));
    if let Some(mount) = mounts.iter().find(same).filter(|mount| !mount.sub) {
        return vec![put(object, &format!("{list}/{}/mountPath", mount.index), at)];
    }
    if let Some(mount) = mounts
        .iter()
        .find(|mount| mount.host.is_some() && Path::new(mount.at) == Path::new(at))
        && let (Some(volume), false) = (mount.declared, mount.sub)
    {
        return vec![put(object, &format!("{volumes}/{volume}/hostPath/path"), host)];
    }
    let unused = object.items(&volumes).find(|volume| {
        volume["hostPath"]["path"]
            .as_str()
            .is_some_and(|path| normal(path) == normal(host))
    });
    let free = ["runtime", "pinhole-runtime"]
        .into_iter()
        .find(|name| agent.volume(name).is_none());
    let name = unused
        .and_then(|volume| volume["name"].as_str())
        .or(free)
        .unwrap_or("container-runtime");
    let mut changes = vec![push(
        object,
        &list,
        json!({ "name": name, "mountPath": at, "readOnly": true }),
    )];
    if unused.is_none() {
        let volume = json!({ "name": name, "hostPath": { "path": host, "type": "Directory" } });
        changes.push(push(object, &volumes, volume));
    }
    changes
}

/// PIN-RUN-004.
pub(in super::super) fn directory_not_socket(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if manifests.settings.problem.is_some() {
        return waits("PIN-CFG-001");
    }
    let all = mounts(agent);
    let reach = reach(manifests, &all);
    if reach.found.is_empty() {
        return waits(if reach.undeclared { "PIN-MAN-003" } else { "PIN-RUN-001" });
    }
    let list = agent.in_container("/volumeMounts");
    let single = reach.found.iter().find_map(|(socket, index)| {
        let mount = all.iter().find(|mount| mount.index == *index)?;
        (Path::new(mount.at) == socket).then_some((socket, mount))
    });
    let finding = match single {
        None => Finding::ok("the directory of the socket is mounted"),
        Some((socket, mount)) => Finding::warn(format!("{} is mounted as a single file", socket.display()))
            .impact(
                "When the runtime restarts it makes a new socket, and the mount keeps the old one: from then on events of new \
                 containers carry no names, until the agent's own container is made anew.",
                &["metadata"],
                FIELDS,
            )
            .remedy("Mount the directory of the socket, not the socket.", &[&yaml(socket, mount)])
            .changes(widened(agent, mount)),
    };
    let ends: Vec<&str> = all
        .iter()
        .filter(|mount| mount.host.is_some())
        .map(|mount| mount.at)
        .collect();
    finding
        .observed(json!(single.map_or("directory", |_| "socket")))
        .expected("directory")
        .told(&agent.object, &list, json!(ends))
}

fn parent(path: &str) -> String {
    Path::new(path).parent().unwrap_or(Path::new("/")).display().to_string()
}

fn yaml(socket: &Path, mount: &Mount<'_>) -> String {
    let at = socket.parent().unwrap_or(Path::new("/")).display();
    format!(
        "volumeMounts:\n  - name: {}\n    mountPath: {at}\n    readOnly: true",
        mount.volume
    )
}

/// The same mount one level up.
fn widened(agent: &AgentPod, mount: &Mount<'_>) -> Vec<Change> {
    let object = &agent.object;
    let own = agent.in_container(&format!("/volumeMounts/{}", mount.index));
    let mut changes = vec![put(object, &format!("{own}/mountPath"), parent(mount.at))];
    if mount.sub {
        changes.push(take(object, &format!("{own}/subPath")));
    } else if let (Some(volume), Some(host)) = (mount.declared, mount.host.as_deref()) {
        let volume = agent.in_pod(&format!("/volumes/{volume}/hostPath"));
        changes.push(put(object, &format!("{volume}/path"), parent(host)));
        if object.at(&format!("{volume}/type")).is_some() {
            changes.push(put(object, &format!("{volume}/type"), "Directory"));
        }
    }
    changes
}
