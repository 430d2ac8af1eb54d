//! What is different from a report that was saved earlier, so that a known state can be told from a new fault.

use serde::{Deserialize, Serialize};

use super::report::{Check, FailOn, Report, Status, Word, exit_code};
use super::saved::Saved;

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The time of the earlier report, RFC 3339, UTC.
    pub since: String,
    /// The version of the agent that made it.
    pub version: String,
    /// The node that it was made on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What is new or worse, by status: what the exit code goes by.
    pub counts: Worse,
    /// Every check that ended otherwise, in the order of the report; those that this version no longer has are last.
    pub checks: Vec<Changed>,
}

/// Findings that are new or worse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worse {
    /// Warnings.
    pub warn: usize,
    /// Failures.
    pub fail: usize,
    /// Not found out.
    pub unknown: usize,
}

impl Worse {
    /// As [`super::report::Counts::exit_code`], of these alone.
    #[must_use]
    pub fn exit_code(self, fail_on: FailOn) -> u8 {
        exit_code(self.fail, self.warn, self.unknown, fail_on)
    }
}

/// One check that ended otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The check.
    pub id: Word,
    /// In which direction.
    pub change: Direction,
    /// How it ended then; absent where the earlier report does not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Status>,
    /// How it ended now; absent where this version no longer has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Status>,
}

/// In which direction a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A finding that was none, or something that can no longer be found out.
    New,
    /// A warning that has become a failure, or can no longer be found out.
    Worse,
    /// A failure that has become a warning, or can no longer be found out.
    Better,
    /// No finding any more.
    Gone,
    /// No finding, now as then.
    Other,
}

/// Compares. Ids that only one of the two knows are told like those that were no finding in the other.
#[must_use]
pub fn changes(report: &Report, earlier: &Saved) -> Changes {
    let mut counts = Worse::default();
    let mut checks: Vec<Changed> = Vec::new();
    for check in &report.checks {
        let from = earlier.check(&check.id).map(|check| check.status);
        let Some(change) = direction(from, Some(check.status)) else {
            continue;
        };
        if matches!(change, Direction::New | Direction::Worse) {
            count(&mut counts, check);
        }
        checks.push(Changed {
            id: check.id.clone(),
            change,
            from,
            to: Some(check.status),
        });
    }
    let lost = earlier
        .checks
        .iter()
        .filter(|old| !report.checks.iter().any(|check| check.id == old.id));
    checks.extend(lost.filter_map(|old| {
        Some(Changed {
            change: direction(Some(old.status), None)?,
            id: old.id.clone().into(),
            from: Some(old.status),
            to: None,
        })
    }));
    Changes {
        since: earlier.time.clone(),
        version: earlier.version.clone(),
        node: earlier.node.clone(),
        counts,
        checks,
    }
}

/// What somebody has accepted does not count, be it new or not.
fn count(counts: &mut Worse, check: &Check) {
    if check.suppressed.is_some() {
        return;
    }
    match check.status {
        Status::Warn => counts.warn += 1,
        Status::Fail => counts.fail += 1,
        Status::Unknown => counts.unknown += 1,
        Status::Ok | Status::Skipped => {}
    }
}

/// In which direction, or none where nothing is different. An earlier unknown vouches for nothing: what is found now is new.
fn direction(from: Option<Status>, to: Option<Status>) -> Option<Direction> {
    use Status::{Fail, Unknown, Warn};
    match (from, to) {
        (from, to) if from == to => None,
        (Some(Warn), Some(Fail | Unknown)) => Some(Direction::Worse),
        (Some(Fail), Some(Warn | Unknown)) => Some(Direction::Better),
        (_, Some(Warn | Fail | Unknown)) => Some(Direction::New),
        (Some(Warn | Fail | Unknown), _) => Some(Direction::Gone),
        // A check that only one of the two versions has, and that finds nothing.
        (None, _) | (_, None) => None,
        (Some(_), Some(_)) => Some(Direction::Other),
    }
}

#[cfg(test)]
mod tests;
