//! What the kernel side need not tell: which system calls no rule can match, in the conditions that it can test.
//!
//! What is necessary for a rule to match follows from its condition (`pinhole_rules::engine::necessary`). [`vocabulary`] says
//! which fields the kernel side can test and how, [`names`] makes names of patterns of paths, and here both become a
//! [`Prefilter`] for each hook. Everything is weaker than the rules, never stronger: an event that is kept back can neither
//! match a rule nor leave one undecided.

mod names;
#[cfg(test)]
mod tests;
mod vocabulary;

use pinhole_rules::engine::necessary::{self, Necessary, Set};

use self::vocabulary::{Axes, Kernel};
use super::fields;
use super::loaded::Loaded;
use crate::capture::prefilter::{Condition, Prefilter, Prefilters};
use crate::capture::{Hook, HookSet};

/// What need not be told of the system calls among these hooks.
#[must_use]
pub fn of(rules: &Loaded, hooks: HookSet) -> Prefilters {
    let filters = hooks
        .calls()
        .filter_map(|(hook, _)| Some((hook, prefilter(&necessary(rules, hook)?, hook)?)));
    Prefilters(filters.collect())
}

/// What must hold for an event of a hook, in words, where anything must.
#[must_use]
pub fn told(rules: &Loaded, hook: Hook) -> Option<String> {
    let necessary = necessary(rules, hook)?;
    prefilter(&necessary, hook).map(|_| necessary.to_string())
}

fn necessary(rules: &Loaded, hook: Hook) -> Option<Necessary> {
    let kernel = Kernel { hook };
    let event = fields::event_of(hook)?;
    Some(rules.set.necessary(event, &kernel))
}

/// Nothing where every event may be of interest.
fn prefilter(necessary: &Necessary, hook: Hook) -> Option<Prefilter> {
    let axes = Axes::of(hook);
    let mut filter = Prefilter {
        flags: axes.flags,
        values: axes.values.iter().map(|(number, _)| *number).collect(),
        family: axes.family,
        ..Prefilter::default()
    };
    for condition in &necessary.any {
        let condition = one(condition, &axes, &mut filter.text)?;
        filter.conditions.push(condition);
    }
    Some(filter)
}

/// Nothing where nothing is left of a condition.
fn one(from: &necessary::Condition, axes: &Axes, text: &mut Option<(u8, [u8; 3])>) -> Option<Condition> {
    let mut condition = Condition::default();
    for (axis, set) in &from.all {
        match set {
            // What is absent for rules may be a fact all the same.
            Set::Classes { absent: true, .. } if !axis.certain => {}
            Set::Classes { members, .. } => {
                let refused = (0..axis.classes.len()).filter(|class| members >> class & 1 == 0);
                condition
                    .refused_by
                    .extend(refused.filter_map(|class| vocabulary::fact(axis, class)));
            }
            Set::Texts(patterns) if vocabulary::is_path(axis) => {
                let names: Option<Vec<_>> = patterns.iter().map(names::of_path).collect();
                condition.names = names.map(|names| names.into_iter().collect());
            }
            Set::Texts(patterns) => {
                // One part is all that can be looked for: a second one is left out.
                if let (Some(part), Some(argument)) = (names::part_of_all(patterns), axes.text)
                    && text.is_none_or(|(_, other)| other == part)
                {
                    *text = Some((argument, part));
                    condition.text = true;
                }
            }
        }
    }
    let says_something = condition != Condition::default();
    says_something.then_some(condition)
}
