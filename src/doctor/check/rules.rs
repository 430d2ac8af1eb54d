//! Rules: whether those in force are those of the files.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::change::Change;
use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, commands, no_agent};
use crate::control::api::Rules;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-RUL-001",
    area: "rules",
    title: "The rules in force are those of the files",
    weight: Weight::Major,
    needs: &[Need::Agent],
    depends_on: &[Edge::Through("PIN-LIVE-001")],
    judge: Some(in_force),
    offline: None,
    page: include_str!("../pages/PIN-RUL-001.md"),
}];

/// PIN-RUL-001.
fn in_force(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let Some(rules) = &agent.second.rules else {
        return Finding::skipped("no rule files are named: events are told, and nothing is judged");
    };
    let finding = if let Some(why) = &rules.refused {
        let since = Duration::from_millis(rules.refused_ms.unwrap_or_default());
        refused(facts.place, rules.loaded, since, why)
    } else if !rules.unattached.is_empty() {
        unattached(facts.place, rules)
    } else {
        Finding::ok(format!("{} rules are in force, as the files have them", rules.loaded))
    };
    finding
        .observed(told(rules))
        .expected(json!({ "unattached": {} }))
        .evidence(&facts.live, "GetStatus rules", told(rules))
}

fn refused(place: Place, loaded: u64, since: Duration, why: &str) -> Finding {
    let first = why.lines().next().unwrap_or_default();
    Finding::fail(format!(
        "for {} s the rule files have not counted, and the {loaded} rules from before are in force: {first}",
        since.as_secs()
    ))
    .impact(
        "What was changed in the files detects nothing. After a restart the agent would not start with them.",
        &["rules"],
        &[],
    )
    .remedy(
        "rules check tells everything that is wrong with the files, with line and column. Once they are right they are taken within two \
         seconds, all of them.",
        match place {
            Place::Kubernetes => &[
                "kubectl -n pinhole exec POD -- /agent rules check",
                "kubectl -n pinhole logs POD",
            ],
            Place::Container => &["docker exec CONTAINER /agent rules check", "docker logs CONTAINER"],
            Place::Host => &["agent rules check", "journalctl -t pinhole-agent --since -1h"],
        },
    )
    .change(Change::node("rule files", "without an error"))
}

fn unattached(place: Place, rules: &Rules) -> Finding {
    let hooks: Vec<String> = sorted(rules)
        .into_iter()
        .map(|(hook, names)| format!("{hook} ({names})"))
        .collect();
    Finding::warn(format!("rules need hooks that are not attached: {}", hooks.join("; ")))
        .impact(
            "These rules are in force and do not see what those hooks tell.",
            &["rules"],
            &[],
        )
        .remedy(
            "Hooks are attached at the start only, because the agent gives up the right to attach any: start it anew, and rules get what \
             they need.",
            &[commands::restart(place)],
        )
        .change(Change::node("agent", "restarted"))
}

fn sorted(rules: &Rules) -> Vec<(&String, &String)> {
    let mut all: Vec<_> = rules.unattached.iter().collect();
    all.sort();
    all
}

fn told(rules: &Rules) -> Value {
    let unattached: serde_json::Map<String, Value> = sorted(rules)
        .into_iter()
        .map(|(hook, names)| (hook.clone(), json!(names)))
        .collect();
    let mut told = json!({ "loaded": rules.loaded, "unattached": unattached });
    if let Some(why) = &rules.refused {
        told["refused"] = json!(why);
        told["refused_ms"] = json!(rules.refused_ms);
    }
    told
}
