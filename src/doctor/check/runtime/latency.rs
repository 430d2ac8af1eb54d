//! How long the runtimes take to answer the doctor.

use std::time::Duration;

use serde_json::{Value, json};

use crate::control::api::Runtime;
use crate::doctor::change::Change;
use crate::doctor::check::agent;
use crate::doctor::facts::{Facts, RuntimeFact};
use crate::doctor::finding::Finding;

/// The part of `runtime.call_timeout` from which on a call is slow: a lookup makes up to four of them.
const PART: u32 = 4;

/// What calls of one runtime took.
struct Times {
    socket: String,
    /// Who made them.
    by: &'static str,
    calls: usize,
    usual: Duration,
    longest: Duration,
}

impl Times {
    /// Of the calls of this process. The usual one is the median, the upper one of two: one slow call of several proves
    /// nothing on a busy node.
    fn of(runtime: &RuntimeFact) -> Option<Self> {
        let mut sorted = runtime.calls.clone();
        sorted.sort_unstable();
        Some(Self {
            socket: runtime.socket.display().to_string(),
            by: "doctor",
            calls: sorted.len(),
            usual: *sorted.get(sorted.len() / 2)?,
            longest: *sorted.last()?,
        })
    }

    /// Of the agent's last question whether it answers.
    fn told(runtime: &Runtime) -> Option<Self> {
        let took = Duration::from_micros(runtime.version_us?);
        Some(Self {
            socket: runtime.socket.clone(),
            by: "agent",
            calls: 1,
            usual: took,
            longest: took,
        })
    }
}

/// PIN-RUN-008.
pub(in super::super) fn quick(facts: &Facts) -> Finding {
    let own = facts.runtimes.value.as_ref();
    let answering = own.into_iter().flatten().filter(|runtime| runtime.answers());
    let mut times: Vec<Times> = answering.filter_map(Times::of).collect();
    // Of what this process may not ask, the agent tells.
    let told = agent(facts).into_iter().flat_map(|agent| &agent.second.runtimes);
    for told in told.filter_map(Times::told) {
        if times.iter().all(|own| own.socket != told.socket) {
            times.push(told);
        }
    }
    let Some(slowest) = times.iter().max_by_key(|times| times.usual) else {
        return match own {
            Ok(_) => Finding::skipped("no runtime answers this process"),
            Err(gap) => Finding::gap(gap),
        };
    };
    let took = slowest.usual;
    let budget = facts.config.lookup_budget;
    let slow = (facts.config.call_timeout / PART).min(budget / 2);
    let words = format!("{} takes {:.1} ms to answer", slowest.socket, millis(took));
    let finding = if took < slow {
        Finding::ok(words)
    } else {
        let finding = if took >= budget {
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
        .map(|times| {
            json!({
                "socket": times.socket,
                "by": times.by,
                "calls": times.calls,
                "usual_us": micros(times.usual),
                "longest_us": micros(times.longest),
            })
        })
        .collect();
    finding
        .observed(json!(observed))
        .expected(json!({ "usual_us": format!("< {}", micros(slow)) }))
        .evidence(&facts.runtimes, "calls that were answered", json!(observed))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
