//! Judges of manifests for checks that have one of a node as well: the same id, the same promise, seen before anything is
//! applied. What the manifests do not tell is skipped with its reason, never taken for well.

pub(super) mod capability;
pub(super) mod confinement;
pub(super) mod limits;
pub(super) mod memory;
pub(super) mod mounts;
pub(super) mod patch;
pub(super) mod runtime;
pub(super) mod security_module;
pub(super) mod settings;
pub(super) mod user;

use serde_json::Value;

use super::super::facts::manifests::{AgentPod, Manifests, Object, Unseen};
use super::super::facts::{Gathered, View};
use super::super::finding::Finding;

/// The agent's pod, or what to say where there is none.
pub(super) fn agent(manifests: &Manifests) -> Result<&AgentPod, Box<Finding>> {
    manifests
        .agent
        .as_ref()
        .ok_or_else(|| Box::new(Finding::skipped("waits for PIN-MAN-001").blocked_by("PIN-MAN-001")))
}

/// Not judged, because the check `id` has found what it hangs on.
pub(super) fn waits(id: &'static str) -> Finding {
    Finding::skipped(format!("waits for {id}")).blocked_by(id)
}

/// What to say where the settings decide and are not known; none where they are.
pub(super) fn settings_unknown(manifests: &Manifests) -> Option<Finding> {
    let settings = &manifests.settings;
    match (&settings.problem, &settings.unseen) {
        (Some(_), _) => Some(waits("PIN-CFG-001")),
        (None, Some(Unseen::Missing(_))) => Some(waits("PIN-MAN-003")),
        (None, Some(Unseen::NoAgent)) => Some(waits("PIN-MAN-001")),
        (None, Some(Unseen::Elsewhere(why))) => Some(Finding::skipped(why.clone())),
        (None, None) => None,
    }
}

/// Evidence from manifests: the file, the document, the object, and the path in it.
pub(super) trait Read: Sized {
    /// With this value.
    fn told(self, object: &Object, pointer: &str, value: impl Into<Value>) -> Self;

    /// With the value that stands there.
    fn read(self, object: &Object, pointer: &str) -> Self {
        let value = object.at(pointer).cloned();
        self.told(object, pointer, value.unwrap_or_else(|| "absent".into()))
    }
}

impl Read for Finding {
    fn told(self, object: &Object, pointer: &str, value: impl Into<Value>) -> Self {
        self.evidence(&of_manifests(), place(object, pointer), value)
    }
}

/// What evidence of manifests is tagged with.
pub(super) fn of_manifests() -> Gathered<()> {
    Gathered::known(()).seen(View::Manifest)
}

/// Where it stands, in words.
pub(super) fn place(object: &Object, pointer: &str) -> String {
    let source = &object.source;
    let item = if source.path.is_empty() {
        String::new()
    } else {
        format!(", {}", source.path)
    };
    format!(
        "{}, document {}{item}: {} {} {}",
        source.file.display(),
        source.document,
        object.kind,
        object.name,
        if pointer.is_empty() { "/" } else { pointer }
    )
}

/// The pod's or the container's security context, whichever of them sets `key` and so counts; the container's own first.
/// Where neither does it is `otherwise`.
pub(super) fn context_of(agent: &AgentPod, key: &str, otherwise: Context) -> String {
    let own = agent.in_container(&format!("/securityContext/{key}"));
    let pod = agent.in_pod(&format!("/securityContext/{key}"));
    match (agent.object.at(&own), agent.object.at(&pod), otherwise) {
        (Some(_), _, _) | (None, None, Context::Container) => own,
        (None, _, _) => pod,
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// The pod's.
    Pod,
    /// The container's.
    Container,
}
