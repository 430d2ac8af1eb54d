//! The running agent's own word on whether it works: the turns of its loop and its canary, which no program has to run for.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, clock, commands, no_agent, output};
use crate::control::api::GetStatusReply;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: ID,
    area: "live",
    title: "The agent's own canary comes through",
    weight: Weight::Major,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(canary),
    offline: None,
    page: include_str!("../pages/PIN-LIVE-003.md"),
}];

pub(super) const ID: &str = "PIN-LIVE-003";

/// A turn takes a tenth of a second where nothing happens; the longest that is no fault waits for lookups, which have a budget.
const LONGEST_TURN_MS: u64 = 10_000;
/// One is sent each second, and may wait for a lookup of the agent's own container.
const LONGEST_SILENCE_MS: u64 = 5_000;
/// Until then none need have come.
const JUST_BEGUN_S: f64 = 5.0;

/// PIN-LIVE-003.
pub(super) fn canary(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let status = &agent.second;
    let Some(turn_ms) = status.turn_age_ms else {
        return Finding::unknown("the agent is of a version that has no canary of its own");
    };
    // One cause, one finding: a loop that waits for whoever reads its output neither turns nor sees.
    let late = turn_ms > LONGEST_TURN_MS || status.canary_age_ms.is_some_and(|age| age > LONGEST_SILENCE_MS);
    if late && output::holds_up(facts) {
        return Finding::skipped("the agent waits for whoever reads its output")
            .blocked_by(output::ID)
            .observed(observed(status));
    }
    if let Some(root) = clock::misdates(facts).filter(|_| turn_ms <= LONGEST_TURN_MS && late) {
        return Finding::skipped("the agent's clock has another beginning, so that no age of a canary is right")
            .blocked_by(root)
            .observed(observed(status));
    }
    let finding = if turn_ms > LONGEST_TURN_MS {
        stuck(facts, turn_ms)
    } else {
        match status.canary_age_ms {
            Some(age) if age <= LONGEST_SILENCE_MS => Finding::ok(seen(status, age)),
            _ if is_off(status) => {
                return Finding::skipped("the hook `canary` was turned off, so that none can be seen")
                    .blocked_by("PIN-BPF-004")
                    .observed(observed(status));
            }
            None if !status.hooks.contains_key("canary") => unhooked(facts),
            None if status.uptime_seconds < JUST_BEGUN_S => {
                return Finding::unknown("the agent has just begun, and its first canary is on its way");
            }
            age => silent(facts, age),
        }
    };
    let mut told = observed(status);
    if let Some(line) = status.hooks.get("canary") {
        told["hook"] = json!({
            "seen": line.seen, "filtered": line.filtered, "delivered": line.delivered, "dropped": line.dropped,
        });
    }
    finding
        .observed(observed(status))
        .expected(json!({ "turn_age_ms": LONGEST_TURN_MS, "canary_age_ms": LONGEST_SILENCE_MS }))
        .evidence(&facts.live, "GetStatus canary and turn", told)
}

fn is_off(status: &GetStatusReply) -> bool {
    let off = status.reporting.as_ref().map(|reporting| &reporting.off);
    off.is_some_and(|off| off.iter().any(|hook| hook == "canary"))
}

/// What there is, without what there is not.
fn observed(status: &GetStatusReply) -> serde_json::Value {
    let mut observed = json!({});
    for (key, value) in [
        ("turn_age_ms", status.turn_age_ms),
        ("canary_age_ms", status.canary_age_ms),
        ("round_trip_us", status.canary_round_trip_us),
    ] {
        if let Some(value) = value {
            observed[key] = json!(value);
        }
    }
    for (key, value) in [("status", &status.canary_status), ("reason", &status.canary_reason)] {
        if let Some(value) = value {
            observed[key] = json!(value);
        }
    }
    observed
}

fn seen(status: &GetStatusReply, age: u64) -> String {
    let within = |us: u64| format!(", within {}.{} ms", us / 1000, us % 1000 / 100);
    let round_trip = status.canary_round_trip_us.map(within).unwrap_or_default();
    format!("its own canary came through {age} ms ago{round_trip}")
}

fn stuck(facts: &Facts, turn_ms: u64) -> Finding {
    Finding::fail(format!("the agent's loop has stood still for {} s", turn_ms / 1000))
        .impact(
            "No event is told. They collect in the ring until it is full, and are lost then.",
            &["capture"],
            &[],
        )
        .remedy(
            "See who reads the agent's standard output: one that does not read holds the agent up. Else the agent hangs, its log says what it \
             did last, and a restart mends it until the next time: report it.",
            &[commands::log(facts.place), commands::restart(facts.place)],
        )
        .change(Change::node("agent", "restarted"))
}

fn unhooked(facts: &Facts) -> Finding {
    Finding::warn("the kernel refused the hook of the canary")
        .impact(
            "The agent cannot tell by itself whether it sees, and its readiness does not count that.",
            &["health"],
            &[],
        )
        .remedy(
            "The agent's log has the kernel's answer, at its start. Where that was for a moment only, as for lack of memory, a restart \
             mends it.",
            &[commands::log(facts.place), commands::restart(facts.place)],
        )
        .change(Change::node("agent", "restarted"))
}

fn silent(facts: &Facts, age: Option<u64>) -> Finding {
    Finding::fail(age.map_or_else(
        || "no canary of the agent has come through".to_owned(),
        |age| format!("no canary of the agent has come through for {} s", age / 1000),
    ))
    .impact(
        "The agent turns and does not see: what happens on the node is not told.",
        &["capture"],
        &[],
    )
    .remedy(
        "See by the counters of the hook whether it saw canaries and whether they were dropped (PIN-LOSS-001); the log says \
         whether the kernel refused to send them. A restart attaches the hook anew.",
        &["agent doctor --format json", commands::log(facts.place), commands::restart(facts.place)],
    )
    .change(Change::node("agent", "restarted"))
}
