//! PIN-SEC-002 and PIN-MNT-001 in manifests: the filter of system calls, and the root file system.

use serde_json::{Value, json};

use super::super::super::facts::manifests::Manifests;
use super::super::super::finding::Finding;
use super::patch::put;
use super::{Context, Read, agent, context_of, waits};
use crate::kubernetes::Profile;
use crate::manifest::Seccomp;
use crate::platform::model;

/// PIN-SEC-002.
pub(in super::super) fn seccomp(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let security = &agent.container.security;
    if security.privileged {
        return waits("PIN-CAP-002");
    }
    let platform = &manifests.profile.platform;
    let wanted = match platform.kubernetes.as_ref().map(|pod| pod.seccomp) {
        Some(model::Seccomp::Localhost) => json!({ "type": "Localhost", "localhostProfile": Seccomp::INSTALLED }),
        _ => json!({ "type": "RuntimeDefault" }),
    };
    let pointer = context_of(agent, "seccompProfile", Context::Container);
    let since = platform.expect.seccomp_admits_bpf_since.as_deref();
    let finding = match &security.seccomp {
        Profile::Localhost(name) => Finding::ok(format!("profile {name}, which has to be on every node")),
        Profile::RuntimeDefault => Finding::ok(match (since, platform.expect.runtime) {
            (Some(since), Some(runtime)) => {
                format!(
                    "the runtime's own profile, which admits bpf() from {} {since} on",
                    runtime.as_str()
                )
            }
            _ => "the runtime's own profile".to_owned(),
        }),
        Profile::Unset | Profile::Unconfined => {
            let said = match security.seccomp {
                Profile::Unset => "no seccomp profile is named, which most kubelets take for none",
                _ => "the seccomp profile is Unconfined",
            };
            Finding::warn(said)
                .impact(
                    "Until the agent's own filter is in force, every system call of the kernel is open to it.",
                    &["privilege"],
                    &[],
                )
                .remedy(
                    "Name the profile that this platform's nodes have.",
                    &[&format!("securityContext:\n  seccompProfile: {wanted}")],
                )
                .change(put(&agent.object, &pointer, wanted.clone()))
        }
    };
    finding
        .observed(word(&security.seccomp))
        .expected(wanted)
        .read(&agent.object, &pointer)
}

pub(super) fn word(profile: &Profile) -> Value {
    match profile {
        Profile::Unset => json!("unset"),
        Profile::Unconfined => json!("Unconfined"),
        Profile::RuntimeDefault => json!("RuntimeDefault"),
        Profile::Localhost(name) => json!({ "Localhost": name }),
    }
}

/// PIN-MNT-001.
pub(in super::super) fn read_only_root(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let pointer = agent.in_container("/securityContext/readOnlyRootFilesystem");
    let read_only = agent.container.security.read_only_root;
    let finding = if read_only {
        Finding::ok("the root file system is read-only")
    } else {
        Finding::warn("the root file system is writable")
            .impact(
                "Whoever takes the agent over brings tools along, or changes the program for the next start.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Make it read-only: the agent writes to its admin socket's directory and nowhere else.",
                &["securityContext:\n  readOnlyRootFilesystem: true"],
            )
            .change(put(&agent.object, &pointer, true))
    };
    finding.observed(read_only).expected(true).read(&agent.object, &pointer)
}
