//! The objects of manifests, sorted by what they are for.

use std::path::PathBuf;

use super::access::{self, Binding, Role, ServiceAccount};
use super::node::{Malformed, Node};
use super::pod::{self, PodSpec};

/// Where an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file as it was named.
    pub file: PathBuf,
    /// The document in it, from 1.
    pub document: usize,
    /// The path in the document, empty for the document itself, `items[2]` in a list.
    pub path: String,
}

/// Something that makes pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// DaemonSet, Deployment, StatefulSet, ReplicaSet, Job, CronJob or Pod.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace, where it is said.
    pub namespace: Option<String>,
    /// The pod that it makes.
    pub pod: PodSpec,
    /// Where it stands.
    pub source: Source,
}

/// A SecurityContextConstraints object of OpenShift (`security.openshift.io/v1`): what it lets pods ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraints {
    /// Its name.
    pub name: String,
    /// The permissions that are true, by the names of their fields (`allowPrivilegedContainer` and so on).
    pub allows: Vec<String>,
    /// `allowedCapabilities`.
    pub allowed_capabilities: Vec<String>,
    /// `requiredDropCapabilities`.
    pub required_drop_capabilities: Vec<String>,
    /// `seccompProfiles`.
    pub seccomp_profiles: Vec<String>,
    /// `volumes`.
    pub volumes: Vec<String>,
    /// The strategies: `runAsUser`, `seLinuxContext`, `fsGroup`, `supplementalGroups` with their types.
    pub strategies: Vec<(String, String)>,
}

/// A namespace with its Pod Security labels (`pod-security.kubernetes.io/MODE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// `enforce`, where it is set.
    pub enforce: Option<String>,
}

/// A ConfigMap by its name. What it holds is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMap {
    /// Its name.
    pub name: String,
    /// Its namespace, where it is said.
    pub namespace: Option<String>,
}

/// Everything that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// What makes pods.
    pub workloads: Vec<Workload>,
    /// Service accounts.
    pub service_accounts: Vec<ServiceAccount>,
    /// Roles and ClusterRoles.
    pub roles: Vec<Role>,
    /// RoleBindings and ClusterRoleBindings.
    pub bindings: Vec<Binding>,
    /// SecurityContextConstraints.
    pub constraints: Vec<Constraints>,
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// ConfigMaps.
    pub config_maps: Vec<ConfigMap>,
    /// Kinds of objects that nothing is taken from.
    pub others: Vec<String>,
}

impl Objects {
    /// Adds what another file holds.
    pub fn extend(&mut self, other: Self) {
        self.workloads.extend(other.workloads);
        self.service_accounts.extend(other.service_accounts);
        self.roles.extend(other.roles);
        self.bindings.extend(other.bindings);
        self.constraints.extend(other.constraints);
        self.namespaces.extend(other.namespaces);
        self.config_maps.extend(other.config_maps);
        self.others.extend(other.others);
    }

    pub(super) fn take(&mut self, node: &Node<'_>, source: Source) -> Result<(), Malformed> {
        let kind = node.required("kind")?;
        let metadata = node.get("metadata")?;
        let text = |key| metadata.as_ref().map_or(Ok(None), |metadata| metadata.text(key));
        // An object may be named by a prefix (`generateName`) instead.
        let name = match text("name")? {
            Some(name) => name,
            None => text("generateName")?.unwrap_or_default(),
        };
        let namespace = text("namespace")?.filter(|namespace| !namespace.is_empty());
        let below: Option<&[&str]> = match kind.as_str() {
            "Pod" => Some(&[]),
            "DaemonSet" | "Deployment" | "StatefulSet" | "ReplicaSet" | "Job" => Some(&["spec", "template"]),
            "CronJob" => Some(&["spec", "jobTemplate", "spec", "template"]),
            _ => None,
        };
        if let Some(below) = below {
            let template = node
                .at(below)?
                .ok_or_else(|| node.malformed("a workload with a pod template"))?;
            self.workloads.push(Workload {
                kind,
                name,
                namespace,
                pod: pod::read(&template)?,
                source,
            });
            return Ok(());
        }
        match kind.as_str() {
            "ServiceAccount" => self.service_accounts.push(ServiceAccount {
                name,
                namespace,
                automount_token: node.flag("automountServiceAccountToken")?,
            }),
            "Role" | "ClusterRole" => self.roles.push(access::role(node, name, namespace)?),
            "RoleBinding" | "ClusterRoleBinding" => self.bindings.push(access::binding(node, name, namespace)?),
            "SecurityContextConstraints" => self.constraints.push(constraints(node, name)?),
            "Namespace" => self.namespaces.push(Namespace {
                name,
                enforce: match metadata.as_ref().map_or(Ok(None), |metadata| metadata.get("labels"))? {
                    Some(labels) => labels.text("pod-security.kubernetes.io/enforce")?,
                    None => None,
                },
            }),
            "ConfigMap" => self.config_maps.push(ConfigMap { name, namespace }),
            _ => self.others.push(kind),
        }
        Ok(())
    }
}

fn constraints(node: &Node<'_>, name: String) -> Result<Constraints, Malformed> {
    let mut allows = Vec::new();
    for key in [
        "allowPrivilegedContainer",
        "allowPrivilegeEscalation",
        "allowHostDirVolumePlugin",
        "allowHostIPC",
        "allowHostNetwork",
        "allowHostPID",
        "allowHostPorts",
    ] {
        // Escalation is allowed where nothing is said; everything else is not.
        if node.flag(key)?.unwrap_or(key == "allowPrivilegeEscalation") {
            allows.push(key.to_owned());
        }
    }
    let mut strategies = Vec::new();
    for key in ["runAsUser", "seLinuxContext", "fsGroup", "supplementalGroups"] {
        if let Some(strategy) = node.get(key)?
            && let Some(kind) = strategy.text("type")?
        {
            strategies.push((key.to_owned(), kind));
        }
    }
    Ok(Constraints {
        name,
        allows,
        allowed_capabilities: node.texts("allowedCapabilities")?,
        required_drop_capabilities: node.texts("requiredDropCapabilities")?,
        seccomp_profiles: node.texts("seccompProfiles")?,
        volumes: node.texts("volumes")?,
        strategies,
    })
}
