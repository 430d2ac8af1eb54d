//! What users choose, and the limits of each value. Everything that a template is given passes here: a value that could
//! end a line or begin another key is refused.

use pinhole_delivery::config::port;

use super::Error;

/// The image that `just image` builds.
pub const IMAGE: &str = concat!("localhost/pinhole-agent:", env!("CARGO_PKG_VERSION"));

/// The port of `/livez`, `/readyz` and `/metrics`.
pub const HEALTH_PORT: u16 = 9467;

/// The choices. [`Options::default`] is the least privileged pod, in its usual place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the image is.
    pub image: String,
    /// Where the objects go.
    pub namespace: String,
    /// The tainted nodes it runs on; `None`: as the profile says.
    pub tolerate: Option<Tolerate>,
    /// The class of the pods; empty for none.
    pub priority_class: String,
    /// Secrets to pull the image with.
    pub pull_secrets: Vec<String>,
    /// The runtime's socket on the node; `None`: where the profile has it.
    pub runtime_socket: Option<String>,
    /// The ConfigMap whose keys are rule files; `None`: no rules.
    pub rules_configmap: Option<String>,
    /// Where alerts are delivered by HTTP; `None`: nowhere.
    pub delivery_http_url: Option<String>,
    /// The seccomp profile of the container; `None`: as the profile says.
    pub seccomp: Option<Seccomp>,
    /// Whether the AppArmor field is there; `None`: as the profile says.
    pub apparmor: Option<Apparmor>,
    /// What costs privilege.
    pub with: Vec<Extra>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            image: IMAGE.to_owned(),
            namespace: "pinhole".to_owned(),
            tolerate: None,
            priority_class: "system-node-critical".to_owned(),
            pull_secrets: Vec::new(),
            runtime_socket: None,
            rules_configmap: None,
            delivery_http_url: None,
            seccomp: None,
            apparmor: None,
            with: Vec::new(),
        }
    }
}

/// On which tainted nodes the agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Tolerate {
    /// On every node, whatever its taints
    All,
    /// On untainted nodes and on those of the control plane
    ControlPlane,
    /// On untainted nodes only
    None,
}

/// Whether the pod names an AppArmor profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Apparmor {
    /// Names the runtime's own; the kubelet refuses such a pod on nodes without AppArmor
    RuntimeDefault,
    /// No field; the runtime's own profile applies where the node has AppArmor
    None,
}

/// The seccomp profile that the agent starts under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seccomp {
    /// The runtime's own.
    RuntimeDefault,
    /// A file on every node, below the kubelet's seccomp directory.
    Localhost(String),
}

impl Seccomp {
    /// Where `seccomp/agent-setup.json` goes, below the kubelet's seccomp directory.
    pub const INSTALLED: &str = "pinhole/agent-setup.json";

    /// Understands what a flag says.
    ///
    /// # Errors
    /// What would do.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "runtime-default" => Ok(Self::RuntimeDefault),
            "localhost" => Ok(Self::Localhost(Self::INSTALLED.to_owned())),
            path if is_path(path) && !path.starts_with('/') && path.ends_with(".json") => {
                Ok(Self::Localhost(path.to_owned()))
            }
            _ => Err(format!(
                "must be runtime-default, localhost (for {}), or another path below the kubelet's seccomp directory that \
                 ends with .json",
                Self::INSTALLED
            )),
        }
    }
}

/// What costs privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Extra {
    /// Read the bundles of containers that the runtime cannot tell about. Costs: the agent runs as user 0 (without
    /// capabilities), and on CRI-O a second directory of the host; the files hold every container's environment
    Bundles,
    /// CAP_SYS_RESOURCE at the start, to lift RLIMIT_MEMLOCK on kernels before 5.11. Costs: the right to exceed every
    /// resource limit, until it is given up. The image's binary must have it among its file capabilities
    Memlock,
}

impl Options {
    /// Whether every value can be what it is given for.
    ///
    /// # Errors
    /// [`Error::Value`] of the first that cannot.
    pub(super) fn check(&self) -> Result<(), Error> {
        check("--namespace", &self.namespace, is_own_namespace, NAMESPACE)?;
        check("--image", &self.image, is_image, IMAGE_REFERENCE)?;
        if !self.priority_class.is_empty() {
            check("--priority-class", &self.priority_class, is_name, NAME)?;
        }
        for secret in &self.pull_secrets {
            check("--pull-secret", secret, is_name, NAME)?;
        }
        if let Some(socket) = &self.runtime_socket {
            check("--runtime-socket", socket, is_socket, SOCKET)?;
        }
        if let Some(name) = &self.rules_configmap {
            check("--rules-configmap", name, is_name, NAME)?;
        }
        if let Some(url) = &self.delivery_http_url {
            check("--delivery-http-url", url, is_url, URL)?;
        }
        Ok(())
    }

    /// Whether something that costs privilege was asked for.
    pub(super) fn has(&self, extra: Extra) -> bool {
        self.with.contains(&extra)
    }
}

const NAMESPACE: &str = "1 to 63 lower-case letters, digits and inner hyphens: a namespace of its own, not default, kube-* or \
    openshift-*, because it is made, labelled and in the end deleted with the agent";
const NAME: &str = "1 to 253 lower-case letters, digits, inner hyphens and dots";
const IMAGE_REFERENCE: &str = "a reference such as registry.example/pinhole-agent:1.0 or …@sha256: with 64 hexadecimal digits, of at \
    most 512 characters";
const SOCKET: &str = "an absolute path of at most 107 bytes whose directory is the runtime's own, not / or /run, \
                      because that whole directory is mounted";

const URL: &str =
    "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH] of at most 512 letters, digits and ._~-/:?=&%[]";

fn check(option: &'static str, value: &str, is: fn(&str) -> bool, allowed: &'static str) -> Result<(), Error> {
    if is(value) {
        Ok(())
    } else {
        Err(Error::Value {
            option,
            value: value.chars().take(128).collect(),
            allowed,
        })
    }
}

/// A DNS label (RFC 1123), as the names of namespaces are.
fn is_label(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    (1..=63).contains(&text.len()) && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A DNS subdomain, as most names are.
fn is_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// The manifest labels the namespace, and whoever uninstalls deletes it.
fn is_own_namespace(text: &str) -> bool {
    let others =
        ["default", "openshift"].contains(&text) || text.starts_with("kube-") || text.starts_with("openshift-");
    is_label(text) && !others
}

/// By its letters; whether there is such an image only a registry knows. As far as a mistake is certain: a name in capitals, or a digest that is none, is what no kubelet takes. Tags and the host of a
/// registry may have capitals.
fn is_image(text: &str) -> bool {
    let (named, digest) = text
        .split_once('@')
        .map_or((text, None), |(named, digest)| (named, Some(digest)));
    let is_digest = |digest: &str| {
        digest
            .strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let (path, last) = named.rsplit_once('/').map_or(("", named), |(path, last)| (path, last));
    let name = last.split_once(':').map_or(last, |(name, _)| name);
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "._/-:".contains(letter);
    (1..=512).contains(&text.len())
        && named.chars().all(inner)
        && named.starts_with(|letter: char| letter.is_ascii_alphanumeric())
        && !path
            .split('/')
            .skip(1)
            .any(|part| part.contains(|letter: char| letter.is_ascii_uppercase()))
        && !name.is_empty()
        && !name.contains(|letter: char| letter.is_ascii_uppercase())
        && digest.is_none_or(is_digest)
}

/// A path that needs no quoting anywhere and leads nowhere else.
fn is_path(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "._/-".contains(letter);
    let parts = text.strip_prefix('/').unwrap_or(text);
    (1..=1024).contains(&text.len())
        && text.chars().all(inner)
        && parts.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// An address that needs no quoting but quotes.
fn is_url(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "._~-/:?=&%[]".contains(letter);
    text.len() <= 512 && text.chars().all(inner) && port(text).is_some()
}

/// A socket in a directory that can be mounted without giving away all of `/run`.
fn is_socket(text: &str) -> bool {
    let directory = directory_of(text);
    text.len() <= 107
        && text.starts_with('/')
        && is_path(text)
        && !matches!(
            directory,
            "" | "/run" | "/var" | "/var/run" | "/tmp" | "/var/lib" | "/etc" | "/run/pinhole"
        )
}

/// The directory of a path; empty for one at the top.
pub(super) fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}
