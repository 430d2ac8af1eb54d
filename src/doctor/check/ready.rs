//! The agent's own evaluator: what it says about its readiness is what the doctor says.
//!
//! There is one evaluator of the agent's health, in the agent. Probes, metrics and the doctor tell its verdicts: a check that one
//! of its conditions names is not ok while that condition is not met, whatever the doctor finds by itself ([`heed`]).

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight, find};
use super::super::report::Status;
use super::loss::Tally;
use super::{agent, commands, no_agent, ring};
use crate::control::api::Condition;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-LIVE-004",
    area: "live",
    title: "The agent is ready",
    weight: Weight::Major,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(ready),
    offline: None,
    page: include_str!("../pages/PIN-LIVE-004.md"),
}];

const SOURCE: &str = "GetStatus conditions";

/// PIN-LIVE-004.
fn ready(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let conditions = &agent.second.conditions;
    if conditions.is_empty() {
        return Finding::skipped("the agent is of a version that does not tell its conditions here; /readyz does");
    }
    let told: Vec<Value> = conditions.iter().map(told).collect();
    let unmet: Vec<&Condition> = conditions.iter().filter(|it| it.met == "no").collect();
    let finding = match unmet.as_slice() {
        [] => {
            let met = conditions.iter().filter(|it| it.met == "yes").count();
            Finding::ok(format!(
                "the agent is ready: {met} of {} conditions are met",
                conditions.len()
            ))
        }
        // Each has a check that tells what it is about; the first of them is the root of this one.
        [first, ..] if unmet.iter().all(|it| find(&it.check).is_some()) => {
            let finding = Finding::skipped(format!("{} is not met: {}", first.name, first.reason));
            return match find(&first.check) {
                Some(root) => finding.blocked_by(root.id),
                None => finding,
            }
            .observed(json!(told));
        }
        unmet => {
            let named: Vec<String> = unmet.iter().map(|it| format!("{}: {}", it.name, it.reason)).collect();
            Finding::fail(format!("the agent is not ready: {}", named.join("; ")))
                .impact("The agent says that it does not do its work in full.", &["health"], &[])
                .remedy(
                    "The reason is the agent's own. This doctor does not know the condition: that of the agent's version does.",
                    &[commands::doctor_beside(facts.place), commands::log(facts.place)],
                )
                .change(Change::node("agent", "restarted"))
        }
    };
    finding
        .observed(json!(told))
        .expected(json!({ "met": "yes or unknown" }))
        .evidence(&facts.live, SOURCE, json!(told))
}

fn told(condition: &Condition) -> Value {
    json!({
        "name": condition.name, "of": condition.of, "met": condition.met, "for_ms": condition.since_ms,
        "check": condition.check, "reason": condition.reason,
    })
}

/// The finding of the check, made to agree with the agent's evaluator: where a condition that names the check is not met, the
/// check is not ok. Its reason is then the finding, or evidence of one that is there.
pub(in super::super) fn heed(id: &str, facts: &Facts, finding: Finding) -> Finding {
    let Some(condition) = agent(facts).and_then(|agent| agent.unmet(id)) else {
        return finding;
    };
    if finding.is_blocked() {
        return finding;
    }
    let finding = match finding.status() {
        Status::Warn | Status::Fail => finding,
        Status::Ok | Status::Unknown | Status::Skipped => unmet(facts, id, condition),
    };
    if finding.is_proven_by(SOURCE) {
        return finding;
    }
    finding.evidence(&facts.live, SOURCE, told(condition))
}

/// What the agent says and the doctor did not find.
fn unmet(facts: &Facts, id: &str, condition: &Condition) -> Finding {
    let finding = Finding::fail(format!("the agent says of {}: {}", condition.name, condition.reason))
        .observed(told(condition))
        .expected(json!({ "met": "yes" }));
    match id {
        "PIN-LOSS-001" => {
            let finding = finding.impact(
                "What was dropped was not judged. The next event after a loss says how many were lost before it.",
                &["capture", "loss"],
                &["lost_before"],
            );
            ring::enlarge(facts, finding, &Tally::default())
        }
        _ => finding
            .impact(
                "The agent says that it does not do its work in full.",
                &["capture"],
                &[],
            )
            .remedy(
                "The agent's log says when it began and what came before. A restart attaches all hooks anew.",
                &[commands::log(facts.place), commands::restart(facts.place)],
            )
            .change(Change::node("agent", "restarted")),
    }
}
