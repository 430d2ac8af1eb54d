//! PIN-PRV-001 and PIN-PRV-003 in manifests.

use serde_json::json;

use super::super::super::facts::manifests::Manifests;
use super::super::super::finding::Finding;
use super::patch::put;
use super::{Context, Read, agent, context_of, settings_unknown, waits};

/// The user of the image.
const USER: i64 = 65532;

/// PIN-PRV-001.
pub(in super::super) fn no_new_privs(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let security = &agent.container.security;
    if security.privileged {
        return waits("PIN-CAP-002");
    }
    let pointer = agent.in_container("/securityContext/allowPrivilegeEscalation");
    let finding = if security.no_new_privs {
        Finding::ok("no_new_privs is set from the start")
    } else {
        Finding::warn("no_new_privs is not set: allowPrivilegeEscalation is not false")
            .impact(
                "The agent sets it at its start; until then a program could gain privileges through setuid bits.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Forbid it from the start; the agent's file capabilities work all the same.",
                &["securityContext:\n  allowPrivilegeEscalation: false"],
            )
            .change(put(&agent.object, &pointer, false))
    };
    finding
        .observed(security.no_new_privs)
        .expected(true)
        .read(&agent.object, &pointer)
}

/// PIN-PRV-003.
pub(in super::super) fn non_root(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let (object, security) = (&agent.object, &agent.container.security);
    let user = context_of(agent, "runAsUser", Context::Pod);
    let non_root = context_of(agent, "runAsNonRoot", Context::Pod);
    let finding = match (security.run_as_user, security.run_as_non_root) {
        (Some(0), false) if !manifests.settings.settings.runtime.bundles.is_empty() => {
            Finding::ok("user 0, because runtime.bundles needs it: bundles are root's alone")
        }
        (Some(0), false) if settings_unknown(manifests).is_some() => {
            return Finding::skipped("whether runtime.bundles needs user 0 cannot be told without the settings");
        }
        (Some(0), refused) => {
            let finding = if refused {
                Finding::fail("runAsUser is 0 and runAsNonRoot is true: the kubelet starts no such container").impact(
                    "The pod stays in CreateContainerConfigError.",
                    &["capture"],
                    &[],
                )
            } else {
                Finding::warn("the agent runs as user 0").impact(
                    "It needs nothing of root: every file of root's that it sees would be its own if it were taken over.",
                    &["privilege"],
                    &[],
                )
            };
            finding
                .remedy(
                    "Run it as the image's user.",
                    &["securityContext:\n  runAsNonRoot: true\n  runAsUser: 65532"],
                )
                .change(put(object, &user, USER))
        }
        (Some(uid), _) => Finding::ok(format!("runs as user {uid}")),
        (None, true) => Finding::ok("runs as the image's user, which may not be 0"),
        (None, false) => Finding::warn("nothing keeps the image from running as user 0")
            .impact(
                "The agent's own image has user 65532; another one, or one that was changed, may say root.",
                &["privilege"],
                &[],
            )
            .remedy(
                "Say that it may not be root.",
                &["securityContext:\n  runAsNonRoot: true"],
            )
            .change(put(object, &non_root, true)),
    };
    let mut observed = json!({ "runAsNonRoot": security.run_as_non_root });
    if let Some(uid) = security.run_as_user {
        observed["runAsUser"] = json!(uid);
    }
    finding
        .observed(observed)
        .expected(json!({ "runAsNonRoot": true }))
        .read(object, &user)
        .read(object, &non_root)
}
