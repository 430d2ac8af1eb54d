//! The detector: asks the rules about each event, and decides which outcomes become alerts.
//!
//! Owns the counts by rule. It refuses to write: alerts are handed to the caller, who knows where they go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pinhole_rules::catalogue::EventType;
use pinhole_rules::engine::{Once, Outcome, Scratch, WhenUnknown};

use super::alert::Alert;
use super::fields;
use super::loaded::Loaded;
use super::subject::Subject;
use crate::capture::Hook;
use crate::event::summary::RuleCount;

/// Pairs of container and rule of which an unknown outcome is remembered.
const UNDECIDED: usize = 16_384;

/// Rules at work.
#[derive(Debug)]
pub struct Detector {
    rules: Loaded,
    /// The type of events that a hook reports, where a rule can hold for it.
    types: Vec<Option<EventType>>,
    scratch: Scratch,
    once: Once,
    tallies: Vec<RuleCount>,
    /// What became of rules before they were replaced.
    before: BTreeMap<String, RuleCount>,
}

impl Detector {
    /// Sets these rules to work.
    #[must_use]
    pub fn new(rules: Loaded) -> Self {
        let mut types = vec![None; Hook::COUNT];
        for event in rules.events() {
            for hook in fields::hooks(event).iter() {
                types[hook.index()] = Some(event);
            }
        }
        Self {
            types,
            scratch: Scratch::default(),
            once: Once::new(UNDECIDED),
            tallies: vec![RuleCount::default(); rules.set.rules().len()],
            before: BTreeMap::new(),
            rules,
        }
    }

    /// Goes on with other rules. What was counted stays, and of those that are the same, by name, what is remembered of unknown
    /// outcomes.
    pub fn replace(&mut self, rules: Loaded, same: &BTreeSet<String>) {
        let before = self.tallies();
        let numbers: HashMap<&str, u32> = rules.set.rules().iter().map(|it| it.name.as_str()).zip(0..).collect();
        let mut once = std::mem::replace(&mut self.once, Once::new(UNDECIDED));
        once.renumber(|old| {
            let name = &self.rules.set.rules().get(old as usize)?.name;
            same.contains(name).then(|| numbers.get(name.as_str()).copied())?
        });
        *self = Self {
            before,
            once,
            ..Self::new(rules)
        };
    }

    /// Whether a rule can hold for what this hook reports.
    #[must_use]
    pub fn watches(&self, hook: Hook) -> bool {
        self.event(hook).is_some()
    }

    fn event(&self, hook: Hook) -> Option<EventType> {
        self.types.get(hook.index()).copied().flatten()
    }

    /// Asks the rules about an event, and hands over the alerts. `lost` is asked for each alert how many events were lost
    /// before it.
    ///
    /// # Errors
    /// The first of `raise`.
    pub fn judge<E>(
        &mut self,
        subject: &Subject<'_>,
        mut lost: impl FnMut() -> u64,
        mut raise: impl FnMut(&Alert<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(event) = self.event(subject.header.hook) else {
            return Ok(());
        };
        let Self {
            rules,
            scratch,
            once,
            tallies,
            ..
        } = self;
        let mut raised = Ok(());
        rules.set.evaluate(event, subject, scratch, |outcome| {
            let (number, rule, undecided) = match outcome {
                Outcome::Match { number, rule } => (number, rule, Vec::new()),
                Outcome::Unknown { number, rule, reasons } => (number, rule, reasons),
            };
            let Some(tally) = tallies.get_mut(number as usize) else {
                return;
            };
            if undecided.is_empty() {
                tally.matched += 1;
            } else if rule.when_unknown == WhenUnknown::Alert && once.passes(container(subject), number) {
                tally.undecided += 1;
            } else {
                tally.held_back += 1;
                return;
            }
            if raised.is_ok() {
                raised = raise(&Alert::new(rule, rules.append.as_ref(), &undecided, subject, lost()));
            }
        });
        raised
    }

    /// What became of the rules for which anything did, by name, since the start.
    #[must_use]
    pub fn tallies(&self) -> BTreeMap<String, RuleCount> {
        let mut all = self.before.clone();
        for (rule, now) in self.rules.set.rules().iter().zip(&self.tallies) {
            if *now != RuleCount::default() {
                let sum = all.entry(rule.name.clone()).or_default();
                sum.matched += now.matched;
                sum.undecided += now.undecided;
                sum.held_back += now.held_back;
                sum.limited += now.limited;
            }
        }
        all
    }

    /// The names of all rules, in the order of the files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.set.rules().iter().map(|rule| rule.name.as_str())
    }
}

/// Empty for the host, and where the container is not known.
fn container<'s>(subject: &'s Subject<'_>) -> &'s str {
    subject.outcome.container.as_ref().map_or("", |it| &it.id)
}
