//! The report: steps, each with its outcome, its time and its evidence. Plain data, and how its parts are put together.
//!
//! It grows only by addition within one [`SCHEMA_VERSION`]. A key without a value is absent, never null.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use super::facts::{Facts, Walk};
use super::{agent, setting, walk};
use crate::container::{Outcome, Status};

/// Version of the report's shape.
pub const SCHEMA_VERSION: u32 = 1;

/// The explanation of one target.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// When the walk began, RFC 3339, UTC.
    pub time: String,
    /// What was asked for.
    pub target: String,
    /// The worst of all containers.
    pub verdict: Verdict,
    /// What every container has in common: the settings, the sockets, the search.
    pub steps: Vec<Step>,
    /// The containers, a sandbox first.
    pub containers: Vec<ContainerSteps>,
}

/// What is known of what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything.
    Complete,
    /// Something is missing.
    Partial,
    /// Nothing is known of it.
    Missing,
    /// Nobody could be asked.
    Undetermined,
}

/// One container.
#[derive(Debug, Clone, Serialize)]
pub struct ContainerSteps {
    /// The full id.
    pub id: String,
    /// In words: pod and name, where they are known.
    pub name: String,
    /// What is known of it.
    pub verdict: Verdict,
    /// Who decided that: the running agent, where it holds an answer, because its events carry that; else this walk.
    pub decided_by: DecidedBy,
    /// The steps of its lookup.
    pub steps: Vec<Step>,
    /// The keys `container`, `kubernetes` and `metadata` of an event, by this walk.
    pub event: Outcome,
}

/// Whose answer the verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// The running agent's.
    Agent,
    /// This walk's.
    Walk,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// A stable word for it.
    pub step: &'static str,
    /// What came of it.
    pub outcome: StepOutcome,
    /// In words.
    pub said: String,
    /// How long it took, in microseconds; absent where it took no time of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
    /// What was seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It did what it is for.
    Ok,
    /// The lookup broke here, or lost something.
    Broke,
    /// It did not apply, or nothing came as far as this.
    Skipped,
}

/// One thing that was seen: in words, and as values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// In words.
    pub text: String,
    /// The same as values.
    #[serde(flatten)]
    pub values: Map<String, Value>,
}

impl Evidence {
    /// From words and an object.
    pub(super) fn new(text: impl Into<String>, values: Value) -> Self {
        let values = match values {
            Value::Object(values) => values.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        };
        Self {
            text: text.into(),
            values,
        }
    }
}

impl Step {
    pub(super) fn new(step: &'static str, outcome: StepOutcome, said: impl Into<String>) -> Self {
        Self {
            step,
            outcome,
            said: said.into(),
            took_us: None,
            evidence: Vec::new(),
        }
    }

    pub(super) fn ok(step: &'static str, said: impl Into<String>) -> Self {
        Self::new(step, StepOutcome::Ok, said)
    }

    pub(super) fn broke(step: &'static str, said: impl Into<String>) -> Self {
        Self::new(step, StepOutcome::Broke, said)
    }

    pub(super) fn skipped(step: &'static str, said: impl Into<String>) -> Self {
        Self::new(step, StepOutcome::Skipped, said)
    }

    pub(super) fn took(mut self, time: Duration) -> Self {
        self.took_us = Some(micros(time));
        self
    }

    pub(super) fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }
}

pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Judges what was found.
#[must_use]
pub fn explain(facts: &Facts) -> Explanation {
    let containers: Vec<ContainerSteps> = facts.walks.iter().map(|walk| container(facts, walk)).collect();
    let worst = containers.iter().map(|container| container.verdict).max();
    Explanation {
        schema_version: SCHEMA_VERSION,
        time: facts.time.clone(),
        target: facts.target.to_string(),
        verdict: worst.unwrap_or_else(|| {
            if setting::anybody_listed(facts) {
                Verdict::Missing
            } else {
                Verdict::Undetermined
            }
        }),
        steps: setting::steps(facts),
        containers,
    }
}

fn container(facts: &Facts, walk: &Walk) -> ContainerSteps {
    let mut steps = walk::steps(walk);
    steps.push(agent::step(facts, walk));
    let (verdict, decided_by) = match agent::status(&facts.live, &walk.id) {
        Some(status) => (Verdict::of(status), DecidedBy::Agent),
        None => (by_walk(facts, walk), DecidedBy::Walk),
    };
    ContainerSteps {
        id: walk.id.clone(),
        name: name(walk),
        verdict,
        decided_by,
        steps,
        event: Outcome::clone(&walk.outcome),
    }
}

fn by_walk(facts: &Facts, walk: &Walk) -> Verdict {
    let status = walk.outcome.metadata.status;
    let usable = facts
        .candidates
        .iter()
        .any(|seen| seen.candidate.state.reason().is_none());
    if status == Status::Missing && !usable {
        return Verdict::Undetermined;
    }
    Verdict::of(status)
}

/// What people call it.
fn name(walk: &Walk) -> String {
    let container = walk.outcome.container.as_ref();
    let kubernetes = walk.outcome.kubernetes.as_ref();
    let listed = walk.listed.as_ref();
    let namespace = kubernetes
        .and_then(|it| it.namespace.clone())
        .or(listed.and_then(|it| it.namespace.clone()));
    let pod = kubernetes
        .and_then(|it| it.pod.as_ref()?.name.clone())
        .or(listed.and_then(|it| it.pod.clone()));
    let name = container
        .and_then(|it| it.name.clone())
        .or(listed.and_then(|it| it.name.clone()));
    let sandbox = container
        .and_then(|it| it.sandbox)
        .unwrap_or(listed.is_some_and(|it| it.sandbox));
    let name = if sandbox { Some("(sandbox)".to_owned()) } else { name };
    let parts: Vec<String> = [namespace, pod, name].into_iter().flatten().collect();
    parts.join("/")
}

impl Verdict {
    fn of(status: Status) -> Self {
        match status {
            Status::Host | Status::Complete => Self::Complete,
            Status::Partial => Self::Partial,
            Status::Missing => Self::Missing,
        }
    }

    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Missing => "missing",
            Self::Undetermined => "undetermined",
        }
    }
}
