//! Whether each single field is there, where whole events pass.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::reason::{advice, dominant};
use super::{completeness, counts, is_reduced, ratio, rounded};
use crate::container::{Field, Reason};
use crate::control::api::FieldCount;
use crate::doctor::check::{agent, no_agent, thresholds};
use crate::doctor::facts::Facts;
use crate::doctor::finding::Finding;
use crate::doctor::report::Status;

/// Of fewer events than these no share is judged.
const ENOUGH: u64 = 20;
const WHOLE: &str = "PIN-META-001";

/// PIN-META-004.
pub(super) fn judge(facts: &Facts) -> Finding {
    let Some(agent) = agent(facts) else { return no_agent() };
    if is_reduced(&agent.second) {
        return Finding::skipped("the agent runs reduced, which tells no container: see PIN-KRN-002 and PIN-BPF-001");
    }
    let counts = counts(&agent.second);
    if counts.fields.is_empty() {
        return Finding::skipped(format!(
            "{}: no event of a container, or the agent is older and does not count fields",
            counts.when
        ));
    }
    let shares: Vec<Share<'_>> = Field::ALL
        .into_iter()
        .filter_map(|field| Share::of(field, counts.fields.get(field.as_str())?))
        .collect();
    let least = thresholds(facts).complete_percent / 100.0;
    let judged = shares.iter().filter(|share| share.due >= ENOUGH);
    let worst = judged.min_by(|one, other| one.share.total_cmp(&other.share));
    let finding = match worst.filter(|worst| worst.share < least) {
        None => Finding::ok(match worst {
            Some(worst) => format!(
                "each field is in at least {:.2} % of the events that have it, {}",
                worst.share * 100.0,
                counts.when
            ),
            None => format!("too few events {} to judge a field by", counts.when),
        }),
        // Where whole events lack metadata, that is the root, and its reason is this one's.
        Some(_) if matches!(completeness::judge(facts).status(), Status::Warn | Status::Fail) => {
            return Finding::skipped("whole events lack metadata").blocked_by(WHOLE);
        }
        Some(worst) => {
            let reason = dominant(&worst.reasons);
            let advice = advice(reason, facts);
            let field = worst.field.as_str();
            Finding::warn(format!(
                "{field} is in {:.2} % of the events that should have it {}, mostly: {}",
                worst.share * 100.0,
                counts.when,
                reason.map_or("no reason given", Reason::as_str),
            ))
            .impact(
                "Rules that name this field cannot judge these events; few of all events have it, so that whole events still pass.",
                &["metadata"],
                &[field],
            )
            .remedy(advice.text, advice.commands)
            .changes(advice.changes)
        }
    };
    let observed: BTreeMap<&str, Value> = shares
        .iter()
        .map(|share| {
            let mut value = json!({ "share": rounded(share.share), "of": share.due });
            if !share.reasons.is_empty() {
                value["missing"] = json!(share.reasons);
            }
            (share.field.as_str(), value)
        })
        .collect();
    finding
        .observed(json!(observed))
        .expected(json!({ "share": format!(">= {least}") }))
        .evidence(&facts.live, counts.source[1], json!(observed))
}

/// In which share of the events that should have it a field is.
struct Share<'a> {
    field: Field,
    due: u64,
    share: f64,
    reasons: BTreeMap<&'a String, &'a u64>,
}

impl<'a> Share<'a> {
    /// `None` where no event should have it.
    fn of(field: Field, count: &'a FieldCount) -> Option<Self> {
        let missing: u64 = count.missing.values().sum();
        let due = count.present + missing;
        (due > 0).then(|| Self {
            field,
            due,
            share: ratio(count.present, due),
            reasons: count.missing.iter().filter(|(_, count)| **count > 0).collect(),
        })
    }
}
