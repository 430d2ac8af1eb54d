//! Changes of the pod that several remedies ask for. They are lines of the manifest, so outside Kubernetes there are none.

use serde_json::{Value, json};

use super::super::change::{Change, Op};
use super::super::facts::{Facts, Place};

/// A change of the agent's container, by a path from its security context.
pub(super) fn security(facts: &Facts, path: &str, value: impl Into<Value>) -> Vec<Change> {
    pod_only(
        facts,
        Change::container(Op::Add, &format!("/securityContext{path}"), value),
    )
}

/// A change where there is a pod to change.
pub(super) fn pod_only(facts: &Facts, change: Change) -> Vec<Change> {
    match facts.place {
        Place::Kubernetes => vec![change],
        Place::Container | Place::Host => Vec::new(),
    }
}

/// Exactly the capabilities that are needed; CAP_SYS_RESOURCE too where maps count against RLIMIT_MEMLOCK.
pub(super) fn capabilities(facts: &Facts, memlock: bool) -> Vec<Change> {
    let add = if memlock {
        json!(["BPF", "PERFMON", "SYS_RESOURCE"])
    } else {
        json!(["BPF", "PERFMON"])
    };
    security(facts, "/capabilities", json!({ "drop": ["ALL"], "add": add }))
}

/// The runtime's own seccomp profile.
pub(super) fn runtime_default(facts: &Facts) -> Vec<Change> {
    security(facts, "/seccompProfile", json!({ "type": "RuntimeDefault" }))
}

/// The agent's own seccomp profile, which the commands beside it put on the node.
pub(super) fn own_seccomp_profile(facts: &Facts) -> Vec<Change> {
    security(
        facts,
        "/seccompProfile",
        json!({ "type": "Localhost", "localhostProfile": "pinhole/agent-setup.json" }),
    )
}

/// The agent, started anew.
pub(super) fn restarted() -> Change {
    Change::node("agent", "restarted")
}

/// What the node runs, changed for what is named.
pub(super) fn node_image(wanted: &str) -> Change {
    Change::node("node image", wanted)
}
