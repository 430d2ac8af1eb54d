//! PIN-MAN-003: what the pod refers to by name.

use serde_json::{Value, json};

use super::super::super::change::{Change, Op};
use super::super::super::facts::manifests::{AgentPod, Manifests};
use super::super::super::finding::Finding;
use super::super::offline::patch::{push, take_items};
use super::super::offline::{Read, agent};
use super::{of_profile, whole};

/// The volume that holds the agent's file.
const SETTINGS: &str = "/etc/pinhole";

/// PIN-MAN-003.
pub(super) fn judge(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let (object, volumes) = (&agent.object, agent.in_pod("/volumes"));
    let undeclared = undeclared(agent);
    let (maps, account) = (absent_maps(manifests, agent), absent_account(manifests, agent));
    let absent: Vec<String> = undeclared
        .iter()
        .map(|(_, name)| format!("volume {name}"))
        .chain(maps.iter().map(|name| format!("ConfigMap {name}")))
        .chain(account.iter().map(|name| format!("ServiceAccount {name}")))
        .collect();
    let finding = if !undeclared.is_empty() {
        Finding::fail(format!(
            "the container mounts what the pod does not have: {}",
            absent.join(", ")
        ))
        .impact("The API server refuses the object.", &["capture"], &[])
        .remedy(
            "Declare the volume, or take the mount away.",
            &[&format!("agent manifest --profile {}", manifests.profile.name)],
        )
    } else if !absent.is_empty() {
        Finding::warn(format!(
            "the pod refers to what is not among the files: {}",
            absent.join(", ")
        ))
        .impact(
            "Unless it is in the cluster already, no pod starts: it waits in ContainerCreating, or is not made at all.",
            &["capture"],
            &[],
        )
        .remedy(
            "Hand in and apply all of it together.",
            &[&format!("agent manifest --profile {}", manifests.profile.name)],
        )
    } else {
        Finding::ok("every ConfigMap, service account and volume is there")
    };
    let mut changes = Vec::new();
    let mut stale = Vec::new();
    for (index, name) in &undeclared {
        match volume_of_profile(manifests, name) {
            Some(volume) => changes.push(push(object, &volumes, volume)),
            None => stale.push(*index),
        }
    }
    changes.extend(take_items(object, &agent.in_container("/volumeMounts"), stale));
    changes.extend(maps.iter().filter_map(|name| map(manifests, agent, name)));
    changes.extend(account.iter().filter_map(|name| {
        let own = of_profile(manifests, "ServiceAccount")?;
        (own["metadata"]["name"] == **name).then(|| whole(manifests, "ServiceAccount"))?
    }));
    finding
        .changes(changes)
        .observed(json!(absent))
        .expected(json!([]))
        .told(
            object,
            &volumes,
            json!(object.items(&volumes).map(|volume| &volume["name"]).collect::<Vec<_>>()),
        )
        .told(
            object,
            &agent.in_pod("/serviceAccountName"),
            agent.workload.pod.service_account.clone(),
        )
}

/// Mounts without a volume: their place and the volume's name.
fn undeclared(agent: &AgentPod) -> Vec<(usize, String)> {
    let mounts = agent.mounts();
    mounts
        .filter_map(|(index, mount)| Some((index, mount["name"].as_str()?)))
        .filter(|(_, name)| agent.volume(name).is_none())
        .map(|(index, name)| (index, name.to_owned()))
        .collect()
}

fn volume_of_profile(manifests: &Manifests, name: &str) -> Option<Value> {
    let own = of_profile(manifests, "DaemonSet")?;
    let volumes = own.pointer("/spec/template/spec/volumes")?.as_array()?;
    volumes.iter().find(|volume| volume["name"] == name).cloned()
}

/// ConfigMaps that must be there and are not among the files.
fn absent_maps(manifests: &Manifests, agent: &AgentPod) -> Vec<String> {
    let object = &agent.object;
    let mut wanted: Vec<&Value> = Vec::new();
    for volume in object.items(&agent.in_pod("/volumes")) {
        wanted.push(&volume["configMap"]);
        let sources = volume["projected"]["sources"].as_array().into_iter().flatten();
        wanted.extend(sources.map(|source| &source["configMap"]));
    }
    wanted.extend(
        object
            .items(&agent.in_container("/env"))
            .map(|one| &one["valueFrom"]["configMapKeyRef"]),
    );
    wanted.extend(
        object
            .items(&agent.in_container("/envFrom"))
            .map(|one| &one["configMapRef"]),
    );
    let mut absent: Vec<String> = wanted
        .into_iter()
        .filter(|reference| reference["optional"] != true)
        .filter_map(|reference| reference["name"].as_str())
        .filter(|name| {
            let mut maps = manifests.objects.config_maps.iter();
            !maps.any(|map| map.name == **name && together(map.namespace.as_deref(), agent))
        })
        .map(str::to_owned)
        .collect();
    absent.sort();
    absent.dedup();
    absent
}

/// The service account, where it is named and not among the files. Every namespace has `default`.
fn absent_account(manifests: &Manifests, agent: &AgentPod) -> Option<String> {
    let name = &agent.workload.pod.service_account;
    let mut accounts = manifests.objects.service_accounts.iter();
    let there = accounts.any(|account| account.name == *name && together(account.namespace.as_deref(), agent));
    (!there && name != "default").then(|| name.clone())
}

/// A namespace that is not said is the one that everything is applied to.
fn together(namespace: Option<&str>, agent: &AgentPod) -> bool {
    match (namespace, agent.namespace()) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// The profile's own ConfigMap, under the name that the pod has for its settings.
fn map(manifests: &Manifests, agent: &AgentPod, name: &str) -> Option<Change> {
    let mut mounts = agent.mounts();
    let volume = mounts.find(|(_, mount)| {
        mount["mountPath"]
            .as_str()
            .is_some_and(|at| at.trim_end_matches('/') == SETTINGS)
    });
    let volume = agent.volume(volume?.1["name"].as_str()?)?.1;
    if volume["configMap"]["name"] != name {
        return None;
    }
    let mut own = of_profile(manifests, "ConfigMap")?;
    own["metadata"]["name"] = json!(name);
    Some(Change::manifest("ConfigMap", Op::Add, "", own))
}
