//! Suppressions: whether those that were given are in force.

use serde_json::json;

use super::super::change::Change;
use super::super::facts::Facts;
use super::super::facts::suppressions::SuppressionFact;
use super::super::finding::Finding;
use super::super::registry::{Definition, Need, Weight, find};

/// The checks of this file.
pub(in super::super) const CHECKS: &[Definition] = &[Definition {
    id: "PIN-CFG-005",
    area: "configuration",
    title: "Suppressions are in force",
    weight: Weight::Minor,
    needs: &[Need::Settings],
    depends_on: &[],
    judge: Some(in_force),
    offline: None,
    page: include_str!("../pages/PIN-CFG-005.md"),
}];

/// PIN-CFG-005.
fn in_force(facts: &Facts) -> Finding {
    let Some(given) = &facts.suppressions else {
        return Finding::skipped("no suppressions are given (--suppress FILE)");
    };
    let over: Vec<&SuppressionFact> = given.entries.iter().filter(|entry| entry.expired).collect();
    let unknown: Vec<&SuppressionFact> = given.entries.iter().filter(|entry| find(&entry.id).is_none()).collect();
    let entries: Vec<_> = given
        .entries
        .iter()
        .map(|entry| json!({ "id": entry.id, "until": entry.until }))
        .collect();
    if over.is_empty() && unknown.is_empty() {
        let said = match given.entries.iter().min_by_key(|entry| &entry.until) {
            Some(first) => format!(
                "{} given, the first ends after {}",
                count(given.entries.len()),
                first.until
            ),
            None => format!("{} holds none", given.file),
        };
        return Finding::ok(said)
            .observed(entries.clone())
            .stated(given.file.clone(), entries);
    }
    let mut said = Vec::new();
    if !over.is_empty() {
        let names: Vec<String> = over
            .iter()
            .map(|entry| format!("{} ended with {}", entry.id, entry.until))
            .collect();
        said.push(names.join(", "));
    }
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.iter().map(|entry| entry.id.as_str()).collect();
        said.push(format!("no check of this version: {}", names.join(", ")));
    }
    let wrong = over.iter().chain(unknown.iter().filter(|entry| !entry.expired));
    Finding::warn(said.join("; "))
        .observed(
            wrong
                .map(|entry| json!({ "id": entry.id, "until": entry.until }))
                .collect::<Vec<_>>(),
        )
        .expected("every suppression is for a check of this version, and its last day is not over")
        .stated(given.file.clone(), entries)
        .impact(
            "Findings that somebody once accepted count again, or were never accepted.",
            &["doctor"],
            &[],
        )
        .remedy(
            "Mend what the check finds, or say anew why it is accepted and until when; take out what no check is called.",
            &[&format!("editor {}", given.file), "/agent doctor explain"],
        )
        .change(Change::node("suppressions", "in force, or taken out"))
}

fn count(number: usize) -> String {
    match number {
        1 => "1 is".to_owned(),
        more => format!("{more} are"),
    }
}
