//! What constraints admit beyond what the pod asks for and the agent needs.

use serde_json::{Value, json};

use super::super::super::change::Change;
use super::super::super::facts::manifests::{AgentPod, Manifests, Object};
use super::super::offline::patch::{push, put, take_items};
use super::admits::needed;
use super::asks::{self, Asking, only, plain};
use super::{flag, names, strategy};

/// The user and group of the image.
const USER: i64 = 65532;

/// Groups of which everybody is a member.
const EVERYBODY: [&str; 3] = [
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
];

/// Each with what narrows it.
pub(super) fn of(manifests: &Manifests, agent: &AgentPod, constraints: &Object) -> Vec<(String, Vec<Change>)> {
    let mut found = Vec::new();
    flags(agent, constraints, &mut found);
    capabilities(manifests, agent, constraints, &mut found);
    let listed = names(constraints, "/volumes");
    if constraints.at("/volumes").is_none() || listed.contains(&"*") {
        let kinds = asks::volumes(manifests, agent);
        found.push((
            "volumes of every kind".to_owned(),
            vec![put(constraints, "/volumes", json!(kinds))],
        ));
    }
    strategies(manifests, agent, constraints, &mut found);
    seccomp(agent, constraints, &mut found);
    let groups = names(constraints, "/groups");
    let open: Vec<usize> = (0..groups.len())
        .filter(|index| EVERYBODY.contains(&groups[*index]))
        .collect();
    if !open.is_empty() {
        found.push((
            "everybody may use them".to_owned(),
            take_items(constraints, "/groups", open),
        ));
    }
    found
}

fn flags(agent: &AgentPod, constraints: &Object, found: &mut Vec<(String, Vec<Change>)>) {
    let (pod, all) = (&agent.workload.pod, asks::containers(agent));
    let any = |key: &str, value: bool| all.iter().any(|one| one.field(key) == Some(&Value::Bool(value)));
    for (key, asked) in [
        ("allowPrivilegedContainer", any("privileged", true)),
        ("allowHostPID", pod.host_pid),
        ("allowHostNetwork", pod.host_network),
        ("allowHostIPC", pod.host_ipc),
        ("allowHostPorts", asks::host_ports(agent)),
    ] {
        if flag(constraints, key) && !asked {
            found.push((key.to_owned(), vec![put(constraints, &format!("/{key}"), false)]));
        }
    }
    let key = "allowPrivilegeEscalation";
    // Allowed where nothing is said.
    let allowed = constraints.at(&format!("/{key}")) != Some(&Value::Bool(false));
    let asked = any(key, true) || any("privileged", true);
    if allowed && !asked {
        found.push((key.to_owned(), vec![put(constraints, &format!("/{key}"), false)]));
    }
    let key = "readOnlyRootFilesystem";
    if !flag(constraints, key) && all.iter().all(|one| one.field(key) == Some(&Value::Bool(true))) {
        found.push((
            "a writable root".to_owned(),
            vec![put(constraints, &format!("/{key}"), true)],
        ));
    }
}

fn capabilities(manifests: &Manifests, agent: &AgentPod, constraints: &Object, found: &mut Vec<(String, Vec<Change>)>) {
    let all = asks::containers(agent);
    let mut wanted: Vec<String> = needed(manifests).iter().map(|name| (*name).to_owned()).collect();
    wanted.extend(all.iter().flat_map(Asking::adds).map(plain));
    for list in ["/allowedCapabilities", "/defaultAddCapabilities"] {
        let listed = names(constraints, list);
        if listed.contains(&"*") {
            let mut own: Vec<String> = all.iter().flat_map(Asking::adds).map(plain).collect();
            own.dedup();
            found.push(("every capability".to_owned(), vec![put(constraints, list, json!(own))]));
            continue;
        }
        let beyond: Vec<usize> = (0..listed.len())
            .filter(|index| !wanted.contains(&plain(listed[*index])))
            .collect();
        if !beyond.is_empty() {
            let names: Vec<&str> = beyond.iter().map(|index| listed[*index]).collect();
            found.push((names.join(", "), take_items(constraints, list, beyond)));
        }
    }
    let list = "/requiredDropCapabilities";
    if !names(constraints, list).iter().any(|name| plain(name) == "ALL") {
        found.push((
            "the runtime's default capabilities, which need not be dropped".to_owned(),
            vec![push(constraints, list, "ALL")],
        ));
    }
}

fn strategies(manifests: &Manifests, agent: &AgentPod, constraints: &Object, found: &mut Vec<(String, Vec<Change>)>) {
    let uid = agent.container.security.run_as_user.unwrap_or(USER);
    let pod = manifests.profile.platform.kubernetes.as_ref();
    let kind = pod
        .and_then(|pod| pod.selinux_type.clone())
        .unwrap_or_else(|| "container_t".to_owned());
    let options = asks::selinux(agent)
        .cloned()
        .unwrap_or_else(|| json!({ "type": kind, "level": "s0" }));
    let groups: Vec<Value> = asks::groups(agent).into_iter().map(only).collect();
    let fs_group = agent
        .object
        .at(&agent.in_pod("/securityContext/fsGroup"))
        .and_then(Value::as_i64);
    for (key, said, value) in [
        ("runAsUser", "any user", json!({ "type": "MustRunAs", "uid": uid })),
        (
            "seLinuxContext",
            "any SELinux label",
            json!({ "type": "MustRunAs", "seLinuxOptions": options }),
        ),
        (
            "supplementalGroups",
            "any supplementary group",
            json!({ "type": "MustRunAs", "ranges": if groups.is_empty() { vec![only(0)] } else { groups } }),
        ),
        (
            "fsGroup",
            "any group for volumes",
            json!({ "type": "MustRunAs", "ranges": [only(fs_group.unwrap_or(USER))] }),
        ),
    ] {
        if strategy(constraints, key) == Some("RunAsAny") {
            found.push((said.to_owned(), vec![put(constraints, &format!("/{key}"), value)]));
        }
    }
}

fn seccomp(agent: &AgentPod, constraints: &Object, found: &mut Vec<(String, Vec<Change>)>) {
    let list = "/seccompProfiles";
    let (listed, asked) = (names(constraints, list), asks::seccomp(agent));
    if listed.contains(&"*") {
        found.push((
            "every seccomp profile, and none".to_owned(),
            vec![put(constraints, list, json!(asked))],
        ));
        return;
    }
    let open: Vec<usize> = (0..listed.len())
        .filter(|index| listed[*index] == "unconfined" && !asked.iter().any(|one| one == "unconfined"))
        .collect();
    if !open.is_empty() {
        found.push(("no seccomp profile".to_owned(), take_items(constraints, list, open)));
    }
}
