//! Roots and followers: a check that cannot hold because another one failed is skipped and names that root, so that one
//! cause makes one finding.

use std::collections::BTreeMap;

use super::registry::{Definition, Edge};
use super::report::{Check, Status};

/// Marks the followers of failed checks as skipped. `checks` and `definitions` are in the same order.
pub fn fold(definitions: &[Definition], checks: &mut [Check]) {
    let mut settled: BTreeMap<&str, (Status, Option<&'static str>)> = BTreeMap::new();
    // A follower may stand before its root in the report, so each round settles those whose own roots are settled. The
    // graph has no cycle, so every round settles at least one.
    while settled.len() < checks.len() {
        let before = settled.len();
        for (definition, check) in definitions.iter().zip(checks.iter_mut()) {
            let ready = definition.depends_on.iter().all(|edge| settled.contains_key(edge.id()));
            if !ready || settled.contains_key(definition.id) {
                continue;
            }
            if check.blocked_by.is_none()
                && let Some(root) = definition
                    .depends_on
                    .iter()
                    .find_map(|edge| root(*edge, check.status, &settled))
            {
                skip(check, root);
            }
            settled.insert(definition.id, (check.status, check.blocked_by));
        }
        if settled.len() == before {
            return;
        }
    }
}

/// The root that blocks a check with this status through this edge.
fn root(edge: Edge, own: Status, settled: &BTreeMap<&str, (Status, Option<&'static str>)>) -> Option<&'static str> {
    let &(status, blocked_by) = settled.get(edge.id())?;
    let blocks = match edge {
        Edge::Needs(_) => status == Status::Fail || (status == Status::Skipped && blocked_by.is_some()),
        Edge::Through(_) => own == Status::Unknown && !matches!(status, Status::Ok | Status::Warn),
    };
    blocks.then(|| blocked_by.unwrap_or(edge.id()))
}

fn skip(check: &mut Check, root: &'static str) {
    check.status = Status::Skipped;
    check.summary = "not judged".to_owned();
    check.reason = Some(format!("waits for {root}"));
    check.blocked_by = Some(root);
    check.expected = None;
    check.impact = None;
    check.remedy = None;
}
