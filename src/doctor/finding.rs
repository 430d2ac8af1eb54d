//! What a judge says: a [`Check`] without its identity, which the registry adds.

use serde_json::Value;

use super::change::Change;
use super::facts::{Gap, Gathered, View};
use super::registry::Definition;
use super::report::{Check, Evidence, Impact, Remedy, Status};

/// The verdict of one judge.
#[derive(Debug, Clone)]
pub struct Finding {
    status: Status,
    summary: String,
    observed: Option<Value>,
    expected: Option<Value>,
    evidence: Vec<Evidence>,
    impact: Option<Impact>,
    remedy: Option<Remedy>,
    blocked_by: Option<&'static str>,
    reason: Option<String>,
}

impl Finding {
    fn new(status: Status, summary: impl Into<String>) -> Self {
        Self {
            status,
            summary: summary.into(),
            observed: None,
            expected: None,
            evidence: Vec::new(),
            impact: None,
            remedy: None,
            blocked_by: None,
            reason: None,
        }
    }

    /// As it should be.
    pub(super) fn ok(summary: impl Into<String>) -> Self {
        Self::new(Status::Ok, summary)
    }

    /// Works, at a price or with a risk.
    pub(super) fn warn(summary: impl Into<String>) -> Self {
        Self::new(Status::Warn, summary)
    }

    /// Does not work.
    pub(super) fn fail(summary: impl Into<String>) -> Self {
        Self::new(Status::Fail, summary)
    }

    /// Could not be found out.
    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            reason: Some(reason),
            ..Self::new(Status::Unknown, "could not be found out")
        }
    }

    /// Could not be found out because facts are missing.
    pub(super) fn gap(gap: &Gap) -> Self {
        Self::unknown(gap.to_string())
    }

    /// Does not apply here.
    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..Self::new(Status::Skipped, "not judged")
        }
    }

    /// The value that was found.
    pub(super) fn observed(mut self, value: impl Into<Value>) -> Self {
        self.observed = Some(value.into());
        self
    }

    /// The value that was wanted.
    pub(super) fn expected(mut self, value: impl Into<Value>) -> Self {
        self.expected = Some(value.into());
        self
    }

    /// A value and where it was read, with the clock of the facts that it comes from.
    pub(super) fn evidence<T>(
        mut self,
        from: &Gathered<T>,
        source: impl Into<String>,
        value: impl Into<Value>,
    ) -> Self {
        self.evidence.push(Evidence {
            source: source.into(),
            value: value.into(),
            at: from.at.clone(),
            duration_us: from.duration_us,
            view: from.view,
        });
        self
    }

    /// A value that was handed in, without a clock.
    pub(super) fn stated(mut self, source: impl Into<String>, value: impl Into<Value>) -> Self {
        self.evidence.push(Evidence {
            source: source.into(),
            value: value.into(),
            at: None,
            duration_us: None,
            view: View::Cold,
        });
        self
    }

    /// What suffers.
    pub(super) fn impact(mut self, text: impl Into<String>, features: &[&str], fields: &[&str]) -> Self {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        self.impact = Some(Impact {
            text: text.into(),
            features: words(features),
            fields: words(fields),
            rules: super::rules::that_use(fields),
        });
        self
    }

    /// What mends it.
    pub(super) fn remedy(mut self, text: impl Into<String>, commands: &[&str]) -> Self {
        self.remedy = Some(Remedy {
            text: text.into(),
            commands: commands.iter().map(|&line| line.to_owned()).collect(),
            patch: Vec::new(),
        });
        self
    }

    /// One change that is part of the remedy, for machines; to be called after [`Self::remedy`].
    pub(super) fn change(mut self, change: Change) -> Self {
        if let Some(remedy) = &mut self.remedy {
            remedy.patch.push(change);
        }
        self
    }

    /// Several of them.
    pub(super) fn changes(self, changes: impl IntoIterator<Item = Change>) -> Self {
        changes.into_iter().fold(self, Self::change)
    }

    /// Not judged because of the check `id`.
    pub(super) fn blocked_by(mut self, id: &'static str) -> Self {
        self.blocked_by = Some(id);
        self
    }

    /// Whether another check's failure is in the way.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked_by.is_some()
    }

    /// Whether something of this source is among its evidence.
    pub(super) fn is_proven_by(&self, source: &str) -> bool {
        self.evidence.iter().any(|evidence| evidence.source == source)
    }

    /// How it ended.
    pub(super) fn status(&self) -> Status {
        self.status
    }

    /// Gives the finding its identity.
    pub(super) fn of(self, definition: &Definition) -> Check {
        Check {
            id: definition.id.into(),
            area: definition.area.into(),
            title: definition.title.into(),
            status: self.status,
            summary: self.summary,
            observed: self.observed,
            expected: self.expected,
            evidence: self.evidence,
            impact: self.impact,
            remedy: self.remedy,
            blocked_by: self.blocked_by.map(Into::into),
            suppressed: None,
            reason: self.reason,
        }
    }
}
