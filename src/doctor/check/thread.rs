//! Words about threads and capabilities that several judges use.

use serde_json::{Value, json};

use super::super::facts::{Facts as AllFacts, Place, ProcessFacts};
use super::super::finding::Finding;
use crate::control::api::Thread;

pub(super) const OWN_STATUS: &str = "/proc/self/status";
pub(super) const THREADS: &str = "GetStatus threads (the agent's /proc/self/task/*/status)";
/// Why the doctor's own process is no evidence on a host.
const NOT_THE_AGENT: &str = "no agent runs and this is not its container: the doctor's own process does not tell how the \
                             agent will run";

/// The doctor's own process, where it stands for the agent: in a container.
pub(super) fn own_process(facts: &AllFacts) -> Result<&ProcessFacts, Box<Finding>> {
    if facts.place == Place::Host {
        return Err(Box::new(Finding::skipped(NOT_THE_AGENT)));
    }
    facts.process.value.as_ref().map_err(|gap| Box::new(Finding::gap(gap)))
}

pub(super) fn offenders(threads: &[Thread], offends: impl Fn(&Thread) -> bool) -> impl Iterator<Item = &Thread> {
    let mut found: Vec<&Thread> = threads.iter().filter(|thread| offends(thread)).collect();
    found.sort_by_key(|thread| thread.tid);
    found.into_iter()
}

pub(super) fn name_of(thread: &Thread) -> Value {
    json!({ "tid": thread.tid, "thread": thread.name })
}

pub(super) fn restart(place: Place) -> &'static [&'static str] {
    match place {
        Place::Kubernetes => &["kubectl -n pinhole rollout restart daemonset/pinhole-agent"],
        Place::Container | Place::Host => &["agent run"],
    }
}

pub(super) fn hex(bits: u64) -> String {
    format!("{bits:016x}")
}

/// Names of capabilities; one that this build does not know keeps its number.
pub(super) fn names(bits: u64) -> Vec<String> {
    let known: Vec<(u8, String)> = caps::all()
        .into_iter()
        .map(|cap| (cap.index(), cap.to_string()))
        .collect();
    (0..64_u8)
        .filter(|number| bits >> number & 1 == 1)
        .map(|number| {
            known
                .iter()
                .find(|(index, _)| *index == number)
                .map_or_else(|| format!("CAP_{number}"), |(_, name)| name.clone())
        })
        .collect()
}
