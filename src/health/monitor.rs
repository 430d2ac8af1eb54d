//! The evaluator at work: it is fed each second and whenever somebody asks, and what changes is logged.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::condition::{Met, Report};
use super::evaluator::Evaluator;
use super::exposition::Format;
use super::facts::{Facts, Source};
use super::metrics::write::{Exported, classic};
use crate::config::settings::Health;

/// The running agent's health, for whoever asks.
pub struct Monitor {
    source: Arc<dyn Source>,
    state: Mutex<State>,
}

struct State {
    evaluator: Evaluator,
    /// Whether it was ready, and alive, when that was logged last.
    logged: Option<(bool, bool)>,
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").finish_non_exhaustive()
    }
}

impl Monitor {
    /// One that has judged nothing yet.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, limits: Health) -> Self {
        Self {
            source,
            state: Mutex::new(State {
                evaluator: Evaluator::new(limits),
                logged: None,
            }),
        }
    }

    /// Judges, and logs when the verdict is another one than before.
    pub fn examine(&self) -> Report {
        self.examined().1
    }

    fn examined(&self) -> (Facts, Report) {
        // The facts of one call must not be older than those of the call before it.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = self.source.facts();
        let report = state.evaluator.evaluate(&facts);
        let verdict = (report.is_ready(), report.is_live());
        let before = state.logged.replace(verdict);
        if before != Some(verdict) {
            log(&report, before.is_none());
        }
        (facts, report)
    }

    /// The metrics as text. `None` where they cannot be written, which no value of them causes.
    #[must_use]
    pub fn metrics(&self, format: Format) -> Option<String> {
        let (facts, report) = self.examined();
        let exported = Exported {
            facts,
            report,
            numbers: self.source.numbers(),
        };
        let open = exported.into_text().ok()?;
        match format {
            Format::OpenMetrics => Some(open),
            Format::Text => classic(&open).ok(),
        }
    }
}

fn log(report: &Report, first: bool) {
    let unmet: Vec<String> = report
        .liveness
        .iter()
        .chain(&report.readiness)
        .filter(|condition| condition.met == Met::No)
        .map(|condition| format!("{}: {} ({})", condition.name, condition.reason, condition.check))
        .collect();
    let (ready, live) = (report.is_ready(), report.is_live());
    let what = if live { "not ready" } else { "not alive" };
    if unmet.is_empty() {
        tracing::info!(ready, live, "the agent is ready");
    } else if first {
        // At the start nothing has come through yet.
        tracing::info!(ready, live, "the agent is {what} yet: {}", unmet.join("; "));
    } else {
        tracing::warn!(ready, live, "the agent is {what}: {}", unmet.join("; "));
    }
}
