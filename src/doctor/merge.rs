//! Reports of many nodes as one: what is found on how many of them, on which, and what to mend first for the most. It takes
//! reports one by one and keeps little of each, so that ten thousand of them fit.

mod text;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::report::{FailOn, Status, Verdict, exit_code};
use super::saved::{Error, Saved};

pub use text::text;

/// Version of the shape of [`Fleet`] as JSON.
const SCHEMA_VERSION: u32 = 1;
/// Most ids that are told apart: reports come from elsewhere.
const MAX_IDS: usize = 2000;

/// What the reports of many nodes come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// Version of this shape.
    pub schema_version: u32,
    /// The worst of all nodes.
    pub verdict: Verdict,
    /// Nodes by their own verdict.
    pub counts: Nodes,
    /// What to mend first: checks by the points that they have on all nodes together.
    pub fix_first: Vec<FleetFix>,
    /// Checks, the worst first: by nodes on which they fail, then warn, then are unknown.
    pub checks: Vec<FleetCheck>,
    /// The nodes, the worst first.
    pub nodes: Vec<Node>,
    /// Files that do not count, and why.
    pub left_out: Vec<LeftOut>,
}

/// Nodes by their own verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Nodes {
    /// Nothing found.
    pub ok: usize,
    /// At least one warning.
    pub warn: usize,
    /// At least one failure.
    pub fail: usize,
    /// No finding, and something not found out.
    pub unknown: usize,
}

/// A check in the order in which mending pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetFix {
    /// The check.
    pub id: String,
    /// On how many nodes.
    pub nodes: usize,
    /// Points on all of them.
    pub points: u64,
}

/// One check on all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FleetCheck {
    /// The check.
    pub id: String,
    /// What it examines, in the words of the first report that has it.
    pub title: String,
    /// Nodes by how it ended there.
    pub counts: ByStatus,
    /// Where it fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fail: Vec<String>,
    /// Where it warns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warn: Vec<String>,
    /// Where it is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
    /// Where its finding is accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<String>,
}

/// Nodes by how a check ended there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ByStatus {
    /// As it should be.
    pub ok: usize,
    /// Warns.
    pub warn: usize,
    /// Fails.
    pub fail: usize,
    /// Not known.
    pub unknown: usize,
    /// Not judged.
    pub skipped: usize,
    /// Accepted, whatever was found.
    pub suppressed: usize,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name; that of the file where the report does not tell it.
    pub node: String,
    /// The file.
    pub file: String,
    /// When it was examined.
    pub time: String,
    /// Version of the agent that examined.
    pub version: String,
    /// The worst of its checks.
    pub verdict: Verdict,
}

/// A file that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The file.
    pub file: String,
    /// Why.
    pub problem: String,
}

impl Fleet {
    /// The exit code, as for one report: 2 where a node has a finding at or above the threshold, 3 where something is not
    /// known or a file could not be used.
    #[must_use]
    pub fn exit_code(&self, fail_on: FailOn) -> u8 {
        let Nodes {
            warn, fail, unknown, ..
        } = self.counts;
        // A node that fails or warns may have unknown checks as well.
        let unknown_checks: usize = self.checks.iter().map(|check| check.counts.unknown).sum();
        exit_code(fail, warn, unknown + unknown_checks + self.left_out.len(), fail_on)
    }
}

/// Takes reports one by one.
#[derive(Debug, Default)]
pub struct Merge {
    nodes: Vec<Node>,
    by_name: HashMap<String, usize>,
    checks: BTreeMap<String, Tally>,
    left_out: Vec<LeftOut>,
}

/// One check so far. Nodes are numbers.
#[derive(Debug, Default)]
struct Tally {
    title: String,
    counts: ByStatus,
    fail: Vec<usize>,
    warn: Vec<usize>,
    unknown: Vec<usize>,
    suppressed: Vec<usize>,
    points: u64,
    fixed_on: usize,
}

impl Merge {
    /// A file that could not be read.
    pub fn leave_out(&mut self, file: &str, problem: String) {
        self.left_out.push(LeftOut {
            file: file.to_owned(),
            problem,
        });
    }

    /// The report of a file. A node counts once, by the first report that there is of it.
    pub fn add(&mut self, file: &str, read: Result<Saved, Error>) {
        let saved = match read {
            Ok(saved) => saved,
            Err(error) => return self.leave_out(file, error.to_string()),
        };
        let name = saved.node.clone().unwrap_or_else(|| file.to_owned());
        if let Some(first) = self.by_name.get(&name) {
            let problem = format!("node {name} is in {} already, which counts", self.nodes[*first].file);
            return self.leave_out(file, problem);
        }
        let new = saved.checks.iter().filter(|check| !self.checks.contains_key(&check.id));
        if self.checks.len() + new.count() > MAX_IDS {
            return self.leave_out(
                file,
                format!("with it there would be more than {MAX_IDS} ids of checks"),
            );
        }
        let number = self.nodes.len();
        self.by_name.insert(name.clone(), number);
        self.nodes.push(Node {
            node: name,
            file: file.to_owned(),
            time: saved.time.clone(),
            version: saved.version.clone(),
            verdict: verdict(&saved),
        });
        for check in saved.checks {
            let tally = self.checks.entry(check.id).or_default();
            if tally.title.is_empty() {
                tally.title = check.title;
            }
            tally.count(number, check.status, check.suppressed);
        }
        for (id, points) in saved.fix_first {
            let tally = self.checks.entry(id).or_default();
            tally.points += u64::from(points);
            tally.fixed_on += 1;
        }
    }

    /// What all of them come to.
    #[must_use]
    pub fn finish(self) -> Fleet {
        let Self {
            mut nodes,
            checks,
            left_out,
            ..
        } = self;
        let names: Vec<String> = nodes.iter().map(|node| node.node.clone()).collect();
        let mut counts = Nodes::default();
        for node in &nodes {
            match node.verdict {
                Verdict::Ok => counts.ok += 1,
                Verdict::Warn => counts.warn += 1,
                Verdict::Fail => counts.fail += 1,
                Verdict::Unknown => counts.unknown += 1,
            }
        }
        let mut fix_first: Vec<FleetFix> = checks
            .iter()
            .filter(|(_, tally)| tally.fixed_on > 0)
            .map(|(id, tally)| FleetFix {
                id: id.clone(),
                nodes: tally.fixed_on,
                points: tally.points,
            })
            .collect();
        fix_first.sort_by_key(|fix| Reverse(fix.points));
        let mut checks: Vec<FleetCheck> = checks.into_iter().map(|(id, tally)| tally.finish(id, &names)).collect();
        checks.sort_by_key(|check| Reverse((check.counts.fail, check.counts.warn, check.counts.unknown)));
        // By name among equals: files come in whatever order a shell lists them.
        nodes.sort_by(|left, right| {
            let rank = |node: &Node| Reverse(severity(node.verdict));
            rank(left).cmp(&rank(right)).then_with(|| left.node.cmp(&right.node))
        });
        let verdict = nodes.first().map_or(Verdict::Unknown, |worst| worst.verdict);
        Fleet {
            schema_version: SCHEMA_VERSION,
            verdict,
            counts,
            fix_first,
            checks,
            nodes,
            left_out,
        }
    }
}

impl Tally {
    fn count(&mut self, node: usize, status: Status, suppressed: bool) {
        let counts = &mut self.counts;
        let (counter, nodes) = match status {
            Status::Fail | Status::Warn | Status::Unknown if suppressed => {
                (&mut counts.suppressed, Some(&mut self.suppressed))
            }
            Status::Fail => (&mut counts.fail, Some(&mut self.fail)),
            Status::Warn => (&mut counts.warn, Some(&mut self.warn)),
            Status::Unknown => (&mut counts.unknown, Some(&mut self.unknown)),
            Status::Ok => (&mut counts.ok, None),
            Status::Skipped => (&mut counts.skipped, None),
        };
        *counter += 1;
        if let Some(nodes) = nodes {
            nodes.push(node);
        }
    }

    fn finish(self, id: String, names: &[String]) -> FleetCheck {
        let named = |numbers: Vec<usize>| {
            let mut nodes: Vec<String> = numbers.into_iter().map(|number| names[number].clone()).collect();
            nodes.sort();
            nodes
        };
        FleetCheck {
            id,
            title: self.title,
            counts: self.counts,
            fail: named(self.fail),
            warn: named(self.warn),
            unknown: named(self.unknown),
            suppressed: named(self.suppressed),
        }
    }
}

/// The worst of a node's checks that count. What the report itself calls its verdict is not asked: it may have been written
/// by anybody.
fn verdict(saved: &Saved) -> Verdict {
    let counts = |status| {
        saved
            .checks
            .iter()
            .any(|check| check.status == status && !check.suppressed)
    };
    if counts(Status::Fail) {
        Verdict::Fail
    } else if counts(Status::Warn) {
        Verdict::Warn
    } else if counts(Status::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::Ok
    }
}

fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Ok => 0,
        Verdict::Unknown => 1,
        Verdict::Warn => 2,
        Verdict::Fail => 3,
    }
}

#[cfg(test)]
mod tests;
