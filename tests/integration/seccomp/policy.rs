//! A policy as a list of rules, and without one of them.

use serde_json::Value;

/// The policy that the agent carries.
pub(super) const AGENT_RUN: &str = include_str!("../../../seccomp/agent-run.json");
/// The one for its pod.
pub(super) const AGENT_SETUP: &str = include_str!("../../../seccomp/agent-setup.json");

/// That of the process that delivers alerts.
pub(super) const AGENT_DELIVERY: &str = include_str!("../../../seccomp/agent-delivery.json");

/// One system call of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    entry: usize,
    name: String,
    /// The name, and behind it the value of the condition, where there is one: `fcntl 3`.
    pub(super) label: String,
    /// The part of the work that it is for, where it is for one.
    pub(super) part: Option<String>,
    /// The entry's reason.
    pub(super) why: String,
}

/// Every rule, in the order of the file.
pub(super) fn rules(policy: &str) -> Vec<Rule> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    let entries = policy["syscalls"].as_array().unwrap();
    let of_entry = |(number, entry): (usize, &Value)| {
        let condition = entry["args"][0]["value"].as_u64();
        let part = entry["part"].as_str().map(str::to_owned);
        let why = entry["comment"].as_str().unwrap_or_default().to_owned();
        let names = entry["names"].as_array().unwrap().clone();
        names.into_iter().map(move |name| {
            let name = name.as_str().unwrap().to_owned();
            let label = condition.map_or_else(|| name.clone(), |value| format!("{name} {value}"));
            Rule {
                entry: number,
                name,
                label,
                part: part.clone(),
                why: why.clone(),
            }
        })
    };
    entries.iter().enumerate().flat_map(of_entry).collect()
}

/// The policy without the rule.
pub(super) fn without(policy: &str, rule: &Rule) -> String {
    let mut policy: Value = serde_json::from_str(policy).unwrap();
    let entries = policy["syscalls"].as_array_mut().unwrap();
    let names = entries[rule.entry]["names"].as_array_mut().unwrap();
    names.retain(|name| *name != *rule.name);
    if names.is_empty() {
        entries.remove(rule.entry);
    }
    policy.to_string()
}

#[test]
fn a_rule_is_taken_away_alone() {
    let policy = r#"{"syscalls":[{"names":["a","b"]},{"names":["a"],"args":[{"value":7}]}]}"#;
    let rules = rules(policy);
    let labels: Vec<&str> = rules.iter().map(|rule| &*rule.label).collect();
    assert_eq!(labels, ["a", "b", "a 7"]);
    assert_eq!(
        without(policy, &rules[0]),
        r#"{"syscalls":[{"names":["b"]},{"args":[{"value":7}],"names":["a"]}]}"#
    );
    assert_eq!(without(policy, &rules[2]), r#"{"syscalls":[{"names":["a","b"]}]}"#);
}
