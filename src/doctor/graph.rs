//! Roots and followers: a check that cannot hold because another one failed is skipped and names that root, so that one
//! cause makes one finding; and which of the roots to mend first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::registry::{Definition, Edge, Weight, find};
use super::report::{Check, Fix, Status, Word};

/// Marks the followers of failed checks as skipped. `checks` and `definitions` are in the same order.
pub fn fold(definitions: &[&Definition], checks: &mut [Check]) {
    let mut settled: BTreeMap<&str, (Status, Option<Word>)> = BTreeMap::new();
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
            settled.insert(definition.id, (check.status, check.blocked_by.clone()));
        }
        if settled.len() == before {
            break;
        }
    }
    name_roots(checks);
}

/// Makes each check that waits for another name the one at the end of the chain.
fn name_roots(checks: &mut [Check]) {
    let waits: BTreeMap<Word, Word> = checks
        .iter()
        .filter(|check| check.status == Status::Skipped)
        .filter_map(|check| Some((check.id.clone(), check.blocked_by.clone()?)))
        .collect();
    for check in checks {
        // No chain is longer than there are links.
        for _ in 0..waits.len() {
            match check.blocked_by.as_ref().and_then(|root| waits.get(root)) {
                Some(further) => check.blocked_by = Some(further.clone()),
                None => break,
            }
        }
    }
}

/// The root that blocks a check with this status through this edge.
fn root(edge: Edge, own: Status, settled: &BTreeMap<&str, (Status, Option<Word>)>) -> Option<Word> {
    let (status, blocked_by) = settled.get(edge.id())?;
    let blocks = match edge {
        Edge::Needs(_) => *status == Status::Fail || (*status == Status::Skipped && blocked_by.is_some()),
        Edge::Through(_) => own == Status::Unknown && !matches!(status, Status::Ok | Status::Warn),
    };
    blocks.then(|| blocked_by.clone().unwrap_or(edge.id().into()))
}

fn skip(check: &mut Check, root: Word) {
    check.status = Status::Skipped;
    check.summary = "not judged".to_owned();
    check.reason = Some(format!("waits for {root}"));
    check.blocked_by = Some(root);
    check.expected = None;
    check.impact = None;
    check.remedy = None;
}

/// Findings in the order in which mending them pays: by their own weight and that of what waits for them. A warning weighs
/// half of what a failure does; among equals the order of the report decides.
#[must_use]
pub fn fix_first(checks: &[Check]) -> Vec<Fix> {
    let points = |id: &str| find(id).map_or(Weight::Minor, |definition| definition.weight).points();
    let mut fixes: Vec<Fix> = checks
        .iter()
        .filter(|check| check.suppressed.is_none())
        .filter_map(|check| {
            let own = match check.status {
                Status::Fail => 2 * points(&check.id),
                Status::Warn => points(&check.id),
                Status::Ok | Status::Unknown | Status::Skipped => return None,
            };
            let waiting = checks
                .iter()
                .filter(|other| other.blocked_by.as_ref() == Some(&check.id));
            let unblocks: Vec<Word> = waiting.map(|other| other.id.clone()).collect();
            Some(Fix {
                points: own + unblocks.iter().map(|id| points(id)).sum::<u32>(),
                id: check.id.clone(),
                unblocks,
            })
        })
        .collect();
    fixes.sort_by_key(|fix| Reverse(fix.points));
    fixes
}
