//! Whether the agent knows every container that the runtimes say is running.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::reason::{advice, dominant};
use super::{is_reduced, ratio, rounded};
use crate::container::Reason;
use crate::doctor::change::Change;
use crate::doctor::check::{agent, no_agent, thresholds};
use crate::doctor::facts::join::{Join, JoinFact, List};
use crate::doctor::facts::{Facts, LiveAgent};
use crate::doctor::finding::Finding;

/// An agent takes this long, at most, to look up what is there when it begins.
const INVENTORY_SECONDS: f64 = 10.0;

/// PIN-META-003.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let join = match &facts.join.value {
        Ok(join) => join,
        Err(gap) => return Finding::gap(gap),
    };
    let join = match join {
        JoinFact::NoAgent => return no_agent(),
        JoinFact::Denied(why) => return Finding::skipped(format!("the agent does not tell its containers: {why}")),
        JoinFact::Unlisted(lists) => {
            return Finding::skipped("no runtime lists its containers to this process").evidence(
                &facts.join,
                "lists of the runtimes",
                shown(lists),
            );
        }
        JoinFact::Joined(join) => join,
    };
    if let Some(why) = exempt(agent, facts) {
        return Finding::skipped(why);
    }
    if join.listed == 0 {
        return Finding::skipped("no runtime says that a container runs");
    }
    let rate = ratio(join.known, join.listed);
    let finding = if join.known >= join.listed {
        Finding::ok(format!("the agent knows all of {} that run", join.listed))
    } else {
        lacking(join, rate, facts)
    };
    finding
        .observed(observed(join, rate))
        .expected(json!({ "rate": 1.0 }))
        .evidence(&facts.join, "lists of the runtimes", shown(&join.lists))
        .evidence(
            &facts.join,
            "GetContainers",
            json!({ "known": join.known, "complete": join.complete }),
        )
}

/// Why the agent need not know them all.
fn exempt(agent: &LiveAgent, facts: &Facts) -> Option<&'static str> {
    let status = &agent.second;
    let told = status.settings.iter().find(|setting| setting.key == "runtime.prefetch");
    let prefetch = told.map_or(facts.config.prefetch, |setting| setting.value == "true");
    if is_reduced(status) {
        Some("the agent runs reduced, which tells no container: see PIN-KRN-002 and PIN-BPF-001")
    } else if !prefetch {
        Some("runtime.prefetch is off: a container is known from its first event on")
    } else if status.uptime_seconds < INVENTORY_SECONDS {
        Some("the agent has just begun, and looks up what was there before")
    } else {
        None
    }
}

fn lacking(join: &Join, rate: f64, facts: &Facts) -> Finding {
    let summary = format!(
        "the agent does not know {} of {} containers and sandboxes that run",
        join.listed - join.known,
        join.listed
    );
    let finding = if rate < thresholds(facts).complete_percent / 100.0 {
        Finding::fail(summary)
    } else {
        Finding::warn(summary)
    };
    let finding = finding.impact(
        "Their events wait for a lookup first, or carry no names; a container of which the agent never sees a cgroup may be \
         out of its sight altogether.",
        &["metadata"],
        &["container", "kubernetes"],
    );
    match reason(join) {
        Some(reason) => {
            let advice = advice(Some(reason), facts);
            finding.remedy(advice.text, advice.commands).changes(advice.changes)
        }
        None => finding
            .remedy(
                "The agent has met neither their cgroups nor an event of theirs since its start. Containers in virtual \
                 machines (Kata) have no cgroup here. Let one be explained; an agent that is started anew takes an inventory.",
                &["agent doctor --explain ID"],
            )
            .change(Change::node("agent", "restarted")),
    }
}

/// The reason that is held of most of those that are named; none where most often nothing is held.
fn reason(join: &Join) -> Option<Reason> {
    let mut held: BTreeMap<&String, u64> = BTreeMap::new();
    for missing in &join.missing {
        *held.entry(&missing.held).or_default() += 1;
    }
    let counts: BTreeMap<&String, &u64> = held.iter().map(|(word, count)| (*word, count)).collect();
    dominant(&counts)
}

fn observed(join: &Join, rate: f64) -> Value {
    let missing: Vec<Value> = join
        .missing
        .iter()
        .map(|one| {
            let mut value = json!({ "id": one.id, "held": one.held });
            if !one.name.is_empty() {
                value["name"] = json!(one.name);
            }
            if one.sandbox {
                value["sandbox"] = json!(true);
            }
            value
        })
        .collect();
    let mut value = json!({
        "listed": join.listed,
        "known": join.known,
        "complete": join.complete,
        "rate": rounded(rate),
        "left_out": join.left_out,
    });
    if !missing.is_empty() {
        value["missing"] = json!(missing);
    }
    if join.cut {
        value["cut"] = json!(true);
    }
    value
}

fn shown(lists: &[List]) -> Value {
    let each = lists.iter().map(|list| {
        let socket = list.socket.display().to_string();
        match &list.running {
            Ok(running) => json!({ "socket": socket, "running": running }),
            Err(error) => json!({ "socket": socket, "error": error }),
        }
    });
    json!(each.collect::<Vec<_>>())
}
