//! Which workload runs the agent, by what nobody else has: its image, its settings, its directories.

use serde_json::Value;

use super::super::facts::manifests::{AgentPod, Object};
use crate::config::keys::VARIABLE_PREFIX;
use crate::kubernetes::{Container, Objects, Source, Workload};

/// Directories that only the agent's container has.
const DIRECTORIES: [&str; 2] = ["/etc/pinhole", "/run/pinhole"];
/// Part of the name of its image.
const IMAGE: &str = "pinhole";

/// Every pod that runs an agent, those of DaemonSets first.
pub(super) fn find(objects: &Objects, values: &[(Source, Value)]) -> Vec<AgentPod> {
    let mut found: Vec<AgentPod> = objects
        .workloads
        .iter()
        .filter_map(|workload| {
            let value = values.iter().find(|(source, _)| *source == workload.source)?;
            of(workload, &value.1)
        })
        .collect();
    found.sort_by_key(|agent| agent.workload.kind != "DaemonSet");
    found
}

fn of(workload: &Workload, value: &Value) -> Option<AgentPod> {
    let template = match workload.kind.as_str() {
        "Pod" => "",
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    };
    let written = value.pointer(&format!("{template}/spec/containers"))?.as_array()?;
    let (index, container) = written.iter().enumerate().find_map(|(index, written)| {
        let name = written["name"].as_str()?;
        let container = workload.pod.containers.iter().rev().find(|one| one.name == name)?;
        (is_agent(container) && runs(&words(written))).then(|| (index, container.clone()))
    })?;
    Some(AgentPod {
        object: Object {
            kind: workload.kind.clone(),
            name: workload.name.clone(),
            value: value.clone(),
            source: workload.source.clone(),
        },
        template,
        index,
        workload: workload.clone(),
        container,
    })
}

fn is_agent(container: &Container) -> bool {
    let image = container.image.as_deref().unwrap_or_default();
    let name = image.split('@').next().unwrap_or_default();
    let mounts = container.host_mounts.iter().map(|mount| mount.at.as_str());
    let mut mounts = mounts.chain(container.other_mounts.iter().map(|(at, _)| at.as_str()));
    name.rsplit('/').next().is_some_and(|last| last.contains(IMAGE))
        || container.variables.iter().any(|name| name.starts_with(VARIABLE_PREFIX))
        || mounts.any(|at| DIRECTORIES.contains(&at.trim_end_matches('/')))
}

/// What the agent's command line is, behind the program's name. The image says `run` where the manifest says nothing.
pub(super) fn words(container: &Value) -> Vec<String> {
    let list = |key: &str| -> Option<Vec<String>> {
        let items = container[key].as_array().filter(|items| !items.is_empty())?;
        Some(
            items
                .iter()
                .filter_map(|word| word.as_str().map(str::to_owned))
                .collect(),
        )
    };
    match (list("command"), list("args")) {
        (None, None) => vec!["run".to_owned()],
        (None, Some(arguments)) => arguments,
        (Some(command), arguments) => command
            .into_iter()
            .skip(1)
            .chain(arguments.unwrap_or_default())
            .collect(),
    }
}

/// Whether it is another program than the agent that starts: a shell, of whose script nothing is known.
pub(super) fn is_wrapped(container: &Value) -> bool {
    container["command"][0]
        .as_str()
        .is_some_and(|program| program.rsplit('/').next() != Some("agent"))
}

/// Whether it is `agent run`, or what may become it: another command of the same program watches nothing.
fn runs(words: &[String]) -> bool {
    const OTHERS: [&str; 6] = ["doctor", "exposure", "hooks", "manifest", "seccomp", "profile"];
    !words.first().is_some_and(|word| OTHERS.contains(&word.as_str()))
}

impl AgentPod {
    /// Takes out what may be secret: values of variables but the agent's own settings, and annotations that mean nothing to
    /// the pod, among which kubectl keeps a copy of everything.
    pub(super) fn redacted(mut self) -> Self {
        let own = self.in_container("");
        for key in ["initContainers", "containers"] {
            let list = self.in_pod(&format!("/{key}"));
            let count = self.object.items(&list).count();
            for index in 0..count {
                let place = format!("{list}/{index}");
                let keep = place == own;
                let variables = self.object.value.pointer_mut(&format!("{place}/env"));
                for variable in variables.and_then(Value::as_array_mut).into_iter().flatten() {
                    let named = variable["name"].as_str().unwrap_or_default();
                    if !(keep && (named == "NODE_NAME" || named.starts_with(VARIABLE_PREFIX)))
                        && let Some(variable) = variable.as_object_mut()
                    {
                        variable.remove("value");
                    }
                }
            }
        }
        for place in ["", self.template] {
            let annotations = self.object.value.pointer_mut(&format!("{place}/metadata/annotations"));
            if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
                annotations.retain(|key, _| {
                    key.starts_with("container.apparmor.security.beta.kubernetes.io/")
                        || key.starts_with("openshift.io/")
                });
            }
        }
        self
    }
}
