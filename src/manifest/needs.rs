//! What goes into the templates: a profile's needs and a user's choices, brought together.

use pinhole_delivery::config::port;
use serde::Serialize;

use super::options::directory_of;
use super::{Apparmor, Error, Extra, HEALTH_PORT, Options, Seccomp, Tolerate};
use crate::container::discovery::table::WELL_KNOWN;
use crate::platform::model::{self, Tolerations};
use crate::platform::profile;

/// The user of the image.
const USER: u32 = 65532;

/// Where the kubelet looks for `Localhost` profiles (its `--root-dir` and `seccomp`).
const SECCOMP_ROOT: &str = "/var/lib/kubelet/seccomp";

/// What the templates see, under these names.
#[derive(Debug, Serialize)]
pub(super) struct Needs<'a> {
    pub(super) image: &'a str,
    pub(super) namespace: &'a str,
    pub(super) tolerate: &'static str,
    pub(super) priority_class: &'a str,
    pub(super) pull_secrets: &'a [String],
    pub(super) health_port: u16,
    pub(super) user: u32,
    /// Whether the user is 0.
    pub(super) root: bool,
    pub(super) memlock: bool,
    pub(super) runtime_directory: &'a str,
    /// A second directory of the host.
    pub(super) bundles_directory: Option<&'a str>,
    pub(super) seccomp_localhost: Option<&'a str>,
    pub(super) seccomp_root: &'static str,
    pub(super) apparmor: bool,
    pub(super) selinux_type: Option<&'a str>,
    /// Whether there are SecurityContextConstraints, and what they need.
    pub(super) scc: bool,
    /// Whether pods of a system class need a quota.
    pub(super) quota: bool,
    pub(super) not_on: Option<&'a model::NodeLabel>,
    pub(super) resources: &'a model::Resources,
    /// The ConfigMap with rule files, and where it is mounted.
    pub(super) rules_configmap: Option<&'a str>,
    pub(super) rules_directory: &'static str,
    /// The port of the receiver of alerts, and what it is named by.
    pub(super) receiver_port: Option<u16>,
    pub(super) agent_toml: String,
    pub(super) config_checksum: String,
}

impl<'a> Needs<'a> {
    pub(super) fn of(name: &str, options: &'a Options) -> Result<Self, Error> {
        options.check()?;
        let profile = profile::get(name)?;
        let Some(pod) = &profile.platform.kubernetes else {
            return Err(Error::NotKubernetes {
                profile: name.to_owned(),
            });
        };
        let runtime_directory = options
            .runtime_socket
            .as_deref()
            .map_or(pod.runtime_directory.as_str(), directory_of);
        let root = options.has(Extra::Bundles);
        let bundles = root.then(|| bundles_below(runtime_directory));
        let receiver = options.delivery_http_url.as_deref();
        let rules_configmap = options.rules_configmap.as_deref();
        let mut agent_toml = format!(
            "# Declared and not left to detection: `agent profile show {name}` prints what it sets.\n\
             profile = \"{name}\"\n"
        );
        if rules_configmap.is_some() {
            agent_toml += &format!("rules.files = [\"{RULES}\"]\n");
        }
        agent_toml += &settings(options.runtime_socket.as_deref(), bundles.as_deref(), receiver);
        Ok(Self {
            image: &options.image,
            namespace: &options.namespace,
            tolerate: tolerate(options.tolerate, pod.tolerations),
            priority_class: &options.priority_class,
            pull_secrets: &options.pull_secrets,
            health_port: HEALTH_PORT,
            user: if root { 0 } else { USER },
            root,
            memlock: pod.memlock_capability || options.has(Extra::Memlock),
            runtime_directory,
            bundles_directory: if root { storage_beside(runtime_directory) } else { None },
            seccomp_localhost: match (&options.seccomp, pod.seccomp) {
                (Some(Seccomp::RuntimeDefault), _) | (None, model::Seccomp::RuntimeDefault) => None,
                (Some(Seccomp::Localhost(path)), _) => Some(path),
                (None, model::Seccomp::Localhost) => Some(Seccomp::INSTALLED),
            },
            seccomp_root: SECCOMP_ROOT,
            apparmor: options
                .apparmor
                .map_or(pod.apparmor.is_some(), |choice| choice == Apparmor::RuntimeDefault),
            selinux_type: pod.selinux_type.as_deref(),
            scc: pod.security_context_constraints,
            quota: pod.quota_for_system_classes && options.priority_class.starts_with("system-"),
            not_on: pod.not_on.as_ref(),
            resources: &profile.platform.resources,
            rules_configmap,
            rules_directory: RULES,
            receiver_port: receiver.and_then(port),
            config_checksum: checksum(&agent_toml),
            agent_toml,
        })
    }
}

fn tolerate(choice: Option<Tolerate>, profile: Tolerations) -> &'static str {
    match (choice, profile) {
        (Some(Tolerate::All), _) | (None, Tolerations::All) => "all",
        (Some(Tolerate::ControlPlane), _) | (None, Tolerations::ControlPlane) => "control-plane",
        (Some(Tolerate::None), _) | (None, Tolerations::None) => "none",
    }
}

/// Where the runtime whose socket is in this directory keeps bundles, as `runtime.bundles` takes it.
fn bundles_below(runtime_directory: &str) -> String {
    match state_of(runtime_directory) {
        Some(storage) if storage.ends_with("/overlay-containers") => storage.to_owned(),
        Some(state) => format!("{state}/io.containerd.runtime.v2.task"),
        None => format!("{runtime_directory}/io.containerd.runtime.v2.task"),
    }
}

/// The directory that has to be mounted for them beside that of the socket, if they are not below it.
fn storage_beside(runtime_directory: &str) -> Option<&'static str> {
    state_of(runtime_directory).filter(|state| {
        state
            .strip_prefix(runtime_directory)
            .is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'))
    })
}

fn state_of(runtime_directory: &str) -> Option<&'static str> {
    WELL_KNOWN
        .iter()
        .find(|known| directory_of(known.socket) == runtime_directory)
        .and_then(|known| known.state)
}

/// Where rule files are mounted.
const RULES: &str = "/etc/pinhole-rules";

/// The sections of the agent's configuration file.
fn settings(socket: Option<&str>, bundles: Option<&str>, receiver: Option<&str>) -> String {
    let mut text = format!(
        "\n[health]\n\
         # For the kubelet's probes and for metrics: /livez, /readyz and /metrics, and nothing else.\n\
         listen = \"0.0.0.0:{HEALTH_PORT}\"\n"
    );
    if socket.is_some() || bundles.is_some() {
        text += "\n[runtime]\n";
    }
    if let Some(socket) = socket {
        text += &format!("socket = [\"{socket}\"]\n");
    }
    if let Some(bundles) = bundles {
        text += &format!(
            "# Where the runtime keeps what it told the program that starts a container.\nbundles = [\"{bundles}\"]\n"
        );
    }
    if let Some(url) = receiver {
        text += &format!(
            "\n[delivery.http]\n\
             # Alerts of rules: without rules.files there are none.\nenabled = true\nurl = \"{url}\"\n"
        );
    }
    text
}

/// 64 bits of FNV-1a: enough to notice a change, which is all that it is for.
fn checksum(text: &str) -> String {
    let sum = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{sum:016x}")
}
