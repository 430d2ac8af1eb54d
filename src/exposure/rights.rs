//! How far the rights of a service account reach, as far as the manifests tell.

use super::facts::Known;
use crate::kubernetes::{Binding, Objects, Role, Rule, Workload};

/// Resources by which whoever may write them runs code elsewhere or gives himself rights.
const POWER: [&str; 22] = [
    "*",
    "pods",
    "pods/exec",
    "pods/attach",
    "pods/portforward",
    "pods/ephemeralcontainers",
    "daemonsets",
    "deployments",
    "statefulsets",
    "replicasets",
    "jobs",
    "cronjobs",
    "nodes",
    "nodes/proxy",
    "secrets",
    "serviceaccounts/token",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
];

const READ: [&str; 3] = ["get", "list", "watch"];

/// Whether a token is mounted: the pod's word, else the service account's, else yes.
#[must_use]
pub fn token(workload: &Workload, objects: &Objects) -> bool {
    workload.pod.automount_token.unwrap_or_else(|| {
        objects
            .service_accounts
            .iter()
            .find(|account| {
                account.name == workload.pod.service_account && same(account.namespace.as_deref(), workload)
            })
            .and_then(|account| account.automount_token)
            .unwrap_or(true)
    })
}

/// What the workload's account may do by the bindings of these manifests, 0 to 10. A role that they do not hold is not known.
///
/// # Errors
/// The name of the role.
pub fn of(workload: &Workload, objects: &Objects) -> Known<(u8, String)> {
    let mut worst = (0, "these manifests bind no role to its service account".to_owned());
    for binding in objects.bindings.iter().filter(|binding| binds(binding, workload)) {
        let everywhere = binding.cluster;
        let (badness, words) = match role(binding, objects) {
            Some(role) => role
                .rules
                .iter()
                .map(|rule| grade(rule, everywhere))
                .max_by_key(|(badness, _)| *badness)
                .unwrap_or((0, "a role without rules".to_owned())),
            None if binding.cluster_role && binding.role == "cluster-admin" => (10, "everything".to_owned()),
            None => {
                return Err(format!(
                    "role {} of binding {} is not among these manifests",
                    binding.role, binding.name
                ));
            }
        };
        if badness > worst.0 {
            let place = if everywhere {
                "in all namespaces"
            } else {
                "in one namespace"
            };
            worst = (badness, format!("role {} allows {words} {place}", binding.role));
        }
    }
    Ok(worst)
}

/// Whether a binding is one of the workload's account.
pub(crate) fn binds(binding: &Binding, workload: &Workload) -> bool {
    binding.accounts.iter().any(|(namespace, name)| {
        *name == workload.pod.service_account && same(namespace.as_deref().or(binding.namespace.as_deref()), workload)
    })
}

/// A namespace that is not said is the one that everything is applied to.
fn same(namespace: Option<&str>, workload: &Workload) -> bool {
    match (namespace, workload.namespace.as_deref()) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// A Role whose namespace is left to kubectl is meant by a binding to a Role just as one in the binding's namespace.
pub(crate) fn role<'a>(binding: &Binding, objects: &'a Objects) -> Option<&'a Role> {
    objects.roles.iter().find(|role| {
        role.name == binding.role
            && role.cluster == binding.cluster_role
            && (role.cluster
                || role.namespace.is_none()
                || binding.namespace.is_none()
                || role.namespace == binding.namespace)
    })
}

fn grade(rule: &Rule, everywhere: bool) -> (u8, String) {
    let words = format!("{} on {}", rule.verbs.join(","), rule.resources.join(","));
    let any = |verbs: &[&str]| {
        rule.verbs
            .iter()
            .any(|verb| verb == "*" || verbs.contains(&verb.as_str()))
    };
    let reads = any(&READ);
    // `use` admits a pod under constraints; it changes nothing by itself.
    let writes = rule
        .verbs
        .iter()
        .any(|verb| !READ.contains(&verb.as_str()) && verb != "use");
    let on = |names: &[&str]| rule.resources.iter().any(|resource| names.contains(&resource.as_str()));
    let badness = match (everywhere, writes, reads) {
        (true, true, _) if on(&POWER) => 10,
        (true, _, true) if on(&["*", "secrets"]) => 10,
        (true, true, _) => 7,
        (true, false, true) => 4,
        (false, true, _) if on(&POWER) => 7,
        (false, _, true) if on(&["*", "secrets"]) => 7,
        (false, true, _) => 4,
        (false, false, true) => 2,
        (_, false, false) => 1,
    };
    (badness, words)
}
