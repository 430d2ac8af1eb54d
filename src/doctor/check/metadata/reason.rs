//! What mends each reason for which metadata is missing.

use std::collections::BTreeMap;

use serde_json::json;

use crate::container::Reason;
use crate::doctor::change::Change;
use crate::doctor::check::agent;
use crate::doctor::facts::Facts;

/// What is said of a reason.
pub(super) struct Advice {
    pub(super) text: &'static str,
    pub(super) commands: &'static [&'static str],
    pub(super) changes: Vec<Change>,
}

/// The most frequent reason; of equals the first in the order of [`Reason::ALL`].
pub(super) fn dominant(reasons: &BTreeMap<&String, &u64>) -> Option<Reason> {
    let count = |reason: Reason| {
        reasons
            .iter()
            .find(|(word, _)| word.as_str() == reason.as_str())
            .map_or(0, |(_, count)| **count)
    };
    let mut best: Option<(Reason, u64)> = None;
    for reason in Reason::ALL {
        let count = count(reason);
        if count > best.map_or(0, |(_, most)| most) {
            best = Some((reason, count));
        }
    }
    best.map(|(reason, _)| reason)
}

/// What mends it.
pub(super) fn advice(reason: Option<Reason>, facts: &Facts) -> Advice {
    let node = |what: &str, value: &str| vec![Change::node(what, value)];
    let (text, commands, changes): (_, &'static [&'static str], _) = match reason {
        Some(Reason::RuntimeTimeout | Reason::LookupPending | Reason::CircuitOpen) => (
            "The runtime answers too slowly. Give it more time (an event then waits longer), or find out what loads it.",
            &["PINHOLE_RUNTIME_CALL_TIMEOUT=4s", "PINHOLE_RUNTIME_LOOKUP_BUDGET=2s"],
            vec![
                Change::setting("runtime.call_timeout", "4s"),
                Change::setting("runtime.lookup_budget", "2s"),
            ],
        ),
        Some(Reason::ContainerUnknown) => (
            "Another runtime than the one that answers made these containers, or they were gone before they could be looked \
             up. Add the other runtime's socket.",
            &["agent doctor --runtime-socket PATH"],
            if names_sockets(facts) {
                // Every well-known one is looked at then.
                vec![Change::setting("runtime.socket", json!([]))]
            } else {
                node(
                    "container runtime",
                    "the one of these containers listens at a well-known path",
                )
            },
        ),
        Some(Reason::CgroupUnknown) => (
            "The description of these cgroups was lost, or their path is too long. A larger ring loses less; see who nests \
             cgroups so deep.",
            &["PINHOLE_CAPTURE_RING_SIZE=16MiB", "systemd-cgls --no-pager"],
            vec![Change::setting("capture.ring_size", "16MiB")],
        ),
        Some(Reason::CgroupUnreadable) => (
            "The kernel lets the agent read no name of a cgroup. See PIN-KRN-002, and the field unreadable of the hooks.",
            &["agent doctor --format json"],
            node("kernel command line", "lockdown=integrity"),
        ),
        Some(Reason::CgroupMismatch) => (
            "Processes run in cgroups that bear the id of a container which is elsewhere. Look for who made these cgroups: a \
             privileged container, or one that may write to the cgroup file system, can imitate another one like that.",
            &["systemd-cgls --no-pager"],
            node("cgroups", "none bears the id of a container that is elsewhere"),
        ),
        Some(Reason::ImageNameUnknown) => (
            "The runtime has only the digest of these images: they were pulled by digest or their name was moved to another \
             image. Refer to images by name and digest together.",
            &["crictl images --digests"],
            node("images", "referred to by name and digest"),
        ),
        Some(
            Reason::NoRuntimeSocket
            | Reason::SocketPermission
            | Reason::SocketRefused
            | Reason::SocketProtocol
            | Reason::CriUnimplemented,
        ) => (
            "The runtime was out of reach for a while; it answers now. See when in the agent's log.",
            &["agent doctor"],
            node("container runtime", "running"),
        ),
        Some(Reason::RuntimeError | Reason::AnswerUnusable | Reason::SandboxUnknown) | None => (
            "The runtime's own log tells more.",
            &["journalctl -u containerd -u crio --since -1h"],
            node("container runtime", "answers without an error"),
        ),
    };
    Advice {
        text,
        commands,
        changes,
    }
}

/// Whether the settings name the sockets, so that no other one is looked at.
fn names_sockets(facts: &Facts) -> bool {
    const CONFIGURED: &str = "configuration";
    let by_agent = agent(facts).map(|agent| agent.second.runtimes.iter().any(|runtime| runtime.origin == CONFIGURED));
    by_agent.unwrap_or_else(|| {
        let own = facts.runtimes.value.as_ref();
        own.is_ok_and(|own| own.iter().any(crate::doctor::facts::RuntimeFact::is_configured))
    })
}
