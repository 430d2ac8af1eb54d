//! One evaluator for everybody: facts go in, conditions come out. It reads no clock and asks nobody.
//!
//! A condition turns false with the first facts that say so. It turns true again only once it has held for
//! [`HOLDS`], so that what fails now and then does not look like something that works now and then. That is asked of
//! what has been true before: what comes true for the first time is true at once.

use std::time::Duration;

use super::condition::{Condition, Met, Report};
use super::facts::Facts;
use super::judge::{self, Judgement};
use super::losses::LossWindow;
use crate::config::settings::Health;

/// How long a condition that was not met has to hold before it counts as met.
pub const HOLDS: Duration = Duration::from_secs(3);

/// The names of the conditions of readiness, in the order in which they are told, each with the doctor's check that it belongs to.
pub const READINESS: [(&str, &str); 5] = [
    ("hooks", "PIN-BPF-004"),
    ("canary", "PIN-LIVE-003"),
    ("runtime", "PIN-RUN-001"),
    ("losses", "PIN-LOSS-001"),
    ("delivery", "PIN-DLV-001"),
];
/// Those of liveness.
pub const LIVENESS: [(&str, &str); 1] = [("pipeline", "PIN-LIVE-003")];

/// The limits, and what it needs to remember.
#[derive(Debug)]
pub struct Evaluator {
    limits: Health,
    losses: LossWindow,
    readiness: [Remembered; READINESS.len()],
    liveness: [Remembered; LIVENESS.len()],
}

/// A condition as it was told last.
#[derive(Debug, Clone, Copy, Default)]
struct Remembered {
    told: Option<Told>,
    /// It has been met before.
    was_met: bool,
    /// It is told as not met, and has held since then.
    holds_since: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    met: Met,
    since: Duration,
}

impl Evaluator {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(limits: Health) -> Self {
        Self {
            losses: LossWindow::new(limits.loss_window),
            limits,
            readiness: Default::default(),
            liveness: Default::default(),
        }
    }

    /// Judges. To be called with facts in the order of their time, and often: what happens between two calls and is over
    /// is seen in the losses only.
    pub fn evaluate(&mut self, facts: &Facts) -> Report {
        let limits = &self.limits;
        let lost = self.losses.note(facts.at, facts.counts);
        let readiness = [
            judge::hooks(facts),
            judge::canary(facts, limits),
            judge::runtime(facts, limits),
            judge::losses(lost, limits),
            judge::delivery(facts),
        ];
        let liveness = [judge::pipeline(facts, limits)];
        let told =
            |names: &[(&'static str, &'static str)], remembered: &mut [Remembered], judgements: Vec<Judgement>| {
                let all = names.iter().zip(remembered).zip(judgements);
                all.map(|((name, remembered), judgement)| remembered.tell(*name, judgement, facts.at))
                    .collect()
            };
        Report {
            at: facts.at,
            readiness: told(&READINESS, &mut self.readiness, readiness.into()),
            liveness: told(&LIVENESS, &mut self.liveness, liveness.into()),
        }
    }
}

impl Remembered {
    fn tell(&mut self, (name, check): (&'static str, &'static str), judgement: Judgement, at: Duration) -> Condition {
        let Judgement { mut met, mut reason } = judgement;
        let recovers = met == Met::Yes && self.was_met && self.told.is_some_and(|told| told.met == Met::No);
        if recovers {
            let held = at.saturating_sub(*self.holds_since.get_or_insert(at));
            if held < HOLDS {
                met = Met::No;
                reason.push_str(&format!("; has to hold for {} s first", HOLDS.as_secs()));
            }
        } else {
            self.holds_since = None;
        }
        if met == Met::Yes {
            self.was_met = true;
            self.holds_since = None;
        }
        let since = match self.told {
            Some(told) if told.met == met => told.since,
            _ => at,
        };
        self.told = Some(Told { met, since });
        Condition {
            name,
            check,
            met,
            since,
            reason,
        }
    }
}

#[cfg(test)]
#[path = "evaluator_tests.rs"]
mod tests;
