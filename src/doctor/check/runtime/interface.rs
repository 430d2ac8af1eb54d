//! In what the runtimes are asked.

use serde_json::{Value, json};

use super::FIELDS;
use super::view::{look, state};
use crate::container::discovery::{ENGINE, OWN_API};
use crate::doctor::change::Change;
use crate::doctor::facts::{Facts, RuntimeClass, RuntimeFact};
use crate::doctor::finding::Finding;

/// PIN-RUN-002.
pub(super) fn version(facts: &Facts) -> Finding {
    let seen = match look(facts) {
        Ok(seen) => seen,
        Err(gap) => return Finding::gap(gap),
    };
    let answering: Vec<&RuntimeFact> = seen.candidates.iter().filter(|candidate| candidate.answers()).collect();
    if answering.is_empty() {
        return Finding::skipped("no runtime answers");
    }
    let observed: Vec<Value> = answering.iter().map(|runtime| state(runtime, facts)).collect();
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
            .change(Change::node("containerd configuration", "disabled_plugins without \"cri\""))
    } else if answering.iter().all(old) {
        Finding::warn("only the old CRI v1alpha2 is answered")
            .impact(
                "Metadata is complete as far as the old protocol goes; newer Kubernetes versions cannot use this runtime.",
                &["metadata"],
                &[],
            )
            .remedy("Update the runtime: containerd speaks v1 from 1.6 on.", &["containerd --version"])
            .change(Change::node("version of the container runtime", "one that serves CRI v1"))
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
        .evidence(&seen.clock, seen.source, json!(observed))
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
