//! SecurityContextConstraints of OpenShift: whether they admit the pod, and whether they admit more than it asks for.
//!
//! The rules are those of OpenShift's admission (`openshift/apiserver-library-go`, `pkg/securitycontextconstraints`; the
//! defaults of fields in `openshift/openshift-apiserver`, `pkg/security/apis/security/v1/defaults.go`).

mod admits;
mod asks;
mod surplus;

use serde_json::{Value, json};

use super::super::facts::manifests::{AgentPod, Manifests, Object};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::manifest::{has_kind, whole};
use super::offline::patch::token;
use super::offline::{Read, agent, waits};
use admits::Refusal;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-SCC-001",
        area: "constraints",
        title: "The security context constraints admit the pod",
        weight: Weight::Blocks,
        needs: &[Need::Manifests],
        depends_on: &[Edge::Needs("PIN-MAN-001")],
        judge: None,
        offline: Some(admit),
        page: include_str!("../pages/PIN-SCC-001.md"),
    },
    Definition {
        id: "PIN-SCC-002",
        area: "constraints",
        title: "The security context constraints grant no more than the pod asks for",
        weight: Weight::Minor,
        needs: &[Need::Manifests],
        depends_on: &[Edge::Needs("PIN-MAN-001")],
        judge: None,
        offline: Some(grant),
        page: include_str!("../pages/PIN-SCC-002.md"),
    },
];

/// The constraints that the pod would be held against: those that it names, else those that refuse least.
pub(super) fn constraints_of<'a>(manifests: &'a Manifests, agent: &AgentPod) -> Option<&'a Object> {
    match required(agent) {
        Some(name) => manifests
            .constraints
            .iter()
            .find(|constraints| constraints.name == name),
        None => manifests
            .constraints
            .iter()
            .min_by_key(|constraints| admits::refusals(manifests, agent, constraints).len()),
    }
}

/// The pod's word for which constraints it wants, and no others.
fn required(agent: &AgentPod) -> Option<&str> {
    let key = token("openshift.io/required-scc");
    agent
        .object
        .at(&format!("{}/metadata/annotations/{key}", agent.template))?
        .as_str()
}

/// What the constraints give a pod that names none, where their strategy is `MustRunAs`: `path` is below the strategy.
pub(super) fn given(manifests: &Manifests, agent: &AgentPod, key: &str, path: &str) -> Option<Value> {
    let constraints = constraints_of(manifests, agent)?;
    (strategy(constraints, key) == Some("MustRunAs")).then(|| constraints.at(&format!("/{key}{path}")).cloned())?
}

/// Why there is nothing to judge, where there is not.
fn not_here(manifests: &Manifests) -> Option<Finding> {
    let pod = manifests.profile.platform.kubernetes.as_ref();
    let wanted = pod.is_some_and(|pod| pod.security_context_constraints);
    (!wanted && manifests.constraints.is_empty()).then(|| Finding::skipped("this platform has no such constraints"))
}

/// PIN-SCC-001.
fn admit(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if let Some(skipped) = not_here(manifests) {
        return skipped;
    }
    let impact = "OpenShift refuses every pod of the DaemonSet, and none appears.";
    let Some(constraints) = constraints_of(manifests, agent) else {
        let named = required(agent).unwrap_or("none by name");
        let kinds = ["SecurityContextConstraints", "Role", "RoleBinding"];
        let absent = kinds.into_iter().filter(|kind| !has_kind(&manifests.objects, kind));
        return Finding::warn(format!(
            "the constraints that the pod needs ({named}) are not among the files"
        ))
        .observed(json!(
            manifests.constraints.iter().map(|one| &one.name).collect::<Vec<_>>()
        ))
        .expected(named)
        .told(&agent.object, agent.template, named)
        .impact(
            format!("Unless they are in the cluster already: {impact}"),
            &["capture"],
            &[],
        )
        .remedy(
            "Hand them in and apply them with the rest.",
            &["agent manifest --profile openshift"],
        )
        .changes(absent.filter_map(|kind| whole(manifests, kind)));
    };
    let refusals = admits::refusals(manifests, agent, constraints);
    let unbound = !admits::may_use(manifests, agent, constraints);
    let own: Vec<&Refusal> = refusals.iter().filter(|refusal| refusal.cause.is_none()).collect();
    // What the pod should not ask for is its own finding, and mended there.
    if let (true, false, Some(cause)) = (
        own.is_empty(),
        unbound,
        refusals.iter().find_map(|refusal| refusal.cause),
    ) {
        return waits(cause);
    }
    let mut said: Vec<String> = own.iter().map(|refusal| refusal.said.clone()).collect();
    if unbound {
        said.push(format!(
            "no role lets service account {} use them",
            agent.workload.pod.service_account
        ));
    }
    let finding = if said.is_empty() {
        Finding::ok(format!("constraints {} admit the pod", constraints.name))
    } else {
        let kinds = ["Role", "RoleBinding"];
        let absent = kinds
            .into_iter()
            .filter(|kind| unbound && !has_kind(&manifests.objects, kind));
        Finding::fail(format!(
            "constraints {} do not admit the pod: {}",
            constraints.name,
            said.join("; ")
        ))
        .impact(impact, &["capture"], &[])
        .remedy(
            "Let the constraints admit what the pod asks for, and let its service account use them.",
            &["agent manifest --profile openshift"],
        )
        .changes(own.iter().flat_map(|refusal| refusal.changes.clone()))
        .changes(absent.filter_map(|kind| whole(manifests, kind)))
    };
    finding
        .observed(json!(said))
        .expected(json!([]))
        .told(constraints, "", constraints.name.clone())
}

/// PIN-SCC-002.
fn grant(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if let Some(skipped) = not_here(manifests) {
        return skipped;
    }
    let Some(constraints) = constraints_of(manifests, agent) else {
        return waits("PIN-SCC-001");
    };
    let found = surplus::of(manifests, agent, constraints);
    let said: Vec<&str> = found.iter().map(|(said, _)| said.as_str()).collect();
    let finding = if found.is_empty() {
        Finding::ok(format!(
            "constraints {} grant what the pod asks for and no more",
            constraints.name
        ))
    } else {
        Finding::warn(format!(
            "constraints {} grant more than the pod asks for: {}",
            constraints.name,
            said.join("; ")
        ))
        .impact(
            "Whoever may make pods with this service account may ask for all of it.",
            &["privilege"],
            &[],
        )
        .remedy(
            "Narrow them to what the pod has.",
            &["agent manifest --profile openshift"],
        )
        .changes(found.iter().flat_map(|(_, changes)| changes.clone()))
    };
    finding
        .observed(json!(said))
        .expected(json!([]))
        .told(constraints, "", constraints.name.clone())
}

/// The names in a list.
fn names<'a>(object: &'a Object, pointer: &'a str) -> Vec<&'a str> {
    object.items(pointer).filter_map(Value::as_str).collect()
}

/// A strategy's type.
fn strategy<'a>(constraints: &'a Object, key: &str) -> Option<&'a str> {
    constraints.at(&format!("/{key}/type"))?.as_str()
}

/// A flag of the constraints; absent is false.
fn flag(constraints: &Object, key: &str) -> bool {
    constraints.at(&format!("/{key}")) == Some(&Value::Bool(true))
}
