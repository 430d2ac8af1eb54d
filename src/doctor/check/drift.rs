//! Drift: whether the running agent has the settings that it would be given now, and whether it knows its node.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::change::{Change, Op};
use super::super::facts::{Facts, LiveAgent, Place, SettingFact};
use super::super::finding::Finding;
use super::super::registry::{Definition, Edge, Need, Weight};
use super::{agent, commands, no_agent};
use crate::config::load::{DEFAULT_ORIGIN, FILE_ORIGIN, PROFILE_ORIGIN};
use crate::control::api::Setting;

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[
    Definition {
        id: "PIN-CFG-003",
        area: "configuration",
        title: "The running agent has these settings",
        weight: Weight::Minor,
        needs: &[Need::Settings, Need::Agent],
        depends_on: &[Edge::Needs("PIN-CFG-001"), Edge::Through("PIN-LIVE-001")],
        judge: Some(settings),
        offline: None,
        page: include_str!("../pages/PIN-CFG-003.md"),
    },
    Definition {
        id: "PIN-CFG-004",
        area: "configuration",
        title: "The node has its name",
        weight: Weight::Minor,
        needs: &[Need::Settings, Need::Agent],
        depends_on: &[Edge::Needs("PIN-CFG-001")],
        judge: Some(node_name),
        offline: Some(super::offline::settings::node_name),
        page: include_str!("../pages/PIN-CFG-004.md"),
    },
];

/// The key whose difference is PIN-PRF-003's.
const PROFILE: &str = "profile";

/// PIN-CFG-003.
fn settings(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let told = &agent.second.settings;
    if told.is_empty() {
        return Finding::skipped("the agent is of a version that does not tell its settings");
    }
    if !agent.is_here() {
        return Finding::skipped("the agent runs in another container, with files and an environment of its own");
    }
    if let Some(file) = other_file(facts, told) {
        return Finding::skipped(format!(
            "the agent was given the {file}, which the doctor was not: agent doctor --config FILE"
        ));
    }
    let same_profile = agent.second.profile == facts.profile.name;
    let mut compared = 0_usize;
    let mut differ: BTreeMap<&str, Value> = BTreeMap::new();
    for running in told {
        let Some(now) = facts.config.setting(&running.key) else {
            continue;
        };
        if !comparable(running, now, same_profile) {
            continue;
        }
        compared += 1;
        if running.value != now.value {
            differ.insert(
                &running.key,
                json!({ "running": running.value, "now": now.value, "now_from": now.origin }),
            );
        }
    }
    let finding = if differ.is_empty() {
        Finding::ok(format!("{compared} settings are what a restart would give them"))
    } else {
        let named: Vec<String> = differ
            .iter()
            .map(|(key, it)| format!("{key} is {} and would be {}", word(&it["running"]), word(&it["now"])))
            .collect();
        Finding::warn(format!(
            "settings were changed since the agent's start: {}",
            named.join("; ")
        ))
        .impact(
            "The agent runs with the old ones. The next restart brings the new ones, whoever causes it and whenever.",
            &["configuration"],
            &[],
        )
        .remedy(
            "Start the agent anew, so that it takes them over; or take the change back.",
            &[commands::restart(facts.place), "agent doctor --format json"],
        )
        .change(Change::node("agent", "restarted"))
    };
    finding
        .observed(json!(differ))
        .expected(json!({}))
        .evidence(&facts.live, "GetStatus settings", json!({ "compared": compared }))
        .stated("configuration sources, weakest first", facts.config.sources.clone())
}

fn word(value: &Value) -> &str {
    value.as_str().filter(|word| !word.is_empty()).unwrap_or("unset")
}

/// A file that the agent's settings come from and the doctor's do not.
fn other_file<'a>(facts: &Facts, told: &'a [Setting]) -> Option<&'a str> {
    let origins = told.iter().map(|it| it.origin.as_str());
    origins
        .filter(|origin| origin.starts_with(FILE_ORIGIN))
        .find(|origin| facts.config.file.as_deref() != origin.strip_prefix(FILE_ORIGIN))
}

/// Whether a difference means anything: flags and the environment are each process's own, and a value that either has from
/// there hides what the file says. Two defaults differ with the version, two profiles with the profile.
fn comparable(running: &Setting, now: &SettingFact, same_profile: bool) -> bool {
    let shared = |origin: &str| {
        origin == DEFAULT_ORIGIN
            || origin.starts_with(FILE_ORIGIN)
            || (same_profile && origin.starts_with(PROFILE_ORIGIN))
    };
    let defaults = running.origin == DEFAULT_ORIGIN && now.origin == DEFAULT_ORIGIN;
    running.key != PROFILE && !defaults && shared(&running.origin) && shared(&now.origin)
}

/// PIN-CFG-004.
fn node_name(facts: &Facts) -> Finding {
    if facts.place != Place::Kubernetes {
        return Finding::skipped("outside a pod the host's name is the node's");
    }
    let running = agent(facts).filter(|agent| agent.is_here());
    let (name, origin) = match running.and_then(of_agent) {
        Some(setting) => (setting.value.as_str(), setting.origin.as_str()),
        None => match facts.config.setting("node.name") {
            Some(setting) => (setting.value.as_str(), setting.origin.as_str()),
            None => return Finding::unknown("the settings do not load"),
        },
    };
    let observed = json!({ "node.name": name, "origin": origin });
    let finding = if name.is_empty() {
        let told = running
            .map(|agent| agent.second.node.as_str())
            .filter(|node| !node.is_empty());
        Finding::warn(match told {
            Some(node) => format!("node.name is not set: events call the node {node}, which is the pod's name"),
            None => "node.name is not set: events would call the node by the pod's name".to_owned(),
        })
        .impact(
            "Events cannot be told apart by node, and another name comes with each new pod.",
            &["metadata"],
            &["node"],
        )
        .remedy(
            "Let Kubernetes tell the node's name by the downward API.",
            &["env:\n- name: NODE_NAME\n  valueFrom:\n    fieldRef: {fieldPath: spec.nodeName}"],
        )
        .change(Change::container(
            Op::Add,
            "/env/-",
            json!({ "name": "NODE_NAME", "valueFrom": { "fieldRef": { "fieldPath": "spec.nodeName" } } }),
        ))
    } else {
        Finding::ok(format!("the node is called {}, by {origin}", name.trim_matches('"')))
    };
    finding
        .observed(observed.clone())
        .expected("a name, from spec.nodeName")
        .stated("settings", observed)
}

fn of_agent(agent: &LiveAgent) -> Option<&Setting> {
    agent.second.settings.iter().find(|it| it.key == "node.name")
}
