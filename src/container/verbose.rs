//! The few leaves that the agent reads out of the JSON which runtimes attach to their answers.
//!
//! That JSON also holds the container's environment, so it is parsed into these structs, which have no place for it,
//! and dropped at once; it is never logged. Every level is optional: runtimes answer with `null` in the middle
//! (containerd's `runtimeSpec` of a sandbox that is being made or removed).

use std::collections::BTreeMap;

use serde::Deserialize;

/// The key of the verbose map under which both containerd and CRI-O put their JSON.
pub(crate) const INFO: &str = "info";

/// `info` of ContainerStatus and PodSandboxStatus.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Info {
    /// CRI-O only.
    #[serde(default)]
    pub(crate) privileged: Option<bool>,
    #[serde(default, rename = "sandboxID")]
    pub(crate) sandbox_id: Option<String>,
    /// containerd only: the CRI request that made it.
    #[serde(default)]
    pub(crate) config: Option<Config>,
    #[serde(default, rename = "runtimeSpec")]
    pub(crate) spec: Option<Spec>,
}

/// CRI's ContainerConfig or PodSandboxConfig as containerd keeps it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) metadata: Option<ConfigMetadata>,
    #[serde(default)]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) mounts: Option<Vec<ConfigMount>>,
    #[serde(default)]
    pub(crate) image: Option<ConfigImage>,
    #[serde(default)]
    linux: Option<ConfigLinux>,
}

/// The name that the maker gave; `namespace` and `uid` for sandboxes only.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigMetadata {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) uid: String,
    /// How often a container of this name was made before; left out of the JSON when it is 0.
    #[serde(default)]
    pub(crate) attempt: u32,
}

/// CRI's Mount; what is false, empty or 0 is left out of the JSON.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigMount {
    #[serde(default)]
    pub(crate) container_path: String,
    #[serde(default)]
    pub(crate) host_path: String,
    #[serde(default)]
    pub(crate) readonly: bool,
    #[serde(default)]
    pub(crate) propagation: i32,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ConfigImage {
    #[serde(default)]
    pub(crate) image: String,
    #[serde(default)]
    pub(crate) user_specified_image: String,
}

#[derive(Debug, Default, Deserialize)]
struct ConfigLinux {
    #[serde(default)]
    security_context: Option<SecurityContext>,
}

#[derive(Debug, Default, Deserialize)]
struct SecurityContext {
    #[serde(default)]
    privileged: Option<bool>,
}

/// The OCI runtime specification.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Spec {
    #[serde(default)]
    pub(crate) annotations: Option<Annotations>,
    #[serde(default)]
    linux: Option<SpecLinux>,
}

#[derive(Debug, Default, Deserialize)]
struct SpecLinux {
    #[serde(default, rename = "cgroupsPath")]
    cgroups_path: Option<String>,
}

/// The annotations that the runtimes themselves write. CRI-O copies a pod's own annotations into the same map, so a
/// key of the other runtime may have been written by whoever made the pod: each runtime's keys count only for it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Annotations {
    #[serde(default, rename = "io.kubernetes.cri.image-name")]
    pub(crate) containerd_image: Option<String>,
    #[serde(default, rename = "io.kubernetes.cri.sandbox-id")]
    pub(crate) containerd_sandbox: Option<String>,
    #[serde(default, rename = "io.kubernetes.cri-o.ImageName")]
    pub(crate) crio_image_name: Option<String>,
    #[serde(default, rename = "io.kubernetes.cri-o.Image")]
    pub(crate) crio_image: Option<String>,
    #[serde(default, rename = "io.kubernetes.cri-o.ImageRef")]
    pub(crate) crio_image_ref: Option<String>,
    #[serde(default, rename = "io.kubernetes.cri-o.SandboxID")]
    pub(crate) crio_sandbox: Option<String>,
}

impl Info {
    /// Parses; `None` when there is nothing or something else there.
    pub(crate) fn parse(json: Option<&String>) -> Option<Self> {
        serde_json::from_str(json?).ok()
    }

    /// Whether the container was made privileged; `None` when the runtime does not say.
    pub(crate) fn privileged(&self) -> Option<bool> {
        self.privileged.or_else(|| self.config.as_ref().map(Config::privileged))
    }

    /// The cgroup path of the specification, in either driver's spelling.
    pub(crate) fn cgroups_path(&self) -> Option<&str> {
        self.spec.as_ref()?.cgroups_path()
    }

    /// The runtime's annotations.
    pub(crate) fn annotations(&self) -> Option<&Annotations> {
        self.spec.as_ref()?.annotations.as_ref()
    }
}

impl Spec {
    pub(crate) fn cgroups_path(&self) -> Option<&str> {
        self.linux.as_ref()?.cgroups_path.as_deref()
    }
}

impl Config {
    /// False is left out of the JSON, so a configuration without the flag says false.
    pub(crate) fn privileged(&self) -> bool {
        let context = self.linux.as_ref().and_then(|linux| linux.security_context.as_ref());
        context.and_then(|context| context.privileged).unwrap_or(false)
    }
}

/// How containerd's CRI plugin stores its own record inside containerd's: `{"Version": "v1", "Metadata": {…}}`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Record {
    #[serde(default, rename = "Metadata")]
    pub(crate) metadata: Option<RecordMetadata>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RecordMetadata {
    #[serde(default, rename = "SandboxID")]
    pub(crate) sandbox_id: Option<String>,
    #[serde(default, rename = "ImageRef")]
    pub(crate) image_ref: Option<String>,
    #[serde(default, rename = "Config")]
    pub(crate) config: Option<Config>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_allowed_at_every_level() {
        for json in [
            "{}",
            r#"{"config":null,"runtimeSpec":null,"privileged":null,"sandboxID":null}"#,
            r#"{"config":{"linux":null,"image":null,"labels":null,"metadata":null},"runtimeSpec":{"annotations":null,"linux":null}}"#,
            r#"{"config":{"linux":{"security_context":null}},"runtimeSpec":{"annotations":{},"linux":{"cgroupsPath":null}}}"#,
        ] {
            let info = Info::parse(Some(&json.to_owned())).expect(json);
            assert_eq!(info.cgroups_path(), None);
        }
    }

    #[test]
    fn nonsense_is_absent() {
        for json in ["", "null", "3", "{", r#"{"config":3}"#] {
            let info = Info::parse(Some(&json.to_owned()));
            assert!(info.is_none(), "{json}: {info:?}");
        }
        assert!(Info::parse(None).is_none());
    }

    #[test]
    fn privileged_in_both_dialects() {
        let parse = |json: &str| Info::parse(Some(&json.to_owned())).and_then(|info| info.privileged());
        assert_eq!(parse(r#"{"privileged":true}"#), Some(true));
        assert_eq!(
            parse(r#"{"config":{"linux":{"security_context":{"privileged":true}}}}"#),
            Some(true)
        );
        assert_eq!(parse(r#"{"config":{}}"#), Some(false));
        assert_eq!(parse("{}"), None);
    }
}
