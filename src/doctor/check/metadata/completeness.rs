//! Whether whole events are complete.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::reason::{advice, dominant};
use super::{counts, is_reduced, ratio, rounded};
use crate::container::{Reason, Status};
use crate::control::api;
use crate::doctor::check::{agent, no_agent, runtime, thresholds};
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;

/// From this share on nothing is wrong: containers end while they are looked up, and a lookup that is slow for once is
/// nothing that anybody could mend.
const ENOUGH: f64 = 0.999;

/// PIN-META-001.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    let counts = counts(&agent.second);
    let count = |status: Status| counts.status.get(status.as_str()).copied().unwrap_or(0);
    let all: u64 = counts.status.values().sum();
    let contained = all.saturating_sub(count(Status::Host));
    if contained == 0 {
        return Finding::skipped(format!("the agent has seen no event of a container {}", counts.when));
    }
    if is_reduced(&agent.second) {
        return Finding::skipped("the agent runs reduced, which tells no container: see PIN-KRN-002 and PIN-BPF-001");
    }
    let complete = count(Status::Complete);
    let gap = contained.saturating_sub(complete);
    let share = ratio(contained - gap.min(contained), contained);
    let reasons: BTreeMap<&String, &u64> = counts.reason.iter().filter(|(_, count)| **count > 0).collect();
    let observed = json!({ "complete": complete, "of": contained, "share": rounded(share), "reasons": reasons });
    let finding = if share >= ENOUGH {
        Finding::ok(format!(
            "{complete} of {contained} events of containers {} are complete",
            counts.when
        ))
    } else {
        let dominant = dominant(&reasons);
        let summary = format!(
            "{gap} of {contained} events of containers {} lack metadata ({:.2} %), mostly: {}",
            counts.when,
            ratio(gap, contained) * 100.0,
            dominant.map_or("no reason given", Reason::as_str),
        );
        // One cause, one finding.
        if let Some(root) = runtime::root_of(facts, dominant) {
            return Finding::skipped(summary).blocked_by(root).observed(observed);
        }
        let finding = if share < thresholds(facts).complete_percent / 100.0 {
            Finding::fail(summary)
        } else {
            Finding::warn(summary)
        };
        let advice = advice(dominant, facts);
        finding
            .impact(
                "Rules that name containers, images or namespaces cannot judge these events.",
                &["metadata"],
                &["container", "kubernetes"],
            )
            .remedy(advice.text, advice.commands)
            .changes(advice.changes)
    };
    let sorted = |status: &HashMap<String, u64>| json!(status.iter().collect::<BTreeMap<_, _>>());
    let mut finding = finding
        .observed(observed)
        .expected(json!({ "share": format!(">= {ENOUGH}") }))
        .evidence(&facts.live, counts.source[0], sorted(counts.status));
    if agent.second.window.is_some() {
        let life = sorted(&agent.second.metadata_status);
        finding = finding.evidence(&facts.live, "GetStatus metadata_status", life);
    }
    let lacking = lacking(counts.fields);
    if lacking.is_empty() {
        return finding;
    }
    finding.evidence(&facts.live, counts.source[1], json!(lacking))
}

/// The fields that some events lack: in how many they are, and why not in the others.
fn lacking(fields: &HashMap<String, api::FieldCount>) -> BTreeMap<&String, Value> {
    let lacking = fields.iter().filter(|(_, count)| !count.missing.is_empty());
    lacking
        .map(|(field, count)| {
            let missing: BTreeMap<_, _> = count.missing.iter().collect();
            (field, json!({ "present": count.present, "missing": missing }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_that_events_lack_are_shown() {
        let count = |missing: &[(&str, u64)]| api::FieldCount {
            present: 7,
            inapplicable: 1,
            missing: missing
                .iter()
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect(),
        };
        let fields = HashMap::from([
            ("container.name".to_owned(), count(&[])),
            (
                "container.image".to_owned(),
                count(&[("image_name_unknown", 3), ("runtime_timeout", 1)]),
            ),
        ]);
        let shown = json!(lacking(&fields));
        let missing = json!({ "image_name_unknown": 3, "runtime_timeout": 1 });
        assert_eq!(
            shown,
            json!({ "container.image": { "present": 7, "missing": missing } })
        );
    }
}
