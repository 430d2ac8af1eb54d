//! A container's security context as it takes effect.
//!
//! The container's own field counts before the pod's (kubelet, `pkg/securitycontext/util.go`,
//! `DetermineEffectiveSecurityContext`). `allowPrivilegeEscalation` has no pod-level form, and only an explicit false sets
//! no_new_privs (same file, `AddNoNewPrivileges`). A privileged container has every capability, and neither a seccomp filter
//! nor, unless it names one, an AppArmor profile nor an SELinux label (containerd, `internal/cri/server/container_create_linux.go`
//! and `helpers_linux.go`). AppArmor: container's field, annotation, pod's field (`pkg/security/apparmor/helpers.go`, `GetProfile`).
//! The annotations for seccomp have had no effect since Kubernetes 1.27 and are not read.

use super::capabilities;
use super::node::{Malformed, Node};
use crate::privilege::Capabilities;

/// A seccomp or AppArmor profile as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// Nothing is said.
    Unset,
    /// None, explicitly or because the container is privileged.
    Unconfined,
    /// The runtime's own.
    RuntimeDefault,
    /// One that must be on the node; what it allows is not known.
    Localhost(String),
}

/// What a container may do, as it takes effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// `privileged`.
    pub privileged: bool,
    /// The user id, where a manifest says it; otherwise the image does.
    pub run_as_user: Option<i64>,
    /// The primary group id, where a manifest says it.
    pub run_as_group: Option<i64>,
    /// Whether the kubelet refuses to start it as uid 0.
    pub run_as_non_root: bool,
    /// `supplementalGroups` and `fsGroup` of the pod.
    pub supplemental_groups: Vec<i64>,
    /// Whether no_new_privs is set: only where `allowPrivilegeEscalation` is false.
    pub no_new_privs: bool,
    /// Whether the root file system is read-only.
    pub read_only_root: bool,
    /// Permitted and bounding set that the runtime grants.
    pub capabilities: Capabilities,
    /// The seccomp filter. Unset is unconfined, unless the kubelet runs with `--seccomp-default`.
    pub seccomp: Profile,
    /// The AppArmor profile. Unset is the runtime's own, where AppArmor is active.
    pub apparmor: Profile,
    /// The SELinux type. `None` is the runtime's own (`container_t`), where SELinux is active and the container is not privileged.
    pub selinux_type: Option<String>,
}

/// Reads the context of `container` in the pod whose spec is `spec`; `template` is what holds the pod's annotations.
pub(super) fn effective(template: &Node<'_>, spec: &Node<'_>, container: &Node<'_>) -> Result<Security, Malformed> {
    let contexts = Contexts {
        own: container.get("securityContext")?,
        pod: spec.get("securityContext")?,
    };
    let own_flag = |key| contexts.own.as_ref().map_or(Ok(None), |own| own.flag(key));
    let privileged = own_flag("privileged")?.unwrap_or(false);
    let annotation = format!(
        "container.apparmor.security.beta.kubernetes.io/{}",
        container.required("name")?
    );
    let apparmor = match contexts.own_profile("appArmorProfile")? {
        Some(profile) => profile,
        None => match template.annotation(&annotation) {
            Some(text) => annotated(&text),
            None => contexts.pod_profile("appArmorProfile")?.unwrap_or(Profile::Unset),
        },
    };
    let seccomp = match contexts.own_profile("seccompProfile")? {
        Some(profile) => Some(profile),
        None => contexts.pod_profile("seccompProfile")?,
    };
    let mut groups = match &contexts.pod {
        Some(pod) => pod.integers("supplementalGroups")?,
        None => Vec::new(),
    };
    if let Some(pod) = &contexts.pod {
        groups.extend(pod.integer("fsGroup")?);
    }
    Ok(Security {
        privileged,
        run_as_user: contexts.either(|context| context.integer("runAsUser"))?,
        run_as_group: contexts.either(|context| context.integer("runAsGroup"))?,
        run_as_non_root: contexts
            .either(|context| context.flag("runAsNonRoot"))?
            .unwrap_or(false),
        supplemental_groups: groups,
        no_new_privs: own_flag("allowPrivilegeEscalation")? == Some(false),
        read_only_root: own_flag("readOnlyRootFilesystem")?.unwrap_or(false),
        capabilities: if privileged {
            capabilities::all()
        } else {
            contexts.capabilities()?
        },
        seccomp: if privileged {
            Profile::Unconfined
        } else {
            seccomp.unwrap_or(Profile::Unset)
        },
        apparmor: match apparmor {
            Profile::Unset if privileged => Profile::Unconfined,
            profile => profile,
        },
        selinux_type: contexts.either(|context| match context.get("seLinuxOptions")? {
            Some(options) => options.text("type"),
            None => Ok(None),
        })?,
    })
}

/// The two contexts that a container has.
struct Contexts<'a> {
    own: Option<Node<'a>>,
    pod: Option<Node<'a>>,
}

impl<'a> Contexts<'a> {
    fn either<T>(&self, field: impl Fn(&Node<'a>) -> Result<Option<T>, Malformed>) -> Result<Option<T>, Malformed> {
        for context in [&self.own, &self.pod].into_iter().flatten() {
            if let Some(value) = field(context)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    fn own_profile(&self, key: &str) -> Result<Option<Profile>, Malformed> {
        self.own.as_ref().map_or(Ok(None), |context| profile(context, key))
    }

    fn pod_profile(&self, key: &str) -> Result<Option<Profile>, Malformed> {
        self.pod.as_ref().map_or(Ok(None), |context| profile(context, key))
    }

    fn capabilities(&self) -> Result<Capabilities, Malformed> {
        let Some(node) = self.own.as_ref().map_or(Ok(None), |own| own.get("capabilities"))? else {
            return Ok(Capabilities::of(&capabilities::RUNTIME_DEFAULT));
        };
        capabilities::granted(&node.texts("add")?, &node.texts("drop")?)
            .ok_or_else(|| node.malformed("names of capabilities"))
    }
}

fn profile(context: &Node<'_>, key: &str) -> Result<Option<Profile>, Malformed> {
    let Some(node) = context.get(key)? else { return Ok(None) };
    match node.required("type")?.as_str() {
        "Unconfined" => Ok(Some(Profile::Unconfined)),
        "RuntimeDefault" => Ok(Some(Profile::RuntimeDefault)),
        "Localhost" => Ok(Some(Profile::Localhost(node.required("localhostProfile")?))),
        _ => Err(node.malformed("a profile of type RuntimeDefault, Localhost or Unconfined")),
    }
}

/// The value of AppArmor's annotation (beta since Kubernetes 1.4, deprecated since 1.30, still honoured).
fn annotated(text: &str) -> Profile {
    match text {
        "" | "runtime/default" => Profile::RuntimeDefault,
        "unconfined" => Profile::Unconfined,
        other => Profile::Localhost(other.strip_prefix("localhost/").unwrap_or(other).to_owned()),
    }
}
