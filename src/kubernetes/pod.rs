//! Pods: containers with their effective security contexts, what of the host they mount, what they listen on.

use super::node::{Malformed, Node};
use super::security::{self, Security};

/// The spec of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSpec {
    /// `hostPID`.
    pub host_pid: bool,
    /// `hostNetwork`.
    pub host_network: bool,
    /// `hostIPC`.
    pub host_ipc: bool,
    /// Whether the pod has a user namespace of its own: `hostUsers: false`.
    pub user_namespace: bool,
    /// `serviceAccountName`; `default` where nothing is said.
    pub service_account: String,
    /// `automountServiceAccountToken` of the pod; the service account's own setting counts where it is absent.
    pub automount_token: Option<bool>,
    /// Init containers first, in order.
    pub containers: Vec<Container>,
}

/// One container of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The image reference, where there is one: a template may leave it out.
    pub image: Option<String>,
    /// Whether it is an init container that must end before the others start (a sidecar, `restartPolicy: Always`, is not).
    pub init: bool,
    /// The command and arguments of the manifest.
    pub command: Vec<String>,
    /// Names of environment variables; values are not kept.
    pub variables: Vec<String>,
    /// The security context as it takes effect.
    pub security: Security,
    /// What it mounts of the host.
    pub host_mounts: Vec<HostMount>,
    /// Everything else that it mounts: mount path and volume name.
    pub other_mounts: Vec<(String, String)>,
    /// What it says that it listens on.
    pub ports: Vec<Port>,
    /// Which of startup, liveness and readiness probe it has, with what each asks (`/livez` and so on, or the kind of probe).
    pub probes: Vec<(&'static str, String)>,
}

/// A hostPath volume in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostMount {
    /// The path on the host.
    pub host: String,
    /// Where the container sees it.
    pub at: String,
    /// Whether the mount is read-only.
    pub read_only: bool,
    /// `mountPropagation: Bidirectional`: what is mounted below in the container appears on the host.
    pub bidirectional: bool,
    /// The volume's name.
    pub volume: String,
}

/// A port that a manifest declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The number in the container.
    pub number: i64,
    /// Whether it is opened on the node itself: a `hostPort`, or any port in the host's network.
    pub on_host: bool,
}

/// Reads a pod; `template` is what has `metadata` and `spec`.
pub(super) fn read(template: &Node<'_>) -> Result<PodSpec, Malformed> {
    let spec = template
        .get("spec")?
        .ok_or_else(|| template.malformed("a pod with a spec"))?;
    let host_network = spec.flag("hostNetwork")?.unwrap_or(false);
    let volumes = host_paths(&spec)?;
    let mut containers = Vec::new();
    for (key, init) in [("initContainers", true), ("containers", false)] {
        for node in spec.items(key)? {
            let sidecar = node.text("restartPolicy")?.as_deref() == Some("Always");
            containers.push(container(
                template,
                &spec,
                &node,
                &volumes,
                init && !sidecar,
                host_network,
            )?);
        }
    }
    Ok(PodSpec {
        host_pid: spec.flag("hostPID")?.unwrap_or(false),
        host_network,
        host_ipc: spec.flag("hostIPC")?.unwrap_or(false),
        user_namespace: spec.flag("hostUsers")? == Some(false),
        service_account: match spec.text("serviceAccountName")? {
            Some(name) if !name.is_empty() => name,
            _ => spec
                .text("serviceAccount")?
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "default".to_owned()),
        },
        automount_token: spec.flag("automountServiceAccountToken")?,
        containers,
    })
}

/// Name and host path of each hostPath volume.
fn host_paths(spec: &Node<'_>) -> Result<Vec<(String, String)>, Malformed> {
    let mut found = Vec::new();
    for volume in spec.items("volumes")? {
        if let Some(host_path) = volume.get("hostPath")? {
            found.push((volume.required("name")?, host_path.required("path")?));
        }
    }
    Ok(found)
}

fn container(
    template: &Node<'_>,
    spec: &Node<'_>,
    node: &Node<'_>,
    volumes: &[(String, String)],
    init: bool,
    host_network: bool,
) -> Result<Container, Malformed> {
    let (mut host_mounts, mut other_mounts) = (Vec::new(), Vec::new());
    for mount in node.items("volumeMounts")? {
        let (name, at) = (mount.required("name")?, mount.required("mountPath")?);
        match volumes.iter().find(|(volume, _)| *volume == name) {
            None => other_mounts.push((at, name)),
            Some((_, host)) => host_mounts.push(HostMount {
                host: match mount.text("subPath")? {
                    Some(below) if !below.is_empty() => format!("{}/{below}", host.trim_end_matches('/')),
                    _ => host.clone(),
                },
                at,
                read_only: mount.flag("readOnly")?.unwrap_or(false),
                bidirectional: mount.text("mountPropagation")?.as_deref() == Some("Bidirectional"),
                volume: name,
            }),
        }
    }
    let mut command = node.texts("command")?;
    command.extend(node.texts("args")?);
    let mut variables = Vec::new();
    for variable in node.items("env")? {
        variables.push(variable.required("name")?);
    }
    Ok(Container {
        name: node.required("name")?,
        image: node.text("image")?,
        init,
        command,
        variables,
        security: security::effective(template, spec, node)?,
        host_mounts,
        other_mounts,
        ports: ports(node, host_network)?,
        probes: probes(node)?,
    })
}

fn ports(node: &Node<'_>, host_network: bool) -> Result<Vec<Port>, Malformed> {
    let mut found = Vec::new();
    for port in node.items("ports")? {
        found.push(Port {
            name: port.text("name")?,
            number: port
                .integer("containerPort")?
                .ok_or_else(|| port.malformed("a port with a containerPort"))?,
            on_host: host_network || port.integer("hostPort")?.is_some_and(|number| number != 0),
        });
    }
    Ok(found)
}

fn probes(node: &Node<'_>) -> Result<Vec<(&'static str, String)>, Malformed> {
    let mut found = Vec::new();
    for key in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let Some(probe) = node.get(key)? else { continue };
        let what = match probe.get("httpGet")? {
            Some(request) => request.text("path")?.unwrap_or_else(|| "/".to_owned()),
            None => {
                let mut kind = "none";
                for handler in ["exec", "grpc", "tcpSocket"] {
                    if probe.get(handler)?.is_some() {
                        kind = handler;
                    }
                }
                kind.to_owned()
            }
        };
        found.push((key, what));
    }
    Ok(found)
}
