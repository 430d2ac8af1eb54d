//! How long the runtimes take to answer the doctor.

use std::time::Duration;

use serde_json::{Value, json};

use crate::doctor::change::Change;
use crate::doctor::facts::{Facts, RuntimeFact};
use crate::doctor::finding::Finding;

/// The part of `runtime.call_timeout` from which on a call is slow: a lookup makes up to four of them.
const PART: u32 = 4;

/// PIN-RUN-008.
pub(in super::super) fn quick(facts: &Facts) -> Finding {
    let runtimes = match &facts.runtimes.value {
        Ok(runtimes) => runtimes,
        Err(gap) => return Finding::gap(gap),
    };
    let times: Vec<(&RuntimeFact, Duration)> = runtimes
        .iter()
        .filter(|runtime| runtime.answers())
        .filter_map(|runtime| Some((runtime, usual(&runtime.calls)?)))
        .collect();
    let Some((slowest, took)) = times.iter().max_by_key(|(_, took)| *took) else {
        return Finding::skipped("no runtime answers this process");
    };
    let budget = facts.config.lookup_budget;
    let slow = (facts.config.call_timeout / PART).min(budget / 2);
    let words = format!("{} takes {:.1} ms to answer", slowest.socket.display(), millis(*took));
    let finding = if *took < slow {
        Finding::ok(words)
    } else {
        let finding = if *took >= budget {
            Finding::fail(words)
        } else {
            Finding::warn(words)
        };
        finding
            .impact(
                "A lookup makes up to four calls, and the first event of a container waits for it: past runtime.lookup_budget \
                 it goes out without names.",
                &["metadata", "loss"],
                &["container", "kubernetes"],
            )
            .remedy(
                "Find out what slows the runtime: its disk, too little CPU, or somebody who lists all containers all the time. \
                 Longer limits only make events wait longer.",
                &[
                    "time crictl ps >/dev/null",
                    "PINHOLE_RUNTIME_CALL_TIMEOUT=4s",
                    "PINHOLE_RUNTIME_LOOKUP_BUDGET=2s",
                ],
            )
            .change(Change::node("container runtime", "answers within milliseconds"))
    };
    let observed: Vec<Value> = times
        .iter()
        .map(|(runtime, took)| {
            json!({
                "socket": runtime.socket.display().to_string(),
                "calls": runtime.calls.len(),
                "usual_us": micros(*took),
                "longest_us": runtime.calls.iter().max().map_or(0, |took| micros(*took)),
            })
        })
        .collect();
    finding
        .observed(json!(observed))
        .expected(json!({ "usual_us": format!("< {}", micros(slow)) }))
        .evidence(
            &facts.runtimes,
            "calls of this process that were answered",
            json!(observed),
        )
}

/// The median, the upper one of two: one slow call of several proves nothing on a busy node.
fn usual(calls: &[Duration]) -> Option<Duration> {
    let mut sorted = calls.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
