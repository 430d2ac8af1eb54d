//! PIN-MNT-002, PIN-MNT-003 and PIN-MNT-005 in manifests: what the pod is given of the host, and the one place that it writes to.

use std::path::Path;

use serde_json::{Value, json};

use super::super::super::facts::manifests::{AgentPod, Manifests};
use super::super::super::finding::Finding;
use super::patch::{push, put, take, take_items};
use super::runtime::{Reach, reach};
use super::{Read, agent, settings_unknown, waits};
use crate::exposure::hostpath::{self, Class};

/// Where the admin socket's directory comes from in the profile's manifest.
const VOLUME: &str = "run";

/// One mount of the agent's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    /// Its place in `volumeMounts`.
    pub(super) index: usize,
    /// Where the container sees it.
    pub(super) at: &'a str,
    /// The volume's name.
    pub(super) volume: &'a str,
    /// The volume's place in `volumes`; none where there is no such volume.
    pub(super) declared: Option<usize>,
    /// The path of the host, of a hostPath volume, with the subPath.
    pub(super) host: Option<String>,
    /// Whether it has a subPath.
    pub(super) sub: bool,
    /// `readOnly`.
    pub(super) read_only: bool,
    /// `mountPropagation: Bidirectional`.
    pub(super) bidirectional: bool,
}

/// The mounts of the agent's container.
pub(super) fn mounts(agent: &AgentPod) -> Vec<Mount<'_>> {
    agent
        .mounts()
        .map(|(index, mount)| {
            let volume = mount["name"].as_str().unwrap_or_default();
            let sub = mount["subPath"].as_str().filter(|sub| !sub.is_empty());
            let found = agent.volume(volume);
            let host = found.and_then(|(_, volume)| volume["hostPath"]["path"].as_str());
            Mount {
                index,
                at: mount["mountPath"].as_str().unwrap_or_default(),
                volume,
                declared: found.map(|(index, _)| index),
                host: host.map(|host| match sub {
                    Some(sub) => format!("{}/{sub}", host.trim_end_matches('/')),
                    None => host.to_owned(),
                }),
                sub: sub.is_some(),
                read_only: mount["readOnly"] == true,
                bidirectional: mount["mountPropagation"] == "Bidirectional",
            }
        })
        .collect()
}

/// The mount that shows this path: the deepest above it.
pub(super) fn over<'a, 'b>(mounts: &'b [Mount<'a>], path: &Path) -> Option<&'b Mount<'a>> {
    mounts
        .iter()
        .filter(|mount| !mount.at.is_empty() && path.starts_with(mount.at))
        .max_by_key(|mount| Path::new(mount.at).components().count())
}

/// PIN-MNT-002.
pub(in super::super) fn socket_directory(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if manifests.settings.problem.is_some() {
        return waits("PIN-CFG-001");
    }
    let socket = &manifests.settings.settings.control.socket;
    let Some(directory) = socket.parent().filter(|_| !socket.as_os_str().is_empty()) else {
        return Finding::skipped("control.socket is empty: there is no admin socket");
    };
    let object = &agent.object;
    let (mounts, list) = (mounts(agent), agent.in_container("/volumeMounts"));
    let all = directory.display().to_string();
    let impact = |finding: Finding| {
        finding.impact(
            "The agent runs without its admin socket: agent doctor, agent hooks and agent exposure cannot ask it.",
            &["doctor"],
            &[],
        )
    };
    let finding = match over(&mounts, directory) {
        None => {
            let change = put_volume(agent, &all);
            impact(Finding::fail(format!(
                "nothing is mounted at {all}: the agent has no place for its admin socket"
            )))
            .remedy(
                "Mount a volume in memory there.",
                &[
                    "volumes:\n  - name: run\n    emptyDir: {medium: Memory, sizeLimit: 1Mi}",
                    &format!("volumeMounts:\n  - name: run\n    mountPath: {all}"),
                ],
            )
            .changes(change)
        }
        Some(Mount { declared: None, .. }) => return waits("PIN-MAN-003"),
        Some(mount) => {
            let at = format!("{list}/{}", mount.index);
            let volume = agent.volume(mount.volume).map(|(_, volume)| volume);
            let kinds = ["configMap", "secret", "projected", "downwardAPI", "image"];
            let fixed = kinds
                .iter()
                .find(|kind| volume.is_some_and(|volume| volume.get(**kind).is_some()));
            if let Some(kind) = fixed {
                let change = put_volume(agent, &all);
                impact(Finding::fail(format!(
                    "a volume of kind {kind} is mounted at {all}, and such are read-only"
                )))
                .remedy(
                    "Mount a volume in memory there.",
                    &["volumes:\n  - name: run\n    emptyDir: {medium: Memory, sizeLimit: 1Mi}"],
                )
                .changes(if Path::new(mount.at) == directory {
                    vec![take(object, &at)]
                } else {
                    Vec::new()
                })
                .changes(change)
            } else if mount.read_only {
                impact(Finding::fail(format!("{} is mounted read-only", mount.at)))
                    .remedy(
                        "Let the agent write there: it is the only place where it does.",
                        &[&format!(
                            "volumeMounts:\n  - name: {}\n    mountPath: {}\n    readOnly: false",
                            mount.volume, mount.at
                        )],
                    )
                    .change(put(object, &format!("{at}/readOnly"), false))
            } else if mount.host.is_some() {
                return Finding::skipped(format!(
                    "{} is a directory of the host; who may write there is not told",
                    mount.at
                ));
            } else {
                Finding::ok(format!(
                    "volume {} is mounted at {} and writable",
                    mount.volume, mount.at
                ))
            }
        }
    };
    finding
        .observed(json!(mounts.iter().map(|mount| mount.at).collect::<Vec<_>>()))
        .expected(format!("a writable volume at {all}"))
        .read(object, &list)
}

/// A volume in memory, and its mount.
fn put_volume(agent: &AgentPod, at: &str) -> Vec<super::super::super::change::Change> {
    let object = &agent.object;
    let free = agent.volume(VOLUME);
    let name = match free {
        Some((_, volume)) if !volume["emptyDir"].is_object() => "pinhole-run",
        _ => VOLUME,
    };
    let volume = json!({ "name": name, "emptyDir": { "medium": "Memory", "sizeLimit": "1Mi" } });
    let mut changes = vec![push(
        object,
        &agent.in_container("/volumeMounts"),
        json!({ "name": name, "mountPath": at }),
    )];
    if agent.volume(name).is_none() {
        changes.push(push(object, &agent.in_pod("/volumes"), volume));
    }
    changes
}

/// What is wrong with a mount of the host.
enum Surplus {
    /// Nothing needs it.
    Unneeded,
    /// A part of it is needed: this directory of the container.
    Wide(String),
    /// It is needed, and nothing is written to it.
    Writable,
    /// What is mounted below it appears on the host.
    Shared,
}

/// PIN-MNT-003.
pub(in super::super) fn host_paths(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if manifests.settings.problem.is_some() {
        return waits("PIN-CFG-001");
    }
    let all = mounts(agent);
    let host: Vec<&Mount<'_>> = all.iter().filter(|mount| mount.host.is_some()).collect();
    let reach = reach(manifests, &all);
    let (mut words, mut observed) = (Vec::new(), Vec::new());
    let (mut changes, mut gone) = (Vec::new(), Vec::new());
    let list = agent.in_container("/volumeMounts");
    for &mount in &host {
        let path = mount.host.as_deref().unwrap_or_default();
        let at = format!("{list}/{}", mount.index);
        let Some(surplus) = surplus(manifests, mount, &reach) else {
            continue;
        };
        let what = match &surplus {
            Surplus::Unneeded => opens(path),
            Surplus::Wide(part) => format!("{}; of it only {part} is needed", opens(path)),
            Surplus::Writable => "nothing is written there".to_owned(),
            Surplus::Shared => "what is mounted below it appears on the host".to_owned(),
        };
        let how = if mount.read_only { "read-only" } else { "writable" };
        words.push(format!("{path} ({how}: {what})"));
        observed.push(json!({ "host": path, "at": mount.at, "read_only": mount.read_only }));
        match surplus {
            Surplus::Unneeded => gone.push(mount),
            Surplus::Wide(part) => {
                let below = Path::new(&part).strip_prefix(mount.at).unwrap_or(Path::new(""));
                let exact = Path::new(path).join(below).display().to_string();
                changes.push(put(&agent.object, &format!("{at}/mountPath"), part));
                changes.push(put(&agent.object, &format!("{at}/readOnly"), true));
                if let Some(volume) = mount.declared {
                    let volume = agent.in_pod(&format!("/volumes/{volume}/hostPath/path"));
                    changes.push(put(&agent.object, &volume, exact));
                }
            }
            Surplus::Writable => changes.push(put(&agent.object, &format!("{at}/readOnly"), true)),
            Surplus::Shared => changes.push(take(&agent.object, &format!("{at}/mountPropagation"))),
        }
    }
    changes.extend(take_items(
        &agent.object,
        &list,
        gone.iter().map(|mount| mount.index).collect(),
    ));
    let volumes = gone
        .iter()
        .filter(|mount| !used_elsewhere(agent, mount))
        .filter_map(|mount| mount.declared);
    changes.extend(take_items(&agent.object, &agent.in_pod("/volumes"), volumes.collect()));
    let finding = if words.is_empty() {
        Finding::ok(match host.len() {
            0 => "nothing of the host is mounted".to_owned(),
            _ => format!("of the host only {}", joined(&host)),
        })
    } else {
        Finding::warn(format!("more of the host is mounted than needed: {}", words.join("; ")))
            .impact(
                "Whoever takes the agent over has these files of the node, during its start with two capabilities.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Mount the directory of the runtime's socket, read-only, and nothing else of the host.",
                &[&format!("agent manifest --profile {}", manifests.profile.name)],
            )
            .changes(changes)
    };
    finding.observed(json!(observed)).expected(json!([])).told(
        &agent.object,
        &list,
        json!(
            host.iter()
                .filter_map(|mount| mount.host.as_deref())
                .collect::<Vec<_>>()
        ),
    )
}

fn joined(mounts: &[&Mount<'_>]) -> String {
    let paths: Vec<&str> = mounts.iter().filter_map(|mount| mount.host.as_deref()).collect();
    paths.join(", ")
}

/// Whether another mount, of any container, shows the same volume.
fn used_elsewhere(agent: &AgentPod, mount: &Mount<'_>) -> bool {
    let uses = |container: &Value| {
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        mounts.filter(|other| other["name"] == mount.volume).count()
    };
    let lists = ["/initContainers", "/containers"].map(|list| agent.in_pod(list));
    lists
        .iter()
        .flat_map(|list| agent.object.items(list))
        .map(uses)
        .sum::<usize>()
        > 1
}

fn surplus(manifests: &Manifests, mount: &Mount<'_>, reach: &Reach) -> Option<Surplus> {
    let at = Path::new(mount.at);
    let bundles = &manifests.settings.settings.runtime.bundles;
    let of_bundles = bundles
        .iter()
        .any(|bundle| bundle.starts_with(at) && at.components().count() > 2)
        || (settings_unknown(manifests).is_some() && mount.host.as_deref().is_some_and(is_bundles));
    // A directory that a runtime's socket is expected in is PIN-RUN-001's, wherever it is mounted.
    let directory = mount.host.as_deref().map(hostpath::normal);
    let misplaced = directory.is_some_and(|directory| reach.directories.contains(&directory));
    if of_bundles || misplaced || reach.is_exact(at) {
        return match (mount.read_only, mount.bidirectional) {
            (_, true) => Some(Surplus::Shared),
            (false, false) => Some(Surplus::Writable),
            (true, false) => None,
        };
    }
    Some(reach.part_of(at).map_or(Surplus::Unneeded, Surplus::Wide))
}

/// Where runtimes keep bundles.
fn is_bundles(host: &str) -> bool {
    let host = hostpath::normal(host);
    let known = &crate::container::discovery::table::WELL_KNOWN;
    known.iter().filter_map(|known| known.state).any(|state| state == host)
}

/// What somebody gains who has it.
fn opens(path: &str) -> String {
    if let Some(socket) = hostpath::runtime_socket(path) {
        return format!("{socket} can be reached, which makes root on the node");
    }
    for (top, what) in [
        ("/proc", "all processes of the node"),
        ("/sys", "settings and pinned objects of the kernel"),
        ("/dev", "devices of the node"),
    ] {
        if hostpath::shows(path, top) {
            return what.to_owned();
        }
    }
    match hostpath::class(path) {
        Class::Secrets => "secrets of the node or of its pods",
        Class::System => "what the node runs",
        Class::Other => "nothing of it is needed",
    }
    .to_owned()
}

/// PIN-MNT-005.
pub(in super::super) fn namespaces(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let pod = &agent.workload.pod;
    let shared: Vec<&str> = [
        ("hostPID", pod.host_pid),
        ("hostNetwork", pod.host_network),
        ("hostIPC", pod.host_ipc),
    ]
    .into_iter()
    .filter_map(|(key, shared)| shared.then_some(key))
    .collect();
    let lines: Vec<String> = shared.iter().map(|key| format!("{key}: false")).collect();
    let finding = if shared.is_empty() {
        Finding::ok("the pod has a PID, a network and an IPC namespace of its own")
    } else {
        let impact = "Whoever takes the agent over sees the node's processes, or listens and speaks as the node.";
        Finding::warn(format!("namespaces of the host are shared: {}", shared.join(", ")))
            .impact(impact, &["privilege"], &[])
            .remedy(
                "Leave them closed: process and container come from the kernel side and the runtime.",
                &lines.iter().map(String::as_str).collect::<Vec<_>>(),
            )
            .changes(
                shared
                    .iter()
                    .map(|key| put(&agent.object, &agent.in_pod(&format!("/{key}")), false)),
            )
    };
    shared
        .iter()
        .fold(finding.observed(json!(shared)).expected(json!([])), |finding, key| {
            finding.read(&agent.object, &agent.in_pod(&format!("/{key}")))
        })
        .read(&agent.object, &agent.in_pod("/hostPID"))
}
