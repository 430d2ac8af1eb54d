//! Container runtimes: which socket answers, and who is to blame where none does.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::path::Path;

use serde_json::{Value, json};

use super::super::facts::{CanaryFact, Facts, Gap, Gathered, Place, ProcessFacts, RuntimeClass, RuntimeFact};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::agent;
use crate::container::discovery::{ENGINE, OWN_API};
use crate::container::{Protocol, Rank};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-RUN-001",
        area: "runtime",
        title: "A container runtime answers",
        weight: Weight::Major,
        needs: &[Need::Runtime, Need::Agent],
        depends_on: &[],
        judge: Some(answers),
        offline: Some(super::offline::runtime::answers),
        page: include_str!("../pages/PIN-RUN-001.md"),
    },
    Definition {
        id: "PIN-RUN-002",
        area: "runtime",
        title: "The runtime speaks a current interface",
        weight: Weight::Minor,
        needs: &[Need::Runtime, Need::Agent],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-RUN-001")],
        judge: Some(version),
        offline: None,
        page: include_str!("../pages/PIN-RUN-002.md"),
    },
    Definition {
        id: "PIN-RUN-003",
        area: "runtime",
        title: "The runtime knows the agent's own container",
        weight: Weight::Minor,
        needs: &[Need::Runtime, Need::Exec],
        depends_on: &[Edge::Needs("PIN-RUN-001"), Edge::Through("PIN-RUN-001")],
        judge: Some(own_container),
        offline: None,
        page: include_str!("../pages/PIN-RUN-003.md"),
    },
];

/// The profile of hosts outside Kubernetes.
const STANDALONE: &str = "standalone";

const FIELDS: &[&str] = &["container.name", "container.image", "kubernetes"];

/// The candidates as the running agent sees them, else as this process does, and whose view that is.
fn view(facts: &Facts) -> Result<(Cow<'_, [RuntimeFact]>, &'static str), &Gap> {
    if let Some(agent) = agent(facts).filter(|agent| !agent.second.runtimes.is_empty()) {
        let absent = |word: &String| (!word.is_empty()).then(|| word.clone());
        let candidates = agent
            .second
            .runtimes
            .iter()
            .map(|runtime| RuntimeFact {
                socket: runtime.socket.clone().into(),
                // A class that this doctor does not know yet: the agent is newer. It does not answer, the word is shown.
                class: RuntimeClass::from_word(&runtime.state).unwrap_or(RuntimeClass::NotGrpc),
                errno: None,
                detail: match RuntimeClass::from_word(&runtime.state) {
                    Some(_) => runtime.detail.clone(),
                    None => format!("{}: {}", runtime.state, runtime.detail),
                },
                file: None,
                name: absent(&runtime.name),
                version: absent(&runtime.version),
                api: absent(&runtime.api),
                protocol: runtime.protocol.clone(),
                origin: runtime.origin.clone(),
                rank: Rank::from_word(&runtime.rank),
                evidence: runtime.evidence.clone(),
                mounted_alone: false,
            })
            .map(|candidate| worse(candidate, facts))
            .collect();
        return Ok((Cow::Owned(candidates), "GetStatus runtimes"));
    }
    facts
        .runtimes
        .value
        .as_ref()
        .map(|own| (Cow::Borrowed(own.as_slice()), "discovery by this process"))
}

/// The agent's word on a socket is as old as its last lookup. Where the doctor finds that it hangs or that nobody listens
/// any more, that counts; what only the doctor's own rights or mounts explain does not. That the socket file is mounted by
/// itself is of no harm yet, and is so for the agent too where both are in one container.
fn worse(mut told: RuntimeFact, facts: &Facts) -> RuntimeFact {
    let probed = facts.runtimes.value.as_ref().ok();
    let same = probed.and_then(|own| own.iter().find(|own| own.socket == told.socket));
    told.mounted_alone = facts.place != Place::Host && same.is_some_and(|own| own.mounted_alone);
    let own = facts.runtimes.value.as_ref().ok().and_then(|own| {
        own.iter()
            .find(|own| own.socket == told.socket && matches!(own.class, RuntimeClass::Timeout | RuntimeClass::Refused))
    });
    match own {
        Some(own) if told.answers() => RuntimeFact {
            class: own.class,
            errno: own.errno,
            detail: format!(
                "the agent's last lookup was answered, a probe now is not: {}",
                own.detail
            ),
            file: own.file,
            ..told
        },
        _ => told,
    }
}

/// PIN-RUN-001.
pub(in super::super) fn answers(facts: &Facts) -> Finding {
    let (candidates, source) = match view(facts) {
        Ok(view) => view,
        Err(gap) => return Finding::gap(gap),
    };
    let mut answering: Vec<&RuntimeFact> = candidates.iter().filter(|candidate| candidate.answers()).collect();
    // In the order in which they are asked.
    answering.sort_by_key(|runtime| Reverse(runtime.rank));
    let list: Vec<String> = answering
        .iter()
        .map(|runtime| {
            let name = runtime.name.as_deref().unwrap_or("a runtime");
            let evidence = match runtime.evidence.as_str() {
                "" => String::new(),
                evidence => format!(" ({evidence})"),
            };
            format!("{name} at {}{evidence}", runtime.socket.display())
        })
        .collect();
    let finding = match answering.iter().find(|runtime| runtime.mounted_alone) {
        _ if answering.is_empty() => no_answer(facts, &candidates),
        Some(runtime) => mounted_alone(facts.place, runtime),
        None if list.len() == 1 => Finding::ok(format!("{} answers", list.join(""))),
        None => Finding::ok(format!("{} answer", list.join(", "))),
    };
    let states: Vec<Value> = candidates.iter().map(state).collect();
    let clock = clock(facts, source);
    states.iter().fold(
        finding
            .observed(json!(states))
            .expected("at least one socket of class answers"),
        |finding, state| {
            finding.evidence(
                &clock,
                format!("{source}: {}", state["socket"].as_str().unwrap_or_default()),
                state["class"].clone(),
            )
        },
    )
}

/// It answers, and will not once the runtime has been restarted: a mount of a file stays with the file that there was.
fn mounted_alone(place: Place, runtime: &RuntimeFact) -> Finding {
    let socket = runtime.socket.display();
    let commands = mount(place, &runtime.socket);
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    Finding::warn(format!("{socket} answers, and is mounted as a single file"))
        .impact(
            "When the runtime restarts it makes a new socket, and the mount keeps the old one: from then on events of new \
             containers carry no names, until the agent's own container is made anew.",
            &["metadata"],
            FIELDS,
        )
        .remedy("Mount the directory of the socket, not the socket.", &commands)
}

fn no_answer(facts: &Facts, candidates: &[RuntimeFact]) -> Finding {
    // The candidate that came furthest tells most about the cause; among equals the first, which is the likeliest here.
    let Some(best) = candidates.iter().rev().max_by_key(|candidate| candidate.class) else {
        return Finding::fail("no socket to try: none is configured and none of the well-known paths was looked at");
    };
    let socket = best.socket.display();
    let (summary, text, commands): (String, String, Vec<String>) = match best.class {
        RuntimeClass::Absent => (
            format!("none of {} candidate sockets exists", candidates.len()),
            "Mount the directory of the runtime's socket (not the socket itself: its file dies with the runtime's \
             restart), or name the socket if it is at an unusual path."
                .to_owned(),
            mount(facts.place, &best.socket),
        ),
        RuntimeClass::NotASocket => (
            format!("{socket} is not a socket"),
            "Name the socket itself, and mount its directory.".to_owned(),
            mount(facts.place, &best.socket),
        ),
        RuntimeClass::Permission => permission(facts, best),
        RuntimeClass::Refused => (
            format!("nobody listens on {socket}"),
            "The file outlived its runtime. If the runtime runs, the container sees an old file: mount the directory of \
             the socket, not the socket, and restart the pod."
                .to_owned(),
            mount(facts.place, &best.socket),
        ),
        RuntimeClass::Timeout => (
            format!("{socket} accepts and does not answer"),
            "The runtime hangs, or the socket belongs to a service that waits for something else.".to_owned(),
            vec![
                "systemctl status containerd crio docker podman".to_owned(),
                "journalctl -u containerd -u crio -u docker -u podman --since -10m".to_owned(),
            ],
        ),
        RuntimeClass::Failing => (
            format!("the runtime on {socket} answers with an error: {}", best.detail),
            "A runtime that has just been started does so for a moment; otherwise its own log tells why.".to_owned(),
            vec!["journalctl -u containerd -u crio -u docker -u podman --since -10m".to_owned()],
        ),
        RuntimeClass::NotGrpc if best.protocol == Protocol::Http.as_str() => (
            format!("the peer on {socket} does not answer as Docker and podman do"),
            "A socket of the name docker.sock or podman.sock is spoken to in the Docker Engine API, any other in gRPC. Name \
             the runtime's own socket."
                .to_owned(),
            mount(facts.place, &best.socket),
        ),
        RuntimeClass::NotGrpc => (
            format!("the peer on {socket} is not a container runtime's gRPC service"),
            "Name the runtime's socket. Docker's and podman's are known by their names, docker.sock and podman.sock: under \
             another name they are taken for what speaks gRPC."
                .to_owned(),
            mount(facts.place, &best.socket),
        ),
        RuntimeClass::CriUnimplemented => (
            format!("the peer on {socket} serves neither CRI nor containerd's own API"),
            "Name the socket that the kubelet uses; without Kubernetes, that of containerd, Docker or podman.".to_owned(),
            mount(facts.place, &best.socket),
        ),
        RuntimeClass::OldApi | RuntimeClass::Answers => (String::new(), String::new(), Vec::new()),
    };
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    // Outside Kubernetes a host without any container runtime is an ordinary host.
    let ordinary = best.class == RuntimeClass::Absent && facts.profile.name == STANDALONE;
    let finding = if ordinary {
        Finding::warn(summary)
    } else {
        Finding::fail(summary)
    };
    finding
        .impact(
            "Events of containers carry the container's id and the pod's uid from the cgroup path, and no names.",
            &["metadata"],
            FIELDS,
        )
        .remedy(text, &commands)
}

/// How to bring the directory of this socket into view.
fn mount(place: Place, socket: &Path) -> Vec<String> {
    let directory = socket
        .parent()
        .filter(|directory| directory.is_absolute())
        .unwrap_or_else(|| Path::new("/run/containerd"))
        .display();
    let socket = socket.display();
    match place {
        Place::Kubernetes => vec![
            format!("volumes:\n- name: runtime\n  hostPath: {{path: {directory}, type: Directory}}"),
            format!("volumeMounts:\n- {{name: runtime, mountPath: {directory}, readOnly: true}}"),
            format!("args: [\"run\", \"--runtime-socket\", \"{socket}\"]"),
        ],
        Place::Container => vec![format!("--volume {directory}:{directory}:ro")],
        Place::Host => vec![
            "ls -l /run/containerd/containerd.sock /run/crio/crio.sock /run/k3s/containerd/containerd.sock /run/docker.sock \
             /run/podman/podman.sock"
                .to_owned(),
            "agent doctor --runtime-socket PATH".to_owned(),
        ],
    }
}

/// Mode bits or a security module: which of the two refused.
fn permission(facts: &Facts, candidate: &RuntimeFact) -> (String, String, Vec<String>) {
    let socket = candidate.socket.display();
    let live = agent(facts).is_some_and(|agent| !agent.second.runtimes.is_empty());
    let process = facts.process.value.as_ref().ok().filter(|_| !live);
    match (blame(candidate, process), process) {
        (Blame::Mode { uid, gid, mode }, Some(process)) => (
            format!(
                "the mode of {socket} ({uid}:{gid} {mode:04o}) keeps out uid {} with groups {:?}",
                process.uid, process.gids
            ),
            format!("Give the agent the group that owns the socket ({gid}); no capability is needed."),
            match facts.place {
                Place::Kubernetes => vec![format!("securityContext:\n  supplementalGroups: [{gid}]")],
                Place::Container => vec![format!("--group-add {gid}")],
                Place::Host => vec![format!("setpriv --groups {gid} agent doctor"), format!("ls -l {socket}")],
            },
        ),
        (Blame::Module, Some(process)) => (
            format!(
                "a security module refuses {socket}{}: its mode would let this process in",
                process.label.as_deref().map(|label| format!(" to {label}")).unwrap_or_default()
            ),
            "On OpenShift the type container_t may not connect to the runtime: use the profile's security context \
             constraint, which gives spc_t or a type of its own. With AppArmor use a profile that allows the connection."
                .to_owned(),
            match facts.place {
                Place::Kubernetes => vec![
                    "securityContext:\n  seLinuxOptions: {type: spc_t}".to_owned(),
                    "securityContext:\n  appArmorProfile: {type: Unconfined}".to_owned(),
                ],
                _ => vec!["ausearch -m AVC -c agent".to_owned(), "dmesg | grep -iE 'apparmor|avc'".to_owned()],
            },
        ),
        _ => (
            format!("no permission to connect to {socket}: {}", candidate.detail),
            "Give the agent the group that owns the socket. If it has it, a security module refuses: look for a denial."
                .to_owned(),
            match facts.place {
                Place::Kubernetes => vec!["securityContext:\n  supplementalGroups: [0]".to_owned()],
                _ => vec![format!("ls -l {socket}"), "dmesg | grep -iE 'apparmor|avc'".to_owned()],
            },
        ),
    }
}

enum Blame {
    /// The mode bits do not let this process write.
    Mode { uid: u32, gid: u32, mode: u32 },
    /// They do, so something else refused.
    Module,
    /// The file could not be seen: a directory above it is closed.
    Unclear,
}

/// connect(2) needs write permission on the socket's inode. Owner, group and others are tried in that order and the first
/// that fits decides, as the kernel does it; CAP_DAC_OVERRIDE passes.
fn blame(candidate: &RuntimeFact, process: Option<&ProcessFacts>) -> Blame {
    const DAC_OVERRIDE: u64 = 1 << 1;
    let (Some(file), Some(process)) = (candidate.file, process) else {
        return Blame::Unclear;
    };
    let shift = if process.uid == file.uid {
        6
    } else if process.gids.contains(&file.gid) {
        3
    } else {
        0
    };
    if process.effective & DAC_OVERRIDE != 0 || file.mode >> shift & 0o2 != 0 {
        Blame::Module
    } else {
        Blame::Mode {
            uid: file.uid,
            gid: file.gid,
            mode: file.mode & 0o7777,
        }
    }
}

/// PIN-RUN-002.
pub(in super::super) fn version(facts: &Facts) -> Finding {
    let (candidates, source) = match view(facts) {
        Ok(view) => view,
        Err(gap) => return Finding::gap(gap),
    };
    let answering: Vec<&RuntimeFact> = candidates.iter().filter(|candidate| candidate.answers()).collect();
    if answering.is_empty() {
        return Finding::skipped("no runtime answers");
    }
    let observed: Vec<Value> = answering.iter().map(|runtime| state(runtime)).collect();
    let unsaid = answering
        .iter()
        .all(|runtime| runtime.api.is_none() && runtime.class != RuntimeClass::OldApi);
    let old =
        |runtime: &&RuntimeFact| runtime.class == RuntimeClass::OldApi || runtime.api.as_deref() == Some("v1alpha2");
    let finding = if unsaid {
        Finding::unknown("the runtime did not say which interface it speaks")
    } else if answering
        .iter()
        .all(|runtime| runtime.class == RuntimeClass::CriUnimplemented)
    {
        Finding::warn("the runtime serves no CRI; containerd's own API is used instead")
            .impact(
                "Containers of nerdctl and ctr are named by it. Those of Docker have neither name nor image there, and where a \
                 kubelet runs its pods are in another runtime.",
                &["metadata"],
                FIELDS,
            )
            .remedy(
                "With Docker name docker.sock as well. With Kubernetes name the socket that the kubelet uses, or enable CRI by \
                 removing \"cri\" from disabled_plugins.",
                &[
                    "agent doctor --runtime-socket /run/containerd/containerd.sock --runtime-socket /run/docker.sock",
                    "grep -n disabled_plugins /etc/containerd/config.toml",
                ],
            )
    } else if answering.iter().all(old) {
        Finding::warn("only the old CRI v1alpha2 is answered")
            .impact(
                "Metadata is complete as far as the old protocol goes; newer Kubernetes versions cannot use this runtime.",
                &["metadata"],
                &[],
            )
            .remedy("Update the runtime: containerd speaks v1 from 1.6 on.", &["containerd --version"])
    } else {
        let list: Vec<String> = answering
            .iter()
            .filter(|runtime| !old(runtime))
            .map(|runtime| {
                let or = |value: &Option<String>, other: &str| value.clone().unwrap_or_else(|| other.to_owned());
                let (name, version) = (or(&runtime.name, "runtime"), or(&runtime.version, "?"));
                format!("{name} {version}, {}", interface(runtime.api.as_deref()))
            })
            .collect();
        Finding::ok(list.join("; "))
    };
    finding
        .observed(json!(observed))
        .expected("CRI v1, or the Docker Engine API")
        .evidence(&clock(facts, source), source, json!(observed))
}

/// What a runtime is asked in, by the word of the facts.
fn interface(api: Option<&str>) -> String {
    match api {
        Some(ENGINE) => "Docker Engine API".to_owned(),
        Some(OWN_API) => "containerd's own API without CRI".to_owned(),
        Some(version) => format!("CRI {version}"),
        None => "an interface that it did not tell".to_owned(),
    }
}

/// PIN-RUN-003.
pub(in super::super) fn own_container(facts: &Facts) -> Finding {
    if facts.place == Place::Host {
        return Finding::skipped("the doctor does not run in a container");
    }
    // The canary is a child of the doctor, so its event tells what the agent knows of this very container.
    if let Ok(CanaryFact::Seen { event, .. }) = &facts.canary.value
        && event["metadata"]["status"] == "complete"
        && let Some(id) = event["container"]["id"].as_str()
    {
        return Finding::ok("the agent names this container")
            .observed(json!({ "id": id, "name": event["container"]["name"] }))
            .expected("known")
            .evidence(&facts.canary, "the canary's event", event["container"].clone());
    }
    let own = match &facts.own.value {
        Ok(own) => own,
        Err(gap) => return Finding::gap(gap),
    };
    let Some(id) = &own.id else {
        let leaf = own.cgroup_leaf.as_deref().unwrap_or("/");
        return Finding::unknown("neither the own cgroup nor the own mounts tell the container's id").evidence(
            &facts.own,
            "/proc/self/cgroup",
            leaf,
        );
    };
    let known_by = match &own.known_by {
        Ok(known_by) => known_by,
        Err(gap) => {
            return Finding::gap(gap)
                .observed(id.clone())
                .evidence(&facts.own, own.id_from, id.clone());
        }
    };
    let finding = if known_by.is_empty() {
        Finding::fail("no runtime that answers knows this container")
            .impact(
                "The sockets belong to another runtime than the kubelet's: every pod would be unknown.",
                &["metadata"],
                FIELDS,
            )
            .remedy(
                "Name the socket that the kubelet uses. On k3s, for example, a Docker installation leaves a containerd \
                 without pods at the usual path.",
                &["ps -o args= -C kubelet | tr ' ' '\\n' | grep container-runtime-endpoint"],
            )
    } else {
        Finding::ok(format!("{} knows it", known_by[0].display()))
    };
    let sockets: Vec<String> = known_by.iter().map(|path| path.display().to_string()).collect();
    finding
        .observed(json!({ "id": id, "known_by": sockets }))
        .expected("known")
        .evidence(&facts.own, own.id_from, id.clone())
        .evidence(
            &facts.own,
            "runtimes that know the own container or sandbox",
            json!(sockets),
        )
}

fn state(candidate: &RuntimeFact) -> Value {
    let mut value = json!({ "socket": candidate.socket.display().to_string(), "class": candidate.class.as_str() });
    for (key, text) in [("protocol", &candidate.protocol), ("origin", &candidate.origin)] {
        if !text.is_empty() {
            value[key] = json!(text);
        }
    }
    // Absent says it all.
    if candidate.class == RuntimeClass::Absent {
        return value;
    }
    if let Some(errno) = candidate.errno {
        value["errno"] = json!(super::errno_name(Some(errno)));
    }
    for (key, text) in [
        ("name", &candidate.name),
        ("version", &candidate.version),
        ("api", &candidate.api),
    ] {
        if let Some(text) = text {
            value[key] = json!(text);
        }
    }
    if let Some(rank) = candidate.rank {
        value["rank"] = json!(rank.as_str());
    }
    if !candidate.evidence.is_empty() {
        value["evidence"] = json!(candidate.evidence);
    }
    if candidate.mounted_alone {
        value["mounted_alone"] = json!(true);
    }
    if !candidate.detail.is_empty() {
        value["detail"] = json!(candidate.detail);
    }
    value
}

fn clock(facts: &Facts, source: &str) -> Gathered<()> {
    if source.starts_with("GetStatus") {
        facts.live.clock()
    } else {
        facts.runtimes.clock()
    }
}
