//! What is read of a DaemonSet and its ConfigMaps: the fields that this kubelet translates, those that are read by somebody
//! else on the way to it, and no other. A field that is not declared here is an error, so that nothing in a manifest passes
//! unnoticed.
//!
//! Names: the API reference of Kubernetes, `PodSpec v1 core`, `Container v1 core`, `DaemonSet v1 apps`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::super::error::{LabError, Result};
use super::quantity::Quantity;

/// The objects of a manifest that matter to a node.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    pub(crate) daemon_set: DaemonSet,
    pub(crate) config_maps: Vec<ConfigMap>,
}

/// Kinds that end before the kubelet: for the API server and its admission, a NetworkPolicy for the network plugin.
const OF_THE_API_SERVER: [&str; 8] = [
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "ServiceAccount",
    "SecurityContextConstraints",
    "Role",
    "RoleBinding",
    "PriorityClass",
];

impl Objects {
    /// Reads a `v1` List, as `agent manifest --format json` prints it.
    pub(crate) fn of_list(list: &Value) -> Result<Self> {
        let items = list.get("items").and_then(Value::as_array).cloned();
        Self::of(items.ok_or_else(|| LabError::pod("a List without items"))?)
    }

    /// Sorts the objects of a manifest.
    pub(crate) fn of(objects: Vec<Value>) -> Result<Self> {
        let (mut sets, mut config_maps) = (Vec::new(), Vec::new());
        for object in objects {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            match &*kind {
                "DaemonSet" => sets.push(decode::<DaemonSet>(&kind, object)?),
                "ConfigMap" => config_maps.push(decode::<ConfigMap>(&kind, object)?),
                other if OF_THE_API_SERVER.contains(&other) => {}
                other => return Err(LabError::pod(format!("an object of the unknown kind {other:?}"))),
            }
        }
        match <[DaemonSet; 1]>::try_from(sets) {
            Ok([daemon_set]) => Ok(Self {
                daemon_set,
                config_maps,
            }),
            Err(sets) => Err(LabError::pod(format!("{} DaemonSets instead of one", sets.len()))),
        }
    }

    /// The pod's specification.
    pub(crate) fn pod(&mut self) -> &mut PodSpec {
        &mut self.daemon_set.spec.template.spec
    }

    /// Its only container.
    pub(crate) fn container(&mut self) -> Result<&mut Container> {
        match &mut self.pod().containers[..] {
            [only] => Ok(only),
            all => Err(LabError::pod(format!("{} containers instead of one", all.len()))),
        }
    }
}

fn decode<T: for<'de> Deserialize<'de>>(kind: &str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| LabError::pod(format!("{kind}: {error}")))
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DaemonSet {
    api_version: IgnoredAny,
    kind: IgnoredAny,
    pub(crate) metadata: Metadata,
    pub(crate) spec: DaemonSetSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// All but the template is for the DaemonSet controller.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DaemonSetSpec {
    selector: IgnoredAny,
    update_strategy: Option<IgnoredAny>,
    min_ready_seconds: Option<IgnoredAny>,
    revision_history_limit: Option<IgnoredAny>,
    pub(crate) template: Template,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Template {
    pub(crate) metadata: Metadata,
    pub(crate) spec: PodSpec,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PodSpec {
    pub(crate) containers: Vec<Container>,
    #[serde(default)]
    pub(crate) volumes: Vec<Volume>,
    #[serde(default)]
    pub(crate) security_context: PodSecurityContext,
    #[serde(default, rename = "hostPID")]
    pub(crate) host_pid: bool,
    #[serde(default, rename = "hostIPC")]
    pub(crate) host_ipc: bool,
    #[serde(default)]
    pub(crate) host_network: bool,
    /// Only the default, true, is translated.
    pub(crate) host_users: Option<bool>,
    #[serde(default)]
    pub(crate) service_account_name: String,
    /// Anything but false would mount a token, which is not translated.
    pub(crate) automount_service_account_token: Option<bool>,
    /// Anything but false would add variables for every service of the namespace; a new namespace has none.
    pub(crate) enable_service_links: Option<bool>,
    pub(crate) termination_grace_period_seconds: Option<u32>,
    #[serde(default)]
    pub(crate) priority_class_name: String,
    pub(crate) dns_policy: Option<String>,
    pub(crate) restart_policy: Option<String>,
    // For the scheduler.
    node_selector: Option<IgnoredAny>,
    affinity: Option<IgnoredAny>,
    tolerations: Option<IgnoredAny>,
    // For admission by the API server; the kubelet compares it with its own system.
    os: Option<IgnoredAny>,
    // For pulling, which does not happen here: the image is imported.
    image_pull_secrets: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct PodSecurityContext {
    pub(crate) run_as_user: Option<i64>,
    pub(crate) run_as_group: Option<i64>,
    pub(crate) run_as_non_root: Option<bool>,
    #[serde(default)]
    pub(crate) supplemental_groups: Vec<i64>,
    pub(crate) seccomp_profile: Option<Profile>,
    pub(crate) app_armor_profile: Option<Profile>,
    pub(crate) se_linux_options: Option<SeLinuxOptions>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SecurityContext {
    #[serde(default)]
    pub(crate) capabilities: Capabilities,
    pub(crate) privileged: Option<bool>,
    pub(crate) allow_privilege_escalation: Option<bool>,
    pub(crate) read_only_root_filesystem: Option<bool>,
    pub(crate) run_as_user: Option<i64>,
    pub(crate) run_as_group: Option<i64>,
    pub(crate) run_as_non_root: Option<bool>,
    pub(crate) seccomp_profile: Option<Profile>,
    pub(crate) app_armor_profile: Option<Profile>,
    pub(crate) se_linux_options: Option<SeLinuxOptions>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capabilities {
    #[serde(default)]
    pub(crate) add: Vec<String>,
    #[serde(default)]
    pub(crate) drop: Vec<String>,
}

/// Of seccomp and of AppArmor alike.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Profile {
    #[serde(rename = "type")]
    pub(crate) kind: ProfileKind,
    pub(crate) localhost_profile: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum ProfileKind {
    RuntimeDefault,
    Localhost,
    Unconfined,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SeLinuxOptions {
    pub(crate) user: String,
    pub(crate) role: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) level: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) image: String,
    // For pulling.
    image_pull_policy: Option<IgnoredAny>,
    #[serde(default)]
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    #[serde(default)]
    pub(crate) env: Vec<Variable>,
    #[serde(default)]
    pub(crate) ports: Vec<Port>,
    #[serde(default)]
    pub(crate) resources: Resources,
    #[serde(default)]
    pub(crate) volume_mounts: Vec<VolumeMount>,
    #[serde(default)]
    pub(crate) security_context: SecurityContext,
    pub(crate) startup_probe: Option<Probe>,
    pub(crate) liveness_probe: Option<Probe>,
    pub(crate) readiness_probe: Option<Probe>,
    pub(crate) termination_message_path: Option<String>,
    pub(crate) termination_message_policy: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) value_from: Option<VariableSource>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct VariableSource {
    pub(crate) field_ref: FieldRef,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct FieldRef {
    api_version: Option<IgnoredAny>,
    pub(crate) field_path: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Port {
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) container_port: u16,
    /// Only TCP, the default, is translated.
    pub(crate) protocol: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resources {
    #[serde(default)]
    pub(crate) requests: Amounts,
    #[serde(default)]
    pub(crate) limits: Amounts,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Amounts {
    pub(crate) cpu: Option<Quantity>,
    pub(crate) memory: Option<Quantity>,
    // For the scheduler and the eviction manager; a container has no limit of its own for it.
    ephemeral_storage: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct VolumeMount {
    pub(crate) name: String,
    pub(crate) mount_path: String,
    #[serde(default)]
    pub(crate) read_only: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) host_path: Option<HostPath>,
    pub(crate) config_map: Option<ConfigMapVolume>,
    pub(crate) empty_dir: Option<EmptyDir>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostPath {
    pub(crate) path: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ConfigMapVolume {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) optional: bool,
    pub(crate) default_mode: Option<u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct EmptyDir {
    #[serde(default)]
    pub(crate) medium: String,
    pub(crate) size_limit: Option<Quantity>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Probe {
    pub(crate) http_get: HttpGet,
    pub(crate) initial_delay_seconds: Option<u64>,
    pub(crate) period_seconds: Option<u64>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) failure_threshold: Option<u64>,
    pub(crate) success_threshold: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpGet {
    pub(crate) path: String,
    pub(crate) port: PortRef,
    /// Only HTTP, the default, is translated.
    pub(crate) scheme: Option<String>,
}

/// A number, or the name of one of the container's ports.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum PortRef {
    Number(u16),
    Name(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ConfigMap {
    api_version: IgnoredAny,
    kind: IgnoredAny,
    pub(crate) metadata: Metadata,
    #[serde(default)]
    pub(crate) data: BTreeMap<String, String>,
    // For the API server.
    immutable: Option<IgnoredAny>,
}
