//! Which of the candidates answer, and which that somebody named do not.

use serde_json::{Value, json};

use super::advice::{self, Advice};
use super::view::{Seen, look, state};
use super::{FIELDS, STANDALONE};
use crate::control::api::Condition;
use crate::doctor::change::Change;
use crate::doctor::check::cause::Cause;
use crate::doctor::check::{agent, lsm};
use crate::doctor::facts::{Facts, RuntimeClass, RuntimeFact};
use crate::doctor::finding::Finding;
use crate::doctor::report::Status;

const IMPACT: &str =
    "Events of containers carry the container's id and the pod's uid from the cgroup path, and no names.";
const ID: &str = "PIN-RUN-001";

/// PIN-RUN-001.
pub(in super::super) fn any(facts: &Facts) -> Finding {
    let seen = match look(facts) {
        Ok(seen) => seen,
        Err(gap) => return Finding::gap(gap),
    };
    let answering = seen.answering();
    let condition = agent(facts).and_then(|agent| agent.unmet(ID));
    let ordinary = facts.profile.name == STANDALONE && seen.candidates.iter().all(is_nowhere);
    let finding = match condition {
        None if answering.is_empty() && ordinary => {
            return Finding::skipped("no container runtime is here, and a host outside Kubernetes need not have one");
        }
        _ if answering.is_empty() => match denied(facts, &seen) {
            Some(root) => {
                Finding::skipped(format!("the security module of {root} refuses the socket too")).blocked_by(root)
            }
            None => none(facts, &seen),
        },
        Some(condition) => one_less(facts, &seen, condition),
        None => {
            let list: Vec<String> = answering.iter().map(|runtime| introduced(runtime)).collect();
            let verb = if list.len() == 1 { "answers" } else { "answer" };
            Finding::ok(format!("{} {verb}", list.join(", ")))
        }
    };
    let states: Vec<Value> = seen
        .candidates
        .iter()
        .map(|candidate| state(candidate, facts))
        .collect();
    states.iter().fold(
        finding
            .observed(summed_up(&seen, &states))
            .expected("at least one socket answers"),
        |finding, state| {
            finding.evidence(
                &seen.clock,
                format!("{}: {}", seen.source, state["socket"].as_str().unwrap_or_default()),
                state["class"].clone(),
            )
        },
    )
}

/// What is there or should be, each by itself; of the well-known places where nothing is, only where they are. The
/// evidence has them all.
fn summed_up(seen: &Seen<'_>, states: &[Value]) -> Value {
    let (nowhere, there): (Vec<_>, Vec<_>) = seen
        .candidates
        .iter()
        .zip(states)
        .partition(|(candidate, _)| is_nowhere(candidate));
    if there.is_empty() {
        let places: Vec<&Value> = nowhere.iter().map(|(_, state)| &state["socket"]).collect();
        return json!({ "class": RuntimeClass::Absent.as_str(), "sockets": places });
    }
    there.into_iter().map(|(_, state)| state.clone()).collect()
}

/// Nothing is there, and nobody said that there is.
fn is_nowhere(candidate: &RuntimeFact) -> bool {
    candidate.class == RuntimeClass::Absent && !candidate.is_configured()
}

fn introduced(runtime: &RuntimeFact) -> String {
    let name = runtime.name.as_deref().unwrap_or("a runtime");
    let evidence = match runtime.evidence.as_str() {
        "" => String::new(),
        evidence => format!(" ({evidence})"),
    };
    format!("{name} at {}{evidence}", runtime.socket.display())
}

/// The check of the security module that keeps this process from bpf(2) and from the socket alike: one change mends both.
fn denied(facts: &Facts, seen: &Seen<'_>) -> Option<&'static str> {
    let best = advice::furthest(seen)?;
    let root = lsm::denies(facts)?;
    (advice::cause(best, facts) == Some(Cause::LsmDenied)).then_some(root)
}

fn none(facts: &Facts, seen: &Seen<'_>) -> Finding {
    let best = advice::furthest(seen).and_then(|best| Some((best, advice::of(best, facts)?)));
    let Some((best, advice)) = best else {
        return Finding::fail("no socket to try: none is configured and none of the well-known paths was looked at");
    };
    let summary = match (best.class, seen.candidates.len()) {
        (RuntimeClass::Absent, count) if count > 1 => format!("none of {count} candidate sockets exists"),
        _ => advice.summary.clone(),
    };
    mended(Finding::fail(summary), IMPACT, &advice)
}

/// Some answer, and the agent misses one that did.
fn one_less(facts: &Facts, seen: &Seen<'_>, condition: &Condition) -> Finding {
    let advice = advice::furthest(seen).and_then(|best| advice::of(best, facts));
    let finding = Finding::fail(format!("the agent says of {}: {}", condition.name, condition.reason));
    let impact = "Containers of the runtime that no longer answers have no names in events.";
    match advice {
        Some(advice) => mended(finding, impact, &advice),
        None => finding
            .impact(impact, &["metadata"], FIELDS)
            .remedy(
                "See why the runtime is silent; it is asked again every few seconds.",
                &["journalctl -u containerd -u crio -u docker -u podman --since -10m"],
            )
            .change(Change::node("container runtime", "running")),
    }
}

fn mended(finding: Finding, impact: &str, advice: &Advice) -> Finding {
    let commands: Vec<&str> = advice.commands.iter().map(String::as_str).collect();
    finding
        .impact(impact, &["metadata"], FIELDS)
        .remedy(advice.text.clone(), &commands)
        .changes(advice.changes.iter().cloned())
}

/// PIN-RUN-005.
pub(super) fn every_configured(facts: &Facts) -> Finding {
    let seen = match look(facts) {
        Ok(seen) => seen,
        Err(gap) => return Finding::gap(gap),
    };
    let configured: Vec<&RuntimeFact> = seen
        .candidates
        .iter()
        .filter(|candidate| candidate.is_configured())
        .collect();
    let observed: Vec<Value> = configured.iter().map(|candidate| state(candidate, facts)).collect();
    let silent = configured.iter().filter(|candidate| !candidate.answers()).rev();
    let worst = silent.max_by_key(|candidate| candidate.class);
    let finding = match worst.and_then(|worst| Some((worst, advice::of(worst, facts)?))) {
        None if configured.is_empty() => {
            Finding::ok("the settings name no socket: every well-known one is used that answers")
        }
        None => Finding::ok("every socket that the settings name answers"),
        // The same silence; and where none answers at all, it waits for that check anyway.
        Some(_) if any(facts).status() != Status::Ok => {
            return Finding::skipped("see PIN-RUN-001").blocked_by(ID);
        }
        Some((worst, advice)) => {
            let impact = "Containers of the runtime behind it have no names in events, whoever else answers.";
            let summary = format!("named in the settings, and of no use: {}", advice.summary);
            let finding = if worst.class == RuntimeClass::Absent {
                Finding::warn(summary)
            } else {
                Finding::fail(summary)
            };
            mended(finding, impact, &advice)
        }
    };
    finding
        .observed(json!(observed))
        .expected("every socket of runtime.socket is of class answers")
        .evidence(&seen.clock, seen.source, json!(observed))
}
