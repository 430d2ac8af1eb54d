//! What the container sees of the host: its own root and `/proc`, mounts, namespaces, and room for the admin socket.

use serde_json::{Value, json};

use super::super::change::{Change, Op};
use super::super::facts::host::{DirectoryFact, MountFacts, ProcFact, Seen};
use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::cause::Cause;
use super::thread::in_container;
use super::{agent, errno_name, grant};
use crate::exposure::hostpath::{self, Class};
use crate::kubernetes::HostMount;
use crate::platform::profile;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-MNT-004",
        area: "mounts",
        title: "/proc shows the agent itself",
        weight: Weight::Blocks,
        needs: &[Need::Kernel],
        depends_on: &[],
        judge: Some(proc),
        offline: None,
        page: include_str!("../pages/PIN-MNT-004.md"),
    },
    Definition {
        id: "PIN-MNT-001",
        area: "mounts",
        title: "The container's root is read-only",
        weight: Weight::Minor,
        needs: &[Need::Process],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(root),
        offline: Some(super::offline::confinement::read_only_root),
        page: include_str!("../pages/PIN-MNT-001.md"),
    },
    Definition {
        id: "PIN-MNT-002",
        area: "mounts",
        title: "The agent can make its admin socket",
        weight: Weight::Major,
        needs: &[Need::Process, Need::Settings, Need::Agent],
        depends_on: &[],
        judge: Some(admin),
        offline: Some(super::offline::mounts::socket_directory),
        page: include_str!("../pages/PIN-MNT-002.md"),
    },
    Definition {
        id: "PIN-MNT-003",
        area: "mounts",
        title: "No more of the host is mounted than needed",
        weight: Weight::Major,
        needs: &[Need::Process, Need::Settings],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(surplus),
        offline: Some(super::offline::mounts::host_paths),
        page: include_str!("../pages/PIN-MNT-003.md"),
    },
    Definition {
        id: "PIN-MNT-005",
        area: "mounts",
        title: "No namespace of the host is shared",
        weight: Weight::Major,
        needs: &[Need::Process],
        depends_on: &[Edge::Through("PIN-MNT-004")],
        judge: Some(namespaces),
        offline: Some(super::offline::mounts::namespaces),
        page: include_str!("../pages/PIN-MNT-005.md"),
    },
];

const LIST: &str = "/proc/self/mountinfo";

/// The facts, where they are about a container.
fn surroundings(facts: &Facts) -> Result<&MountFacts, Box<Finding>> {
    in_container(facts)?;
    facts.mounts.value.as_ref().map_err(|gap| Box::new(Finding::gap(gap)))
}

/// PIN-MNT-001.
fn root(facts: &Facts) -> Finding {
    let mounts = match surroundings(facts) {
        Ok(mounts) => mounts,
        Err(finding) => return *finding,
    };
    let read_only = match &mounts.read_only_root {
        Ok(read_only) => *read_only,
        Err(why) => return Finding::unknown(why.clone()),
    };
    let finding = if read_only {
        Finding::ok("the root file system is read-only")
    } else {
        Finding::warn("the root file system of the container can be written to")
            .impact(
                "Whoever takes over a process of the container can leave programs in it. The agent writes nothing there.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Make it read-only: the agent writes to the directory of its admin socket only.",
                match facts.place {
                    Place::Kubernetes => &["securityContext:\n  readOnlyRootFilesystem: true"],
                    Place::Container | Place::Host => &["--read-only --tmpfs /run/pinhole"],
                },
            )
            .changes(grant::security(facts, "/readOnlyRootFilesystem", true))
    };
    finding
        .observed(read_only)
        .expected(true)
        .evidence(&facts.mounts, format!("{LIST} /"), read_only)
}

/// PIN-MNT-002.
fn admin(facts: &Facts) -> Finding {
    if let Some(agent) = agent(facts) {
        return Finding::ok("the running agent has made it")
            .observed(agent.socket.display().to_string())
            .expected("a directory in which this user may make files")
            .evidence(&facts.live, "control.socket", agent.socket.display().to_string());
    }
    let mounts = match surroundings(facts) {
        Ok(mounts) => mounts,
        Err(finding) => return *finding,
    };
    let Some(directory) = &mounts.admin else {
        return Finding::skipped("control.socket is empty: there is to be no admin socket");
    };
    let (said, cause) = match hindrance(facts, directory) {
        Some(hindrance) => hindrance,
        None => {
            let said = format!("{} is there and can be written to", directory.path.display());
            return told(facts, Finding::ok(said), directory, None);
        }
    };
    let finding = Finding::fail(said)
        .impact(
            "The agent runs without its admin socket: neither `agent doctor` nor `agent hooks` can ask it, and nothing that only \
             a running agent can tell is judged.",
            &["doctor"],
            &[],
        )
        .remedy(
            "Mount an empty directory there, of a size that is enough: it is the one place that the agent writes to.",
            match facts.place {
                Place::Kubernetes => &[
                    "volumeMounts:\n  - name: run\n    mountPath: /run/pinhole",
                    "volumes:\n  - name: run\n    emptyDir: {medium: Memory, sizeLimit: 1Mi}",
                ],
                Place::Container | Place::Host => &["--tmpfs /run/pinhole:size=1m,mode=1777"],
            },
        )
        .changes(volumes(facts));
    told(facts, finding, directory, cause)
}

fn told(facts: &Facts, finding: Finding, directory: &DirectoryFact, cause: Option<Cause>) -> Finding {
    let mut observed = json!({ "directory": directory.path });
    if let Some(seen) = &directory.seen {
        observed["seen"] = json!(seen.path);
        observed["mode"] = json!(format!("{}:{} {:04o}", seen.uid, seen.gid, seen.mode));
        if let Some(errno) = seen.refused {
            observed["errno"] = json!(errno_name(Some(errno)));
        }
        observed["full"] = json!(seen.full);
    }
    if let Some(cause) = cause {
        observed["cause"] = json!(cause.as_str());
    }
    finding
        .observed(observed.clone())
        .expected("a directory in which this user may make files")
        .evidence(&facts.mounts, "faccessat(2), statvfs(3)", observed)
}

/// What keeps the agent from making its socket, and who is to blame.
fn hindrance(facts: &Facts, directory: &DirectoryFact) -> Option<(String, Option<Cause>)> {
    let Some(seen) = &directory.seen else {
        return Some((
            format!(
                "{} is not there, nor is the directory above it",
                directory.path.display()
            ),
            None,
        ));
    };
    let path = seen.path.display();
    match seen.refused {
        Some(libc::EROFS) => Some((format!("{path} is on a read-only file system"), None)),
        Some(libc::EACCES | libc::EPERM) if modes_allow(facts, seen) => Some((
            format!("{path} would let this user write, and a security module refuses it"),
            Some(Cause::LsmDenied),
        )),
        Some(libc::EACCES | libc::EPERM) => Some((
            format!(
                "{path} is {}:{} {:04o}, which does not let this user make files in it",
                seen.uid, seen.gid, seen.mode
            ),
            Some(Cause::FileMode),
        )),
        Some(errno) => Some((format!("{path} cannot be used: {}", errno_name(Some(errno))), None)),
        None if seen.full => Some((format!("the file system of {path} is full"), Some(Cause::LimitReached))),
        None => None,
    }
}

/// Whether owner and mode let the doctor's process write there: the class that applies is the first that fits.
fn modes_allow(facts: &Facts, seen: &Seen) -> bool {
    let Ok(process) = &facts.process.value else {
        return false;
    };
    let shift = match process {
        _ if process.uid == seen.uid => 6,
        _ if process.gids.contains(&seen.gid) => 3,
        _ => 0,
    };
    (seen.mode >> shift) & 0o3 == 0o3
}

/// The mounts and volumes of the profile, and nothing else.
fn volumes(facts: &Facts) -> Vec<Change> {
    let runtime = profile::get(&facts.profile.name)
        .ok()
        .and_then(|profile| profile.platform.kubernetes.as_ref())
        .map(|kubernetes| kubernetes.runtime_directory.clone());
    let Some(runtime) = runtime.filter(|_| facts.place == Place::Kubernetes) else {
        return Vec::new();
    };
    vec![
        Change::container(
            Op::Add,
            "/volumeMounts",
            json!([
                { "name": "runtime", "mountPath": runtime, "readOnly": true },
                { "name": "config", "mountPath": "/etc/pinhole", "readOnly": true },
                { "name": "run", "mountPath": "/run/pinhole" },
            ]),
        ),
        Change::pod(
            Op::Add,
            "/volumes",
            json!([
                { "name": "runtime", "hostPath": { "path": runtime, "type": "Directory" } },
                { "name": "config", "configMap": { "name": "pinhole-agent" } },
                { "name": "run", "emptyDir": { "medium": "Memory", "sizeLimit": "1Mi" } },
            ]),
        ),
    ]
}

/// What a mount opens, in words; none for one that the agent uses.
fn opens(mount: &HostMount, used: &[String]) -> Option<&'static str> {
    let at = hostpath::normal(&mount.at);
    // The directory itself, or something in it: a socket that is mounted alone is another check's.
    if used.iter().any(|used| hostpath::below(&at, used)) {
        return None;
    }
    let host = hostpath::normal(&mount.host);
    let in_any = |tops: &[&str]| tops.iter().any(|top| hostpath::below(&host, top));
    Some(match host.as_str() {
        "/" => "the whole of the host",
        _ if hostpath::shows(&host, "/proc") => "the host's processes",
        _ if in_any(&["/sys/fs/bpf"]) => "pinned programs and maps; the agent pins nothing",
        _ if in_any(&["/sys/kernel/tracing", "/sys/kernel/debug"]) => {
            "tracefs; the agent attaches by links, which need none"
        }
        _ if in_any(&["/sys", "/dev"]) => "devices and settings of the kernel",
        _ if hostpath::runtime_socket(&host).is_some() => {
            "sockets of a container runtime, and more than the agent asks for"
        }
        _ => match hostpath::class(&host) {
            Class::Secrets => "secrets of the node or of other pods",
            Class::System => "what the node runs",
            Class::Other => "files of the node",
        },
    })
}

/// PIN-MNT-003.
fn surplus(facts: &Facts) -> Finding {
    let mounts = match surroundings(facts) {
        Ok(mounts) => mounts,
        Err(finding) => return *finding,
    };
    let host = match &mounts.host {
        Ok(host) => host,
        Err(why) => return Finding::unknown(why.clone()),
    };
    let found: Vec<Value> = host
        .iter()
        .filter_map(|mount| {
            let opens = opens(mount, &mounts.used)?;
            Some(json!({ "host": mount.host, "at": mount.at, "read_only": mount.read_only, "opens": opens }))
        })
        .collect();
    let finding = if found.is_empty() {
        Finding::ok(format!(
            "of {} mounts of the host each is one that the agent uses",
            host.len()
        ))
    } else {
        let named: Vec<String> = host
            .iter()
            .filter_map(|mount| Some(format!("{} ({})", mount.at, opens(mount, &mounts.used)?)))
            .take(4)
            .collect();
        Finding::warn(format!(
            "{} mounts of the host that the agent does not use: {}",
            found.len(),
            named.join(", ")
        ))
        .impact(
            "Whoever takes over the agent has these files of the host, whatever privileges the agent has given up.",
            &["privilege"],
            &[],
        )
        .remedy(
            "Mount the directory of the runtime's socket and nothing else of the host.",
            match facts.place {
                Place::Kubernetes => &[
                    "agent manifest",
                    "volumes:\n  - name: runtime\n    hostPath: {path: /run/containerd, type: Directory}",
                ],
                Place::Container | Place::Host => &["--volume /run/containerd:/run/containerd:ro"],
            },
        )
        .changes(volumes(facts))
    };
    let all: Vec<&str> = host.iter().map(|mount| mount.at.as_str()).collect();
    finding
        .observed(found)
        .expected(json!([]))
        .evidence(&facts.mounts, LIST, json!(all))
}

/// PIN-MNT-004.
fn proc(facts: &Facts) -> Finding {
    const LINK: &str = "/proc/self";
    let mounts = match &facts.mounts.value {
        Ok(mounts) => mounts,
        Err(gap) => return Finding::gap(gap),
    };
    let impact =
        "The agent watches its own privileges in /proc and finds out there in which cgroup hierarchy containers are.";
    let (finding, observed) = match &mounts.proc {
        ProcFact::Own { hides } if hides.iter().any(|option| option.starts_with("subset=")) => (
            Finding::warn(format!(
                "/proc is mounted with {}: it shows processes only",
                hides.join(",")
            ))
            .impact(
                format!(
                    "{impact} /proc/cgroups is not to be seen: on a host with cgroup v1 containers are not recognised."
                ),
                &["metadata"],
                &["container", "kubernetes"],
            ),
            json!({ "shows": "itself", "hides": hides }),
        ),
        ProcFact::Own { hides } => {
            return Finding::ok("/proc is this process's own")
                .observed(json!({ "shows": "itself", "hides": hides }))
                .expected(json!({ "shows": "itself" }))
                .evidence(&facts.mounts, LINK, "itself");
        }
        ProcFact::Other(number) => (
            Finding::warn(format!(
                "/proc is that of another PID namespace: this process is number {number} there"
            ))
            .impact(
                "Every process of the host can be looked at from this container, and the agent needs none of them.",
                &["privilege"],
                &[],
            ),
            json!({ "shows": "another namespace", "number": number }),
        ),
        ProcFact::Missing(why) => (
            Finding::fail(format!("/proc does not show this process: {why}")).impact(
                format!("{impact} Without it the agent does not start."),
                &["capture", "privilege"],
                &[],
            ),
            json!({ "shows": "not itself" }),
        ),
    };
    finding
        .observed(observed.clone())
        .expected(json!({ "shows": "itself" }))
        .evidence(&facts.mounts, LINK, observed)
        .remedy(
            "Leave /proc to the runtime, which mounts the container's own: take a volume that covers it away.",
            match facts.place {
                Place::Kubernetes => &["agent manifest", "grep ' /proc ' /proc/self/mountinfo"],
                Place::Container => &["grep ' /proc ' /proc/self/mountinfo"],
                Place::Host => &["findmnt /proc", "mount -o remount,hidepid=0 /proc"],
            },
        )
        .changes(volumes(facts))
}

/// PIN-MNT-005.
fn namespaces(facts: &Facts) -> Finding {
    let mounts = match surroundings(facts) {
        Ok(mounts) => mounts,
        Err(finding) => return *finding,
    };
    if let Some(why) = mounts.shared.values().find_map(|shared| shared.as_ref().err()) {
        return Finding::unknown(why.clone());
    }
    let shared: Vec<&str> = mounts
        .shared
        .iter()
        .filter(|(_, shared)| **shared == Ok(true))
        .map(|(name, _)| *name)
        .collect();
    // With the host's network comes its host name, and nothing sets that by itself in a pod.
    let told: Vec<&str> = shared
        .iter()
        .copied()
        .filter(|name| *name != "uts" || !shared.contains(&"network"))
        .collect();
    let finding = if told.is_empty() {
        Finding::ok("PID, network, IPC and UTS namespace are the container's own")
    } else {
        let fields: Vec<Change> = told
            .iter()
            .filter_map(|name| match *name {
                "pid" => Some("/hostPID"),
                "network" => Some("/hostNetwork"),
                "ipc" => Some("/hostIPC"),
                _ => None,
            })
            .flat_map(|path| grant::pod_only(facts, Change::pod(Op::Add, path, false)))
            .collect();
        Finding::warn(format!("the host's {} namespace is shared", told.join(", ")))
            .impact(
                "The agent needs none of the host's namespaces: it has processes and containers from the kernel side and from the \
                 runtime. What is shared is open to whoever takes it over.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Give the container namespaces of its own.",
                match facts.place {
                    Place::Kubernetes => &["spec:\n  hostPID: false\n  hostNetwork: false\n  hostIPC: false"],
                    Place::Container | Place::Host => {
                        &["leave out --pid host, --network host, --ipc host and --uts host"]
                    }
                },
            )
            .changes(fields)
    };
    finding
        .observed(json!(told))
        .expected(json!([]))
        .evidence(&facts.mounts, "/proc/self/ns", json!(shared))
}
