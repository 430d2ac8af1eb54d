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

/// Skips what is about the agent's container where there is none.
pub(super) fn in_container(facts: &AllFacts) -> Result<(), Box<Finding>> {
    match facts.place {
        Place::Host => Err(Box::new(Finding::skipped("this is a host, and no container"))),
        Place::Kubernetes | Place::Container => Ok(()),
    }
}

/// The check that finds a privileged container, where this is one: its bounding set has all but a few capabilities. What
/// else follows from that needs no finding of its own.
pub(super) fn privileged(facts: &AllFacts) -> Option<&'static str> {
    const MOST: u32 = 30;
    let process = facts.process.value.as_ref().ok()?;
    let surplus = |set: u64| (set & !super::capability::NEEDED).count_ones();
    if surplus(process.bounding) < MOST {
        return None;
    }
    // Beside a running agent its threads are judged, which have given up what they were permitted.
    let told_by_permitted = super::agent(facts).is_none() && surplus(process.permitted) > 0;
    Some(if told_by_permitted {
        "PIN-CAP-002"
    } else {
        "PIN-CAP-003"
    })
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
