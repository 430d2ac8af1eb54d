//! What of a pod the constraints refuse.

use serde_json::{Value, json};

use super::super::super::change::Change;
use super::super::super::facts::manifests::{AgentPod, Manifests, Object};
use super::super::offline::limits::may_lift;
use super::super::offline::patch::{push, put, take_items};
use super::asks::{self, Asking, plain};
use super::{flag, names, strategy};
use crate::exposure::rights;

/// Something that the pod asks for and the constraints do not admit.
pub(super) struct Refusal {
    /// In words.
    pub(super) said: String,
    /// The check that finds that the pod should not ask for it.
    pub(super) cause: Option<&'static str>,
    /// What lets the constraints admit it.
    pub(super) changes: Vec<Change>,
}

fn refusal(said: impl Into<String>, cause: Option<&'static str>, change: Change) -> Refusal {
    Refusal {
        said: said.into(),
        cause,
        changes: vec![change],
    }
}

/// Capabilities that the agent has a use for.
pub(super) fn needed(manifests: &Manifests) -> Vec<&'static str> {
    let lifts = may_lift(manifests).then_some("SYS_RESOURCE");
    ["BPF", "PERFMON"].into_iter().chain(lifts).collect()
}

pub(super) fn refusals(manifests: &Manifests, agent: &AgentPod, constraints: &Object) -> Vec<Refusal> {
    let mut found = Vec::new();
    for container in asks::containers(agent) {
        of_container(manifests, constraints, &container, &mut found);
    }
    capabilities(manifests, agent, constraints, &mut found);
    host(agent, constraints, &mut found);
    volumes(manifests, agent, constraints, &mut found);
    user(manifests, agent, constraints, &mut found);
    groups(agent, constraints, &mut found);
    selinux(manifests, agent, constraints, &mut found);
    let listed = names(constraints, "/seccompProfiles");
    for profile in asks::seccomp(agent) {
        let within = listed.iter().any(|one| {
            *one == "*"
                || *one == profile
                || (profile == "runtime/default" && *one == "docker/default")
                || (*one == "localhost/*" && profile.starts_with("localhost/"))
        });
        if !within {
            found.push(refusal(
                format!("seccomp profile {profile}"),
                (profile == "unconfined").then_some("PIN-SEC-002"),
                push(constraints, "/seccompProfiles", profile),
            ));
        }
    }
    found
}

fn of_container(manifests: &Manifests, constraints: &Object, container: &Asking<'_>, found: &mut Vec<Refusal>) {
    let is = |key: &str, wanted: bool| container.field(key) == Some(&Value::Bool(wanted));
    let cause = |id| container.own.then_some(id);
    let name = container.name;
    if is("privileged", true) && !flag(constraints, "allowPrivilegedContainer") {
        found.push(refusal(
            format!("container {name} is privileged"),
            cause("PIN-CAP-002"),
            put(constraints, "/allowPrivilegedContainer", true),
        ));
    }
    let forbidden = constraints.at("/allowPrivilegeEscalation") == Some(&Value::Bool(false));
    if is("allowPrivilegeEscalation", true) && forbidden {
        found.push(refusal(
            format!("container {name} allows privilege escalation"),
            cause("PIN-PRV-001"),
            put(constraints, "/allowPrivilegeEscalation", true),
        ));
    }
    if is("readOnlyRootFilesystem", false) && flag(constraints, "readOnlyRootFilesystem") {
        found.push(refusal(
            format!("container {name} has a writable root"),
            cause("PIN-MNT-001"),
            put(constraints, "/readOnlyRootFilesystem", false),
        ));
    }
    let allowed: Vec<String> = ["/allowedCapabilities", "/defaultAddCapabilities"]
        .iter()
        .flat_map(|list| names(constraints, list))
        .map(plain)
        .collect();
    for capability in container.adds() {
        let needed = needed(manifests).contains(&plain(capability).as_str());
        // Those that the agent needs are told together.
        let told = container.own && needed;
        if !told && !allowed.contains(&"*".to_owned()) && !allowed.contains(&plain(capability)) {
            found.push(refusal(
                format!("container {name} adds {capability}"),
                cause("PIN-CAP-002"),
                push(constraints, "/allowedCapabilities", plain(capability)),
            ));
        }
    }
}

/// The capabilities that the agent's container adds and needs: each must be allowed, and none of them dropped by force.
fn capabilities(manifests: &Manifests, agent: &AgentPod, constraints: &Object, found: &mut Vec<Refusal>) {
    let all = asks::containers(agent);
    let added: Vec<String> = all
        .iter()
        .filter(|one| one.own)
        .flat_map(Asking::adds)
        .map(plain)
        .collect();
    let wanted: Vec<String> = added
        .into_iter()
        .filter(|name| needed(manifests).contains(&name.as_str()))
        .collect();
    let allowed: Vec<String> = ["/allowedCapabilities", "/defaultAddCapabilities"]
        .iter()
        .flat_map(|list| names(constraints, list))
        .map(plain)
        .collect();
    let missing: Vec<String> = match allowed.iter().any(|name| name == "*") {
        true => Vec::new(),
        false => wanted.iter().filter(|name| !allowed.contains(name)).cloned().collect(),
    };
    if !missing.is_empty() {
        let changes = match constraints.at("/allowedCapabilities") {
            Some(_) => missing
                .iter()
                .map(|name| push(constraints, "/allowedCapabilities", name.clone()))
                .collect(),
            None => vec![put(constraints, "/allowedCapabilities", json!(missing))],
        };
        found.push(Refusal {
            said: format!("allowedCapabilities lacks {}", missing.join(", ")),
            cause: None,
            changes,
        });
    }
    let list = "/requiredDropCapabilities";
    let dropped: Vec<usize> = names(constraints, list)
        .iter()
        .enumerate()
        .filter(|(_, name)| wanted.contains(&plain(name)))
        .map(|(index, _)| index)
        .collect();
    if !dropped.is_empty() {
        found.push(Refusal {
            said: "requiredDropCapabilities drops what the agent adds".to_owned(),
            cause: None,
            changes: take_items(constraints, list, dropped),
        });
    }
}

fn host(agent: &AgentPod, constraints: &Object, found: &mut Vec<Refusal>) {
    let pod = &agent.workload.pod;
    for (asked, key, word) in [
        (pod.host_pid, "allowHostPID", "hostPID"),
        (pod.host_network, "allowHostNetwork", "hostNetwork"),
        (pod.host_ipc, "allowHostIPC", "hostIPC"),
        (asks::host_ports(agent), "allowHostPorts", "a port of the host"),
    ] {
        if asked && !flag(constraints, key) {
            // A hostPort alone is nobody else's finding.
            let cause = (key != "allowHostPorts" || pod.host_network).then_some("PIN-MNT-005");
            found.push(refusal(word, cause, put(constraints, &format!("/{key}"), true)));
        }
    }
}

/// `allowHostDirVolumePlugin` decides on hostPath whatever `volumes` says: the defaults add or take it.
fn volumes(manifests: &Manifests, agent: &AgentPod, constraints: &Object, found: &mut Vec<Refusal>) {
    let listed = names(constraints, "/volumes");
    let all = constraints.at("/volumes").is_none() || listed.contains(&"*");
    for kind in asks::volumes(manifests, agent) {
        if kind == "hostPath" {
            if !flag(constraints, "allowHostDirVolumePlugin") {
                found.push(refusal(
                    "a volume of kind hostPath",
                    None,
                    put(constraints, "/allowHostDirVolumePlugin", true),
                ));
            }
        } else if !all && !listed.contains(&kind.as_str()) {
            found.push(refusal(
                format!("a volume of kind {kind}"),
                None,
                push(constraints, "/volumes", kind),
            ));
        }
    }
}

fn user(manifests: &Manifests, agent: &AgentPod, constraints: &Object, found: &mut Vec<Refusal>) {
    let Some(uid) = agent.container.security.run_as_user else {
        return;
    };
    let at = |key: &str| constraints.at(&format!("/runAsUser/{key}")).and_then(Value::as_i64);
    let refused = match strategy(constraints, "runAsUser") {
        Some("MustRunAs") => at("uid") != Some(uid),
        Some("MustRunAsNonRoot") => uid == 0,
        Some("MustRunAsRange") => {
            let range = at("uidRangeMin").zip(at("uidRangeMax"));
            // Without one of its own it is the namespace's, which begins far above any uid of an image.
            range.is_none_or(|(min, max)| !(min..=max).contains(&uid))
        }
        _ => false,
    };
    let bundles = !manifests.settings.settings.runtime.bundles.is_empty();
    if refused {
        found.push(refusal(
            format!("user {uid}"),
            (uid == 0 && !bundles).then_some("PIN-PRV-003"),
            put(constraints, "/runAsUser", json!({ "type": "MustRunAs", "uid": uid })),
        ));
    }
}

fn groups(agent: &AgentPod, constraints: &Object, found: &mut Vec<Refusal>) {
    let fs_group = agent
        .object
        .at(&agent.in_pod("/securityContext/fsGroup"))
        .and_then(Value::as_i64);
    for (key, asked) in [
        ("supplementalGroups", asks::groups(agent)),
        ("fsGroup", fs_group.into_iter().collect()),
    ] {
        if strategy(constraints, key) != Some("MustRunAs") {
            continue;
        }
        let ranges = format!("/{key}/ranges");
        for group in asked {
            let within = constraints.items(&ranges).any(|range| {
                let end = |key: &str| range[key].as_i64().unwrap_or(-1);
                (end("min")..=end("max")).contains(&group)
            });
            if !within {
                found.push(refusal(
                    format!("group {group} ({key})"),
                    None,
                    push(constraints, &ranges, asks::only(group)),
                ));
            }
        }
    }
}

/// Level, role, type and user are compared one by one; a pod that names none is given those of the constraints.
fn selinux(manifests: &Manifests, agent: &AgentPod, constraints: &Object, found: &mut Vec<Refusal>) {
    let (Some("MustRunAs"), Some(asked)) = (strategy(constraints, "seLinuxContext"), asks::selinux(agent)) else {
        return;
    };
    let wanted = manifests
        .profile
        .platform
        .kubernetes
        .as_ref()
        .and_then(|pod| pod.selinux_type.as_deref());
    let own = agent.container.security.selinux_type.as_deref();
    let differs = ["level", "role", "type", "user"].into_iter().find(|key| {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        text(asked.get(*key)) != text(constraints.at(&format!("/seLinuxContext/seLinuxOptions/{key}")))
    });
    if let Some(key) = differs {
        found.push(refusal(
            format!("SELinux {key} {}", asked[key].as_str().unwrap_or("unset")),
            (wanted.is_some() && wanted != own).then_some("PIN-LSM-001"),
            put(constraints, "/seLinuxContext/seLinuxOptions", asked.clone()),
        ));
    }
}

/// Whether the pod's service account may use the constraints, by their own lists or by a role of these manifests. A role that
/// is not among them is believed.
pub(super) fn may_use(manifests: &Manifests, agent: &AgentPod, constraints: &Object) -> bool {
    let account = &agent.workload.pod.service_account;
    let listed = |list: &str, word: &str| names(constraints, list).contains(&word);
    let namespace = agent.namespace().unwrap_or_default();
    let user = format!("system:serviceaccount:{namespace}:{account}");
    let of_namespace = format!("system:serviceaccounts:{namespace}");
    listed("/users", &user)
        || [&of_namespace, "system:serviceaccounts", "system:authenticated"]
            .iter()
            .any(|group| listed("/groups", group))
        || manifests.objects.bindings.iter().any(|binding| {
            rights::binds(binding, &agent.workload)
                && rights::role(binding, &manifests.objects).is_none_or(|role| {
                    role.rules.iter().any(|rule| {
                        let has = |list: &[String], word: &str| list.iter().any(|one| one == word || one == "*");
                        has(&rule.verbs, "use") && has(&rule.resources, "securitycontextconstraints")
                    })
                })
        })
}
