//! Conditions over axes: all of some sets, and any of some of those.

use std::collections::BTreeSet;
use std::fmt;

use super::set::{Seen, Set};
use super::vocabulary::Axis;

/// All of this must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Condition {
    /// What may stand on an axis, in the order of the axes' names, each once.
    pub all: Vec<(&'static Axis, Set)>,
    /// The numbers of the rules that it comes from.
    pub rules: BTreeSet<u32>,
}

impl Condition {
    /// Whether it holds for an event.
    pub fn holds<'s>(&self, seen: &impl Fn(&Axis) -> Seen<'s>) -> bool {
        self.all.iter().all(|(axis, set)| set.has(seen(axis)))
    }

    fn set(&self, axis: &Axis) -> Option<&Set> {
        let at = self.all.binary_search_by(|(other, _)| (*other).cmp(axis)).ok()?;
        Some(&self.all[at].1)
    }

    /// Whether the other one holds wherever this one does, as far as that can be seen.
    fn within(&self, other: &Self) -> bool {
        let covers = |(axis, wide): &(&'static Axis, Set)| self.set(axis).is_some_and(|narrow| narrow.within(wide));
        other.all.iter().all(covers)
    }

    /// What holds where both do; nothing where that is nowhere.
    fn both(&self, other: &Self) -> Option<Self> {
        let mut met = self.clone();
        for (axis, set) in &other.all {
            match met.all.binary_search_by(|(known, _)| known.cmp(axis)) {
                Ok(at) => met.all[at].1 = met.all[at].1.both(set),
                Err(at) => met.all.insert(at, (axis, set.clone())),
            }
        }
        met.rules.extend(&other.rules);
        (!met.all.iter().any(|(axis, set)| set.is_never(axis))).then_some(met)
    }

    /// What holds where either does, and elsewhere too, where they differ on more than one axis.
    fn either(&self, other: &Self) -> Self {
        let joined = |(axis, set): &(&'static Axis, Set)| Some((*axis, set.either(other.set(axis)?, axis)?));
        Self {
            all: self.all.iter().filter_map(joined).collect(),
            rules: self.rules.union(&other.rules).copied().collect(),
        }
    }

    /// Whether [`either`](Self::either) holds nowhere else.
    fn alike(&self, other: &Self) -> bool {
        let same_axes =
            self.all.len() == other.all.len() && self.all.iter().zip(&other.all).all(|((one, _), (two, _))| one == two);
        let differ = self
            .all
            .iter()
            .zip(&other.all)
            .filter(|((_, one), (_, two))| one != two);
        same_axes && differ.count() <= 1
    }

    /// How much is said, by a guess of how many events it keeps away.
    fn worth(&self) -> usize {
        let worth = |set: &Set| match set {
            Set::Classes { .. } => 1,
            Set::Texts(_) => 4,
        };
        self.all.iter().map(|(_, set)| worth(set)).sum()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.all.is_empty() {
            return f.write_str("always");
        }
        for (at, (axis, set)) in self.all.iter().enumerate() {
            if at > 0 {
                f.write_str(" and ")?;
            }
            set.show(axis, f)?;
        }
        Ok(())
    }
}

/// Any of these; of none, never.
#[derive(Debug, Clone, Default)]
pub(super) struct Any(pub(super) Vec<Condition>);

/// More are not put together by `and` at once.
const MOST_PRODUCTS: usize = 64;

/// More are not kept within a rule.
pub(super) const MOST_PARTS: usize = 64;

impl Any {
    pub(super) fn always() -> Self {
        Self(vec![Condition::default()])
    }

    pub(super) fn never() -> Self {
        Self::default()
    }

    pub(super) fn one(axis: &'static Axis, set: Set) -> Self {
        if set.is_never(axis) {
            return Self::never();
        }
        match set.bounded(axis) {
            Some(set) => Self(vec![Condition {
                all: vec![(axis, set)],
                rules: BTreeSet::new(),
            }]),
            None => Self::always(),
        }
    }

    pub(super) fn and(mut self, mut other: Self) -> Self {
        if self.0.len() * other.0.len() > MOST_PRODUCTS {
            self = self.at_most(MOST_PRODUCTS.isqrt());
            other = other.at_most(MOST_PRODUCTS.isqrt());
        }
        let products = self
            .0
            .iter()
            .flat_map(|one| other.0.iter().filter_map(|two| one.both(two)));
        let mut any = Self::never();
        products.for_each(|product| any.add(product));
        any
    }

    /// Where there are more than `most` then, all that is left of them is what they have in common.
    pub(super) fn or(mut self, other: Self, most: usize) -> Self {
        for condition in other.0 {
            self.add(condition);
        }
        if self.0.len() > most {
            let common = self.0.into_iter().reduce(|one, two| one.either(&two));
            return Self(common.into_iter().collect());
        }
        self
    }

    /// Adds a condition, by as few parts as possible.
    fn add(&mut self, condition: Condition) {
        let mut next = condition;
        loop {
            if let Some(wide) = self.0.iter_mut().find(|other| next.within(other)) {
                wide.rules.append(&mut next.rules);
                return;
            }
            self.0.retain(|other| {
                let within = other.within(&next);
                if within {
                    next.rules.extend(&other.rules);
                }
                !within
            });
            match self.0.iter().position(|other| other.alike(&next)) {
                // It is looked at again, because what is joined may hold others.
                Some(at) => next = self.0.swap_remove(at).either(&next),
                None => break,
            }
        }
        self.0.push(next);
    }

    /// At most this many, at least one: those that lose least by it are joined.
    pub(super) fn at_most(mut self, most: usize) -> Self {
        while self.0.len() > most.max(1) {
            let pairs = (0..self.0.len()).flat_map(|one| (one + 1..self.0.len()).map(move |two| (one, two)));
            let loss = |&(one, two): &(usize, usize)| {
                let (one, two) = (&self.0[one], &self.0[two]);
                one.worth() + two.worth() - 2 * one.either(two).worth()
            };
            let Some((one, two)) = pairs.min_by_key(loss) else {
                break;
            };
            let last = self.0.swap_remove(two);
            let first = self.0.swap_remove(one);
            self.add(first.either(&last));
        }
        self
    }
}
