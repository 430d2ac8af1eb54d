//! The manifests themselves: whether an agent is among them, whether the cluster takes its pod, and whether what belongs together
//! fits together. Judged before anything is applied, and nowhere else.

mod probes;
mod refers;

use serde_json::{Value, json};

use super::super::change::{Change, Op};
use super::super::facts::manifests::Manifests;
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::offline::patch::{put, take};
use super::offline::{Read, agent, of_manifests};
use crate::kubernetes::Objects;
use crate::manifest::{Options, as_list};

const NEEDS: &[Need] = &[Need::Manifests];
const AFTER: &[Edge] = &[Edge::Needs("PIN-MAN-001")];

/// How many files are told as evidence; nobody hands in more by name.
const SHOWN: usize = 16;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-MAN-001",
        area: "manifest",
        title: "The manifests hold an agent",
        weight: Weight::Blocks,
        needs: NEEDS,
        depends_on: &[],
        judge: None,
        offline: Some(holds_an_agent),
        page: include_str!("../pages/PIN-MAN-001.md"),
    },
    Definition {
        id: "PIN-MAN-002",
        area: "manifest",
        title: "The namespace admits the pod",
        weight: Weight::Blocks,
        needs: NEEDS,
        depends_on: AFTER,
        judge: None,
        offline: Some(namespace),
        page: include_str!("../pages/PIN-MAN-002.md"),
    },
    Definition {
        id: "PIN-MAN-003",
        area: "manifest",
        title: "What the pod refers to is there",
        weight: Weight::Blocks,
        needs: NEEDS,
        depends_on: AFTER,
        judge: None,
        offline: Some(refers::judge),
        page: include_str!("../pages/PIN-MAN-003.md"),
    },
    Definition {
        id: "PIN-MAN-004",
        area: "manifest",
        title: "The image is named by digest",
        weight: Weight::Minor,
        needs: NEEDS,
        depends_on: AFTER,
        judge: None,
        offline: Some(image),
        page: include_str!("../pages/PIN-MAN-004.md"),
    },
    Definition {
        id: "PIN-MAN-005",
        area: "manifest",
        title: "Probes ask what the agent answers",
        weight: Weight::Major,
        needs: NEEDS,
        depends_on: AFTER,
        judge: None,
        offline: Some(probes::judge),
        page: include_str!("../pages/PIN-MAN-005.md"),
    },
];

/// The object of a kind as the profile's own manifest has it, in the agent's namespace.
pub(super) fn of_profile(manifests: &Manifests, kind: &str) -> Option<Value> {
    let namespace = manifests.agent.as_ref().and_then(|agent| agent.namespace());
    let options = Options {
        namespace: namespace.unwrap_or("pinhole").to_owned(),
        ..Options::default()
    };
    // A namespace that the manifest would not be made for is still the one that the pod is in.
    let list =
        as_list(manifests.profile.name, &options).or_else(|_| as_list(manifests.profile.name, &Options::default()));
    let list = list.ok()?;
    let mut object = list["items"]
        .as_array()?
        .iter()
        .find(|object| object["kind"] == kind)?
        .clone();
    if let (Some(namespace), Some(_)) = (namespace, object["metadata"].get("namespace")) {
        object["metadata"]["namespace"] = json!(namespace);
    }
    Some(object)
}

/// The whole object of a kind, where there is none.
pub(super) fn whole(manifests: &Manifests, kind: &str) -> Option<Change> {
    of_profile(manifests, kind).map(|object| Change::manifest(kind, Op::Add, "", object))
}

/// Whether an object of this kind is among the files.
pub(super) fn has_kind(objects: &Objects, kind: &str) -> bool {
    let cluster = kind.starts_with("Cluster");
    match kind {
        "ConfigMap" => !objects.config_maps.is_empty(),
        "ServiceAccount" => !objects.service_accounts.is_empty(),
        "Namespace" => !objects.namespaces.is_empty(),
        "SecurityContextConstraints" => !objects.constraints.is_empty(),
        "Role" | "ClusterRole" => objects.roles.iter().any(|role| role.cluster == cluster),
        "RoleBinding" | "ClusterRoleBinding" => objects.bindings.iter().any(|binding| binding.cluster == cluster),
        _ => {
            objects.workloads.iter().any(|workload| workload.kind == kind)
                || objects.others.iter().any(|other| other == kind)
        }
    }
}

/// PIN-MAN-001.
fn holds_an_agent(manifests: &Manifests) -> Finding {
    let workloads: Vec<String> = manifests
        .objects
        .workloads
        .iter()
        .map(|workload| format!("{} {}", workload.kind, workload.name))
        .collect();
    let name = manifests.profile.name;
    let Some(agent) = &manifests.agent else {
        let said = match workloads.len() {
            0 => "no workload is among the manifests, and so no agent".to_owned(),
            1 => format!("{} does not run the agent", workloads[0]),
            many => format!("none of {many} workloads runs the agent"),
        };
        let kinds = ["Namespace", "ServiceAccount", "ConfigMap", "DaemonSet"];
        let absent = kinds.into_iter().filter(|kind| !has_kind(&manifests.objects, kind));
        let finding = Finding::fail(said)
            .observed(json!(workloads))
            .expected(
                "a DaemonSet whose container has the agent's image, a variable PINHOLE_*, or /etc/pinhole mounted",
            )
            .impact("Nothing of the agent is judged.", &["doctor"], &[])
            .remedy(
                "Hand in the manifests of the agent.",
                &[
                    &format!("agent manifest --profile {name}"),
                    &format!("agent doctor --manifest FILE --profile {name}"),
                ],
            )
            .changes(absent.filter_map(|kind| whole(manifests, kind)));
        return manifests.files.iter().take(SHOWN).fold(finding, |finding, file| {
            let all = manifests.objects.workloads.iter();
            let own: Vec<&str> = all
                .filter(|workload| workload.source.file == *file)
                .map(|workload| workload.name.as_str())
                .collect();
            finding.evidence(&of_manifests(), format!("{}, workloads", file.display()), json!(own))
        });
    };
    let kind = agent.object.kind.as_str();
    let finding = if kind != "DaemonSet" && kind != "Pod" {
        let at = |path: &str| agent.object.at(path).map(|_| take(&agent.object, path));
        let movable = ["Deployment", "ReplicaSet", "StatefulSet"].contains(&kind);
        let rest = [
            "/spec/replicas",
            "/spec/strategy",
            "/spec/serviceName",
            "/spec/volumeClaimTemplates",
        ];
        let own: Vec<Change> = match movable {
            true => rest
                .into_iter()
                .filter_map(at)
                .chain([put(&agent.object, "/kind", "DaemonSet")])
                .collect(),
            false => Vec::new(),
        };
        Finding::warn(format!("a {kind} runs the agent, not a DaemonSet"))
            .impact(
                "It runs on some nodes only, and what happens on the others is not seen.",
                &["capture"],
                &[],
            )
            .remedy(
                "Let a DaemonSet run it, one pod on every node.",
                &[&format!("agent manifest --profile {name}")],
            )
            .changes(own)
    } else if manifests.more_agents.is_empty() {
        Finding::ok(format!(
            "{kind} {}, container {}",
            agent.object.name, agent.container.name
        ))
    } else {
        Finding::warn(format!(
            "{} is judged, and not {}, which runs an agent too",
            agent.object.name,
            manifests.more_agents.join(", ")
        ))
        .impact(
            "On a node with two agents each event is told twice; and the other one is not judged.",
            &["doctor"],
            &[],
        )
        .remedy(
            "Judge each by itself, or leave one of them out.",
            &[&format!("agent doctor --manifest FILE --profile {name}")],
        )
    };
    finding.observed(json!(workloads)).expected("one DaemonSet").told(
        &agent.object,
        &agent.in_container(""),
        agent.container.name.clone(),
    )
}

const ENFORCE: &str = "/metadata/labels/pod-security.kubernetes.io~1enforce";

/// PIN-MAN-002.
fn namespace(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let own = agent.namespace();
    let found = manifests
        .namespaces
        .iter()
        .find(|namespace| own.is_none_or(|own| own == namespace.name));
    let Some(namespace) = found else {
        return Finding::skipped(match own {
            Some(own) => format!("namespace {own} is not among the files"),
            None => "the pod's namespace is not said".to_owned(),
        });
    };
    let level = namespace.at(ENFORCE).and_then(Value::as_str);
    let finding = match level {
        Some("privileged") => Finding::ok(format!("namespace {} admits the pod", namespace.name)),
        None => Finding::warn(format!(
            "namespace {} has no label pod-security.kubernetes.io/enforce, so the cluster's own level counts",
            namespace.name
        )),
        Some(level @ ("baseline" | "restricted")) => Finding::fail(format!(
            "namespace {} enforces the level {level}, which admits no such pod",
            namespace.name
        )),
        Some(other) => Finding::fail(format!(
            "namespace {} enforces {other:?}, which is no level",
            namespace.name
        )),
    };
    let finding = match level {
        Some("privileged") => finding,
        _ => finding
            .impact(
                "hostPath and capabilities beyond the default ones are in no stricter level: the API server refuses every pod \
                 of the DaemonSet, and none appears.",
                &["capture"],
                &[],
            )
            .remedy(
                "Label the namespace, and let nobody else make pods there.",
                &["labels:\n  pod-security.kubernetes.io/enforce: privileged"],
            )
            .change(put(namespace, ENFORCE, "privileged")),
    };
    finding
        .observed(level.unwrap_or("unset"))
        .expected("privileged")
        .read(namespace, ENFORCE)
}

/// PIN-MAN-004.
fn image(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let pointer = agent.in_container("/image");
    let Some(image) = &agent.container.image else {
        return Finding::skipped("the container names no image: something else puts it in");
    };
    if image.starts_with("localhost/") {
        return Finding::skipped("the image comes from no registry: it was put on the nodes by hand");
    }
    let finding = if image.contains("@sha256:") || image.contains("@sha512:") {
        Finding::ok("the image is pinned by its digest")
    } else {
        Finding::warn(format!(
            "{image} is named by a tag, which may be moved to another image"
        ))
        .impact(
            "The next start of the pod, on any node, may run another program, with the capabilities of this one.",
            &["privilege"],
            &[],
        )
        // What digest that is only the registry knows, so there is no change to offer.
        .remedy(
            "Name it by its digest.",
            &[
                &format!("skopeo inspect --format '{{{{.Digest}}}}' docker://{image}"),
                &format!(
                    "agent manifest --profile {} --image REPOSITORY@sha256:DIGEST",
                    manifests.profile.name
                ),
            ],
        )
    };
    finding
        .observed(image.clone())
        .expected("REPOSITORY@sha256:DIGEST")
        .read(&agent.object, &pointer)
}
