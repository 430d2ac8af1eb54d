//! PIN-CFG-001, PIN-CFG-004 and PIN-PRF-001 in manifests.

use serde_json::{Value, json};

use super::super::super::change::{Change, Op};
use super::super::super::facts::manifests::{AgentPod, Culprit, Manifests, SettingsProblem};
use super::super::super::finding::Finding;
use super::super::super::offline::{NODE, default_of};
use super::super::manifest::of_profile;
use super::patch::{push, put, take_items};
use super::{Read, agent, settings_unknown, waits};
use crate::platform::{Confidence, detect};

/// The downward API's word for the node's name.
const FIELD: &str = "spec.nodeName";

/// PIN-CFG-001.
pub(in super::super) fn loads(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    let settings = &manifests.settings;
    let sources = sources(manifests);
    let Some(problem) = &settings.problem else {
        return match settings_unknown(manifests) {
            Some(finding) => finding,
            None => Finding::ok(format!("loads from {}", sources.join(", ")))
                .observed(json!(sources))
                .told(
                    &agent.object,
                    &agent.in_container(""),
                    json!({ "settings from": sources }),
                ),
        };
    };
    Finding::fail(problem.message.clone())
        .observed(problem.message.clone())
        .expected("every key known, every value of its type and within its limits")
        .told(
            &agent.object,
            &agent.in_container(""),
            json!({ "settings from": sources }),
        )
        .impact(
            "The agent does not start: it ends with exit code 78, or 64.",
            &["capture"],
            &[],
        )
        .remedy(
            match &problem.at {
                Some(Culprit::Key(key)) => format!("Correct {key} in the ConfigMap, or take it out."),
                Some(Culprit::Variable(name)) => format!("Correct the variable {name}, or take it out."),
                Some(Culprit::Flag(flag)) => format!("Correct {flag} among the arguments, or take it out."),
                Some(Culprit::File) => {
                    "Correct the line; or begin with the file of the profile's own manifest.".to_owned()
                }
                None => "Correct what the message names.".to_owned(),
            },
            &["kubectl -n pinhole edit configmap pinhole-agent", "agent run --help"],
        )
        .changes(mended(manifests, agent, problem))
}

/// Where settings come from, by name alone.
fn sources(manifests: &Manifests) -> Vec<String> {
    let mut found = vec!["the command line".to_owned()];
    if let Some((map, key)) = &manifests.settings.file {
        found.push(format!("{key} of ConfigMap {map}"));
    }
    let variables = manifests.agent.iter().flat_map(|agent| &agent.container.variables);
    found.extend(
        variables
            .filter(|name| *name == "NODE_NAME" || name.starts_with("PINHOLE_"))
            .map(|name| format!("variable {name}")),
    );
    found
}

fn mended(manifests: &Manifests, agent: &AgentPod, problem: &SettingsProblem) -> Vec<Change> {
    let object = &agent.object;
    match &problem.at {
        Some(Culprit::Variable(name)) => take_items(object, &agent.in_container("/env"), variables(agent, name)),
        Some(Culprit::Flag(flag)) => ["/command", "/args"]
            .iter()
            .flat_map(|list| {
                let list = agent.in_container(list);
                take_items(object, &list, words_of(agent, &list, flag))
            })
            .collect(),
        // What nobody sets has its default; a key that there is none of has none.
        Some(Culprit::Key(key)) if key == "profile" => vec![Change::setting(key, manifests.profile.name)],
        Some(Culprit::Key(key)) => vec![Change::setting(key, default_of(key).unwrap_or(Value::Null))],
        Some(Culprit::File) => {
            let own = of_profile(manifests, "ConfigMap");
            let text = own.as_ref().and_then(|map| map["data"]["agent.toml"].as_str());
            let place = manifests
                .settings
                .file
                .as_ref()
                .map(|(_, key)| format!("/data/{}", super::patch::token(key)));
            let change = text
                .zip(place)
                .map(|(text, place)| Change::manifest("ConfigMap", Op::Replace, &place, text));
            change.into_iter().collect()
        }
        None => Vec::new(),
    }
}

/// Where `env` has this variable.
fn variables(agent: &AgentPod, name: &str) -> Vec<usize> {
    let list = agent.in_container("/env");
    let all = agent.object.items(&list).enumerate();
    all.filter(|(_, variable)| variable["name"] == name)
        .map(|(index, _)| index)
        .collect()
}

/// Where a list of words has this flag, with its value where that is a word of its own.
fn words_of(agent: &AgentPod, list: &str, flag: &str) -> Vec<usize> {
    let words: Vec<&str> = agent.object.items(list).filter_map(Value::as_str).collect();
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if word.split_once('=').is_some_and(|(name, _)| name == flag) {
            found.push(index);
        } else if *word == flag {
            found.push(index);
            found.extend(
                words
                    .get(index + 1)
                    .filter(|next| !next.starts_with('-'))
                    .map(|_| index + 1),
            );
        }
    }
    found
}

/// PIN-CFG-004.
pub(in super::super) fn node_name(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if manifests.settings.problem.is_some() {
        return waits("PIN-CFG-001");
    }
    let name = manifests.settings.settings.node.name.as_deref();
    let own = variables(agent, "PINHOLE_NODE_NAME").last().copied();
    let given = own.or(variables(agent, "NODE_NAME").last().copied());
    let list = agent.in_container("/env");
    let said = match name {
        Some(NODE) => None,
        None => Some("nothing tells the agent its node's name: events carry the pod's name there".to_owned()),
        Some(other) if other.starts_with("$(") => Some(format!("node.name is {other}, which is not the node's name")),
        Some(_) if agent.object.kind == "Pod" => None,
        Some(_) => Some("node.name is a fixed word, the same on every node".to_owned()),
    };
    let field = json!({ "fieldRef": { "fieldPath": FIELD } });
    let finding = match said {
        None => Finding::ok("the node's name comes by the downward API"),
        Some(said) => {
            let change = match (given, name) {
                // The file outweighs NODE_NAME and not PINHOLE_NODE_NAME.
                (Some(index), _) if own.is_some() || !in_file(manifests, agent) => {
                    let variable = agent.object.at(&format!("{list}/{index}/name")).cloned();
                    put(
                        &agent.object,
                        &format!("{list}/{index}"),
                        json!({ "name": variable, "valueFrom": field }),
                    )
                }
                (_, Some(_)) => push(
                    &agent.object,
                    &list,
                    json!({ "name": "PINHOLE_NODE_NAME", "valueFrom": field }),
                ),
                (_, None) => push(&agent.object, &list, json!({ "name": "NODE_NAME", "valueFrom": field })),
            };
            Finding::warn(said)
                .impact(
                    "Events of different nodes cannot be told apart, or only by the names of pods that come and go.",
                    &["metadata"],
                    &["node"],
                )
                .remedy(
                    "Hand it in by the downward API.",
                    &["env:\n  - name: NODE_NAME\n    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}"],
                )
                .change(change)
        }
    };
    let from = given.map_or_else(|| list.clone(), |index| format!("{list}/{index}"));
    let path = agent
        .object
        .at(&format!("{from}/valueFrom/fieldRef/fieldPath"))
        .cloned();
    let path = path.unwrap_or_else(|| "absent".into());
    finding
        .observed(path.clone())
        .expected(FIELD)
        .told(&agent.object, &from, path)
}

/// Whether the name stands in the file or among the arguments, which outweigh NODE_NAME.
fn in_file(manifests: &Manifests, agent: &AgentPod) -> bool {
    let name = manifests.settings.settings.node.name.as_deref();
    let list = agent.in_container("/env");
    let given = variables(agent, "NODE_NAME")
        .last()
        .map(|index| format!("{list}/{index}"));
    let by_field = given.as_ref().and_then(|given| {
        agent
            .object
            .at(&format!("{given}/valueFrom/fieldRef/fieldPath"))?
            .as_str()
    });
    let by_text = given
        .as_ref()
        .and_then(|given| agent.object.at(&format!("{given}/value"))?.as_str());
    name.is_some_and(|name| {
        !name.is_empty() && by_text != Some(name) && by_field.is_none_or(|field| name != format!("$({field})"))
    })
}

/// PIN-PRF-001.
pub(in super::super) fn profile(manifests: &Manifests) -> Finding {
    let agent = match agent(manifests) {
        Ok(agent) => agent,
        Err(finding) => return *finding,
    };
    if let Some(unknown) = settings_unknown(manifests) {
        return unknown;
    }
    let wanted = manifests.profile.name;
    let Some((name, origin)) = &manifests.settings.declared else {
        return Finding::ok("no profile is named: each agent detects its own")
            .observed("auto")
            .expected(wanted);
    };
    let finding = if detect::fits(name, wanted, Confidence::Certain) {
        Finding::ok(format!("profile {name} ({origin})"))
    } else {
        Finding::warn(format!(
            "the settings name profile {name} ({origin}), and the platform is {wanted}"
        ))
        .impact(
            "Socket paths, thresholds and remedies are those of another platform.",
            &["metadata", "doctor"],
            &["container", "kubernetes"],
        )
        .remedy(
            format!("Set the profile to {wanted}, or to auto."),
            &[&format!("profile = \"{wanted}\"")],
        )
        .changes(named(manifests, agent, origin))
    };
    finding.observed(name.clone()).expected(wanted).told(
        &agent.object,
        &agent.in_container(""),
        json!({ "profile": name, "from": origin }),
    )
}

/// The profile's name where the settings have it.
fn named(manifests: &Manifests, agent: &AgentPod, origin: &str) -> Vec<Change> {
    let (object, wanted) = (&agent.object, manifests.profile.name);
    if let Some(name) = origin.strip_prefix("environment variable ") {
        let list = agent.in_container("/env");
        let last = variables(agent, name).last().map(|index| format!("{list}/{index}"));
        return last
            .map(|place| put(object, &place, json!({ "name": name, "value": wanted })))
            .into_iter()
            .collect();
    }
    if let Some(flag) = origin.strip_prefix("flag ") {
        for list in ["/command", "/args"].map(|list| agent.in_container(list)) {
            let Some(index) = words_of(agent, &list, flag).first().copied() else {
                continue;
            };
            let place = format!("{list}/{index}");
            let joined = object
                .at(&place)
                .and_then(Value::as_str)
                .is_some_and(|word| word.contains('='));
            return vec![match joined {
                true => put(object, &place, format!("{flag}={wanted}")),
                false => put(object, &format!("{list}/{}", index + 1), wanted),
            }];
        }
        return Vec::new();
    }
    vec![Change::setting("profile", wanted)]
}
