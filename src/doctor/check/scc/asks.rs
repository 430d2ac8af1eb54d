//! What a pod asks for, in the words of the constraints.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::super::facts::manifests::{AgentPod, Manifests};
use crate::exposure::rights;

/// One container of the pod.
pub(super) struct Asking<'a> {
    /// Whether it is the agent's.
    pub(super) own: bool,
    /// Its name.
    pub(super) name: &'a str,
    context: &'a Value,
}

impl<'a> Asking<'a> {
    /// A field of its own security context.
    pub(super) fn field(&self, key: &str) -> Option<&'a Value> {
        self.context.get(key).filter(|value| !value.is_null())
    }

    /// Capabilities that it adds, as they are written.
    pub(super) fn adds(&self) -> Vec<&'a str> {
        let list = self.context["capabilities"]["add"].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect()
    }
}

/// Every container of the pod.
pub(super) fn containers(agent: &AgentPod) -> Vec<Asking<'_>> {
    let own = agent.in_container("");
    ["/initContainers", "/containers"]
        .map(|list| agent.in_pod(list))
        .iter()
        .flat_map(|list| {
            let own = &own;
            let items = agent.object.items(list).enumerate();
            items.map(move |(index, container)| Asking {
                own: format!("{list}/{index}") == *own,
                name: container["name"].as_str().unwrap_or_default(),
                context: &container["securityContext"],
            })
        })
        .collect()
}

/// Kinds of volumes; a mounted token is one too.
pub(super) fn volumes(manifests: &Manifests, agent: &AgentPod) -> BTreeSet<String> {
    let mut kinds: BTreeSet<String> = agent
        .object
        .items(&agent.in_pod("/volumes"))
        .filter_map(Value::as_object)
        .flat_map(|volume| volume.keys().filter(|key| *key != "name").cloned())
        .collect();
    if rights::token(&agent.workload, &manifests.objects) {
        kinds.insert("projected".to_owned());
    }
    kinds
}

/// Groups that the pod asks for beside its own.
pub(super) fn groups(agent: &AgentPod) -> Vec<i64> {
    let list = agent.in_pod("/securityContext/supplementalGroups");
    agent.object.items(&list).filter_map(Value::as_i64).collect()
}

/// Seccomp profiles that the pod or a container names, in the words of the constraints.
pub(super) fn seccomp(agent: &AgentPod) -> Vec<String> {
    let pod = agent.object.at(&agent.in_pod("/securityContext/seccompProfile"));
    let all = containers(agent);
    let own = all.iter().filter_map(|container| container.field("seccompProfile"));
    let mut found = Vec::new();
    for profile in pod.into_iter().chain(own) {
        let word = match profile["type"].as_str() {
            Some("RuntimeDefault") => "runtime/default".to_owned(),
            Some("Unconfined") => "unconfined".to_owned(),
            Some("Localhost") => format!("localhost/{}", profile["localhostProfile"].as_str().unwrap_or_default()),
            _ => continue,
        };
        if !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// The SELinux options that count for the agent's container.
pub(super) fn selinux(agent: &AgentPod) -> Option<&Value> {
    let own = agent.object.at(&agent.in_container("/securityContext/seLinuxOptions"));
    own.or_else(|| agent.object.at(&agent.in_pod("/securityContext/seLinuxOptions")))
}

/// Whether a port of the node is asked for.
pub(super) fn host_ports(agent: &AgentPod) -> bool {
    let ports = agent
        .workload
        .pod
        .containers
        .iter()
        .flat_map(|container| &container.ports);
    ports.into_iter().any(|port| port.on_host)
}

/// As manifests write capabilities.
pub(super) fn plain(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
}

/// A range of one.
pub(super) fn only(id: i64) -> Value {
    json!({ "min": id, "max": id })
}
