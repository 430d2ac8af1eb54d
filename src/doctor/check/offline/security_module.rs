//! PIN-LSM-001 and PIN-LSM-002 in manifests.

use serde_json::json;

use super::super::super::change::Change;
use super::super::super::facts::manifests::{AgentPod, Manifests};
use super::super::super::finding::Finding;
use super::super::scc::given;
use super::confinement::word;
use super::patch::{put, take, token};
use super::{Context, Read, agent, context_of, waits};
use crate::kubernetes::Profile;
use crate::platform::model::Lsm;

/// Types that container-selinux gives to ordinary containers: neither bpf() nor a runtime's socket.
const ORDINARY: [&str; 3] = ["container_t", "container_init_t", "container_kvm_t"];

/// PIN-LSM-001.
pub(in super::super) fn selinux(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let security = &agent.container.security;
    let kubernetes = manifests.profile.platform.kubernetes.as_ref();
    let wanted = kubernetes.and_then(|pod| pod.selinux_type.as_deref());
    let pointer = context_of(agent, "seLinuxOptions", Context::Pod);
    let own = security.selinux_type.as_deref();
    let finding = match (wanted, own) {
        (None, None) => Finding::ok("no type is named, and this platform's pods need none"),
        (None, Some(own)) => Finding::ok(format!("type {own}")),
        (Some(wanted), Some(own)) if wanted == own => Finding::ok(format!("type {own}")),
        (Some(wanted), None)
            if given(manifests, agent, "seLinuxContext", "/seLinuxOptions/type") == Some(wanted.into()) =>
        {
            Finding::ok(format!("the security context constraints give the pod type {wanted}"))
        }
        (Some(_), None) if security.privileged => Finding::ok("a privileged container has no label"),
        (Some(_), Some(own)) if !ORDINARY.contains(&own) => {
            return Finding::skipped(format!(
                "type {own} is of a policy of its own, which manifests do not tell"
            ));
        }
        (Some(wanted), own) => {
            let options = agent.object.at(&pointer);
            let change = match options {
                Some(_) => put(&agent.object, &format!("{pointer}/type"), wanted),
                None => put(&agent.object, &pointer, json!({ "type": wanted, "level": "s0" })),
            };
            Finding::fail(format!(
                "the SELinux type is {}, which may neither use bpf() nor connect to the runtime's socket",
                own.unwrap_or("container_t")
            ))
            .impact(
                "The agent cannot load its programs and ends at its start.",
                &["capture", "metadata"],
                &[],
            )
            .remedy(
                "Name the type of this platform's profile, for the pod.",
                &[&format!(
                    "securityContext:\n  seLinuxOptions:\n    type: {wanted}\n    level: s0"
                )],
            )
            .change(change)
        }
    };
    finding
        .observed(own.unwrap_or("the runtime's own"))
        .expected(wanted.unwrap_or("any"))
        .read(&agent.object, &pointer)
}

/// PIN-LSM-002.
pub(in super::super) fn apparmor(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let security = &agent.container.security;
    if security.privileged {
        return waits("PIN-CAP-002");
    }
    let platform = &manifests.profile.platform;
    let active = platform.expect.lsms.contains(&Lsm::Apparmor);
    let pointer = place_of(agent);
    let named = matches!(security.apparmor, Profile::RuntimeDefault | Profile::Localhost(_));
    let finding = match &security.apparmor {
        _ if named && !active => Finding::fail("an AppArmor profile is named, and this platform's nodes have no AppArmor")
            .impact("The kubelet refuses the pod on every node.", &["capture"], &[])
            .remedy("Take the field away.", &[&format!("agent manifest --profile {} --apparmor none", manifests.profile.name)])
            .change(take(&agent.object, &pointer)),
        Profile::Unconfined if active => Finding::warn("AppArmor does not confine the container")
            .impact(
                "The runtime's profile keeps a container from mounting, from ptrace and from most of /proc and /sys, and the \
                 agent needs nothing that it denies.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Take the field away: the runtime's own profile applies then where the node has AppArmor.",
                &[&format!("agent manifest --profile {} --apparmor none", manifests.profile.name)],
            )
            .change(confined(manifests, agent, &pointer)),
        Profile::Unconfined => Finding::ok("unconfined, on a platform without AppArmor"),
        Profile::Unset => Finding::ok("the runtime's own profile, where a node has AppArmor"),
        Profile::RuntimeDefault => Finding::ok("the runtime's own profile; nodes without AppArmor refuse the pod"),
        Profile::Localhost(name) => Finding::ok(format!("profile {name}, which has to be on every node")),
    };
    finding
        .observed(word(&security.apparmor))
        .expected(if active { "the runtime's own" } else { "unset" })
        .read(&agent.object, &pointer)
}

/// What the profile's own manifest has: the field, or none.
fn confined(manifests: &Manifests, agent: &AgentPod, pointer: &str) -> Change {
    let pod = manifests.profile.platform.kubernetes.as_ref();
    match pod.and_then(|pod| pod.apparmor) {
        Some(_) if !pointer.contains("/annotations/") => {
            put(&agent.object, pointer, json!({ "type": "RuntimeDefault" }))
        }
        _ => take(&agent.object, pointer),
    }
}

/// Where it is said: the container's field, its annotation, the pod's field.
fn place_of(agent: &AgentPod) -> String {
    let own = agent.in_container("/securityContext/appArmorProfile");
    let annotation = format!(
        "{}/metadata/annotations/{}",
        agent.template,
        token(&format!(
            "container.apparmor.security.beta.kubernetes.io/{}",
            agent.container.name
        ))
    );
    let pod = agent.in_pod("/securityContext/appArmorProfile");
    [own.clone(), annotation, pod]
        .into_iter()
        .find(|pointer| agent.object.at(pointer).is_some())
        .unwrap_or(own)
}
