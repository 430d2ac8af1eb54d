//! PIN-RES-001 in manifests: CAP_SYS_RESOURCE, which lifts RLIMIT_MEMLOCK where kernels count maps against it.

use caps::Capability;
use serde_json::json;

use super::super::super::facts::manifests::Manifests;
use super::super::super::finding::Finding;
use super::patch::push;
use super::{Read, agent, waits};
use crate::platform::model::KernelVersion;

/// The first kernel that counts maps towards the memory of the cgroup instead.
const CHARGED_SINCE: KernelVersion = KernelVersion { major: 5, minor: 11 };

/// Whether the platform's kernels give CAP_SYS_RESOURCE a use.
pub(in super::super) fn may_lift(manifests: &Manifests) -> bool {
    let platform = &manifests.profile.platform;
    needs_it(manifests) || platform.expect.oldest_kernel < CHARGED_SINCE
}

fn needs_it(manifests: &Manifests) -> bool {
    let pod = manifests.profile.platform.kubernetes.as_ref();
    pod.is_some_and(|pod| pod.memlock_capability)
}

/// PIN-RES-001.
pub(in super::super) fn memlock(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let security = &agent.container.security;
    let oldest = manifests.profile.platform.expect.oldest_kernel;
    let held = security.capabilities.has(Capability::CAP_SYS_RESOURCE);
    let add = agent.in_container("/securityContext/capabilities/add");
    let finding = match (needs_it(manifests), held) {
        (_, true) if may_lift(manifests) => Finding::ok("CAP_SYS_RESOURCE lifts RLIMIT_MEMLOCK at the start"),
        (true, false) if agent.object.at(&agent.in_container("/securityContext/capabilities")).is_none() => {
            return waits("PIN-CAP-001");
        }
        (true, false) => Finding::fail(format!(
            "kernels of this platform (from {oldest} on) count maps against RLIMIT_MEMLOCK, and CAP_SYS_RESOURCE is not granted"
        ))
        .impact(
            "The kernel refuses the maps, and the agent ends at its start.",
            &["capture"],
            &[],
        )
        .remedy(
            "Grant it for the start; the image's binary must have it among its file capabilities too.",
            &[&format!("agent manifest --profile {} --with memlock", manifests.profile.name)],
        )
        .change(push(&agent.object, &add, "SYS_RESOURCE")),
        _ if oldest < CHARGED_SINCE => Finding::ok(format!(
            "not needed where the runtime sets no limit; nodes may have kernel {oldest}, which counts maps against \
             RLIMIT_MEMLOCK (--with memlock lifts it)"
        )),
        _ => Finding::ok(format!("kernels from {oldest} on count maps towards the memory limit instead")),
    };
    finding
        .observed(json!({ "CAP_SYS_RESOURCE": held, "oldest_kernel": oldest.to_string() }))
        .expected(json!({ "CAP_SYS_RESOURCE": needs_it(manifests) }))
        .read(&agent.object, &add)
}
